"""Mentions: indexed once, asked for by author, fold and danger."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pipeline.domain import ScoredMention
from pipeline.errors import NotFound
from pipeline.stores.sqlite.counts_schema import count, discount
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.rows import (
    LISTED,
    MENTION_COLUMNS,
    MENTION_RARE,
    NUMBERS,
    SELECT_MENTIONS,
    Row,
    insert_rows,
    listed,
    mention_row,
    scored_mention,
    stamp,
    text_of,
)
from pipeline.stores.sqlite.words import DELETE_WORDS, INSERT_WORDS, Words, analysed

PERIOD_BITS = 48  # of a number, cut off for its period in ``bands``: 2**48 / 1024 microseconds are 3.2 days

CANDIDATES = 50
"""Originals of a band that are told, and no more are compared: one template may have made thousands."""

# Nearly all bands meet nothing, which the first look tells; the few that do are read, the oldest of each period.
_CANDIDATES = """
WITH RECURSIVE periods (period) AS (
    SELECT min(period) FROM bands WHERE period >= :since >> :period_bits
    UNION ALL SELECT (SELECT min(bands.period) FROM bands WHERE bands.period > periods.period) FROM periods
    WHERE periods.period IS NOT NULL
), met AS MATERIALIZED (
    SELECT period, wanted.value AS band FROM periods CROSS JOIN json_each(:bands) AS wanted WHERE EXISTS (
        SELECT 1 FROM bands WHERE bands.period = periods.period AND bands.band = wanted.value AND mention >= :since)
)
SELECT met.band, mentions.id, text FROM met CROSS JOIN mentions ON number IN (
    SELECT mention FROM bands WHERE bands.period = met.period AND bands.band = met.band AND mention >= :since
    ORDER BY mention LIMIT :candidates)
ORDER BY number"""

_NUMBERED = ("number", *MENTION_COLUMNS)

Made = Mapping[str, tuple[Row, Words]]
"""Rows and words of mentions by id, made before the transaction that writes them."""


class SqliteMentions:
    """The part of ``ports.Mentions`` that is neither search nor conversations."""

    _database: Database

    def add_mentions(self, mentions: Sequence[ScoredMention], sketches: Mapping[str, Sequence[int]]) -> list[str]:
        """Index mentions once each, with the fold bands of each id; returns the ids that were new."""
        known = self.known([item.mention.id for item in mentions])
        unknown = {item.mention.id: item for item in reversed(mentions) if item.mention.id not in known}
        # Rows and words are made before the transaction: other writers wait for it.
        made = made_of(unknown.values())
        if not made:
            return []
        with self._database.write() as connection:
            for id_ in _known(connection, list(unknown)):  # by another process in this moment
                del unknown[id_]
            insert(connection, unknown.values(), made, sketches)
            bump(connection)
        return [item.mention.id for item in mentions if unknown.pop(item.mention.id, None)]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are indexed already."""
        with self._database.read() as connection:
            return _known(connection, ids)

    def fold_candidates(self, bands: Iterable[int], *, since: datetime) -> dict[int, list[tuple[str, str]]]:
        """Originals (id, text) by band that share it, posted at or after ``since``: the oldest ``CANDIDATES``."""
        found: dict[int, list[tuple[str, str]]] = {}
        with self._database.read() as connection:
            rows = connection.execute(
                _CANDIDATES,
                {
                    "since": stamp(since) * NUMBERS, "bands": json.dumps(sorted(set(bands))),
                    "period_bits": PERIOD_BITS, "candidates": CANDIDATES,
                },
            )  # fmt: skip
            for band, id_, text in rows:
                of_band = found.setdefault(band, [])
                if len(of_band) < CANDIDATES:
                    of_band.append((id_, text))
        return found

    def mention(self, mention_id: str) -> ScoredMention:
        """One mention; raises ``NotFound``."""
        with self._database.read() as connection:
            row = connection.execute(f"{SELECT_MENTIONS} WHERE id = ?", (text_of(mention_id),)).fetchone()
        if row is None:
            raise NotFound(f"there is no mention {mention_id}")
        return scored_mention(row)

    def folded_counts(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """How many reposts and near-duplicates each mention has, and by how many people; those without any are left out."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT fold, count(*), count(DISTINCT author) FROM mentions WHERE fold IN {LISTED} GROUP BY fold",
                (listed(ids),),
            )
            return {fold: (posts, people) for fold, posts, people in rows}

    def author_history(self, author_id: str, *, limit: int = 20) -> list[ScoredMention]:
        """What this author wrote before, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{SELECT_MENTIONS} WHERE author = ? ORDER BY number DESC LIMIT ?", (author_id, limit)
            )
            return [scored_mention(row) for row in rows]

    def grave_mentions(self, *, since: datetime, crisis: float, limit: int = 500) -> list[ScoredMention]:
        """Originals posted and collected since then, with P(crisis) at or above ``crisis`` or a grave floor rule, that
        no incident holds yet; first heard first, of those the newest. The brand's own posts are none of them.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                f"{SELECT_MENTIONS} WHERE fold IS NULL AND own = 0 AND collected_at >= ?1 AND (crisis >= ?2 OR critical)"
                f" AND +number >= ?1 * {NUMBERS}"  # the plus keeps the index of grave mentions in use
                " AND id NOT IN (SELECT value FROM incidents, json_each(incidents.mentions) WHERE last_at >= ?1)"
                " ORDER BY collected_at, number DESC LIMIT ?3",
                (stamp(since), crisis, limit),
            )
            return [scored_mention(row) for row in rows]


def made_of(items: Iterable[ScoredMention]) -> Made:
    """What is written of each mention."""
    return {item.mention.id: (mention_row(item), analysed(item)) for item in items}


def insert(
    connection: sqlite3.Connection, items: Iterable[ScoredMention], made: Made, sketches: Mapping[str, Sequence[int]]
) -> None:
    """Write mentions that are not there yet inside the caller's transaction."""
    numbered = _numbered(connection, items)
    rows = [(number, *made[item.mention.id][0]) for number, item in numbered]
    insert_rows(connection, "mentions", _NUMBERED, rows, rare=MENTION_RARE)
    count(connection, (number for number, _ in numbered))
    connection.executemany(INSERT_WORDS, [(number, *made[item.mention.id][1]) for number, item in numbered])
    bands = sorted(
        (number >> PERIOD_BITS, band, number)
        for number, item in numbered
        if item.mention.fold is None
        for band in set(sketches.get(item.mention.id, ()))
    )
    connection.executemany("INSERT INTO bands VALUES (?, ?, ?)", bands)


def remove(connection: sqlite3.Connection, numbered: Mapping[int, Words]) -> None:
    """Take mentions (number, and the words they are found by) off the table and the search, but for their bands."""
    ordered = sorted(numbered.items())
    discount(connection, numbered)
    connection.executemany(DELETE_WORDS, [(number, *words) for number, words in ordered])
    connection.executemany("DELETE FROM mentions WHERE number = ?", [(number,) for number, _ in ordered])


def _known(connection: sqlite3.Connection, ids: Iterable[str]) -> set[str]:
    return {id_ for (id_,) in connection.execute(f"SELECT id FROM mentions WHERE id IN {LISTED}", (listed(ids),))}


def _numbered(connection: sqlite3.Connection, items: Iterable[ScoredMention]) -> list[tuple[int, ScoredMention]]:
    """Each mention with a free number in the order of posting, sorted by it."""
    ordered = sorted(items, key=lambda item: (item.mention.posted_at, item.mention.id))
    firsts = [stamp(item.mention.posted_at) * NUMBERS for item in ordered]
    taken = dict(
        connection.execute(
            f"SELECT value, (SELECT max(number) FROM mentions WHERE number >= value AND number < value + {NUMBERS})"
            " FROM json_each(?)",
            (json.dumps(sorted(set(firsts))),),
        ).fetchall()
    )
    numbered: list[tuple[int, ScoredMention]] = []
    last = -(2**63)
    for first, item in zip(firsts, ordered, strict=True):
        before = taken[first]
        last = max(first, last + 1, first if before is None else before + 1)
        if last >= first + NUMBERS:
            last = _free(connection, last)
        numbered.append((last, item))
    return numbered


def _free(connection: sqlite3.Connection, number: int) -> int:
    """The first free number from a microsecond on whose own are used up: imports by day may hold thousands a day."""
    while connection.execute("SELECT 1 FROM mentions WHERE number = ?", (number,)).fetchone():
        end = (number // NUMBERS + 1) * NUMBERS
        newest = "SELECT max(number) FROM mentions WHERE number >= ? AND number < ?"
        number = connection.execute(newest, (number, end)).fetchone()[0] + 1
    return number
