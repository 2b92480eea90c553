"""How fast the queue is at 10 thousand to a million waiting tickets, beside the plain way to write it.

``python tests/bench/queue.py --sizes 10000 100000 1000000``

The peer is what one would write first, over the same table and its indexes in the same run: ``ORDER BY`` the computed cost
of waiting and ``count(*)``, its rows made the same objects. Ratios are peer / ours. The noise line repeats a fixed loop: differences below its spread mean nothing.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])  # instead of this folder, where this file hides stdlib's queue

from pipeline.domain import (  # noqa: E402
    QUEUE_PATIENCE_MINUTES,
    QUEUE_STEP,
    Author,
    Category,
    Filters,
    Lane,
    Mention,
    Part,
    Priority,
    Rank,
    Score,
    ScoredMention,
    Sentiment,
    Signal,
    Ticket,
    Urgency,
)
from pipeline.stores.sqlite import SqliteStore  # noqa: E402
from pipeline.stores.sqlite.rows import (  # noqa: E402
    MENTION_COLUMNS,
    TICKET_COLUMNS,
    columns,
    scored_mention,
    stamp,
    ticket,
)

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
BRANDS = ("Brightly", "Lumiva", "Kestrel Bank", "Zipkara", "Nordwing")
SOURCES = ("x", "mastodon", "rss", "hackernews")
LANGUAGES = ("en", "de", "tr", "pl", "es", "fr", "pt", "it", "und")
VOCABULARY = [f"{a}{b}" for a in ("charg", "deliver", "refund", "broke", "wait", "answer", "app", "card") for b in ("", "ed", "ing", "s", "er", "less")]  # fmt: skip
CHUNK = 10_000  # tickets a write: each write touches pages all over the queue's indexes, so fewer are sooner done
POOL = (
    100_000  # mentions at most: above it tickets share them, or most of the time would go into text that no page reads
)
RARE = "eo"  # a language that one ticket in 20,000 has


def tickets(size: int, chance: random.Random) -> Iterator[Ticket]:
    """Tickets as a busy week makes them: a third are due, 1 in 50 in the crisis lane, 1 in 200 claimed later."""
    ages = sorted((chance.expovariate(1 / 2000) for _ in range(size)), reverse=True)  # collected as they were posted
    parts = (
        Part(name="class cost", value=4.2, because="P(crisis) 0.01"),
        Part(name="urgency", value=1.1, because="normal"),
    )
    categories = list(Category)
    shared: list[str] = []
    for number, minutes in enumerate(ages):
        posted = NOW - timedelta(minutes=minutes)
        source, crisis = chance.choice(SOURCES), chance.random() < 0.02
        id_ = f"{source}:{number:019d}"
        if number < POOL:
            shared.append(id_)
        respond_by = posted + timedelta(minutes=chance.choice((15, 60, 240, 720, 1440, 4320)))
        yield Ticket(
            id=id_, brand=chance.choice(BRANDS), source=source, query="brand",
            mention=id_ if number < POOL else shared[number % POOL],
            author=f"x:{number % 50_000}", language=RARE if number % 20_000 == 0 else chance.choice(LANGUAGES),
            category=chance.choices(categories, weights=(30, 15, 20, 10, 5, 5, 14, 1))[0], urgency=Urgency.NORMAL,
            sentiment=Sentiment.NEGATIVE, crisis=0.9 if crisis else 0.01, opened_at=posted, last_at=posted,
            waiting_since=posted,
            rank=Rank(
                cost=1.0, level=round(chance.gauss(0, 25)), due_at=respond_by - timedelta(minutes=6),
                respond_by=respond_by, lane=Lane.CRISIS if crisis else Lane.QUEUE, priority=Priority.P3,
                why='rule "double charge"; third post of this person', parts=parts,
            ),
        )  # fmt: skip


def post(about: Ticket, chance: random.Random) -> ScoredMention:
    """The mention that ranks a about."""
    number = about.id.rpartition(":")[2].lstrip("0")
    mention = Mention(
        id=about.id, source=about.source, query="brand", brand=about.brand,
        author=Author(id=about.author, handle=f"user{number}", name="A Person", followers=int(number or "0") % 9999),
        text=" ".join(chance.choices(VOCABULARY, k=16)), posted_at=about.opened_at,
        collected_at=about.opened_at + timedelta(minutes=3), language=about.language,
        url=f"https://social.example/{number}", conversation=about.id,
    )  # fmt: skip
    score = Score(
        sentiment=_spread(Sentiment, chance), category=_spread(Category, chance), urgency=_spread(Urgency, chance),
        crisis=about.crisis, model="bench",
        signals=tuple(Signal(name=f"head {n}", value=chance.random(), because="charger caught fire") for n in range(4)),
    )  # fmt: skip
    return ScoredMention(mention=mention, score=score)


def _spread(kind: type[Sentiment] | type[Category] | type[Urgency], chance: random.Random) -> dict[str, float]:
    weights = [chance.random() for _ in kind]
    return {label.value: weight / sum(weights) for label, weight in zip(kind, weights, strict=True)}


def build(store: SqliteStore, size: int) -> None:
    """Fill a store through its own front door, and say how fast that was."""
    chance = random.Random(7)
    made = tickets(size, chance)
    seconds = {"add_mentions": 0.0, "save_tickets": 0.0}
    added = 0
    while chunk := list(islice(made, CHUNK)):
        if added < POOL:
            mentions = [post(each, chance) for each in chunk]
            sketches = {each.id: [chance.getrandbits(63) for _ in range(11)] for each in chunk}
            start = time.perf_counter()
            added += len(store.add_mentions(mentions, sketches))
            seconds["add_mentions"] += time.perf_counter() - start
        start = time.perf_counter()
        store.save_tickets(chunk)
        seconds["save_tickets"] += time.perf_counter() - start
    print(
        f"{size:,} tickets: add_mentions {added / seconds['add_mentions']:,.0f}/s,"
        f" save_tickets {size / seconds['save_tickets']:,.0f}/s",
        flush=True,
    )
    for item in chance.sample(store.queue(NOW, Filters(), limit=min(size, 20_000)), 200):
        store.claim(item.ticket.id, f"responder {chance.randrange(7)}", until=NOW + timedelta(hours=9), now=NOW)


class Peer:
    """The first thing one would write: sort all waiting tickets by the computed cost, count them one by one."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    def page(self, now: datetime, *, where: str = "", limit: int = 50, offset: int = 0) -> None:
        """One page of the queue with its counts."""
        waiting = "tickets.resolved_at IS NULL AND tickets.waiting_since IS NOT NULL" + where
        rows = self._connection.execute(
            f"SELECT {columns(TICKET_COLUMNS, 'tickets')}, {columns(MENTION_COLUMNS, 'mentions')} FROM tickets"
            f" JOIN mentions ON mentions.id = tickets.mention WHERE {waiting}"
            f" ORDER BY tickets.lane, level * {QUEUE_STEP} - max(0, due_at - ?) / {QUEUE_PATIENCE_MINUTES * 60e6} DESC,"
            " due_at, tickets.id LIMIT ? OFFSET ?",
            (stamp(now), limit, offset),
        ).fetchall()
        _ = [(ticket(row[: len(TICKET_COLUMNS)]), scored_mention(row[len(TICKET_COLUMNS) :])) for row in rows]
        self._connection.execute(
            f"SELECT count(*), sum(respond_by < ?), sum(lane = 0) FROM tickets WHERE {waiting}", (stamp(now),)
        ).fetchone()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def timed(work: Callable[[], object], *, seconds: float = 2.0, least: int = 5, most: int = 300) -> tuple[float, float]:
    """p50 and p95 in milliseconds, over as many repetitions as fit."""
    took: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(took) < least or (len(took) < most and time.perf_counter() < deadline):
        start = time.perf_counter()
        work()
        took.append((time.perf_counter() - start) * 1000)
    took.sort()
    return took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.95))]


def measure(path: Path, size: int) -> None:
    """Print a line for each question people ask of the queue."""
    chance = random.Random(1)
    with closing(SqliteStore(path)) as store, closing(Peer(path)) as peer:
        build(store, size)

        def page(filters: Filters = Filters(), offset: int = 0) -> Callable[[], None]:  # noqa: B008
            def ask() -> None:
                now = NOW + timedelta(seconds=chance.uniform(0, 3600))
                store.queue(now, filters, limit=50, offset=offset)
                store.queue_counts(now, filters)

            return ask

        def other(where: str = "", offset: int = 0) -> Callable[[], None]:
            return lambda: peer.page(NOW + timedelta(seconds=chance.uniform(0, 3600)), where=where, offset=offset)

        ids = [item.ticket.id for item in store.queue(NOW, Filters(free=True), limit=400)]
        deep = min(100_000, size // 2)
        lines: list[tuple[str, Callable[[], object], Callable[[], object] | None]] = [
            ("page of 50 and counts", page(), other()),
            ("... one brand", page(Filters(brand="Lumiva")), other(" AND tickets.brand = 'Lumiva'")),
            ("... one category", page(Filters(category=Category.PRAISE)), other(" AND tickets.category = 'praise'")),
            ("... a rare language", page(Filters(language=RARE)), other(f" AND tickets.language = '{RARE}'")),
            ("... brand and category", page(Filters(brand="Lumiva", category=Category.SPAM)),
             other(" AND tickets.brand = 'Lumiva' AND tickets.category = 'spam'")),
            ("... free", page(Filters(free=True)), other(f" AND (tickets.claimed_until IS NULL OR tickets.claimed_until <= {stamp(NOW)})")),
            ("... mine", page(Filters(holder="responder 3")), other(" AND tickets.claimed_by = 'responder 3'")),
            (f"... from row {deep:,} on", page(offset=deep), other(offset=deep)),
            ("claim", lambda: store.claim(ids.pop(), "Ana", until=NOW + timedelta(minutes=15), now=NOW), None),
        ]  # fmt: skip
        for name, ours, theirs in lines:
            p50, p95 = timed(ours)
            line = f"  {name:<28} p50 {p50:8.2f} ms  p95 {p95:8.2f} ms"
            if theirs is not None:
                peer50, peer95 = timed(theirs)
                line += f"   peer p50 {peer50:8.1f}  p95 {peer95:8.1f}   ratio {peer50 / p50:7.1f}x"
            print(line, flush=True)


def noise() -> None:
    """How far the machine itself wanders: a fixed loop, again and again."""
    p50, p95 = timed(lambda: sum(range(200_000)))
    print(f"noise: a fixed loop takes p50 {p50:.2f} ms, p95 {p95:.2f} ms ({p95 / p50 - 1:+.0%})")


def main() -> None:
    """Build and measure each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    noise()
    for size in parser.parse_args().sizes:
        with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
            measure(Path(folder) / "bench.db", size)
            print(f"  the file: {(Path(folder) / 'bench.db').stat().st_size >> 20:,} MB")
    noise()


if __name__ == "__main__":
    main()
