"""What only the Elasticsearch store must do: lost answers, busy nodes, crashes between writes, windows, keys."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from pipeline.domain import Batch, Event, EventKind, Gap, Resolution, Ticket
from pipeline.errors import ConfigError, Conflict, NotFound, StoreRefused, StoreUnavailable
from pipeline.stores.elastic import ElasticStore, connection, indices, mentions, tickets
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.wire import Write
from tests import REPOSITORY
from tests.contracts.store.made import ALL, ago, ahead, batch, cursor, dead_letter, gap, ids, notice, put, ticket
from tests.factories import NOW, incident, scored
from tests.node import Node, elasticsearch  # noqa: F401 - a fixture
from tests.proxy import HALF, LOST, Proxy, proxy_to

KEY = "c2VjcmV0LWtleQ=="


@pytest.fixture
def node(elasticsearch: Node) -> Node:  # noqa: F811
    elasticsearch.emptied()
    return elasticsearch


@pytest.fixture
def store(node: Node) -> Iterator[ElasticStore]:
    with closing(ElasticStore(node.url, prefix=node.prefix)) as opened:
        yield opened


@pytest.fixture
def proxy(node: Node) -> Iterator[Proxy]:
    with proxy_to(node.url) as made:
        yield made


@pytest.fixture
def shaky(node: Node, proxy: Proxy) -> Iterator[ElasticStore]:
    """A store whose way to the node is the proxy."""
    with closing(ElasticStore(proxy.url, prefix=node.prefix)) as opened:
        yield opened


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries that follow each other at once."""
    monkeypatch.setattr(connection, "WAITS", (0.0, 0.0))


def kinds(store: ElasticStore, subject: str = "x:1") -> list[str]:
    return [event.kind.value for event in store.events(subject)]


# --- lost answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [LOST, HALF, 503, 429])
def test_mentions_whose_answer_was_lost_are_new_and_indexed_once(
    shaky: ElasticStore, proxy: Proxy, fault: str | int, hurried: None
) -> None:
    shaky.add_mentions([scored("0")], {})
    proxy.once(fault, "/_bulk")
    assert shaky.add_mentions([scored(str(n)) for n in range(50)], {}) == [f"x:{n}" for n in range(1, 50)]
    assert len(shaky.search("", ALL, limit=100)) == 50


def test_what_another_has_written_meanwhile_is_a_duplicate_even_when_our_answer_was_lost(
    shaky: ElasticStore, store: ElasticStore, proxy: Proxy, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ElasticStore, "known", lambda *_: set())  # read before the other wrote
    store.add_mentions([scored("1", "theirs")], {})
    proxy.once(LOST, "/_bulk")
    assert shaky.add_mentions([scored("1", "ours"), scored("2")], {}) == ["x:2"]
    assert store.mention("x:1").mention.text == "theirs"


@pytest.mark.parametrize("fault", [LOST, HALF])
@pytest.mark.parametrize("lost", range(3))
def test_what_a_person_did_happened_once_when_the_answer_was_lost(
    shaky: ElasticStore, proxy: Proxy, fault: str, lost: int, hurried: None
) -> None:
    put(shaky, ticket())

    def of_write(number: int) -> Callable[[str, str, bytes], str | None]:
        writes = iter(range(100))
        return lambda _, path, __: fault if path == "/_bulk" and next(writes) == number else None

    proxy.fault = of_write(lost)
    assert shaky.claim("x:1", "Ana", until=ahead(15), now=NOW).version == 2
    proxy.fault = of_write(lost)
    assert shaky.resolve("x:1", "Ana", Resolution.NOT_OURS, now=NOW).version == 3
    proxy.fault = of_write(lost)
    undone = shaky.undo(shaky.events("x:1")[-1].id, "Ana", now=NOW)
    assert (undone.version, undone.holder(NOW)) == (4, "Ana")
    assert kinds(shaky) == ["opened", "claimed", "resolved", "undone"]


def test_a_claim_waits_for_two_writes_whoever_wrote_the_ticket_before(
    shaky: ElasticStore, store: ElasticStore, proxy: Proxy
) -> None:
    put(store, ticket())
    proxy.seen.clear()
    shaky.claim("x:1", "Ana", until=ahead(15), now=NOW)
    assert [path.partition("?")[0] for _, path in proxy.seen] == ["/_mget", "/_bulk", "/_bulk"]
    assert kinds(store) == ["opened", "claimed"]


def test_lines_of_many_processes_are_kept_once_and_a_ticket_carries_few(
    store: ElasticStore, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "CARRIED", 2)
    put(store, ticket())
    for n in range(6):
        with closing(ElasticStore(node.url, prefix=node.prefix)) as another:
            another.claim("x:1", "Ana", until=ahead(15 + n), now=NOW)
    assert kinds(store) == ["opened", "claimed", *["extended"] * 5]
    assert store.count(Event) == 7
    found = store._connection.get(f"{node.prefix}-tickets", "x:1")
    assert found is not None
    assert len(found.document["outbox"]) <= 3


def test_an_incident_a_notice_and_progress_are_saved_once_when_the_answer_was_lost(
    shaky: ElasticStore, proxy: Proxy, hurried: None
) -> None:
    proxy.once(LOST, "/_bulk")
    opened = shaky.save_incident(incident())
    proxy.once(LOST, "/_bulk")
    said = Event(id=0, at=NOW, actor="Ana", kind=EventKind.ACKNOWLEDGED, subject=opened.id)
    assert shaky.save_incident(replace(opened, acknowledged_by="Ana"), event=said).version == 2
    assert kinds(shaky, opened.id) == ["acknowledged"]
    proxy.once(LOST, "/_bulk")
    assert shaky.add_notice(notice()) is True
    proxy.once(LOST, "/_bulk")
    assert shaky.take_notice(notice(), retry_at=ahead(2)) == notice(attempts=1, retry_at=ahead(2))
    proxy.once(LOST, "/_bulk")
    shaky.save_progress(cursor(watermark="9"), gaps=[gap()], batch=batch())
    assert (shaky.cursor("x", "brightly").watermark, shaky.gaps("x", "brightly")) == ("9", [gap()])
    assert shaky.pending_batches() == [batch()]


# --- a cluster in trouble -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [LOST, HALF, 429, 502, 503, 504])
def test_a_cluster_that_stays_away_is_told_as_unavailable_and_then_asked_once_only(
    shaky: ElasticStore, proxy: Proxy, fault: str | int, hurried: None
) -> None:
    proxy.always(fault)
    proxy.seen.clear()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1"):
            shaky.ticket("x:1")
    assert len(proxy.seen) == 3 + 1
    proxy.fault = lambda *_: None
    with pytest.raises(NotFound):
        shaky.ticket("x:1")


@pytest.mark.parametrize(("status", "advice"), [(401, "privileges"), (403, "privileges"), (400, "refuses")])
def test_what_another_try_cannot_help_is_refused_at_once_with_advice(
    shaky: ElasticStore, proxy: Proxy, status: int, advice: str
) -> None:
    proxy.always(status)
    proxy.seen.clear()
    with pytest.raises(StoreRefused, match=advice):
        shaky.ticket("x:1")
    assert len(proxy.seen) == 1


def test_a_document_that_is_refused_is_named_and_the_others_are_written(node: Node) -> None:
    with (
        closing(ElasticStore(node.url, prefix=node.prefix)),
        closing(Connection(node.url, prefix=node.prefix)) as open_,
    ):
        index = open_.index("notices")
        documents = {"good": {"id": "good"}, "strange": {"colour": "red"}, "too": {"id": "too"}}
        writes = [Write(action="create", index=index, id=id_, document=each) for id_, each in documents.items()]
        with pytest.raises(StoreRefused, match=r"strange.*colour"):
            open_.bulk(writes)
        assert {id_ for _, id_ in open_.get_many((index, id_) for id_ in documents)} == {"good", "too"}


def test_an_index_that_may_not_be_written_is_told_with_what_to_do_and_found_by_the_check(
    store: ElasticStore, node: Node
) -> None:
    put(store, ticket())
    name = next(iter(node.ask("GET", f"/{node.prefix}-tickets")))
    node.ask("PUT", f"/{name}/_settings", '{"index.blocks.write": true}')
    try:
        with pytest.raises(StoreRefused, match="lift the block"):
            store.claim("x:1", "Ana", until=ahead(15), now=NOW)
        assert any("blocks.write" in each for each in store.check())
    finally:
        node.ask("PUT", f"/{name}/_settings", '{"index.blocks.write": null}')
    assert store.claim("x:1", "Ana", until=ahead(15), now=NOW).holder(NOW) == "Ana"


# --- crashes --------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def crashing(store: ElasticStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], bool]:
    """Does something, and ends before its n-th write; says whether there was one."""
    bulk, left = Connection.bulk, [1_000]

    def counted(self: Connection, *given: object, **named: object) -> object:
        if not left[0]:
            raise Crash
        left[0] -= 1
        return bulk(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "bulk", counted)

    def run(writes: int, act: Callable[[], object]) -> bool:
        left[0] = writes
        try:
            with suppress(Conflict):
                act()
        except Crash:
            return True
        finally:
            left[0] = 1_000
        return False

    return run


Crashing = Callable[[int, Callable[[], object]], bool]


def test_a_crash_between_any_two_writes_of_a_claim_leaves_all_of_it_or_nothing(
    store: ElasticStore, crashing: Crashing
) -> None:
    for writes in range(10):
        id_ = f"x:{writes}"
        put(store, ticket(str(writes)))
        crashed = crashing(writes, partial(store.claim, id_, "Ana", until=ahead(15), now=NOW))
        taken = store.ticket(id_).holder(NOW) == "Ana"
        assert kinds(store, id_) == ["opened", "claimed"] if taken else ["opened"]
        store.claim(id_, "Ana", until=ahead(15), now=NOW)
        store.release(id_, "Ana", now=NOW)
        assert kinds(store, id_) == ["opened", "claimed", "released"]
        if not crashed:
            return
    pytest.fail("it never ended")


def test_a_crash_between_any_two_writes_of_new_tickets_loses_none_and_no_line(
    store: ElasticStore, crashing: Crashing
) -> None:
    for writes in range(10):
        made = [ticket(f"{writes}-{n}") for n in range(3)]
        crashed = crashing(writes, partial(store.save_tickets, made))
        store.save_tickets(made)
        for each in made:
            assert (store.ticket(each.id), kinds(store, each.id)) == (each, ["opened"])
        if not crashed:
            return
    pytest.fail("it never ended")


def test_a_crash_between_any_two_writes_of_progress_saves_all_of_it_or_nothing(
    store: ElasticStore, crashing: Crashing
) -> None:
    for writes in range(10):
        query = f"q{writes}"
        first, second = gap(f"a{writes}", query=query), gap(f"b{writes}", query=query)
        landed = batch(f"batch{writes}", query=query)
        store.save_progress(cursor(query=query, watermark="1"), gaps=[first])
        after = cursor(query=query, watermark="2")
        closed = replace(first, closed_at=NOW)
        crashed = crashing(writes, partial(store.save_progress, after, gaps=[closed, second], batch=landed))
        if store.cursor("x", query).watermark == "2":
            assert (store.gaps("x", query), landed in store.pending_batches()) == ([second], True)
        else:
            assert (store.gaps("x", query), landed in store.pending_batches()) == ([first], False)
        store.save_progress(after, gaps=[closed, second], batch=landed)
        store.save_progress(replace(after, watermark="3"))
        assert (store.gaps("x", query), landed in store.pending_batches()) == ([second], True)
        if not crashed:
            return
    pytest.fail("it never ended")


def test_a_crash_between_any_two_writes_of_a_triage_leaves_the_batch_pending_or_done_with_its_dead_letters(
    store: ElasticStore, crashing: Crashing
) -> None:
    for writes in range(10):
        landed, letter = batch(f"b{writes}"), dead_letter(f"d{writes}")
        store.save_progress(cursor(), batch=landed)
        done = replace(landed, triaged_at=NOW, bad=1)
        crashed = crashing(writes, partial(store.batch_triaged, done, dead_letters=[letter]))
        assert landed in store.pending_batches() or letter in store.dead_letters()
        store.batch_triaged(done, dead_letters=[letter])
        assert (store.pending_batches(), store.dead_letters().count(letter)) == ([], 1)
        if not crashed:
            return
    pytest.fail("it never ended")


@pytest.mark.parametrize("joined", [False, True], ids=["moved", "joined"])
def test_a_crash_between_any_two_writes_of_a_move_is_finished_by_the_next_one(
    store: ElasticStore, crashing: Crashing, joined: bool
) -> None:
    for writes in range(15):
        old, new = f"x:old{writes}", f"x:new{writes}"
        put(store, ticket(f"old{writes}"))
        if joined:
            put(store, ticket(f"new{writes}", opened_at=ago(5)))
        store.claim(old, "Ana", until=ahead(15), now=NOW)
        crashed = crashing(writes, partial(store.move_conversation, old, new))
        assert store.tickets([old, new])
        with suppress(NotFound):
            store.answered(old, "Ana", now=NOW)  # whoever touches it on its way brings it there
        store.move_conversation(old, new)
        assert set(store.tickets([old, new])) == {new}
        assert store.ticket(new).holder(NOW) == "Ana"
        told = kinds(store, new)
        assert (told.count("claimed"), told.count("noted"), told.count("opened")) == (1, 1, 2 if joined else 1)
        assert list(store.conversations([old, new])) == [new]
        assert store.events(old) == []
        if not crashed:
            return
    pytest.fail("it never ended")


def test_a_ticket_that_came_to_be_again_after_its_move_is_moved_again_with_what_was_done_to_it(
    store: ElasticStore,
) -> None:
    for person in ("Ana", "Ben"):
        put(store, ticket("old"))
        store.answered("x:old", person, now=NOW)
        store.move_conversation("x:old", "x:new")
        assert set(store.tickets(["x:old", "x:new"])) == {"x:new"}
    told = [(event.kind.value, event.actor) for event in store.events("x:new") if event.actor != "tocsin"]
    assert told == [("answered", "Ana"), ("answered", "Ben")]


def test_a_crash_between_any_two_writes_of_an_incident_leaves_one_of_its_cause_with_its_history(
    store: ElasticStore, crashing: Crashing
) -> None:
    for writes in range(15):
        opened = incident(id=f"i{writes}", cause=f"cause {writes}")
        said = Event(id=0, at=NOW, actor="Ana", kind=EventKind.NOTED, subject=opened.id)
        crashed = crashing(writes, partial(store.save_incident, opened, event=said))
        with suppress(Conflict):
            store.save_incident(replace(opened, id=f"other{writes}"))
        mine = [each for each in store.open_incidents() if each.cause == opened.cause]
        assert len(mine) == 1
        assert kinds(store, opened.id) == (["noted"] if mine[0].id == opened.id else [])
        if not crashed:
            assert mine == [opened]
            return
    pytest.fail("it never ended")


# --- races ----------------------------------------------------------------------------------------------------------

_RACER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pipeline.errors import AlreadyClaimed
from pipeline.stores.elastic import ElasticStore
from tests.contracts.store.made import ahead
from tests.factories import NOW
url, prefix, name = sys.argv[1:]
store = ElasticStore(url, prefix=prefix)
print("ready", flush=True)
sys.stdin.readline()
def race(racer):
    won = []
    for each in range(10):
        try:
            store.claim(f"x:{each}", f"{name}-{racer}", until=ahead(15), now=NOW)
            won.append(f"x:{each} {name}-{racer}")
        except AlreadyClaimed:
            pass
    return won
with ThreadPoolExecutor(5) as pool:
    print(*(line for won in pool.map(race, range(5)) for line in won), sep="\\n")
"""


def test_of_twenty_threads_in_four_processes_one_wins_each_ticket(store: ElasticStore, node: Node) -> None:
    put(store, *(ticket(str(each)) for each in range(10)))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, node.url, node.prefix, name],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in "abcd"
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    won = [line for racer in racers for line in racer.communicate("go\n", timeout=120)[0].split("\n") if line]
    assert len(won) == 10
    for line in won:
        id_, winner = line.split(" ")
        assert store.ticket(id_).claimed_by == winner
        assert kinds(store, id_) == ["opened", "claimed"]


def test_of_many_who_open_an_incident_of_one_cause_at_once_one_does(store: ElasticStore) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def open_one(number: int) -> bool:
        try:
            store.save_incident(incident(id=f"i{number}"))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        opened = list(pool.map(open_one, range(10)))
    assert opened.count(True) == 1
    assert ids(store.open_incidents()) == [f"i{opened.index(True)}"]


# --- windows --------------------------------------------------------------------------------------------------------


def test_pages_reach_beyond_the_largest_window_of_one_search(
    store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (connection, sys.modules["pipeline.stores.elastic.queue"]):
        monkeypatch.setattr(module, "WINDOW", 7)
    monkeypatch.setattr(connection, "CHUNK", 5)
    put(store, *(ticket(str(n), level=n % 3, due=n - 20) for n in range(40)))
    whole = ids(store.queue(NOW, ALL, limit=100))
    assert len(whole) == 40
    for offset in (6, 7, 8, 33, 39, 40):
        assert ids(store.queue(NOW, ALL, limit=4, offset=offset)) == whole[offset : offset + 4]
    newest = ids(store.search("", ALL, limit=100))
    for offset in (6, 7, 8, 14, 39, 40):
        assert ids(store.search("", ALL, limit=9, offset=offset)) == newest[offset : offset + 9]
    assert len(store.conversations([f"x:{n}" for n in range(40)])) == 40


def test_of_a_template_with_many_originals_the_oldest_are_read_and_other_bands_in_full(
    shaky: ElasticStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "CHUNK", 7)
    monkeypatch.setattr(mentions, "CANDIDATES", 5)
    posts = [scored(f"{n:02}", posted_at=ago(90 - n)) for n in range(40)]
    shaky.add_mentions(posts, {f"x:{n:02}": [5] if n % 10 else [5, 8] for n in range(40)})
    proxy.seen.clear()
    found = shaky.fold_candidates([5, 8], since=ago(5000))
    assert [id_ for id_, _ in found[5]] == [f"x:{n:02}" for n in range(7)]
    assert [id_ for id_, _ in found[8]] == ["x:00", "x:10", "x:20", "x:30"]
    assert len(proxy.seen) == 2


def test_a_ticket_whose_id_is_too_long_for_elasticsearch_ends_its_page(store: ElasticStore) -> None:
    put(store, ticket("long" * 200), ticket("2"))
    assert [each.id for each in store.dump(Ticket, limit=9)] == ["x:2", f"x:{'long' * 200}"]
    assert store.dump(Ticket, after=f"x:{'long' * 200}") == []


def test_ids_that_are_too_long_for_elasticsearch_are_ids_all_the_same(store: ElasticStore) -> None:
    long = "ł" * 400
    put(store, ticket(long))
    copy = scored("copy", fold=f"x:{long}", conversation=f"x:{long}", handle=long)
    store.add_mentions([copy], {})
    assert store.mention("x:copy") == store.search("", ALL)[0]
    assert store.mention("x:copy").mention == copy.mention
    assert store.known([f"x:{long}", "x:no"]) == {f"x:{long}"}
    assert ids(store.queue(NOW, ALL)) == [f"x:{long}"]
    assert store.folded_counts([f"x:{long}"]) == {f"x:{long}": (1, 1)}
    assert list(store.conversations([f"x:{long}"])) == [f"x:{long}"]
    assert ids(store.author_history(f"x:{long}")) == ["x:copy"]
    store.claim(f"x:{long}", "Ana", until=ahead(15), now=NOW)
    assert [event.subject for event in store.events(f"x:{long}")] == [f"x:{long}"] * 2


def test_a_word_of_any_length_is_found_and_its_beginning_is_not(store: ElasticStore) -> None:
    long = "a" * 300
    store.add_mentions([scored("1", f"b {long} c")], {})
    assert ids(store.search(long, ALL)) == ["x:1"]
    assert ids(store.search(f'"b {long} c"', ALL)) == ["x:1"]
    assert store.search("a" * 255, ALL) == []


# --- the cluster's layout -------------------------------------------------------------------------------------------


def test_mentions_lie_in_the_month_they_were_posted_in_and_are_found_under_one_name(
    store: ElasticStore, node: Node
) -> None:
    store.add_mentions([scored("1"), scored("2", posted_at=NOW.replace(month=3, year=2024))], {})
    names = node.ask("GET", f"/{node.prefix}-mentions")
    assert {f"{node.prefix}-mentions-2026.11-1", f"{node.prefix}-mentions-2024.03-1"} <= set(names)
    assert ids(store.search("", ALL)) == ["x:1", "x:2"]
    assert store.known(["x:1", "x:2"]) == {"x:1", "x:2"}


def test_an_older_layout_is_brought_up_to_date_and_a_newer_one_left_alone(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{node.prefix}-layout"
    with closing(ElasticStore(node.url, prefix=prefix)) as first:
        put(first, ticket())
        assert first.outdated() == []
    now = indices.VERSION
    monkeypatch.setattr(indices, "VERSION", now + 1)
    monkeypatch.setitem(indices.NOUNS, "notices", {**indices.NOUNS["notices"], "team": {"type": "keyword"}})
    with closing(ElasticStore(node.url, prefix=prefix, migrate=False)) as left:
        assert f"version {now} to {now + 1}" in left.outdated()[0]
        assert f"version {now}, not {now + 1}" in left.check()[0]
    with closing(ElasticStore(node.url, prefix=prefix)) as newer:
        assert (newer.outdated(), newer.check(), newer.ticket("x:1")) == ([], [], ticket())
    monkeypatch.undo()
    with pytest.raises(StoreRefused, match=f"version {now + 1}, this Tocsin knows {now}"):
        ElasticStore(node.url, prefix=prefix)


def test_an_index_that_is_gone_is_told_and_made_again_by_a_migration(node: Node) -> None:
    prefix = f"{node.prefix}-gone"
    ElasticStore(node.url, prefix=prefix).close()
    node.ask("DELETE", f"/{prefix}-notices-1")
    with closing(ElasticStore(node.url, prefix=prefix, migrate=False)) as left:
        assert left.outdated() == [f"the index {prefix}-notices is gone: an empty one"]
        assert any(f"index {prefix}-notices is gone" in each and "store migrate" in each for each in left.check())
        left.migrate()
        assert (left.outdated(), left.check()) == ([], [])


def test_a_key_that_may_not_make_what_is_gone_is_told_who_can(node: Node, proxy: Proxy) -> None:
    prefix = f"{node.prefix}-away"
    ElasticStore(node.url, prefix=prefix).close()
    node.ask("DELETE", f"/{prefix}-notices-1")
    proxy.fault = lambda method, _, __: 403 if method == "PUT" else None
    with pytest.raises(StoreRefused, match=r"notices is gone.*`tocsin store migrate` with an administrator's"):
        ElasticStore(proxy.url, prefix=prefix, api_key=KEY)


def test_a_store_that_is_opened_for_reading_reads_and_writes_nothing(store: ElasticStore, node: Node) -> None:
    put(store, ticket())
    with closing(ElasticStore(node.url, prefix=node.prefix, read_only=True)) as reading:
        assert reading.ticket("x:1") == ticket()
        with pytest.raises(StoreRefused, match="reading only"):
            reading.claim("x:1", "Ana", until=ahead(15), now=NOW)


def test_what_a_crash_has_kept_from_its_place_is_copied_out_all_the_same(
    store: ElasticStore, node: Node, crashing: Crashing
) -> None:
    put(store, ticket("1"), ticket("old"))
    assert crashing(1, partial(store.claim, "x:1", "Ana", until=ahead(15), now=NOW))
    assert crashing(1, partial(store.move_conversation, "x:old", "x:new"))
    assert crashing(1, partial(store.save_progress, cursor(), gaps=[gap()], batch=batch()))
    with closing(ElasticStore(node.url, prefix=node.prefix, read_only=True)) as reading:
        assert [each.id for each in reading.dump(Ticket)] == ["x:1", "x:new"]  # type: ignore[union-attr]
        events = [each for each in reading.dump(Event) if isinstance(each, Event)]
        assert sorted((each.subject, each.kind.value) for each in events) == [
            ("x:1", "claimed"), ("x:1", "opened"), ("x:new", "noted"), ("x:new", "opened")
        ]  # fmt: skip
        assert (reading.dump(Gap), reading.dump(Batch)) == ([gap()], [batch()])
        assert reading.dump(Event) == events


def test_a_backup_is_restored_in_the_place_of_all_there_is(store: ElasticStore, node: Node) -> None:
    repository = f"{node.prefix}-backups"
    node.ask("PUT", f"/_snapshot/{repository}", f'{{"type": "fs", "settings": {{"location": "{repository}"}}}}')
    try:
        put(store, ticket("1"))
        store.claim("x:1", "Ana", until=ahead(15), now=NOW)
        kept, seen = store.ticket("x:1"), store.change_count()
        store.backup(f"{repository}/one")
        with pytest.raises(StoreRefused, match="there already"):
            store.backup(f"{repository}/one")
        store.release("x:1", "Ana", now=NOW)
        put(store, ticket("2"))
        with pytest.raises(StoreRefused, match="not empty"):
            store.restore(f"{repository}/one")
        store.restore(f"{repository}/one", overwrite=True)
        assert (store.ticket("x:1"), store.tickets(["x:2"]), ids(store.search("", ALL))) == (kept, {}, ["x:1"])
        assert kinds(store) == ["opened", "claimed"]
        assert store.change_count() > seen
        store.release("x:1", "Ana", now=NOW)
        assert store.add_mentions([scored("3")], {}) == ["x:3"]
        assert store.check() == []
        store.backup(f"{repository}/one", overwrite=True)
        for missing in (f"{repository}/none", "none/one"):
            with pytest.raises(StoreRefused, match="there is no"):
                store.restore(missing)
        with pytest.raises(ConfigError, match="REPOSITORY/SNAPSHOT"):
            store.backup("/tmp/backup.db")
    finally:
        node.ask("DELETE", f"/_snapshot/{repository}/one")
        node.ask("DELETE", f"/_snapshot/{repository}")


def test_a_post_that_comes_while_its_conversation_is_forgotten_stays(
    store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = timedelta(days=1)
    store.add_mentions([scored("1", posted_at=NOW - 90 * day)], {})
    store.add_mentions([scored("2", posted_at=NOW, conversation="x:1")], {})
    monkeypatch.setattr(ElasticStore, "_needed", lambda *_: set())  # read before the second came
    store.forget(NOW - 30 * day)
    assert ids(store.search("", ALL)) == ["x:2"]


# --- keys and addresses ---------------------------------------------------------------------------------------------


def test_the_key_is_sent_and_stands_in_no_error(node: Node, proxy: Proxy, hurried: None) -> None:
    with closing(ElasticStore(proxy.url, prefix=node.prefix, api_key=KEY)) as opened:
        assert proxy.headers[-1]["authorization"] == f"ApiKey {KEY}"
        for fault in (401, 403, 500, LOST):
            proxy.always(fault)
            with pytest.raises((StoreRefused, StoreUnavailable)) as caught:
                opened.ticket("x:1")
            told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
            assert KEY not in told


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://es.example:9200", "in the clear"),
        ("http://10.0.0.5:9200", "in the clear"),
        ("https://elastic:hunter2@es.example", "password"),
        ("es.example:9200", "https://HOST:9200"),
        ("ftp://es.example", "https://HOST:9200"),
        ("htps://elastic:hunter2@es.example", "https://HOST:9200"),
        ("elastic:hunter2@es.example:9200", "https://HOST:9200"),
        ("https://elastic:hunter2/x@es.example", "https://HOST:9200"),
        ("https://es.example:92000", "https://HOST:9200"),
        ("https://[::1", "https://HOST:9200"),
        ("", "https://HOST:9200"),
        ("http://127.0.0.1:9200,http://es.example:9200", "in the clear"),
    ],
)
def test_an_address_that_would_give_something_away_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        ElasticStore(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_cluster_that_is_not_there_is_unavailable(hurried: None) -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
        ElasticStore("http://127.0.0.1:1")


def test_a_key_that_may_not_read_templates_uses_what_is_there(node: Node, store: ElasticStore, proxy: Proxy) -> None:
    put(store, ticket())
    proxy.fault = lambda _, path, __: 403 if path.startswith("/_index_template") else None
    with closing(ElasticStore(proxy.url, prefix=node.prefix, api_key=KEY)) as pages:
        assert pages.claim("x:1", "Ana", until=ahead(15), now=NOW).holder(NOW) == "Ana"


def test_who_keeps_posts_in_sqlite_never_loads_the_client() -> None:
    told = (
        "import sys; from pipeline import app, config;"
        "app.store_of(config.parse({'store': 'sqlite::memory:'})).close();"
        "sys.exit('elasticsearch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", told], cwd=REPOSITORY, check=False).returncode == 0


def test_a_store_in_elasticsearch_is_chosen_by_its_address(node: Node) -> None:
    from pipeline import app, config

    chosen = config.parse({"store": f"elasticsearch:{node.url}", "elasticsearch": {"prefix": node.prefix}})
    with closing(app.store_of(chosen)) as opened:
        assert opened.check() == []
    secured = config.parse({"store": "elasticsearch:https://es.example"})
    assert config.secrets_needed(secured) == {"elasticsearch_api_key": "the store"}
    with pytest.raises(ConfigError, match="TOCSIN_ELASTICSEARCH_API_KEY"):
        app.store_of(secured)
    with pytest.raises(ConfigError, match=r"elasticsearch:https://HOST:9200"):
        app.store_of(config.parse({"store": "postgres:x"}))
