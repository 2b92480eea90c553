"""What to expect: the level of a series times the profile of its week, and how far it strays from both by itself.

The rate of an hour is ``level * profile[hour of the week] * campaign factor``. Levels and profiles are means of a
Gamma-Poisson model (Gelman et al., *Bayesian Data Analysis*, 2.6): what few posts say is pulled towards what more say,
hours of the week towards the product of their day and their hour, both towards a flat week. Hours beyond what chance
brings are capped before they are learned from, so that a crisis does not train what it is measured by (Farrington et
al. 1996 and Noufaily et al. 2013 reweight past outbreaks in the same place).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Hours = NDArray[np.int64]
"""Hours since 1970."""

HOURS_OF_WEEK = 168
WINDOWS = (1, 3, 6, 24)
"""Hours that are looked at together: a burst is clearest in the shortest, a slow rise in the longest."""

HALF_LIFE = 7 * 24.0
"""Hours after which a post weighs half in the level: a week follows a season, and not a weekend."""

PRIOR_LEVEL, PRIOR_HOURS = 0.25, 12.0
"""A series begins as if six posts a day had been heard for half a day: little, so that its own posts soon outweigh it."""

PRIOR_DISPERSION = 0.25
"""Until a series shows its own, it is as uneven as brands on social networks are (their counts stray by half)."""
DISPERSION_WEIGHT = 50.0
"""How firmly that is believed: as an estimate that is off by 0.2."""
LEAST_DISPERSION = 0.02

SHRINK_HOUR, SHRINK_DAY, SHRINK_BOTH = 8.0, 16.0, 40.0
"""Expected posts that the flat profile weighs against an hour's, a day's, and an hour of a day's own."""

WEEK_UNKNOWN = 0.5
"""Dispersion added while the profile of the week is unknown; it goes as the first week passes."""

CAMPAIGN_DOUBT = 0.1
"""Dispersion added in a campaign: its factor is a person's guess, off by a third."""

CAP = 3.0
"""Standard deviations from which an hour teaches no more than such an hour would."""

DEAF_POSTS = 6.0
"""Where so many posts are expected together and none is heard, the source was deaf: such hours teach nothing."""

TAIL = 1.4
"""Dispersions are taken this much larger than they were: what people do has heavier tails than a gamma distribution, and
what was capped had them cut."""

DEAF_HOURS = 96
"""A series that is silent for longer than a long weekend has become silent: that is learned."""

ROUNDS = 3  # of fitting and capping: more change nothing that is seen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """What is usual for one series. ``dispersion`` goes with ``WINDOWS``: counts have variance ``m + dispersion * m**2``.

    ``days`` is how long the series has been heard, ``posts`` how many its level rests on.
    """

    level: float
    profile: Array
    dispersion: tuple[float, ...]
    days: float
    posts: float

    def strays(self, factors: Array) -> tuple[float, ...]:
        """The dispersion where these factors hold."""
        doubt = CAMPAIGN_DOUBT if np.any(factors != 1.0) else 0.0
        return tuple(each + doubt for each in self.dispersion)

    def rates(self, week: Hours, factors: Array) -> Array:
        """Posts an hour for hours of the week, as ``hours_of_week`` gives them."""
        rates: Array = self.level * self.profile[week] * factors
        return rates


def hour_of(moment: datetime) -> int:
    """The number of an hour since 1970: the same whatever the clocks on walls do."""
    return int(moment.timestamp() // 3600)


def hours_of_week(hours: Hours, zone: tzinfo) -> Hours:
    """The hour of the week on the wall (0 is Monday 00:00) of each hour since 1970.

    People follow clocks: what is said at nine moves with daylight saving. The hour that a clock repeats is one hour of the
    week twice, the one it leaves out comes not at all.
    """
    local = (datetime.fromtimestamp(int(hour) * 3600, UTC).astimezone(zone) for hour in hours)
    return np.array([at.weekday() * 24 + at.hour for at in local], dtype=np.int64)


def learn(posts: Array, week: Hours, factors: Array, *, apart: NDArray[np.bool_] | None = None) -> Baseline:
    """The baseline of a series from its posts by hour, oldest first; ``week`` and ``factors`` belong to the same hours.

    ``apart`` marks hours that teach nothing: not heard, or in an incident. Nor do campaigns, whose size is a guess. Where
    they would leave less than half, they are all learned from. Costs a few milliseconds for eight weeks.
    """
    heard = factors == 1.0 if apart is None else (factors == 1.0) & ~apart
    if heard.sum() * 2 < len(posts):
        heard = np.ones(len(posts), dtype=np.bool_)
    recency = np.exp2(-np.arange(len(posts), 0, -1, dtype=np.float64) / HALF_LIFE)
    capped = _first_cap(posts, heard)
    level, profile = PRIOR_LEVEL, np.ones(HOURS_OF_WEEK)
    dispersion = (PRIOR_DISPERSION,) * len(WINDOWS)
    for _ in range(ROUNDS):
        profile = _profile(capped, week, factors * heard)
        level = _level(capped, profile[week] * factors * heard, recency)
        expected = level * profile[week] * factors
        heard = heard & ~_deaf(posts, expected)
        capped = _capped(posts, expected, dispersion)
        dispersion = tuple(_dispersion(capped, expected, heard, window) for window in WINDOWS)
    days = len(posts) / 24
    rests_on = max(level * float(np.sum(recency * heard) + PRIOR_HOURS), 1.0)
    doubt = 1 / rests_on + WEEK_UNKNOWN * max(0.0, 1 - days / 7)
    return Baseline(
        level=level,
        profile=profile,
        dispersion=tuple(TAIL * each + doubt for each in dispersion),
        days=days,
        posts=rests_on,
    )


def sums(values: Array, width: int) -> Array:
    """Sums over each ``width`` values in a row; the first of them over as many as there are."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    rolled: Array = total[ends] - total[np.maximum(ends - width, 0)]
    return rolled


def _profile(posts: Array, week: Hours, exposure: Array) -> Array:
    """The relative rate of each hour of the week, one on average."""
    heard = np.bincount(week, exposure, HOURS_OF_WEEK)
    said = np.bincount(week, posts * (exposure > 0), HOURS_OF_WEEK)
    rate = max(said.sum(), 1.0) / max(heard.sum(), 1.0)
    by_hour = _shrunk(said.reshape(7, 24).sum(0), rate * heard.reshape(7, 24).sum(0), SHRINK_HOUR)
    by_day = _shrunk(said.reshape(7, 24).sum(1), rate * heard.reshape(7, 24).sum(1), SHRINK_DAY)
    together = (by_day[:, None] * by_hour[None, :]).reshape(-1)
    own = (said + SHRINK_BOTH * together) / (rate * heard + SHRINK_BOTH)
    # The hours beside it are asked too: what people do at nine they do at ten.
    smooth = 0.5 * own + 0.25 * (np.roll(own, 1) + np.roll(own, -1))
    profile: Array = smooth / smooth.mean()
    return profile


def _shrunk(said: Array, expected: Array, weight: float) -> Array:
    shrunk: Array = (said + weight) / (expected + weight)
    return shrunk


def _level(posts: Array, shape: Array, recency: Array) -> float:
    weights = recency * (shape > 0)
    said, heard = float(np.sum(weights * posts)), float(np.sum(recency * shape))
    return (said + PRIOR_LEVEL * PRIOR_HOURS) / (heard + PRIOR_HOURS)


def _first_cap(posts: Array, heard: NDArray[np.bool_]) -> Array:
    """Posts of no day beyond what chance brings to the median day: before anything is fitted, that is what can be trusted."""
    start = len(posts) % 24
    days = posts[start:].reshape(-1, 24).sum(axis=1)
    whole = days[heard[start:].reshape(-1, 24).all(axis=1)]
    usual = float(np.median(whole)) if len(whole) else 0.0
    most = usual + CAP * np.sqrt(usual + PRIOR_DISPERSION * usual**2) + 1
    capped = posts.astype(np.float64)
    capped[start:] *= np.repeat(np.minimum(1.0, most / np.maximum(days, 1.0)), 24)
    return capped


def _capped(posts: Array, expected: Array, dispersion: tuple[float, ...]) -> Array:
    """Posts with what chance does not bring taken off, in days first and hours last: a slow rise shows in no hour."""
    capped = posts.astype(np.float64)
    for window, stray in reversed(list(zip(WINDOWS, dispersion, strict=True))):
        start = len(posts) % window
        counts = capped[start:].reshape(-1, window).sum(axis=1)
        means = expected[start:].reshape(-1, window).sum(axis=1)
        # Where a series is very uneven, more would let what made it so teach that it is usual.
        most = means + CAP * np.sqrt(means + min(stray, PRIOR_DISPERSION) * means**2) + 1
        capped[start:] *= np.repeat(np.minimum(1.0, most / np.maximum(counts, 1.0)), window)
    return capped


def _dispersion(posts: Array, expected: Array, heard: NDArray[np.bool_], window: int) -> float:
    """By moments over windows side by side, pulled towards the prior as far as few posts say little."""
    blocks = len(posts) // window
    start = len(posts) - blocks * window
    whole = heard[start:].reshape(blocks, window).all(axis=1)
    counts = posts[start:].reshape(blocks, window).sum(axis=1)[whole]
    means = expected[start:].reshape(blocks, window).sum(axis=1)[whole]
    strays = float(np.sum((counts - means) ** 2 - means))
    estimate = (PRIOR_DISPERSION * DISPERSION_WEIGHT + strays) / (DISPERSION_WEIGHT + float(np.sum(means**2)))
    return max(LEAST_DISPERSION, estimate)


def _deaf(posts: Array, expected: Array) -> NDArray[np.bool_]:
    """Hours of runs without a post in which several were expected."""
    silent = posts == 0
    run = np.cumsum(~silent)  # hours of one run of silence have the same number, with the post before them
    lost = np.bincount(run, expected * silent, minlength=int(run[-1]) + 1 if len(run) else 1)
    length = np.bincount(run, silent, minlength=len(lost))
    deaf: NDArray[np.bool_] = silent & (lost[run] >= DEAF_POSTS) & (length[run] <= DEAF_HOURS)
    return deaf
