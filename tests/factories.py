"""Small makers of domain objects: every field has a default, a test names only what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.domain import Author, Category, Hit, Incident, Mention, Score, ScoredMention, Sentiment, Signal, Urgency

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)  # a Wednesday, in business hours


def spread(kind: Any, label: str, p: float) -> dict[str, float]:
    """A distribution over an enum with ``p`` on one label and the rest shared."""
    rest = (1 - p) / (len(kind) - 1)
    return {str(value): p if value == label else rest for value in kind}


def mention(native: str = "1", text: str = "my brightly broke", **changes: Any) -> Mention:
    source = changes.pop("source", "x")
    handle = changes.pop("handle", "ana")
    followers = changes.pop("followers", None)
    values: dict[str, Any] = {
        "id": f"{source}:{native}",
        "source": source,
        "query": "brightly",
        "brand": "Brightly",
        "author": Author(id=f"{source}:{handle}", handle=handle, followers=followers),
        "text": text,
        "posted_at": NOW,
        "collected_at": NOW,
        "language": "en",
        "conversation": f"{source}:{native}",
    }
    return Mention(**values | changes)


def score(
    category: str = "complaint",
    urgency: str = "normal",
    crisis: float = 0.02,
    *,
    p: float = 0.9,
    sentiment: str = "negative",
    rules: tuple[Hit, ...] = (),
    signals: tuple[Signal, ...] = (),
    **changes: Any,
) -> Score:
    values: Mapping[str, Any] = {
        "sentiment": spread(Sentiment, sentiment, p),
        "category": spread(Category, category, p),
        "urgency": spread(Urgency, urgency, p),
        "crisis": crisis,
        "rules": rules,
        "signals": signals,
        "model": "test-1",
    }
    return Score(**{**values, **changes})


def scored(
    native: str = "1", text: str = "my brightly broke", *, given: Score | None = None, **changes: Any
) -> ScoredMention:
    return ScoredMention(mention=mention(native, text, **changes), score=given or score())


FIRE = Hit(rule="fire", urgency=Urgency.CRITICAL, crisis=True, words="caught fire")


def incident(**changes: Any) -> Incident:
    values: dict[str, Any] = {
        "id": "brightly-fire-20261125T100000",
        "brand": "Brightly",
        "cause": "fire",
        "title": "fire: caught fire",
        "rule": 'rule "fire"',
        "severity": 3,
        "parts": (),
        "opened_at": NOW,
        "last_at": NOW,
        "mentions": ("x:1",),
        "posts": 1,
        "people": 1,
    }
    return Incident(**values | changes)
