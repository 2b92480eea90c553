"""Reads sources so that provably nothing is lost.

A timeline is walked from its newest post back to the watermark. After each page, one write saves the watermark *and* the
gap that is still unread below the page, so at every moment a post is older than the watermark and landed, inside an open
gap, or newer than the watermark. A crash repeats a page. A log is read on from its watermark and needs no gaps.
Records are landed as they came before anything is saved, and understood later (``parse_batch``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pipeline.domain import Batch, Cursor, DeadLetter, Gap, Mention, Page, Query, Raw, Window
from pipeline.errors import BadRecord, SourceRefused, StoreRefused, StoreUnavailable, TocsinError, Transient
from pipeline.ports import Landing, Progress, Source
from pipeline.query import Matcher

EARLIEST = datetime(2006, 1, 1, tzinfo=UTC)  # before the networks we listen to
AHEAD = timedelta(days=1)  # a clock may be wrong by a time zone, not by more
INTERRUPTED = "reading was interrupted"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # no store keeps one, and an id cannot be mended


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one run of one query at one source did. ``waiting_until``: the source asked to be left alone until then."""

    source: str
    query: str
    pages: int = 0
    records: int = 0
    batches: int = 0
    gaps_opened: int = 0
    gaps_closed: int = 0
    gaps_lost: int = 0
    waiting_until: datetime | None = None


def collect(
    source: Source, query: Query, *, store: Progress, landing: Landing, pages: int, now: Callable[[], datetime]
) -> Collected:
    """Read what is new, newest first, then refill gaps, oldest first, with at most ``pages`` fetches.

    Raises what the source or the landing zone raises, after saving what has been read and why it ended.
    """
    reading = _Reading(source, query, store=store, landing=landing, pages=pages, now=now)
    if reading.cursor.retry_at is not None and reading.cursor.retry_at > now():
        return replace(reading.done, waiting_until=reading.cursor.retry_at)
    try:
        if source.order == "oldest first":
            reading.read_on()
        else:
            reading.walk_back()
    except TocsinError as error:
        reading.failed(error)
        raise
    reading.succeeded()
    return reading.done


class _Reading:
    """One run: its cursor, its budget, and the gap it is in."""

    def __init__(
        self,
        source: Source,
        query: Query,
        *,
        store: Progress,
        landing: Landing,
        pages: int,
        now: Callable[[], datetime],
    ) -> None:
        self._source, self._query, self._store, self._landing, self._now = source, query, store, landing, now
        self._pages = self._left = pages
        self._gap: Gap | None = None
        self.cursor = store.cursor(source.name, query.name)
        self.done = Collected(source=source.name, query=query.name)

    # --- logs -------------------------------------------------------------------------------------------------------

    def read_on(self) -> None:
        """Read a log from its watermark on."""
        while self._left:
            page = self._fetch(Window(newer_than=self.cursor.watermark))
            batch = self._land(page)
            before = self.cursor.watermark
            lost = self._lost(page, before, since=self.cursor.watermark_at, until=page.oldest_at)
            self._save(page, watermark=page, gaps=lost, batch=batch)
            if page.next_token is None:
                return
            if self.cursor.watermark == before:
                raise SourceRefused(self._loop(page.next_token))

    # --- timelines --------------------------------------------------------------------------------------------------

    def walk_back(self) -> None:
        """The head first, with two thirds of the budget while gaps wait, then the gaps."""
        waiting = self._store.gaps(self._source.name, self._query.name)
        reserved = -(-self._pages // 3) if waiting else 0
        if waiting and self._pages == 1:  # of one page the head would leave nothing, ever
            self._left = 2
        self._walk_head(max(1, self._pages - reserved))
        while self._left and (gaps := self._store.gaps(self._source.name, self._query.name)):
            self._walk_gap(gaps[0])

    def _walk_head(self, budget: int) -> None:
        """From the newest post back to the watermark. The first page with posts moves it, together with the gap below."""
        base, window = self.cursor, Window(newer_than=self.cursor.watermark)
        seen: set[tuple[str, str]] = set()
        for _ in range(budget):
            page = self._fetch(window)
            batch = self._land(page)
            lost = self._lost(page, base.watermark, since=base.watermark_at, until=page.oldest_at)
            first = self._gap is None and page.newest is not None and self.cursor.watermark == base.watermark
            gap = self._below(page, base) if first else self._shrunk(page)
            self._save(page, watermark=page if first else None, gaps=[*lost, *([gap] if gap else [])], batch=batch)
            self._gap = gap if gap is not None and gap.open else None
            if page.next_token is None:
                return
            window = replace(window, token=self._fresh(page, page.next_token, seen))
        self._out_of_budget()

    def _walk_gap(self, gap: Gap) -> None:
        """From the top of a gap down to its bottom."""
        self._gap = gap
        window = Window(newer_than=gap.newer_than, older_than=gap.older_than)
        seen: set[tuple[str, str]] = set()
        while self._left:
            page = self._fetch(window)
            batch = self._land(page)
            if page.lost is not None and page.next_token is None and not page.records:
                shrunk = replace(gap, lost_at=self._now(), reason=page.lost)
                self._count(gaps_lost=1)
                self._save(page, gaps=[shrunk], batch=batch)
                self._gap = None
                return
            lost = self._lost(page, gap.newer_than, since=gap.since, until=page.oldest_at)
            after = self._shrunk(page)
            self._save(page, gaps=[*lost, *([after] if after else [])], batch=batch)
            if page.next_token is None:
                self._gap = None
                return
            self._gap = after or self._gap
            window = replace(window, token=self._fresh(page, page.next_token, seen))
        self._out_of_budget()

    def _below(self, page: Page, base: Cursor) -> Gap | None:
        """The gap that the head's first page leaves below it, down to the old watermark."""
        if page.next_token is None or page.oldest is None:
            return None
        self._count(gaps_opened=1)
        newer_than = base.watermark if base.watermark is not None else page.floor
        return Gap(
            id=_digest(self._source.name, self._query.name, newer_than or "", self._now().isoformat()),
            source=self._source.name,
            query=self._query.name,
            newer_than=newer_than,
            older_than=page.oldest,
            since=base.watermark_at,
            until=page.oldest_at,
            reason=INTERRUPTED,
            opened_at=self._now(),
        )

    def _shrunk(self, page: Page) -> Gap | None:
        """The gap we are in after one more of its pages; closed when it has been read to its end."""
        if self._gap is None:
            return None
        if page.next_token is None:
            self._count(gaps_closed=1)
            return replace(self._gap, closed_at=self._now())
        if page.oldest is None:
            return self._gap
        return replace(self._gap, older_than=page.oldest, until=page.oldest_at)

    def _lost(self, page: Page, newer_than: str | None, *, since: datetime | None, until: datetime | None) -> list[Gap]:
        """What the source says it will never give again, as a gap that is lost; the same one however often it says so."""
        if page.lost is None:
            return []
        self._count(gaps_lost=1)
        at = self._now()
        return [
            Gap(
                id=_digest(self._source.name, self._query.name, newer_than or "", "lost"),
                source=self._source.name,
                query=self._query.name,
                newer_than=newer_than,
                older_than=page.oldest or "",
                since=since,
                until=until,
                reason=page.lost,
                opened_at=at,
                lost_at=at,
            )
        ]

    # --- steps ------------------------------------------------------------------------------------------------------

    def _fetch(self, window: Window) -> Page:
        self._left -= 1
        page = self._source.fetch(self._query, window, now=self._now())
        self._count(pages=1)
        return page

    def _land(self, page: Page) -> Batch | None:
        if not page.records:
            return None
        batch = self._landing.land(self._source.name, self._query.name, page.records, now=self._now())
        self._count(records=batch.count, batches=1)
        return batch

    def _save(
        self, page: Page, *, watermark: Page | None = None, gaps: Sequence[Gap] = (), batch: Batch | None = None
    ) -> None:
        """Cursor, gaps and batch in one write."""
        cursor = replace(self.cursor, tried_at=self._now())
        if watermark is not None and watermark.newest is not None:
            cursor = replace(cursor, watermark=watermark.newest, watermark_at=watermark.newest_at)
        if page.calls_left is not None:
            cursor = replace(cursor, calls_left=page.calls_left, calls_reset_at=page.calls_reset_at)
        self._store.save_progress(cursor, gaps=gaps, batch=batch)
        self.cursor = cursor

    def _fresh(self, page: Page, token: str, seen: set[tuple[str, str]]) -> str:
        """The token, unless a walk that has been there before would go on in circles."""
        marks = {("token", token)} | ({("oldest", page.oldest)} if page.oldest is not None else set())
        if marks & seen:
            raise SourceRefused(self._loop(token))
        seen |= marks
        return token

    def _loop(self, token: str) -> str:
        return (
            f"source {self._source.name!r}, query {self._query.name!r}: the page {_short(token)} came twice, so its pages"
            " have no end; what is unread stays a gap. Report it to the network, or take the source out for now"
        )

    def _out_of_budget(self) -> None:
        if self._gap is not None:
            reason = f"page budget of {self._pages} used"
            self._store.save_progress(self.cursor, gaps=[replace(self._gap, reason=reason)])
            self._gap = None

    def _count(self, **more: int) -> None:
        self.done = replace(self.done, **{name: getattr(self.done, name) + by for name, by in more.items()})

    # --- ends -------------------------------------------------------------------------------------------------------

    def succeeded(self) -> None:
        """Say so; what was wrong before no longer is."""
        at = self._now()
        cursor = replace(self.cursor, tried_at=at, succeeded_at=at, error=None, retry_at=None)
        self._store.save_progress(cursor)

    def failed(self, error: TocsinError) -> None:
        """Keep why it ended, with the gap it ended in."""
        retry_at = error.retry_at if isinstance(error, Transient) else None
        cursor = replace(self.cursor, tried_at=self._now(), error=str(error), retry_at=retry_at)
        gaps = [replace(self._gap, reason=str(error))] if self._gap is not None else []
        try:
            self._store.save_progress(cursor, gaps=gaps)
        except (StoreRefused, StoreUnavailable) as second:
            error.add_note(f"and this could not be saved: {second}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:20]


def _short(token: str) -> str:
    return token if len(token) <= 40 else f"{token[:40]}…"


# --- what was landed ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The mentions of one batch, what could not be understood, and how many records match no query of ours."""

    mentions: tuple[Mention, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()
    unmatched: int = 0


def parse_batch(source: Source, query: Query, records: Sequence[Raw | str], *, batch: Batch, now: datetime) -> Parsed:
    """Make mentions of a batch's records, each id once, and check each against the query by our own matcher.

    Searches find too much; a post passes that matches, is a brand's own, or answers a post of this batch that passed.
    """
    matcher = Matcher(query)
    mentions: dict[str, Mention] = {}
    letters: list[DeadLetter] = []
    doubtful: list[Mention] = []
    for position, raw in enumerate(records):
        try:
            mention = _parsed(source, query, raw, collected_at=batch.landed_at)
        except BadRecord as error:
            letters.append(_dead_letter(batch, position, raw, error.reason, now=now))
            continue
        found = matcher.match(mention.text, author_handle=mention.author.handle)
        own = mention.own or mention.author.handle.lower() in matcher.own_accounts
        mention = replace(mention, own=own, tagged=found is not None and found.tagged)
        if found is not None or own:
            mentions.setdefault(mention.id, mention)
        else:
            doubtful.append(mention)
    unmatched = 0
    for mention in sorted(doubtful, key=lambda mention: mention.posted_at):  # an answer may answer an answer
        if mention.in_reply_to in mentions:
            mentions.setdefault(mention.id, mention)
        else:
            unmatched += 1
    return Parsed(mentions=tuple(mentions.values()), dead_letters=tuple(letters), unmatched=unmatched)


def _parsed(source: Source, query: Query, raw: Raw | str, *, collected_at: datetime) -> Mention:
    if isinstance(raw, str):
        raise BadRecord("not a JSON object")
    return plausible(source.parse(raw, query, collected_at=collected_at))


def plausible(mention: Mention) -> Mention:
    """A mention that can be: not older than any network, not ahead of its collection, its ids whole; raises ``BadRecord``."""
    if mention.posted_at < EARLIEST:
        raise BadRecord(f"posted_at {mention.posted_at:%Y-%m-%d} is before any network of ours")
    if mention.posted_at > mention.collected_at + AHEAD:
        raise BadRecord(f"posted_at {mention.posted_at:%Y-%m-%d} is ahead of its collection")
    ids = (mention.id, mention.author.id, mention.url, mention.conversation, mention.in_reply_to, mention.repost_of)
    if any(_HALF_CHARACTER.search(each) for each in ids if each):
        raise BadRecord("an id holds half a character")
    return replace(mention, posted_at=min(mention.posted_at, mention.collected_at))


def _dead_letter(batch: Batch, position: int, raw: Raw | str, reason: str, *, now: datetime) -> DeadLetter:
    return DeadLetter(
        id=f"{batch.id}:{position}",
        source=batch.source,
        query=batch.query,
        batch=batch.id,
        reason=reason,
        raw=raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str),
        at=now,
    )
