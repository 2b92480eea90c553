"""Forgetting: months of posts that nobody needs any more, conversation by conversation."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import chain

from pipeline.domain import Batch, Month
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.mentions import PERIOD_BITS, remove
from pipeline.stores.sqlite.migrations import WAITING
from pipeline.stores.sqlite.progress import BATCH_COLUMNS, batch_of
from pipeline.stores.sqlite.rows import (
    LISTED,
    MENTION_COLUMNS,
    NUMBERS,
    columns,
    listed,
    moment,
    scored_mention,
    stamp,
)
from pipeline.stores.sqlite.words import analysed

_AT_ONCE = 500  # mentions looked at, and removed, in one turn: other writers wait for a fraction of a second
_OLDEST = -(2**63)

# What is kept of a conversation for its own sake; ?1 are conversations, ?2 is the first moment to keep.
_NEEDED = f"""
SELECT wanted.value FROM json_each(?1) AS wanted
WHERE EXISTS (SELECT 1 FROM mentions WHERE conversation = wanted.value AND number >= ?2 * {NUMBERS})
   OR EXISTS (SELECT 1 FROM tickets WHERE id = wanted.value AND (({WAITING}) OR ?2 <= max(
        last_at, coalesce(claimed_until, 0), coalesce(answered_at, 0), coalesce(resolved_at, 0),
        coalesce(reopened_at, 0))))
   OR wanted.value IN (
        SELECT mentions.conversation FROM incidents CROSS JOIN json_each(incidents.mentions) AS held
        CROSS JOIN mentions ON mentions.id = held.value WHERE closed_at IS NULL)
"""
_REPEATED = (
    "SELECT copy.conversation, original.conversation FROM mentions AS copy"
    f" JOIN mentions AS original ON original.id = copy.fold WHERE copy.conversation IN {LISTED}"
)


class SqliteRetention:
    """``ports.Retention`` in SQLite. What is freed in the file is used again by what comes; the file does not shrink."""

    _database: Database

    def months(self, before: datetime) -> list[Month]:
        """The months that ended by then and hold mentions, oldest first: nothing is changed."""
        mentions: Counter[date] = Counter()
        needed: Counter[date] = Counter()
        tickets: Counter[date] = Counter()
        for turn in self._posted(before):
            with self._database.read() as connection:
                kept = _needed(connection, set(turn.values()), before)
                gone = set(turn.values()) - kept
                last = connection.execute(
                    "SELECT (SELECT max(number) FROM mentions WHERE conversation = tickets.id) FROM tickets"
                    f" WHERE id IN {LISTED}",
                    (listed(gone),),
                ).fetchall()
            for number, conversation in turn.items():
                mentions[_month(number)] += 1
                needed[_month(number)] += conversation in kept
            tickets.update(_month(number) for (number,) in last if number in turn)
        return [
            Month(first=first, mentions=mentions[first], needed=needed[first], tickets=tickets[first])
            for first in sorted(mentions)
        ]

    def forget(self, before: datetime) -> list[Month]:
        """Remove what is not needed, with its tickets and their history; the months as they were found."""
        found = self.months(before)
        for turn in self._posted(before):
            self._forget(set(turn.values()), before)
        while self._forget_bands(before):
            pass
        return found

    def spent_batches(self, before: datetime, *, limit: int = 100) -> list[Batch]:
        """Triaged batches that were landed before then, oldest first (their ids begin with their time)."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(BATCH_COLUMNS)} FROM batches WHERE triaged_at IS NOT NULL AND landed_at < ?"
                " ORDER BY id LIMIT ?",
                (stamp(before), limit),
            )
            return [batch_of(row) for row in rows]

    def forget_batches(self, batches: Sequence[Batch]) -> None:
        """Remove batches, whose files are gone, and their dead letters."""
        ids = listed(batch.id for batch in batches)
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM dead_letters WHERE batch IN {LISTED}", (ids,))
            connection.execute(f"DELETE FROM batches WHERE id IN {LISTED}", (ids,))

    def _posted(self, before: datetime) -> Iterator[dict[int, str]]:
        """Mentions posted before then, as number and conversation, some at a time: no snapshot is held for long."""
        last = _OLDEST
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    "SELECT number, conversation FROM mentions WHERE number > ? AND number < ? ORDER BY number LIMIT ?",
                    (last, stamp(before) * NUMBERS, _AT_ONCE),
                ).fetchall()
            if not rows:
                return
            yield dict(rows)
            last = rows[-1][0]

    def _forget(self, conversations: Collection[str], before: datetime) -> None:
        """Remove those of the conversations that are not needed."""
        with self._database.read() as connection:
            gone = set(conversations) - _needed(connection, conversations, before)
            rows = connection.execute(
                f"SELECT number, {columns(MENTION_COLUMNS)} FROM mentions WHERE conversation IN {LISTED}",
                (listed(gone),),
            ).fetchall()
        items = {number: scored_mention(row) for number, *row in rows}
        words = {number: analysed(item) for number, item in items.items()}  # while others may write
        if not items:
            return
        with self._database.write() as connection:
            gone -= _needed(connection, gone, before)  # a post or a person may have come meanwhile
            remove(connection, {n: words[n] for n, item in items.items() if item.mention.conversation in gone})
            connection.execute(f"DELETE FROM events WHERE subject IN {LISTED}", (listed(gone),))
            connection.execute(f"DELETE FROM tickets WHERE id IN {LISTED}", (listed(gone),))
            bump(connection)

    def _forget_bands(self, before: datetime) -> bool:
        """Remove the oldest period of fold bands that lies before then: no new post is compared with one so old."""
        with self._database.write() as connection:
            (oldest,) = connection.execute("SELECT min(period) FROM bands").fetchone()
            if oldest is None or oldest >= (stamp(before) * NUMBERS) >> PERIOD_BITS:
                return False
            connection.execute("DELETE FROM bands WHERE period = ?", (oldest,))
            return True


def _needed(connection: sqlite3.Connection, conversations: Iterable[str], before: datetime) -> set[str]:
    """Those of the conversations that somebody needs, for their own sake or for an original that they repeat."""
    wanted = set(conversations)
    repeated = connection.execute(_REPEATED, (listed(wanted),)).fetchall()
    asked = wanted | set(chain.from_iterable(repeated))
    alone = {id_ for (id_,) in connection.execute(_NEEDED, (listed(asked), stamp(before)))}
    return (wanted & alone) | {copy for copy, original in repeated if original in alone}


def _month(number: int) -> date:
    return moment(number // NUMBERS).date().replace(day=1)
