"""The embedded store: one SQLite file, or ``:memory:``; a noun a module, ``Database`` beneath them all."""

from __future__ import annotations

from pathlib import Path

from pipeline.stores.sqlite.alarms import SqliteIncidents, SqliteNotices
from pipeline.stores.sqlite.archive import SqliteArchive
from pipeline.stores.sqlite.backups import SqliteBackups
from pipeline.stores.sqlite.conversations import SqliteConversations
from pipeline.stores.sqlite.counts import SqliteCounts
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.escalation import SqliteEscalation
from pipeline.stores.sqlite.events import SqliteEvents
from pipeline.stores.sqlite.labels import SqliteLabels
from pipeline.stores.sqlite.mentions import SqliteMentions
from pipeline.stores.sqlite.migrations import MIGRATIONS
from pipeline.stores.sqlite.progress import SqliteProgress
from pipeline.stores.sqlite.queue import SqliteQueue
from pipeline.stores.sqlite.retention import SqliteRetention
from pipeline.stores.sqlite.tickets import SqliteTickets
from pipeline.stores.sqlite.words import SqliteSearch

__all__ = ["SqliteStore"]


class SqliteStore(
    SqliteProgress,
    SqliteMentions,
    SqliteConversations,
    SqliteCounts,
    SqliteSearch,
    SqliteTickets,
    SqliteQueue,
    SqliteEvents,
    SqliteLabels,
    SqliteIncidents,
    SqliteNotices,
    SqliteEscalation,
    SqliteArchive,
    SqliteRetention,
    SqliteBackups,
):
    """``ports.Store`` in one SQLite file, for any number of threads and processes of one machine.

    The file is created and migrated when it is opened; with ``migrate=False`` it is left as it is, and can be asked for
    nothing but ``outdated`` and ``migrate`` before it is migrated. Raises ``StoreRefused`` when it cannot be used (newer schema,
    damaged, disk full, read-only) and ``StoreUnavailable`` when another process keeps it busy for a minute.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False, migrate: bool = True) -> None:
        self._database = Database(path, read_only=read_only, migrate=migrate)

    def change_count(self) -> int:
        """A number that grows with every change of mentions, tickets, incidents or notices."""
        with self._database.read() as connection:
            return int(connection.execute("SELECT count FROM changes").fetchone()[0])

    def check(self) -> list[str]:
        """What is wrong with the store, each with its next step; empty when all is well."""
        return self._database.check()

    def outdated(self) -> list[str]:
        """What ``migrate`` would change, a line each; empty when there is nothing to do."""
        version = self._database.version()
        return [f"step {step} of the schema" for step in range(version + 1, len(MIGRATIONS) + 1)]

    def migrate(self) -> None:
        """Bring an older layout up to date; may be interrupted and called again."""
        self._database.migrate()

    def close(self) -> None:
        """Let go of files and connections."""
        self._database.close()
