"""How people are told, by which way, and who is told next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Minutes, Name, Settings, TimeOfDay, Zone
from pipeline.config.working import Team
from pipeline.domain import Priority

Severity = Annotated[int, Field(ge=1, le=5)]
Wait = Annotated[float, Field(ge=0, le=7 * 24 * 60, allow_inf_nan=False)]


class ConsoleChannel(Settings):
    """Notices on the log of the ``watch`` process."""

    kind: Literal["console"]
    name: Name = "console"


class WebhookChannel(Settings):
    """Notices as signed JSON by POST (Standard Webhooks); the key is the secret ``webhook_<name>``."""

    kind: Literal["webhook"]
    name: Name = "webhook"
    url: str
    allow_private: bool = False
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0


class AppriseChannel(Settings):
    """Notices by any service that Apprise knows (Slack, Teams, mail, PagerDuty, Telegram, ...).

    Its address holds keys, so it is the secret ``apprise_<name>``: "slack://...", "mailtos://...".
    """

    kind: Literal["apprise"]
    name: Name = "apprise"
    allow_private: bool = False
    timeout: Annotated[float, Field(gt=0, le=60)] = 20.0


ChannelSettings = Annotated[ConsoleChannel | WebhookChannel | AppriseChannel, Field(discriminator="kind")]


class PersonSettings(Settings):
    """Somebody who can be told. In the quiet hours only of what has severity 4 or 5; the rest waits until they end.

    With ``languages``, `tocsin next` gives them tickets in those alone.
    """

    name: Name
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    timezone: Zone = "UTC"
    quiet_from: TimeOfDay | None = None
    quiet_until: TimeOfDay | None = None
    languages: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _quiet_hours_begin_and_end(self) -> PersonSettings:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet hours need both quiet_from and quiet_until")
        return self


class OverrideSettings(Settings):
    """Somebody takes over from ``since`` to ``until``, local times of the rota's zone unless they name their own."""

    person: str
    since: datetime
    until: datetime

    @model_validator(mode="after")
    def _in_order(self) -> OverrideSettings:
        if self.since.replace(tzinfo=None) >= self.until.replace(tzinfo=None):
            raise ValueError(f"since {self.since} is not before until {self.until}")
        return self


class RotaSettings(Settings):
    """Who is on call: each for ``days`` days in turn, from ``first_day`` on; hand-over at ``hand_over``."""

    name: Name
    people: Annotated[tuple[str, ...], Field(min_length=1)]
    first_day: date
    hand_over: TimeOfDay = "09:00"
    days: Annotated[int, Field(ge=1, le=366)] = 7
    timezone: Zone = "UTC"
    override: tuple[OverrideSettings, ...] = ()


class StepSettings(Settings):
    """Who is told ``wait`` minutes after the step before: people, teams, whoever is on call in a rota, or channels.

    Told again ``repeat`` times, ``every`` minutes apart; skipped once ``needs`` people have acknowledged. ``in_hours``
    lets it wait until business opens.
    """

    wait: Wait = 0.0
    people: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    rotas: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    in_hours: bool = False
    repeat: Annotated[int, Field(ge=0, le=100)] = 0
    every: Minutes = 5.0
    needs: Annotated[int, Field(ge=1, le=20)] = 1

    @model_validator(mode="after")
    def _tells_somebody(self) -> StepSettings:
        if not (self.people or self.teams or self.rotas or self.channels):
            raise ValueError("a step tells somebody: give people, teams, rotas or channels")
        return self


class ChainSettings(Settings):
    """Steps of who is told next, for incidents of these brands and causes (all, where none is named) from ``severity`` on.

    An incident takes the first chain in the file that fits; one that none fits is told to every channel at once.
    """

    name: Name
    brands: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    severity: Severity = 1
    repeat_hours: Annotated[float, Field(gt=0, le=7 * 24, allow_inf_nan=False)] | None = 4.0
    step: Annotated[tuple[StepSettings, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _ends_before_it_begins_again(self) -> ChainSettings:
        longest = sum(step.wait for step in self.step)
        if self.repeat_hours is not None and longest >= self.repeat_hours * 60:
            raise ValueError(
                f"its steps take {longest:g} minutes, but it begins again after {self.repeat_hours:g} hours"
            )
        return self


class Silence(Settings):
    """After how many minutes without a sign of life people are told that a part of Tocsin is silent, by ``channels``
    (all of them, where none is named). ``heartbeat`` says "still alive" to the address in the secret ``heartbeat``."""

    listen_minutes: Minutes = 60.0
    watch_minutes: Minutes = 10.0
    channels: tuple[str, ...] = ()
    heartbeat: bool = False
    allow_private: bool = False


class Deadlines(Settings):
    """Tickets of these priorities that wait until ``soon_minutes`` before their respond-by, and past it, are told to
    ``channels``, gathered for five minutes; nobody is told where none is named."""

    channels: tuple[str, ...] = ()
    soon_minutes: Minutes = 15.0
    priorities: tuple[Priority, ...] = (Priority.P1, Priority.P2)


def check_names(
    people: Sequence[PersonSettings],
    rotas: Sequence[RotaSettings],
    chains: Sequence[ChainSettings],
    *,
    channels: Sequence[str],
    teams: Sequence[Team],
) -> list[tuple[str, str, Sequence[str], str]]:
    """Every name that one table gives of another, as (what, name, known names, where it is named)."""
    persons = [person.name for person in people]
    named = [("channel", name, channels, f"person {each.name!r}") for each in people for name in each.channels]
    for rota in rotas:
        on_call = (*rota.people, *(override.person for override in rota.override))
        named += [("person", name, persons, f"rota {rota.name!r}") for name in on_call]
    for chain in chains:
        for step in chain.step:
            where = f"chain {chain.name!r}"
            named += [("person", name, persons, where) for name in step.people]
            named += [("team", name, [team.name for team in teams], where) for name in step.teams]
            members = [member for team in teams if team.name in step.teams for member in team.members]
            named += [("person", name, persons, f"a team of {where}") for name in members]
            named += [("rota", name, [rota.name for rota in rotas], where) for name in step.rotas]
            named += [("channel", name, channels, where) for name in step.channels]
    return named
