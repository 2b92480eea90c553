"""# watch: alarm

`detect` opens, grows and closes incidents, of single grave posts and of numbers beside what is usual. `escalate` writes the
notices that are due into the notification log and delivers them.

## If it is red
- **detect**: the store cannot be read or written; its log names the file and the next step. Incidents are found from what
  is indexed, so nothing is missed once it runs again.
- **escalate**: the store again. A channel that fails does *not* turn this task red: the notice keeps its error, is tried
  again by itself, and stands on the incident's page and in `tocsin notices`. A channel that refuses for good is
  switched off, others carry its notices, and `tocsin channels` names it (docs/runbook.md).
- **Red for more than a few minutes**: nobody is being told of anything. Look at the queue page by hand until it is green.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from dags import _policy


@dag(schedule=_policy.schedule("watch", "* * * * *"), doc_md=__doc__, **_policy.DAG_ARGS)
def watch() -> None:
    """Detect incidents, then tell people."""

    @task
    def detect() -> int:
        from pipeline.app import assemble
        from pipeline.flows import detect_incidents

        return detect_incidents(assemble())

    @task
    def escalate() -> dict[str, int]:
        from pipeline.app import assemble
        from pipeline.flows import escalate_incidents

        told = escalate_incidents(assemble())
        return {"notices": told.notices, "sent": told.sent, "unsent": told.unsent}

    detect() >> escalate()


watch()
