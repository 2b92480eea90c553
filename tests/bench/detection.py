"""How soon, and how often for nothing: the rules of detection beside published ones, on generated streams.

``python -m tests.bench.detection`` prints the tables of docs/detection.md (minutes); ``--calibrate`` those behind the
constants in ``pipeline.detection.rules``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import betabinom

from pipeline.detection import rules
from pipeline.detection.baseline import WINDOWS, Baseline, hours_of_week, learn, sums
from tests.bench.streams import DAY, Floats, Stream, generate

HISTORY = 56  # days that a baseline is learned from
LAG = 7  # days by which the level of a slow rise lags
DAYS = HISTORY + LAG + 120
MONTH = 30
PEOPLE = 5
POSTS = 8
GAP = 6 * 4  # quarters of quiet after which an alarm is over
STREAMS = 24

Flags = NDArray[np.bool_]


@dataclass
class Outcome:
    """What one rule did over all streams of one size."""

    false: int = 0
    months: float = 0.0
    delays: dict[str, list[float]] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)


def tails(observed: Floats, expected: Floats, dispersion: float | Floats) -> Floats:
    """``count_tail`` over arrays: the same function, by the incomplete beta."""
    size = 1 / np.maximum(dispersion, 1e-9)
    return np.where(observed > 0, betainc(np.maximum(observed, 1), size, expected / (expected + size)), 1.0)


def ours(stream: Stream, week: NDArray[np.int64], *, days: float) -> dict[str, Flags]:
    """Quarters at which each of our rules speaks, day by day as ``watch`` would have come to them."""
    chance, total = rules.allowed(days), len(stream.posts) // DAY
    spoken = {
        name: np.zeros(len(stream.posts), bool) for name in ("volume", "negative volume", "negative share", "slow rise")
    }
    apart = np.zeros(len(stream.posts) // 4, bool)  # hours in alarms, of which nothing is learned
    learned: dict[int, Baseline] = {}
    for day in range(HISTORY, total):
        learned[day] = learn_day(stream, stream.posts, week, day, apart)
        if day < HISTORY + LAG:
            continue
        here = slice(day * DAY, (day + 1) * DAY)
        negative = learn_day(stream, stream.negative, week, day, apart)
        spoken["volume"][here] = _volume(stream, stream.posts, learned[day], week, day, chance, apart)
        spoken["negative volume"][here] = _volume(stream, stream.negative, negative, week, day, chance, apart)
        spoken["slow rise"][here] = _rise(stream, learned[day - LAG], week, day, days, apart)
        spoken["negative share"][here] = _share(stream, day, chance)
    return spoken


def learn_day(stream: Stream, counts: Floats, week: NDArray[np.int64], day: int, apart: Flags) -> Baseline:
    """The baseline of a day: learned from what ended a day before it began, as ``watch`` does."""
    span = slice(max(0, day - 1 - HISTORY) * 24, (day - 1) * 24)
    return learn(
        counts.reshape(-1, 4).sum(1)[span],
        week[span],
        stream.factors.reshape(-1, 4).max(1)[span],
        apart=apart[span],
    )


def _rates(baseline: Baseline, stream: Stream, week: NDArray[np.int64], since: int, until: int) -> Floats:
    """Expected posts by quarter for whole hours of days ``[since, until)``."""
    hours = slice(since * 24, until * 24)
    by_hour = stream.factors.reshape(-1, 4).max(1)[hours]
    return np.repeat(baseline.rates(week[hours], by_hour) / 4, 4)


def _volume(
    stream: Stream, counts: Floats, baseline: Baseline, week: NDArray[np.int64], day: int, chance: float, apart: Flags
) -> Flags:
    expected = _rates(baseline, stream, week, day - 1, day + 1)
    posts = counts[(day - 1) * DAY : (day + 1) * DAY]
    spoken = np.zeros(DAY, bool)
    strays = baseline.strays(stream.factors[(day - 1) * DAY : (day + 1) * DAY])
    for window, stray in zip(WINDOWS, strays, strict=True):
        seen, mean = sums(posts, 4 * window)[DAY:], sums(expected, 4 * window)[DAY:]
        for quarter in np.flatnonzero(seen >= np.maximum(POSTS, rules.LEAST_RATIO * mean)):
            if spoken[quarter] or tails(seen[quarter], mean[quarter], stray) > chance:
                continue
            end = day * DAY + int(quarter) + 1
            people = stream.people(end - 4 * window, end, negative=counts is stream.negative)
            spoken[quarter] = rules.enough_people(people, mean[quarter], stray, minimum=PEOPLE)
            if spoken[quarter]:
                apart[(end - 1) // 4 - window + 1 : (end - 1) // 4 + 1] = True
    return spoken


def _rise(stream: Stream, baseline: Baseline, week: NDArray[np.int64], day: int, days: float, apart: Flags) -> Flags:
    since = day - LAG
    expected = _rates(baseline, stream, week, since, day + 1).reshape(-1, 4).sum(1)
    posts = stream.posts[since * DAY : (day + 1) * DAY].reshape(-1, 4).sum(1)
    seen, mean = sums(posts, 24), sums(expected, 24)
    risen = rules.rise_sums(posts, expected, baseline.dispersion)
    over = (risen >= rules.rise_limit(days)) & (seen >= np.maximum(POSTS, rules.LEAST_RATIO * mean))
    for hour in np.flatnonzero(over[-24:]):
        end = (day * 24 + int(hour) + 1) * 4
        people = stream.people(end - DAY, end)
        over[-24 + hour] = rules.enough_people(people, mean[-24 + hour], baseline.dispersion[-1], minimum=PEOPLE)
        if over[-24 + hour]:
            apart[end // 4 - 24 : end // 4] = True
    return np.repeat(over[-24:], 4) & (np.arange(DAY) % 4 == 3)


def _share(stream: Stream, day: int, chance: float) -> Flags:
    span = slice((day - 1 - HISTORY) * DAY, (day - 1) * DAY) if day > HISTORY else slice(0, (day - 1) * DAY)
    usual, alike = rules.usual_share(
        stream.negative[span].reshape(-1, 4).sum(1), stream.posts[span].reshape(-1, 4).sum(1)
    )
    pool = 1 / alike - 1
    spoken = np.zeros(DAY, bool)
    last = slice((day - 1) * DAY, (day + 1) * DAY)
    for window in rules.SHARE_WINDOWS:
        part, whole = sums(stream.negative[last], 4 * window)[DAY:], sums(stream.posts[last], 4 * window)[DAY:]
        for quarter in np.flatnonzero((part >= POSTS) & (part >= (usual + rules.LEAST_SHARE_RISE) * whole)):
            if spoken[quarter]:
                continue
            tail = betabinom.sf(part[quarter] - 1, whole[quarter], usual * pool, (1 - usual) * pool)
            end = day * DAY + int(quarter) + 1
            spoken[quarter] = tail <= chance and (
                stream.people(end - 4 * window, end, negative=True) >= max(PEOPLE, 0.5 * part[quarter])
            )
    return spoken


def published(stream: Stream) -> dict[str, Flags]:
    """Rules that others have published, each over all posts by hour, told at the end of an hour that has ``POSTS``."""
    hourly = stream.posts.reshape(-1, 4).sum(1)
    weeks = np.stack([np.roll(hourly, 168 * back) for back in range(1, 5)])
    eight = np.stack([np.roll(hourly, 168 * back) for back in range(1, 9)])
    before = np.roll(hourly, 1)
    fortnight = np.stack([np.roll(hourly, back) for back in range(1, 14 * 24 + 1)])
    found = {
        "same hour of four weeks + 50 %": hourly > 1.5 * weeks.mean(0),
        "twice the hour before": hourly >= 2 * np.maximum(before, 1),
        "mean + 3 sd of 14 days": hourly > fortnight.mean(0) + 3 * fortnight.std(0),
        "z > 3 of eight weeks' hour": hourly > eight.mean(0) + 3 * np.maximum(eight.std(0), 1.0),
    }
    return {
        name: np.repeat(over & (hourly >= POSTS), 4) & (np.arange(len(stream.posts)) % 4 == 3)
        for name, over in found.items()
    }


def judge(outcome: Outcome, spoken: Flags, stream: Stream) -> None:
    """Count alarms outside of what was injected, and how long after its start each injected event was told."""
    start = (HISTORY + LAG) * DAY
    loud = np.flatnonzero(spoken[start:]) + start
    first = loud[np.concatenate([[True], np.diff(loud) > GAP])] if len(loud) else loud
    covered = np.zeros(len(spoken), bool)
    for event in stream.events:
        covered[event.start : event.end + 2 * DAY] = True  # what follows an event is not called false
    outcome.false += int(np.sum(~covered[first]))
    outcome.months += float(np.sum(~covered[start:])) / DAY / MONTH
    for event in stream.events:
        heard = loud[(loud >= event.start) & (loud < event.end + 8)]
        if len(heard):
            outcome.delays.setdefault(event.kind, []).append((heard[0] + 1 - event.start) / 4)
        else:
            outcome.missed[event.kind] = outcome.missed.get(event.kind, 0) + 1


def run(daily: float, *, streams: int, sensitivity: float, seed: int = 0) -> dict[str, Outcome]:
    """All rules over streams of one size: half of them undisturbed, half with events."""
    week = hours_of_week(np.arange(DAYS * 24) + 24 * 4, UTC)  # 1970-01-05 was a Monday
    outcomes: dict[str, Outcome] = {}
    for number in range(streams):
        stream = generate(
            seed * 100_000 + int(daily) * 1000 + number,
            daily=daily, days=DAYS, quiet_days=HISTORY + LAG, injected=number % 2 == 1,
        )  # fmt: skip
        parts = ours(stream, week, days=sensitivity)
        spoken = {"Tocsin": np.logical_or.reduce(list(parts.values())), **{f"· {n}": f for n, f in parts.items()}}
        for name, flags in {**spoken, **published(stream)}.items():
            judge(outcomes.setdefault(name, Outcome()), flags, stream)
    return outcomes


def table(outcomes: Mapping[str, Outcome]) -> str:
    """The outcomes as a table: false alarms a month, then share found and median delay in hours by kind of event."""
    lines = ["| rule | false alarms a month | bursts | rises | ramps |", "|---|---|---|---|---|"]
    for name, outcome in outcomes.items():
        cells = [f"{outcome.false / max(outcome.months, 1e-9):.2f}"]
        for kind in ("burst", "rise", "ramp"):
            delays = outcome.delays.get(kind, [])
            total = len(delays) + outcome.missed.get(kind, 0)
            cells.append(f"{len(delays)} of {total}" + (f", {np.median(delays):.2f} h" if delays else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def calibrate(streams: int) -> None:
    """Print what the constants rest on: independent looks a day, and how often undisturbed streams reach a sum of rises."""
    rng = np.random.default_rng(3)
    days = 200
    print("independent looks a day, by posts a day and chance of one look (gamma noise of days 0.05 and of hours 0.2)")
    for daily in (6.0, 60.0, 600.0):
        hour = np.arange(days * DAY) % DAY / 4
        rate = daily / DAY * (1 + 0.8 * np.sin((hour - 14) / 24 * 2 * np.pi))
        many = (200 if daily < 100 else 40, days)
        noise = np.repeat(rng.gamma(20, 1 / 20, many), DAY, axis=1)
        noise = noise * np.repeat(rng.gamma(5, 1 / 5, (many[0], days * 24)), 4, axis=1)
        posts = rng.poisson(rate * noise).astype(float)
        least = np.ones(posts.shape)
        for window in WINDOWS:
            mean = sums(rate, 4 * window)
            seen = np.stack([sums(row, 4 * window) for row in posts])
            stray = float(np.mean((seen - mean) ** 2 - mean) / np.mean(mean**2))
            least = np.minimum(least, np.where(seen >= POSTS, tails(seen, mean, stray), 1.0))
        looks = [f"{_episodes(least < chance) / (many[0] * days) / chance:.0f}" for chance in (1e-3, 1e-4, 1e-5)]
        print(f"  {daily:g} posts: {' '.join(looks)} at 1e-3, 1e-4, 1e-5")
    print("days between rises that reach a sum, on undisturbed streams")
    week = hours_of_week(np.arange(DAYS * 24) + 24 * 4, UTC)
    for daily in (6.0, 60.0, 600.0):
        reached = [
            _rises(generate(7000 + number, daily=daily, days=DAYS, quiet_days=DAYS, injected=False), week)
            for number in range(streams)
        ]
        total = len(reached) * (DAYS - HISTORY - LAG)
        told = [
            f"{limit}: {total / max(1, sum(_episodes(each[None] >= limit) for each in reached)):.0f}"
            for limit in (2, 3, 4, 5)
        ]
        print(f"  {daily:g} posts: {', '.join(told)} (of {total} days)")
    print("limits in use: " + ", ".join(f"{days} days {rules.rise_limit(days):.2f}" for days in (30, 90, 365)))


def _rises(stream: Stream, week: NDArray[np.int64]) -> Floats:
    """The sums of rises at each hour, where a rise could be told at all."""
    apart = np.zeros(len(stream.posts) // 4, bool)
    found = []
    for day in range(HISTORY + LAG, DAYS):
        baseline = learn_day(stream, stream.posts, week, day - LAG, apart)
        expected = _rates(baseline, stream, week, day - LAG, day + 1).reshape(-1, 4).sum(1)
        posts = stream.posts[(day - LAG) * DAY : (day + 1) * DAY].reshape(-1, 4).sum(1)
        high = sums(posts, 24) >= np.maximum(POSTS, rules.LEAST_RATIO * sums(expected, 24))
        reached = (rules.rise_sums(posts, expected, baseline.dispersion) * high)[-24:]
        for hour in np.flatnonzero(reached >= 2):
            end = (day * 24 + int(hour) + 1) * 4
            people, usual = stream.people(end - DAY, end), float(expected[len(expected) - 48 + hour + 1 :][:24].sum())
            reached[hour] *= rules.enough_people(people, usual, baseline.dispersion[-1], minimum=PEOPLE)
        found.append(reached)
    return np.concatenate(found)


def _episodes(over: Flags) -> int:
    """How many times rows go over, those of one day together."""
    places = [np.flatnonzero(row) for row in over]
    return sum(1 + int(np.sum(np.diff(each) > 24)) for each in places if len(each))


def main(arguments: list[str]) -> None:
    """Print the tables; ``streams=N`` sets how many streams a size, ``days=N`` the sensitivity, ``sizes=6,60`` which."""
    if "--calibrate" in arguments:
        calibrate(STREAMS)
        return
    given = dict(each.split("=", 1) for each in arguments if "=" in each)
    streams, sensitivity = int(given.get("streams", STREAMS)), float(given.get("days", 365))
    sizes = [float(each) for each in given.get("sizes", "6,60,600").split(",")]
    for daily in sizes:
        began = time.perf_counter()
        outcomes = run(daily, streams=streams, sensitivity=sensitivity, seed=int(given.get("seed", 0)))
        months = outcomes["Tocsin"].months
        print(f"\n{daily:g} posts a day: {streams} streams, {months:.0f} undisturbed months\n\n{table(outcomes)}")
        print(f"({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
