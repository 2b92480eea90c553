"""What people teach: labels, the models that were trained from them, and where two models disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

from pipeline.domain.understanding import Category, Sentiment, Urgency


class Head(StrEnum):
    """A question that the models answer of every post."""

    CATEGORY = "category"
    URGENCY = "urgency"
    CRISIS = "crisis"
    SENTIMENT = "sentiment"


YES, NO = "yes", "no"
"""The answers to whether a post could become a crisis."""

ANSWERS: Mapping[Head, tuple[str, ...]] = {
    Head.CATEGORY: tuple(Category),
    Head.URGENCY: tuple(Urgency),
    Head.CRISIS: (YES, NO),
    Head.SENTIMENT: tuple(Sentiment),
}
"""What may be answered to each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a person says of a mention under one head, and what which model had said; ``value`` ``None`` withdraws it.

    Labels are only ever added: the newest of a mention and head stands. Ids are in the order of ``at``.
    """

    id: str
    mention: str
    head: Head
    value: str | None
    who: str
    at: datetime
    model: str
    said: str
    language: str = "und"

    @property
    def agrees(self) -> bool:
        """Whether the model had said so already."""
        return self.value == self.said


def label_id(mention: str, head: Head, who: str, *, at: datetime) -> str:
    """The id of what somebody says at a moment: saying it twice is saying it once."""
    digest = blake2b(f"{mention}\n{head}\n{who}".encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f"{labels_from(at)}-{digest}"


def labels_from(at: datetime) -> str:
    """What comes before the id of every label from that moment on, and after those of all earlier ones."""
    return f"{at:%Y%m%dT%H%M%S.%f}"
