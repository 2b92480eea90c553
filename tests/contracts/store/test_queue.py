"""The queue: the same order as sorting every ticket by its cost of waiting, by any filter, at any time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain import (
    QUEUE_PATIENCE_MINUTES,
    QUEUE_STEP,
    Category,
    Filters,
    Lane,
    QueueCounts,
    Resolution,
    Ticket,
)
from pipeline.ports import Store
from pipeline.tickets import queue_key
from tests.contracts.store.made import ALL, ahead, ids, put, ticket
from tests.factories import NOW

_numbers = itertools.count()


def sorted_by_the_formula(tickets: list[Ticket], now: datetime) -> list[str]:
    """The reference: ``log I(now)`` in exact minutes, written out as the method has it."""

    def key(each: Ticket) -> tuple[bool, int, datetime, str]:
        early = max(0, (each.rank.due_at - now) // timedelta(microseconds=1))
        log_i = each.rank.level * round(QUEUE_STEP * QUEUE_PATIENCE_MINUTES * 60_000_000) - early  # times K
        return each.rank.lane is not Lane.CRISIS, -log_i, each.rank.due_at, each.id

    return [each.id for each in sorted(tickets, key=key)]


def fits(each: Ticket, filters: Filters, now: datetime) -> bool:
    return (
        each.waiting_since is not None
        and each.resolved_at is None
        and all(
            getattr(filters, name) in {None, getattr(each, name)}
            for name in ("brand", "source", "language", "category")
        )
        and (filters.holder is None or each.holder(now) == filters.holder)
        and (not filters.free or each.holder(now) is None)
    )


def counted(tickets: list[Ticket], filters: Filters, now: datetime) -> QueueCounts:
    found = [each for each in tickets if fits(each, filters, now)]
    return QueueCounts(
        waiting=len(found),
        overdue=sum(each.rank.respond_by < now for each in found),
        crisis=sum(each.rank.lane is Lane.CRISIS for each in found),
    )


def test_the_crisis_lane_stands_above_the_dearest_other_ticket(store: Store) -> None:
    put(store, ticket("1", level=90, due=-60), ticket("2", level=-90, due=900, lane=Lane.CRISIS))
    assert ids(store.queue(NOW, ALL)) == ["x:2", "x:1"]


def test_among_due_tickets_the_dearer_is_first_and_of_equals_the_longer_due(store: Store) -> None:
    put(store, ticket("1", level=3, due=-5), ticket("2", level=4, due=-1), ticket("3", level=3, due=-90))
    assert ids(store.queue(NOW, ALL)) == ["x:2", "x:3", "x:1"]


def test_a_dearer_ticket_waits_behind_a_cheaper_one_that_is_due_and_passes_it_in_time(store: Store) -> None:
    """Twenty levels are one nat, worth forty minutes."""
    put(store, ticket("dear", level=20, due=60), ticket("cheap", level=0, due=0))
    assert ids(store.queue(NOW, ALL)) == ["x:cheap", "x:dear"]
    assert ids(store.queue(ahead(19), ALL)) == ["x:cheap", "x:dear"]
    assert ids(store.queue(ahead(21), ALL)) == ["x:dear", "x:cheap"]


def test_equal_costs_are_equal_and_not_a_rounding_apart(store: Store) -> None:
    """Each level is worth two minutes exactly, so round times tie often: the one due longer goes first."""
    tickets = [ticket(str(n), level=n, due=2 * n) for n in range(40)]
    put(store, *tickets)
    assert ids(store.queue(NOW, ALL)) == [f"x:{n}" for n in range(40)]


def test_a_row_of_the_queue_holds_ticket_mention_and_score(store: Store) -> None:
    put(store, ticket("1"))
    (row,) = store.queue(NOW, ALL)
    scored = store.mention("x:1")
    assert (row.ticket, row.mention, row.score) == (store.ticket("x:1"), scored.mention, scored.score)


def test_what_is_answered_or_resolved_is_not_in_the_queue(store: Store) -> None:
    put(store, *(ticket(str(n)) for n in range(3)))
    store.answered("x:0", "Ana", now=NOW)
    store.resolve("x:1", "Ana", Resolution.NO_ANSWER_NEEDED, now=NOW)
    assert ids(store.queue(NOW, ALL)) == ["x:2"]
    assert store.queue_counts(NOW, ALL).waiting == 1
    store.reopen("x:1", "Ana", now=NOW)
    assert store.queue_counts(NOW, ALL).waiting == 2


def test_an_empty_queue_is_empty(store: Store) -> None:
    assert store.queue(NOW, ALL) == []
    assert store.queue_counts(NOW, Filters(brand="Brightly")) == QueueCounts(waiting=0, overdue=0, crisis=0)


def test_pages_join_to_the_whole_queue(store: Store) -> None:
    put(store, *(ticket(str(n), level=n % 7, due=n * 13 % 90 - 45, lane=list(Lane)[n % 5 == 0]) for n in range(100)))
    whole = ids(store.queue(NOW, ALL, limit=1000))
    pages = [ids(store.queue(NOW, ALL, limit=7, offset=start)) for start in range(0, 105, 7)]
    assert list(itertools.chain.from_iterable(pages)) == whole
    assert store.queue(NOW, ALL, limit=7, offset=100) == []
    assert store.queue(NOW, ALL, limit=0) == []


def test_mine_and_free_follow_the_leases(store: Store) -> None:
    put(store, *(ticket(str(n), level=n) for n in range(4)))
    store.claim("x:0", "Ana", until=ahead(15), now=NOW)
    store.claim("x:1", "Ana", until=ahead(5), now=NOW)
    store.claim("x:2", "Ben", until=ahead(15), now=NOW)
    mine, free = Filters(holder="Ana"), Filters(free=True)
    assert ids(store.queue(NOW, mine)) == ["x:1", "x:0"]
    assert ids(store.queue(NOW, free)) == ["x:3"]
    assert (store.queue_counts(NOW, mine).waiting, store.queue_counts(NOW, free).waiting) == (2, 1)
    assert ids(store.queue(ahead(5), mine)) == ["x:0"]
    assert ids(store.queue(ahead(5), free)) == ["x:3", "x:1"]
    assert (store.queue_counts(ahead(5), mine).waiting, store.queue_counts(ahead(5), free).waiting) == (1, 2)


def test_overdue_is_what_is_past_its_respond_by(store: Store) -> None:
    put(store, *(ticket(str(n), due=due) for n, due in enumerate((-600, -70, -7, -6, -5, 0, 60))))
    assert store.queue_counts(NOW, ALL) == QueueCounts(waiting=7, overdue=3, crisis=0)
    assert store.queue_counts(ahead(1), ALL).overdue == 4
    assert store.queue_counts(ahead(66), ALL).overdue == 6
    assert store.queue_counts(ahead(67), ALL).overdue == 7


def test_counts_follow_a_ticket_that_changes(store: Store) -> None:
    put(store, ticket(due=-60))
    store.save_tickets([ticket(due=-60, posts=2, category=Category.PRAISE, lane=Lane.CRISIS, language="de")])
    store.save_tickets([ticket(due=300, posts=3, category=Category.QUESTION, language="de")])
    assert store.queue_counts(NOW, ALL) == QueueCounts(waiting=1, overdue=0, crisis=0)
    for filters, waiting in (
        (Filters(category=Category.COMPLAINT), 0),
        (Filters(category=Category.PRAISE), 0),
        (Filters(category=Category.QUESTION), 1),
        (Filters(language="en"), 0),
        (Filters(language="de"), 1),
    ):
        assert store.queue_counts(NOW, filters).waiting == waiting
        assert len(store.queue(NOW, filters)) == waiting


LEVELS = st.integers(-3, 3) | st.integers(-92, 120)
DUE = st.sampled_from([-120, -2, 0, 2, 4, 60, 600]) | st.integers(-3000, 3000).map(lambda n: n / 7)
FACETS = st.tuples(
    st.sampled_from(["x", "rss"]), st.sampled_from(["en", "de", "tr"]), st.sampled_from(["complaint", "praise"])
)
FATES = st.sampled_from(["waits"] * 4 + ["answered", "resolved", "Ana", "Ben"])
ROWS = st.lists(st.tuples(LEVELS, DUE, st.sampled_from(list(Lane)), FACETS, FATES), min_size=1, max_size=30)
CHOSEN = st.tuples(
    st.sampled_from([None, "x", "rss"]),
    st.sampled_from([None, None, "en", "tr"]),
    st.sampled_from([None, None, Category.PRAISE]),
    st.sampled_from(["all", "all", "mine", "free"]),
)


def tickets_of(store: Store, rows: list[Any], brand: str) -> list[Ticket]:
    """Tickets of a brand of their own, as they stand after what people did to them."""
    made = [
        ticket(
            f"{brand}/{number}", level=level, due=due, lane=lane, brand=brand, source=source, language=language,
            category=Category(category),
        )
        for number, (level, due, lane, (source, language, category), _) in enumerate(rows)
    ]  # fmt: skip
    put(store, *made)
    for number, (each, (*_, fate)) in enumerate(zip(made, rows, strict=True)):
        if fate == "answered":
            store.answered(each.id, "Ana", now=NOW)
        elif fate == "resolved":
            store.resolve(each.id, "Ana", Resolution.NOT_OURS, now=NOW)
        elif fate != "waits":
            store.claim(each.id, fate, until=ahead(number * 20), now=NOW)
    return list(store.tickets([each.id for each in made]).values())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, chosen=CHOSEN, later=st.integers(-200, 700), offset=st.integers(0, 9), limit=st.integers(0, 9))
def test_the_queue_is_the_order_of_all_tickets_by_the_cost_of_waiting(
    store: Store, rows: list[Any], chosen: tuple[Any, ...], later: int, offset: int, limit: int
) -> None:
    brand, now = f"brand {next(_numbers)}", ahead(later)
    current = tickets_of(store, rows, brand)
    source, language, category, whose = chosen
    filters = Filters(
        brand=brand, source=source, language=language, category=category,
        holder="Ana" if whose == "mine" else None, free=whose == "free",
    )  # fmt: skip
    expected = sorted_by_the_formula([each for each in current if fits(each, filters, now)], now)
    assert ids(store.queue(now, filters, limit=len(rows))) == expected
    assert ids(store.queue(now, filters, limit=limit, offset=offset)) == expected[offset : offset + limit]
    assert store.queue_counts(now, filters) == counted(current, filters, now)
    # All brands of the examples before are there too.
    for each in (ALL, replace(filters, brand=None)):
        found = [item.ticket for item in store.queue(now, each, limit=100_000)]
        assert [one.id for one in found] == sorted_by_the_formula(found, now)
        assert {one.id for one in current if fits(one, each, now)} <= {one.id for one in found}
        assert store.queue_counts(now, each) == counted(found, each, now)


@given(
    level=st.integers(-92, 120), other=st.integers(-92, 120), due=st.integers(-99, 99), due_other=st.integers(-99, 99)
)
def test_the_key_that_stores_share_is_the_formula(level: int, other: int, due: int, due_other: int) -> None:
    one, two = ticket("1", level=level, due=due), ticket("2", level=other, due=due_other)
    by_key = sorted([one, two], key=lambda each: queue_key(each.rank, each.id, now=NOW))
    assert [each.id for each in by_key] == sorted_by_the_formula([one, two], NOW)
