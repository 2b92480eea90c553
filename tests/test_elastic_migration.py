"""Documents made again in a new layout while people and posts go on; killed between any two steps, and gone on with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count

import pytest

from pipeline.domain import EventKind
from pipeline.errors import AlreadyClaimed, Conflict, StoreRefused, StoreUnavailable
from pipeline.stores.elastic import ElasticStore, connection, indices, remaking
from pipeline.stores.elastic.indices import month_of
from pipeline.stores.elastic.wire import Write
from tests.contracts.store.made import ALL, ahead, batch, cursor, ids, put, ticket
from tests.factories import NOW, scored
from tests.node import Node, elasticsearch  # noqa: F401 - a fixture
from tests.proxy import LOST, proxy_to

REMADE = ("mentions", "tickets", "progress", "changes")


@pytest.fixture
def node(elasticsearch: Node) -> Node:  # noqa: F811
    return elasticsearch


@pytest.fixture
def prefix(node: Node, request: pytest.FixtureRequest) -> Iterator[str]:
    """The beginning of the names of indices that this test alone has."""
    name = f"{node.prefix}-{abs(hash(request.node.name)) % 10_000}"
    yield name
    Node(node.url, name).removed()


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Each next one raises the layout of some nouns."""

    def rise() -> Iterator[int]:
        for number in count(2):
            monkeypatch.setattr(indices, "LAYOUTS", dict.fromkeys(REMADE, number))
            yield number

    return rise()


def names(node: Node, prefix: str) -> set[str]:
    return {name.removeprefix(f"{prefix}-") for name in node.ask("GET", f"/{prefix}-*?filter_path=*.aliases")}


def test_a_migration_makes_documents_again_under_the_same_names(
    node: Node, prefix: str, layouts: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(ElasticStore(node.url, prefix=prefix)) as store:
        put(store, ticket("1"), ticket("2"))
        store.save_progress(cursor(watermark="7"), batch=batch())
        changes = store.change_count()
        next(layouts)
        monkeypatch.setattr("pipeline.stores.elastic.documents.bag", lambda *_: ["otherwise"])
        assert [each.partition(":")[0] for each in store.outdated()] == [
            f"the index {prefix}-{name}" for name in ("mentions-2026.11-1", "tickets-1", "progress-1", "changes-1")
        ]
        assert any("mentions-2026.11-1" in each and "store migrate" in each for each in store.check())
        store.migrate()
        assert (store.outdated(), store.check()) == ([], [])
        assert {"mentions-2026.11-copy2", "tickets-copy2", "events-1"} <= names(node, prefix)
        assert not {"mentions-2026.11-1", "tickets-1"} & names(node, prefix)
        assert ids(store.search("otherwise", ALL)) == ["x:2", "x:1"]
        assert store.ticket("x:1") == ticket("1")
        assert store.cursor("x", "brightly") == cursor(watermark="7")
        assert [each.id for each in store.pending_batches(9)] == ["b1"]
        assert store.change_count() == changes
        store.migrate()  # nothing is left to do


def test_opening_a_store_of_an_older_layout_leaves_its_documents_and_it_works(
    node: Node, prefix: str, layouts: Iterator[int]
) -> None:
    with closing(ElasticStore(node.url, prefix=prefix)) as store:
        put(store, ticket("1"))
    next(layouts)
    with closing(ElasticStore(node.url, prefix=prefix)) as store:
        assert "tickets-1" in names(node, prefix)
        store.add_mentions([scored("2", posted_at=NOW.replace(month=10))], {})
        assert "mentions-2026.10-2" in names(node, prefix)
        assert store.claim("x:1", "Ana", until=ahead(9), now=NOW).claimed_by == "Ana"


def test_what_was_read_before_the_swap_is_not_taken_for_what_stands_after_it(
    node: Node, prefix: str, layouts: Iterator[int]
) -> None:
    with closing(ElasticStore(node.url, prefix=prefix)) as store:
        put(store, *(ticket(str(n)) for n in range(5)))
        tickets = f"{prefix}-tickets"
        read = {n: store._connection.get(tickets, f"x:{n}") for n in range(5)}
        for n in range(5):
            store.claim(f"x:{n}", "Ana", until=ahead(9), now=NOW)
        next(layouts)
        store.migrate()
        for n, found in read.items():
            assert found is not None
            stale = Write(action="replace", index=tickets, id=f"x:{n}", document=found.document, over=found)
            assert store._connection.write(stale) is None
            assert store.ticket(f"x:{n}").claimed_by == "Ana"


def test_what_was_removed_while_it_was_copied_does_not_come_back(
    node: Node, prefix: str, layouts: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(ElasticStore(node.url, prefix=prefix)) as store:
        store.add_mentions([scored(str(n)) for n in range(30)], {})
        next(layouts)
        rounds = remaking._Copy._round

        def then_remove(copy: remaking._Copy, last: int) -> int:
            done = rounds(copy, last)
            month = month_of(store._connection, NOW)
            if copy._noun == "mentions" and not removed:
                removed.update({"x:3", "x:4"})
                store._connection.bulk([Write(action="delete", index=month, id=each) for each in removed], refresh=True)
            return done

        removed: set[str] = set()
        monkeypatch.setattr(remaking._Copy, "_round", then_remove)
        store.migrate()
        assert len(store.search("", ALL)) == 28
        assert store.known(["x:3", "x:4", "x:5"]) == {"x:5"}


class Life:
    """Posts that arrive, people that claim, posts that are removed; and what each was told."""

    def __init__(self, url: str, prefix: str) -> None:
        self.store = ElasticStore(url, prefix=prefix)
        self.added: list[str] = []
        self.claimed: dict[str, str] = {}
        self.removed: set[str] = set()
        self.troubles: list[str] = []
        self.saved = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(n,)) for n in range(2)]

    def __enter__(self) -> Life:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _live(self, number: int) -> None:
        for turn in count():
            if self._over.is_set():
                return
            try:
                self._step(number, turn)
            except (AlreadyClaimed, Conflict):
                continue
            except (StoreRefused, StoreUnavailable) as error:
                self.troubles.append(str(error))

    def _step(self, number: int, turn: int) -> None:
        name = f"{number}-{turn}"
        self.added += self.store.add_mentions([scored(name), scored(f"{name}-b")], {})
        self.store.save_tickets([ticket(name)])
        self.store.claim(f"x:{name}", f"person {number}", until=ahead(99), now=NOW)
        self.claimed[f"x:{name}"] = f"person {number}"
        self.store.save_progress(cursor(query=f"q{number}", watermark=str(turn)), batch=batch(name))
        month = month_of(self.store._connection, NOW)
        self.store._connection.bulk([Write(action="delete", index=month, id=f"x:{name}-b")], refresh=True)
        self.removed.add(f"x:{name}-b")

    def check(self) -> None:
        there = ids(self.store.search("", ALL, limit=1_000_000))
        assert len(there) == len(set(there))
        assert set(self.added) - self.removed <= set(there)
        assert not self.removed & set(there)
        for id_, person in self.claimed.items():
            assert self.store.ticket(id_).claimed_by == person
            assert [each.kind for each in self.store.events(id_)].count(EventKind.CLAIMED) == 1
        assert {each.id for each in self.store.pending_batches(1_000_000)} >= {
            each.removeprefix("x:") for each in list(self.claimed)[:-2]
        }


@pytest.mark.timeout(1200)  # minutes, on a machine that has other work
@pytest.mark.parametrize("fault", [LOST, 503])
def test_a_migration_that_is_killed_between_any_two_steps_goes_on_and_nothing_acknowledged_is_lost(
    node: Node, prefix: str, layouts: Iterator[int], fault: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remaking, "_SHORT", 5)
    monkeypatch.setattr(remaking, "_PAGE", 200)
    with Life(node.url, prefix) as life, proxy_to(node.url) as proxy:
        for dies_at in DEATHS:
            next(layouts)
            asked = count(1)

            def dies(*_: object, asked: Iterator[int] = asked, dies_at: int = dies_at) -> str | int | None:
                number = next(asked)
                return fault if number == dies_at else 503 if number > dies_at else None

            with closing(ElasticStore(node.url, prefix=prefix, migrate=False)) as migrating:
                migrating._connection = connection.Connection(proxy.url, prefix=prefix)
                migrating._connection._failed_at = float("inf")  # one try: the process is dead
                proxy.fault = dies
                killed = True
                with suppress(StoreUnavailable):
                    migrating.migrate()
                    killed = False
                proxy.fault = lambda *_: None
            assert killed
            life.store.migrate()
    assert len(life.claimed) > 5
    life.check()
    assert life.store.outdated() == []
    life.store.close()


DEATHS = (3, 8, 12, 15, 18, 21, 24, 28)
"""Requests of a migration at which it is killed: those of its first index and the beginning of its second one."""
