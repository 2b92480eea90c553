"""How fast the Elasticsearch store writes beside bare ``helpers.bulk``, and how fast people get their pages.

``python -m tests.bench.elastic --mentions 50000 --tickets 20000 [--url http://127.0.0.1:9200]``

Without ``--url`` a node of its own is started. The peer writes the very same documents, made before, into an index of the
same mapping, and makes them searchable as often. "Prepared" is what the store's own bulk does with them; "add_mentions" is
the whole of it: who is known, words and stems, what is new, the count of changes. Ratios are ours / peer, rounds alternate.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from pipeline.domain import Category, Filters, ScoredMention, Ticket
from pipeline.stores.elastic import ElasticStore
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import mention_document
from pipeline.stores.elastic.indices import make, month_of
from pipeline.stores.elastic.wire import Write
from tests import node
from tests.bench.queue import NOW, noise, post, tickets, timed
from tests.bench.search import questions as searches

BATCH = 5_000  # documents made searchable at once
SKETCH = 11  # fold bands of a mention
ALL = Filters()


@contextmanager
def cluster(url: str | None) -> Iterator[str]:
    """The address of a node: that given, or one of its own."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-elastic-") as folder:
        process, started = node.start(Path(folder))
        try:
            yield started
        finally:
            node.stop(process)


def writing(url: str, items: Sequence[ScoredMention]) -> None:
    """Print how many documents a second each way writes; each batch goes each way once."""
    chance = random.Random(3)
    seconds = {"helpers.bulk": 0.0, "prepared": 0.0, "add_mentions": 0.0}
    with (
        closing(ElasticStore(url, prefix="bench-ours")) as store,
        closing(Connection(url, prefix="bench-prepared")) as ours,
        closing(ElasticStore(url, prefix="bench-prepared")),
        closing(ElasticStore(url, prefix="bench-peer")),
        closing(Connection(url, prefix="bench-peer")) as names,
        closing(Elasticsearch(url, request_timeout=60)) as peer,
    ):
        batches = iter(items)
        for connection in (ours, names):
            make(connection, {month_of(connection, item.mention.posted_at) for item in items})
        while batch := list(islice(batches, BATCH)):
            sketches = {item.mention.id: [chance.getrandbits(63) for _ in range(SKETCH)] for item in batch}
            made = [(item, mention_document(item, sketches[item.mention.id])) for item in batch]

            def bare(made: list[tuple[ScoredMention, dict[str, object]]] = made) -> None:
                actions = [
                    {
                        "_op_type": "create", "_index": month_of(names, item.mention.posted_at), "_id": item.mention.id,
                        "_source": {**document, "write": "twelveletter"},
                    }
                    for item, document in made
                ]  # fmt: skip
                bulk(peer, actions, chunk_size=2_000)
                peer.indices.refresh(index="bench-peer-mentions")

            def prepared(made: list[tuple[ScoredMention, dict[str, object]]] = made) -> None:
                writes = [
                    Write(
                        action="create", index=month_of(ours, item.mention.posted_at), id=item.mention.id, document=each
                    )
                    for item, each in made
                ]
                ours.bulk(writes)
                ours.refresh(write.index for write in writes)

            ways: list[tuple[str, Callable[[], object]]] = [
                ("helpers.bulk", bare),
                ("prepared", prepared),
                ("add_mentions", lambda batch=batch, sketches=sketches: store.add_mentions(batch, sketches)),
            ]
            for name, way in chance.sample(ways, len(ways)):
                start = time.perf_counter()
                way()
                seconds[name] += time.perf_counter() - start
        for name, took in seconds.items():
            print(
                f"  {name:<14} {len(items) / took:10,.0f} documents/s   ratio {seconds['helpers.bulk'] / took:.2f}",
                flush=True,
            )
        stats = peer.indices.stats(index="bench-ours-mentions", metric=["store"])["_all"]["primaries"]["store"]
        print(f"  disk: {stats['size_in_bytes'] / len(items):,.0f} bytes a mention", flush=True)


def reading(url: str, waiting: Sequence[Ticket]) -> None:
    """Print how long people wait for what they ask."""
    chance = random.Random(1)
    with closing(ElasticStore(url, prefix="bench-ours")) as store:
        start = time.perf_counter()
        for place in range(0, len(waiting), 1_000):
            store.save_tickets(waiting[place : place + 1_000])
        print(f"  save_tickets {len(waiting) / (time.perf_counter() - start):,.0f}/s", flush=True)

        def page(filters: Filters = ALL, offset: int = 0) -> Callable[[], None]:
            def ask() -> None:
                now = NOW + timedelta(seconds=chance.uniform(0, 3600))
                store.queue(now, filters, limit=50, offset=offset)
                store.queue_counts(now, filters)

            return ask

        free = [item.ticket.id for item in store.queue(NOW, ALL, limit=400)]
        questions: list[tuple[str, Callable[[], object]]] = [
            ("queue page and counts", page()),
            ("... one brand", page(Filters(brand="Lumiva"))),
            ("... one category", page(Filters(category=Category.PRAISE))),
            ("... free", page(Filters(free=True))),
            (f"... from row {len(waiting) // 2:,} on", page(offset=len(waiting) // 2)),
            *searches(store, chance),
            ("change_count", store.change_count),
            ("claim", lambda: store.claim(free.pop(), "Ana", until=NOW + timedelta(minutes=15), now=NOW)),
        ]
        for name, ask in questions:
            p50, p95 = timed(ask)
            print(f"  {name:<28} p50 {p50:8.2f} ms  p95 {p95:8.2f} ms", flush=True)


def main() -> None:
    """Fill a cluster, measure, and take away what was put there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mentions", type=int, default=50_000)
    parser.add_argument("--tickets", type=int, default=20_000)
    parser.add_argument("--url")
    asked = parser.parse_args()
    if asked.url is None and (node.java() is None or not node.CACHED.is_file()):
        print("skipped: no Elasticsearch here; tests/elasticsearch.sh says what it takes")
        return
    noise()
    with cluster(asked.url) as url:
        try:
            chance = random.Random(7)
            made = [(post(each, chance), each) for each in tickets(asked.mentions, chance)]
            print(f"{asked.mentions:,} mentions, {asked.tickets:,} tickets", flush=True)
            writing(url, [item for item, _ in made])
            reading(url, [replace(each, mention=each.id) for _, each in made[: asked.tickets]])
        finally:
            for name in ("bench-ours", "bench-prepared", "bench-peer"):
                node.Node(url, name).removed()
    noise()


if __name__ == "__main__":
    main()
