"""# listen: hear and understand

`collect` reads each source back to its watermark (one task a source, its queries one after another: a task costs Airflow
about a second, a query less), then `triage` understands, ranks and indexes every batch that has landed, also those of an
earlier run that was interrupted.

## If it is red
- **collect** of one source: its log ends with one line that names the source, what it said, and the next step (a key to
  renew, a query too long). The other sources and triage go on. What was not read is a gap: the Coverage page shows it,
  and the next healthy runs refill it. Nothing needs to be cleared or backfilled.
- **triage**: a batch could not be read or the store refuses writes. The batch stays pending and is triaged by the next run
  once the cause is gone; its raw posts lie in the landing zone.
- **Nothing runs**: Airflow's scheduler is down; posts wait at their sources, the watermark remembers where to go on.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from dags import _policy


@dag(schedule=_policy.schedule("listen", "*/5 * * * *"), doc_md=__doc__, **_policy.DAG_ARGS)
def listen() -> None:
    """Collect every source, then triage what has landed."""

    @task(map_index_template="{{ task.op_kwargs['source'] }}", max_active_tis_per_dagrun=2)
    def collect(source: str) -> dict[str, int]:
        from pipeline.app import assemble
        from pipeline.flows import collect_source

        return collect_source(assemble(), source)

    @task(trigger_rule="all_done")
    def triage() -> dict[str, int]:
        from pipeline.app import assemble
        from pipeline.flows import triage_landed

        return triage_landed(assemble())

    collect.expand(source=_policy.sources()) >> triage()


listen()
