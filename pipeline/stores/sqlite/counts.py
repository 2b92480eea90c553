"""Counts by the time of posting, the people behind them, and conversations that spread."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.domain import QUARTER, Bucket, Measure, ScoredMention, Series, SeriesKind, Spread
from pipeline.stores.sqlite.counts_schema import QUARTER as MICROSECONDS
from pipeline.stores.sqlite.counts_schema import counted, negative, urgent
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.rows import NUMBERS, SELECT_MENTIONS, moment, scored_mention, stamp

_MEASURED = {
    Measure.ALL: "",
    Measure.NEGATIVE: f" AND {negative('mentions')}",
    Measure.URGENT: f" AND {urgent('mentions')}",
}

_SPREADS = f"""
WITH heard AS MATERIALIZED (
    SELECT coalesce(original.conversation, post.conversation) AS conversation, post.brand, post.author
    FROM mentions AS post LEFT JOIN mentions AS original ON original.id = post.fold
    WHERE post.number >= ?1 * {NUMBERS} AND post.number < ?2 * {NUMBERS} AND post.own = 0 AND post.category != 'spam')
SELECT conversation, min(brand), count(*), count(DISTINCT author) AS people FROM heard
GROUP BY conversation HAVING people >= ?3 ORDER BY people DESC, conversation"""


class SqliteCounts:
    """``ports.Counts`` in SQLite: the table ``counts`` is kept with every mention, so no bucket is ever stale."""

    _database: Database

    def counts(
        self, kind: SeriesKind, *, since: datetime, until: datetime, width: timedelta = QUARTER
    ) -> dict[str, list[Bucket]]:
        """The buckets that hold anything, by the series' names, oldest first."""
        quarters = width // QUARTER
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {kind.value}, bucket / ?1 * ?1 AS start, sum(posts), sum(negative), sum(urgent) FROM counts"
                f" WHERE bucket >= ?2 AND bucket < ?3 GROUP BY {kind.value}, start ORDER BY {kind.value}, start",
                (quarters, stamp(since) // MICROSECONDS, stamp(until) // MICROSECONDS),
            ).fetchall()
        found: dict[str, list[Bucket]] = {}
        for name, start, posts, unhappy, pressing in rows:
            bucket = Bucket(start=moment(start * MICROSECONDS), posts=posts, negative=unhappy, urgent=pressing)
            found.setdefault(name, []).append(bucket)
        return found

    def people(self, series: Series, *, since: datetime, until: datetime) -> int:
        """How many different authors wrote the posts of a series."""
        with self._database.read() as connection:
            row = connection.execute(
                f"SELECT count(DISTINCT author) FROM mentions WHERE {_of(series)}",
                (stamp(since), stamp(until), series.name),
            ).fetchone()
        return int(row[0])

    def posts_of(self, series: Series, *, since: datetime, until: datetime, limit: int = 50) -> list[ScoredMention]:
        """The posts of a series, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{SELECT_MENTIONS} WHERE {_of(series)} ORDER BY number DESC LIMIT ?4",
                (stamp(since), stamp(until), series.name, limit),
            )
            return [scored_mention(row) for row in rows]

    def spreads(self, *, since: datetime, until: datetime, people: int) -> list[Spread]:
        """Conversations in which at least so many people posted, or repeated a post of it, then; the widest first."""
        with self._database.read() as connection:
            rows = connection.execute(_SPREADS, (stamp(since), stamp(until), people))
            return [Spread(conversation=c, brand=brand, posts=posts, people=many) for c, brand, posts, many in rows]


def _of(series: Series) -> str:
    """The posts of a series; ?1 and ?2 are the ends of the interval, ?3 is the series' name."""
    within = f"number >= ?1 * {NUMBERS} AND number < ?2 * {NUMBERS}"
    return f"{within} AND {series.kind.value} = ?3 AND {counted('mentions')}{_MEASURED[series.measure]}"
