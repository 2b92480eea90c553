"""What a person's labels make of a score: their answers in place of the model's, whatever stage asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pipeline.domain import (
    ANSWERS,
    NO,
    YES,
    Category,
    Head,
    Label,
    Score,
    ScoredMention,
    Sentiment,
    Signal,
    Urgency,
)
from pipeline.errors import ConfigError

SPAM = 0.79
"""How sure a person's "spam" is taken to be: less than ``prioritise.SPAM_CERTAIN``, above which a post makes no ticket. The
one they work on goes to the end of the queue and stays there until it is resolved, or the label undone."""

SAID_BY = "said by"
"""How the signal of a person's answer begins: its words are who gave it."""

_MOST_URGENT_FIRST = {urgency: place for place, urgency in enumerate(Urgency)}

Standing = Mapping[Head, Label]
"""The label that stands of each head."""


def standing(log: Iterable[Label]) -> dict[Head, Label]:
    """The newest label of each head, where it was not withdrawn; ``log`` is that of one mention, oldest first."""
    newest = {label.head: label for label in log}
    return {head: label for head, label in newest.items() if label.value is not None}


def before(log: Sequence[Label], label: Label) -> str | None:
    """What stood under the head of ``label`` before it: what an undo restores."""
    earlier = [each for each in log if each.head is label.head and each.id < label.id]
    return earlier[-1].value if earlier else None


def answer_of(score: Score, head: Head, *, lane: float) -> str:
    """What a model says under a head; a crisis at or above ``lane``, as the queue has it. Floor rules are not its own."""
    match head:
        case Head.CATEGORY:
            return score.category_label
        case Head.SENTIMENT:
            return score.sentiment_label
        case Head.URGENCY:
            return max(score.urgency, key=score.urgency.__getitem__)
        case Head.CRISIS:
            return YES if score.crisis >= lane else NO


def checked(head: str, value: str | None) -> tuple[Head, str | None]:
    """A head and an answer as a person wrote them; raises ``ConfigError``."""
    if head not in set(Head):
        raise ConfigError(f"no head {head!r}; label one of {', '.join(Head)}")
    known = ANSWERS[Head(head)]
    if value is not None and value not in known:
        raise ConfigError(f"{head} cannot be {value!r}; say one of {', '.join(known)}")
    return Head(head), value


def corrected(score: Score, said: Standing) -> Score:
    """The score with people's answers in place of the model's, each a certainty with a signal that names who gave it.

    A rule that a person has contradicted no longer counts: one of danger where they see none, one that raises urgency
    above what they say.
    """
    if not said:
        return score
    signals = [each for each in score.signals if each.name.partition(":")[0] not in set(said)]
    changes: dict[str, object] = {}
    rules = score.rules
    for head, label in said.items():
        assert label.value is not None  # it would not stand
        signals.append(Signal(name=f"{head}: {label.value}", value=1.0, because=f"{SAID_BY} {label.who}"))
        match head:
            case Head.CATEGORY:
                changes["category"] = _spam() if label.value == Category.SPAM else _certain(Category, label.value)
            case Head.SENTIMENT:
                changes["sentiment"] = _certain(Sentiment, label.value)
            case Head.URGENCY:
                changes["urgency"] = _certain(Urgency, label.value)
                least = _MOST_URGENT_FIRST[Urgency(label.value)]
                rules = tuple(hit for hit in rules if _MOST_URGENT_FIRST[hit.urgency] >= least)
            case Head.CRISIS:
                changes["crisis"] = 1.0 if label.value == YES else 0.0
                if label.value == NO:  # whatever is urgent without a danger stays so
                    rules = tuple(hit for hit in rules if not hit.crisis)
    return replace(score, signals=tuple(signals), rules=rules, **changes)  # type: ignore[arg-type]


def with_labels(items: Sequence[ScoredMention], said: Mapping[str, Sequence[Label]]) -> list[ScoredMention]:
    """Mentions with people's answers in place of the model's; ``said`` are the logs of those that have any."""
    return [
        replace(item, score=corrected(item.score, standing(said[item.mention.id]))) if item.mention.id in said else item
        for item in items
    ]


def _spam() -> dict[str, float]:
    return _certain(Category, Category.CHATTER) | {Category.SPAM: SPAM, Category.CHATTER: round(1 - SPAM, 2)}


def _certain(kind: type[Category | Sentiment | Urgency], value: str) -> dict[str, float]:
    return {str(each): float(each == value) for each in kind}
