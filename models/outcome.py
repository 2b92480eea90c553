"""What a model says of a text: probabilities in a fixed order, the floor rules that fired, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

SENTIMENTS = ("negative", "neutral", "positive")
CATEGORIES = ("complaint", "request", "question", "praise", "suggestion", "news", "chatter", "spam")
URGENCIES = ("critical", "high", "normal", "low")

Head = Literal["sentiment", "category", "urgency", "crisis"]
LABELS: dict[Head, tuple[str, ...]] = {
    "sentiment": SENTIMENTS,
    "category": CATEGORIES,
    "urgency": URGENCIES,
    "crisis": ("crisis",),
}
HEADS: tuple[Head, ...] = ("sentiment", "category", "urgency", "crisis")
WIDTH = sum(map(len, LABELS.values()))
"""Numbers a text gets in all, head after head in the order of ``HEADS``."""


def columns(head: Head) -> slice:
    """Where a head's numbers stand in a row of ``WIDTH``."""
    start = sum(len(LABELS[before]) for before in HEADS[: HEADS.index(head)])
    return slice(start, start + len(LABELS[head]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A floor rule that fired, with the words that made it fire as their author wrote them."""

    rule: str
    urgency: Literal["critical", "high"]
    crisis: bool
    words: str


class Reason(NamedTuple):
    """Words or a rule that pulled a head towards a label, and how hard (nats). Five a post: a tuple is made soonest."""

    head: str
    label: str
    words: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """Calibrated probabilities of n texts, in the order they came; rows of a head sum to 1.

    ``sentiment`` (n, 3), ``category`` (n, 8) and ``urgency`` (n, 4) follow ``SENTIMENTS``, ``CATEGORIES`` and
    ``URGENCIES``; ``crisis`` (n,) is the probability that the post could become a public crisis.
    """

    sentiment: NDArray[np.float64]
    category: NDArray[np.float64]
    urgency: NDArray[np.float64]
    crisis: NDArray[np.float64]
    rules: tuple[tuple[Hit, ...], ...]
