"""The rules over what the store has heard: which alarms there would have been, before anybody switches them on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.config import Config
from pipeline.detection.baseline import hour_of, hours_of_week
from pipeline.detection.campaigns import factors
from pipeline.detection.looks import QUARTERS, Counted, Heard, counted, quarter_of, worst_by_cause
from pipeline.domain import QUARTER, Finding, SeriesKind
from pipeline.ports import Store
from pipeline.unusual import QUIET
from pipeline.watching import DAYS, confirmed

MONTH = 30.0
BEFORE, AFTER = timedelta(hours=1), timedelta(hours=24)
"""How long before its label begins, or after it ends, an alarm is about what was labelled: people write labels later."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """An incident that people know of."""

    name: str
    brand: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What would have been told at ``at``, and until when the rules kept saying so; ``label`` is what it was about."""

    at: datetime
    until: datetime
    finding: Finding
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the rules would have done. ``delays`` are hours from a label's beginning to its first alarm."""

    days: float
    brands: int
    alarms: tuple[Alarm, ...]
    delays: tuple[float, ...] = ()
    missed: tuple[str, ...] = ()

    @property
    def a_month(self) -> float:
        """Alarms about nothing that was labelled, a month and brand."""
        return sum(alarm.label is None for alarm in self.alarms) * MONTH / max(self.days * self.brands, 1e-9)

    @property
    def delay(self) -> float | None:
        """The median delay in hours."""
        return median(self.delays) if self.delays else None


def replay(
    store: Store,
    config: Config,
    *,
    since: datetime,
    until: datetime,
    labels: Sequence[Labelled] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Replayed:
    """Take a look at the end of each quarter hour in which something was said, with what was known by then."""
    first = quarter_of(since - timedelta(days=DAYS)) // 4 * 4
    last = quarter_of(until)
    by_quarter = store.counts(SeriesKind.BRAND, since=_start(first), until=_start(last))
    alarms: list[Alarm] = []
    names = [brand.name for brand in config.brand if brand.name in by_quarter]
    for name in names:
        progress(name)
        quarters = counted(by_quarter[name], first, last - first, QUARTER)
        alarms += _of_brand(store, config, name, quarters, first=first, start=quarter_of(since) - first)
    told = tuple(_labelled(alarm, labels) for alarm in sorted(alarms, key=lambda alarm: alarm.at))
    delays, missed = [], []
    for label in labels:
        heard = [alarm.at for alarm in told if alarm.label == label.name]
        if heard:
            delays.append((min(heard) - label.since) / timedelta(hours=1))
        else:
            missed.append(label.name)
    return Replayed(
        days=(until - since) / timedelta(days=1),
        brands=len(names),
        alarms=told,
        delays=tuple(delays),
        missed=tuple(missed),
    )


def _of_brand(store: Store, config: Config, name: str, quarters: Counted, *, first: int, start: int) -> list[Alarm]:
    """The alarms of one brand; hours in one teach the next days nothing, as in ``watch``."""
    zone = ZoneInfo(config.hours.timezone)
    whole = len(quarters.posts) // 4
    hours = np.arange(first // 4, first // 4 + whole + 1)
    hourly = Counted(
        **{
            field: np.append(getattr(quarters, field)[: whole * 4].reshape(-1, 4).sum(axis=1), 0.0)
            for field in ("posts", "negative", "urgent")
        }
    )
    apart = np.zeros(len(hours), dtype=np.bool_)
    series = Heard(
        first // 4,
        hourly,
        week=hours_of_week(hours, zone),
        factors=factors(config.campaign, name, hours, zone),
        apart=apart,
    )
    alarms: list[Alarm] = []
    for place in np.flatnonzero(quarters.posts[start:]) + start:
        now = _start(first + int(place) + 1) - _INSTANT
        recent = quarters.between(max(0, int(place) - QUARTERS + 1), int(place) + 1)
        if len(recent.posts) < QUARTERS or recent.posts.sum() < config.detect.minimum_posts:
            continue
        for candidate in worst_by_cause(series.look(now, recent, config.detect)).values():
            if finding := confirmed(store, config, name, candidate, now=now):
                apart[hour_of(finding.since) - first // 4 : hour_of(now) - first // 4 + 1] = True
                _tell(alarms, finding, now)
    return alarms


def _tell(alarms: list[Alarm], finding: Finding, now: datetime) -> None:
    """Begin an alarm, or go on with the last one while it has not been quiet for long."""
    if alarms and now - alarms[-1].until <= QUIET:
        alarms[-1] = Alarm(at=alarms[-1].at, until=now, finding=alarms[-1].finding)
    else:
        alarms.append(Alarm(at=now, until=now, finding=finding))


def _labelled(alarm: Alarm, labels: Sequence[Labelled]) -> Alarm:
    for label in labels:
        if label.brand == alarm.finding.brand and label.since - BEFORE <= alarm.at <= label.until + AFTER:
            return Alarm(at=alarm.at, until=alarm.until, finding=alarm.finding, label=label.name)
    return alarm


def _start(quarter: int) -> datetime:
    return datetime.fromtimestamp(quarter * QUARTER.total_seconds(), UTC)
