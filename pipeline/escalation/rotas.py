"""Time as people live it: whose turn it is, and who sleeps. Local times of zones with daylight saving; aware UTC in and out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.config import Hours
from pipeline.domain import OfficeHours, Person, Rota
from pipeline.hours import Calendar


def on_call(rota: Rota, at: datetime) -> str | None:
    """Whose turn it is; an override goes before, of several the last in the list. ``None`` for a rota without people."""
    for override in reversed(rota.overrides):
        if override.since <= at < override.until:
            return override.person
    if not rota.people:
        return None
    day = at.astimezone(ZoneInfo(rota.timezone)).date()
    if at < moment(day, rota.hand_over, rota.timezone):
        day -= timedelta(days=1)
    turn = (day - date.fromisoformat(rota.first_day)).days // rota.days
    return rota.people[turn % len(rota.people)]


def quiet_until(person: Person, at: datetime) -> datetime | None:
    """When the quiet hours end that the person has at ``at``; ``None`` outside them."""
    begins, ends = person.quiet_from, person.quiet_until
    if begins is None or ends is None or begins == ends:
        return None
    local = at.astimezone(ZoneInfo(person.timezone))
    clock = f"{local:%H:%M}"
    over_midnight = begins > ends
    if not (clock >= begins or clock < ends if over_midnight else begins <= clock < ends):
        return None
    day = local.date() + timedelta(days=1) if over_midnight and clock >= begins else local.date()
    return moment(day, ends, person.timezone)


def next_open(hours: OfficeHours, at: datetime) -> datetime:
    """``at`` itself where the office works then, else when it opens next."""
    settings = Hours.model_validate(
        {"timezone": hours.timezone, "days": hours.days, "opens": hours.opens, "closes": hours.closes}
    )
    return Calendar(settings, hours.holidays).next_open(at)


def moment(day: date, clock: str, timezone: str) -> datetime:
    """A local time of day; where clocks are put back, the later of the two, and where they skip it, as long after."""
    local = datetime.combine(day, time.fromisoformat(clock), ZoneInfo(timezone))
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
