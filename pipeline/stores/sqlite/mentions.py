"""Mentions: indexed once, asked for by conversation, author, fold and danger."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.domain import ScoredMention
from pipeline.errors import NotFound
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.rows import (
    MENTION_COLUMNS,
    MICROSECOND,
    columns,
    mention_row,
    scored_mention,
    stamp,
    text_of,
    values,
)
from pipeline.stores.sqlite.tickets import move_ticket
from pipeline.stores.sqlite.words import INSERT_WORDS, analysed

NUMBERS = 1024
"""Mentions that one microsecond of ``posted_at`` has numbers for; more spill into the next."""

PERIOD_BITS = 48  # of a number, cut off for its period in ``bands``: 2**48 / 1024 microseconds are 3.2 days

_NUMBERED = ("number", *MENTION_COLUMNS)
_INSERT = f"INSERT INTO mentions ({columns(_NUMBERED)}) VALUES ({values(_NUMBERED)})"
_SELECT = f"SELECT {columns(MENTION_COLUMNS, 'mentions')} FROM mentions"
_LISTED = "(SELECT value FROM json_each(?))"  # one statement for any number of ids


class SqliteMentions:
    """The part of ``ports.Mentions`` that is not search."""

    _database: Database

    def add_mentions(self, mentions: Sequence[ScoredMention], sketches: Mapping[str, Sequence[int]]) -> list[str]:
        """Index mentions once each, with the fold bands of each id; returns the ids that were new."""
        known = self.known([item.mention.id for item in mentions])
        unknown = {item.mention.id: item for item in reversed(mentions) if item.mention.id not in known}
        # Rows and words are made before the transaction: other writers wait for it.
        made = {id_: (mention_row(item), analysed(item)) for id_, item in unknown.items()}
        if not made:
            return []
        with self._database.write() as connection:
            for id_ in _known(connection, list(unknown)):  # by another process in this moment
                del unknown[id_]
            numbered = _numbered(connection, unknown.values())
            connection.executemany(_INSERT, [(number, *made[item.mention.id][0]) for number, item in numbered])
            connection.executemany(INSERT_WORDS, [(number, *made[item.mention.id][1]) for number, item in numbered])
            bands = sorted(
                (number >> PERIOD_BITS, band, number)
                for number, item in numbered
                if item.mention.fold is None
                for band in set(sketches.get(item.mention.id, ()))
            )
            connection.executemany("INSERT INTO bands VALUES (?, ?, ?)", bands)
            bump(connection)
        return [item.mention.id for item in mentions if unknown.pop(item.mention.id, None)]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are indexed already."""
        with self._database.read() as connection:
            return _known(connection, ids)

    def fold_candidates(self, bands: Iterable[int], *, since: datetime) -> dict[int, list[tuple[str, str]]]:
        """Originals (id, text) by band that share it, posted at or after ``since``."""
        found: dict[int, list[tuple[str, str]]] = {}
        with self._database.read() as connection:
            rows = connection.execute(
                "WITH RECURSIVE periods (period) AS (SELECT min(period) FROM bands WHERE period >= ?1 >> ?3 UNION ALL"
                " SELECT (SELECT min(bands.period) FROM bands WHERE bands.period > periods.period) FROM periods"
                " WHERE periods.period IS NOT NULL)"
                " SELECT band, mentions.id, text FROM periods CROSS JOIN json_each(?2) AS wanted"
                " CROSS JOIN bands ON bands.period = periods.period AND band = wanted.value AND mention >= ?1"
                " CROSS JOIN mentions ON number = mention ORDER BY mention",
                (stamp(since) * NUMBERS, json.dumps(sorted(set(bands))), PERIOD_BITS),
            )
            for band, id_, text in rows:
                found.setdefault(band, []).append((id_, text))
        return found

    def conversations_of(self, ids: Iterable[str]) -> dict[str, str]:
        """The conversation of each mention id that is indexed."""
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT id, conversation FROM mentions WHERE id IN {_LISTED}", (_list(ids),))
            return dict(rows.fetchall())

    def move_conversation(self, old: str, new: str) -> None:
        """Re-root a conversation whose start turned out to be a reply; its ticket goes along."""
        if old == new:
            return
        with self._database.write() as connection:
            moved = connection.execute("UPDATE mentions SET conversation = ? WHERE conversation = ?", (new, old))
            if move_ticket(connection, old, new) or moved.rowcount:
                bump(connection)

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """How many mentions each conversation holds; those that hold none are left out."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT conversation, count(*) FROM mentions WHERE conversation IN {_LISTED} GROUP BY conversation",
                (_list(ids),),
            )
            return dict(rows.fetchall())

    def conversations(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """All mentions of each conversation, oldest first."""
        found: dict[str, list[ScoredMention]] = {}
        with self._database.read() as connection:
            rows = connection.execute(f"{_SELECT} WHERE conversation IN {_LISTED} ORDER BY number", (_list(ids),))
            for row in rows:
                item = scored_mention(row)
                found.setdefault(item.mention.conversation, []).append(item)
        return found

    def mention(self, mention_id: str) -> ScoredMention:
        """One mention; raises ``NotFound``."""
        with self._database.read() as connection:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (text_of(mention_id),)).fetchone()
        if row is None:
            raise NotFound(f"there is no mention {mention_id}")
        return scored_mention(row)

    def folded(self, mention_id: str) -> tuple[int, int]:
        """How many reposts and near-duplicates a mention has, and by how many people."""
        return self.folded_counts([mention_id]).get(mention_id, (0, 0))

    def folded_counts(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """As ``folded``, for many mentions at once; those without any are left out."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT fold, count(*), count(DISTINCT author) FROM mentions WHERE fold IN {_LISTED} GROUP BY fold",
                (_list(ids),),
            )
            return {fold: (posts, people) for fold, posts, people in rows}

    def author_history(self, author_id: str, *, limit: int = 20) -> list[ScoredMention]:
        """What this author wrote before, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(f"{_SELECT} WHERE author = ? ORDER BY number DESC LIMIT ?", (author_id, limit))
            return [scored_mention(row) for row in rows]

    def contacts(self, began: Mapping[str, datetime], *, window: timedelta) -> dict[str, int]:
        """How many conversations each author has begun in the window up to then; reposts and own posts begin none."""
        wanted = json.dumps({author: stamp(at) for author, at in began.items()})
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT author, count(DISTINCT conversation) FROM json_each(?) AS wanted JOIN mentions AS post"
                f" ON post.author = wanted.key AND post.number >= (wanted.value - ?) * {NUMBERS}"
                f"  AND post.number < (wanted.value + 1) * {NUMBERS}"
                " WHERE own = 0 AND fold IS NULL"
                " AND NOT EXISTS (SELECT 1 FROM mentions AS earlier WHERE earlier.conversation = post.conversation"
                "  AND earlier.number < post.number AND earlier.own = 0 AND earlier.fold IS NULL"
                "  AND earlier.author != post.author)"
                " GROUP BY author",
                (wanted, window // MICROSECOND),
            )
            return dict(rows.fetchall())

    def grave_mentions(self, *, since: datetime, crisis: float, limit: int = 500) -> list[ScoredMention]:
        """Originals posted and collected since then, with P(crisis) at or above ``crisis`` or a grave floor rule, that
        no incident holds yet; first heard first, of those the newest. The brand's own posts are none of them.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE fold IS NULL AND own = 0 AND collected_at >= ?1 AND (crisis >= ?2 OR critical)"
                f" AND +number >= ?1 * {NUMBERS}"  # the plus keeps the index of grave mentions in use
                " AND id NOT IN (SELECT value FROM incidents, json_each(incidents.mentions) WHERE last_at >= ?1)"
                " ORDER BY collected_at, number DESC LIMIT ?3",
                (stamp(since), crisis, limit),
            )
            return [scored_mention(row) for row in rows]


def _known(connection: sqlite3.Connection, ids: Iterable[str]) -> set[str]:
    return {id_ for (id_,) in connection.execute(f"SELECT id FROM mentions WHERE id IN {_LISTED}", (_list(ids),))}


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


def _list(ids: Iterable[str]) -> str:
    return json.dumps(list(ids))
