"""Numbers and times as people read them: relative in lists, absolute with their zone, deadlines that count down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

SOON = timedelta(minutes=15)
"""From here on a deadline is amber: the shortest target of the default SLA, time for two answers."""

Tone = Literal["calm", "soon", "late"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """How a deadline stands: words to read, and a tone that a colour and an icon repeat."""

    words: str
    tone: Tone


def counted(number: int, one: str, many: str | None = None) -> str:
    """``counted(1, "post") == "1 post"``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(length: timedelta) -> str:
    """A length in its largest fitting unit: ``"4 min"``, ``"3 h"``, ``"2 d"``."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 1:
        return "under 1 min"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440:,} d"


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was; a clock that runs ahead counts as now."""
    return "now" if now - at < timedelta(minutes=1) else span(now - at)


def deadline(until: datetime, now: datetime) -> Deadline:
    """How a respond-by stands at ``now``."""
    left = until - now
    if left < timedelta(0):
        return Deadline(words=f"{span(-left)} late", tone="late")
    return Deadline(words=f"in {span(left)}", tone="soon" if left <= SOON else "calm")


def day_clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """The time of day in the office's zone, with the day when that is not today."""
    local = at.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == now.astimezone(zone).date() else f"{local:%-d %b %H:%M}"


def absolute(at: datetime, zone: ZoneInfo) -> str:
    """The moment in full, with its zone: what one sees on hover."""
    local = at.astimezone(zone)
    return f"{local:%-d %b %Y, %H:%M:%S} {local:%Z}"


def machine(at: datetime) -> str:
    """The moment for ``<time datetime>`` and scripts."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
