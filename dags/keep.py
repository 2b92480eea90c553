"""# keep: forget

Keeps posts as long as `[keep] months` of `tocsin.toml` says, and for good where it says nothing. `look` tells what would go,
month by month, and changes nothing; `forget` then removes it: posts of whole months that nobody needs any more, their
tickets and history, and the raw batches that were landed in that time. A conversation goes whole or stays whole; it stays
while a ticket waits or was worked on since, while an open incident holds a post of it, and while it goes on.

## If it is red
- **look**: the store cannot be read; its log names the store and the next step. Nothing has been removed.
- **forget**: the store or the landing zone refuses a removal; its log names the file. What has gone has gone whole, the rest
  goes with the next run. A first run over years may be stopped by its time limit: the next days go on where it was.
- **Red for weeks**: nothing is lost, but posts are kept longer than was promised, and the disk fills.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from dags import _policy


@dag(schedule=_policy.schedule("keep", "17 3 * * *"), doc_md=__doc__, **_policy.DAG_ARGS)
def keep() -> None:
    """Say what is older than is kept, then remove it."""

    @task
    def look() -> dict[str, str]:
        from pipeline.app import assemble
        from pipeline.flows import outlived

        return outlived(assemble()).told()

    @task
    def forget() -> dict[str, str]:
        from pipeline.app import assemble
        from pipeline.flows import keep

        return keep(assemble()).told()

    look() >> forget()


keep()
