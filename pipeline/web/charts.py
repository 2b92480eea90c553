"""Geometry of the small charts: numbers in, drawn bars out; the templates write them as inline SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its place and height in the chart's own units, and the count it stands for."""

    x: int
    height: float
    count: int


def bars(counts: Sequence[int], *, height: float = 24, width: int = 4) -> list[Bar]:
    """One bar a count, the highest full; a count that is not zero is never invisible."""
    top = max(counts, default=0)
    return [
        Bar(x=place * width, height=max(1.5, count / top * height) if count else 0.0, count=count)
        for place, count in enumerate(counts)
    ]


def by_hour(moments: Iterable[datetime], *, until: datetime, hours: int = 24) -> tuple[int, ...]:
    """How many moments fall into each of the last ``hours`` hours, oldest first."""
    ages = Counter((until - at) // timedelta(hours=1) for at in moments)
    return tuple(ages[hour] for hour in reversed(range(hours)))
