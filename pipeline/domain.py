"""The nouns: what stages pass on and stores keep. Facts only; states are derived with ``now`` as an argument.

Datetimes are aware UTC, probabilities 0..1, ids "<source>:<native id>".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Raw = Mapping[str, object]
"""One record as a source gave it (JSON object)."""


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


class Priority(StrEnum):
    """What people see of a rank."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class Lane(StrEnum):
    """The crisis lane stands above the queue."""

    CRISIS = "crisis"
    QUEUE = "queue"


class Status(StrEnum):
    """Where a ticket is; derived by ``Ticket.status``, never stored."""

    OPEN = "open"
    CLAIMED = "claimed"
    ANSWERED = "answered"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """How a ticket ended."""

    ANSWERED = "answered"
    NO_ANSWER_NEEDED = "no answer needed"
    NOT_OURS = "not ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What we listen for: one of ``any``, every one of ``all``, none of ``none``; phrases have blanks in them."""

    name: str
    brand: str
    any: tuple[str, ...]
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    own_accounts: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


# --- collection ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What to read: strictly newer than one position, strictly older than another, from a page token on."""

    newer_than: str | None = None
    older_than: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a source: records, the positions at its ends, and whether more of the window is left.

    ``newest`` and ``oldest`` are positions owned by the source (only it compares them); ``None`` when the page is empty.
    ``next_token`` is ``None`` when the window is read to its end. ``floor`` is where a window without ``newer_than`` begins,
    so that what is left of it keeps its bottom. ``lost`` says why posts of the window can never be read.
    """

    records: tuple[Raw, ...] = ()
    newest: str | None = None
    oldest: str | None = None
    newest_at: datetime | None = None
    oldest_at: datetime | None = None
    next_token: str | None = None
    floor: str | None = None
    lost: str | None = None
    calls_left: int | None = None
    calls_reset_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far one query has been read at one source, and how the last try went."""

    source: str
    query: str
    watermark: str | None = None
    watermark_at: datetime | None = None
    tried_at: datetime | None = None
    succeeded_at: datetime | None = None
    error: str | None = None
    retry_at: datetime | None = None
    calls_left: int | None = None
    calls_reset_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An interval we know we have not read: newer than one position, older than another."""

    id: str
    source: str
    query: str
    newer_than: str | None
    older_than: str | None
    since: datetime | None
    until: datetime | None
    reason: str
    opened_at: datetime
    closed_at: datetime | None = None
    lost_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it still waits to be refilled."""
        return self.closed_at is None and self.lost_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Raw records landed by one fetch; ``path`` is relative to the landing zone, ``digest`` its file's sha256."""

    id: str
    source: str
    query: str
    path: str
    count: int
    digest: str
    landed_at: datetime
    triaged_at: datetime | None = None
    kept: int = 0
    unmatched: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A raw record that could not be made a mention, kept with its reason."""

    id: str
    source: str
    query: str
    batch: str
    reason: str
    raw: str
    at: datetime


# --- understanding ------------------------------------------------------------------------------------------------


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


QUEUE_STEP = 0.05
"""Nats between two levels of ``Rank.level``: costs within 5 % of each other are one level, ordered by ``due_at``."""

QUEUE_PATIENCE_MINUTES = 40.0
"""K of Apparent Tardiness Cost: how far ahead of its ``due_at`` a ticket's cost of waiting has fallen by a factor e."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One factor of a number a person sees: its name, its value, and why it has it."""

    name: str
    value: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Why a ticket stands where it stands. ``cost`` is W, the expected cost of waiting.

    ``level`` is ``log(W / handling minutes)`` in steps of ``prioritise.STEP`` nats; ``due_at`` is respond-by less the
    handling time. Inside one level the order by ``due_at`` is the order by cost, due or not, so neither number goes stale.
    """

    cost: float
    level: int
    due_at: datetime
    respond_by: datetime
    lane: Lane
    priority: Priority
    why: str
    parts: tuple[Part, ...] = ()
    handling_minutes: float = 6.0


# --- work -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The work a conversation makes; its id is the conversation's, so there can be only one.

    ``mention`` is the post that ranks it, ``waiting_since`` the first post nobody has answered (``None``: nothing waits),
    ``heard_at`` when the newest of those was heard: what a person has done before that was not about it. Of a draft only.
    """

    id: str
    brand: str
    source: str
    query: str
    mention: str
    author: str
    language: str
    category: Category
    urgency: Urgency
    sentiment: Sentiment
    crisis: float
    rank: Rank
    opened_at: datetime
    last_at: datetime
    waiting_since: datetime | None
    heard_at: datetime | None = None
    responded_at: datetime | None = None
    answered_at: datetime | None = None
    resolved_at: datetime | None = None
    resolution: Resolution | None = None
    reopened_at: datetime | None = None
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    posts: int = 1
    people: int = 1
    folded: int = 0
    version: int = 1

    def holder(self, now: datetime) -> str | None:
        """Who holds the claim, if it has not lapsed."""
        return self.claimed_by if self.claimed_until is not None and self.claimed_until > now else None

    def status(self, now: datetime) -> Status:
        """Where the ticket is at ``now``."""
        if self.resolved_at is not None:
            return Status.RESOLVED
        if self.waiting_since is None:
            return Status.ANSWERED
        return Status.CLAIMED if self.holder(now) else Status.OPEN

    def breached(self, now: datetime) -> bool:
        """Whether respond-by passed without a first response."""
        return (self.responded_at or now) > self.rank.respond_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which tickets or mentions a person looks at; ``None`` means all."""

    brand: str | None = None
    source: str | None = None
    language: str | None = None
    category: Category | None = None
    holder: str | None = None
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """One row of the queue: the ticket, the mention that ranks it, its score."""

    ticket: Ticket
    mention: Mention
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredMention:
    """A mention with its score, as it is indexed."""

    mention: Mention
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """The numbers over the queue."""

    waiting: int
    overdue: int
    crisis: int


class EventKind(StrEnum):
    """What happened to a ticket or incident, in the past tense people read."""

    OPENED = "opened"
    CLAIMED = "claimed"
    EXTENDED = "extended"
    RELEASED = "released"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    NOTED = "noted"
    UNDONE = "undone"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the append-only history; ``before`` holds the facts that an undo restores (JSON)."""

    id: int
    at: datetime
    actor: str
    kind: EventKind
    subject: str
    note: str = ""
    before: str | None = None
    undone: bool = False


# --- alarm ----------------------------------------------------------------------------------------------------------


class IncidentState(StrEnum):
    """Where an incident is; derived by ``Incident.state``, never stored."""

    OPEN = "open"
    GROWING = "growing"
    COOLING = "cooling"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A spike or a single grave post: one per cause. ``severity`` is 1..5 and printed with its ``parts``."""

    id: str
    brand: str
    cause: str
    title: str
    rule: str
    severity: int
    parts: tuple[Part, ...]
    opened_at: datetime
    last_at: datetime
    mentions: tuple[str, ...]
    posts: int
    people: int
    closed_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    version: int = 1

    def state(self, now: datetime) -> IncidentState:
        """Open; growing while posts keep coming; cooling after an hour of quiet; over once closed."""
        if self.closed_at is not None:
            return IncidentState.OVER
        quiet = (now - self.last_at).total_seconds()
        if quiet > 3600:
            return IncidentState.COOLING
        return IncidentState.GROWING if self.posts > 1 and quiet < 900 else IncidentState.OPEN


class Reason(StrEnum):
    """Why a notice is sent."""

    INCIDENT_OPENED = "incident opened"
    INCIDENT_GREW = "incident grew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to people. ``id`` is reason, group and channel, so the same notice is never written twice."""

    id: str
    reason: Reason
    group: str
    channel: str
    subject: str
    body: str
    severity: int
    created_at: datetime
    sent_at: datetime | None = None
    attempts: int = 0
    error: str | None = None
    retry_at: datetime | None = None
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What we have heard of one query at one source, and what not."""

    cursor: Cursor
    received: int
    received_by_hour: tuple[int, ...] = field(default=())
    lag_p50: float | None = None
    lag_p95: float | None = None
    open_gaps: tuple[Gap, ...] = ()
    closed_gaps: int = 0
    lost_gaps: int = 0
    pending_batches: int = 0
    dead_letters: int = 0
