"""One look at one series of posts: its counts in, what its rules call unusual out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Detect
from pipeline.detection import rules
from pipeline.detection.baseline import WINDOWS, Array, Baseline, Hours, hour_of, learn
from pipeline.detection.tails import fewest
from pipeline.domain import QUARTER, Bucket, Measure

HISTORY = 56
"""Days that are learned from: eight of each hour of the week."""
LAG = 7
"""Days by which the level lags behind that a slow rise is measured by: what rose since has not trained it."""
KNOWN = 1.0
"""Days that a series must have been heard before its numbers say anything."""
KNOWN_FOR_RISE = 21.0
KNOWN_FOR_SILENCE = 14.0
FRESH_HOURS = 6  # of a new series that teach nothing yet: the day that an old one is given would be all there is

QUARTERS = 96  # of the longest window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """Counts of one series side by side, oldest first."""

    posts: Array
    negative: Array
    urgent: Array

    def of(self, measure: Measure) -> Array:
        """The counts of one measure."""
        return {Measure.ALL: self.posts, Measure.NEGATIVE: self.negative, Measure.URGENT: self.urgent}[measure]

    def between(self, start: int, end: int) -> Counted:
        """Those from one place up to another."""
        return Counted(posts=self.posts[start:end], negative=self.negative[start:end], urgent=self.urgent[start:end])


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a rule calls unusual as far as posts go; ``strays`` is the dispersion of its window, to judge its people by."""

    rule: str
    cause: str
    measure: Measure
    seen: rules.Unusual
    strays: float
    history_days: float


class Heard:
    """A series with its history: baselines are learned once a day, looks are taken at any moment.

    ``hourly`` begins at the hour ``first`` (since 1970) and holds every hour of every look to come. ``week`` and
    ``factors`` belong to the same hours, ``apart`` marks those that teach nothing.
    """

    def __init__(self, first: int, hourly: Counted, *, week: Hours, factors: Array, apart: NDArray[np.bool_]) -> None:
        heard = np.flatnonzero(hourly.posts)
        begin = int(heard[0]) if len(heard) else len(hourly.posts)
        self.first = first + begin
        self._hourly = hourly.between(begin, len(hourly.posts))
        self._week, self._factors, self.apart = week[begin:], factors[begin:], apart[begin:]
        self._learned: dict[tuple[Measure, int], Baseline] = {}

    def days(self, now: datetime) -> float:
        """How long the series has been heard."""
        return (hour_of(now) - self.first) / 24

    def look(self, now: datetime, last: Counted, settings: Detect) -> list[Candidate]:
        """What is unusual at ``now``; ``last`` are the 96 quarters that end with the running one."""
        if self.days(now) < KNOWN:
            return []
        chance = rules.allowed(settings.sensitivity_days)
        found = [
            candidate
            for measure in Measure
            if (candidate := self._volume(now, last, measure, chance, settings)) is not None
        ]
        if share := self._share(now, last, chance, settings):
            found.append(share)
        if rise := self._rise(now, settings):
            found.append(rise)
        return found

    def still_high(self, now: datetime, last: Counted, measure: Measure) -> bool:
        """Whether what opened an incident goes on."""
        if self.days(now) < KNOWN:
            return False
        expected, baseline = self._expected(now, measure)
        return rules.still_high(last.of(measure), expected, baseline.dispersion)

    def silence(self, now: datetime, last: Counted, settings: Detect) -> Candidate | None:
        """Whether the series says nothing where it usually says much."""
        if self.days(now) < KNOWN_FOR_SILENCE:
            return None
        expected, baseline = self._expected(now, Measure.ALL)
        seen = rules.silence(last.posts, expected, baseline.dispersion, chance=rules.allowed(settings.sensitivity_days))
        return self._candidate(now, "silence", Measure.ALL, seen, baseline)

    def hourly_band(self, now: datetime, hours: int, measure: Measure, chance: float) -> list[tuple[float, float]]:
        """What is expected in each of the last hours, and from which count on one of them is unlikely."""
        end = hour_of(now) - self.first + 1
        span = slice(max(0, end - hours), end)
        baseline = self._baseline(now, measure)
        rates = baseline.rates(self._week[span], self._factors[span])
        stray = baseline.dispersion[0]
        return [(float(rate), float(fewest(float(rate), stray, chance))) for rate in rates]

    def _volume(
        self, now: datetime, last: Counted, measure: Measure, chance: float, settings: Detect
    ) -> Candidate | None:
        posts = last.of(measure)
        if posts.sum() < settings.minimum_posts:
            return None
        expected, baseline = self._expected(now, measure)
        end = hour_of(now) - self.first + 1
        strays = baseline.strays(self._factors[max(0, end - QUARTERS // 4) : end])
        seen = rules.volume(posts, expected, strays, chance=chance, minimum=settings.minimum_posts)
        return self._candidate(now, "volume", measure, seen, baseline)

    def _share(self, now: datetime, last: Counted, chance: float, settings: Detect) -> Candidate | None:
        if last.negative.sum() < settings.minimum_posts:
            return None
        until = self._until(now)
        past = self._hourly.between(max(0, until - HISTORY * 24), until)
        usual, alike = rules.usual_share(past.negative, past.posts)
        seen = rules.negative_share(
            last.negative, last.posts, usual=usual, correlation=alike, chance=chance, minimum=settings.minimum_posts
        )
        return self._candidate(now, "negative share", Measure.NEGATIVE, seen, self._baseline(now, Measure.NEGATIVE))

    def _rise(self, now: datetime, settings: Detect) -> Candidate | None:
        end = hour_of(now) - self.first  # the running hour is not over
        if self.days(now) < KNOWN_FOR_RISE or self._hourly.posts[max(0, end - 24) : end].sum() < settings.minimum_posts:
            return None
        baseline = self._baseline(now - timedelta(days=LAG), Measure.ALL)
        start = _midnight(now) - LAG * 24 - self.first
        expected = baseline.rates(self._week[start:end], self._factors[start:end])
        seen = rules.slow_rise(
            self._hourly.posts[start:end],
            expected,
            baseline.dispersion,
            days=settings.sensitivity_days,
            minimum=settings.minimum_posts,
        )
        return self._candidate(now, "slow rise", Measure.ALL, seen, baseline)

    def _candidate(
        self, now: datetime, cause: str, measure: Measure, seen: rules.Unusual | None, baseline: Baseline
    ) -> Candidate | None:
        if seen is None:
            return None
        kind = "" if measure is Measure.ALL or cause == "negative share" else f"{measure.value} "
        return Candidate(
            rule=f"{kind}{cause}/{seen.hours} h",
            cause=cause,
            measure=measure,
            seen=seen,
            strays=baseline.dispersion[WINDOWS.index(seen.hours)],
            history_days=min(self.days(now), float(HISTORY)),
        )

    def _expected(self, now: datetime, measure: Measure) -> tuple[Array, Baseline]:
        """What is expected in each of the last 96 quarters, of the running one as far as it has come."""
        baseline = self._baseline(now, measure)
        quarters = quarter_of(now) - np.arange(QUARTERS - 1, -1, -1)
        hours = np.maximum(quarters // 4 - self.first, 0)
        expected = baseline.rates(self._week[hours], self._factors[hours]) / 4
        expected[-1] *= (now - _start(quarter_of(now))) / QUARTER
        return expected, baseline

    def _baseline(self, now: datetime, measure: Measure) -> Baseline:
        until = self._until(now)
        if (measure, until) not in self._learned:
            span = slice(max(0, until - HISTORY * 24), until)
            self._learned[measure, until] = learn(
                self._hourly.of(measure)[span], self._week[span], self._factors[span], apart=self.apart[span]
            )
        return self._learned[measure, until]

    def _until(self, now: datetime) -> int:
        """Where learning ends: a day before the last midnight (UTC), so that a whole day learns once; a series that is
        new learns up to a few hours ago."""
        settled = _midnight(now) - 24 - self.first
        return settled if settled >= 7 * 24 else max(0, hour_of(now) - FRESH_HOURS - self.first)


def quarter_of(moment: datetime) -> int:
    """The number of a quarter hour since 1970."""
    return int(moment.timestamp() // QUARTER.total_seconds())


def counted(buckets: list[Bucket], first: int, size: int, width: timedelta) -> Counted:
    """Buckets as counts side by side: ``size`` of them from the ``first`` (in widths since 1970)."""
    arrays = np.zeros((3, size))
    for bucket in buckets:
        place = int(bucket.start.timestamp() // width.total_seconds()) - first
        if 0 <= place < size:
            arrays[:, place] += (bucket.posts, bucket.negative, bucket.urgent)
    return Counted(posts=arrays[0], negative=arrays[1], urgent=arrays[2])


def worst_by_cause(candidates: list[Candidate]) -> Mapping[str, Candidate]:
    """The most unlikely candidate of each cause."""
    found: dict[str, Candidate] = {}
    for each in candidates:
        if each.cause not in found or each.seen.chance < found[each.cause].seen.chance:
            found[each.cause] = each
    return found


def _midnight(now: datetime) -> int:
    return hour_of(now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


def _start(quarter: int) -> datetime:
    return datetime.fromtimestamp(quarter * QUARTER.total_seconds(), UTC)
