"""Versions of models in memory, for whatever works with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.domain import Head, Labelled, ModelVersion, Promotion, Shadow, Tally, Trial
from pipeline.errors import ModelRefused
from tests.fakes import MarkedClassifier


class VersionsInMemory:
    """``ports.Models`` in memory: a training keeps what it was given, a version says what it is told to."""

    def __init__(self, failures: tuple[str, ...] = ()) -> None:
        self.failures = failures
        self.made = [ModelVersion(name="starter")]
        self.log: list[Promotion] = []
        self.shadows: dict[str, Shadow] = {}
        self.taught: list[Labelled] = []
        self.anchors: list[tuple[str, str]] = []

    def versions(self) -> list[ModelVersion]:
        return self.made

    def version(self, name: str) -> ModelVersion:
        for each in self.made:
            if each.name == name:
                return each
        raise ModelRefused(f"no model {name!r}")

    def add(self, folder: Path) -> ModelVersion:
        self.made.append(ModelVersion(name=folder.name))
        return self.made[-1]

    def refusals(self, name: str) -> tuple[str, ...]:
        trial = self.version(name).trial
        return trial.failures if trial else ()

    def live(self) -> str:
        return self.log[-1].version if self.log else "starter"

    def previous(self) -> str | None:
        names = ["starter", *(each.version for each in self.log)]
        return next((name for name in reversed(names) if name != self.live()), None)

    def promotions(self) -> Sequence[Promotion]:
        return self.log

    def promote(self, name: str, *, who: str, why: str, at: datetime, override: str = "") -> Promotion:
        self.log.append(Promotion(version=name, who=who, why=why, at=at, override=override))
        return self.log[-1]

    def load(self, name: str) -> Any:
        classifier = MarkedClassifier()
        if name != "starter":  # it takes a question for a shout
            classifier.explain = lambda texts, languages: [[] for _ in texts]
            classify = classifier.classify
            classifier.classify = lambda texts, languages: classify(
                [text.replace("?", "!!!") for text in texts], languages
            )
        return classifier

    def classifier(self) -> Any:
        return self.load(self.live())

    def train(
        self, labelled: Sequence[Labelled], anchors: Sequence[tuple[str, str]], *, name: str, at: datetime,
        progress: Callable[[str, float], None],
    ) -> ModelVersion:  # fmt: skip
        self.taught, self.anchors = list(labelled), list(anchors)
        answers = {each.mention: {str(head): value for head, value in each.answers.items()} for each in labelled}
        trial = Trial(
            posts=len(labelled),
            anchors=len(anchors),
            heads=tuple(Tally(name=head, labels=4, base=2, own=3) for head in Head),
            languages=(),
            kept=tuple(Tally(name=head, labels=2160, base=2000, own=2001) for head in Head),
            answers=answers,
            failures=self.failures,
        )
        self.made.append(ModelVersion(name=name, base="starter", made_at=at, trial=trial))
        return self.made[-1]

    def keep_shadow(self, shadow: Shadow) -> None:
        self.shadows[shadow.candidate] = shadow

    def shadow(self, name: str) -> Shadow | None:
        return self.shadows.get(name)
