"""Who waits, in a queue with too few hands: five orders of the same posts, simulated.

``python -m tests.bench.queueing``

Posts of the real class mix of 3,687 labelled public posts (rows t0000 to t3799 of the labelled set, without spam) arrive
by a daily rhythm with bursts of trouble; three people answer around the clock. Nobody knows a post's true labels but the
figures: every order sees the probabilities of a model that is calibrated by construction (the posterior of noisy readings
of the truth), about as sharp as the shipped one. Ours are the ranks of ``pipeline.prioritise``, ordered as
``pipeline.tickets.queue_key`` says, and held to it. What is never answered counts with its wait until the end.

All orders get the same posts, handling times and people (common random numbers); intervals are 95 % of the mean over
runs, by Student's t. Seeds are fixed: the figures are the same on every machine.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import average_precision_score

from pipeline.config import Config, parse
from pipeline.domain import QUEUE_PATIENCE_MINUTES, QUEUE_STEP, Category, Lane, Rank, Score, Urgency
from pipeline.prioritise import rank, respond_by
from pipeline.tickets import queue_key
from tests.factories import NOW, mention

Numbers = NDArray[np.float64]

MIX: tuple[tuple[str, int, int, int], ...] = (
    ("chatter", 0, 0, 1017), ("complaint", 1, 0, 892), ("praise", 0, 0, 470), ("complaint", 2, 0, 345),
    ("request", 1, 0, 244), ("news", 0, 0, 240), ("question", 1, 0, 230), ("complaint", 2, 1, 50),
    ("complaint", 3, 1, 44), ("suggestion", 1, 0, 39), ("request", 2, 0, 36), ("news", 0, 1, 16),
    ("question", 0, 0, 12), ("complaint", 1, 1, 9), ("question", 2, 0, 8), ("news", 1, 1, 7), ("question", 2, 1, 6),
    ("request", 3, 1, 6), ("request", 2, 1, 4), ("complaint", 0, 0, 1), ("news", 2, 1, 1), ("news", 3, 1, 1),
    ("request", 3, 0, 1), ("question", 1, 1, 1), ("chatter", 3, 1, 1), ("request", 1, 1, 1), ("suggestion", 2, 1, 1),
)  # fmt: skip
"""Category, urgency (0 low to 3 critical), crisis, and how many of the labelled posts are so."""

URGENCIES = (Urgency.LOW, Urgency.NORMAL, Urgency.HIGH, Urgency.CRITICAL)
CATEGORIES = tuple(Category)
SHARPNESS = (1.9, 1.3, 1.5)  # of the readings of category, urgency and crisis, so that the model is as good as ours
POOL = 3000  # different posts; arrivals are drawn from them
PEOPLE = 3
HANDLING = (6.0, 0.8)  # minutes a ticket, mean and coefficient of variation; lognormal, as in call centres
DAYS = 3
DAY = 1440.0
BURSTS_A_DAY, BURST_MINUTES, BURST_RATE = 2, 45.0, 5.0
BURST_TROUBLE = 4.0  # in a burst posts of complaint and crisis come so much more often than others
CONFIG: Config = parse({"hours": {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "opens": "00:00", "closes": "23:59"}})  # fmt: skip
CHECKED = 200  # looks at the queue that are compared with the product's own order
NEWEST, RULES, STRICT, DEADLINE, OURS = "newest first", "rule sum", "strict class", "earliest deadline", "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Posts side by side: what is true of each, and what each order knows of it."""

    crisis: NDArray[np.bool_]
    trouble: NDArray[np.bool_]
    weight: Numbers
    target: Numbers
    allowed: Numbers
    level: Numbers
    lane: Numbers
    strict: Numbers
    points: Numbers
    handling: float
    ranks: tuple[Rank, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """One run: when each post comes, which it is, and how long it takes to answer."""

    at: Numbers
    post: NDArray[np.intp]
    minutes: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one order did in one run."""

    crisis_p95: float
    crisis_breached: float
    breached: float
    tardiness: float


def pool_of(random: np.random.Generator) -> Posts:
    """The posts, with the truth's weight and target, and the model's probabilities made into ranks by the product."""
    counts = np.array([count for *_, count in MIX], dtype=float)
    prior = counts / counts.sum()
    categories = np.array([CATEGORIES.index(Category(name)) for name, *_ in MIX])
    urgencies = np.array([urgency for _, urgency, _, _ in MIX])
    crises = np.array([crisis for _, _, crisis, _ in MIX])
    kinds = random.choice(len(MIX), size=POOL, p=prior)
    posterior = _posterior(kinds, prior, categories, urgencies, crises, random)
    of_category = np.stack([posterior[:, categories == c].sum(axis=1) for c in range(len(CATEGORIES))], axis=1)
    of_urgency = np.stack([posterior[:, urgencies == u].sum(axis=1) for u in range(4)], axis=1)
    of_crisis = posterior[:, crises == 1].sum(axis=1)
    scores = [_score(of_category[i], of_urgency[i], float(of_crisis[i])) for i in range(POOL)]
    truths = [
        _score(np.eye(len(CATEGORIES))[categories[k]], np.eye(4)[urgencies[k]], float(crises[k]))
        for k in range(len(MIX))
    ]
    post = mention()
    ranks = tuple(rank(post, each, respond_by=respond_by(post, each, config=CONFIG), config=CONFIG) for each in scores)
    true_ranks = [rank(post, each, respond_by=respond_by(post, each, config=CONFIG), config=CONFIG) for each in truths]
    ap = average_precision_score(crises[kinds], of_crisis)
    right = (of_category.argmax(axis=1) == categories[kinds]).mean()
    print(
        f"the model of this simulation: crisis AP {ap:.2f}, category right {right:.2f}, crises {crises[kinds].mean():.3f}"
    )
    return Posts(
        crisis=crises[kinds] == 1,
        trouble=(crises[kinds] == 1) | (categories[kinds] == CATEGORIES.index(Category.COMPLAINT)),
        weight=np.array([each.cost for each in true_ranks])[kinds],
        target=np.array([_minutes(each.respond_by - NOW) for each in true_ranks])[kinds],
        allowed=np.array([_minutes(each.respond_by - NOW) for each in ranks]),
        level=np.array([float(each.level) for each in ranks]),
        lane=np.array([0.0 if each.lane is Lane.CRISIS else 1.0 for each in ranks]),
        strict=np.array([float(str(each.priority)[1]) for each in ranks]),
        points=np.array([_points(each) for each in scores]),
        handling=CONFIG.weights.handling_minutes,
        ranks=ranks,
    )


def _posterior(
    kinds: NDArray[np.intp],
    prior: Numbers,
    categories: NDArray[np.intp],
    urgencies: NDArray[np.intp],
    crises: NDArray[np.intp],
    random: np.random.Generator,
) -> Numbers:
    """P(kind | noisy readings of its category, urgency and crisis): calibrated, as the noise is known."""
    readings = np.concatenate(
        [
            np.eye(len(CATEGORIES))[categories] * SHARPNESS[0],
            urgencies[:, None] * SHARPNESS[1],
            crises[:, None] * SHARPNESS[2],
        ],
        axis=1,
    )
    seen = readings[kinds] + random.normal(size=(len(kinds), readings.shape[1]))
    distance = ((seen[:, None, :] - readings[None, :, :]) ** 2).sum(axis=2)
    log = np.log(prior)[None, :] - distance / 2
    likelihood = np.exp(log - log.max(axis=1, keepdims=True))
    shares: Numbers = likelihood / likelihood.sum(axis=1, keepdims=True)
    return shares


def _score(category: Numbers, urgency: Numbers, crisis: float) -> Score:
    return Score(
        sentiment={"negative": 0.5, "neutral": 0.4, "positive": 0.1},
        category={str(label): float(p) for label, p in zip(CATEGORIES, category, strict=True)},
        urgency={str(label): float(p) for label, p in zip(URGENCIES, urgency, strict=True)},
        crisis=crisis,
        rules=(),
        signals=(),
        model="simulated",
    )


def _points(score: Score) -> float:
    """What a tool with points a rule gives: for the label of each head, summed, never looked at again."""
    kind = {Category.COMPLAINT: 30.0, Category.REQUEST: 20.0, Category.QUESTION: 15.0}.get(score.category_label, 0.0)
    pressing = {Urgency.CRITICAL: 40.0, Urgency.HIGH: 25.0, Urgency.NORMAL: 5.0}.get(score.urgency_label, 0.0)
    return kind + pressing + (50.0 if score.crisis >= 0.5 else 0.0)


def _minutes(span: timedelta) -> float:
    return span / timedelta(minutes=1)


def arrivals_of(posts: Posts, load: float, random: np.random.Generator) -> Arrivals:
    """Posts by a daily rhythm with bursts of trouble, ``load`` times what the people can answer."""
    end = DAYS * DAY
    bursts = random.uniform(0, end - BURST_MINUTES, size=BURSTS_A_DAY * DAYS)
    grid = np.arange(0.0, end)
    bursting: NDArray[np.bool_] = ((grid[:, None] >= bursts) & (grid[:, None] < bursts + BURST_MINUTES)).max(axis=1)
    shape = 1 + 0.6 * np.sin(2 * np.pi * (grid / DAY - 0.3))
    shape = np.where(bursting, shape * BURST_RATE, shape)
    number = random.poisson(load * PEOPLE * end / HANDLING[0])
    minute = random.choice(len(grid), size=number, p=shape / shape.sum())
    at = np.sort(minute + random.uniform(size=number))
    inside = bursting[at.astype(int)]
    usual = np.full(POOL, 1 / POOL)
    troubled = np.where(posts.trouble, BURST_TROUBLE, 1.0)
    chosen = np.where(
        inside,
        random.choice(POOL, size=number, p=troubled / troubled.sum()),
        random.choice(POOL, size=number, p=usual),
    )
    sigma = math.sqrt(math.log(1 + HANDLING[1] ** 2))
    minutes = random.lognormal(math.log(HANDLING[0]) - sigma**2 / 2, sigma, size=number)
    return Arrivals(at=at, post=chosen, minutes=minutes)


Key = Callable[[Posts, Numbers, NDArray[np.intp], float], Numbers]
"""What an order looks at: the posts, when each waiting one came, which they are, and the time; the smallest is next."""


def _ours(posts: Posts, at: Numbers, which: NDArray[np.intp], now: float) -> Numbers:
    early = np.maximum(0.0, at + posts.allowed[which] - posts.handling - now)
    key: Numbers = posts.lane[which] * 1e9 + early - posts.level[which] * QUEUE_STEP * QUEUE_PATIENCE_MINUTES
    return key


ORDERS: dict[str, Key] = {
    NEWEST: lambda posts, at, which, now: -at,
    RULES: lambda posts, at, which, now: at - posts.points[which] * 1e6,
    STRICT: lambda posts, at, which, now: at + posts.strict[which] * 1e6,
    DEADLINE: lambda posts, at, which, now: at + posts.allowed[which],
    OURS: _ours,
}


def served(
    posts: Posts, run: Arrivals, key: Key, *, look: Callable[[Numbers, NDArray[np.intp], float, int], None]
) -> Numbers:
    """When each post gets its answer, the end of the run for those that get none; ``look`` is told of each choice."""
    end = DAYS * DAY
    answered = np.full(len(run.at), np.inf)
    free = [0.0] * PEOPLE
    waiting = np.empty(0, dtype=np.intp)
    came = 0
    while free:
        now = heappop(free)
        fresh = int(np.searchsorted(run.at, now, side="right"))
        waiting = np.concatenate([waiting, np.arange(came, fresh)])
        came = max(came, fresh)
        if not len(waiting):
            if came < len(run.at) and run.at[came] < end:
                heappush(free, float(run.at[came]))
            continue
        at, which = run.at[waiting], run.post[waiting]
        place = int(key(posts, at, which, now).argmin())
        look(at, which, now, place)
        one = waiting[place]
        waiting = np.delete(waiting, place)
        done = now + float(run.minutes[one])
        if done < end:
            answered[one] = done
            heappush(free, done)
    counted: Numbers = np.minimum(answered, end)
    return counted


def outcome(posts: Posts, run: Arrivals, answered: Numbers) -> Outcome:
    """The figures of one run, by what is true of each post."""
    wait = answered - run.at
    crisis = posts.crisis[run.post]
    late = np.maximum(0.0, wait - posts.target[run.post])
    weight = posts.weight[run.post]
    return Outcome(
        crisis_p95=float(np.percentile(wait[crisis], 95)),
        crisis_breached=float((late[crisis] > 0).mean()),
        breached=float((late > 0).mean()),
        tardiness=float((late * weight).sum() / weight.sum()),
    )


class Agreement:
    """Compares our choices in this simulation with the product's own order, for the first of them."""

    def __init__(self, posts: Posts) -> None:
        self.posts = posts
        self.compared = 0

    def __call__(self, at: Numbers, which: NDArray[np.intp], now: float, place: int) -> None:
        """Raise where the product would have put another ticket first; of tickets that tie, any is right."""
        if self.compared >= CHECKED:
            return
        self.compared += 1
        clock = NOW + timedelta(minutes=now)
        keys = []
        for came, post in zip(at, which, strict=True):
            given = self.posts.ranks[post]
            shifted = timedelta(minutes=float(came))
            moved = Rank(
                cost=given.cost, level=given.level, due_at=given.due_at + shifted, respond_by=given.respond_by + shifted,
                lane=given.lane, priority=given.priority, why=given.why,
            )  # fmt: skip
            keys.append(queue_key(moved, "", now=clock)[:2])
        lane, cost = min(keys)
        if keys[place][0] != lane or keys[place][1] - cost > timedelta(milliseconds=1):
            raise AssertionError(f"minute {now:.1f}: the simulation takes {keys[place]}, the product {min(keys)}")


def main() -> None:
    """Print a table for each load."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20, help="runs of three days at each load")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.8, 1.0, 1.3])
    arguments = parser.parse_args()
    posts = pool_of(np.random.default_rng(1))
    agreement = Agreement(posts)
    for load in arguments.loads:
        results: dict[str, list[Outcome]] = {name: [] for name in ORDERS}
        for seed in range(arguments.runs):
            run = arrivals_of(posts, load, np.random.default_rng([seed, round(load * 100)]))
            for name, key in ORDERS.items():
                look = agreement if name == OURS else lambda *_: None
                results[name].append(outcome(posts, run, served(posts, run, key, look=look)))
        print(f"\nload {load:g}: {arguments.runs} runs of {DAYS} days, {PEOPLE} people")
        print(
            "| order | crisis p95, min | crises late | all late | weighted lateness, min | more than ours, same runs |"
        )
        print("|---|---|---|---|---|---|")
        for name, found in results.items():
            cells = (
                _interval([each.crisis_p95 for each in found], "{:.0f}"),
                _interval([100 * each.crisis_breached for each in found], "{:.1f} %"),
                _interval([100 * each.breached for each in found], "{:.1f} %"),
                _interval([each.tardiness for each in found], "{:.1f}"),
                "" if name == OURS else _interval(_beside(found, results[OURS]), "{:.1f}"),
            )
            print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n{agreement.compared} choices were those of the product's own order", file=sys.stderr)


def _beside(found: list[Outcome], ours: list[Outcome]) -> list[float]:
    """How much more weighted lateness than ours, run by run: the same posts, so that chance cancels out."""
    return [one.tardiness - other.tardiness for one, other in zip(found, ours, strict=True)]


def _interval(values: list[float], form: str) -> str:
    """The mean with its 95 % interval."""
    half = 0.0
    if len(values) > 1:
        half = float(stats.t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    number, _, unit = form.partition("}")
    return f"{(number + '}').format(np.mean(values))} ± {(number + '}').format(half)}{unit}"


if __name__ == "__main__":
    main()
