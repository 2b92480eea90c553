"""The table of counts, kept in the transactions that write mentions: no bucket is ever stale, however late a post comes."""

# ruff: noqa: S608 - SQL is put together from our own expressions
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

QUARTER = 900_000_000  # microseconds of a bucket


def _number(row: str, place: int) -> str:
    """One of the probabilities of a mention: three of sentiment, eight of category, four of urgency."""
    return f"json_extract({row}.probabilities, '$[{place}]')"


def negative(row: str) -> str:
    """Whether negative is the likeliest sentiment, as ``Score.sentiment_label`` says it."""
    first, *others = (_number(row, place) for place in range(3))
    return f"({first} >= 0 AND {first} >= max({', '.join(others)}))"


def urgent(row: str) -> str:
    """Whether the urgency is critical or high, as ``Score.urgency_label`` says it: a rule may raise it."""
    critical, high, normal, low = (_number(row, place) for place in range(11, 15))
    likeliest = f"max({critical}, {high}) >= max({normal}, {low}) AND max({critical}, {high}) >= 0"
    raised = f"EXISTS (SELECT 1 FROM json_each({row}.rules) WHERE json_extract(value, '$[1]') IN ('critical', 'high'))"
    return f"(({likeliest}) OR {raised})"


def counted(row: str) -> str:
    """Whether a mention counts at all."""
    return f"({row}.fold IS NULL AND {row}.own = 0 AND {row}.category != 'spam')"


_COUNTED = f"""
SELECT posted_at / {QUARTER}, brand, query, source, count(*), sum({negative("mentions")}), sum({urgent("mentions")})
FROM mentions WHERE {counted("mentions")}"""

COUNTS = f"""
CREATE TABLE counts (
    bucket INTEGER NOT NULL, brand TEXT NOT NULL, query TEXT NOT NULL, source TEXT NOT NULL,
    posts INTEGER NOT NULL, negative INTEGER NOT NULL, urgent INTEGER NOT NULL,
    PRIMARY KEY (bucket, brand, query, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX counts_empty ON counts (posts) WHERE posts = 0;
INSERT INTO counts {_COUNTED} GROUP BY 1, 2, 3, 4;
"""

_WRITTEN = "number IN (SELECT value FROM json_each(?))"


def _change(sign: str) -> str:
    return (
        f"INSERT INTO counts {_COUNTED} AND {_WRITTEN} GROUP BY 1, 2, 3, 4 ON CONFLICT DO UPDATE SET"
        f" posts = posts {sign} excluded.posts, negative = negative {sign} excluded.negative,"
        f" urgent = urgent {sign} excluded.urgent"
    )


_ADD, _TAKE = _change("+"), _change("-")


def count(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Count mentions that have just been written, inside the caller's transaction."""
    connection.execute(_ADD, (json.dumps(list(numbers)),))


def discount(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Take mentions that are about to be removed off the counts, inside the caller's transaction."""
    connection.execute(_TAKE, (json.dumps(list(numbers)),))
    connection.execute("DELETE FROM counts WHERE posts = 0")
