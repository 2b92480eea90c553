"""``kill -9`` of an Elasticsearch node while posts arrive and people claim: what was acknowledged is there, once.

``python -m tests.elastic_storm --kills 5``

Writers go on through the store as the product does; while the node is away they are told so, and try again. After the last
kill everything acknowledged is looked for. Ends with 1 when anything is missing, doubled or was won by two.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.domain import EventKind
from pipeline.errors import AlreadyClaimed, Conflict, StoreUnavailable
from pipeline.stores.elastic import ElasticStore
from tests import node
from tests.contracts.store.made import ALL, ahead, batch, cursor, ticket
from tests.factories import NOW, scored

WRITERS, BATCH = 3, 200


class Storm:
    """Writers, and what they were told."""

    def __init__(self, url: str) -> None:
        self.store = ElasticStore(url, prefix="storm")
        self.over = threading.Event()
        self.added: Counter[str] = Counter()
        self.sent: set[str] = set()
        self.claimed: dict[str, list[str]] = {}
        self.batches: set[str] = set()
        self.told_away = 0
        self._lock = threading.Lock()

    def persist(self, act: Callable[[], object]) -> object:
        """Do it until the store is there."""
        while True:
            try:
                return act()
            except StoreUnavailable:
                with self._lock:
                    self.told_away += 1
                time.sleep(0.2)

    def listen(self, writer: int) -> None:
        """Posts of a batch, its tickets, then its progress: the order of the product."""
        turn = 0
        while not self.over.is_set():
            turn += 1
            posts = [scored(f"{writer}-{turn}-{n}") for n in range(BATCH)]
            with self._lock:
                self.sent |= {item.mention.id for item in posts}
            new = self.persist(lambda posts=posts: self.store.add_mentions(posts, {}))
            with self._lock:
                self.added.update(new)  # type: ignore[arg-type]
            tickets = [ticket(f"{writer}-{turn}-{n}") for n in range(0, BATCH, 10)]
            self.persist(lambda tickets=tickets: self.store.save_tickets(tickets))
            with self._lock:
                self.claimed |= {each.id: [] for each in tickets}
            landed = batch(f"{writer}-{turn}", query=f"q{writer}")
            at = cursor(query=f"q{writer}", watermark=str(turn))
            self.persist(lambda at=at, landed=landed: self.store.save_progress(at, batch=landed))
            self.batches.add(landed.id)

    def claim(self, person: int) -> None:
        """Claim what is there, as two people would: several want the same."""
        chance = random.Random(person)
        while not self.over.is_set():
            with self._lock:
                free = [id_ for id_, holders in self.claimed.items() if not holders]
            if not free:
                time.sleep(0.05)
                continue
            id_ = chance.choice(free[:20])
            try:
                self.persist(lambda id_=id_: self.store.claim(id_, f"p{person}", until=ahead(99), now=NOW))
            except (AlreadyClaimed, Conflict):
                continue
            with self._lock:
                self.claimed[id_].append(f"p{person}")

    def verdict(self) -> list[str]:
        """What is wrong now that it is over; prints what was counted."""
        store, wrong = self.store, []
        there = [item.mention.id for item in store.search("", ALL, limit=10_000_000)]
        counts = Counter(there)
        wrong += [f"{id_} was acknowledged and is not there" for id_ in self.added if id_ not in counts]
        wrong += [f"{id_} is there {n} times" for id_, n in counts.items() if n > 1]
        wrong += [f"{id_} was new {n} times" for id_, n in self.added.items() if n > 1]
        wrong += [f"{id_} came from nowhere" for id_ in counts if id_ not in self.sent]
        for id_, holders in self.claimed.items():
            events = [event for event in store.events(id_) if event.kind is EventKind.CLAIMED]
            held = store.ticket(id_).claimed_by
            if holders and (len(set(holders)) > 1 or held != holders[0] or len(events) != 1):
                wrong.append(f"{id_} was won by {holders}, is held by {held}, claimed {len(events)} times")
        pending = {each.id for each in store.pending_batches(1_000_000)}
        wrong += [f"batch {id_} is lost" for id_ in self.batches - pending]
        print(
            f"{len(counts):,} posts, {len(self.claimed):,} tickets, {sum(map(bool, self.claimed.values())):,} claimed,"
            f" {len(self.batches):,} batches; told {self.told_away:,} times that the store is away; {len(wrong)} wrong"
        )
        return wrong


def main() -> int:
    """Start a node, let the storm rage, kill, boot again, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="between two kills")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tocsin-elastic-storm-") as folder:
        process, url = node.start(Path(folder))
        try:
            storm = Storm(url)
            work = [(storm.listen, n) for n in range(WRITERS)] + [(storm.claim, n) for n in range(4)]
            threads = [threading.Thread(target=act, args=(number,)) for act, number in work]
            for thread in threads:
                thread.start()
            chance = random.Random(5)
            for kill in range(asked.kills):
                time.sleep(chance.uniform(0.5, 1.5) * asked.seconds)
                process.kill()
                process.wait(30)
                down = time.monotonic()
                process, _ = node.boot(Path(folder), int(urlsplit(url).port or 0))
                print(
                    f"kill {kill + 1}: away for {time.monotonic() - down:.1f} s, {len(storm.added):,} posts", flush=True
                )
            time.sleep(asked.seconds)
            storm.over.set()
            for thread in threads:
                thread.join()
            with closing(storm.store):
                wrong = storm.verdict()
        finally:
            node.stop(process)
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
