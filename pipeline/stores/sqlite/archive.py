"""Everything in the store, out and in as it is, page by page."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.domain import (
    Batch,
    ChainRun,
    Cursor,
    DeadLetter,
    Event,
    Gap,
    Incident,
    Label,
    Notice,
    Outage,
    Record,
    ScoredMention,
    Ticket,
)
from pipeline.stores.sqlite.alarms import NOTICE_COLUMNS, notice_of, notice_row
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.escalation import (
    OUTAGE_COLUMNS,
    RUN_COLUMNS,
    outage_of,
    outage_row,
    run_of,
    run_row,
)
from pipeline.stores.sqlite.labels import LABEL_COLUMNS, label_of, label_row
from pipeline.stores.sqlite.mentions import PERIOD_BITS, Made, insert, made_of, remove
from pipeline.stores.sqlite.progress import (
    BATCH_COLUMNS,
    CURSOR_COLUMNS,
    DEAD_LETTER_COLUMNS,
    GAP_COLUMNS,
    batch_of,
    batch_row,
    cursor_of,
    cursor_row,
    dead_letter_of,
    dead_letter_row,
    gap_of,
    gap_row,
)
from pipeline.stores.sqlite.rows import (
    EVENT_COLUMNS,
    INCIDENT_COLUMNS,
    LISTED,
    MENTION_COLUMNS,
    TICKET_COLUMNS,
    Row,
    columns,
    event,
    event_row,
    incident,
    incident_row,
    listed,
    mention_row,
    scored_mention,
    ticket,
    ticket_row,
    values,
)
from pipeline.stores.sqlite.words import analysed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Where a kind of record lies. ``key`` is the SQL of ``domain.key_of``, and ``told`` its value for such a key."""

    name: str
    columns: Sequence[str]
    row: Callable[[Any], Row]
    record: Callable[[Row], Record]
    key: str = "id"
    told: Callable[[str], object] = str
    unique: str = "id"

    @property
    def page(self) -> str:
        return f"SELECT {columns(self.columns)} FROM {self.name} WHERE {self.key} > ? ORDER BY {self.key} LIMIT ?"

    @property
    def upsert(self) -> str:
        changed = ", ".join(f'"{name}" = excluded."{name}"' for name in self.columns)
        return (
            f"INSERT INTO {self.name} ({columns(self.columns)}) VALUES ({values(self.columns)})"
            f" ON CONFLICT ({self.unique}) DO UPDATE SET {changed}"
        )


_TABLES: Mapping[type[Record], _Table] = {
    ScoredMention: _Table(name="mentions", columns=MENTION_COLUMNS, row=mention_row, record=scored_mention),
    Ticket: _Table(name="tickets", columns=TICKET_COLUMNS, row=ticket_row, record=ticket),
    Event: _Table(
        name="events", columns=EVENT_COLUMNS, row=event_row, record=event, told=lambda key: int(key or "-1")
    ),
    Label: _Table(name="labels", columns=LABEL_COLUMNS, row=label_row, record=label_of),
    Incident: _Table(name="incidents", columns=INCIDENT_COLUMNS, row=incident_row, record=incident),
    Notice: _Table(name="notices", columns=NOTICE_COLUMNS, row=notice_row, record=notice_of),
    ChainRun: _Table(name="chain_runs", columns=RUN_COLUMNS, row=run_row, record=run_of),
    Outage: _Table(name="outages", columns=OUTAGE_COLUMNS, row=outage_row, record=outage_of),
    DeadLetter: _Table(
        name="dead_letters", columns=DEAD_LETTER_COLUMNS, row=dead_letter_row, record=dead_letter_of
    ),
    Batch: _Table(name="batches", columns=BATCH_COLUMNS, row=batch_row, record=batch_of),
    Gap: _Table(name="gaps", columns=GAP_COLUMNS, row=gap_row, record=gap_of),
    Cursor: _Table(
        name="cursors", columns=CURSOR_COLUMNS, row=cursor_row, record=cursor_of,
        key="source || '/' || query", unique="source, query",
    ),
}  # fmt: skip


class SqliteArchive:
    """``ports.Archive`` in SQLite."""

    _database: Database

    def count(self, kind: type[Record]) -> int:
        """How many records of a kind there are."""
        with self._database.read() as connection:
            return int(connection.execute(f"SELECT count(*) FROM {_TABLES[kind].name}").fetchone()[0])

    def dump(self, kind: type[Record], *, after: str = "", limit: int = 1000) -> list[Record]:
        """The next records of a kind, whose keys come after ``after``, by key in the order of code points."""
        table = _TABLES[kind]
        with self._database.read() as connection:
            return [table.record(row) for row in connection.execute(table.page, (table.told(after), limit))]

    def load(self, records: Sequence[Record], *, sketches: Mapping[str, Sequence[int]]) -> None:
        """Write records of one kind as they are; replaces those of their keys."""
        if not records:
            return
        mentions = [record for record in records if isinstance(record, ScoredMention)]
        made = made_of(mentions)
        with self._database.write() as connection:
            if mentions:
                _load_mentions(connection, mentions, made, sketches)
            else:
                table = _TABLES[type(records[0])]
                connection.executemany(table.upsert, [table.row(record) for record in records])
            bump(connection)


def holds_anything(database: Database) -> bool:
    """Whether there is a record of any kind."""
    with database.read() as connection:
        return any(connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() for table in _TABLES.values())


def _load_mentions(
    connection: sqlite3.Connection, items: Sequence[ScoredMention], made: Made, sketches: Mapping[str, Sequence[int]]
) -> None:
    """Add mentions, and replace those that are otherwise; a mention's number and words follow from what it says."""
    rows = connection.execute(
        f"SELECT number, {columns(MENTION_COLUMNS)} FROM mentions WHERE id IN {LISTED}", (listed(made),)
    )
    present = {row[0]: (number, tuple(row)) for number, *row in rows}
    same = {id_ for id_, (_, row) in present.items() if row == tuple(made[id_][0])}
    otherwise = {number: analysed(scored_mention(row)) for id_, (number, row) in present.items() if id_ not in same}
    connection.executemany(
        "DELETE FROM bands WHERE period = ? AND mention = ?", [(number >> PERIOD_BITS, number) for number in otherwise]
    )
    remove(connection, otherwise)
    insert(connection, [item for item in items if item.mention.id not in same], made, sketches)
