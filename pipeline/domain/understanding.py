"""What was said, by whom, and what the models and rules make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Category(StrEnum):
    """What the author is doing."""

    COMPLAINT = "complaint"
    REQUEST = "request"
    QUESTION = "question"
    PRAISE = "praise"
    SUGGESTION = "suggestion"
    NEWS = "news"
    CHATTER = "chatter"
    SPAM = "spam"


class Sentiment(StrEnum):
    """How the author feels toward the brand."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Urgency(StrEnum):
    """How soon somebody must act, most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote a mention; ``id`` is '<source>:<native id or handle>'."""

    id: str
    handle: str
    name: str = ""
    followers: int | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One public post that matched a query. ``fold`` is the id of the original it repeats, ``None`` for an original."""

    id: str
    source: str
    query: str
    brand: str
    author: Author
    text: str
    posted_at: datetime
    collected_at: datetime
    language: str = "und"
    url: str | None = None
    conversation: str = ""
    in_reply_to: str | None = None
    repost_of: str | None = None
    tagged: bool = False
    own: bool = False
    fold: str | None = None
    likes: int = 0
    reposts: int = 0
    replies: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A floor rule that fired: it may raise urgency, never lower it; ``words`` as the author wrote them."""

    rule: str
    urgency: Urgency
    crisis: bool
    words: str

    @property
    def grave(self) -> bool:
        """Whether it opens an incident by itself: a danger, and one that cannot wait."""
        return self.crisis and self.urgency is Urgency.CRITICAL


WHOLE_POST = "the post as a whole"
"""What a signal rests on where what a post means, and no word of it alone, is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One named reason with its weight 0..1 and the words behind it."""

    name: str
    value: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the classifiers and rules say of one mention; probabilities keyed by the enums' values."""

    sentiment: Mapping[str, float]
    category: Mapping[str, float]
    urgency: Mapping[str, float]
    crisis: float
    rules: tuple[Hit, ...] = ()
    signals: tuple[Signal, ...] = ()
    model: str = ""
    degraded: bool = False

    @property
    def sentiment_label(self) -> Sentiment:
        """The likeliest sentiment."""
        return _SENTIMENTS[max(self.sentiment, key=self.sentiment.__getitem__)]

    @property
    def category_label(self) -> Category:
        """The likeliest category."""
        return _CATEGORIES[max(self.category, key=self.category.__getitem__)]

    @property
    def urgency_label(self) -> Urgency:
        """The likeliest urgency, raised by the floor rules that fired."""
        likeliest = _URGENCIES[max(self.urgency, key=self.urgency.__getitem__)]
        if not self.rules:
            return likeliest
        return min(likeliest, *(hit.urgency for hit in self.rules), key=_MOST_URGENT_FIRST.__getitem__)


# An enum's own look-up by value is slow enough to show in a batch.
_SENTIMENTS = {str(each): each for each in Sentiment}
_CATEGORIES = {str(each): each for each in Category}
_URGENCIES = {str(each): each for each in Urgency}
_MOST_URGENT_FIRST = {each: place for place, each in enumerate(Urgency)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One factor of a number a person sees: its name, its value, and why it has it."""

    name: str
    value: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredMention:
    """A mention with its score, as it is indexed."""

    mention: Mention
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """The posts of a long conversation that decide its ticket, oldest first, and counts over all of its posts.

    ``people`` are the authors but the brand's own, ``waiting`` the posts that wait (spam left out), ``folded`` and
    ``folded_people`` the reposts and near-duplicates of its posts.
    """

    mentions: tuple[ScoredMention, ...]
    posts: int
    people: int
    waiting: int
    folded: int = 0
    folded_people: int = 0
