"""What cannot wait for the queue: incidents, and the messages about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.domain.detection import Finding
from pipeline.domain.understanding import Part


class IncidentState(StrEnum):
    """Where an incident is; derived by ``Incident.state``, never stored."""

    OPEN = "open"
    GROWING = "growing"
    COOLING = "cooling"
    OVER = "over"
    REGRESSED = "regressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A spike or a single grave post: one per cause. ``severity`` is 1..5 and printed with its ``parts``.

    ``finding`` is the arithmetic of one that numbers opened, at its most unlikely; ``explained`` are the lesser causes
    that it accounts for, of which nobody is told; ``earlier`` is the incident that has come back in it.
    """

    id: str
    brand: str
    cause: str
    title: str
    rule: str
    severity: int
    parts: tuple[Part, ...]
    opened_at: datetime
    last_at: datetime
    mentions: tuple[str, ...]
    posts: int
    people: int
    closed_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    version: int = 1
    finding: Finding | None = None
    explained: tuple[str, ...] = ()
    earlier: str | None = None

    def state(self, now: datetime) -> IncidentState:
        """Open, or regressed when it has come back; growing while posts keep coming; cooling after an hour of quiet; over
        once closed."""
        if self.closed_at is not None:
            return IncidentState.OVER
        quiet = (now - self.last_at).total_seconds()
        if quiet > 3600:
            return IncidentState.COOLING
        if self.posts > 1 and quiet < 900:
            return IncidentState.GROWING
        return IncidentState.OPEN if self.earlier is None else IncidentState.REGRESSED


class Reason(StrEnum):
    """Why a notice is sent."""

    INCIDENT_OPENED = "incident opened"
    INCIDENT_GREW = "incident grew"
    ESCALATED = "escalated"  # those who were told before have not acknowledged
    REPEATED = "repeat"
    ACKNOWLEDGED = "acknowledged"  # somebody has it: for those who were told as well
    HANDED_OVER = "handed over"
    RESPOND_SOON = "respond soon"
    BREACHED = "breached"
    SILENT = "silent"  # a part of Tocsin has not run
    DRILL = "drill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to people. ``id`` is reason, group, severity or step, person and channel, so none is written twice.

    ``person`` is whom it is for (``None``: whoever reads the channel), ``step`` which step of a chain it was due by.
    """

    id: str
    reason: Reason
    group: str
    channel: str
    subject: str
    body: str
    severity: int
    created_at: datetime
    sent_at: datetime | None = None
    attempts: int = 0
    error: str | None = None
    retry_at: datetime | None = None
    failed_at: datetime | None = None
    person: str | None = None
    step: str | None = None
