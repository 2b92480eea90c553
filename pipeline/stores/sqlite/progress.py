"""Cursors, gaps, batches, dead letters, and what they say of coverage."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from pipeline.domain import Batch, Coverage, Cursor, DeadLetter, Gap
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.rows import Row, columns, moment, moment_or_none, stamp, stamp_or_none, text_of, values

CURSOR_COLUMNS = (
    "source", "query", "watermark", "watermark_at", "tried_at", "succeeded_at", "error", "retry_at", "calls_left",
    "calls_reset_at",
)  # fmt: skip
GAP_COLUMNS = (
    "id", "source", "query", "newer_than", "older_than", "since", "until", "reason", "opened_at", "closed_at", "lost_at"
)  # fmt: skip
BATCH_COLUMNS = (
    "id", "source", "query", "path", "count", "digest", "landed_at", "triaged_at", "kept", "unmatched", "bad"
)  # fmt: skip
DEAD_LETTER_COLUMNS = ("id", "source", "query", "batch", "reason", "raw", "at")

_HOUR = 3_600_000_000
_DAY_HOURS = 24
_OPEN = "closed_at IS NULL AND lost_at IS NULL"


class SqliteProgress:
    """``ports.Progress`` in SQLite."""

    _database: Database

    def cursor(self, source: str, query: str) -> Cursor:
        """The cursor of one query at one source; an empty one before the first fetch."""
        with self._database.read() as connection:
            row = connection.execute(
                f"SELECT {columns(CURSOR_COLUMNS)} FROM cursors WHERE source = ? AND query = ?", (source, query)
            ).fetchone()
        return cursor_of(row) if row else Cursor(source=source, query=query)

    def cursors(self) -> list[Cursor]:
        """All cursors, by source and query."""
        with self._database.read() as connection:
            return _cursors(connection)

    def gaps(self, source: str, query: str) -> list[Gap]:
        """Open gaps, oldest first."""
        with self._database.read() as connection:
            return _open_gaps(connection, source, query)

    def save_progress(self, cursor: Cursor, *, gaps: Iterable[Gap] = (), batch: Batch | None = None) -> None:
        """Save cursor, gaps (by id) and a landed batch together or not at all."""
        with self._database.write() as connection:
            connection.execute(f"INSERT OR REPLACE INTO cursors VALUES ({values(CURSOR_COLUMNS)})", cursor_row(cursor))
            connection.executemany(
                f"INSERT OR REPLACE INTO gaps VALUES ({values(GAP_COLUMNS)})", [gap_row(gap) for gap in gaps]
            )
            if batch is not None:  # landed once: a batch that is triaged stays so
                connection.execute(f"INSERT OR IGNORE INTO batches VALUES ({values(BATCH_COLUMNS)})", batch_row(batch))

    def pending_batches(self, limit: int = 100) -> list[Batch]:
        """Landed batches not triaged yet, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(BATCH_COLUMNS)} FROM batches WHERE triaged_at IS NULL ORDER BY landed_at, id LIMIT ?",
                (limit,),
            )
            return [batch_of(row) for row in rows]

    def batch_triaged(self, batch: Batch, *, dead_letters: Iterable[DeadLetter] = ()) -> None:
        """Mark a batch as triaged with its counts, and keep its dead letters, in one write."""
        with self._database.write() as connection:
            connection.execute(f"INSERT OR REPLACE INTO batches VALUES ({values(BATCH_COLUMNS)})", batch_row(batch))
            connection.executemany(
                f"INSERT OR IGNORE INTO dead_letters VALUES ({values(DEAD_LETTER_COLUMNS)})",
                [dead_letter_row(letter) for letter in dead_letters],
            )

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(DEAD_LETTER_COLUMNS)} FROM dead_letters ORDER BY at DESC, rowid DESC LIMIT ?",
                (limit,),
            )
            return [dead_letter_of(row) for row in rows]

    def coverage(self, now: datetime) -> list[Coverage]:
        """What has been heard in the last 24 hours, per source and query."""
        with self._database.read() as connection:
            return [_coverage(connection, cursor, stamp(now)) for cursor in _cursors(connection)]


def _coverage(connection: sqlite3.Connection, cursor: Cursor, now: int) -> Coverage:
    pair = (cursor.source, cursor.query)
    since = now - _DAY_HOURS * _HOUR
    by_hour = [0] * _DAY_HOURS
    heard = "FROM mentions WHERE source = ? AND query = ? AND collected_at > ? AND collected_at <= ?"
    hours = connection.execute(
        f"SELECT (collected_at - ? - 1) / {_HOUR}, count(*) {heard} GROUP BY 1", (since, *pair, since, now)
    )
    for hour, count in hours:
        by_hour[hour] = count
    received = sum(by_hour)
    closed, lost, letters, pending = connection.execute(
        "SELECT (SELECT count(*) FROM gaps WHERE source = ?1 AND query = ?2 AND closed_at IS NOT NULL),"
        " (SELECT count(*) FROM gaps WHERE source = ?1 AND query = ?2 AND lost_at IS NOT NULL),"
        " (SELECT count(*) FROM dead_letters WHERE source = ?1 AND query = ?2 AND at > ?3),"
        " (SELECT count(*) FROM batches WHERE triaged_at IS NULL AND source = ?1 AND query = ?2)",
        (*pair, since),
    ).fetchone()
    lags = f"SELECT (collected_at - (number >> 10)) / 1e6 {heard} ORDER BY 1 LIMIT 1 OFFSET ?"
    quantiles = [
        connection.execute(lags, (*pair, since, now, int((received - 1) * share))).fetchone()[0] if received else None
        for share in (0.5, 0.95)
    ]
    return Coverage(
        cursor=cursor,
        received=received,
        received_by_hour=tuple(by_hour),
        lag_p50=quantiles[0],
        lag_p95=quantiles[1],
        open_gaps=tuple(_open_gaps(connection, *pair)),
        closed_gaps=closed,
        lost_gaps=lost,
        pending_batches=pending,
        dead_letters=letters,
    )


def _cursors(connection: sqlite3.Connection) -> list[Cursor]:
    rows = connection.execute(f"SELECT {columns(CURSOR_COLUMNS)} FROM cursors ORDER BY source, query")
    return [cursor_of(row) for row in rows]


def _open_gaps(connection: sqlite3.Connection, source: str, query: str) -> list[Gap]:
    rows = connection.execute(
        f"SELECT {columns(GAP_COLUMNS)} FROM gaps WHERE source = ? AND query = ? AND {_OPEN}"
        " ORDER BY since, until, opened_at, id",  # NULL, "since ever", comes first
        (source, query),
    )
    return [gap_of(row) for row in rows]


def cursor_row(cursor: Cursor) -> Row:
    """The row of a cursor in the order of ``CURSOR_COLUMNS``."""
    return (
        cursor.source, cursor.query, cursor.watermark, stamp_or_none(cursor.watermark_at),
        stamp_or_none(cursor.tried_at), stamp_or_none(cursor.succeeded_at), cursor.error,
        stamp_or_none(cursor.retry_at), cursor.calls_left, stamp_or_none(cursor.calls_reset_at),
    )  # fmt: skip


def cursor_of(row: Row) -> Cursor:
    """The cursor of such a row."""
    source, query, watermark, watermark_at, tried_at, succeeded_at, error, retry_at, left, reset_at = row
    return Cursor(
        source=source, query=query, watermark=watermark, watermark_at=moment_or_none(watermark_at),
        tried_at=moment_or_none(tried_at), succeeded_at=moment_or_none(succeeded_at), error=error,
        retry_at=moment_or_none(retry_at), calls_left=left, calls_reset_at=moment_or_none(reset_at),
    )  # fmt: skip


def gap_row(gap: Gap) -> Row:
    """The row of a gap in the order of ``GAP_COLUMNS``."""
    return (
        gap.id, gap.source, gap.query, gap.newer_than, gap.older_than, stamp_or_none(gap.since),
        stamp_or_none(gap.until), gap.reason, stamp(gap.opened_at), stamp_or_none(gap.closed_at),
        stamp_or_none(gap.lost_at),
    )  # fmt: skip


def gap_of(row: Row) -> Gap:
    """The gap of such a row."""
    id_, source, query, newer_than, older_than, since, until, reason, opened_at, closed_at, lost_at = row
    return Gap(
        id=id_, source=source, query=query, newer_than=newer_than, older_than=older_than, since=moment_or_none(since),
        until=moment_or_none(until), reason=reason, opened_at=moment(opened_at), closed_at=moment_or_none(closed_at),
        lost_at=moment_or_none(lost_at),
    )  # fmt: skip


def batch_row(batch: Batch) -> Row:
    """The row of a batch in the order of ``BATCH_COLUMNS``."""
    return (
        batch.id, batch.source, batch.query, batch.path, batch.count, batch.digest, stamp(batch.landed_at),
        stamp_or_none(batch.triaged_at), batch.kept, batch.unmatched, batch.bad,
    )  # fmt: skip


def batch_of(row: Row) -> Batch:
    """The batch of such a row."""
    id_, source, query, path, count, digest, landed_at, triaged_at, kept, unmatched, bad = row
    return Batch(
        id=id_, source=source, query=query, path=path, count=count, digest=digest, landed_at=moment(landed_at),
        triaged_at=moment_or_none(triaged_at), kept=kept, unmatched=unmatched, bad=bad,
    )  # fmt: skip


def dead_letter_row(letter: DeadLetter) -> Row:
    """The row of a dead letter in the order of ``DEAD_LETTER_COLUMNS``."""
    return (
        letter.id, letter.source, letter.query, letter.batch, text_of(letter.reason), text_of(letter.raw),
        stamp(letter.at),
    )  # fmt: skip


def dead_letter_of(row: Row) -> DeadLetter:
    """The dead letter of such a row."""
    id_, source, query, batch, reason, raw, at = row
    return DeadLetter(id=id_, source=source, query=query, batch=batch, reason=reason, raw=raw, at=moment(at))
