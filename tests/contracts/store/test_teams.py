"""The tickets of teams, hand-over, the next ticket, and what is due soon: the same in every store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from pipeline import respond
from pipeline.config import Config, parse
from pipeline.domain import Category, EventKind, Filters, Ticket, Urgency
from pipeline.errors import AlreadyClaimed, Conflict
from pipeline.ports import Store
from pipeline.teams import share_of, team_of
from tests.contracts.store.made import ALL, HOUR, ago, ahead, ids, put, ticket
from tests.factories import NOW

CONFIG: Config = parse(
    {
        "brand": [{"name": "Brightly", "markets": ["GB", "DE"]}, {"name": "Lumiva"}],
        "person": [{"name": "Ben", "channels": ["console"], "languages": ["de"]}],
        "team": [
            {"name": "billing", "categories": ["complaint", "request"], "members": ["Ana", "Ben"]},
            {"name": "Germany", "markets": ["DE"], "members": ["Ben"]},
            {"name": "safety", "urgencies": ["critical"], "categories": ["complaint"], "members": ["Eva"]},
            {"name": "legal", "members": ["Lea"]},
            {"name": "rest", "default": True, "members": ["Zoe"]},
        ],
    }
)
TEAMS = [team.name for team in CONFIG.team]


def every_kind() -> list[Ticket]:
    """A ticket of each combination of values, each third of them given to a team by hand."""
    values = product(
        ("Brightly", "Lumiva"),
        ("en", "de", "pl"),
        (Category.COMPLAINT, Category.PRAISE),
        (Urgency.CRITICAL, Urgency.LOW),
    )
    given = ("legal", None, "gone", None, "billing")
    return [
        ticket(str(n), brand=brand, language=language, category=category, urgency=urgency, team=given[n % len(given)])
        for n, (brand, language, category, urgency) in enumerate(values)
    ]


def of(*teams: str, **more: object) -> Filters:
    return replace(ALL, shares=tuple(share_of(team, CONFIG) for team in teams), **more)  # type: ignore[arg-type]


def test_a_store_finds_of_each_team_what_the_rules_say(store: Store) -> None:
    tickets = every_kind()
    put(store, *tickets)
    seen: list[str] = []
    for team in TEAMS:
        found = store.queue(NOW, of(team), limit=99)
        belong = [each.id for each in tickets if (b := team_of(each, CONFIG)) is not None and b.team == team]
        assert sorted(ids(found)) == sorted(belong)
        assert belong
        assert store.queue_counts(NOW, of(team)).waiting == len(belong)
        seen += belong
    assert sorted(seen) == sorted(each.id for each in tickets)
    both = store.queue(NOW, of("billing", "safety", language="de"), limit=99)
    assert {each.ticket.language for each in both} == {"de"}
    assert store.queue_counts(NOW, of("billing", "safety", language="de")).waiting == len(both)
    spoken = store.queue(NOW, replace(ALL, languages=("pl", "en")), limit=99)
    assert len(spoken) == 16
    assert {each.ticket.language for each in spoken} == {"pl", "en"}


def test_a_ticket_that_a_person_gives_to_a_team_is_that_teams_until_it_is_undone(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(9), now=NOW)
    given = store.assign("x:1", "Ana", "legal", note="names a lawyer", now=NOW)
    assert (given.team, given.holder(NOW)) == ("legal", None)
    assert ids(store.queue(NOW, of("legal"))) == ["x:1"]
    assert ids(store.queue(NOW, of("billing"))) == []
    event = store.events("x:1")[-1]
    assert (event.kind, event.note) == (EventKind.ASSIGNED, "to legal: names a lawyer")
    back = store.undo(event.id, "Ana", now=NOW)
    assert (back.team, back.holder(NOW)) == (None, "Ana")
    assert ids(store.queue(NOW, of("billing"))) == ["x:1"]


def test_a_new_post_leaves_a_ticket_with_the_team_it_was_given_to(store: Store) -> None:
    put(store, ticket())
    store.assign("x:1", "Ana", "legal", now=NOW)
    store.save_tickets([ticket(posts=2, category=Category.PRAISE)])
    assert store.ticket("x:1").team == "legal"


def test_giving_a_ticket_to_its_team_again_says_nothing_twice(store: Store) -> None:
    put(store, ticket())
    store.assign("x:1", "Ana", "legal", now=NOW)
    store.assign("x:1", "Ben", "legal", now=NOW)
    assert [event.kind for event in store.events("x:1")].count(EventKind.ASSIGNED) == 1


def test_a_ticket_that_another_holds_is_neither_assigned_nor_handed_over(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(9), now=NOW)
    with pytest.raises(AlreadyClaimed):
        store.assign("x:1", "Ben", "legal", now=NOW)
    with pytest.raises(AlreadyClaimed):
        store.hand_to("x:1", "Ben", "Eva", until=ahead(9), now=NOW)


def test_a_ticket_that_is_handed_over_is_the_others_with_its_reason_and_can_be_taken_back(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(9), now=NOW)
    given = store.hand_to("x:1", "Ana", "Ben", until=ahead(15), note="speaks German", now=NOW)
    assert (given.holder(NOW), given.claimed_until) == ("Ben", ahead(15))
    with pytest.raises(AlreadyClaimed):
        store.claim("x:1", "Ana", until=ahead(9), now=NOW)
    event = store.events("x:1")[-1]
    assert (event.actor, event.kind, event.note) == ("Ana", EventKind.HANDED_OVER, "to Ben: speaks German")
    with pytest.raises(AlreadyClaimed):
        store.undo(event.id, "Eva", now=NOW)
    assert store.undo(event.id, "Ana", now=NOW).holder(NOW) == "Ana"


def test_what_the_other_has_begun_cannot_be_taken_back(store: Store) -> None:
    put(store, ticket())
    store.hand_to("x:1", "Ana", "Ben", until=ahead(15), now=NOW)
    handed = store.events("x:1")[-1]
    store.claim("x:1", "Ben", until=ahead(30), now=NOW)
    with pytest.raises(Conflict):
        store.undo(handed.id, "Ana", now=NOW)


def test_a_claim_that_was_handed_over_lapses_like_any_other(store: Store) -> None:
    put(store, ticket())
    store.hand_to("x:1", "Ana", "Ben", until=ahead(15), now=NOW)
    later = NOW + HOUR
    found = store.ticket("x:1")
    assert (found.holder(later), found.lapsed(later)) == (None, "Ben")
    assert store.claim("x:1", "Ana", until=later + HOUR, now=later).holder(later) == "Ana"


def test_during_hand_overs_a_third_person_never_gets_the_ticket(store: Store) -> None:
    put(store, ticket())
    store.claim("x:1", "Ana", until=ahead(60), now=NOW)
    over = threading.Event()
    got: list[str] = []

    def third() -> None:
        while not over.is_set():
            try:
                got.append(store.claim("x:1", "Eva", until=ahead(60), now=NOW).id)
            except AlreadyClaimed:
                continue

    thief = threading.Thread(target=third)
    thief.start()
    for _ in range(15):
        store.hand_to("x:1", "Ana", "Ben", until=ahead(60), now=NOW)
        store.hand_to("x:1", "Ben", "Ana", until=ahead(60), now=NOW)
    over.set()
    thief.join()
    assert got == []


def test_the_next_ticket_is_the_first_of_ones_teams_in_a_language_one_has(store: Store) -> None:
    put(
        store,
        ticket("praise", level=50, category=Category.PRAISE, language="de", brand="Lumiva"),
        ticket("english", level=40),
        ticket("held", level=30, language="de", claimed_by="Eva", claimed_until=ahead(9)),
        ticket("german", level=20, language="de"),
        ticket("later", level=10, language="de"),
    )
    taken = respond.take_next(store, "Ben", config=CONFIG, now=NOW)
    assert taken is not None
    assert (taken.id, taken.holder(NOW)) == ("x:german", "Ben")
    ana = respond.take_next(store, "Ana", config=CONFIG, now=NOW)
    assert ana is not None
    assert ana.id == "x:english"
    assert respond.take_next(store, "Eva", config=CONFIG, now=NOW) is None


def test_of_many_who_take_the_next_at_once_each_gets_another(store: Store) -> None:
    put(store, *(ticket(str(each), level=each) for each in range(24)))
    line = threading.Barrier(12)

    def take(person: int) -> list[str]:
        line.wait(60)
        taken = [respond.take_next(store, f"person {person}", config=CONFIG, now=NOW) for _ in range(2)]
        return [each.id for each in taken if each is not None]

    with ThreadPoolExecutor(12) as pool:
        taken = [id_ for each in pool.map(take, range(12)) for id_ in each]
    assert sorted(taken) == sorted(f"x:{each}" for each in range(24))


def test_what_is_past_its_respond_by_is_counted_and_listed_alike(store: Store) -> None:
    put(store, ticket("late", due=-30), ticket("too", due=-7, language="de"), ticket("in time", due=5))
    late = replace(ALL, breached=True)
    assert sorted(ids(store.queue(NOW, late))) == ["x:late", "x:too"]
    assert store.queue_counts(NOW, late).waiting == store.queue_counts(NOW, ALL).overdue == 2
    assert ids(store.queue(NOW, replace(late, language="de"))) == ["x:too"]
    assert all(item.ticket.breached(NOW) for item in store.queue(NOW, late))


def test_what_is_due_soon_is_what_nobody_holds_the_first_due_first(store: Store) -> None:
    put(
        store,
        ticket("late", due=-30),
        ticket("second", due=12),
        ticket("first", due=3),
        ticket("held", due=4, claimed_by="Eva", claimed_until=ahead(9)),
        ticket("lapsed", due=5, claimed_by="Eva", claimed_until=ago(1)),
        ticket("far", due=90),
        ticket("done", due=4, waiting_since=None),
    )
    soon = timedelta(minutes=20)
    assert [each.id for each in store.due_soon(NOW, soon, limit=9)] == ["x:first", "x:lapsed", "x:second"]
    assert [each.id for each in store.due_soon(NOW, soon, limit=1)] == ["x:first"]
