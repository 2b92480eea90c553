"""The queue, read from an index alone at any size.

Within one lane and level the order by ``due_at`` is the order by the cost of waiting, at any time: what is due ties and the
longest due goes first, what is not due costs the less the later it is due. So each (lane, level) is a range of the index
``queue`` in its right order, and the queue is their merge: one seek for each level present, then the rows asked for.
"""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace
from itertools import islice

from pipeline.domain import Filters, Lane, QueueCounts, QueueItem, Ticket
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.migrations import DIMENSIONS, HOUR, WAITING
from pipeline.stores.sqlite.rows import (
    MENTION_COLUMNS,
    MICROSECOND,
    TICKET_COLUMNS,
    columns,
    scored_mention,
    stamp,
    text_of,
    ticket,
)
from pipeline.stores.sqlite.teams import predicate
from pipeline.tickets import STEP_TIME

_STEP = STEP_TIME // MICROSECOND
_CRISIS = 0  # lanes are kept as their place in ``domain.Lane``
_LANES = tuple(range(len(Lane)))
_CHUNK, _LARGEST_CHUNK = 8, 512  # rows read of a level at a time: most levels give the page a row or two

_Key = tuple[int, int, str]
"""Cost of waiting (negative, as time), due_at, id: see ``pipeline.tickets.queue_key``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Selection:
    """The tickets that filters leave: an index that holds them in the queue's order, and predicates on its columns.

    ``dimension`` is the filter that the index begins with, the one that leaves the fewest tickets.
    """

    dimension: str | None
    where: str
    parameters: dict[str, object]

    @property
    def index(self) -> str:
        return f"queue_of_{self.dimension}" if self.dimension else "queue"


class SqliteQueue:
    """``ports.Tickets.queue`` and its counts in SQLite."""

    _database: Database

    def queue(self, now: datetime, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[QueueItem]:
        """Waiting tickets, crisis lane first, then by the expected cost of waiting at ``now``."""
        with self._database.read() as connection:
            selection = _selection(connection, filters, stamp(now))
            ordered = _held if filters.holder is not None else _merged
            ids = [id_ for *_, id_ in islice(ordered(connection, selection, stamp(now)), offset, offset + limit)]
            return _items(connection, ids)

    def queue_counts(self, now: datetime, filters: Filters) -> QueueCounts:
        """How many wait, are past their respond-by, stand in the crisis lane."""
        with self._database.read() as connection:
            return _counts(connection, filters, stamp(now))

    def due_soon(self, now: datetime, within: timedelta, *, limit: int) -> list[Ticket]:
        """Waiting tickets that nobody holds and that must have their response within this time, the first due first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(TICKET_COLUMNS)} FROM tickets INDEXED BY deadlines WHERE {WAITING}"
                " AND respond_by >= :now AND respond_by <= :until AND (claimed_until IS NULL OR claimed_until <= :now)"
                " ORDER BY respond_by, id LIMIT :limit",
                {"now": stamp(now), "until": stamp(now + within), "limit": limit},
            )
            return [ticket(row) for row in rows]


def _merged(connection: sqlite3.Connection, selection: _Selection, now: int) -> Iterator[_Key]:
    """The queue: the levels of the crisis lane merged, then those of the other."""
    for lane in _LANES:
        parameters = {**selection.parameters, "lane": lane}
        present = connection.execute(levels_sql(selection), parameters).fetchall()
        waiting = [(_key(level, due_at, "", now), level) for level, due_at in present]
        heapify(waiting)
        # A level is opened when its first ticket may be next: filters may leave nothing in it, which takes reading it.
        opened: list[tuple[_Key, Iterator[_Key]]] = []
        while waiting or opened:
            if waiting and (not opened or waiting[0][0] <= opened[0][0]):
                _, level = heappop(waiting)
                keys = _level(connection, selection, {**parameters, "level": level}, now)
                if (first := next(keys, None)) is not None:
                    heappush(opened, (first, keys))
                continue
            key, keys = opened[0]
            yield key
            following = next(keys, None)
            if following is None:
                heappop(opened)
            else:
                heapreplace(opened, (following, keys))


def _level(
    connection: sqlite3.Connection, selection: _Selection, parameters: dict[str, object], now: int
) -> Iterator[_Key]:
    """One level's tickets, read in chunks that grow."""
    level = int(str(parameters["level"]))
    due_at, id_, size = -(2**63), "", _CHUNK
    while True:
        rows = connection.execute(
            level_sql(selection), {**parameters, "due_at": due_at, "id": id_, "size": size}
        ).fetchall()
        for due_at, id_ in rows:
            yield _key(level, due_at, id_, now)
        if len(rows) < size:
            return
        size = min(size * 4, _LARGEST_CHUNK)


def _held(connection: sqlite3.Connection, selection: _Selection, now: int) -> Iterator[_Key]:
    """What one person has claimed, in the order of the queue: a handful, sorted here."""
    rows = connection.execute(
        f"SELECT lane, level, due_at, id FROM tickets INDEXED BY claims WHERE {WAITING}{selection.where}",
        selection.parameters,
    )
    for _, key in sorted((lane, _key(level, due_at, id_, now)) for lane, level, due_at, id_ in rows):
        yield key


def _key(level: int, due_at: int, id_: str, now: int) -> _Key:
    return max(0, due_at - now) - level * _STEP, due_at, id_


def levels_sql(selection: _Selection) -> str:
    """The levels present in a lane, each with its first ``due_at``: a seek each, whatever their size."""
    tickets = f"FROM tickets INDEXED BY {selection.index} WHERE {WAITING} AND {_prefix(selection)}lane = :lane"
    return (
        "WITH RECURSIVE levels (level) AS ("
        f" SELECT (SELECT max(level) {tickets})"
        f" UNION ALL SELECT (SELECT max(level) {tickets} AND tickets.level < levels.level) FROM levels"
        "  WHERE levels.level IS NOT NULL)"
        f" SELECT level, (SELECT min(due_at) {tickets} AND tickets.level = levels.level) FROM levels"
        " WHERE level IS NOT NULL"
    )


def level_sql(selection: _Selection) -> str:
    """The next tickets of one level."""
    return (
        f"SELECT due_at, id FROM tickets INDEXED BY {selection.index} WHERE {WAITING} AND {_prefix(selection)}"
        f"lane = :lane AND level = :level AND (due_at, id) > (:due_at, :id){selection.where}"
        " ORDER BY due_at, id LIMIT :size"
    )


def _prefix(selection: _Selection) -> str:
    return f"{selection.dimension} = :{selection.dimension} AND " if selection.dimension else ""


def _selection(connection: sqlite3.Connection, filters: Filters, now: int) -> _Selection:
    chosen = _chosen(filters)
    parameters: dict[str, object] = {**chosen, "now": now}
    where = "".join(f" AND {name} = :{name}" for name in chosen)
    if filters.holder is not None:
        parameters["holder"] = text_of(filters.holder)
        where += " AND claimed_by = :holder AND claimed_until > :now"
    if filters.free:
        where += " AND (claimed_until IS NULL OR claimed_until <= :now)"
    if filters.breached:
        where += " AND respond_by < :now"
    where += predicate(filters, parameters)
    dimension = next(iter(chosen), None)
    if len(chosen) > 1:
        dimension = min(chosen, key=lambda name: _kept(connection, name, chosen[name], now).waiting)
    return _Selection(dimension=dimension, where=where, parameters=parameters)


def _chosen(filters: Filters) -> dict[str, str]:
    return {name: text_of(str(value)) for name in DIMENSIONS if (value := getattr(filters, name)) is not None}


def _items(connection: sqlite3.Connection, ids: list[str]) -> list[QueueItem]:
    width = len(TICKET_COLUMNS)
    rows = connection.execute(
        f"SELECT {columns(TICKET_COLUMNS, 'tickets')}, {columns(MENTION_COLUMNS, 'mentions')}"
        " FROM json_each(?) AS wanted CROSS JOIN tickets ON tickets.id = wanted.value"
        " CROSS JOIN mentions ON mentions.id = tickets.mention",
        (json.dumps(ids),),
    )
    items: dict[str, QueueItem] = {}
    for row in rows:
        found, scored = ticket(row[:width]), scored_mention(row[width:])
        items[found.id] = QueueItem(ticket=found, mention=scored.mention, score=scored.score)
    return [items[id_] for id_ in ids if id_ in items]


# --- counts ---------------------------------------------------------------------------------------------------------


def _counts(connection: sqlite3.Connection, filters: Filters, now: int) -> QueueCounts:
    selection = _selection(connection, filters, now)
    chosen = _chosen(filters)
    if filters.holder is not None:
        return _counted(connection, "claims", selection.where, selection.parameters)
    if (
        len(chosen) > 1 or filters.breached or filters.shares or filters.languages
    ):  # counts are kept for one filter a time
        return _counted(connection, selection.index, selection.where, selection.parameters)
    everyone = _kept(connection, *next(iter(chosen.items()), ("all", "")), now)
    if not filters.free:
        return everyone
    held = " AND claimed_by IS NOT NULL AND claimed_until > :now"
    where = "".join(f" AND {name} = :{name}" for name in chosen) + held
    taken = _counted(connection, "claims", where, selection.parameters)
    return QueueCounts(
        waiting=everyone.waiting - taken.waiting,
        overdue=everyone.overdue - taken.overdue,
        crisis=everyone.crisis - taken.crisis,
    )


def _kept(connection: sqlite3.Connection, dimension: str, value: str, now: int) -> QueueCounts:
    """The counts that triggers keep by the hour, and the current hour counted one by one."""
    waiting, crisis, overdue = connection.execute(
        "SELECT total(tickets), total(tickets) FILTER (WHERE lane = ?), total(tickets) FILTER (WHERE hour < ?)"
        " FROM waiting_counts WHERE dimension = ? AND value = ?",
        (_CRISIS, now // HOUR, dimension, value),
    ).fetchone()
    only = "" if dimension == "all" else f" AND {dimension} = :value"
    (this_hour,) = connection.execute(
        f"SELECT count(*) FROM tickets INDEXED BY deadlines WHERE {WAITING} AND respond_by >= :hour"
        f" AND respond_by < :now{only}",
        {"hour": now // HOUR * HOUR, "now": now, "value": value},
    ).fetchone()
    return QueueCounts(waiting=int(waiting), overdue=int(overdue) + this_hour, crisis=int(crisis))


def _counted(connection: sqlite3.Connection, index: str, where: str, parameters: dict[str, object]) -> QueueCounts:
    waiting, overdue, crisis = connection.execute(
        f"SELECT count(*), total(respond_by < :now), total(lane = {_CRISIS}) FROM tickets INDEXED BY {index}"
        f" WHERE {WAITING}{where}",
        parameters,
    ).fetchone()
    return QueueCounts(waiting=waiting, overdue=int(overdue), crisis=int(crisis))
