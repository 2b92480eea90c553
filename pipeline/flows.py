"""The compositions: what happens to a post from the network to the notice, top to bottom.

``listen`` is collect, then triage of every landed batch; ``watch`` is detect, then escalate; ``keep`` forgets old months.
Each step can be run again after a crash at any point: batches stay pending until they are triaged, and every write is
idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pipeline import watching
from pipeline.alarms import Telling, record_notices, tell
from pipeline.collect import Collected, Parsed, collect, parse_batch
from pipeline.config import IMPORT, Config
from pipeline.domain import Batch, Mention, Month, Query, ScoredMention
from pipeline.errors import ConfigError, Permanent, StoreRefused, StoreUnavailable, TocsinError
from pipeline.escalation.links import Links
from pipeline.folds import fold, sketch, unfolded
from pipeline.imported import parse_import
from pipeline.index import (
    finished_originals,
    index_mentions,
    touched_conversations,
)
from pipeline.merging import finish_merges
from pipeline.normalise import normalise
from pipeline.ports import Classifier, Landing, Notifier, Source, Store
from pipeline.prioritise import REPEAT_WINDOW
from pipeline.ranking import rank_conversations
from pipeline.score import score
from pipeline.wording import counted

TRIAGE_SIZE = 1000  # mentions scored and written at once: large enough for the models, small enough for short writes

MOST_SPENT = 1000  # landed batches removed in one turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Tocsin:
    """The product, assembled by ``app``. ``classifier`` loads the model when it is first asked for.

    ``files`` makes a source of files to import: its name, their paths, and our names of their columns. ``links`` makes
    the links that acknowledge, ``heartbeat`` tells another service that ``watch`` lives.
    """

    config: Config
    store: Store
    landing: Landing
    sources: Mapping[str, Source]
    queries: Mapping[str, Query]
    classifier: Callable[[], Classifier]
    notifiers: Mapping[str, Notifier]
    clock: Callable[[], datetime]
    files: Callable[[str, Sequence[str], Mapping[str, str]], Source]
    links: Callable[[], Links] | None = None
    heartbeat: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Triaged:
    """What one triage did."""

    batches: int = 0
    mentions: int = 0
    new: int = 0
    unmatched: int = 0
    bad: int = 0
    tickets: int = 0
    refused: tuple[str, ...] = ()

    def __add__(self, other: Triaged) -> Triaged:
        """Both together."""
        return Triaged(
            batches=self.batches + other.batches,
            mentions=self.mentions + other.mentions,
            new=self.new + other.new,
            unmatched=self.unmatched + other.unmatched,
            bad=self.bad + other.bad,
            tickets=self.tickets + other.tickets,
            refused=self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one watch did."""

    incidents: int = 0
    notices: int = 0
    sent: int = 0
    unsent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlived:
    """What is older than is kept: posts by month as they were found, and landed batches (at most ``MOST_SPENT`` a look).

    ``before`` is the first moment that is kept, ``None`` where everything is.
    """

    before: datetime | None = None
    months: tuple[Month, ...] = ()
    batches: int = 0

    def told(self) -> dict[str, str]:
        """All of it in a person's words, a line a month."""
        if self.before is None:
            return {"kept": "everything, as [keep] months is not set"}
        lines = {"kept": f"everything from {self.before:%Y-%m-%d} on, and what is needed"}
        for month in self.months:
            gone = counted(month.mentions - month.needed, "mention")
            needed = f" ({month.needed:,} more still needed)" if month.needed else ""
            lines[f"{month.first:%Y-%m}"] = f"{gone}{needed}, {counted(month.tickets, 'ticket')}"
        if self.batches:
            lines["landing zone"] = counted(self.batches, "batch", "batches")
        return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """What one pass over all sources did; ``errors`` by 'source/query'."""

    collected: tuple[Collected, ...] = ()
    triaged: Triaged = Triaged()
    errors: Mapping[str, TocsinError] | None = None


def listen(
    tocsin: Tocsin,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Listened:
    """One pass: collect every (source, query), then triage what has landed. One source's error stops no other."""
    collected, errors = collect_pairs(tocsin, pairs if pairs is not None else tocsin.config.pairs(), progress=progress)
    progress("triage")
    return Listened(collected=tuple(collected), triaged=triage(tocsin), errors=errors)


def collect_pairs(
    tocsin: Tocsin, pairs: Sequence[tuple[str, str]], *, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[Collected], dict[str, TocsinError]]:
    """Collect (source, query) pairs; returns what each did, and the errors by 'source/query'."""
    collected: list[Collected] = []
    errors: dict[str, TocsinError] = {}
    for source, query in pairs:
        progress(f"{source}: {query}")
        try:
            collected.append(collect_pair(tocsin, source, query))
        except StoreRefused:
            raise
        except TocsinError as error:
            errors[f"{source}/{query}"] = error
    return collected, errors


def collect_source(tocsin: Tocsin, source: str) -> dict[str, int]:
    """Collect every query of one source; returns counts, or raises the gravest error after all queries had their turn."""
    collected, errors = collect_pairs(tocsin, [pair for pair in tocsin.config.pairs() if pair[0] == source])
    if errors:
        gravest = next(
            (error for error in errors.values() if isinstance(error, Permanent)), next(iter(errors.values()))
        )
        for pair, error in errors.items():
            if error is not gravest:
                gravest.add_note(f"{pair}: {error}")
        raise gravest
    return {
        "queries": len(collected),
        "pages": sum(each.pages for each in collected),
        "records": sum(each.records for each in collected),
        "gaps_opened": sum(each.gaps_opened for each in collected),
        "gaps_lost": sum(each.gaps_lost for each in collected),
    }


def collect_pair(tocsin: Tocsin, source: str, query: str) -> Collected:
    """Read one query at one source back to its watermark, as far as its page budget goes."""
    if source not in tocsin.sources or query not in tocsin.queries:
        raise ConfigError(f"there is no source {source!r} with a query {query!r}; see tocsin check")
    pages = next(settings.pages for settings in tocsin.config.source if settings.name == source)
    return collect(
        tocsin.sources[source],
        tocsin.queries[query],
        store=tocsin.store,
        landing=tocsin.landing,
        pages=pages,
        now=tocsin.clock,
    )


def triage_landed(tocsin: Tocsin) -> dict[str, int]:
    """As ``triage``; returns counts, or raises ``StoreRefused`` naming the batches that stay pending."""
    done = triage(tocsin)
    if done.refused:
        raise StoreRefused("\n".join(done.refused))
    return {
        "batches": done.batches,
        "mentions": done.mentions,
        "new": done.new,
        "bad": done.bad,
        "tickets": done.tickets,
    }


def triage(tocsin: Tocsin) -> Triaged:
    """Triage every landed batch. A batch that cannot be is named, stays pending, and holds up no other.

    An error that is not one of ours is a bug: it is raised after the other batches had their turn.
    """
    finish_merges(tocsin.store, tocsin.config, now=tocsin.clock())  # a crash may have left some in between
    total = Triaged()
    bug: Exception | None = None
    seen: set[str] = set()
    while batches := [batch for batch in tocsin.store.pending_batches(len(seen) + 20) if batch.id not in seen]:
        for batch in batches:
            seen.add(batch.id)
            try:
                total += triage_batch(tocsin, batch)
            except (StoreRefused, ConfigError) as error:
                total += Triaged(refused=(f"batch {batch.id}: {error}",))
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001
                error.add_note(f"while triaging batch {batch.id} of {batch.source}, query {batch.query}")
                bug = bug or error
    if bug is not None:
        raise bug
    return total


def triage_batch(tocsin: Tocsin, batch: Batch, *, progress: Callable[[int], None] = lambda _: None) -> Triaged:
    """Parse, understand, rank and index one landed batch, then mark it as done; ``progress`` hears of mentions done."""
    parsed = _parsed(tocsin, batch)
    total = Triaged(batches=1, mentions=len(parsed.mentions), unmatched=parsed.unmatched, bad=len(parsed.dead_letters))
    for start in range(0, len(parsed.mentions), TRIAGE_SIZE):
        progress(start)
        total += triage_mentions(tocsin, parsed.mentions[start : start + TRIAGE_SIZE])
    done = replace(
        batch,
        triaged_at=tocsin.clock(),
        kept=len(parsed.mentions),
        unmatched=parsed.unmatched,
        bad=len(parsed.dead_letters),
    )
    tocsin.store.batch_triaged(done, dead_letters=parsed.dead_letters)
    return total


def _parsed(tocsin: Tocsin, batch: Batch) -> Parsed:
    if batch.query == IMPORT:
        records = tocsin.landing.read(batch)
        return parse_import(tocsin.files(batch.source, (), {}), records, batch=batch, now=batch.landed_at)
    source, query = tocsin.sources.get(batch.source), tocsin.queries.get(batch.query)
    if source is None or query is None:
        raise ConfigError(
            f"its source {batch.source!r} or query {batch.query!r} is no longer configured; put it back once"
        )
    return parse_batch(source, query, tocsin.landing.read(batch), batch=batch, now=batch.landed_at)


def triage_mentions(tocsin: Tocsin, mentions: Sequence[Mention]) -> Triaged:
    """Normalise, fold, score, index and rank mentions as one batch."""
    store, config = tocsin.store, tocsin.config
    if not mentions:
        return Triaged()
    parents = {mention.in_reply_to for mention in mentions if mention.in_reply_to}
    known = store.conversations_of({*parents, *(mention.id for mention in mentions)})
    normalised = normalise(mentions, known=known)
    sketches = sketch(normalised.mentions)
    since = min(mention.posted_at for mention in mentions) - timedelta(days=config.fold_days)
    candidates = store.fold_candidates({band for bands in sketches.values() for band in bands}, since=since)
    folded = fold(normalised.mentions, sketches=sketches, candidates=candidates)
    # Heard is what people can see from now on: what they did before was not about it, however long ago it was posted.
    heard = tocsin.clock()
    folded = [replace(mention, collected_at=heard) for mention in folded]
    folded = unfolded(folded, done=finished_originals(folded, store=store))
    scores = score(folded, tocsin.classifier())
    scored = [ScoredMention(mention=mention, score=given) for mention, given in zip(folded, scores, strict=True)]
    new = index_mentions(scored, sketches, moves=normalised.moves, store=store)
    conversations = touched_conversations(scored, new=new, window=REPEAT_WINDOW, store=store)
    return Triaged(new=len(new), tickets=len(rank_conversations(conversations, store=store, config=config)))


def watch(tocsin: Tocsin) -> Watched:
    """Detect incidents, write the notices that are due, deliver them."""
    changed = detect_incidents(tocsin)
    return replace(escalate_incidents(tocsin), incidents=changed)


def escalate_incidents(tocsin: Tocsin) -> Watched:
    """Write the notices that are due and deliver what has not been."""
    written, delivered = tell(
        Telling(
            store=tocsin.store,
            config=tocsin.config,
            notifiers=tocsin.notifiers,
            clock=tocsin.clock,
            links=tocsin.links,
            heartbeat=tocsin.heartbeat,
        )
    )
    return Watched(notices=written, sent=delivered.sent, unsent=delivered.failed)


def detect_incidents(tocsin: Tocsin) -> int:
    """Open, grow and close incidents; returns how many changed."""
    return watching.detect_incidents(tocsin.store, tocsin.config, now=tocsin.clock())


def write_notices(tocsin: Tocsin) -> int:
    """Record the notices that open incidents call for; returns how many were new."""
    store = tocsin.store
    return record_notices(store.open_incidents(), store=store, config=tocsin.config, now=tocsin.clock())


def outlived(tocsin: Tocsin) -> Outlived:
    """What ``keep`` would remove now; nothing is changed."""
    before = kept_from(tocsin)
    if before is None:
        return Outlived()
    batches = len(tocsin.store.spent_batches(before, limit=MOST_SPENT))
    return Outlived(before=before, months=tuple(tocsin.store.months(before)), batches=batches)


def keep(tocsin: Tocsin) -> Outlived:
    """Remove posts of months that are not kept and that nobody needs, and the raw batches of that time with their files."""
    store, before = tocsin.store, kept_from(tocsin)
    if before is None:
        return Outlived()
    months = store.forget(before)
    batches = 0
    while spent := store.spent_batches(before, limit=MOST_SPENT):
        for batch in spent:
            tocsin.landing.discard(batch)
        store.forget_batches(spent)
        batches += len(spent)
    return Outlived(before=before, months=tuple(months), batches=batches)


def kept_from(tocsin: Tocsin) -> datetime | None:
    """The first moment of the oldest month that is kept (UTC); ``None`` where everything is."""
    if tocsin.config.keep.months is None:
        return None
    now = tocsin.clock()
    years, month = divmod(now.year * 12 + now.month - 1 - tocsin.config.keep.months, 12)
    return datetime(years, month + 1, 1, tzinfo=UTC)
