"""Generated streams of posts for the benchmark of detection. Not the detector's own model.

Counts are Poisson about a rate of many factors: a daily profile with two peaks and another at weekends, drift, noise of
hours that lingers (log-normal, first order), noise of days, replies that posts draw, campaigns, hours in which the
source was deaf, and accounts that post in series. What is injected comes on top, by people of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY = 96  # quarters
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something injected: what kind, and its first and last quarter."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """Posts by quarter hours, each post's quarter and author (sorted by quarter), and what was injected.

    ``factors`` is the campaign calendar as its owner wrote it, by quarter.
    """

    posts: Floats
    negative: Floats
    at: Ints
    author: Ints
    bad: NDArray[np.bool_]
    factors: Floats
    events: tuple[Event, ...]

    def people(self, since: int, until: int, *, negative: bool = False) -> int:
        """How many authors wrote in quarters ``[since, until)``."""
        low, high = np.searchsorted(self.at, [since, until])
        authors = self.author[low:high]
        return len(np.unique(authors[self.bad[low:high]] if negative else authors))


def generate(seed: int, *, daily: float, days: int, quiet_days: int, injected: bool) -> Stream:
    """A stream of about ``daily`` posts a day; nothing is injected in the first ``quiet_days``."""
    rng = np.random.default_rng(seed)
    size = days * DAY
    factors = np.ones(size)
    rate = daily / DAY * _profile(rng, days) * _noise(rng, days)
    for _ in range(days // 40):  # a campaign each forty days, announced with an estimate of its size
        start = int(rng.integers(0, size - 4 * DAY))
        length, factor = int(rng.integers(DAY, 3 * DAY)), rng.uniform(1.5, 3.5)
        rate[start : start + length] *= factor
        factors[start : start + length] *= factor * rng.lognormal(0, 0.2)
    counts = _with_replies(rng, rng.poisson(rate))
    for _ in range(days // 20):  # deaf for some hours
        start, length = int(rng.integers(0, size)), int(rng.integers(8, 48))
        counts[start : start + length] = 0
    share = np.clip(0.22 * np.repeat(rng.lognormal(0, 0.3, days), DAY), 0, 0.9)
    at = np.repeat(np.arange(size), counts)
    author = np.where(rng.random(len(at)) < 0.3, rng.zipf(1.6, len(at)) % 50, 1000 + np.arange(len(at)))
    bad = rng.random(len(at)) < share[at]
    parts = [(at, author, bad)]
    for _ in range(days // 15):  # one to three accounts that post in series for two hours
        parts.append(_bots(rng, size, daily))
    events: tuple[Event, ...] = ()
    if injected:
        base = np.convolve(rate, np.ones(DAY) / DAY, mode="same")
        for place, start_day in enumerate(range(quiet_days + 3, days - 6, 14)):
            kind = ("burst", "rise", "ramp")[place % 3]
            start = start_day * DAY + int(rng.integers(0, DAY))
            extra = _extra(kind, rate, base, start)
            times = np.repeat(np.arange(start, start + len(extra)), rng.poisson(extra))
            person = np.arange(len(times))
            person = np.where(rng.random(len(times)) < 0.15, rng.integers(0, len(times) + 1, len(times)), person)
            people = 10_000_000 * (place + 1) + person  # 37 posts by 31 people
            parts.append((times, people, rng.random(len(times)) < 0.8))
            events += (Event(kind=kind, start=start, end=start + len(extra)),)
    every = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.argsort(every[0], kind="stable")
    at, author, bad = (each[order] for each in every)
    return Stream(
        posts=np.bincount(at, minlength=size).astype(float),
        negative=np.bincount(at[bad], minlength=size).astype(float),
        at=at,
        author=author,
        bad=bad,
        factors=factors,
        events=events,
    )


def _profile(rng: np.random.Generator, days: int) -> Floats:
    hour = np.arange(DAY) / 4
    peaks = [rng.uniform(9, 12), rng.uniform(18, 22)]

    def day(weights: tuple[float, float]) -> Floats:
        shape = 0.15 + sum(
            weight * np.exp(2.5 * (np.cos((hour - peak) / 24 * 2 * np.pi) - 1))
            for weight, peak in zip(weights, peaks, strict=True)
        )
        return np.asarray(shape / shape.mean())

    workday, weekend = day((1.0, 0.8)), day((0.4, 1.0)) * rng.uniform(0.4, 1.1)
    shape = np.concatenate([weekend if date % 7 >= 5 else workday for date in range(days)])
    return np.asarray(shape / shape.mean())


def _noise(rng: np.random.Generator, days: int) -> Floats:
    linger = np.exp(-1 / 5)  # hours
    shocks = rng.normal(0, 0.3 * np.sqrt(1 - linger**2), days * 24)
    hourly = np.empty(days * 24)
    last = 0.0
    for hour, shock in enumerate(shocks):
        last = hourly[hour] = linger * last + shock
    drift = np.cumsum(rng.normal(0, 0.02, days)) + np.linspace(0, rng.uniform(-0.4, 0.4), days)
    daily = rng.normal(0, 0.15, days)
    return np.asarray(np.exp(np.repeat(hourly, 4) + np.repeat(drift - drift.mean() + daily, DAY)) * np.exp(-0.06))


def _with_replies(rng: np.random.Generator, counts: Ints) -> Ints:
    """Each post draws replies in the two hours after it: 0.15 on average, now and then many."""
    total = counts.copy()
    sparks = np.repeat(np.arange(len(counts)), counts)
    replies = rng.negative_binomial(0.3, 0.3 / (0.3 + 0.15), len(sparks))
    times = np.repeat(sparks, replies) + rng.integers(1, 9, int(replies.sum()))
    total += np.bincount(times[times < len(counts)], minlength=len(counts))
    return total


def _bots(rng: np.random.Generator, size: int, daily: float) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    many = int(rng.integers(10, 25 + daily / 10))
    at = int(rng.integers(0, size - 8)) + rng.integers(0, 8, many)
    return at, -1 - rng.integers(0, int(rng.integers(1, 4)), many), rng.random(many) < 0.5


def _extra(kind: str, rate: Floats, base: Floats, start: int) -> Floats:
    """Posts that an event adds, by quarters: a burst of an hour and a half, a rise of two days, a ramp over a day."""
    usual = base[start]
    if kind == "burst":
        length = 6
        return np.full(length, max(20 / length, 7 * max(usual, rate[start : start + length].mean())))
    if kind == "rise":
        return np.full(2 * DAY, max(15 / DAY, 1.5 * usual))
    slope = np.concatenate([np.linspace(0, 1, DAY), np.ones(DAY // 2)])
    return slope * max(25 / DAY, 4 * usual)
