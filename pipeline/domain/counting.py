"""How much is said: series of counts, and how far one conversation has spread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

QUARTER = timedelta(minutes=15)
"""The grain of counts: fine enough to see a burst within the hour, coarse enough to keep for good."""


class SeriesKind(StrEnum):
    """What a series is about."""

    BRAND = "brand"
    QUERY = "query"
    SOURCE = "source"


class Measure(StrEnum):
    """Which posts of a series are counted: negative are those felt so, urgent those of critical or high urgency."""

    ALL = "all"
    NEGATIVE = "negative"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Posts that are counted together: originals alone, neither the brand's own nor spam."""

    kind: SeriesKind
    name: str
    measure: Measure = Measure.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How many posts of one series were written in ``[start, start + width)``."""

    start: datetime
    posts: int
    negative: int
    urgent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far a conversation has come in a while: its posts and all that repeat them, and by how many people."""

    conversation: str
    brand: str
    posts: int
    people: int
