"""Two people cannot answer the same customer: races for one ticket have one winner."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from pipeline.domain import EventKind
from pipeline.errors import AlreadyClaimed
from pipeline.ports import Store
from tests.contracts.store.made import ahead, put, ticket
from tests.factories import NOW

RACERS = 20
ROUNDS = 20


def test_of_twenty_who_claim_at_once_exactly_one_wins_every_round(store: Store) -> None:
    put(store, *(ticket(str(each)) for each in range(ROUNDS)))
    line = threading.Barrier(RACERS)

    def race(racer: int) -> list[bool]:
        won: list[bool] = []
        for each in range(ROUNDS):
            line.wait(60)
            try:
                store.claim(f"x:{each}", f"racer {racer}", until=ahead(15), now=NOW)
                won.append(True)
            except AlreadyClaimed:
                won.append(False)
        return won

    with ThreadPoolExecutor(RACERS) as pool:
        results = list(pool.map(race, range(RACERS)))
    for each in range(ROUNDS):
        winners = [racer for racer in range(RACERS) if results[racer][each]]
        assert len(winners) == 1
        assert store.ticket(f"x:{each}").claimed_by == f"racer {winners[0]}"
        claims = [event.actor for event in store.events(f"x:{each}") if event.kind is EventKind.CLAIMED]
        assert claims == [f"racer {winners[0]}"]


def test_the_machine_and_people_at_once_lose_nothing_of_each_other(store: Store) -> None:
    put(store, *(ticket(str(each)) for each in range(30)))

    def machine() -> None:
        for posts in range(2, 12):
            store.save_tickets([ticket(str(each), posts=posts) for each in range(30)])

    def people() -> None:
        for each in range(30):
            store.claim(f"x:{each}", "Ana", until=ahead(15), now=NOW)

    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(machine), pool.submit(people)):
            done.result()
    for each in range(30):
        found = store.ticket(f"x:{each}")
        assert (found.posts, found.claimed_by, found.version) == (11, "Ana", 12)
