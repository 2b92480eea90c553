"""What people do about it: tickets, their rank in the queue, and their history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.domain.teams import Share
from pipeline.domain.understanding import Category, Mention, Part, Score, Sentiment, Urgency


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


QUEUE_STEP = 0.05
"""Nats between two levels of ``Rank.level``: costs within 5 % of each other are one level, ordered by ``due_at``."""

QUEUE_PATIENCE_MINUTES = 40.0
"""K of Apparent Tardiness Cost: how far ahead of its ``due_at`` a ticket's cost of waiting has fallen by a factor e."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The work a conversation makes; its id is the conversation's, so there can be only one.

    ``mention`` is the post that ranks it, ``waiting_since`` the first post nobody has answered (``None``: nothing waits),
    ``team`` the one that a person gave it to (``None``: the rules say). A ticket that is ``merged_into`` another since
    ``merged_at`` waits in that one, which names it in ``merged``; ``unsettled`` is the one still to be ranked with it, or
    without it. ``heard_at`` is when the newest waiting post was heard: what a person has done before that was not about
    it. Of a draft only.
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
    team: str | None = None
    merged_into: str | None = None
    merged_at: datetime | None = None
    merged: tuple[str, ...] = ()
    unsettled: str | None = None
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

    def lapsed(self, now: datetime) -> str | None:
        """Whose claim has lapsed with nobody else's after it."""
        return None if self.holder(now) else self.claimed_by

    def breached(self, now: datetime) -> bool:
        """Whether respond-by passed without a response; what waits is judged by its own, however it went before."""
        responded = None if self.waiting_since is not None and self.resolved_at is None else self.responded_at
        return (responded or now) > self.rank.respond_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which tickets or mentions a person looks at; ``None`` means all.

    ``holder``, ``free``, ``breached`` (waiting past respond-by), ``shares`` (of any of these teams) and ``languages`` (one
    of those that somebody speaks) are of tickets, what stands below them is of mentions: posted from ``since`` on, before ``until``.
    """

    brand: str | None = None
    source: str | None = None
    language: str | None = None
    category: Category | None = None
    holder: str | None = None
    free: bool = False
    breached: bool = False
    shares: tuple[Share, ...] = ()
    languages: tuple[str, ...] = ()
    sentiment: Sentiment | None = None
    urgency: Urgency | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """One row of the queue: the ticket, the mention that ranks it, its score."""

    ticket: Ticket
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
    HANDED_OVER = "handed over"
    ASSIGNED = "assigned"
    MERGED = "merged"


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
