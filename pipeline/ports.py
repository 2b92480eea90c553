"""What the stages need from the outside world, as protocols; adapters in ``sources``, ``stores`` and ``notifiers`` fit them.

Every adapter raises errors of ``pipeline.errors`` only. Every write is idempotent: doing it twice is doing it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from numpy import float64
from numpy.typing import NDArray

from pipeline.domain import (
    Batch,
    Coverage,
    Cursor,
    DeadLetter,
    Event,
    EventKind,
    Excerpt,
    Filters,
    Gap,
    Incident,
    Mention,
    Month,
    Notice,
    Page,
    Query,
    QueueCounts,
    QueueItem,
    Raw,
    Record,
    Resolution,
    ScoredMention,
    Ticket,
    Window,
)

# --- sources --------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """A network or feed. ``order`` says how it pages: a timeline walks back, a log reads on."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def order(self) -> Literal["newest first", "oldest first"]: ...

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        """One page of the window, by one round of I/O, in the source's own order.

        Raises ``SourceRefused`` (a person must act), ``RateLimited`` or ``SourceUnavailable`` (try later).
        """

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        """The mention of one raw record, without I/O; raises ``BadRecord``. Language and fold are left to ``normalise``."""


class Landing(Protocol):
    """Where raw batches lie before anything else is done with them."""

    def land(self, source: str, query: str, records: Sequence[Raw], *, now: datetime) -> Batch:
        """Write the records durably and return their batch; raises ``StoreRefused`` (disk full, no permission)."""

    def read(self, batch: Batch) -> list[Raw | str]:
        """The records again, in order; a line that is no JSON object comes back as text. Raises ``StoreRefused``
        when the file is missing or does not match its digest."""

    def discard(self, batch: Batch) -> None:
        """Remove a batch's file for good; one that is gone already is no error. Raises ``StoreRefused``."""


# --- understanding --------------------------------------------------------------------------------------------------


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


# --- store ----------------------------------------------------------------------------------------------------------


class Progress(Protocol):
    """Cursors, gaps and batches: how far collection is."""

    def cursor(self, source: str, query: str) -> Cursor:
        """The cursor of one query at one source; an empty one before the first fetch."""

    def cursors(self) -> list[Cursor]:
        """All cursors, by source and query."""

    def gaps(self, source: str, query: str) -> list[Gap]:
        """Open gaps, oldest first."""

    def save_progress(self, cursor: Cursor, *, gaps: Iterable[Gap] = (), batch: Batch | None = None) -> None:
        """Save cursor, gaps (by id) and a landed batch together or not at all."""

    def pending_batches(self, limit: int = 100) -> list[Batch]:
        """Landed batches not triaged yet, oldest first."""

    def batch_triaged(self, batch: Batch, *, dead_letters: Iterable[DeadLetter] = ()) -> None:
        """Mark a batch as triaged with its counts, and keep its dead letters, in one write."""

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters."""

    def coverage(self, now: datetime) -> list[Coverage]:
        """What has been heard in the last 24 hours, per source and query."""


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

    def author_history(self, author_id: str, *, limit: int = 20) -> list[ScoredMention]:
        """What this author wrote before, newest first."""

    def contacts(self, began: Mapping[str, datetime], *, window: timedelta) -> dict[str, int]:
        """How many conversations each author (id -> when the one at hand began) has begun in the window up to it."""


class Tickets(Protocol):
    """The work, its queue and its claims."""

    def save_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Create tickets, or bring the machine's facts of existing ones up to date; people's facts are kept.

        People's facts: claim, answered_at, resolved_at, resolution. A post newer than ``resolved_at`` reopens.
        """

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket; raises ``NotFound``."""

    def tickets(self, ids: Iterable[str]) -> dict[str, Ticket]:
        """Those of the tickets that exist."""

    def queue(self, now: datetime, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[QueueItem]:
        """Waiting tickets, crisis lane first, then by the expected cost of waiting at ``now``."""

    def queue_counts(self, now: datetime, filters: Filters) -> QueueCounts:
        """How many wait, are overdue, stand in the crisis lane."""

    def claim(self, ticket_id: str, responder: str, *, until: datetime, now: datetime) -> Ticket:
        """Take or extend the lease by compare-and-set; raises ``AlreadyClaimed``, ``NotFound``."""

    def release(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Give the lease back; raises ``AlreadyClaimed`` when another holds it."""

    def answered(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Record that the responder has answered; nothing waits until the next post."""

    def resolve(
        self, ticket_id: str, responder: str, resolution: Resolution, *, note: str = "", now: datetime
    ) -> Ticket:
        """End the work; raises ``AlreadyClaimed`` when another holds it."""

    def reopen(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Take a resolution back."""

    def undo(self, event_id: int, responder: str, *, now: datetime) -> Ticket:
        """Restore the facts from before an event; raises ``AlreadyClaimed`` when another holds the ticket, and
        ``Conflict`` when a person changed it since."""


class Events(Protocol):
    """The append-only history."""

    def record(self, subject: str, kind: EventKind, actor: str, *, note: str = "", now: datetime) -> Event:
        """Add one line."""

    def events(self, subject: str) -> list[Event]:
        """The history of a ticket or incident, oldest first."""


class Incidents(Protocol):
    """Incidents, one per cause while it lasts."""

    def grave_mentions(self, *, since: datetime, crisis: float, limit: int = 500) -> list[ScoredMention]:
        """Originals posted and collected since then, with P(crisis) at or above ``crisis`` or a grave floor rule, that
        no incident holds yet, first heard first: a storm about one brand keeps no other waiting for good."""

    def incident_posts(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """The posts that each of these incidents holds, oldest first."""

    def open_incidents(self) -> list[Incident]:
        """Incidents that are not closed, worst first."""

    def incidents(self, *, limit: int = 50) -> list[Incident]:
        """All incidents, newest first."""

    def incident(self, incident_id: str) -> Incident:
        """One incident; raises ``NotFound``."""

    def save_incident(self, incident: Incident, *, event: Event | None = None) -> Incident:
        """Create (version 1) or update by compare-and-set on ``version``; raises ``Conflict``.

        ``event``, the line of history that says who did it, is recorded in the same write; its id is given by the store.
        """


class Notices(Protocol):
    """The notification log."""

    def add_notice(self, notice: Notice) -> bool:
        """Record a notice before it is sent; ``False`` when its id is known."""

    def due_notices(self, now: datetime, *, limit: int = 100) -> list[Notice]:
        """Notices neither sent nor failed whose ``retry_at`` is not ahead, oldest first, at most ``limit`` a channel."""

    def take_notice(self, notice: Notice, *, retry_at: datetime) -> Notice | None:
        """Count a try before it is made, by compare-and-set on ``attempts``; ``None`` when another took the notice.

        It is due again at ``retry_at`` unless an outcome is saved before.
        """

    def save_notice(self, notice: Notice) -> None:
        """Record the outcome of a try, unless another try has been counted since or the notice was sent."""

    def notices(self, group: str | None = None, *, limit: int = 100) -> list[Notice]:
        """The log, newest first."""


class Archive(Protocol):
    """Everything that a store keeps, to copy it out and in; a record is named by its kind and ``domain.key_of``."""

    def count(self, kind: type[Record]) -> int:
        """How many records of a kind there are."""

    def dump(self, kind: type[Record], *, after: str = "", limit: int = 1000) -> list[Record]:
        """The next records of a kind, whose keys come after ``after``, by key in the order of code points; empty at the end.

        Every record comes exactly once if nobody writes meanwhile.
        """

    def load(self, records: Sequence[Record], *, sketches: Mapping[str, Sequence[int]]) -> None:
        """Write records of one kind as they are, with people's facts, versions and event ids; replaces those of their keys.

        Nothing is merged, and no history is written. ``sketches`` are fold bands as ``add_mentions`` takes them. What is
        loaded can be read, searched and ranked once this returns. Raises ``StoreRefused`` for a record that contradicts
        another (a second open incident of one brand and cause).
        """


class Retention(Protocol):
    """Forgetting posts by calendar months of posting (UTC). ``before`` is the first moment of the first month to keep.

    A conversation goes whole or stays whole. It is needed while one of its posts is of ``before`` or later; while its
    ticket waits, or has been claimed, answered, resolved or reopened since then; while an open incident holds one of its
    posts; and while one of its posts repeats an original whose conversation is needed for one of these reasons.
    """

    def months(self, before: datetime) -> list[Month]:
        """The months that ended by then and hold mentions, oldest first: nothing is changed."""

    def forget(self, before: datetime) -> list[Month]:
        """Remove what is not needed, with its tickets and their history; the months as they were found.

        Interrupted, the next call goes on. Closed incidents and notices stay.
        """

    def spent_batches(self, before: datetime, *, limit: int = 100) -> list[Batch]:
        """Triaged batches that were landed before then, oldest first: their files are no longer needed."""

    def forget_batches(self, batches: Sequence[Batch]) -> None:
        """Remove batches, whose files are gone, and their dead letters."""


class Backups(Protocol):
    """Copies of a whole store; ``where`` is a file for SQLite, 'repository/snapshot' for Elasticsearch."""

    def backup(self, where: str, *, overwrite: bool = False) -> None:
        """Keep the store as it is at one moment while others write, and check the copy.

        Raises ``StoreRefused`` when there is one of that name and ``overwrite`` is not set.
        """

    def restore(self, where: str, *, overwrite: bool = False) -> None:
        """Put a backup in the place of all that the store holds, whole or not at all; others see it at once.

        Raises ``StoreRefused`` for one that is missing, damaged or of a newer Tocsin, and when the store holds anything
        and ``overwrite`` is not set.
        """


class Schema(Protocol):
    """How the store is laid out: of this Tocsin, or of an older one."""

    def outdated(self) -> list[str]:
        """What ``migrate`` would change, a line each; empty when there is nothing to do."""

    def migrate(self) -> None:
        """Bring an older layout up to date; may be interrupted and called again. Empty stores get theirs."""


class Store(Progress, Mentions, Tickets, Events, Incidents, Notices, Archive, Retention, Backups, Schema, Protocol):
    """All of it; ``version`` counts every change that the pages show, for live updates."""

    def change_count(self) -> int:
        """A number that grows with every change of mentions, tickets, incidents or notices."""

    def check(self) -> list[str]:
        """What is wrong with the store, each with its next step; empty when all is well."""

    def close(self) -> None:
        """Let go of files and connections."""


class Notifier(Protocol):
    """A way to reach people."""

    @property
    def name(self) -> str: ...

    def notify(self, notice: Notice) -> None:
        """Deliver once; raises ``ChannelRefused`` or ``ChannelUnavailable``."""
