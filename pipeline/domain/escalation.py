"""Who is told, when, and until when: people, rotas, chains, and what stands about them in the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can be told, by any of ``channels``; between ``quiet_from`` and ``quiet_until`` (local, "HH:MM") only
    of what is severe."""

    name: str
    channels: tuple[str, ...]
    timezone: str = "UTC"
    quiet_from: str | None = None
    quiet_until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """``person`` is on call from ``since`` to ``until`` (aware UTC), whoever's turn it is."""

    person: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """People who are on call in turn, ``days`` days each; hand-over is at ``hand_over`` ("HH:MM") local time.

    ``first_day`` ("YYYY-MM-DD") is a day on which the first of ``people`` takes over.
    """

    name: str
    people: tuple[str, ...]
    first_day: str
    hand_over: str = "09:00"
    days: int = 7
    timezone: str = "UTC"
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeHours:
    """When a step that is for office hours may run; ``holidays`` is a country ("DE") or region ("DE-BY")."""

    timezone: str
    days: tuple[str, ...]
    opens: str
    closes: str
    holidays: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a chain, ``wait_minutes`` after the step before it.

    It tells ``people`` and whoever is on call in ``rotas``, by those of their channels that ``channels`` names (by all,
    where it names none); a step without people tells ``channels`` themselves. It is repeated every ``every_minutes``, and
    skipped once ``needs`` people have acknowledged.
    """

    wait_minutes: float = 0.0
    people: tuple[str, ...] = ()
    rotas: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    in_hours: bool = False
    repeat: int = 0
    every_minutes: float = 5.0
    needs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Ordered, timed steps of who is told next until somebody acknowledges; begins again after ``repeat_hours``
    (``None``: it does not).

    It is for incidents of ``severity`` and more.

    It holds all that decides about it, so that a change of the settings does not reach an alarm that is under way.
    """

    name: str
    steps: tuple[Step, ...]
    people: tuple[Person, ...] = ()
    rotas: tuple[Rota, ...] = ()
    hours: OfficeHours
    severity: int = 1
    repeat_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRun:
    """A chain as it was when it started for an incident; the newest of an incident's runs is the one that goes on."""

    id: str
    incident: str
    chain: Chain
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A channel that refused for good: nothing is sent by it until a person enables it again. ``id`` is its name."""

    id: str
    since: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """When a part of Tocsin (``id``: "watch") was last seen at the end of its work."""

    id: str
    at: datetime
