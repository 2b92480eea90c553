"""What can befall Elasticsearch while posts arrive and people claim: what was acknowledged is there, once.

``python -m tests.elastic_storm --trial kill --times 5``

- kill: ``kill -9`` of the only node, which boots again.
- cluster: the same of one of three nodes, the master as likely as another.
- block: indices take no writes for some seconds, as a person or a full disk has it.
- queue: a node whose queue of writes holds one request, and refuses others (429).
- proxy: one answer in ten is lost, cut short, late, or a 429 or 503.
- migrate: documents are made again in a new layout, again and again, and the migration killed at any step.

Writers go on through the store as the product does; while the store is away they are told so, and try again. In the end
everything acknowledged is looked for. Ends with 1 when anything is missing, doubled or was won by two.
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import psutil

from pipeline.domain import EventKind
from pipeline.errors import AlreadyClaimed, Conflict, StoreUnavailable
from pipeline.stores.elastic import ElasticStore, indices
from pipeline.stores.elastic.trouble import Blocked
from tests import node
from tests.contracts.store.made import ALL, ahead, batch, cursor, ticket
from tests.factories import NOW, scored
from tests.proxy import HALF, LOST, Proxy, proxy_to

WRITERS, BATCH = 3, 200
NODES = 3  # of the trial "cluster"


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
            except (StoreUnavailable, Blocked):
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


class Nodes:
    """The nodes of a trial, on loopback: each may be killed, and boots again."""

    def __init__(self, folder: Path, count: int, **settings: object) -> None:
        self._folders = [folder / f"node{n}" for n in range(count)]
        self._ports = [node.free_port() for _ in self._folders]
        inner = [node.free_port() for _ in self._folders]
        addresses = ",".join(f"127.0.0.1:{port}" for port in inner)
        self._settings: list[dict[str, object]] = [
            {
                "node.name": f"node{n}", "transport.port": port,
                "discovery.seed_hosts": addresses, "cluster.initial_master_nodes": ",".join(f"node{m}" for m in range(count)),
                **settings,
            }
            for n, port in enumerate(inner)
        ]  # fmt: skip
        for each in self._folders:
            each.mkdir()
            node.unpack(each)
        with ThreadPoolExecutor(count) as starting:  # none is healthy before two have met
            self._processes = list(starting.map(self._boot, range(count)))

    @property
    def url(self) -> str:
        """The addresses of all."""
        return ",".join(f"http://127.0.0.1:{port}" for port in self._ports)

    def kill(self, which: int) -> float:
        """End one at once and boot it again; how many seconds it was away."""
        self._processes[which].kill()
        self._processes[which].wait(30)
        down = time.monotonic()
        self._processes[which] = self._boot(which)
        return time.monotonic() - down

    def stop(self) -> None:
        """End all."""
        for process in self._processes:
            node.stop(process)

    def _boot(self, which: int) -> psutil.Process:
        process, _ = node.boot(self._folders[which], self._ports[which], more=self._settings[which])
        return process


Trouble = Callable[[Nodes, Proxy, random.Random], str]
"""What befalls the store once; what it was."""


def kill(nodes: Nodes, _: Proxy, chance: random.Random) -> str:
    which = chance.randrange(len(nodes.url.split(",")))
    return f"node {which} was away for {nodes.kill(which):.1f} s"


def block(nodes: Nodes, _: Proxy, chance: random.Random) -> str:
    seconds = chance.uniform(1, 8)
    asked = node.Node(nodes.url, "storm")
    asked.ask("PUT", "/storm-*/_settings", '{"index.blocks.write": true}')
    time.sleep(seconds)
    asked.ask("PUT", "/storm-*/_settings", '{"index.blocks.write": null}')
    return f"no writes for {seconds:.1f} s"


def shake(_: Nodes, proxy: Proxy, chance: random.Random) -> str:
    def fault(*_: object) -> str | int | None:
        if chance.random() > 0.1:
            return None
        what = chance.choice([LOST, HALF, "late", 429, 503])
        if what == "late":
            time.sleep(chance.uniform(0, 2))
            return None
        return what

    before = len(proxy.seen)
    proxy.fault = fault
    time.sleep(5)
    proxy.fault = lambda *_: None
    return f"{len(proxy.seen) - before} requests on a shaky way"


def migrate(nodes: Nodes, proxy: Proxy, chance: random.Random) -> str:
    """By way of the proxy, which the migration alone goes here: it dies at some request, and another goes on."""
    indices.LAYOUTS = dict.fromkeys(("mentions", "tickets", "progress"), indices.layout("mentions") + 1)
    left = chance.randrange(5, 120)

    def dies(*_: object) -> int | None:
        nonlocal left
        left -= 1
        return None if left > 0 else 503

    proxy.fault = dies
    with closing(ElasticStore(proxy.url, prefix="storm", migrate=False)) as killed, suppress(StoreUnavailable):
        killed.migrate()
    proxy.fault = lambda *_: None
    with closing(ElasticStore(nodes.url, prefix="storm", migrate=False)) as store:
        start = time.monotonic()
        store.migrate()
        assert not store.outdated()
    return f"migrated, after {'a kill' if left <= 0 else 'none'}, in {time.monotonic() - start:.1f} s"


def nothing(*_: object) -> str:
    time.sleep(2)
    return "the queue is short all the time"


TRIALS: dict[str, tuple[Trouble, int, dict[str, object]]] = {
    "kill": (kill, 1, {}),
    "cluster": (kill, NODES, {}),
    "block": (block, 1, {}),
    "queue": (nothing, 1, {"thread_pool.write.queue_size": 1, "thread_pool.write.size": 1}),
    "proxy": (shake, 1, {}),
    "migrate": (migrate, 1, {}),
}


def main() -> int:
    """Start nodes, let the storm rage, make trouble, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trial", choices=TRIALS, default="kill")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="between two troubles")
    asked = parser.parse_args()
    trouble, count, settings = TRIALS[asked.trial]
    with tempfile.TemporaryDirectory(prefix="tocsin-elastic-storm-") as folder:
        Path(folder).chmod(0o755)
        nodes = Nodes(Path(folder), count, **settings)
        try:
            with proxy_to(nodes.url.partition(",")[0]) as proxy:
                wrong = rage(nodes, proxy, trouble, asked)
        finally:
            nodes.stop()
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def rage(nodes: Nodes, proxy: Proxy, trouble: Trouble, asked: argparse.Namespace) -> list[str]:
    """Posts and people while trouble comes; what is wrong in the end."""
    storm = Storm(proxy.url if asked.trial == "proxy" else nodes.url)
    work = [(storm.listen, n) for n in range(WRITERS)] + [(storm.claim, n) for n in range(4)]
    threads = [threading.Thread(target=act, args=(number,)) for act, number in work]
    for thread in threads:
        thread.start()
    chance = random.Random(5)
    try:
        for turn in range(asked.times):
            time.sleep(chance.uniform(0.5, 1.5) * asked.seconds)
            what = trouble(nodes, proxy, chance)
            print(f"{turn + 1}: {what}; {len(storm.added):,} posts", flush=True)
        time.sleep(asked.seconds)
    finally:
        storm.over.set()
        for thread in threads:
            thread.join()
    with closing(storm.store):
        return storm.verdict()


if __name__ == "__main__":
    sys.exit(main())
