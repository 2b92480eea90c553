"""What can be said of a post with a click, and what the model and people said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain import ANSWERS, Head, Label, ScoredMention
from pipeline.labels import answer_of, standing
from pipeline.web.pages import Pages

_ASKED: Mapping[Head, str] = {
    Head.CATEGORY: "What is it?",
    Head.URGENCY: "How soon must somebody act?",
    Head.CRISIS: "Could it become a crisis?",
    Head.SENTIMENT: "How do they feel about the brand?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer that can be given with a click; the one that stands is taken back with it."""

    value: str
    stands: bool
    said: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One head of a post: what the model said, what a person said, and what can be said."""

    head: Head
    asked: str
    choices: tuple[Choice, ...]
    label: Label | None


def questions_of(pages: Pages, item: ScoredMention, log: Sequence[Label]) -> list[Question]:
    """What can be said of a post, head after head."""
    stands = standing(log)
    found = []
    for head, answers in ANSWERS.items():
        said = answer_of(item.score, head, lane=pages.config.weights.crisis_lane)
        label = stands.get(head)
        choices = tuple(
            Choice(value=value, stands=label is not None and label.value == value, said=value == said)
            for value in answers
        )
        found.append(Question(head=head, asked=_ASKED[head], choices=choices, label=label))
    return found
