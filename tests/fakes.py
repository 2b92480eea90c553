"""Hand-written fakes of the outside world: a source that tells a script, a classifier that reads marks, a moving clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from pipeline.domain import Author, Category, Mention, Notice, Page, Query, Raw, Sentiment, Urgency, Window
from pipeline.errors import BadRecord
from tests.factories import NOW


@dataclass
class Clock:
    """A clock that tests move."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def later(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        return self.at


@dataclass
class ScriptedSource:
    """A log of posts given as dictionaries: text, and at least an id; ``size`` posts a page."""

    name: str = "x"
    kind: str = "scripted"
    size: int = 10
    posts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def order(self) -> Literal["newest first", "oldest first"]:
        return "oldest first"

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        start = int(window.newer_than or 0)
        records = tuple(self.posts[start : start + self.size])
        end = start + len(records)
        return Page(
            records=records, newest=str(end), newest_at=now, next_token=str(end) if end < len(self.posts) else None
        )

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        if not isinstance(raw.get("text"), str):
            raise BadRecord("no text")
        values: dict[str, Any] = {"author": "ana", "at": collected_at.isoformat(), **raw}
        return Mention(
            id=f"{self.name}:{values['id']}",
            source=self.name,
            query=query.name,
            brand=query.brand,
            author=Author(id=f"{self.name}:{values['author']}", handle=values["author"]),
            text=values["text"],
            posted_at=datetime.fromisoformat(str(values["at"])),
            collected_at=collected_at,
            in_reply_to=f"{self.name}:{values['to']}" if "to" in values else None,
        )


class MarkedClassifier:
    """Judges by marks in the text: "!!!" is critical and grave, "!" high, "?" a question, else praise."""

    version = "marks-1"

    def __init__(self, rules: Mapping[str, tuple[str, str, bool]] | None = None) -> None:
        self.rules = rules or {}

    def classify_and_explain(self, texts: Sequence[str], languages: Sequence[str]) -> Any:
        return self.classify(texts, languages), self.explain(texts, languages)

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> Any:
        labels = [self._labels(text) for text in texts]
        return SimpleNamespace(
            sentiment=_rows(Sentiment, [label[0] for label in labels]),
            category=_rows(Category, [label[1] for label in labels]),
            urgency=_rows(Urgency, [label[2] for label in labels]),
            crisis=np.array([label[3] for label in labels], dtype=float),
            rules=[
                tuple(
                    SimpleNamespace(rule=rule, urgency=urgency, crisis=crisis, words=words)
                    for words, (rule, urgency, crisis) in self.rules.items()
                    if words in text
                )
                for text in texts
            ],
        )

    def explain(self, texts: Sequence[str], languages: Sequence[str]) -> Any:
        return [
            (SimpleNamespace(head="urgency", label=self._labels(text)[2], words=text.split()[-1], weight=0.5),)
            if text.split()
            else ()
            for text in texts
        ]

    @staticmethod
    def _labels(text: str) -> tuple[str, str, str, float]:
        if "!!!" in text:
            return "negative", "complaint", "critical", 0.9
        if "!" in text:
            return "negative", "complaint", "high", 0.05
        return ("neutral", "question", "normal", 0.01) if "?" in text else ("positive", "praise", "low", 0.0)


def _rows(kind: Any, labels: Sequence[str]) -> Any:
    values = [str(value) for value in kind]
    rows = np.full((len(labels), len(values)), 0.1 / (len(values) - 1))
    for row, label in zip(rows, labels, strict=True):
        row[values.index(label)] = 0.9
    return rows


@dataclass
class RecordingNotifier:
    """A channel that keeps what it was told."""

    name: str = "console"
    heard: list[Notice] = field(default_factory=list)

    def notify(self, notice: Notice) -> None:
        self.heard.append(notice)
