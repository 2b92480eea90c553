"""Everything out and in again as it is, and posts forgotten by months."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline import folds
from pipeline.domain import (
    RECORDS,
    Batch,
    ChainRun,
    Cursor,
    DeadLetter,
    Event,
    EventKind,
    Filters,
    Gap,
    Incident,
    Label,
    Month,
    Notice,
    Outage,
    Part,
    Record,
    Resolution,
    ScoredMention,
    Signal,
    Ticket,
    key_of,
)
from pipeline.errors import Conflict, StoreRefused
from pipeline.ports import Store
from tests.contracts.store.made import ALL, ago, ahead, batch, cursor, dead_letter, gap, ids, notice, put, ticket
from tests.contracts.store.test_escalation import CHAIN, run
from tests.contracts.store.test_labels import label
from tests.factories import FIRE, NOW, incident, mention, score, scored

SURE = score(p=1.0)  # digits that stores keep
JANUARY, MARCH = datetime(2026, 1, 20, 8, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


def dumped(store: Store, kind: type[Record], *, limit: int = 1000) -> list[Record]:
    """All records of a kind, page by page."""
    found: list[Record] = []
    while page := store.dump(kind, after=key_of(found[-1]) if found else "", limit=limit):
        assert len(page) <= limit
        found += page
    return found


def load(store: Store, *records: Record) -> None:
    store.load(records, sketches={})


# --- archive --------------------------------------------------------------------------------------------------------

WHOLE: dict[type[Record], list[Record]] = {
    ScoredMention: [
        scored(
            "1", "my şarj aleti broke 🔥", given=score(p=1.0, rules=(FIRE,), signals=(Signal(name="a", value=0.25, because="b"),)),
            conversation="x:9", followers=7, in_reply_to="x:9", repost_of="x:8", fold="x:8", tagged=True, own=True,
            url="https://x.com/1", likes=1, reposts=2, replies=3, collected_at=ahead(1), language="tr",
        ),
        scored("2", given=SURE),
    ],
    Ticket: [
        ticket(
            "1", claimed_by="Ana", claimed_until=ahead(9), responded_at=ago(2), answered_at=ago(2), resolved_at=ago(1),
            resolution=Resolution.NOT_OURS, reopened_at=ago(9), posts=4, people=2, folded=3, version=17,
        ),
        ticket("2", waiting_since=None),
    ],
    Event: [
        Event(id=7, at=ago(3), actor="Ana", kind=EventKind.CLAIMED, subject="x:1", note="é", before="{}", undone=True),
        Event(id=10, at=ago(9), actor="tocsin", kind=EventKind.OPENED, subject="x:2"),
        Event(id=1_800_000_000_000_000_123, at=ago(1), actor="Ben", kind=EventKind.NOTED, subject="x:1"),
    ],
    Label: [label("1", minutes=9), label("1", "urgency", None, minutes=8), label("2", minutes=1)],
    Incident: [
        incident(id="a", closed_at=NOW, acknowledged_by="Ana", acknowledged_at=ago(1), version=5, mentions=("x:1", "x:2")),
        incident(id="b", parts=(Part(name="grave post", value=3.0, because="fire"),)),
    ],
    Notice: [notice("n1", attempts=3, error="503", retry_at=ahead(1)), notice("n2", sent_at=NOW), notice("n3", failed_at=NOW)],
    ChainRun: [run("a"), ChainRun(id="b", incident="i2", chain=replace(CHAIN, name="night"), started_at=ago(1))],
    Outage: [Outage(id="mail", since=ago(9), error="no such address"), Outage(id="ops", since=ago(1), error="410")],
    DeadLetter: [dead_letter("d1"), dead_letter("d2", batch="b2")],
    Batch: [batch("b1", triaged_at=NOW, kept=2, unmatched=1, bad=1), batch("b2")],
    Gap: [gap("g1", closed_at=NOW), gap("g2", lost_at=NOW), gap("g3", since=None, until=None, newer_than=None)],
    Cursor: [
        cursor(watermark="9", watermark_at=NOW, tried_at=NOW, succeeded_at=NOW, error="e", retry_at=NOW, calls_left=3, calls_reset_at=NOW),
        cursor(query="kestrel bank"),
    ],
}  # fmt: skip


def test_every_kind_of_record_is_named(store: Store) -> None:
    assert set(WHOLE) == set(RECORDS)
    for kind in RECORDS:
        assert (store.count(kind), store.dump(kind)) == (0, [])


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_records_come_out_as_they_were_loaded_by_key_and_page_by_page(store: Store, kind: type[Record]) -> None:
    store.load(list(reversed(WHOLE[kind])), sketches={})
    assert dumped(store, kind, limit=1) == dumped(store, kind) == WHOLE[kind]
    assert store.count(kind) == len(WHOLE[kind])


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_loading_again_changes_nothing_and_a_record_replaces_that_of_its_key(store: Store, kind: type[Record]) -> None:
    store.load(WHOLE[kind], sketches={})
    store.load(WHOLE[kind], sketches={})
    assert dumped(store, kind) == WHOLE[kind]
    other: Any = WHOLE[kind][0]
    if isinstance(other, ScoredMention):
        other = replace(other, mention=replace(other.mention, conversation="x:5", text="otherwise said"))
    elif isinstance(other, Cursor):
        other = replace(other, watermark="10")
    elif isinstance(other, Ticket | Incident):
        other = replace(other, version=18)
    else:
        moment = {Event: "at", Label: "at", Notice: "created_at", ChainRun: "started_at", Outage: "since", DeadLetter: "at", Batch: "landed_at",
                  Gap: "opened_at"}  # fmt: skip
        other = replace(other, **{moment[type(other)]: ago(99)})
    load(store, other)
    assert dumped(store, kind) == [other, *WHOLE[kind][1:]]


def test_keys_are_ordered_by_code_points(store: Store) -> None:
    wild = ["x:10", "x:9", "x:A", "x:a", "x:é", "x:ł", "x:漢", "x:🔥"]
    store.load([scored(each.removeprefix("x:"), given=SURE) for each in reversed(wild)], sketches={})
    assert [key_of(each) for each in dumped(store, ScoredMention, limit=3)] == sorted(wild)


def test_what_was_loaded_is_found_ranked_and_folded_upon(store: Store) -> None:
    text = "the brightly charger of my mother started to smoke last night"
    original = scored("1", text, given=SURE, posted_at=ago(60))
    sketches = folds.sketch([original.mention])
    store.load([original], sketches=sketches)
    load(store, ticket("1"))
    assert ids(store.search("chargers", ALL)) == ["x:1"]
    assert ids(store.queue(NOW, Filters(brand="Brightly"))) == ["x:1"]
    assert store.queue_counts(NOW, ALL).waiting == 1
    found = store.fold_candidates(sketches["x:1"], since=ago(90))
    assert {pair for pairs in found.values() for pair in pairs} == {("x:1", text)}


def test_a_mention_that_is_replaced_is_found_by_its_new_words_alone(store: Store) -> None:
    load(store, scored("1", "the old words", given=SURE))
    load(store, scored("1", "another text", given=SURE))
    assert store.search("old", ALL) == []
    assert ids(store.search("another", ALL)) == ["x:1"]


def test_tickets_that_were_loaded_are_neither_merged_nor_given_a_history(store: Store) -> None:
    put(store, ticket("1"))
    load(store, ticket("1", posts=0, version=3, resolved_at=ago(1), resolution=Resolution.ANSWERED))
    assert store.ticket("x:1").version == 3
    assert store.ticket("x:1").resolved_at == ago(1)
    assert [event.kind for event in store.events("x:1")] == [EventKind.OPENED]
    assert store.queue_counts(NOW, ALL).waiting == 0


def test_work_goes_on_where_it_was_after_a_copy(store: Store) -> None:
    load(store, scored("1", given=SURE))
    load(store, ticket("1", claimed_by="Ana", claimed_until=ahead(5), version=4))
    claimed = Event(id=12, at=ago(1), actor="Ana", kind=EventKind.CLAIMED, subject="x:1", before='{"claimed_by": null, "claimed_until": null}')  # fmt: skip
    load(store, claimed)
    with pytest.raises(Conflict):
        store.claim("x:1", "Ben", until=ahead(9), now=NOW)
    assert store.undo(12, "Ana", now=NOW).claimed_by is None
    assert store.claim("x:1", "Ben", until=ahead(9), now=NOW).claimed_by == "Ben"
    known = [event.id for event in store.events("x:1")]
    assert known[0] == 12
    assert known == sorted(set(known))
    assert len(known) == 3


def test_loading_counts_as_a_change_and_loading_nothing_does_not(store: Store) -> None:
    before = store.change_count()
    store.load([], sketches={})
    assert store.change_count() == before
    load(store, scored("1"))
    assert store.change_count() > before


def test_a_record_that_contradicts_another_is_refused_and_takes_no_place(store: Store) -> None:
    load(store, incident(id="a"))
    with pytest.raises(StoreRefused):
        load(store, incident(id="b"))
    assert dumped(store, Incident) == [incident(id="a")]


# --- retention ------------------------------------------------------------------------------------------------------


def posted(native: str, at: datetime = JANUARY, **changes: Any) -> ScoredMention:
    return scored(native, f"brightly post {native}", given=SURE, posted_at=at, collected_at=at, **changes)


def done(native: str, at: datetime = JANUARY, **changes: Any) -> Ticket:
    """A ticket that was answered and resolved within a day of its post."""
    later = at + timedelta(hours=5)
    values: dict[str, Any] = {
        "opened_at": at, "last_at": at, "waiting_since": None, "responded_at": later, "answered_at": later,
        "resolved_at": later, "resolution": Resolution.ANSWERED,
    }  # fmt: skip
    return ticket(native, **values | changes)


def left(store: Store) -> list[str]:
    return [key_of(each) for each in dumped(store, ScoredMention)]


def month(first: date, mentions: int, *, needed: int = 0, tickets: int = 0) -> Month:
    return Month(first=first, mentions=mentions, needed=needed, tickets=tickets)


def fill(store: Store, mentions: Iterable[ScoredMention], *tickets: Ticket) -> None:
    for each in mentions:
        store.load([each], sketches=folds.sketch([each.mention]))
    store.load(tickets, sketches={})


def test_months_are_those_that_ended_and_a_look_changes_nothing(store: Store) -> None:
    edge = MARCH - timedelta(microseconds=1)
    fill(
        store,
        [posted("1"), posted("2"), posted("feb", edge), posted("march", MARCH), posted("new", NOW)],
        done("1"), done("march", MARCH),
    )  # fmt: skip
    before = store.change_count()
    found = store.months(MARCH)
    assert found == [month(date(2026, 1, 1), 2, tickets=1), month(date(2026, 2, 1), 1)]
    assert len(left(store)) == 5
    assert store.change_count() == before


def test_what_nobody_needs_is_forgotten_with_its_ticket_history_and_words(store: Store) -> None:
    fill(store, [posted("1"), posted("2", own=True), posted("march", MARCH)], done("1"), done("march", MARCH))
    store.record("x:1", EventKind.NOTED, "Ana", note="called", now=JANUARY)
    store.record("x:march", EventKind.NOTED, "Ana", now=MARCH)
    before = store.change_count()
    assert store.forget(MARCH) == [month(date(2026, 1, 1), 2, tickets=1)]
    assert left(store) == ["x:march"]
    assert ids(store.search("brightly", ALL)) == ["x:march"]
    assert [key_of(each) for each in dumped(store, Ticket)] == ["x:march"]
    assert (store.events("x:1"), len(store.events("x:march"))) == ([], 1)
    assert store.change_count() > before
    assert store.months(MARCH) == store.forget(MARCH) == []
    assert store.check() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"waiting_since": JANUARY, "answered_at": None, "resolved_at": None, "resolution": None},
        {"resolved_at": MARCH},
        {"answered_at": MARCH},
        {"reopened_at": MARCH, "resolved_at": None, "resolution": None},
        {"claimed_by": "Ana", "claimed_until": MARCH},
    ],
    ids=["waits", "resolved since", "answered since", "reopened since", "claimed since"],
)
def test_a_ticket_that_waits_or_was_worked_on_since_keeps_its_posts(store: Store, changes: dict[str, Any]) -> None:
    fill(store, [posted("1"), posted("reply", conversation="x:1"), posted("2")], done("1", **changes), done("2"))
    assert store.months(MARCH) == [month(date(2026, 1, 1), 3, needed=2, tickets=1)]
    store.forget(MARCH)
    assert left(store) == ["x:1", "x:reply"]
    assert [key_of(each) for each in dumped(store, Ticket)] == ["x:1"]


def test_a_ticket_that_was_answered_and_never_resolved_does_not_wait(store: Store) -> None:
    fill(store, [posted("1")], done("1", resolved_at=None, resolution=None))
    store.forget(MARCH)
    assert left(store) == []


def test_a_conversation_that_goes_on_stays_whole(store: Store) -> None:
    fill(store, [posted("1"), posted("2", MARCH, conversation="x:1")], done("1"))
    assert store.forget(MARCH) == [month(date(2026, 1, 1), 1, needed=1)]
    assert left(store) == ["x:1", "x:2"]


def test_posts_of_an_open_incident_stay_and_those_of_a_closed_one_go(store: Store) -> None:
    fill(store, [posted("1"), posted("2")], done("1"), done("2"))
    store.save_incident(incident(id="open", mentions=("x:1",)))
    store.save_incident(incident(id="closed", cause="a", mentions=("x:2",), closed_at=NOW))
    store.forget(MARCH)
    assert left(store) == ["x:1"]
    assert sorted(ids(store.incidents())) == ["closed", "open"]


def test_copies_stay_with_the_original_that_is_needed(store: Store) -> None:
    waiting = {"waiting_since": JANUARY, "answered_at": None, "resolved_at": None, "resolution": None}
    fill(
        store,
        [posted("1"), posted("2", fold="x:1", handle="ben"), posted("3"), posted("4", fold="x:3")],
        done("1", **waiting), done("3"),
    )  # fmt: skip
    store.forget(MARCH)
    assert left(store) == ["x:1", "x:2"]
    assert store.folded_counts(["x:1"]) == {"x:1": (1, 1)}


def test_what_was_forgotten_can_be_heard_again(store: Store) -> None:
    fill(store, [posted("1")], done("1"))
    store.forget(MARCH)
    assert store.add_mentions([posted("1")], folds.sketch([mention("1")])) == ["x:1"]
    store.save_tickets([ticket("1")])
    assert store.ticket("x:1").version == 1
    assert ids(store.search("brightly", ALL)) == ["x:1"]


def test_many_posts_are_forgotten_in_turns(store: Store) -> None:
    fill(store, [])
    store.load([posted(f"{n:04}", JANUARY + timedelta(seconds=n)) for n in range(1200)], sketches={})
    store.load([done(f"{n:04}") for n in range(0, 1200, 2)], sketches={})
    assert store.forget(MARCH) == [month(date(2026, 1, 1), 1200, tickets=600)]
    assert (left(store), store.count(Ticket)) == ([], 0)


def test_batches_that_were_triaged_long_ago_are_spent_and_go_with_their_dead_letters(store: Store) -> None:
    old = {"landed_at": JANUARY}
    for each in (batch("a1", triaged_at=JANUARY, **old), batch("a2", **old), batch("a3", triaged_at=NOW, **old)):
        store.load([each], sketches={})
    load(store, batch("new", landed_at=MARCH, triaged_at=MARCH))
    for letter in (dead_letter("d1", batch="a1"), dead_letter("d2", batch="new")):
        load(store, letter)
    spent = store.spent_batches(MARCH)
    assert ids(spent) == ["a1", "a3"]
    assert ids(store.spent_batches(MARCH, limit=1)) == ["a1"]
    store.forget_batches(spent)
    assert store.spent_batches(MARCH) == []
    assert ids(store.pending_batches()) == ["a2"]
    assert ids(store.dead_letters()) == ["d2"]
    assert store.count(Batch) == 2
