"""# learn: people's labels become a candidate, and a person decides

`labels` counts what people have said since the last candidate and ends the run early when that is nothing. `train` makes a
candidate on the model in use; `gate` holds it to what its base knows; `propose` tries it in shadow on the newest posts
beside the live model and says what it would change; `approve` waits for a person (Airflow, *Required actions*), for six
days; `promote` makes it live, and running processes take it with their next batch. Nothing changes before that.

## If it is red
- **labels**: the store cannot be read; its log names it and the next step.
- **train**: the log says what is wrong with a label or the registry (`[models]` of `tocsin.toml`, a folder or a bucket). What
  is live stays live.
- **gate**: the candidate is worse than its base; the log says where. It stays listed (`tocsin models show`), can be tried
  in shadow, and made live by `tocsin models promote --override REASON` alone.
- **propose**: a model cannot be loaded, or the store not be read.
- **approve**: nobody answered in six days. Next week's candidate knows the newer labels too; or `tocsin models promote`.
- **promote**: the candidate broke since, or the registry refuses the write; the live model stays.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, task

from dags import _policy

PATIENCE = timedelta(days=6)  # less than the week to the next run, which would wait behind this one


@dag(schedule=_policy.schedule("learn", "41 4 * * 1"), doc_md=__doc__, **_policy.DAG_ARGS)
def learn() -> None:
    """Train on people's labels, then ask a person whether the candidate goes live."""

    @task.short_circuit
    def labels() -> int:
        from pipeline.app import assemble, models_of
        from pipeline.lessons import unlearned

        tocsin = assemble()
        return unlearned(tocsin.store, models_of(tocsin.config))

    @task(execution_timeout=timedelta(hours=2))
    def train() -> str:
        from pipeline.app import assemble, models_of
        from pipeline.lessons import train_own

        tocsin = assemble()
        return train_own(tocsin.store, models_of(tocsin.config), now=tocsin.clock()).name

    @task
    def gate(candidate: str) -> str:
        from pipeline.app import assemble, models_of
        from pipeline.lessons import hold_to_gate

        return hold_to_gate(models_of(assemble().config), candidate)

    @task
    def propose(candidate: str) -> str:
        from pipeline.app import assemble, models_of
        from pipeline.lessons import proposal

        tocsin = assemble()
        return proposal(tocsin.store, models_of(tocsin.config), candidate, config=tocsin.config, now=tocsin.clock())

    @task
    def promote(candidate: str, answer: object = None) -> str:
        from pipeline.app import assemble, models_of
        from pipeline.lessons import approved_by, promote

        tocsin = assemble()
        who = approved_by(answer)
        made = promote(models_of(tocsin.config), candidate, who=who, why="approved in Airflow", now=tocsin.clock())
        return made.version

    trained = train()
    passed = gate(trained)
    proposed = propose(passed)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Make {{ ti.xcom_pull('gate') }} the live model?",
        body="{{ ti.xcom_pull('propose') }}",
        response_timeout=PATIENCE,
        execution_timeout=PATIENCE,
        retries=3,  # an answer in the first second may fail while SQLite is busy
    )
    labels() >> trained
    proposed >> approve
    promote(passed, approve.output)


learn()
