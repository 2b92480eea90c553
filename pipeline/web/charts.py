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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment on a chart: where it stands, and what happened."""

    x: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Counts by hour as bars, the usual as a line, and above it the band in which a count is not unlikely; points are SVG's."""

    bars: list[Bar]
    usual: str
    band: str
    marks: list[Mark]
    width: int
    top: float


def course(
    counts: Sequence[int],
    expected: Sequence[float],
    enough: Sequence[float],
    moments: Iterable[tuple[float, str]],
    *,
    height: float = 96,
    width: int = 4,
) -> Course:
    """The course of a series; ``moments`` are told by their hour from the start of the chart, those outside are left out."""
    top = max([*counts, *enough, 1.0])

    def points(values: Sequence[float]) -> list[str]:
        return [
            f"{place * width + width / 2:.1f},{height - value / top * height:.1f}" for place, value in enumerate(values)
        ]

    usual, limit = points(expected), points(enough)
    drawn = [
        Bar(x=place * width, height=max(1.5, count / top * height) if count else 0.0, count=count)
        for place, count in enumerate(counts)
    ]
    marks = [Mark(x=hour * width, words=words) for hour, words in moments if 0 <= hour <= len(counts)]
    return Course(
        bars=drawn,
        usual=" ".join(usual),
        band=" ".join([*usual, *reversed(limit)]),
        marks=marks,
        width=len(counts) * width,
        top=top,
    )
