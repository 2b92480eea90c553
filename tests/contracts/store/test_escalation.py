"""Chains that were started, channels that refuse, and signs of life."""

from __future__ import annotations

from dataclasses import replace

from pipeline.domain import (
    Chain,
    ChainRun,
    OfficeHours,
    Outage,
    Override,
    Person,
    Rota,
    Step,
)
from pipeline.ports import Store
from tests.contracts.store.made import ago, ahead, notice
from tests.factories import NOW

CHAIN = Chain(
    name="crisis",
    steps=(Step(rotas=("ops",)), Step(wait_minutes=10, people=("Ana",), channels=("mail",), in_hours=True, needs=2)),
    people=(Person(name="Ana", channels=("mail", "phone"), timezone="Europe/Berlin", quiet_from="22:00", quiet_until="07:00"),),
    rotas=(
        Rota(name="ops", people=("Ana",), first_day="2026-11-23", overrides=(Override(person="Łukasz", since=ago(5), until=ahead(5)),)),
    ),
    hours=OfficeHours(timezone="Europe/London", days=("mon", "tue"), opens="09:00", closes="18:00", holidays="GB"),
    repeat_hours=None,
)  # fmt: skip


def run(id_: str = "i1|crisis", incident: str = "i1", minutes_ago: float = 5) -> ChainRun:
    return ChainRun(id=id_, incident=incident, chain=CHAIN, started_at=ago(minutes_ago))


def test_a_chain_comes_back_as_it_was_when_it_started(store: Store) -> None:
    assert store.start_chain(run()) == run()
    assert store.chain_runs(["i1", "unknown"]) == {"i1": [run()]}
    assert store.chain_runs([]) == {}


def test_a_chain_starts_once_and_what_changed_since_does_not_reach_it(store: Store) -> None:
    store.start_chain(run())
    before = store.change_count()
    changed = replace(run(), chain=replace(CHAIN, steps=()), started_at=NOW)
    assert store.start_chain(changed) == run()
    assert store.chain_runs(["i1"]) == {"i1": [run()]}
    assert store.change_count() == before


def test_the_chains_of_an_incident_come_oldest_first(store: Store) -> None:
    for each in (run("b", minutes_ago=1), run("a", minutes_ago=9), run("c", "i2")):
        store.start_chain(each)
    assert [each.id for each in store.chain_runs(["i1"])["i1"]] == ["a", "b"]
    assert set(store.chain_runs(["i1", "i2"])) == {"i1", "i2"}


def test_a_channel_is_out_until_a_person_enables_it(store: Store) -> None:
    first = Outage(id="ops", since=ago(5), error="channel 'ops': example.com answered 410")
    before = store.change_count()
    assert store.save_outage(first) == first
    assert store.save_outage(replace(first, since=NOW, error="again")) == first
    store.save_outage(Outage(id="mail", since=ago(9), error="no"))
    assert [each.id for each in store.outages()] == ["mail", "ops"]
    assert store.end_outage("ops") is True
    assert store.end_outage("ops") is False
    assert [each.id for each in store.outages()] == ["mail"]
    assert store.change_count() > before


def test_a_sign_of_life_is_never_taken_back(store: Store) -> None:
    assert store.pulses() == {}
    store.beat("watch", NOW)
    store.beat("watch", ago(9))
    store.beat("pages", ago(1))
    assert store.pulses() == {"pages": ago(1), "watch": NOW}
    store.beat("watch", ahead(1))
    assert store.pulses()["watch"] == ahead(1)


def test_a_notice_says_whom_it_is_for_and_by_which_step_it_was_due(store: Store) -> None:
    given = notice(person="Łukasz", step="step 2 time 1")
    store.add_notice(given)
    taken = store.take_notice(given, retry_at=ahead(2))
    assert taken == replace(given, attempts=1, retry_at=ahead(2))
    assert store.notices() == [taken]
