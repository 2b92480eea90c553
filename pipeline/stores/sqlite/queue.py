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
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heapify, heappop, heappush, heapreplace

from pipeline.domain import Filters, Lane, QueueCounts, QueueItem
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.migrations import HOUR, WAITING
from pipeline.stores.sqlite.rows import (
    MENTION_COLUMNS,
    MICROSECOND,
    TICKET_COLUMNS,
    columns,
    scored_mention,
    stamp,
    ticket,
)
from pipeline.tickets import STEP_TIME

_STEP = STEP_TIME // MICROSECOND
_LANES = tuple(range(len(Lane)))
_CRISIS = 0
_CHUNK, _LARGEST_CHUNK = 8, 512  # rows read of a level at a time: most levels give the page a row or two

_Key = tuple[int, int, str]
"""Cost of waiting (negative, as time), due_at, id: see ``pipeline.tickets.queue_key``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Selection:
    """A lane's part of the queue: the index to walk and the predicates on its columns."""

    index: str
    where: str
    parameters: dict[str, object]


class SqliteQueue:
    """``ports.Tickets.queue`` and its counts in SQLite."""

    _database: Database

    def queue(self, now: datetime, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[QueueItem]:
        """Waiting tickets, crisis lane first, then by the expected cost of waiting at ``now``."""
        with self._database.read() as connection:
            ids: list[str] = []
            skip = offset
            for lane in _LANES:
                for id_ in _lane(connection, lane, _selection(filters, stamp(now)), stamp(now)):
                    if skip:
                        skip -= 1
                        continue
                    if len(ids) == limit:
                        break
                    ids.append(id_)
            return _items(connection, ids)

    def queue_counts(self, now: datetime, filters: Filters) -> QueueCounts:
        """How many wait, are past their respond-by, stand in the crisis lane."""
        with self._database.read() as connection:
            return _counts(connection, stamp(now), filters)


def _lane(connection: sqlite3.Connection, lane: int, selection: _Selection, now: int) -> Iterator[str]:
    """Ids of a lane's tickets in the order of the queue."""
    parameters = {**selection.parameters, "lane": lane}
    levels = [
        (_key(level, due_at, "", now), level) for level, due_at in connection.execute(levels_sql(selection), parameters)
    ]
    heapify(levels)
    open_: list[tuple[_Key, int, Iterator[_Key]]] = []
    while levels or open_:
        while levels and (not open_ or levels[0][0] <= open_[0][0]):
            _, level = heappop(levels)
            keys = _level(connection, level, selection, parameters, now)
            if (first := next(keys, None)) is not None:
                heappush(open_, (first, level, keys))
        if not open_:
            return
        key, level, keys = open_[0]
        yield key[2]
        following = next(keys, None)
        if following is None:
            heappop(open_)
        else:
            heapreplace(open_, (following, level, keys))


def _level(
    connection: sqlite3.Connection, level: int, selection: _Selection, parameters: dict[str, object], now: int
) -> Iterator[_Key]:
    """One level's tickets, read in chunks that grow."""
    due_at, id_, size = -(2**63), "", _CHUNK
    while True:
        rows = connection.execute(
            level_sql(selection), {**parameters, "level": level, "due_at": due_at, "id": id_, "size": size}
        ).fetchall()
        for due_at, id_ in rows:
            yield _key(level, due_at, id_, now)
        if len(rows) < size:
            return
        size = min(size * 4, _LARGEST_CHUNK)


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
    return "brand = :brand AND " if selection.index == "queue_of_brand" else ""


def _selection(filters: Filters, now: int) -> _Selection:
    parameters: dict[str, object] = {"now": now}
    where = ""
    for name in ("brand", "source", "language", "category"):
        if (value := getattr(filters, name)) is not None:
            parameters[name] = str(value)
            where += f" AND {name} = :{name}" if name != "brand" else ""
    if filters.holder is not None:
        parameters["holder"] = filters.holder
        where += " AND claimed_by = :holder AND claimed_until > :now"
    if filters.free:
        where += " AND (claimed_until IS NULL OR claimed_until <= :now)"
    index = "queue" if filters.brand is None else "queue_of_brand"
    return _Selection(index=index, where=where, parameters=parameters)


def _items(connection: sqlite3.Connection, ids: list[str]) -> list[QueueItem]:
    width = len(TICKET_COLUMNS)
    rows = connection.execute(
        f"SELECT {columns(TICKET_COLUMNS, 'tickets')}, {columns(MENTION_COLUMNS, 'mentions')}"
        " FROM json_each(?) AS wanted CROSS JOIN tickets ON tickets.id = wanted.value"
        " CROSS JOIN mentions ON mentions.id = tickets.mention ORDER BY wanted.key",
        (json.dumps(ids),),
    )
    items: list[QueueItem] = []
    for row in rows:
        scored = scored_mention(row[width:])
        items.append(QueueItem(ticket=ticket(row[:width]), mention=scored.mention, score=scored.score))
    return items


# --- counts ---------------------------------------------------------------------------------------------------------


def _counts(connection: sqlite3.Connection, now: int, filters: Filters) -> QueueCounts:
    if filters.holder is not None:
        return _counted(connection, "claims", now, filters)
    facets = [(name, str(v)) for name in ("brand", "source", "language", "category") if (v := getattr(filters, name))]
    if len(facets) > 1:  # kept for one filter at a time: all combinations would be as many as the tickets
        return _counted(connection, "deadlines", now, filters)
    dimension, value = facets[0] if facets else ("all", "")
    waiting, crisis, overdue = connection.execute(
        "SELECT total(tickets), total(tickets) FILTER (WHERE lane = ?), total(tickets) FILTER (WHERE hour < ?)"
        " FROM waiting_counts WHERE dimension = ? AND value = ?",
        (_CRISIS, now // HOUR, dimension, value),
    ).fetchone()
    this_hour = connection.execute(
        f"SELECT count(*) FROM tickets INDEXED BY deadlines WHERE {WAITING} AND respond_by >= ? AND respond_by < ?"
        + (f" AND {dimension} = ?" if facets else ""),
        (now // HOUR * HOUR, now, *(value for _, value in facets)),
    ).fetchone()[0]
    everyone = QueueCounts(waiting=int(waiting), overdue=int(overdue) + this_hour, crisis=int(crisis))
    if not filters.free:
        return everyone
    held = _counted(connection, "claims", now, replace(filters, free=False))
    return QueueCounts(
        waiting=everyone.waiting - held.waiting,
        overdue=everyone.overdue - held.overdue,
        crisis=everyone.crisis - held.crisis,
    )


def _counted(connection: sqlite3.Connection, index: str, now: int, filters: Filters) -> QueueCounts:
    """Counted one by one: those held (few) by way of ``claims``, any others along ``deadlines``."""
    selection = _selection(filters, now)
    where = selection.where + (" AND brand = :brand" if filters.brand is not None else "")
    if index == "claims" and filters.holder is None:
        where += " AND claimed_by IS NOT NULL AND claimed_until > :now"
    waiting, overdue, crisis = connection.execute(
        f"SELECT count(*), total(respond_by < :now), total(lane = {_CRISIS}) FROM tickets INDEXED BY {index}"
        f" WHERE {WAITING}{where}",
        selection.parameters,
    ).fetchone()
    return QueueCounts(waiting=waiting, overdue=int(overdue), crisis=int(crisis))
