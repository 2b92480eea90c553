"""Tickets: the machine's facts kept up to date, people's facts kept, every act in the history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.domain import Category, EventKind, Resolution, Status, Ticket
from pipeline.errors import AlreadyClaimed, Conflict, NotFound
from pipeline.ports import Store
from tests.contracts.store.made import ALL, ago, ahead, ids, put, ticket
from tests.factories import NOW, scored


def history(store: Store, subject: str = "x:1") -> list[tuple[str, str]]:
    return [(event.kind.value, event.actor) for event in store.events(subject)]


def same(one: Ticket, other: Ticket) -> bool:
    """Equal but for the version."""
    return replace(one, version=0) == replace(other, version=0)


# --- the machine ----------------------------------------------------------------------------------------------------


def test_a_ticket_comes_back_as_it_was_saved(store: Store) -> None:
    given = ticket(responded_at=ago(3), people=3, posts=4, folded=2, crisis=0.123456789)
    put(store, given)
    assert store.ticket("x:1") == given
    assert store.tickets(["x:1", "x:2"]) == {"x:1": given}
    assert history(store) == [("opened", "tocsin")]


def test_an_unknown_ticket_is_not_found_by_anything(store: Store) -> None:
    with pytest.raises(NotFound, match="x:1"):
        store.ticket("x:1")
    with pytest.raises(NotFound, match="x:1"):
        store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    with pytest.raises(NotFound, match="x:1"):
        store.resolve("x:1", "Ana", Resolution.ANSWERED, now=NOW)
    with pytest.raises(NotFound, match="7"):
        store.undo(7, "Ana", now=NOW)


def test_saving_a_ticket_twice_changes_nothing(store: Store) -> None:
    put(store, ticket())
    before = (store.change_count(), store.events("x:1"), store.ticket("x:1"))
    store.save_tickets([ticket(), ticket()])
    store.save_tickets([])
    assert (store.change_count(), store.events("x:1"), store.ticket("x:1")) == before


def test_a_newer_draft_brings_the_machines_facts_up_to_date(store: Store) -> None:
    put(store, ticket())
    store.save_tickets([ticket(level=9, category=Category.QUESTION, posts=2, last_at=ago(1), opened_at=ago(1))])
    found = store.ticket("x:1")
    assert (found.rank.level, found.category, found.posts, found.last_at) == (9, Category.QUESTION, 2, ago(1))
    assert found.opened_at == ago(30)
    assert found.version == 2


def test_the_machine_keeps_a_claim(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    store.save_tickets([ticket(posts=2, last_at=ago(1))])
    assert store.ticket("x:1").holder(NOW) == "Ana"


def test_a_post_after_the_answer_waits_again_and_an_older_one_does_not(store: Store) -> None:
    put(store, ticket())
    store.answered("x:1", "Ana", now=ago(10))
    store.save_tickets([ticket(posts=2, last_at=ago(20))])
    assert store.ticket("x:1").status(NOW) is Status.ANSWERED
    assert store.queue(NOW, ALL) == []
    store.save_tickets([ticket(posts=3, last_at=ago(5))])
    assert store.ticket("x:1").waiting_since == ago(5)
    assert ids(store.queue(NOW, ALL)) == ["x:1"]


def test_a_post_after_the_resolution_reopens_the_ticket(store: Store) -> None:
    put(store, ticket())
    store.resolve("x:1", "Ana", Resolution.NO_ANSWER_NEEDED, now=ago(10))
    store.save_tickets([ticket(posts=2, last_at=ago(20))])
    assert store.ticket("x:1").status(NOW) is Status.RESOLVED
    for _ in range(2):
        store.save_tickets([ticket(posts=3, last_at=ago(5))])
        found = store.ticket("x:1")
        assert (found.status(NOW), found.reopened_at, found.resolution) == (Status.OPEN, ago(5), None)
        assert found.waiting_since == ago(5)
        assert history(store) == [("opened", "tocsin"), ("resolved", "Ana"), ("reopened", "tocsin")]
    assert store.events("x:1")[-1].at == ago(5)


def test_an_own_answer_that_was_collected_ends_the_waiting(store: Store) -> None:
    put(store, ticket())
    store.save_tickets([ticket(posts=2, waiting_since=None, responded_at=ago(4))])
    assert store.ticket("x:1").status(NOW) is Status.ANSWERED
    assert store.ticket("x:1").responded_at == ago(4)


def test_the_first_response_is_the_earliest_of_the_two_that_are_known(store: Store) -> None:
    put(store, ticket("1"), ticket("2"))
    store.answered("x:1", "Ana", now=ago(10))
    store.save_tickets([ticket("1", posts=2, responded_at=ago(12), waiting_since=None)])
    assert store.ticket("x:1").responded_at == ago(12)
    store.save_tickets([ticket("2", posts=2, responded_at=ago(2), waiting_since=None)])
    store.answered("x:2", "Ana", now=ago(1))
    assert store.ticket("x:2").responded_at == ago(2)


def test_a_draft_that_was_read_before_a_newer_one_was_written_changes_nothing(store: Store) -> None:
    put(store, ticket(posts=3, level=9, last_at=ago(1)))
    store.save_tickets([ticket(posts=2, level=1, last_at=ago(2))])
    assert store.ticket("x:1").rank.level == 9


# --- people ---------------------------------------------------------------------------------------------------------


def test_a_claim_is_a_lease_that_lapses_by_itself(store: Store) -> None:
    put(store, ticket())
    claimed = store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    assert claimed == store.ticket("x:1")
    assert (claimed.status(NOW), claimed.holder(NOW)) == (Status.CLAIMED, "Ana")
    assert claimed.status(ahead(15)) is Status.OPEN
    taken = store.claim("x:1", "Ben", until=ahead(30), now=ahead(15))
    assert taken.holder(ahead(16)) == "Ben"
    assert history(store)[1:] == [("claimed", "Ana"), ("claimed", "Ben")]


def test_who_comes_second_is_told_who_holds_it_and_until_when(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    before = (store.change_count(), store.ticket("x:1"))
    for act in (
        lambda: store.claim("x:1", "Ben", until=ahead(30), now=ahead(1)),
        lambda: store.release("x:1", "Ben", now=ahead(1)),
        lambda: store.answered("x:1", "Ben", now=ahead(1)),
        lambda: store.resolve("x:1", "Ben", Resolution.NOT_OURS, now=ahead(1)),
    ):
        with pytest.raises(AlreadyClaimed) as caught:
            act()
        assert (caught.value.ticket, caught.value.holder, caught.value.until) == ("x:1", "Ana", ahead(15))
    assert (store.change_count(), store.ticket("x:1")) == before


def test_ones_own_claim_is_extended_and_never_shortened(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    assert store.claim("x:1", "Ana", until=ahead(25), now=ahead(10)).claimed_until == ahead(25)
    assert store.claim("x:1", "Ana", until=ahead(20), now=ahead(11)).claimed_until == ahead(25)
    assert history(store)[1:] == [("claimed", "Ana"), ("extended", "Ana")]


def test_a_claim_given_back_is_free_at_once(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    store.release("x:1", "Ana", now=ahead(1))
    store.release("x:1", "Ana", now=ahead(1))
    assert store.ticket("x:1").status(ahead(1)) is Status.OPEN
    assert history(store)[1:] == [("claimed", "Ana"), ("released", "Ana")]


def test_an_answer_is_recorded_once(store: Store) -> None:
    put(store, ticket())
    done = store.answered("x:1", "Ana", now=NOW)
    assert (done.answered_at, done.responded_at, done.waiting_since) == (NOW, NOW, None)
    assert store.answered("x:1", "Ana", now=ahead(1)) == done
    assert history(store)[1:] == [("answered", "Ana")]


def test_a_ticket_resolved_as_answered_counts_as_answered(store: Store) -> None:
    put(store, ticket())
    done = store.resolve("x:1", "Ana", Resolution.ANSWERED, note="by mail", now=NOW)
    assert (done.status(NOW), done.resolution, done.responded_at) == (Status.RESOLVED, Resolution.ANSWERED, NOW)
    assert store.events("x:1")[-1].note == "by mail"


def test_a_ticket_resolved_without_an_answer_has_had_no_response(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    done = store.resolve("x:1", "Ana", Resolution.NOT_OURS, now=NOW)
    assert (done.responded_at, done.claimed_by) == (None, None)
    assert store.queue(NOW, ALL) == []


def test_a_resolution_is_not_overwritten_by_another(store: Store) -> None:
    put(store, ticket())
    done = store.resolve("x:1", "Ana", Resolution.NOT_OURS, now=NOW)
    assert store.resolve("x:1", "Ben", Resolution.NOT_OURS, now=ahead(1)) == done
    with pytest.raises(Conflict, match="not ours"):
        store.resolve("x:1", "Ben", Resolution.ANSWERED, now=ahead(1))


def test_a_resolved_ticket_must_be_reopened_before_it_is_claimed(store: Store) -> None:
    put(store, ticket())
    store.resolve("x:1", "Ana", Resolution.NOT_OURS, now=NOW)
    with pytest.raises(Conflict, match="reopen"):
        store.claim("x:1", "Ben", until=ahead(15), now=NOW)
    again = store.reopen("x:1", "Ben", now=ahead(1))
    assert (again.status(NOW), again.reopened_at, again.resolution) == (Status.OPEN, ahead(1), None)
    assert store.reopen("x:1", "Ben", now=ahead(2)) == again
    store.claim("x:1", "Ben", until=ahead(15), now=ahead(2))
    assert history(store)[1:] == [("resolved", "Ana"), ("reopened", "Ben"), ("claimed", "Ben")]


def test_every_change_of_a_ticket_counts_up_its_version(store: Store) -> None:
    put(store, ticket())
    assert store.claim("x:1", "Ana", until=ahead(15), now=NOW).version == 2
    assert store.answered("x:1", "Ana", now=NOW).version == 3
    store.save_tickets([ticket(posts=2, last_at=ahead(1))])
    assert store.ticket("x:1").version == 4


# --- undo -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["claim", "extend", "release", "answered", "resolve", "resolve as answered", "reopen"])
def test_each_act_can_be_taken_back(store: Store, act: str) -> None:
    put(store, ticket())
    if act in {"extend", "release"}:
        store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    if act == "reopen":
        store.resolve("x:1", "Ana", Resolution.NOT_OURS, now=NOW)
    before = store.ticket("x:1")
    match act:
        case "claim" | "extend":
            store.claim("x:1", "Ana", until=ahead(20), now=ahead(1))
        case "release":
            store.release("x:1", "Ana", now=ahead(1))
        case "answered":
            store.answered("x:1", "Ana", now=ahead(1))
        case "resolve":
            store.resolve("x:1", "Ana", Resolution.NOT_OURS, now=ahead(1))
        case "resolve as answered":
            store.resolve("x:1", "Ana", Resolution.ANSWERED, now=ahead(1))
        case "reopen":
            store.reopen("x:1", "Ana", now=ahead(1))
    assert not same(store.ticket("x:1"), before)
    event = store.events("x:1")[-1]
    assert event.before is not None
    undone = store.undo(event.id, "Ana", now=ahead(2))
    assert same(undone, before)
    assert store.ticket("x:1") == undone
    assert [(e.kind, e.actor, e.undone) for e in store.events("x:1")[-2:]] == [
        (event.kind, "Ana", True),
        (EventKind.UNDONE, "Ana", False),
    ]


def test_acts_are_taken_back_one_after_another(store: Store) -> None:
    put(store, ticket())
    before = store.ticket("x:1")
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    store.answered("x:1", "Ana", now=ahead(1))
    _, claimed, answered = store.events("x:1")
    with pytest.raises(Conflict, match="Ana"):
        store.undo(claimed.id, "Ana", now=ahead(2))
    store.undo(answered.id, "Ana", now=ahead(2))
    assert same(store.undo(claimed.id, "Ana", now=ahead(3)), before)


def test_an_act_is_taken_back_only_once(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    event = store.events("x:1")[-1]
    store.undo(event.id, "Ana", now=NOW)
    with pytest.raises(Conflict, match="undone already"):
        store.undo(event.id, "Ana", now=NOW)


def test_what_nobody_did_by_hand_cannot_be_taken_back(store: Store) -> None:
    put(store, ticket())
    with pytest.raises(Conflict, match="cannot be undone"):
        store.undo(store.events("x:1")[0].id, "Ana", now=NOW)


def test_a_note_in_between_does_not_keep_an_act_from_being_taken_back(store: Store) -> None:
    put(store, ticket())
    store.answered("x:1", "Ana", now=NOW)
    event = store.events("x:1")[-1]
    store.record("x:1", EventKind.NOTED, "Ben", note="called them", now=NOW)
    assert store.undo(event.id, "Ana", now=NOW).status(NOW) is Status.OPEN


def test_what_the_machine_learned_since_is_kept_by_an_undo(store: Store) -> None:
    put(store, ticket())
    store.answered("x:1", "Ana", now=ago(10))
    event = store.events("x:1")[-1]
    store.save_tickets([ticket(posts=2, level=9, last_at=ago(5))])
    undone = store.undo(event.id, "Ana", now=NOW)
    assert (undone.rank.level, undone.posts, undone.waiting_since, undone.responded_at) == (9, 2, ago(30), None)


def test_a_colleagues_claim_cannot_be_taken_by_undoing_it(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    event = store.events("x:1")[-1]
    with pytest.raises(AlreadyClaimed) as refused:
        store.undo(event.id, "Ben", now=ahead(1))
    assert refused.value.holder == "Ana"
    assert store.ticket("x:1").holder(ahead(1)) == "Ana"
    assert store.events("x:1")[-1] == event


def test_an_act_of_a_colleague_can_be_undone_once_nobody_holds_the_ticket(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    store.resolve("x:1", "Ana", Resolution.NOT_OURS, now=ahead(1))
    undone = store.undo(store.events("x:1")[-1].id, "Ben", now=ahead(20))
    assert (undone.status(ahead(20)), undone.holder(ahead(20))) == (Status.OPEN, None)


# --- history --------------------------------------------------------------------------------------------------------


def test_history_is_told_oldest_first_and_by_subject(store: Store) -> None:
    first = store.record("incident-1", EventKind.ACKNOWLEDGED, "Ana", note="on it", now=NOW)
    second = store.record("incident-1", EventKind.CLOSED, "Ben", now=ahead(1))
    store.record("incident-2", EventKind.CLOSED, "Ben", now=NOW)
    assert store.events("incident-1") == [first, second]
    assert (first.at, first.note, first.undone) == (NOW, "on it", False)
    assert store.events("incident-3") == []


# --- moving ---------------------------------------------------------------------------------------------------------


def test_a_ticket_goes_along_with_its_conversation_and_keeps_its_history(store: Store) -> None:
    put(store, ticket("2", due=5))
    claimed = store.claim("x:2", "Ana", until=ahead(15), now=NOW)
    store.move_conversation("x:2", "x:1")
    with pytest.raises(NotFound):
        store.ticket("x:2")
    assert same(store.ticket("x:1"), replace(claimed, id="x:1"))
    assert ids(store.queue(NOW, ALL)) == ["x:1"]
    assert history(store) == [("opened", "tocsin"), ("claimed", "Ana"), ("noted", "tocsin")]
    assert store.undo(store.events("x:1")[1].id, "Ana", now=NOW).holder(NOW) is None


def test_two_tickets_of_one_conversation_become_one_with_the_older_ones_facts(store: Store) -> None:
    put(
        store,
        ticket("1", opened_at=ago(60), posts=2),
        ticket("2", opened_at=ago(30), waiting_since=ago(70), last_at=ago(1)),
    )
    store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    store.claim("x:2", "Ben", until=ahead(15), now=NOW)
    store.move_conversation("x:2", "x:1")
    store.move_conversation("x:2", "x:1")
    joined = store.ticket("x:1")
    assert (joined.holder(NOW), joined.opened_at, joined.waiting_since, joined.last_at) == (
        "Ana",
        ago(60),
        ago(70),
        ago(1),
    )
    assert store.queue_counts(NOW, ALL).waiting == 1
    assert [event.note for event in store.events("x:1") if event.kind is EventKind.NOTED] == [
        "x:2 turned out to be part of this"
    ]
    bens = next(event for event in store.events("x:1") if event.actor == "Ben")
    with pytest.raises(Conflict):
        store.undo(bens.id, "Ben", now=NOW)


def test_a_reply_seen_first_keeps_what_people_did_to_it(store: Store) -> None:
    """The root of a conversation may be collected last; its ticket is then the younger of the two."""
    put(store, ticket("1", opened_at=ago(5)), ticket("2", opened_at=ago(30)))
    store.answered("x:2", "Ana", now=ago(1))
    store.move_conversation("x:2", "x:1")
    assert store.ticket("x:1").answered_at == ago(1)


def test_moving_a_conversation_without_a_ticket_makes_none(store: Store) -> None:
    store.add_mentions([scored("2")], {})
    store.move_conversation("x:2", "x:1")
    store.move_conversation("x:1", "x:1")
    assert store.tickets(["x:1", "x:2"]) == {}
    assert store.events("x:1") == []


def test_a_new_ticket_that_is_told_twice_at_once_is_one_of_its_first_version(store: Store) -> None:
    store.save_tickets([ticket(heard_at=NOW, version=7), ticket(heard_at=NOW)])
    assert store.ticket("x:1") == ticket(version=1)
    store.save_tickets([ticket("2", posts=1), ticket("2", posts=2)])
    assert store.ticket("x:2").posts == 2
