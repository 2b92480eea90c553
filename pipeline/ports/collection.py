"""What collection needs of the world: networks, the landing zone, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

from pipeline.domain import Batch, Coverage, Cursor, DeadLetter, Gap, Mention, Page, Query, Raw, Window


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
