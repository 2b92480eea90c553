"""Cursors, gaps, batches, dead letters, and what they say of coverage."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from pipeline.domain import Batch, Coverage, Cursor, DeadLetter, Gap
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.rows import Row, columns, moment, moment_or_none, stamp, stamp_or_none, text_of, values

_CURSOR = (
    "source", "query", "watermark", "watermark_at", "tried_at", "succeeded_at", "error", "retry_at", "calls_left",
    "calls_reset_at",
)  # fmt: skip
_GAP = (
    "id", "source", "query", "newer_than", "older_than", "since", "until", "reason", "opened_at", "closed_at", "lost_at"
)  # fmt: skip
_BATCH = (
    "id", "source", "query", "path", "count", "digest", "landed_at", "triaged_at", "kept", "unmatched", "bad"
)  # fmt: skip
_DEAD_LETTER = ("id", "source", "query", "batch", "reason", "raw", "at")

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
                f"SELECT {columns(_CURSOR)} FROM cursors WHERE source = ? AND query = ?", (source, query)
            ).fetchone()
        return _cursor(row) if row else Cursor(source=source, query=query)

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
            connection.execute(f"INSERT OR REPLACE INTO cursors VALUES ({values(_CURSOR)})", _cursor_row(cursor))
            connection.executemany(
                f"INSERT OR REPLACE INTO gaps VALUES ({values(_GAP)})", [_gap_row(gap) for gap in gaps]
            )
            if batch is not None:  # landed once: a batch that is triaged stays so
                connection.execute(f"INSERT OR IGNORE INTO batches VALUES ({values(_BATCH)})", _batch_row(batch))

    def pending_batches(self, limit: int = 100) -> list[Batch]:
        """Landed batches not triaged yet, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(_BATCH)} FROM batches WHERE triaged_at IS NULL ORDER BY landed_at, id LIMIT ?",
                (limit,),
            )
            return [_batch(row) for row in rows]

    def batch_triaged(self, batch: Batch, *, dead_letters: Iterable[DeadLetter] = ()) -> None:
        """Mark a batch as triaged with its counts, and keep its dead letters, in one write."""
        with self._database.write() as connection:
            connection.execute(f"INSERT OR REPLACE INTO batches VALUES ({values(_BATCH)})", _batch_row(batch))
            connection.executemany(
                f"INSERT OR IGNORE INTO dead_letters VALUES ({values(_DEAD_LETTER)})",
                [
                    (d.id, d.source, d.query, d.batch, text_of(d.reason), text_of(d.raw), stamp(d.at))
                    for d in dead_letters
                ],
            )

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(_DEAD_LETTER)} FROM dead_letters ORDER BY at DESC, rowid DESC LIMIT ?", (limit,)
            )
            return [
                DeadLetter(id=id_, source=source, query=query, batch=batch, reason=reason, raw=raw, at=moment(at))
                for id_, source, query, batch, reason, raw, at in rows
            ]

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
    rows = connection.execute(f"SELECT {columns(_CURSOR)} FROM cursors ORDER BY source, query")
    return [_cursor(row) for row in rows]


def _open_gaps(connection: sqlite3.Connection, source: str, query: str) -> list[Gap]:
    rows = connection.execute(
        f"SELECT {columns(_GAP)} FROM gaps WHERE source = ? AND query = ? AND {_OPEN}"
        " ORDER BY since, until, opened_at, id",  # NULL, "since ever", comes first
        (source, query),
    )
    return [_gap(row) for row in rows]


def _cursor_row(cursor: Cursor) -> Row:
    return (
        cursor.source, cursor.query, cursor.watermark, stamp_or_none(cursor.watermark_at),
        stamp_or_none(cursor.tried_at), stamp_or_none(cursor.succeeded_at), cursor.error,
        stamp_or_none(cursor.retry_at), cursor.calls_left, stamp_or_none(cursor.calls_reset_at),
    )  # fmt: skip


def _cursor(row: Row) -> Cursor:
    source, query, watermark, watermark_at, tried_at, succeeded_at, error, retry_at, left, reset_at = row
    return Cursor(
        source=source, query=query, watermark=watermark, watermark_at=moment_or_none(watermark_at),
        tried_at=moment_or_none(tried_at), succeeded_at=moment_or_none(succeeded_at), error=error,
        retry_at=moment_or_none(retry_at), calls_left=left, calls_reset_at=moment_or_none(reset_at),
    )  # fmt: skip


def _gap_row(gap: Gap) -> Row:
    return (
        gap.id, gap.source, gap.query, gap.newer_than, gap.older_than, stamp_or_none(gap.since),
        stamp_or_none(gap.until), gap.reason, stamp(gap.opened_at), stamp_or_none(gap.closed_at),
        stamp_or_none(gap.lost_at),
    )  # fmt: skip


def _gap(row: Row) -> Gap:
    id_, source, query, newer_than, older_than, since, until, reason, opened_at, closed_at, lost_at = row
    return Gap(
        id=id_, source=source, query=query, newer_than=newer_than, older_than=older_than, since=moment_or_none(since),
        until=moment_or_none(until), reason=reason, opened_at=moment(opened_at), closed_at=moment_or_none(closed_at),
        lost_at=moment_or_none(lost_at),
    )  # fmt: skip


def _batch_row(batch: Batch) -> Row:
    return (
        batch.id, batch.source, batch.query, batch.path, batch.count, batch.digest, stamp(batch.landed_at),
        stamp_or_none(batch.triaged_at), batch.kept, batch.unmatched, batch.bad,
    )  # fmt: skip


def _batch(row: Row) -> Batch:
    id_, source, query, path, count, digest, landed_at, triaged_at, kept, unmatched, bad = row
    return Batch(
        id=id_, source=source, query=query, path=path, count=count, digest=digest, landed_at=moment(landed_at),
        triaged_at=moment_or_none(triaged_at), kept=kept, unmatched=unmatched, bad=bad,
    )  # fmt: skip
