"""The append-only history of tickets and incidents."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from pipeline.domain import Event, EventKind
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.rows import EVENT_COLUMNS, columns, event, stamp
from pipeline.tickets import MACHINE

SELECT_EVENTS = f"SELECT {columns(EVENT_COLUMNS)} FROM events"


class SqliteEvents:
    """``ports.Events`` in SQLite."""

    _database: Database

    def record(self, subject: str, kind: EventKind, actor: str, *, note: str = "", now: datetime) -> Event:
        """Add one line."""
        with self._database.write() as connection:
            added = append(connection, subject, kind, actor, note=note, at=now)
            bump(connection)
            return added

    def events(self, subject: str) -> list[Event]:
        """The history of a ticket or incident, oldest first."""
        with self._database.read() as connection:
            return [
                event(row) for row in connection.execute(f"{SELECT_EVENTS} WHERE subject = ? ORDER BY id", (subject,))
            ]


def append(
    connection: sqlite3.Connection,
    subject: str,
    kind: EventKind,
    actor: str,
    *,
    at: datetime,
    note: str = "",
    before: str | None = None,
) -> Event:
    """Add one line inside the caller's transaction."""
    row = connection.execute(
        "INSERT INTO events (at, actor, kind, subject, note, before) VALUES (?, ?, ?, ?, ?, ?)"
        f" RETURNING {columns(EVENT_COLUMNS)}",
        (stamp(at), actor, kind.value, subject, note, before),
    ).fetchone()
    return event(row)


def append_machine(connection: sqlite3.Connection, history: Iterable[tuple[str, EventKind, datetime]]) -> None:
    """Add lines (subject, kind, at) of what nobody did by hand inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO events (subject, kind, at, actor, note) VALUES (?, ?, ?, ?, '')",
        [(subject, kind.value, stamp(at), MACHINE) for subject, kind, at in history],
    )
