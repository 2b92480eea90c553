"""How long a search with its facets takes in SQLite, and how much room a mention does.

``python -m tests.bench.search --mentions 1000000``

``tests.bench.elastic`` asks the same questions of Elasticsearch. A page of mentions is one ``search`` and one ``facets``.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, timedelta
from itertools import islice
from pathlib import Path

from pipeline.domain import Category, Filters, Sentiment
from pipeline.ports import Store
from pipeline.stores.sqlite import SqliteStore
from tests.bench.queue import CHUNK, NOW, RARE, VOCABULARY, noise, post, tickets, timed

ALL = Filters()
SKETCH = 11  # fold bands of a mention


def questions(store: Store, chance: random.Random) -> list[tuple[str, Callable[[], object]]]:
    """What people search for: each a page of mentions with its facets."""

    def word() -> str:
        return chance.choice(VOCABULARY)

    def page(text: Callable[[], str], filters: Filters = ALL) -> Callable[[], None]:
        def ask() -> None:
            looked_for = text()
            store.search(looked_for, filters)
            store.facets(looked_for, filters, zone=UTC)

        return ask

    day = Filters(since=NOW - timedelta(days=1), until=NOW)
    picked = Filters(brand="Lumiva", category=Category.PRAISE, sentiment=Sentiment.NEGATIVE)
    return [
        ("search, facets: everything", page(str)),
        ("... a word", page(word)),
        ("... two words", page(lambda: f"{word()} {word()}")),
        ("... a phrase", page(lambda: f'"{word()} {word()}"')),
        ("... a word, not another", page(lambda: f"{word()} -{word()}")),
        ("... a word of a brand", page(word, Filters(brand="Lumiva"))),
        ("... a word of a day", page(word, day)),
        ("... three filters", page(str, picked)),
        ("... a rare language", page(word, Filters(language=RARE))),
    ]


def main() -> None:
    """Fill a store and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mentions", type=int, default=100_000)
    parser.add_argument("--store", type=Path, help="a file that an earlier run has filled, or that is kept")
    asked = parser.parse_args()
    noise()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-search-") as folder:
        path = asked.store or Path(folder) / "store.db"
        with closing(SqliteStore(path)) as store:
            if not store.search("", ALL, limit=1):
                chance = random.Random(7)
                made = tickets(asked.mentions, chance)
                start = time.perf_counter()
                while chunk := list(islice(made, CHUNK)):
                    sketches = {each.id: [chance.getrandbits(63) for _ in range(SKETCH)] for each in chunk}
                    store.add_mentions([post(each, chance) for each in chunk], sketches)
                print(f"{asked.mentions:,} mentions in {time.perf_counter() - start:,.0f} s", flush=True)
                print(f"  disk: {path.stat().st_size / asked.mentions:,.0f} bytes a mention", flush=True)
            for name, ask in questions(store, random.Random(1)):
                p50, p95 = timed(ask)
                print(f"  {name:<28} p50 {p50:8.2f} ms  p95 {p95:8.2f} ms", flush=True)
    noise()


if __name__ == "__main__":
    main()
