"""What people do: claim, take the next, assign, release, answer, resolve, reopen, undo; acknowledge, hand over, close."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.config import Config
from pipeline.domain import Event, EventKind, Incident, Resolution, Ticket
from pipeline.errors import ConfigError, Conflict, NotFound
from pipeline.ports import Events, Incidents, Tickets
from pipeline.teams import colleagues, work_of

PRESSED_TWICE = timedelta(minutes=1)
ROUNDS = 20  # of five tickets that one asks for: as many colleagues would have to be faster, all in this moment
TRIES = 5  # of one act on an incident: watch writes once a minute, so losing twice in a row is rare already


class IncidentHistory(Incidents, Events, Protocol):
    """Incidents, and what people did about them."""


def claim(store: Tickets, ticket_id: str, responder: str, *, minutes: float, now: datetime) -> Ticket:
    """Take the ticket for ``minutes``, or extend one's own claim; raises ``AlreadyClaimed``, ``NotFound``."""
    return store.claim(ticket_id, somebody(responder), until=now + timedelta(minutes=minutes), now=now)


def release(store: Tickets, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
    """Give a claim back before it lapses."""
    return store.release(ticket_id, somebody(responder), now=now)


def assign(
    store: Tickets, ticket_id: str, responder: str, to: str, *, config: Config, note: str = "", now: datetime
) -> Ticket:
    """Give the ticket to a team, or the claim on it to a colleague; raises ``ConfigError`` for a name of neither.

    A colleague has it from this moment on for as long as a claim lasts: if nobody is there, it lapses like any other.
    """
    who, whom, why = somebody(responder), somebody(to), note.strip()
    if any(team.name == whom for team in config.team):
        return store.assign(ticket_id, who, whom, note=why, now=now)
    if whom not in (known := colleagues(config)):
        named = ", ".join((*(team.name for team in config.team), *known))
        raise ConfigError(f"{whom!r} is no team and nobody's name here; known: {named}")
    until = now + timedelta(minutes=config.web.claim_minutes)
    return store.hand_to(ticket_id, who, whom, until=until, note=why, now=now)


def take_next(store: Tickets, responder: str, *, config: Config, now: datetime) -> Ticket | None:
    """Claim the first ticket of the responder's teams that nobody holds; ``None`` where there is none.

    Whoever asks at the same moment gets another: a claim has one winner, and who loses tries the next.
    """
    who = somebody(responder)
    filters = work_of(who, config)
    for _ in range(ROUNDS):
        items = store.queue(now, filters, limit=TRIES)
        for item in items:
            with suppress(Conflict, NotFound):  # another was faster with this one
                return claim(store, item.ticket.id, who, minutes=config.web.claim_minutes, now=now)
        if not items:
            return None
    raise Conflict(f"others took {ROUNDS * TRIES} tickets before you in one moment; ask again")


def answered(store: Tickets, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
    """Say that the customer has been answered."""
    return store.answered(ticket_id, somebody(responder), now=now)


def resolve(
    store: Tickets, ticket_id: str, responder: str, resolution: Resolution, *, note: str = "", now: datetime
) -> Ticket:
    """End the work, and say how."""
    return store.resolve(ticket_id, somebody(responder), resolution, note=note, now=now)


def reopen(store: Tickets, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
    """Take a resolution back."""
    return store.reopen(ticket_id, somebody(responder), now=now)


def undo(store: Tickets, event_id: int, responder: str, *, now: datetime) -> Ticket:
    """Take one action back; raises ``Conflict`` when somebody acted on the ticket since."""
    return store.undo(event_id, somebody(responder), now=now)


def acknowledge(store: IncidentHistory, incident_id: str, responder: str, *, now: datetime) -> Incident:
    """Say that somebody has the incident; the first who says so keeps it, and that others said so too is in its history."""
    who = somebody(responder)
    said = Event(id=0, at=now, actor=who, kind=EventKind.ACKNOWLEDGED, subject=incident_id)

    def change(incident: Incident) -> Incident:
        taken = incident.acknowledged_by is not None
        return incident if taken else replace(incident, acknowledged_by=who, acknowledged_at=now)

    saved = _changed(store, incident_id, change, said)
    if saved.closed_at is None and not _said_lately(store.events(incident_id), who, now):
        store.record(incident_id, EventKind.ACKNOWLEDGED, who, now=now)
    return saved


def _said_lately(events: Sequence[Event], who: str, now: datetime) -> bool:
    """Whether a person acknowledged in this very moment: a button that is pressed twice says so once."""
    times = [event.at for event in events if event.kind is EventKind.ACKNOWLEDGED and event.actor == who]
    return any(abs(now - at) < PRESSED_TWICE for at in times)


def hand_over(store: Incidents, incident_id: str, responder: str, to: str, *, now: datetime) -> Incident:
    """Give an incident to somebody else, who has it from now on and is told so."""
    who, whom = somebody(responder), somebody(to)
    said = Event(id=0, at=now, actor=who, kind=EventKind.HANDED_OVER, subject=incident_id, note=whom)

    def change(incident: Incident) -> Incident:
        has_it = incident.acknowledged_by == whom
        return incident if has_it else replace(incident, acknowledged_by=whom, acknowledged_at=now)

    return _changed(store, incident_id, change, said)


def close(store: Incidents, incident_id: str, responder: str, *, note: str = "", now: datetime) -> Incident:
    """End an incident by hand; raises ``Conflict`` when it got worse in this very moment: nobody has seen that yet."""
    seen = store.incident(incident_id).severity
    said = Event(id=0, at=now, actor=somebody(responder), kind=EventKind.CLOSED, subject=incident_id, note=note)

    def change(incident: Incident) -> Incident:
        if incident.closed_at is not None:
            return incident
        if incident.severity > seen:
            raise Conflict(f"{incident_id} has just got worse (severity {incident.severity}, was {seen}); look again")
        return replace(incident, closed_at=now)

    return _changed(store, incident_id, change, said)


def _changed(store: Incidents, incident_id: str, change: Callable[[Incident], Incident], said: Event) -> Incident:
    """The incident as changed and saved, or as it is where nothing is left to change.

    What ``watch`` adds in the same moment takes nothing away from what a person decided: it is read and decided again.
    """

    def once() -> Incident:
        incident = store.incident(incident_id)
        changed = change(incident)
        return incident if changed == incident else store.save_incident(changed, event=said)

    for _ in range(TRIES - 1):
        with suppress(Conflict):
            return once()
    return once()


def somebody(responder: str) -> str:
    """The name of who acts; raises ``ConfigError`` where it is none."""
    name = responder.strip()
    if not name or len(name) > 80:
        raise ConfigError("a responder needs a name of 1 to 80 characters; pass --as NAME or choose one on the page")
    return name
