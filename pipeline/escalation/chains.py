"""Chains: which one an incident takes, what it looked like when it started, and whom it calls at any moment.

Everything here is a function of the snapshot, what people did, and ``now``: no timer is kept that a crash could lose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from pipeline.config import ChainSettings, Config, PersonSettings, RotaSettings, StepSettings
from pipeline.domain import (
    Chain,
    ChainRun,
    Event,
    EventKind,
    Incident,
    OfficeHours,
    Override,
    Person,
    Reason,
    Rota,
    Step,
)
from pipeline.escalation.rotas import next_open, on_call, quiet_until
from pipeline.hours import Calendar

FIRST_WAIT = timedelta(seconds=30)
"""After the first post, so that the first notice counts those that come with it."""

LOUD = 4
"""The severity from which quiet hours do not count."""

DRILL = "drill"
"""The cause of an incident that is none: everything happens as in earnest, and every message says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A moment at which a step tells its people; ``time`` counts the tellings of one step from 0."""

    step: int
    time: int
    at: datetime

    @property
    def key(self) -> str:
        """What names it inside one run."""
        return f"step {self.step + 1} time {self.time + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who is told by which channel; ``person`` is ``None`` for whoever reads it."""

    person: str | None
    channel: str

    def __str__(self) -> str:
        return self.channel if self.person is None else f"{self.person} by {self.channel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A telling to one recipient that is due."""

    telling: Telling
    recipient: Recipient
    reason: Reason


# --- from settings to a snapshot --------------------------------------------------------------------------------------


def chosen(config: Config, incident: Incident) -> ChainSettings | None:
    """The first chain that fits an incident; ``None`` when none does, and everybody is told at once."""
    return next((chain for chain in config.chain if fits(chain, incident)), None)


def fits(chain: ChainSettings, incident: Incident) -> bool:
    """Whether a chain is for incidents of this brand, cause and severity."""
    return (
        incident.severity >= chain.severity
        and (not chain.brands or incident.brand in chain.brands)
        and (not chain.causes or incident.cause in chain.causes)
    )


def snapshot(settings: ChainSettings, config: Config, brand: str) -> Chain:
    """All that decides about a chain, as it is now."""
    calendar = Calendar.of(config, brand, "")
    hours = calendar.hours
    return Chain(
        name=settings.name,
        steps=tuple(_step(step, config) for step in settings.step),
        people=tuple(_person(person) for person in config.person),
        rotas=tuple(_rota(rota) for rota in config.rota),
        hours=OfficeHours(
            timezone=hours.timezone,
            days=hours.days,
            opens=hours.opens,
            closes=hours.closes,
            holidays=hours.holidays or calendar.market,
        ),
        severity=settings.severity,
        repeat_hours=settings.repeat_hours,
    )


def run_of(chain: Chain, incident: Incident, *, now: datetime) -> ChainRun:
    """A chain that starts now for an incident."""
    return ChainRun(id=f"{incident.id}|{chain.name}", incident=incident.id, chain=chain, started_at=now)


def to_start(config: Config, incident: Incident, running: ChainRun | None, *, now: datetime) -> ChainRun | None:
    """The chain that starts for an incident now; ``None`` when none fits, one goes on, or its first posts gather still.

    One that goes on is followed only by one for graver incidents: a change of the settings does not begin anew.
    """
    settings = chosen(config, incident)
    if settings is None or (running is not None and settings.severity <= running.chain.severity):
        return None
    if gathers(incident, now):
        return None
    return run_of(snapshot(settings, config, incident.brand), incident, now=now)


def gathers(incident: Incident, now: datetime) -> bool:
    """Whether an incident is so young that more of its posts may come at any moment."""
    return timedelta(0) <= now - incident.opened_at < FIRST_WAIT


def _step(step: StepSettings, config: Config) -> Step:
    members = (member for team in config.team if team.name in step.teams for member in team.members)
    return Step(
        wait_minutes=step.wait,
        people=tuple(dict.fromkeys((*step.people, *members))),
        rotas=step.rotas,
        channels=step.channels,
        in_hours=step.in_hours,
        repeat=step.repeat,
        every_minutes=step.every,
        needs=step.needs,
    )


def _person(person: PersonSettings) -> Person:
    return Person(
        name=person.name,
        channels=person.channels,
        timezone=person.timezone,
        quiet_from=person.quiet_from,
        quiet_until=person.quiet_until,
    )


def _rota(rota: RotaSettings) -> Rota:
    zone = ZoneInfo(rota.timezone)
    overrides = tuple(
        Override(person=each.person, since=_utc(each.since, zone), until=_utc(each.until, zone))
        for each in rota.override
    )
    return Rota(
        name=rota.name,
        people=rota.people,
        first_day=rota.first_day.isoformat(),
        hand_over=rota.hand_over,
        days=rota.days,
        timezone=rota.timezone,
        overrides=overrides,
    )


def _utc(at: datetime, zone: ZoneInfo) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


# --- what is due ------------------------------------------------------------------------------------------------------


def tellings(run: ChainRun, *, until: datetime) -> Iterator[Telling]:
    """Every telling that was due by then if nobody had acknowledged, by round and step."""
    chain = run.chain
    times = [0] * len(chain.steps)
    for turn in count():
        start = run.started_at + turn * timedelta(hours=chain.repeat_hours or 0)
        if start > until:
            return
        for number, step in enumerate(chain.steps):
            start += timedelta(minutes=step.wait_minutes)
            for again in range(step.repeat + 1):
                planned = start + again * timedelta(minutes=step.every_minutes)
                at = next_open(chain.hours, planned) if step.in_hours else planned
                if at <= until:
                    yield Telling(step=number, time=times[number], at=at)
                times[number] += 1
        if chain.repeat_hours is None:
            return


def next_telling(run: ChainRun, *, after: datetime, acknowledged: Collection[str] = ()) -> Telling | None:
    """The telling that comes next while nothing changes; ``None`` when there is none."""
    horizon = timedelta(hours=run.chain.repeat_hours or 0) + timedelta(days=14)
    ahead = (
        each
        for each in tellings(run, until=after + horizon)
        if each.at > after and len(acknowledged) < run.chain.steps[each.step].needs
    )
    return min(ahead, key=lambda each: (each.at, each.step), default=None)


def recipients(chain: Chain, telling: Telling) -> list[Recipient]:
    """Whom a telling is for: people by their channels, or channels themselves."""
    step = chain.steps[telling.step]
    duty = (on_call(rota, telling.at) for rota in chain.rotas if rota.name in step.rotas)
    names = dict.fromkeys((*step.people, *(name for name in duty if name is not None)))
    people = [person for person in chain.people if person.name in names]
    if not (step.people or step.rotas):
        return [Recipient(person=None, channel=channel) for channel in step.channels]
    return [
        Recipient(person=person.name, channel=channel)
        for person in people
        for channel in person.channels
        if not step.channels or channel in step.channels
    ]


def due(
    run: ChainRun, incident: Incident, *, acknowledged: Collection[str], told: Collection[str], now: datetime
) -> list[Call]:
    """The calls to make now, given who has acknowledged and the keys (``key_of``) of the calls that were made.

    Of a step that missed several tellings, because nothing ran, the newest alone is made.
    """
    newest = {telling.step: telling for telling in tellings(run, until=now)}
    calls = []
    for telling in newest.values():
        if len(acknowledged) >= run.chain.steps[telling.step].needs:
            continue
        reason = reason_of(telling, incident)
        for recipient in recipients(run.chain, telling):
            call = Call(telling=telling, recipient=recipient, reason=reason)
            spared = recipient.person in acknowledged or sleeps(run.chain, recipient, incident.severity, now)
            if not spared and key_of(run, call) not in told:
                calls.append(call)
    return calls


def key_of(run: ChainRun, call: Call) -> str:
    """The id of the notice of a call: however often it is decided, it is written once."""
    who = call.recipient
    return f"{call.reason}|{run.incident}|{run.chain.name} {call.telling.key}|{who.person or '-'}|{who.channel}"


def sleeps(chain: Chain, recipient: Recipient, severity: int, now: datetime) -> datetime | None:
    """Until when a recipient is left in peace; ``None`` where they are not."""
    if severity >= LOUD:
        return None
    person = next((person for person in chain.people if person.name == recipient.person), None)
    return None if person is None else quiet_until(person, now)


def reason_of(telling: Telling, incident: Incident) -> Reason:
    """Why people hear of an incident by a telling."""
    if incident.cause == DRILL:
        return Reason.DRILL
    if telling.time > 0:
        return Reason.REPEATED
    return Reason.INCIDENT_OPENED if telling.step == 0 else Reason.ESCALATED


def acknowledged_by(
    incident: Incident, events: Iterable[Event], *, since: datetime | None = None
) -> dict[str, datetime]:
    """Who has acknowledged an incident or was handed it, and when first; from ``since`` on, where it is given.

    A graver chain that follows another asks anew: who said "I have it" spoke of less.
    """
    times = [(event.actor, event.at) for event in events if event.kind is EventKind.ACKNOWLEDGED]
    if incident.acknowledged_by is not None and incident.acknowledged_at is not None:
        times.append((incident.acknowledged_by, incident.acknowledged_at))
    said: dict[str, datetime] = {}
    for who, at in times:
        if since is None or at >= since:
            said[who] = min(at, said.get(who, at))
    return said


def current(runs: Sequence[ChainRun]) -> ChainRun | None:
    """The run that goes on: the newest."""
    return max(runs, key=lambda run: (run.started_at, run.id), default=None)


def asks_since(runs: Sequence[ChainRun]) -> datetime | None:
    """From when on an acknowledgement stops the run that goes on: ``None`` for the first of an incident."""
    running = current(runs)
    return None if running is None or len(runs) == 1 else running.started_at
