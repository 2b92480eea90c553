"""What learning needs: the log of labels, the trained versions, and a trainer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pipeline.domain import Label


class Labels(Protocol):
    """What people say of mentions: a log that only grows."""

    def add_labels(self, labels: Sequence[Label]) -> None:
        """Add to the log; those whose ids are known change nothing."""

    def labels_of(self, mentions: Iterable[str]) -> dict[str, list[Label]]:
        """All labels of each of these mentions, oldest first; mentions without any are left out."""

    def labels(self, *, after: str = "", limit: int = 1000) -> list[Label]:
        """The log from the id ``after`` on (see ``domain.labels_from``), oldest first."""
