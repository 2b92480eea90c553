"""What people do with tickets and incidents: claim, release, answer, resolve, reopen, undo, acknowledge, close."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.domain import Event, EventKind, Incident, Resolution, Ticket
from pipeline.errors import ConfigError
from pipeline.ports import Incidents, Tickets


def claim(store: Tickets, ticket_id: str, responder: str, *, minutes: float, now: datetime) -> Ticket:
    """Take the ticket for ``minutes``, or extend one's own claim; raises ``AlreadyClaimed``, ``NotFound``."""
    return store.claim(ticket_id, _somebody(responder), until=now + timedelta(minutes=minutes), now=now)


def release(store: Tickets, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
    """Give a claim back before it lapses."""
    return store.release(ticket_id, _somebody(responder), now=now)


def answered(store: Tickets, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
    """Say that the customer has been answered."""
    return store.answered(ticket_id, _somebody(responder), now=now)


def resolve(
    store: Tickets, ticket_id: str, responder: str, resolution: Resolution, *, note: str = "", now: datetime
) -> Ticket:
    """End the work, and say how."""
    return store.resolve(ticket_id, _somebody(responder), resolution, note=note, now=now)


def reopen(store: Tickets, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
    """Take a resolution back."""
    return store.reopen(ticket_id, _somebody(responder), now=now)


def undo(store: Tickets, event_id: int, responder: str, *, now: datetime) -> Ticket:
    """Take one action back; raises ``Conflict`` when somebody acted on the ticket since."""
    return store.undo(event_id, _somebody(responder), now=now)


def acknowledge(store: Incidents, incident_id: str, responder: str, *, now: datetime) -> Incident:
    """Say that somebody has the incident; the first who says so keeps it."""
    incident = store.incident(incident_id)
    if incident.acknowledged_by is not None:
        return incident
    who = _somebody(responder)
    said = Event(id=0, at=now, actor=who, kind=EventKind.ACKNOWLEDGED, subject=incident_id)
    return store.save_incident(replace(incident, acknowledged_by=who, acknowledged_at=now), event=said)


def close(store: Incidents, incident_id: str, responder: str, *, note: str = "", now: datetime) -> Incident:
    """End an incident by hand."""
    incident = store.incident(incident_id)
    if incident.closed_at is not None:
        return incident
    said = Event(id=0, at=now, actor=_somebody(responder), kind=EventKind.CLOSED, subject=incident_id, note=note)
    return store.save_incident(replace(incident, closed_at=now), event=said)


def _somebody(responder: str) -> str:
    name = responder.strip()
    if not name or len(name) > 80:
        raise ConfigError("a responder needs a name of 1 to 80 characters; pass --as NAME or choose one on the page")
    return name
