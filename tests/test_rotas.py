"""Whose turn it is and who sleeps, also when clocks are put forward or back, and on the 29th of February."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.domain import OfficeHours, Override, Person, Rota
from pipeline.escalation.rotas import next_open, on_call, quiet_until

WEEKLY = Rota(name="ops", people=("Ana", "Ben", "Maria"), first_day="2026-11-23", timezone="Europe/Berlin")
SLEEPER = Person(name="Ana", channels=("phone",), timezone="Europe/Berlin", quiet_from="22:00", quiet_until="07:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "who"),
    [
        ("2026-11-23T07:59", "Maria"),  # 8:59 in Berlin: the turn before the first
        ("2026-11-23T08:00", "Ana"),
        ("2026-11-30T07:59", "Ana"),
        ("2026-11-30T08:00", "Ben"),
        ("2026-12-14T08:00", "Ana"),
    ],
)
def test_turns_change_at_the_local_hand_over(moment: str, who: str) -> None:
    assert on_call(WEEKLY, at(moment)) == who


def test_a_hand_over_stays_at_its_local_hour_when_clocks_change() -> None:
    daily = Rota(name="d", people=("Ana", "Ben"), first_day="2026-03-28", days=1, timezone="Europe/Berlin")
    assert [on_call(daily, at(f"2026-03-28T{clock}")) for clock in ("07:59", "08:00")] == ["Ben", "Ana"]
    assert [on_call(daily, at(f"2026-03-29T{clock}")) for clock in ("06:59", "07:00")] == ["Ana", "Ben"]


def test_a_hand_over_in_the_hour_that_does_not_exist_happens_once() -> None:
    daily = Rota(
        name="d", people=("Ana", "Ben"), first_day="2026-03-28", days=1, hand_over="02:30", timezone="Europe/Berlin"
    )
    night = [on_call(daily, at("2026-03-29T00:00") + timedelta(minutes=10 * n)) for n in range(18)]
    assert night == ["Ana"] * 9 + ["Ben"] * 9  # 01:30 UTC


def test_a_hand_over_in_the_hour_that_comes_twice_happens_once() -> None:
    daily = Rota(
        name="d", people=("Ana", "Ben"), first_day="2026-10-24", days=1, hand_over="02:30", timezone="Europe/Berlin"
    )
    night = [on_call(daily, at("2026-10-25T00:00") + timedelta(minutes=10 * n)) for n in range(18)]
    assert night == ["Ana"] * 9 + ["Ben"] * 9


def test_turns_go_over_a_leap_day_without_a_jump() -> None:
    daily = Rota(name="d", people=("Ana", "Ben"), first_day="2028-02-27", days=1, hand_over="00:00")
    days = ["2028-02-28", "2028-02-29", "2028-03-01"]
    assert [on_call(daily, at(f"{day}T12:00")) for day in days] == ["Ben", "Ana", "Ben"]


def test_an_override_goes_before_and_the_last_of_several() -> None:
    def override(person: str, since: str, until: str) -> Override:
        return Override(person=person, since=at(since), until=at(until))

    rota = Rota(
        name="ops", people=("Ana",), first_day="2026-11-23",
        overrides=(override("Ben", "2026-11-25T10:00", "2026-11-25T20:00"), override("Cem", "2026-11-25T12:00", "2026-11-25T13:00")),
    )  # fmt: skip
    moments = ("09:59", "10:00", "12:00", "13:00", "20:00")
    assert [on_call(rota, at(f"2026-11-25T{each}")) for each in moments] == ["Ana", "Ben", "Cem", "Ben", "Ana"]


def test_a_rota_without_people_has_nobody() -> None:
    assert on_call(Rota(name="ops", people=(), first_day="2026-11-23"), at("2026-11-25T10:00")) is None


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-11-25T20:59", None),
        ("2026-11-25T21:00", "2026-11-26T06:00"),
        ("2026-11-26T02:00", "2026-11-26T06:00"),
        ("2026-11-26T06:00", None),
        ("2026-03-28T23:00", "2026-03-29T05:00"),  # the night that is an hour short
        ("2026-10-24T22:00", "2026-10-25T06:00"),  # the night that is an hour long
    ],
)
def test_quiet_hours_over_midnight_end_in_the_morning(moment: str, until: str | None) -> None:
    assert quiet_until(SLEEPER, at(moment)) == (None if until is None else at(until))


def test_quiet_hours_inside_a_day_and_none_at_all() -> None:
    siesta = Person(name="Ana", channels=("phone",), quiet_from="13:00", quiet_until="15:00")
    assert quiet_until(siesta, at("2026-11-25T13:00")) == at("2026-11-25T15:00")
    assert quiet_until(siesta, at("2026-11-25T15:00")) is None
    assert quiet_until(Person(name="Ana", channels=("phone",)), at("2026-11-25T13:00")) is None


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_quiet_hours_end_later_than_they_are_asked_for_in_every_hour_of_a_year(zone: str) -> None:
    person = Person(name="Ana", channels=("phone",), timezone=zone, quiet_from="22:30", quiet_until="02:15")
    moment = at("2026-01-01T00:00")
    for _ in range(24 * 366):
        end = quiet_until(person, moment)
        assert end is None or timedelta(0) < end - moment <= timedelta(hours=5)
        moment += timedelta(hours=1)


def test_an_office_that_is_shut_opens_on_its_next_working_day() -> None:
    office = OfficeHours(timezone="Europe/Berlin", days=("mon", "tue", "wed", "thu", "fri"), opens="09:00",
                         closes="18:00", holidays="DE")  # fmt: skip
    assert next_open(office, at("2026-11-25T10:00")) == at("2026-11-25T10:00")
    assert next_open(office, at("2026-11-27T17:00")) == at("2026-11-30T08:00")  # over a week-end
    assert next_open(office, at("2026-12-24T20:00")) == at("2026-12-28T08:00")  # over Christmas, then a week-end
