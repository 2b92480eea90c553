"""``tocsin import``: a file's posts, landed like any collection and triaged in chunks; imported twice, nothing doubles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from statistics import median

from pipeline.config import IMPORT
from pipeline.domain import Batch, Cursor, Mention, Query, Raw, Ticket, Window
from pipeline.errors import BadRecord, ConfigError
from pipeline.flows import Tocsin, Triaged, triage_batch
from pipeline.imported import NO_BRAND, Claims, Owner, enveloped, owners
from pipeline.ports import Source

BATCH = 5000  # records landed as one file: a crash repeats at most so many, and a batch is read back whole
_ANYTHING = Query(name=IMPORT, brand=NO_BRAND, any=())

Step = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One file to bring in: under which source name, with which columns, and whose its posts are (``None``: find out)."""

    path: Path
    source: str
    columns: Mapping[str, str]
    brand: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did; ``median_first_response`` in seconds over the file's tickets that were answered."""

    path: str
    source: str
    triaged: Triaged
    tickets: int
    answered: int
    median_first_response: float | None
    brands: Mapping[str, int]


def plan(
    path: Path,
    *,
    tocsin: Tocsin,
    source: str | None = None,
    brand: str | None = None,
    query: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Import:
    """Check an import before anything is done; raises ``ConfigError`` naming what is wrong."""
    if not path.is_file():
        raise ConfigError(f"{path} is not there, or no file")
    if query is not None and query not in tocsin.queries:
        known = ", ".join(tocsin.queries) or "none is configured"
        raise ConfigError(f"--query {query!r} is not configured; known: {known}")
    if query is not None and brand is not None and tocsin.queries[query].brand != brand:
        raise ConfigError(f"--query {query!r} listens for {tocsin.queries[query].brand!r}, not for {brand!r}")
    name = source or path.name.partition(".")[0]
    if not name or ":" in name:
        raise ConfigError(f"a source cannot be called {name!r}; pass --source NAME without a colon")
    return Import(path=path, source=name, columns=columns or {}, brand=brand, query=query)


def import_file(order: Import, *, tocsin: Tocsin, progress: Step) -> Imported:
    """Land a file's posts with whose they are, then triage them; a crash leaves batches that the next run triages."""
    now = tocsin.clock()
    progress(f"{order.source}: reading", 0.0)
    posts = list(_posts(_source(order, tocsin), now=now))
    claims = Claims(
        queries=tuple(tocsin.queries.values()), brands=tocsin.config.brand, brand=order.brand, query=order.query
    )
    owned = owners(posts, claims)
    progress(f"{order.source}: landing", 0.1)
    batches = list(_landed(order, owned, tocsin=tocsin, now=now))
    triaged = Triaged()
    total = sum(batch.count for batch in batches) or 1

    def step(done: int) -> None:
        progress(f"{order.source}: triage", 0.2 + 0.8 * (triaged.mentions + done) / total)

    for batch in batches:
        triaged += triage_batch(tocsin, batch, progress=step)
    inbound = [post.id for post in posts if not post.own and owned[post.id].ours]
    return _summary(order, triaged, _tickets(tocsin, inbound), Counter(owned[post].brand for post in inbound))


def _source(order: Import, tocsin: Tocsin) -> Source:
    return tocsin.files(order.source, (str(order.path),), order.columns)


def _records(source: Source, *, now: datetime) -> Iterator[Raw]:
    window = Window()
    while True:
        page = source.fetch(_ANYTHING, window, now=now)
        yield from page.records
        if page.next_token is None:
            return
        window = Window(newer_than=page.newest)


def _posts(source: Source, *, now: datetime) -> Iterator[Mention]:
    for raw in _records(source, now=now):
        try:
            yield source.parse(raw, _ANYTHING, collected_at=now)
        except BadRecord:  # counted and kept with its reason when its batch is triaged
            continue


def _landed(order: Import, owned: Mapping[str, Owner], *, tocsin: Tocsin, now: datetime) -> Iterator[Batch]:
    source = _source(order, tocsin)
    records = _records(source, now=now)
    cursor = Cursor(source=order.source, query=IMPORT, tried_at=now, succeeded_at=now)
    while chunk := list(islice(records, BATCH)):
        landing = [enveloped(raw, _owner(raw, source, owned, now=now), order.columns) for raw in chunk]
        batch = tocsin.landing.land(order.source, IMPORT, landing, now=now)
        tocsin.store.save_progress(cursor, batch=batch)
        yield batch


def _owner(raw: Raw, source: Source, owned: Mapping[str, Owner], *, now: datetime) -> Owner:
    try:
        return owned.get(source.parse(raw, _ANYTHING, collected_at=now).id, Owner())
    except BadRecord:
        return Owner()


def _tickets(tocsin: Tocsin, mentions: Sequence[str]) -> list[Ticket]:
    conversations = set(tocsin.store.conversations_of(mentions).values())
    return list(tocsin.store.tickets(conversations).values())


def _summary(order: Import, triaged: Triaged, tickets: Sequence[Ticket], brands: Mapping[str, int]) -> Imported:
    waits = [(ticket.responded_at - ticket.opened_at).total_seconds() for ticket in tickets if ticket.responded_at]
    return Imported(
        path=str(order.path),
        source=order.source,
        triaged=triaged,
        tickets=len(tickets),
        answered=len(waits),
        median_first_response=median(waits) if waits else None,
        brands=brands,
    )
