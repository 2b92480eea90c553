"""How far a figure could be an accident of the items: resampling whole groups of near-duplicates (Efron 1979), two models on
the same resamples (paired bootstrap, Koehn 2004)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.report.figures import METRICS, Judged
from models.report.items import Floats

RESAMPLES = 400
"""The ends of an interval wander by a tenth of its width at so many; more is patience, not knowledge."""
COVERED = 0.95
"""What share of resamples an interval holds."""
_SEED = 7

Interval = tuple[float, float]
Watch = Callable[[str, float], None]


def resamples(group: NDArray[np.intp], count: int = RESAMPLES) -> Iterator[Floats]:
    """Weights of each item (n,), ``count`` times: how often a draw of as many groups as there are holds the item's group."""
    distinct, place = np.unique(group, return_inverse=True)
    rng = np.random.default_rng(_SEED)
    for _ in range(count):
        drawn = np.bincount(rng.integers(len(distinct), size=len(distinct)), minlength=len(distinct))
        yield drawn[place].astype(np.float64)


def interval(found: Sequence[float]) -> Interval | None:
    """The middle ``COVERED`` of resampled figures; ``None`` where fewer than half of them are defined."""
    defined = np.array([value for value in found if not np.isnan(value)])
    if len(defined) < max(2, len(found) / 2):
        return None
    low, high = np.quantile(defined, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


def intervals(judged: Judged, group: NDArray[np.intp], *, count: int = RESAMPLES) -> dict[str, Interval]:
    """The interval of each figure that has one."""
    found: dict[str, list[float]] = {metric.name: [] for metric in METRICS}
    for weight in resamples(group, count):
        for metric in METRICS:
            found[metric.name].append(metric.of(judged, weight))
    known = {name: interval(values) for name, values in found.items()}
    return {name: each for name, each in known.items() if each is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure of two models on one slice. ``gain`` is how much the first is better, ``low`` to ``high`` its interval;
    ``verdict`` is better, worse or no difference shown."""

    slice: str
    metric: str
    title: str
    posts: int
    ours: float
    theirs: float
    gain: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the same items; ``summary`` says in words what the differences show."""

    model: str
    against: str
    resamples: int
    groups: int
    differences: tuple[Difference, ...]
    summary: tuple[str, ...]


def compare(
    pairs: Mapping[str, tuple[Judged, Judged, NDArray[np.intp]]],
    *,
    model: str,
    against: str,
    count: int = RESAMPLES,
    watch: Watch = lambda _step, _share: None,
) -> Comparison:
    """Both models on each slice: (the first, the other, groups of near-duplicates (n,)), the first slice being all items."""
    differences: list[Difference] = []
    for number, (name, (ours, theirs, group)) in enumerate(pairs.items()):
        differences += _differences(name, ours, theirs, group, count)
        watch("compared", (number + 1) / len(pairs))
    everything = next(iter(pairs.values()))[2] if pairs else np.zeros(0, np.intp)
    return Comparison(
        model=model,
        against=against,
        resamples=count,
        groups=len(np.unique(everything)),
        differences=tuple(differences),
        summary=tuple(_summary(differences, next(iter(pairs), ""), model, against)),
    )


def _differences(name: str, ours: Judged, theirs: Judged, group: NDArray[np.intp], count: int) -> Iterator[Difference]:
    drawn: dict[str, list[float]] = {metric.name: [] for metric in METRICS}
    for weight in resamples(group, count):
        for metric in METRICS:
            drawn[metric.name].append(metric.gain(metric.of(ours, weight), metric.of(theirs, weight)))
    ones = np.ones(len(ours))
    for metric in METRICS:
        between = interval(drawn[metric.name])
        if between is None:
            continue
        mine, other = metric.of(ours, ones), metric.of(theirs, ones)
        low, high = between
        verdict = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
        yield Difference(
            slice=name, metric=metric.name, title=metric.title, posts=len(ours), ours=mine, theirs=other,
            gain=metric.gain(mine, other), low=low, high=high, verdict=verdict,
        )  # fmt: skip


def _summary(differences: Sequence[Difference], whole: str, model: str, against: str) -> Iterator[str]:
    """What the differences show, in sentences; the first speaks of all items."""
    of_all = [each for each in differences if each.slice == whole]
    for verdict, words in (("better", "is better than"), ("worse", "is worse than")):
        if named := [f"{each.title} ({each.gain:+.3f})" for each in of_all if each.verdict == verdict]:
            yield f"{model} {words} {against} on {', '.join(named)}."
    if not any(each.verdict != "no difference shown" for each in of_all):
        yield f"No difference between {model} and {against} is shown on {whole}."
    for verdict in ("better", "worse"):
        rest = [each for each in differences if each.slice != whole and each.verdict == verdict]
        if rest:
            named = [f"{each.slice}: {each.title}" for each in rest]
            yield f"By slice {verdict}: {'; '.join(named)}."
    if differences:
        by_chance = len(differences) * (1 - COVERED)
        yield f"{len(differences)} figures were compared: about {by_chance:.0f} of them would seem to differ by accident alone."
