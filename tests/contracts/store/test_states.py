"""The state diagram of docs/tickets.md: every lettered transition is walked, every forbidden one refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from pipeline.domain import EventKind, Resolution, Status, Ticket
from pipeline.errors import AlreadyClaimed, Conflict
from pipeline.ports import Store
from tests import REPOSITORY
from tests.contracts.store.made import MINUTE, ahead, put, ticket
from tests.factories import NOW

LATER = NOW + timedelta(minutes=5)
OPEN, CLAIMED, ANSWERED, RESOLVED = Status.OPEN, Status.CLAIMED, Status.ANSWERED, Status.RESOLVED
ENDED = Resolution.ANSWERED
Walk = Callable[[Store], Ticket | None]


def opened(store: Store) -> Ticket:
    put(store, ticket())
    return store.ticket("x:1")


def claimed(store: Store) -> Ticket:
    opened(store)
    return store.claim("x:1", "Ana", until=ahead(15), now=NOW)


def answered(store: Store) -> Ticket:
    opened(store)
    return store.answered("x:1", "Ana", now=NOW)


def resolved(store: Store) -> Ticket:
    opened(store)
    return store.resolve("x:1", "Ana", ENDED, now=NOW)


def claimed_and_answered(store: Store) -> Ticket:
    claimed(store)
    return store.answered("x:1", "Ana", now=NOW)


def nothing(_: Store) -> None:
    """Before the first post."""


def again(store: Store) -> Ticket:
    """The customer writes again."""
    store.save_tickets([ticket(posts=2, last_at=LATER, heard_at=LATER, waiting_since=LATER)])
    return store.ticket("x:1")


def undo(store: Store, who: str = "Ana") -> Ticket:
    return store.undo(store.events("x:1")[-1].id, who, now=LATER)


def merged(store: Store) -> Ticket:
    put(store, ticket("2"))
    store.merge_ticket("x:1", "Ana", "x:2", now=LATER)
    return store.settle("x:1", now=LATER)


TRANSITIONS: list[tuple[str, Walk, Walk, Status, str | None, EventKind | None]] = [
    ("a", nothing, opened, OPEN, None, EventKind.OPENED),
    ("b", opened, lambda s: s.claim("x:1", "Ana", until=ahead(15), now=LATER), CLAIMED, "Ana", EventKind.CLAIMED),
    ("c", claimed, lambda s: s.claim("x:1", "Ana", until=ahead(30), now=LATER), CLAIMED, "Ana", EventKind.EXTENDED),
    (
        "d",
        opened,
        lambda s: s.hand_to("x:1", "Ana", "Ben", until=ahead(15), now=LATER),
        CLAIMED,
        "Ben",
        EventKind.HANDED_OVER,
    ),
    (
        "d",
        claimed,
        lambda s: s.hand_to("x:1", "Ana", "Ben", until=ahead(15), now=LATER),
        CLAIMED,
        "Ben",
        EventKind.HANDED_OVER,
    ),
    ("e", claimed, lambda s: s.release("x:1", "Ana", now=LATER), OPEN, None, EventKind.RELEASED),
    ("g", opened, lambda s: s.answered("x:1", "Ana", now=LATER), ANSWERED, None, EventKind.ANSWERED),
    ("h", claimed, lambda s: s.answered("x:1", "Ana", now=LATER), ANSWERED, "Ana", EventKind.ANSWERED),
    ("i", answered, again, OPEN, None, EventKind.ANSWERED),
    ("i", claimed_and_answered, again, CLAIMED, "Ana", EventKind.ANSWERED),
    ("j", opened, lambda s: s.resolve("x:1", "Ana", ENDED, now=LATER), RESOLVED, None, EventKind.RESOLVED),
    ("j", claimed, lambda s: s.resolve("x:1", "Ana", ENDED, now=LATER), RESOLVED, None, EventKind.RESOLVED),
    ("j", answered, lambda s: s.resolve("x:1", "Ana", ENDED, now=LATER), RESOLVED, None, EventKind.RESOLVED),
    ("k", resolved, again, OPEN, None, EventKind.REOPENED),
    ("l", resolved, lambda s: s.reopen("x:1", "Ben", now=LATER), ANSWERED, None, EventKind.REOPENED),
    ("m", opened, lambda s: s.assign("x:1", "Ana", "legal", now=LATER), OPEN, None, EventKind.ASSIGNED),
    ("m", claimed, lambda s: s.assign("x:1", "Ana", "legal", now=LATER), OPEN, None, EventKind.ASSIGNED),
    ("o", opened, merged, ANSWERED, None, EventKind.MERGED),
    ("o", claimed, merged, ANSWERED, None, EventKind.MERGED),
    ("n", claimed, undo, OPEN, None, EventKind.UNDONE),
    ("n", answered, undo, OPEN, None, EventKind.UNDONE),
    ("n", resolved, undo, OPEN, None, EventKind.UNDONE),
]


@pytest.mark.parametrize(
    ("letter", "before", "act", "status", "holder", "told"),
    TRANSITIONS,
    ids=[f"{letter} from {before.__name__}" for letter, before, *_ in TRANSITIONS],
)
def test_every_lettered_transition_leads_where_the_diagram_says(
    store: Store, letter: str, before: Walk, act: Walk, status: Status, holder: str | None, told: EventKind | None
) -> None:
    before(store)
    act(store)
    after = store.ticket("x:1")
    assert (after.status(LATER), after.holder(LATER)) == (status, holder), letter
    assert store.events("x:1")[-1].kind is told


def test_a_lease_lapses_without_anybody_doing_anything(store: Store) -> None:  # f
    held = claimed(store)
    assert held.claimed_until is not None
    lines = len(store.events("x:1"))
    found = store.ticket("x:1")
    assert (found.status(held.claimed_until - MINUTE), found.status(held.claimed_until)) == (CLAIMED, OPEN)
    assert found.lapsed(held.claimed_until) == "Ana"
    assert len(store.events("x:1")) == lines


def acted_since(store: Store) -> Ticket:
    claimed(store)
    store.answered("x:1", "Ana", now=NOW)
    return store.ticket("x:1")


def reopened_and_waiting(store: Store) -> Ticket:
    resolved(store)
    store.reopen("x:1", "Ana", now=NOW)
    return again(store)


def first(store: Store, kind: EventKind) -> int:
    return next(event.id for event in store.events("x:1") if event.kind is kind)


FORBIDDEN: list[tuple[str, Walk, Walk, type[Conflict], str]] = [
    ("1", claimed, lambda s: s.claim("x:1", "Ben", until=ahead(15), now=LATER), AlreadyClaimed, "claimed by Ana until 10:15"),
    ("1", claimed, lambda s: s.release("x:1", "Ben", now=LATER), AlreadyClaimed, "claimed by Ana"),
    ("1", claimed, lambda s: s.answered("x:1", "Ben", now=LATER), AlreadyClaimed, "claimed by Ana"),
    ("1", claimed, lambda s: s.resolve("x:1", "Ben", ENDED, now=LATER), AlreadyClaimed, "claimed by Ana"),
    ("1", claimed, lambda s: s.assign("x:1", "Ben", "legal", now=LATER), AlreadyClaimed, "claimed by Ana"),
    ("1", claimed, lambda s: s.hand_to("x:1", "Ben", "Eva", until=ahead(15), now=LATER), AlreadyClaimed, "claimed by Ana"),
    ("2", resolved, lambda s: s.claim("x:1", "Ben", until=ahead(15), now=LATER), Conflict, "reopen it before you claim it"),
    ("2", resolved, lambda s: s.assign("x:1", "Ben", "legal", now=LATER), Conflict, "reopen it before you assign it"),
    ("2", resolved, lambda s: s.hand_to("x:1", "Ana", "Ben", until=ahead(15), now=LATER), Conflict, "reopen it before"),
    ("3", resolved, lambda s: s.resolve("x:1", "Ben", Resolution.NOT_OURS, now=LATER), Conflict, "reopen it first"),
    ("4", lambda s: (resolved(s), undo(s))[1], lambda s: s.undo(first(s, EventKind.RESOLVED), "Ana", now=LATER), Conflict, "undone already"),
    ("4", acted_since, lambda s: s.undo(first(s, EventKind.CLAIMED), "Ana", now=LATER), Conflict, "undo that first"),
    ("5", claimed, lambda s: undo(s, "Ben"), AlreadyClaimed, "claimed by Ana"),
    ("6", opened, undo, Conflict, '"opened" cannot be undone'),
    ("7", reopened_and_waiting, lambda s: s.undo(first(s, EventKind.REOPENED), "Ana", now=LATER), Conflict, "a newer post waits"),
    ("8", lambda s: (opened(s), merged(s))[1], lambda s: s.claim("x:1", "Ana", until=ahead(15), now=LATER), Conflict, "x:1 is part of x:2; open that one"),
    ("8", opened, lambda s: s.merge_ticket("x:1", "Ana", "x:1", now=LATER), Conflict, "into itself"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "before", "act", "error", "words"),
    FORBIDDEN,
    ids=[f"{number}, case {place}" for place, (number, *_) in enumerate(FORBIDDEN)],
)
def test_every_forbidden_transition_is_refused_in_clear_words_and_changes_nothing(
    store: Store, number: str, before: Walk, act: Walk, error: type[Conflict], words: str
) -> None:
    before(store)
    was, lines = store.ticket("x:1"), len(store.events("x:1"))
    with pytest.raises(error, match=words):
        act(store)
    assert store.ticket("x:1") == was, number
    assert len(store.events("x:1")) == lines


def test_what_is_done_twice_is_done_once(store: Store) -> None:
    for before, act in ((nothing, claimed), (nothing, answered), (nothing, resolved)):
        before(store)
        act(store)
        lines = len(store.events("x:1"))
        with suppress(Conflict):
            act(store)
        assert len(store.events("x:1")) == lines


def test_the_document_and_the_walk_name_the_same_letters() -> None:
    text = (REPOSITORY / "docs" / "tickets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*\*(\w)\*\* \|", text, re.MULTILINE)
    walked = {letter for letter, *_ in TRANSITIONS} | {"f"}
    assert [row for row in rows if row.isalpha()] == sorted(walked)
    assert [row for row in rows if row.isdigit()] == sorted({number for number, *_ in FORBIDDEN})
