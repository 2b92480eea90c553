"""A customer wrote twice: two tickets become one, and two again, in every store and whatever dies in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline import respond
from pipeline.config import parse
from pipeline.domain import EventKind, Resolution, Status, Ticket
from pipeline.errors import AlreadyClaimed, Conflict, NotFound
from pipeline.index import read_conversations
from pipeline.merging import finish_merges, merge
from pipeline.ports import Store
from pipeline.prioritise import REPEAT_WINDOW
from pipeline.ranking import rank_conversations
from tests.contracts.store.made import ALL, ago, ids
from tests.factories import NOW, score, scored

CONFIG = parse({"brand": [{"name": "Brightly"}], "hours": {"opens": "00:00", "closes": "23:59"}})
LATER = NOW + timedelta(minutes=5)


def post(
    store: Store, native: str, *, thread: str, minutes: float = 30, heard: datetime | None = None, **about: Any
) -> None:
    """One post of a conversation, heard and ranked as triage does it."""
    at = ago(minutes)
    given = about.pop("given", None) or score()
    item = scored(native, given=given, posted_at=at, collected_at=heard or at, conversation=f"x:{thread}", **about)
    store.add_mentions([item], {})
    rank(store, f"x:{thread}")


def rank(store: Store, *conversations: str) -> None:
    found = read_conversations(set(conversations), window=REPEAT_WINDOW, store=store)
    rank_conversations(found, store=store, config=CONFIG)


@pytest.fixture
def two(store: Store) -> Store:
    """A calm ticket x:1 of two posts, and a pressing one, x:5, of one: the same customer."""
    post(store, "1", thread="1", minutes=300)
    post(store, "2", thread="1", minutes=200)
    post(store, "5", thread="5", minutes=30, given=score(urgency="high"))
    return store


def one_of(store: Store) -> Ticket:
    [item] = store.queue(NOW, ALL)
    return item.ticket


def merged(store: Store, *, now: datetime = NOW) -> Ticket:
    return merge(store, CONFIG, "x:5", "x:1", responder="Ana", note="same customer", now=now)


def test_of_two_tickets_one_waits_with_the_earlier_deadline_and_the_graver_post(two: Store) -> None:
    calm, pressing = two.ticket("x:1"), two.ticket("x:5")
    left = merged(two)
    assert one_of(two) == left
    assert (left.id, left.posts, left.merged, left.mention) == ("x:1", 3, ("x:5",), "x:5")
    assert left.rank.respond_by == min(calm.rank.respond_by, pressing.rank.respond_by)
    assert left.rank.due_at == left.rank.respond_by - timedelta(minutes=left.rank.handling_minutes)
    assert (left.opened_at, left.waiting_since) == (calm.opened_at, calm.waiting_since)
    part = two.ticket("x:5")
    assert (part.merged_into, part.status(NOW), part.unsettled) == ("x:1", Status.ANSWERED, None)
    assert two.queue_counts(NOW, ALL).waiting == 1


def test_the_history_of_both_stays_and_says_who_merged_them_and_why(two: Store) -> None:
    two.claim("x:5", "Ana", until=LATER, now=NOW)
    merged(two)
    assert [event.kind for event in two.events("x:1")] == [EventKind.OPENED]
    last = two.events("x:5")[-1]
    assert [event.kind for event in two.events("x:5")] == [EventKind.OPENED, EventKind.CLAIMED, EventKind.MERGED]
    assert (last.actor, last.note) == ("Ana", "into x:1: same customer")


def test_merging_twice_is_merging_once(two: Store) -> None:
    first = merged(two)
    assert merged(two, now=LATER) == first
    assert len(two.events("x:5")) == 2


@pytest.mark.parametrize("thread", ["1", "5"])
def test_new_posts_of_either_conversation_come_to_the_ticket_that_is_left(two: Store, thread: str) -> None:
    merged(two)
    post(two, "9", thread=thread, minutes=1)
    assert (one_of(two).id, one_of(two).posts) == ("x:1", 4)


def test_ranking_again_changes_nothing(two: Store) -> None:
    left = merged(two)
    for again in (("x:1",), ("x:5",), ("x:1", "x:5")):
        rank(two, *again)
    assert two.ticket("x:1") == left


def test_who_answers_the_ticket_that_is_left_has_answered_both(two: Store) -> None:
    merged(two)
    two.answered("x:1", "Ana", now=LATER)
    rank(two, "x:5")
    assert two.queue(LATER, ALL) == []
    post(two, "9", thread="5", minutes=-8, heard=LATER + timedelta(minutes=4))
    assert ids(two.queue(LATER, ALL)) == ["x:1"]


def test_what_was_answered_before_does_not_answer_what_is_merged_into_it(two: Store) -> None:
    two.answered("x:1", "Ana", now=NOW)
    left = merged(two, now=LATER)
    assert left.status(LATER) is Status.OPEN
    assert left.waiting_since == two.conversations(["x:5"])["x:5"][0].mention.posted_at


def test_a_resolved_ticket_is_reopened_by_what_is_merged_into_it_and_still_waits(two: Store) -> None:
    respond.resolve(two, "x:1", "Ana", Resolution.ANSWERED, now=NOW)
    assert merged(two, now=LATER).status(LATER) is Status.OPEN


def test_what_waits_no_more_does_not_wait_again_when_it_is_merged(two: Store) -> None:
    two.answered("x:5", "Ana", now=NOW)
    left = merged(two, now=LATER)
    assert (left.mention, left.posts) in {("x:1", 3), ("x:2", 3)}
    two.answered("x:1", "Ana", now=LATER)
    assert two.queue(LATER, ALL) == []


def test_undo_makes_two_of_them_again_each_with_its_own(two: Store) -> None:
    calm, pressing = two.ticket("x:1"), two.ticket("x:5")
    merged(two)
    post(two, "9", thread="5", minutes=1)
    two.undo(two.events("x:5")[-1].id, "Ana", now=LATER)
    assert set(ids(two.queue(LATER, ALL))) == {"x:1", "x:5"}
    assert finish_merges(two, CONFIG, now=LATER) == 1
    again, apart = two.ticket("x:1"), two.ticket("x:5")
    assert (again.posts, again.mention, again.rank, again.merged) == (2, calm.mention, calm.rank, ())
    assert (apart.posts, apart.merged_into, apart.waiting_since) == (2, None, pressing.waiting_since)
    assert set(ids(two.queue(LATER, ALL))) == {"x:1", "x:5"}
    assert finish_merges(two, CONFIG, now=LATER) == 0


def test_nobody_acts_on_a_part_or_merges_in_circles(two: Store) -> None:
    post(two, "7", thread="7")
    merged(two)
    acts: tuple[Callable[[], Ticket], ...] = (
        lambda: two.claim("x:5", "Ana", until=LATER, now=NOW),
        lambda: two.answered("x:5", "Ana", now=NOW),
        lambda: two.assign("x:5", "Ana", "legal", now=NOW),
    )
    for act in acts:
        with pytest.raises(Conflict, match="x:5 is part of x:1; open that one"):
            act()
    for one, other, why in (
        ("x:1", "x:1", "into itself"),
        ("x:5", "x:7", "part of x:1 already"),
        ("x:7", "x:5", "merge into that"),
        ("x:1", "x:7", "the other way round"),
    ):
        with pytest.raises(Conflict, match=why):
            merge(two, CONFIG, one, other, responder="Ana", now=NOW)
    with pytest.raises(NotFound):
        merge(two, CONFIG, "x:7", "x:404", responder="Ana", now=NOW)
    assert merge(two, CONFIG, "x:7", "x:1", responder="Ana", now=NOW).merged == ("x:5", "x:7")


def test_what_another_holds_is_not_merged(two: Store) -> None:
    two.claim("x:1", "Ben", until=LATER, now=NOW)
    with pytest.raises(AlreadyClaimed):
        merged(two)


def test_a_ticket_merged_into_one_that_became_a_part_in_the_same_moment_waits_by_itself_again(two: Store) -> None:
    post(two, "7", thread="7")
    two.merge_ticket("x:5", "Ana", "x:1", now=NOW)
    two.merge_ticket("x:1", "Ben", "x:7", now=NOW)  # before anything was ranked, as on another machine
    while finish_merges(two, CONFIG, now=LATER):
        pass
    waiting = two.queue(LATER, ALL)
    held = {conversation for item in waiting for conversation in (item.ticket.id, *item.ticket.merged)}
    assert held == {"x:1", "x:5", "x:7"}
    assert sum(item.ticket.posts for item in waiting) == 4


class Died(Exception):
    """The process ended here."""


class Dying:
    """A store whose process dies before its nth write."""

    def __init__(self, store: Store, writes: int) -> None:
        self._store = store
        self._left = writes

    def __getattr__(self, name: str) -> Any:
        found: Callable[..., Any] = getattr(self._store, name)
        if name not in {"merge_ticket", "undo", "gather", "save_tickets", "settle", "part_ticket"}:
            return found
        if self._left == 0:
            raise Died
        self._left -= 1
        return found


@pytest.mark.parametrize("writes", range(5))
def test_a_crash_between_any_two_writes_hides_nobody_and_is_gone_on_from(two: Store, writes: int) -> None:
    dying: Any = Dying(two, writes)
    try:
        merged(dying)
    except Died:
        assert writes < 4
    shown = {id_ for item in two.queue(NOW, ALL) for id_ in (item.ticket.id, *item.ticket.merged)}
    assert shown == {"x:1", "x:5"}
    post(two, "9", thread="5", minutes=1)
    finish_merges(two, CONFIG, now=LATER)
    if writes == 0:
        assert set(ids(two.queue(LATER, ALL))) == {"x:1", "x:5"}
    else:
        assert (one_of(two).id, one_of(two).posts) == ("x:1", 4)


@pytest.mark.parametrize("writes", range(4))
def test_a_crash_while_they_are_taken_apart_hides_nobody_either(two: Store, writes: int) -> None:
    merged(two)
    dying: Any = Dying(two, writes)
    try:
        dying.undo(two.events("x:5")[-1].id, "Ana", now=LATER)
        finish_merges(dying, CONFIG, now=LATER)
    except Died:
        assert writes < 4
    shown = {id_ for item in two.queue(LATER, ALL) for id_ in (item.ticket.id, *item.ticket.merged)}
    assert shown == {"x:1", "x:5"}
    finish_merges(two, CONFIG, now=LATER)
    apart = {item.ticket.id: item.ticket.posts for item in two.queue(LATER, ALL)}
    assert apart == ({"x:1": 3} if writes == 0 else {"x:1": 2, "x:5": 1})
