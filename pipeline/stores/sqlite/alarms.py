"""Incidents and the notification log."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from pipeline.domain import Event, Incident, Notice, Reason, ScoredMention
from pipeline.errors import Conflict, NotFound
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.events import append
from pipeline.stores.sqlite.rows import (
    INCIDENT_COLUMNS,
    MENTION_COLUMNS,
    Row,
    columns,
    incident,
    incident_row,
    moment,
    moment_or_none,
    scored_mention,
    stamp,
    stamp_or_none,
    text_of,
    values,
)

_INCIDENT = f"SELECT {columns(INCIDENT_COLUMNS)} FROM incidents"
NOTICE_COLUMNS = (
    "id", "reason", "group", "channel", "subject", "body", "severity", "created_at", "sent_at", "attempts", "error",
    "retry_at", "failed_at", "person", "step",
)  # fmt: skip
_NOTICE = f"SELECT {columns(NOTICE_COLUMNS)} FROM notices"


class SqliteIncidents:
    """``ports.Incidents`` in SQLite, but for the mentions among them."""

    _database: Database

    def open_incidents(self) -> list[Incident]:
        """Incidents that are not closed, worst first."""
        with self._database.read() as connection:
            rows = connection.execute(f"{_INCIDENT} WHERE closed_at IS NULL ORDER BY severity DESC, opened_at, id")
            return [incident(row) for row in rows]

    def incidents(self, *, limit: int = 50) -> list[Incident]:
        """All incidents, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(f"{_INCIDENT} ORDER BY opened_at DESC, id DESC LIMIT ?", (limit,))
            return [incident(row) for row in rows]

    def incident(self, incident_id: str) -> Incident:
        """One incident; raises ``NotFound``."""
        with self._database.read() as connection:
            found = _incident(connection, incident_id)
        if found is None:
            raise NotFound(f"there is no incident {incident_id}")
        return found

    def incident_posts(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """The posts that each of these incidents holds, oldest first."""
        found: dict[str, list[ScoredMention]] = {}
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT incidents.id, {columns(MENTION_COLUMNS, 'mentions')} FROM incidents"
                " CROSS JOIN json_each(incidents.mentions) AS held CROSS JOIN mentions ON mentions.id = held.value"
                " WHERE incidents.id IN (SELECT value FROM json_each(?)) ORDER BY number",
                (json.dumps(list(ids)),),
            )
            for id_, *row in rows:
                found.setdefault(id_, []).append(scored_mention(tuple(row)))
        return found

    def save_incident(self, incident: Incident, *, event: Event | None = None) -> Incident:
        """Create (version 1) or update by compare-and-set on ``version``; raises ``Conflict``.

        A second open incident of one brand and cause is a ``Conflict`` too, and an id that another brand or cause has.
        ``event`` is recorded in the same write.
        """
        with self._database.write() as connection:
            current = _incident(connection, incident.id)
            if current == incident:
                return incident
            if current is None and incident.version != 1:
                raise Conflict(f"incident {incident.id} is gone; read the open incidents again")
            if current is not None and current.version != incident.version:
                raise Conflict(f"incident {incident.id} was changed by somebody else; read it again")
            if current is not None and (current.brand, current.cause) != (incident.brand, incident.cause):
                raise Conflict(f"incident {incident.id} is about {current.brand}, {current.cause}")
            other = connection.execute(
                "SELECT id FROM incidents WHERE brand = ? AND cause = ? AND closed_at IS NULL AND id != ?",
                (incident.brand, incident.cause, incident.id),
            ).fetchone()
            if other and incident.closed_at is None:
                raise Conflict(f"{incident.brand} has an open incident of {incident.cause!r} already: {other[0]}")
            saved = incident if current is None else replace(incident, version=incident.version + 1)
            connection.execute(
                f"INSERT OR REPLACE INTO incidents ({columns(INCIDENT_COLUMNS)}) VALUES ({values(INCIDENT_COLUMNS)})",
                incident_row(saved),
            )
            if event is not None:
                append(connection, event.subject, event.kind, event.actor, note=event.note, at=event.at)
            bump(connection)
            return saved


class SqliteNotices:
    """``ports.Notices`` in SQLite."""

    _database: Database

    def add_notice(self, notice: Notice) -> bool:
        """Record a notice before it is sent; ``False`` when its id is known."""
        with self._database.write() as connection:
            added = connection.execute(
                f"INSERT OR IGNORE INTO notices ({columns(NOTICE_COLUMNS)}) VALUES ({values(NOTICE_COLUMNS)})",
                notice_row(notice),
            )
            if added.rowcount:
                bump(connection)
            return added.rowcount == 1

    def due_notices(self, now: datetime, *, limit: int = 100) -> list[Notice]:
        """Notices neither sent nor failed whose ``retry_at`` is not ahead, oldest first, at most ``limit`` a channel."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{_NOTICE} WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER"
                " (PARTITION BY channel ORDER BY created_at, id) AS place FROM notices"
                "  WHERE sent_at IS NULL AND failed_at IS NULL AND (retry_at IS NULL OR retry_at <= ?))"
                " WHERE place <= ?) ORDER BY created_at, id",
                (stamp(now), limit),
            )
            return [notice_of(row) for row in rows]

    def take_notice(self, notice: Notice, *, retry_at: datetime) -> Notice | None:
        """Count a try before it is made, by compare-and-set on ``attempts``; ``None`` when another took the notice."""
        with self._database.write() as connection:
            taken = connection.execute(
                "UPDATE notices SET attempts = attempts + 1, retry_at = ?"
                " WHERE id = ? AND attempts = ? AND sent_at IS NULL AND failed_at IS NULL",
                (stamp(retry_at), notice.id, notice.attempts),
            )
            if not taken.rowcount:
                return None
            bump(connection)
            return replace(notice, attempts=notice.attempts + 1, retry_at=retry_at)

    def save_notice(self, notice: Notice) -> None:
        """Record the outcome of a try, unless another try has been counted since or the notice was sent."""
        with self._database.write() as connection:
            saved = connection.execute(
                "UPDATE notices SET sent_at = ?, failed_at = ?, retry_at = ?, error = ?"
                " WHERE id = ? AND attempts = ? AND sent_at IS NULL",
                (
                    stamp_or_none(notice.sent_at), stamp_or_none(notice.failed_at), stamp_or_none(notice.retry_at),
                    notice.error, notice.id, notice.attempts,
                ),
            )  # fmt: skip
            if saved.rowcount:
                bump(connection)

    def notices(self, group: str | None = None, *, limit: int = 100) -> list[Notice]:
        """The log, newest first."""
        where, parameters = ("", ()) if group is None else (' WHERE "group" = ?', (group,))
        with self._database.read() as connection:
            rows = connection.execute(
                f"{_NOTICE}{where} ORDER BY created_at DESC, id DESC LIMIT ?", (*parameters, limit)
            )
            return [notice_of(row) for row in rows]


def _incident(connection: sqlite3.Connection, incident_id: str) -> Incident | None:
    row = connection.execute(f"{_INCIDENT} WHERE id = ?", (text_of(incident_id),)).fetchone()
    return incident(row) if row else None


def notice_row(notice: Notice) -> Row:
    """The row of a notice in the order of ``NOTICE_COLUMNS``."""
    return (
        notice.id, notice.reason.value, notice.group, notice.channel, text_of(notice.subject), text_of(notice.body),
        notice.severity, stamp(notice.created_at), stamp_or_none(notice.sent_at), notice.attempts, notice.error,
        stamp_or_none(notice.retry_at), stamp_or_none(notice.failed_at), notice.person, notice.step,
    )  # fmt: skip


def notice_of(row: Row) -> Notice:
    """The notice of such a row."""
    (id_, reason, group, channel, subject, body, severity, created_at, sent_at, attempts, error, retry_at,
     failed_at, person, step) = row  # fmt: skip
    return Notice(
        id=id_, reason=Reason(reason), group=group, channel=channel, subject=subject, body=body, severity=severity,
        created_at=moment(created_at), sent_at=moment_or_none(sent_at), attempts=attempts, error=error,
        retry_at=moment_or_none(retry_at), failed_at=moment_or_none(failed_at),
        person=person, step=step,
    )  # fmt: skip
