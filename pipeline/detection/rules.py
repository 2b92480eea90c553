"""The rules: each looks at one series and says what it finds, or nothing.

How unlikely a count must be follows from one number, the days in which a brand may have one false alarm:
``chance = 1 / (days * LOOKS * RULES)``. A watch looks every minute through windows that overlap, so looks are not
independent; how many independent ones a day of them is worth was found by simulation (``tests/bench/detection.py
--calibrate``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

from pipeline.detection.baseline import WINDOWS, Array, sums
from pipeline.detection.tails import count_tail, fewest, share_tail, silence_chance

LOOKS = 300
"""Independent looks that a day of sliding through ``WINDOWS`` is worth: 20 at six posts a day, 190 at sixty, 540 at six
hundred where chance allows one in a hundred thousand. One number for all errs towards fewer alarms for small series."""

RULES = 5
"""Rules that share a brand's false alarms: three volumes (all, negative, urgent), the negative share, the slow rise."""

LEAST_RATIO = 1.5
"""Fewer than half again as many posts are not worth waking anybody, however sure we are."""

SHARE_WINDOWS = (6, 24)
"""Hours: a share needs posts to be a share of."""
LEAST_SHARE_RISE = 0.15
"""How much larger a share must be to be worth a word."""
SHARE_PRIOR, SHARE_PRIOR_POSTS = 0.25, 8.0
"""What share of posts is negative before a series has said so itself, and how many posts that weighs."""
CORRELATION_PRIOR, CORRELATION_POSTS = 0.05, 200.0
"""How alike the posts of one day are (one event makes many of them), and how many posts that belief weighs."""

RISE_ALLOWED = 1.4
"""A slow rise sums what exceeds this much of the usual: brands drift by less in a week."""
RISE_CAP = 3.0
"""Standard deviations that one hour adds at most: a burst is not a rise."""
RISE_SLOPE, RISE_BASE = 0.35, 2.0
"""The limit of the sum in standard deviations of a day, as it grows with the days of one false alarm. At 365 days it is 4.6:
undisturbed streams reached 2 with enough people once in 2,160 days (``tests/bench/detection.py --calibrate``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """A count that a rule calls unusual: in the last ``hours``, by this chance of a single look."""

    hours: int
    observed: int
    expected: float
    threshold: float
    chance: float
    whole: int | None = None


def allowed(days: float) -> float:
    """The chance of a single look at which a rule speaks, for one false alarm of a brand in so many days."""
    return 1 / (days * LOOKS * RULES)


def once_in_days(chance: float) -> float:
    """How seldom a look of this chance comes by chance, in days."""
    return 1 / max(chance * LOOKS * RULES, 1e-9)


def volume(
    posts: Array, expected: Array, dispersion: tuple[float, ...], *, chance: float, minimum: int
) -> Unusual | None:
    """The most unlikely of the windows that end now, if it is unlikelier than ``chance``.

    ``posts`` and ``expected`` are the last 24 hours by quarters, oldest first, the last of them as far as it has come.
    """
    found: Unusual | None = None
    for window, stray in zip(WINDOWS, dispersion, strict=True):
        observed, mean = int(posts[-4 * window :].sum()), float(expected[-4 * window :].sum())
        if observed < max(minimum, LEAST_RATIO * mean):
            continue
        by_chance = count_tail(observed, mean, stray)
        if by_chance <= chance and (found is None or by_chance < found.chance):
            enough = max(float(minimum), LEAST_RATIO * mean, float(fewest(mean, stray, chance)))
            found = Unusual(hours=window, observed=observed, expected=mean, threshold=enough, chance=by_chance)
    return found


def enough_people(people: int, expected: float, dispersion: float, *, minimum: int) -> bool:
    """Whether so many people would be unusual by themselves: a few accounts that post in series are no crowd."""
    return people >= minimum and count_tail(people, expected, dispersion) <= PEOPLE_CHANCE


PEOPLE_CHANCE = 1e-4
"""Posts decide, people confirm: of many posts a day some are by the same people, so they need not be as unlikely."""


def still_high(posts: Array, expected: Array, dispersion: tuple[float, ...]) -> bool:
    """Whether the last hour or the last three are above what one look in a hundred brings: it is not over yet."""
    return any(
        posts[-4 * window :].sum() >= 2
        and count_tail(int(posts[-4 * window :].sum()), float(expected[-4 * window :].sum()), stray) <= STILL
        for window, stray in zip(WINDOWS[:2], dispersion, strict=False)
    )


STILL = 0.01
"""To stay an incident takes less than to become one: without this gap it would open and close by turns."""


def negative_share(
    negative: Array, posts: Array, *, usual: float, correlation: float, chance: float, minimum: int
) -> Unusual | None:
    """Whether more of the posts are negative than usual: the beta-binomial tail of the windows that end now."""
    found: Unusual | None = None
    for window in SHARE_WINDOWS:
        part, whole = int(negative[-4 * window :].sum()), int(posts[-4 * window :].sum())
        if part < minimum or part < (usual + LEAST_SHARE_RISE) * whole:
            continue
        by_chance = share_tail(part, whole, usual, correlation)
        if by_chance <= chance and (found is None or by_chance < found.chance):
            enough = next(
                k for k in range(1, part + 1) if share_tail(k, whole, usual, correlation) <= chance or k == part
            )
            found = Unusual(
                hours=window,
                observed=part,
                expected=usual * whole,
                threshold=float(max(enough, minimum)),
                chance=by_chance,
                whole=whole,
            )
    return found


def usual_share(negative: Array, posts: Array) -> tuple[float, float]:
    """The share of negative posts that is usual, and how alike the posts of a day are; from posts by hour.

    The correlation is the moment estimate for counts of unequal size (Kleinman 1973), pulled towards the prior.
    """
    days = len(posts) // 24
    part = negative[len(negative) - 24 * days :].reshape(days, 24).sum(axis=1)
    whole = posts[len(posts) - 24 * days :].reshape(days, 24).sum(axis=1)
    total = float(whole.sum())
    usual = float((part.sum() + SHARE_PRIOR * SHARE_PRIOR_POSTS) / (total + SHARE_PRIOR_POSTS))
    plain = usual * (1 - usual)
    # Var(part) = n * s * (1 - s) * (1 + (n - 1) * correlation), so each day tells of it with weight n * (n - 1).
    excess = float(np.sum((part - usual * whole) ** 2 - plain * whole))
    pairs = float(np.sum(whole * np.maximum(whole - 1, 0)))
    correlation = (CORRELATION_PRIOR * CORRELATION_POSTS + excess / plain) / (CORRELATION_POSTS + pairs)
    return usual, min(0.9, max(0.005, correlation))


def rise_sums(posts: Array, expected: Array, dispersion: tuple[float, ...]) -> Array:
    """How far a series has come above ``RISE_ALLOWED`` times its lagged level, in standard deviations of a day, by hour.

    A CUSUM (Page 1954) that falls back to zero where nothing rises; one hour adds at most what ``RISE_CAP`` allows.
    """
    most = RISE_ALLOWED * expected + RISE_CAP * np.sqrt(expected + dispersion[0] * expected**2) + 1
    total = np.cumsum(np.minimum(posts, most) - RISE_ALLOWED * expected)
    risen = total - np.minimum.accumulate(np.minimum(total, 0.0))
    day = np.maximum(sums(expected, 24), 1.0)
    scaled: Array = risen / np.sqrt(day + dispersion[-1] * day**2)
    return scaled


def rise_limit(days: float) -> float:
    """The sum from which a rise is told, for one false alarm of a brand in so many days."""
    return RISE_BASE + RISE_SLOPE * log(days * RULES)


def slow_rise(
    posts: Array, expected: Array, dispersion: tuple[float, ...], *, days: float, minimum: int
) -> Unusual | None:
    """Whether a series has risen slowly, and is still up: from its posts by hour since the level it is measured by."""
    observed, mean = int(posts[-24:].sum()), float(expected[-24:].sum())
    limit = rise_limit(days)
    if observed < max(minimum, LEAST_RATIO * mean):
        return None
    reached = float(rise_sums(posts, expected, dispersion)[-1])
    if reached < limit:
        return None
    needed = max(
        float(minimum), LEAST_RATIO * mean, RISE_ALLOWED * mean + limit * sqrt(mean + dispersion[-1] * mean**2)
    )
    by_chance = allowed(exp(min(50.0, (reached - RISE_BASE) / RISE_SLOPE)) / RULES)
    return Unusual(hours=24, observed=observed, expected=mean, threshold=needed, chance=by_chance)


def silence(posts: Array, expected: Array, dispersion: tuple[float, ...], *, chance: float) -> Unusual | None:
    """Whether nothing is heard where much is expected, in the shortest window that is sure of it."""
    for window, stray in list(zip(WINDOWS, dispersion, strict=True))[1:]:
        mean = float(expected[-4 * window :].sum())
        if posts[-4 * window :].sum():
            return None
        by_chance = silence_chance(mean, stray)
        if by_chance <= chance:
            return Unusual(hours=window, observed=0, expected=mean, threshold=0.0, chance=by_chance)
    return None
