"""The production store: an Elasticsearch cluster of version 9; a noun a module, ``Connection`` beneath them all.

There are no transactions in it. What belongs together is one document, which carries what is kept apart until that is
copied (``events``, ``progress``); what has several documents is written in an order in which a crash repeats harmlessly.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import StoreRefused
from pipeline.stores.elastic.alarms import ElasticIncidents, ElasticNotices
from pipeline.stores.elastic.archive import ElasticArchive
from pipeline.stores.elastic.backups import ElasticBackups
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.conversations import ElasticConversations
from pipeline.stores.elastic.counts import ElasticCounts
from pipeline.stores.elastic.escalation import ElasticEscalation
from pipeline.stores.elastic.events import ElasticEvents, History
from pipeline.stores.elastic.health import check
from pipeline.stores.elastic.indices import install, outdated
from pipeline.stores.elastic.labels import ElasticLabels
from pipeline.stores.elastic.mentions import ElasticMentions
from pipeline.stores.elastic.progress import ElasticProgress
from pipeline.stores.elastic.queue import ElasticQueue
from pipeline.stores.elastic.remaking import outstanding, remake
from pipeline.stores.elastic.retention import ElasticRetention
from pipeline.stores.elastic.search import ElasticSearch
from pipeline.stores.elastic.tickets import ElasticTickets
from pipeline.stores.elastic.trouble import NotAllowed
from pipeline.stores.elastic.wire import Lately

__all__ = ["ElasticStore"]


class ElasticStore(
    ElasticProgress,
    ElasticMentions,
    ElasticConversations,
    ElasticCounts,
    ElasticSearch,
    ElasticTickets,
    ElasticQueue,
    ElasticEvents,
    ElasticLabels,
    ElasticIncidents,
    ElasticNotices,
    ElasticEscalation,
    ElasticArchive,
    ElasticRetention,
    ElasticBackups,
):
    """``ports.Store`` in the indices ``<prefix>-*`` of one cluster, for any number of threads, processes and machines.

    ``url`` names its nodes, commas between. ``ca`` is a file of certificates to trust, ``fingerprint`` the sha256 of the
    cluster's own. Templates and indices are made and migrated when it is opened, unless ``migrate`` is
    ``False`` or it is ``read_only``; documents of an older layout stay as they are until ``migrate`` is called. Raises ``ConfigError`` for an address that cannot be used,
    ``StoreRefused`` when a person must act (newer indices, wrong key or certificate), ``StoreUnavailable`` when the
    cluster is busy or away for longer than a few tries.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "tocsin",
        api_key: str | None = None,
        ca: Path | None = None,
        fingerprint: str | None = None,
        allow_plain: bool = False,
        read_only: bool = False,
        migrate: bool = True,
    ) -> None:
        self._connection = Connection(
            url,
            prefix=prefix,
            api_key=api_key,
            ca=ca,
            fingerprint=fingerprint,
            allow_plain=allow_plain,
            read_only=read_only,
        )
        self._history = History(self._connection)
        self._copied = Lately()
        try:
            if migrate and not read_only and (steps := outdated(self._connection)):
                self._install(steps)
        except BaseException:
            self._connection.close()
            raise

    def _install(self, steps: list[str]) -> None:
        try:
            install(self._connection)
        except NotAllowed as error:
            raise StoreRefused(
                f"{steps[0]}: this key may not change that; run `tocsin store migrate` with an administrator's ({error})"
            ) from error

    def change_count(self) -> int:
        """A number that grows with every change of mentions, tickets, incidents or notices."""
        return self._connection.changes()

    def outdated(self) -> list[str]:
        """What ``migrate`` would change, a line each; empty when there is nothing to do."""
        return outdated(self._connection) + outstanding(self._connection)

    def migrate(self) -> None:
        """Bring templates, indices and their documents up to date while others go on; may be interrupted and called again."""
        install(self._connection)
        remake(self._connection)

    def check(self) -> list[str]:
        """What is wrong with the store, each with its next step; empty when all is well."""
        return check(self._connection)

    def close(self) -> None:
        """Let go of the connections."""
        self._connection.close()
