"""The figures of answers beside their labels, each as a function of weights, so that a bootstrap can ask them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.evaluate import CRISIS_LANE, waiting_cost
from models.outcome import CATEGORIES, LABELS, Head
from models.report.items import UNLABELLED, Floats

BINS = 10
"""Equal-width bins of confidence, as in Naeini 2015."""
_COMPLAINT = CATEGORIES.index("complaint")
_PRICED: tuple[Head, Head] = ("category", "urgency")
_UNDEFINED = float("nan")
"""What a figure is where nothing it is about occurs."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """n items highest score first: ``order`` (n,) and, for each place, the last place of equal score ``ends`` (n,)."""

    order: NDArray[np.intp]
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, scores: Floats) -> Ranking:
        """The ranking by scores (n,)."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        ends = np.searchsorted(-ranked, -ranked, side="right") - 1
        return cls(order, ends)

    def average_precision(self, wanted: NDArray[np.bool_], weight: Floats) -> float:
        """The mean precision at each wanted item, equal scores taken together (as in scikit-learn)."""
        found = (weight * wanted)[self.order]
        if not found.sum():
            return _UNDEFINED
        seen = np.cumsum(weight[self.order])[self.ends]
        precision = np.divide(np.cumsum(found)[self.ends], seen, out=np.zeros_like(seen), where=seen > 0)
        return float((precision * found).sum() / found.sum())

    def recall_at(self, wanted: NDArray[np.bool_], weight: Floats, share: float) -> float:
        """The share of wanted items within the first ``share`` of all."""
        found = (weight * wanted)[self.order]
        if not found.sum():
            return _UNDEFINED
        first = np.cumsum(weight[self.order]) <= max(1, round(share * weight.sum()))
        return float(found[first].sum() / found.sum())

    def cost(self, waiting: Floats, weight: Floats) -> float:
        """What the order costs, 0 for the best and 1 for a random one: each item waits for those before it, at its own price."""

        def paid(order: NDArray[np.intp]) -> float:
            counted = weight[order]
            return float((np.cumsum(counted) - counted / 2) @ (counted * waiting[order]))

        best = paid(np.argsort(-waiting, kind="stable"))
        blind = float(weight.sum() / 2 * (weight @ waiting))
        return (paid(self.order) - best) / (blind - best) if blind > best else _UNDEFINED


@dataclass(frozen=True, slots=True)
class Scale:
    """How far confidence and truth agree per bin: weighted ``posts``, mean ``confidence`` and share ``right`` (each ``BINS``)."""

    posts: Floats
    confidence: Floats
    right: Floats

    @property
    def error(self) -> float:
        """The expected calibration error."""
        return (
            float(self.posts @ np.abs(self.confidence - self.right) / self.posts.sum())
            if self.posts.any()
            else _UNDEFINED
        )


@dataclass(frozen=True)
class Judged:
    """One model's answers (n, labels) beside labels (n,), with what every figure needs worked out once.

    Each method takes a weight per item (n,), how often a resample holds it; items without a label for a head do not count there.
    """

    labels: Mapping[Head, NDArray[np.intp]]
    answers: Mapping[Head, Floats]

    def __len__(self) -> int:
        return len(self.labels["sentiment"])

    @cached_property
    def known(self) -> dict[Head, Floats]:
        """1 where an item has a label for a head, else 0."""
        return {head: (label != UNLABELLED).astype(np.float64) for head, label in self.labels.items()}

    @cached_property
    def said(self) -> dict[Head, NDArray[np.intp]]:
        """The answer to each item; a crisis is one from the probability on that lifts a ticket above the queue."""
        return {
            head: (answer[:, 0] >= CRISIS_LANE).astype(np.intp) if head == "crisis" else answer.argmax(axis=1)
            for head, answer in self.answers.items()
        }

    @cached_property
    def urgent(self) -> NDArray[np.bool_]:
        """Which items are critical or high by label."""
        urgent: NDArray[np.bool_] = np.isin(self.labels["urgency"], (0, 1))
        return urgent

    @cached_property
    def crises(self) -> NDArray[np.bool_]:
        """Which items are a crisis by label."""
        crises: NDArray[np.bool_] = np.equal(self.labels["crisis"], 1)
        return crises

    @cached_property
    def queue(self) -> Ranking:
        """The items as the product orders them before deadlines and reach count: by the expected cost of waiting."""
        return Ranking.of(waiting_cost(dict(self.answers)))

    @cached_property
    def graver(self) -> Ranking:
        """The items by P(critical) + P(high)."""
        return Ranking.of(self.answers["urgency"][:, :2].sum(axis=1))

    @cached_property
    def riskier(self) -> Ranking:
        """The items by P(crisis)."""
        return Ranking.of(self.answers["crisis"][:, 0])

    @cached_property
    def priced(self) -> tuple[Floats, Floats]:
        """What waiting truly costs of each item by its labels, and 1 where it has the labels that say so."""
        known = self.known["category"] * self.known["urgency"] * self.known["crisis"]
        truth: dict[Head, Floats] = {
            head: np.eye(len(LABELS[head]))[np.maximum(self.labels[head], 0)] for head in _PRICED
        }
        truth["crisis"] = self.crises[:, None].astype(np.float64)
        return waiting_cost(truth), known

    def confusion(self, head: Head, weight: Floats) -> Floats:
        """Labels down, answers across."""
        width = max(2, len(LABELS[head]))
        cells = np.maximum(self.labels[head], 0) * width + self.said[head]
        return np.bincount(cells, weight * self.known[head], width * width).reshape(width, width).astype(np.float64)

    def macro_f1(self, head: Head, weight: Floats) -> float:
        """The mean F1 of the labels that occur."""
        cells = self.confusion(head, weight)
        there = cells.sum(axis=1) > 0
        scores = 2 * cells.diagonal()[there] / (cells.sum(axis=0) + cells.sum(axis=1))[there]
        return float(scores.mean()) if there.any() else _UNDEFINED

    def macro_recall(self, head: Head, weight: Floats) -> float:
        """The mean recall of the labels that occur."""
        cells = self.confusion(head, weight)
        there = cells.sum(axis=1) > 0
        return float((cells.diagonal()[there] / cells.sum(axis=1)[there]).mean()) if there.any() else _UNDEFINED

    def f1(self, head: Head, label: int, weight: Floats) -> float:
        """F1 of one label."""
        cells = self.confusion(head, weight)
        both = cells[label].sum() + cells[:, label].sum()
        return float(2 * cells[label, label] / both) if cells[label].sum() else _UNDEFINED

    def scale(self, head: Head, weight: Floats) -> Scale:
        """Confidence beside truth: of the answer given, for crisis of P(crisis) itself."""
        if head == "crisis":
            confidence, right = self.answers[head][:, 0], self.crises
        else:
            confidence, right = self.answers[head].max(axis=1), self.said[head] == self.labels[head]
        weight = weight * self.known[head]
        place = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
        posts = np.bincount(place, weight, BINS).astype(np.float64)
        sums = (np.bincount(place, weight * value, BINS) for value in (confidence, right))
        means = [np.divide(each, posts, out=np.zeros(BINS), where=posts > 0) for each in sums]
        return Scale(posts, *means)

    def brier(self, head: Head, weight: Floats) -> float:
        """The mean squared distance from the truth (Brier 1950): summed over labels, for crisis of its one probability."""
        weight = weight * self.known[head]
        if not weight.any():
            return _UNDEFINED
        if head == "crisis":
            squares = (self.answers[head][:, 0] - self.crises) ** 2
        else:
            truth = np.eye(len(LABELS[head]))[np.maximum(self.labels[head], 0)]
            squares = ((self.answers[head] - truth) ** 2).sum(axis=1)
        return float(weight @ squares / weight.sum())

    def urgent_ap(self, weight: Floats) -> float:
        """Average precision of urgent posts by P(critical) + P(high)."""
        return self.graver.average_precision(self.urgent, weight * self.known["urgency"])

    def urgent_recall(self, share: float, weight: Floats) -> float:
        """The share of urgent posts in the first ``share`` of the queue."""
        return self.queue.recall_at(self.urgent, weight * self.known["urgency"], share)

    def order_cost(self, weight: Floats) -> float:
        """What the queue's order costs, 0 for the best possible and 1 for a random one."""
        waiting, known = self.priced
        return self.queue.cost(waiting, weight * known)

    def crisis_ap(self, weight: Floats) -> float:
        """Average precision of crises by P(crisis)."""
        return self.riskier.average_precision(self.crises, weight * self.known["crisis"])

    def crisis_recall(self, weight: Floats) -> float:
        """The share of crises that come above the queue."""
        weight = weight * self.crises
        return float(weight @ self.said["crisis"] / weight.sum()) if weight.any() else _UNDEFINED


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure with the name it has in manifests, floors and reports; ``of`` gives it for weights (n,)."""

    name: str
    title: str
    of: Callable[[Judged, Floats], float]
    rises: bool = True

    def gain(self, ours: float, theirs: float) -> float:
        """By how much the first is better."""
        return ours - theirs if self.rises else theirs - ours


METRICS = (
    Metric(name="sentiment_f1", title="sentiment macro-F1", of=lambda judged, weight: judged.macro_f1("sentiment", weight)),
    Metric(name="sentiment_recall", title="sentiment macro-recall", of=lambda j, weight: j.macro_recall("sentiment", weight)),
    Metric(name="category_f1", title="category macro-F1", of=lambda judged, weight: judged.macro_f1("category", weight)),
    Metric(name="complaint_f1", title="complaint F1", of=lambda judged, weight: judged.f1("category", _COMPLAINT, weight)),
    Metric(name="urgency_f1", title="urgency macro-F1", of=lambda judged, weight: judged.macro_f1("urgency", weight)),
    Metric(name="urgent_ap", title="urgent: average precision", of=Judged.urgent_ap),
    Metric(name="urgent_recall_5", title="urgent in the first 5 %", of=lambda judged, weight: judged.urgent_recall(0.05, weight)),
    Metric(name="urgent_recall_10", title="urgent in the first 10 %", of=lambda judged, weight: judged.urgent_recall(0.1, weight)),
    Metric(name="urgent_recall_20", title="urgent in the first 20 %", of=lambda judged, weight: judged.urgent_recall(0.2, weight)),
    Metric(name="urgent_recall_30", title="urgent in the first 30 %", of=lambda judged, weight: judged.urgent_recall(0.3, weight)),
    Metric(name="order_cost", title="cost of the order (0 best, 1 random)", of=Judged.order_cost, rises=False),
    Metric(name="crisis_ap", title="crisis: average precision", of=Judged.crisis_ap),
    Metric(name="crisis_recall", title=f"crisis: recall at {CRISIS_LANE}", of=Judged.crisis_recall),
    Metric(name="sentiment_gap", title="sentiment: calibration error", of=lambda j, w: j.scale("sentiment", w).error, rises=False),
    Metric(name="category_gap", title="category: calibration error", of=lambda j, w: j.scale("category", w).error, rises=False),
    Metric(name="urgency_gap", title="urgency: calibration error", of=lambda j, w: j.scale("urgency", w).error, rises=False),
    Metric(name="crisis_gap", title="crisis: calibration error", of=lambda j, w: j.scale("crisis", w).error, rises=False),
)  # fmt: skip
NAMED = {metric.name: metric for metric in METRICS}
