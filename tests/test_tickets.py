"""What may happen to a ticket, without a store."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tickets
from pipeline.domain import Event, EventKind, Resolution, Ticket
from pipeline.errors import AlreadyClaimed, Conflict
from pipeline.tickets import merge
from tests.contracts.store.made import ago, ahead, ticket
from tests.factories import NOW

MOMENTS = st.integers(0, 12).map(lambda n: ago(60 - 5 * n))  # few, so that they often coincide
MAYBE = st.none() | MOMENTS


@st.composite
def drafts(draw: st.DrawFn) -> Ticket:
    """What ``prioritise`` can say: nothing waits, or something since some post."""
    first, last = sorted((draw(MOMENTS), draw(MOMENTS)))
    since = draw(st.none() | st.sampled_from([first, last]))
    return ticket(
        opened_at=first, last_at=last, waiting_since=since, responded_at=draw(MAYBE), posts=draw(st.integers(1, 3))
    )


@st.composite
def stored(draw: st.DrawFn) -> Ticket:
    """A ticket after a few acts of people and drafts of the machine."""
    current = merge(None, draw(drafts()))
    for act in draw(st.lists(st.sampled_from(["claim", "answer", "resolve", "reopen", "draft"]), max_size=5)):
        now = draw(MOMENTS)
        match act:
            case "claim" if current.resolved_at is None and current.holder(now) in {None, "Ana"}:
                current = tickets.claimed(current, "Ana", until=now + timedelta(minutes=9), now=now).ticket
            case "answer":
                current = tickets.answered(current, "Ana", now=now).ticket
            case "resolve" if current.resolved_at is None:
                current = tickets.resolved(current, "Ana", draw(st.sampled_from(Resolution)), now=now).ticket
            case "reopen":
                current = tickets.reopened(current, now=now).ticket
            case "draft":
                current = merge(current, draw(drafts()))
    return current


@given(stored(), drafts())
def test_merging_a_draft_twice_is_merging_it_once(existing: Ticket, draft: Ticket) -> None:
    once = merge(existing, draft)
    assert merge(once, draft) == once


@given(stored(), drafts())
def test_a_draft_never_takes_back_what_people_did(existing: Ticket, draft: Ticket) -> None:
    merged = merge(existing, draft)
    for name in ("opened_at", "claimed_by", "claimed_until", "answered_at"):
        assert getattr(merged, name) == getattr(existing, name)
    if merged.resolved_at != existing.resolved_at:
        assert merged.resolved_at is None
        assert existing.resolved_at is not None
        assert merged.last_at > existing.resolved_at
        assert merged.reopened_at == merged.last_at


@given(stored(), drafts())
def test_nothing_that_was_answered_waits(existing: Ticket, draft: Ticket) -> None:
    merged = merge(existing, replace(draft, posts=9))
    if merged.waiting_since is not None and merged.answered_at is not None:
        assert merged.waiting_since > merged.answered_at
        assert draft.last_at > merged.answered_at


@given(stored(), drafts())
def test_a_new_post_after_the_answer_is_never_overlooked(existing: Ticket, draft: Ticket) -> None:
    merged = merge(existing, replace(draft, posts=9))
    if draft.waiting_since is not None and (existing.answered_at is None or draft.last_at > existing.answered_at):
        assert merged.waiting_since is not None


def test_the_first_draft_is_the_ticket() -> None:
    assert merge(None, ticket()) == ticket()


def test_after_an_answer_the_waiting_begins_with_the_next_post() -> None:
    existing = ticket(answered_at=ago(10), waiting_since=None)
    assert merge(existing, ticket(waiting_since=ago(30), last_at=ago(5), posts=2)).waiting_since == ago(5)
    assert merge(existing, ticket(waiting_since=ago(8), last_at=ago(5), posts=2)).waiting_since == ago(8)
    assert merge(existing, ticket(waiting_since=ago(30), last_at=ago(10), posts=2)).waiting_since is None


def test_a_third_post_does_not_shorten_the_waiting_of_the_second() -> None:
    existing = merge(ticket(answered_at=ago(10), waiting_since=None), ticket(last_at=ago(5), posts=2))
    assert merge(existing, ticket(last_at=ago(1), posts=3)).waiting_since == ago(5)


def test_a_post_at_the_very_moment_of_the_resolution_does_not_reopen() -> None:
    existing = ticket(resolved_at=ago(10), resolution=Resolution.NOT_OURS)
    assert merge(existing, ticket(last_at=ago(10), posts=2)).resolved_at == ago(10)


def test_an_own_post_after_the_resolution_does_not_reopen() -> None:
    existing = ticket(resolved_at=ago(10), resolution=Resolution.NOT_OURS)
    assert merge(existing, ticket(last_at=ago(5), waiting_since=None, posts=2)).resolved_at == ago(10)


def test_the_tickets_of_a_joined_conversation_keep_the_older_ones_people() -> None:
    old = ticket("2", opened_at=ago(90), claimed_by="Ana", claimed_until=ahead(9), responded_at=ago(50), posts=4)
    new = ticket("1", opened_at=ago(20), claimed_by="Ben", claimed_until=ahead(9), last_at=ago(1))
    joined = tickets.joined(new, old)
    assert (joined.id, joined.claimed_by, joined.opened_at, joined.last_at) == ("x:1", "Ana", ago(90), ago(1))
    assert (joined.responded_at, joined.posts, joined.mention) == (ago(50), 4, "x:1")


# --- people ---------------------------------------------------------------------------------------------------------


def test_a_claim_that_has_lapsed_hinders_nobody() -> None:
    lapsed = ticket(claimed_by="Ana", claimed_until=NOW)
    assert tickets.claimed(lapsed, "Ben", until=ahead(9), now=NOW).kind is EventKind.CLAIMED
    assert tickets.answered(lapsed, "Ben", now=NOW).ticket.answered_at == NOW
    with pytest.raises(AlreadyClaimed, match="Ana"):
        tickets.claimed(lapsed, "Ben", until=ahead(9), now=ago(1))


def test_ones_own_lapsed_claim_is_a_new_one() -> None:
    lapsed = ticket(claimed_by="Ana", claimed_until=ago(1))
    assert tickets.claimed(lapsed, "Ana", until=ahead(9), now=NOW).kind is EventKind.CLAIMED


def test_a_resolution_keeps_the_time_of_an_earlier_answer() -> None:
    answered = tickets.answered(ticket(), "Ana", now=ago(9)).ticket
    done = tickets.resolved(answered, "Ana", Resolution.ANSWERED, now=NOW).ticket
    assert (done.answered_at, done.responded_at, done.resolved_at) == (ago(9), ago(9), NOW)


# --- undo -----------------------------------------------------------------------------------------------------------


def event(old: Ticket, step: tickets.Step, **changes: Any) -> Event:
    assert step.kind is not None
    values: dict[str, Any] = {
        "id": 1, "at": step.at, "actor": "Ana", "kind": step.kind, "subject": old.id,
        "before": tickets.facts_before(old, step.ticket),
    }  # fmt: skip
    return Event(**values | changes)


@given(stored(), MOMENTS, st.sampled_from(["claim", "answer", "resolve", "reopen"]))
def test_an_undone_act_leaves_the_ticket_as_it_was(old: Ticket, now: Any, act: str) -> None:
    try:
        match act:
            case "claim":
                step = tickets.claimed(old, "Ana", until=ahead(60), now=now)
            case "answer":
                step = tickets.answered(old, "Ana", now=now)
            case "resolve":
                step = tickets.resolved(old, "Ana", Resolution.ANSWERED, now=now)
            case _:
                step = tickets.reopened(old, now=now)
    except Conflict:
        return
    if step.kind is not None:
        with suppress(Conflict):  # a newer post waits
            assert tickets.undone(step.ticket, event(old, step), later=[]) == old


def test_an_answer_that_was_also_seen_keeps_its_first_response() -> None:
    old = ticket()
    step = tickets.answered(old, "Ana", now=ago(5))
    seen = replace(step.ticket, responded_at=ago(6))
    assert tickets.undone(seen, event(old, step), later=[]).responded_at == ago(6)


def test_a_resolution_is_not_put_back_over_a_newer_post() -> None:
    old = ticket(resolved_at=ago(20), resolution=Resolution.NOT_OURS)
    step = tickets.reopened(old, now=ago(10))
    newer = replace(step.ticket, last_at=ago(5), waiting_since=ago(5))
    with pytest.raises(Conflict, match="newer post"):
        tickets.undone(newer, event(old, step), later=[])


def test_what_the_machine_did_since_does_not_keep_an_act_from_being_undone() -> None:
    old = ticket()
    step = tickets.claimed(old, "Ana", until=ahead(9), now=NOW)
    done = event(old, step)
    machine = replace(done, id=2, actor=tickets.MACHINE, kind=EventKind.REOPENED)
    assert tickets.undone(step.ticket, done, later=[machine]).claimed_by is None
    with pytest.raises(Conflict, match="Ben"):
        tickets.undone(step.ticket, done, later=[replace(machine, actor="Ben")])
