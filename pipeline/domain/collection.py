"""What is listened for and how far it has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Raw = Mapping[str, object]
"""One record as a source gave it (JSON object)."""


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
