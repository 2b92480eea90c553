"""Everything a report says: figures by slice, what lies behind each head, the queue's order, the worst mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluate import CRISIS_LANE, DEPTHS
from models.outcome import HEADS, LABELS, Head, Reason
from models.report.figures import METRICS, Judged, Ranking
from models.report.items import Answered, Floats, Items
from models.report.resample import Comparison, Interval, Watch, compare, intervals

SMALLEST = 50
"""Posts a slice must have to be shown: below, a figure says nothing."""
ALL = "all posts"
LENGTHS = (60, 140, 280)
"""Characters at which posts are cut into lengths: a line, an old tweet, a new one."""
MOST_MISTAKES = 10
LONGEST_TEXT = 280
CURVE = 60
"""Points of a precision-recall curve that are drawn."""
_NAMES: dict[Head, tuple[str, ...]] = {**LABELS, "crisis": ("no crisis", "crisis")}

LATE, MISSED, FALSE = "urgent, but late in the queue", "crisis missed", "false crisis"
_HEADS_OF = {LATE: ("urgency", "category"), MISSED: ("crisis",), FALSE: ("crisis",)}
"""Whose reasons explain a kind of mistake; elsewhere the head it is about."""

Explain = Callable[[Sequence[str], Sequence[str]], Sequence[tuple[Reason, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Some of the items: how many, how many of them the model was trained on, how many have which labels, and their figures."""

    kind: str
    name: str
    posts: int
    seen: int
    populations: Mapping[str, int]
    figures: Mapping[str, float]
    intervals: Mapping[str, Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDetail:
    """How one label of a head is told apart; ``curve`` are (recall, precision) points from the surest item on."""

    label: str
    posts: int
    precision: float
    recall: float
    f1: float
    average_precision: float
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Items whose confidence lies in one tenth: how many, what the model said and how often it was right, on average."""

    posts: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What lies behind the figures of a head, over all items. ``confusion`` has labels down and answers across."""

    head: str
    posts: int
    macro_f1: float
    macro_recall: float
    calibration_error: float
    brier: float
    labels: tuple[LabelDetail, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A way to sort the queue: the share of urgent posts in its first part per depth, and what the order costs."""

    name: str
    depths: tuple[float, ...]
    recall: tuple[float, ...]
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A post a model got wrong, with its reasons; handles and links are masked."""

    kind: str
    id: str
    language: str
    source: str
    text: str
    seen: bool
    label: str
    said: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What more labels buy, by the words alone: figures at growing numbers of posts, and what ``more`` would add."""

    metric: str
    posts: tuple[int, ...]
    figures: tuple[float, ...]
    more: int
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A model on labelled items. ``held_out`` where no answer is of a model that had seen its item."""

    model: str
    held_out: bool
    posts: int
    seen: int
    files: tuple[tuple[str, str, int], ...]
    slices: tuple[Slice, ...]
    heads: tuple[Detail, ...]
    orders: tuple[Order, ...]
    mistakes: tuple[Mistake, ...]
    comparison: Comparison | None = None
    learning: tuple[Learning, ...] = ()

    def slice(self, name: str) -> Slice | None:
        """The slice of a name."""
        return next((each for each in self.slices if each.name == name), None)


def judge(items: Items, answered: Answered, mask: NDArray[np.bool_] | None = None) -> Judged:
    """Answers beside labels, of the items in a mask."""
    chosen = np.ones(len(items), np.bool_) if mask is None else mask
    return Judged(
        {head: label[chosen] for head, label in items.labels.items()},
        {head: answer[chosen] for head, answer in answered.answers.items()},
    )


def masks(items: Items, *, held_out: bool) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """The slices of items, by kind and name, of at least ``SMALLEST`` posts; the first is all of them, however few."""
    yield "all", ALL, np.ones(len(items), np.bool_)
    found: list[tuple[str, str, NDArray[np.bool_]]] = []
    if not held_out and items.seen.any():
        found += [("training", "in the training", items.seen), ("training", "new to the model", ~items.seen)]
    found.append(("rate", "natural rate", items.natural))
    for kind, values in (("language", items.languages), ("source", items.sources)):
        of_each = np.array(values)
        names, counts = np.unique(of_each, return_counts=True)
        found += [(kind, str(name), of_each == name) for name in names[counts >= SMALLEST]]
        rest = np.isin(of_each, names[counts < SMALLEST])
        found.append((kind, f"other {kind}s", rest))
    length = np.digitize([len(text) for text in items.texts], LENGTHS, right=True)
    titles = [f"up to {LENGTHS[0]} characters", *(f"up to {most}" for most in LENGTHS[1:]), f"over {LENGTHS[-1]}"]
    found += [("length", title, length == number) for number, title in enumerate(titles)]
    yield from (each for each in found if _speaks(each[0], each[2]))


def _speaks(kind: str, mask: NDArray[np.bool_]) -> bool:
    """Whether a slice is large enough, and says something that all posts do not say already."""
    return bool(mask.sum() >= SMALLEST and (kind in {"language", "source"} or not mask.all()))


def evaluate(
    items: Items,
    answered: Answered,
    *,
    group: NDArray[np.intp],
    explain: Explain | None = None,
    other: Answered | None = None,
    count: int,
    moods: Floats | None = None,
    watch: Watch = lambda _step, _share: None,
) -> Evaluation:
    """The report of answers to items. ``group`` (n,) are near-duplicates; ``other`` are another model's answers to the same
    items; ``moods`` (n,) order a queue that knows VADER alone; ``count`` resamples make the intervals."""
    chosen = list(masks(items, held_out=answered.held_out))
    slices: list[Slice] = []
    for number, (kind, name, mask) in enumerate(chosen):
        slices.append(_slice(kind, name, items, answered, mask, group=group, count=count))
        watch("slices", (number + 1) / len(chosen))
    whole = judge(items, answered)
    comparison = None
    if other is not None:
        pairs = {
            name: (judge(items, answered, mask), judge(items, other, mask), group[mask])
            for kind, name, mask in chosen
            if kind in {"all", "training", "rate", "language"}
        }
        comparison = compare(pairs, model=answered.version, against=other.version, count=count, watch=watch)
    return Evaluation(
        model=answered.version,
        held_out=answered.held_out,
        posts=len(items),
        seen=0 if answered.held_out else int(items.seen.sum()),
        files=items.files,
        slices=tuple(slices),
        heads=tuple(_detail(whole, head) for head in HEADS if whole.known[head].any()),
        orders=tuple(_orders(whole, moods)),
        mistakes=tuple(_mistakes(items, answered, whole, explain)),
        comparison=comparison,
    )


def _slice(
    kind: str,
    name: str,
    items: Items,
    answered: Answered,
    mask: NDArray[np.bool_],
    *,
    group: NDArray[np.intp],
    count: int,
) -> Slice:
    judged = judge(items, answered, mask)
    ones = np.ones(len(judged))
    figures = {metric.name: metric.of(judged, ones) for metric in METRICS}
    populations: dict[str, int] = {head: int(known.sum()) for head, known in judged.known.items()}
    populations |= {"urgent": int(judged.urgent.sum()), "crises": int(judged.crises.sum())}
    return Slice(
        kind=kind,
        name=name,
        posts=len(judged),
        seen=0 if answered.held_out else int(items.seen[mask].sum()),
        populations=populations,
        figures=figures,
        intervals=intervals(judged, group[mask], count=count) if count and kind in {"all", "language"} else {},
    )


def _detail(judged: Judged, head: Head) -> Detail:
    ones = np.ones(len(judged))
    scale, cells = judged.scale(head, ones), judged.confusion(head, ones)
    return Detail(
        head=head,
        posts=int(judged.known[head].sum()),
        macro_f1=judged.macro_f1(head, ones),
        macro_recall=judged.macro_recall(head, ones),
        calibration_error=scale.error,
        brier=judged.brier(head, ones),
        labels=tuple(_label(judged, head, number, cells) for number in range(len(cells)) if cells[number].any()),
        confusion=tuple(tuple(map(int, row)) for row in cells),
        reliability=tuple(
            Bin(posts=int(posts), confidence=float(confidence), right=float(right))
            for posts, confidence, right in zip(scale.posts, scale.confidence, scale.right, strict=True)
        ),
    )


def _label(judged: Judged, head: Head, number: int, cells: Floats) -> LabelDetail:
    answers = judged.answers[head]
    scores = answers[:, number] if answers.shape[1] > 1 else answers[:, 0] if number else 1 - answers[:, 0]
    wanted, weight = judged.labels[head] == number, judged.known[head]
    ranking = Ranking.of(scores)
    right, named, meant = cells[number, number], cells[:, number].sum(), cells[number].sum()
    return LabelDetail(
        label=_NAMES[head][number],
        posts=int(meant),
        precision=float(right / named) if named else float("nan"),
        recall=float(right / meant),
        f1=float(2 * right / (named + meant)),
        average_precision=ranking.average_precision(wanted, weight),
        curve=_curve(ranking, wanted, weight),
    )


def _curve(ranking: Ranking, wanted: NDArray[np.bool_], weight: Floats) -> tuple[tuple[float, float], ...]:
    found = np.cumsum((weight * wanted)[ranking.order])
    seen = np.cumsum(weight[ranking.order])
    places = np.unique(np.searchsorted(found, np.linspace(1, found[-1], CURVE)))
    return tuple((float(found[at] / found[-1]), float(found[at] / seen[at])) for at in places)


def _orders(judged: Judged, moods: Floats | None) -> Iterator[Order]:
    """The product's order of the urgent beside plainer ones, the best possible and chance."""
    weight = judged.known["urgency"]
    urgent = judged.urgent
    if not urgent.any():
        return
    waiting, priced = judged.priced

    def order(name: str, ranking: Ranking) -> Order:
        recall = tuple(ranking.recall_at(urgent, weight, depth) for depth in DEPTHS)
        return Order(name=name, depths=DEPTHS, recall=recall, cost=ranking.cost(waiting, priced))

    yield order("expected cost of waiting (the product)", judged.queue)
    yield order("P(critical) + P(high)", judged.graver)
    if moods is not None:
        yield order("VADER, most negative first", Ranking.of(moods))
    share = float(urgent.sum() / weight.sum())
    yield Order(name="chance", depths=DEPTHS, recall=DEPTHS, cost=1.0)
    yield Order(
        name="best possible", depths=DEPTHS, recall=tuple(min(1.0, depth / share) for depth in DEPTHS), cost=0.0
    )


def _mistakes(items: Items, answered: Answered, judged: Judged, explain: Explain | None) -> Iterator[Mistake]:
    """The worst mistakes of each kind, worst first, with the model's reasons."""
    chosen = [(kind, at, label, said) for kind, places in _worst(judged) for at, label, said in places[:MOST_MISTAKES]]
    distinct = sorted({at for _, at, _, _ in chosen})
    reasons: dict[int, tuple[Reason, ...]] = dict.fromkeys(distinct, ())
    if explain is not None and distinct:
        given = explain([items.texts[at] for at in distinct], [items.languages[at] for at in distinct])
        reasons = dict(zip(distinct, given, strict=True))
    for kind, at, label, said in chosen:
        yield Mistake(
            kind=kind, id=items.ids[at], language=items.languages[at], source=items.sources[at],
            text=masked(items.texts[at])[:LONGEST_TEXT], seen=bool(items.seen[at]) and not answered.held_out,
            label=label, said=said,
            reasons=tuple(_reason(reason) for reason in reasons[at] if reason.head in _HEADS_OF.get(kind, kind.split(":")[:1])),
        )  # fmt: skip


def _reason(reason: Reason) -> str:
    """A reason in words; those of a crisis speak for one, however small its probability."""
    return f"for {reason.label}: {masked(reason.words)}"


def _worst(judged: Judged) -> Iterator[tuple[str, list[tuple[int, str, str]]]]:
    """Per kind of mistake its items, worst first: place, label, and what was said."""
    count = len(judged)
    place = np.empty(count, np.intp)
    place[judged.queue.order] = np.arange(1, count + 1)
    late = [at for at in judged.queue.order[::-1].tolist() if judged.urgent[at] and place[at] > DEPTHS[-1] * count]
    said_urgency = judged.said["urgency"]
    yield (
        "urgent, but late in the queue",
        [
            (
                at,
                _NAMES["urgency"][judged.labels["urgency"][at]],
                f"{_NAMES['urgency'][said_urgency[at]]}; place {place[at]:,} of {count:,}",
            )
            for at in late
        ],
    )
    risk, ranked = judged.answers["crisis"][:, 0], judged.riskier.order.tolist()
    missed = [at for at in reversed(ranked) if judged.crises[at] and risk[at] < CRISIS_LANE]
    false = [at for at in ranked if judged.labels["crisis"][at] == 0 and risk[at] >= CRISIS_LANE]
    yield MISSED, [(at, "crisis", f"P(crisis) {risk[at]:.2f}") for at in missed]
    yield FALSE, [(at, "no crisis", f"P(crisis) {risk[at]:.2f}") for at in false]
    for head in HEADS:
        if head == "crisis":
            continue
        sure = judged.answers[head].max(axis=1)
        wrong = (judged.known[head] > 0) & (judged.said[head] != judged.labels[head])
        surest = [at for at in np.argsort(-sure, kind="stable").tolist() if wrong[at]]
        yield (
            f"{head}: sure and wrong",
            [
                (at, _NAMES[head][judged.labels[head][at]], f"{_NAMES[head][judged.said[head][at]]} ({sure[at]:.2f})")
                for at in surest
            ],
        )


def masked(text: str) -> str:
    """A post without its handles and links, on one line."""
    return " ".join(re.sub(r"https?://\S+", "…", re.sub(r"@\w+", "@…", text)).split())
