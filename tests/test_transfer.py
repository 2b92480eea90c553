"""A copy holds what its original holds, goes on where it was interrupted, and is proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pipeline import transfer
from pipeline.domain import RECORDS, Event, EventKind, Outage, Record, Resolution, ScoredMention, Ticket, key_of
from pipeline.errors import StoreRefused, StoreUnavailable
from pipeline.ports import Store
from pipeline.stores.sqlite import SqliteStore
from tests.contracts.store.made import ALL, ahead, batch, cursor, dead_letter, gap, ids, notice, ticket
from tests.contracts.store.test_escalation import run
from tests.contracts.store.test_labels import label
from tests.factories import NOW, incident, mention, scored

KINDS = [
    "mention",
    "ticket",
    "event",
    "label",
    "incident",
    "notice",
    "chain",
    "outage",
    "dead letter",
    "batch",
    "gap",
    "cursor",
]


@pytest.fixture
def source() -> Iterator[Store]:
    """A store with some of everything, as people and the machine have left it."""
    store = SqliteStore(":memory:")
    fill(store)
    yield store
    store.close()


@pytest.fixture
def target() -> Iterator[Store]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


def fill(store: Store, posts: int = 5) -> None:
    store.add_mentions([scored(f"{n:03}", f"my brightly broke {n} times") for n in range(posts)], {})
    store.save_tickets([ticket(f"{n:03}") for n in range(posts)])
    store.claim("x:000", "Ana", until=ahead(9), now=NOW)
    store.resolve("x:001", "Ben", Resolution.NOT_OURS, note="the other one", now=NOW)
    store.add_labels([label("001")])
    store.save_incident(incident())
    store.add_notice(notice())
    store.start_chain(run())
    store.save_outage(Outage(id="ops", since=NOW, error="410"))
    store.save_progress(cursor(watermark="7"), gaps=[gap()], batch=batch())
    store.batch_triaged(batch(triaged_at=NOW), dead_letters=[dead_letter()])


def everything(store: Store) -> dict[type[Record], list[Record]]:
    return {kind: store.dump(kind, limit=10_000) for kind in RECORDS}


@dataclass
class Relay:
    """A store behind a wall that a test can break through: calls are counted, and may fail or be changed."""

    store: Store
    loads: int = 0
    fail_at: int | None = None
    loaded: list[str] = field(default_factory=list)
    spoil: Mapping[str, Record | None] = field(default_factory=dict)

    def count(self, kind: type[Record]) -> int:
        return self.store.count(kind)

    def dump(self, kind: type[Record], *, after: str = "", limit: int = 1000) -> list[Record]:
        return self.store.dump(kind, after=after, limit=limit)

    def load(self, records: Sequence[Record], *, sketches: Mapping[str, Sequence[int]]) -> None:
        self.loads += 1
        if self.loads == self.fail_at:
            raise StoreUnavailable("gone for the moment")
        self.loaded += [key_of(record) for record in records]
        kept = [self.spoil.get(key_of(record), record) for record in records]
        self.store.load([record for record in kept if record is not None], sketches=sketches)


def test_a_copy_holds_everything_as_it_was(source: Store, target: Store) -> None:
    copied = transfer.copy(source, target)
    assert everything(target) == everything(source)
    assert [each.kind for each in copied] == KINDS
    assert [(each.records, each.written) for each in copied] == [(len(found), len(found)) for found in everything(source).values()]  # fmt: skip
    assert ids(target.queue(NOW, ALL)) == ids(source.queue(NOW, ALL))
    assert target.events("x:001") == source.events("x:001")


def test_two_digests_are_equal_if_and_only_if_the_records_are(source: Store, target: Store) -> None:
    first = transfer.copy(source, target)
    again = transfer.copy(source, target)
    assert [each.digest for each in again] == [each.digest for each in first]
    assert {each.written for each in again} == {0}
    source.release("x:000", "Ana", now=NOW)
    changed = transfer.copy(source, target)
    assert [each.kind for each, before in zip(changed, first, strict=True) if each.digest != before.digest] == [
        "ticket", "event",
    ]  # fmt: skip
    assert [(each.kind, each.written) for each in changed if each.written] == [("ticket", 1), ("event", 1)]


def test_progress_is_told_by_kind(source: Store, target: Store) -> None:
    told: list[tuple[type[Record], int]] = []
    transfer.copy(source, target, progress=lambda kind, done: told.append((kind, done)))
    assert told == [(kind, 0) for kind in RECORDS] * 2


@pytest.mark.parametrize("fail_at", range(1, 14))
def test_a_copy_that_was_interrupted_goes_on_where_it_was(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    monkeypatch.setattr(transfer, "PAGE", 2)
    first, second = Relay(target, fail_at=fail_at), Relay(target)
    with pytest.raises(StoreUnavailable):
        transfer.copy(source, first)
    transfer.copy(source, second)
    assert everything(target) == everything(source)
    assert len(first.loaded) + len(second.loaded) == sum(len(found) for found in everything(source).values())


def test_cursors_are_copied_last_so_that_half_a_copy_reads_again(source: Store, target: Store) -> None:
    with pytest.raises(StoreUnavailable):
        transfer.copy(source, Relay(target, fail_at=len(RECORDS)))
    assert target.count(Ticket) == 5
    assert target.cursors() == []


def test_copies_fold_on_their_originals_after_a_copy(source: Store, target: Store) -> None:
    from pipeline.folds import sketch

    text = "the brightly charger of my mother started to smoke last night"
    source.add_mentions([scored("first", text)], {})
    transfer.copy(source, target)
    bands = sketch([mention("other", text)])["x:other"]
    found = target.fold_candidates(bands, since=NOW)
    assert {id_ for pairs in found.values() for id_, _ in pairs} == {"x:first"}


def test_a_target_that_holds_what_its_source_does_not_is_refused(source: Store, target: Store) -> None:
    target.save_tickets([ticket("900"), ticket("000")])
    with pytest.raises(StoreRefused, match="the ticket x:900"):
        transfer.copy(source, target)


@pytest.mark.parametrize(
    ("key", "instead", "said"),
    [
        ("x:003", None, "mention x:003 is only in the source"),
        ("x:002", scored("002", "otherwise"), "mention x:002 is not the same"),
        ("x/brightly", cursor(watermark="8"), "cursor x/brightly is not the same"),
    ],
)
def test_a_difference_after_the_copy_is_an_error_that_names_the_first_record(
    source: Store, target: Store, key: str, instead: Any, said: str
) -> None:
    with pytest.raises(StoreRefused, match=said):
        transfer.copy(source, Relay(target, spoil={key: instead}))


def test_what_comes_to_the_target_meanwhile_is_told(source: Store, target: Store) -> None:
    late = Event(id=99, at=NOW, actor="Ana", kind=EventKind.NOTED, subject="x:001")

    def write(kind: type[Record], done: int) -> None:
        if kind is RECORDS[-1]:
            target.load([late], sketches={})

    with pytest.raises(StoreRefused, match=r"event 0+99 is only in the target"):
        transfer.copy(source, target, progress=write)


def test_stores_that_keep_more_digits_are_equal_to_those_that_keep_four(target: Store) -> None:
    exact = scored("1")
    exact = replace(exact, score=replace(exact.score, sentiment={"negative": 0.123456, "neutral": 0.8, "positive": 0.076544}))  # fmt: skip
    source = Exact([exact])
    assert transfer.copy(source, target)[0].records == 1
    assert target.mention("x:1").score.sentiment["negative"] == 0.1235
    assert transfer.copy(source, target)[0].written == 0


@dataclass
class Exact:
    """A store of mentions in memory that keeps every digit."""

    held: list[ScoredMention]

    def count(self, kind: type[Record]) -> int:
        return len(self.dump(kind))

    def dump(self, kind: type[Record], *, after: str = "", limit: int = 1000) -> list[Record]:
        return [each for each in self.held if kind is ScoredMention and key_of(each) > after][:limit]

    def load(self, records: Sequence[Record], *, sketches: Mapping[str, Sequence[int]]) -> None:
        raise AssertionError("it is only read")
