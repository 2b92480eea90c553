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


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A post that people labelled, as a training reads it: their answers by head."""

    mention: str
    text: str
    language: str
    conversation: str
    answers: Mapping[Head, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Right answers to the same questions, of a model and of the one it was made from."""

    name: str
    labels: int
    base: int
    own: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a training on own labels says of itself: labels held out by head and language, and the known corpus by head.

    ``answers`` are those to labelled posts it had not seen, by mention and head; ``failures`` why it may not go live.
    """

    posts: int
    anchors: int
    heads: tuple[Tally, ...]
    languages: tuple[Tally, ...]
    kept: tuple[Tally, ...]
    answers: Mapping[str, Mapping[str, str]]
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of the models; ``trial`` is ``None`` for those that were not made from own labels."""

    name: str
    base: str | None = None
    made_at: datetime | None = None
    rows: int = 0
    trial: Trial | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """When somebody made a version the live one, and why; ``override`` is why they did so though the gate had failed."""

    version: str
    who: str
    why: str
    at: datetime
    override: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A post of which two models say different things under a head."""

    mention: str
    head: Head
    live: str
    candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What a candidate would have said of the newest ``posts``, beside the model that was live."""

    candidate: str
    live: str
    at: datetime
    posts: int
    changes: tuple[Change, ...]
