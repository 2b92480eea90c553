"""How good answers are: per head, per language, and as an order of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

from models.outcome import CATEGORIES, HEADS, LABELS, Head, columns

Floats = NDArray[np.float64]
DEPTHS = (0.05, 0.10, 0.20, 0.30)
"""Shares of the queue within which urgent posts are looked for."""
CLASS_WEIGHTS = {"complaint": 5.0, "request": 3.0, "question": 2.0}
CRISIS_WEIGHT, OTHER_WEIGHT = 20.0, 0.2
URGENCY_FACTORS = (10.0, 8.0, 1.0, 0.1)
"""What waiting costs at each urgency, critical first; chosen for urgent recall at all four depths; larger ones change nothing."""
CRISIS_LANE = 0.35
"""P(crisis) from which a ticket stands above the queue, as the product's configuration has it by default."""


def probabilities(final: Floats) -> dict[Head, Floats]:
    """The probabilities of every head from final log odds (n, 16); crisis is (n, 1)."""
    found: dict[Head, Floats] = {}
    for head in HEADS:
        odds = final[:, columns(head)]
        if len(LABELS[head]) == 1:
            found[head] = 1 / (1 + np.exp(-odds))
        else:
            raised = np.exp(odds - odds.max(axis=1, keepdims=True))
            found[head] = raised / raised.sum(axis=1, keepdims=True)
    return found


def waiting_cost(answers: dict[Head, Floats], factors: Sequence[float] = URGENCY_FACTORS) -> Floats:
    """The expected cost of waiting of each post: class weights over crisis and category, times the expected urgency factor."""
    crisis = answers["crisis"][:, 0]
    weights = np.array([CLASS_WEIGHTS.get(category, OTHER_WEIGHT) for category in CATEGORIES])
    classes = crisis * CRISIS_WEIGHT + (1 - crisis) * (answers["category"] @ weights)
    cost: Floats = classes * (answers["urgency"] @ np.asarray(factors))
    return cost


def recall_at(order: Floats, wanted: NDArray[np.bool_], share: float) -> float:
    """The share of wanted posts among the first ``share`` of a queue sorted by ``order``, highest first."""
    if not wanted.any():
        return float("nan")
    first = np.argsort(-order, kind="stable")[: max(1, round(share * len(order)))]
    return float(wanted[first].sum() / wanted.sum())


def calibration_error(confidence: Floats, right: NDArray[np.bool_], *, bins: int = 10) -> float:
    """Expected calibration error: the mean gap between confidence and truth over equal-width bins (Naeini 2015)."""
    place = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    count = np.bincount(place, minlength=bins)
    gap = np.abs(np.bincount(place, confidence, bins) - np.bincount(place, right, bins))
    return float(gap.sum() / count.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The figures of one set of posts."""

    posts: int
    sentiment_f1: float
    category_f1: float
    complaint_f1: float
    urgency_f1: float
    urgent_ap: float
    urgent_recall: tuple[float, ...]
    crisis_ap: float
    crisis_recall: float
    sentiment_gap: float
    category_gap: float
    urgency_gap: float
    crisis_gap: float


def measure(answers: dict[Head, Floats], labels: dict[Head, NDArray[np.intp]]) -> Measured:
    """The figures of answers beside their labels; macro-F1 over the labels that occur."""

    def macro(head: Head) -> float:
        return float(
            f1_score(labels[head], answers[head].argmax(axis=1), average="macro", labels=np.unique(labels[head]))
        )

    def gap(head: Head) -> float:
        best = answers[head].argmax(axis=1)
        return calibration_error(answers[head].max(axis=1), best == labels[head])

    complaint = CATEGORIES.index("complaint")
    urgent = labels["urgency"] <= 1
    crisis = labels["crisis"] == 1
    cost = waiting_cost(answers)
    graver = answers["urgency"][:, :2].sum(axis=1)
    return Measured(
        posts=len(urgent),
        sentiment_f1=macro("sentiment"),
        category_f1=macro("category"),
        complaint_f1=float(
            f1_score(
                labels["category"] == complaint, answers["category"].argmax(axis=1) == complaint, zero_division=0.0
            )
        ),
        urgency_f1=macro("urgency"),
        urgent_ap=float(average_precision_score(urgent, graver)) if urgent.any() else float("nan"),
        urgent_recall=tuple(recall_at(cost, urgent, depth) for depth in DEPTHS),
        crisis_ap=float(average_precision_score(crisis, answers["crisis"][:, 0])) if crisis.any() else float("nan"),
        crisis_recall=float((answers["crisis"][crisis, 0] >= CRISIS_LANE).mean()) if crisis.any() else float("nan"),
        sentiment_gap=gap("sentiment"),
        category_gap=gap("category"),
        urgency_gap=gap("urgency"),
        crisis_gap=calibration_error(answers["crisis"][:, 0], crisis),
    )
