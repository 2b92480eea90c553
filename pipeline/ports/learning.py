"""What learning needs: the log of labels, and the versions of the models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pipeline.domain import Label, Labelled, ModelVersion, Promotion, Shadow
from pipeline.ports.understanding import Classifier


class Labels(Protocol):
    """What people say of mentions: a log that only grows."""

    def add_labels(self, labels: Sequence[Label]) -> None:
        """Add to the log; those whose ids are known change nothing."""

    def labels_of(self, mentions: Iterable[str]) -> dict[str, list[Label]]:
        """All labels of each of these mentions, oldest first; mentions without any are left out."""

    def labels(self, *, after: str = "", limit: int = 1000) -> list[Label]:
        """The log from the id ``after`` on (see ``domain.labels_from``), oldest first."""


class Models(Protocol):
    """The versions of the models, which of them is live, and their training. All raise ``ModelRefused`` for a version that
    is not there or is broken, or a place that cannot be read or written."""

    def versions(self) -> list[ModelVersion]:
        """All versions, the shipped one first, then by name."""

    def version(self, name: str) -> ModelVersion:
        """One version by its name."""

    def add(self, folder: Path) -> ModelVersion:
        """Keep the model in a folder as a version; raises ``ModelRefused`` for a name that is taken."""

    def refusals(self, name: str) -> tuple[str, ...]:
        """Why a version may not go live by itself, a line each; one that is not from own labels is held to the floors now."""

    def live(self) -> str:
        """The name of the version that answers."""

    def previous(self) -> str | None:
        """The version that answered before the live one; ``None`` where there was no other."""

    def promotions(self) -> Sequence[Promotion]:
        """Who made which version live and why, oldest first."""

    def promote(self, name: str, *, who: str, why: str, at: datetime, override: str = "") -> Promotion:
        """Make a version the live one in one step; one that cannot be loaded is refused, and the live one stays."""

    def load(self, name: str) -> Classifier:
        """A version, its digests checked."""

    def classifier(self) -> Classifier:
        """The live version, loaded once; a version that cannot be loaded does not take the place of one that is."""

    def train(
        self,
        labelled: Sequence[Labelled],
        anchors: Sequence[tuple[str, str]],
        *,
        name: str,
        at: datetime,
        progress: Callable[[str, float], None],
    ) -> ModelVersion:
        """A new version from own labels; ``anchors`` are (text, language) of posts that nobody labelled.

        Raises ``ConfigError`` where there is nothing to learn from.
        """

    def keep_shadow(self, shadow: Shadow) -> None:
        """Keep what a candidate would have said of live posts, in place of what was found before."""

    def shadow(self, name: str) -> Shadow | None:
        """What a version would have said of live posts, if that was looked at."""
