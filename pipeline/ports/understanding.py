"""What understanding needs: a classifier and the store of mentions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from numpy import float64
from numpy.typing import NDArray

from pipeline.domain import Excerpt, Facets, Filters, ScoredMention


class FloorHit(Protocol):
    """A floor rule that fired (see ``domain.Hit``), as a classifier gives it."""

    @property
    def rule(self) -> str: ...
    @property
    def urgency(self) -> str: ...
    @property
    def crisis(self) -> bool: ...
    @property
    def words(self) -> str: ...


class WordReason(Protocol):
    """The words behind one head's label and their weight."""

    @property
    def head(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def weight(self) -> float: ...


class Classified(Protocol):
    """Probabilities of n texts, rows in their order, columns in the order of the domain's enums."""

    @property
    def sentiment(self) -> NDArray[float64]: ...
    @property
    def category(self) -> NDArray[float64]: ...
    @property
    def urgency(self) -> NDArray[float64]: ...
    @property
    def crisis(self) -> NDArray[float64]: ...
    @property
    def rules(self) -> Sequence[Sequence[FloorHit]]: ...


class Classifier(Protocol):
    """A trained model: texts in, calibrated probabilities and reasons out."""

    @property
    def version(self) -> str: ...

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Classified, Sequence[Sequence[WordReason]]]:
        """Probabilities of raw texts, same length and order, and the strongest words or rules behind each text's scores,
        strongest first. Both at once, because reading the texts is most of the work."""


class Mentions(Protocol):
    """Indexed mentions with their scores."""

    def add_mentions(self, mentions: Sequence[ScoredMention], sketches: Mapping[str, Sequence[int]]) -> list[str]:
        """Index mentions once each, with the fold bands of each id; returns the ids that were new."""

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are indexed already."""

    def fold_candidates(self, bands: Iterable[int], *, since: datetime) -> dict[int, list[tuple[str, str]]]:
        """Originals (id, text) by band that share it, posted at or after ``since``; of many at least the 50 oldest."""

    def conversations_of(self, ids: Iterable[str]) -> dict[str, str]:
        """The conversation of each mention id that is indexed."""

    def move_conversation(self, old: str, new: str) -> None:
        """Re-root a conversation whose start turned out to be a reply; its ticket goes along."""

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """How many mentions each conversation holds; those that hold none are left out."""

    def conversations(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """All mentions of each conversation, oldest first; for those that ``sizes`` tells are short."""

    def conversation(self, conversation: str, *, limit: int, offset: int = 0) -> list[ScoredMention]:
        """At most ``limit`` mentions of one conversation, oldest first, that end ``offset`` mentions before its last."""

    def excerpt(
        self,
        conversation: str,
        *,
        newest: int,
        gravest: int,
        handled: datetime | None = None,
        done_before: datetime | None = None,
    ) -> Excerpt:
        """What ranks a conversation of any length: its first and last post, the brand's first and last answer, the
        ``newest`` posts, and of those that wait the first posted, the last heard and the ``gravest``.

        A post waits when it is not the brand's own, was posted after the brand's last answer and not before
        ``done_before``, and was heard after ``handled`` (see ``prioritise``). The gravest have a critical rule or the
        highest P(crisis). Raises ``NotFound`` when the conversation holds nothing.
        """

    def mention(self, mention_id: str) -> ScoredMention:
        """One mention; raises ``NotFound``."""

    def folded_counts(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """How many reposts and near-duplicates each mention has, and by how many people; those without any are left out."""

    def search(self, text: str, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[ScoredMention]:
        """Mentions holding every word (any form), every "phrase" and no -excluded one, newest first.

        An empty text lists all. Raises ``ConfigError`` for a search that holds only exclusions.
        """

    def facets(self, text: str, filters: Filters, *, zone: tzinfo) -> Facets:
        """How many mentions ``search`` finds and how they spread over what people filter by; days are those of ``zone``."""

    def author_history(self, author_id: str, *, limit: int = 20) -> list[ScoredMention]:
        """What this author wrote before, newest first."""

    def contacts(self, began: Mapping[str, datetime], *, window: timedelta) -> dict[str, int]:
        """How many conversations each author (id -> when the one at hand began) has begun in the window up to it."""
