"""Business hours, holidays and deadlines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Hours, Target, parse
from pipeline.hours import Calendar, public_holidays

LONDON = Calendar(Hours(timezone="Europe/London"), "GB")
HOUR = Target(minutes=60, outside_minutes=720)
P1 = Target(minutes=15, outside_minutes=15)
DAY = Target(minutes=240)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_in_hours_the_deadline_is_an_hour_away():
    assert LONDON.deadline(at("2026-11-25 10:00"), HOUR) == at("2026-11-25 11:00")


def test_outside_hours_it_is_twelve_hours_by_the_clock_or_an_hour_after_opening_whichever_comes_first():
    assert LONDON.deadline(at("2026-11-25 20:00"), HOUR) == at("2026-11-26 08:00")
    assert LONDON.deadline(at("2026-11-26 05:00"), HOUR) == at("2026-11-26 10:00")


def test_a_crisis_is_due_in_fifteen_minutes_at_any_hour():
    assert LONDON.deadline(at("2026-12-25 03:00"), P1) == at("2026-12-25 03:15")


def test_business_minutes_go_on_the_next_working_day():
    assert LONDON.deadline(at("2026-11-27 17:00"), DAY) == at("2026-11-30 12:00")  # Friday evening to Monday


def test_a_public_holiday_of_the_market_does_not_count():
    assert LONDON.deadline(at("2026-12-24 17:00"), DAY) == at("2026-12-29 12:00")  # 25, 26 Dec, 28 a substitute


def test_summer_time_is_the_markets_own():
    assert LONDON.deadline(at("2026-03-27 17:30"), Target(minutes=60)) == at("2026-03-30 08:30")


def test_the_market_is_where_the_language_is_spoken_else_the_brands_first():
    config = parse(
        {
            "brand": [{"name": "B", "markets": ["PL", "DE"]}],
            "market": {"DE": {"timezone": "Europe/Berlin"}, "PL": {"timezone": "Europe/Warsaw"}},
        }
    )
    assert Calendar.of(config, "B", "de").market == "DE"
    assert Calendar.of(config, "B", "it").market == "PL"
    assert Calendar.of(config, "unknown", "de").market is None


def test_a_country_nobody_knows_has_no_holidays():
    assert public_holidays("XX", 2026) == frozenset()
    assert len(public_holidays("DE-BY", 2026)) > len(public_holidays("DE", 2026))


def test_open_means_within_the_hours_of_a_working_day():
    assert LONDON.is_open(at("2026-11-25 09:00"))
    assert not LONDON.is_open(at("2026-11-25 18:00"))
    assert not LONDON.is_open(at("2026-11-28 12:00"))


@given(st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 12, 1)), st.integers(1, 3000))
def test_a_deadline_lies_ahead_and_never_after_the_clock_limit(start, minutes):
    start = start.replace(tzinfo=UTC)
    assert LONDON.deadline(start, Target(minutes=minutes)) > start
    limited = LONDON.deadline(start, Target(minutes=minutes, outside_minutes=720))
    assert start < limited <= start + timedelta(minutes=max(720, minutes))


@given(st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)), st.integers(1, 500))
def test_a_later_post_is_never_due_earlier(start, later):
    start = start.replace(tzinfo=UTC)
    assert LONDON.deadline(start, HOUR) <= LONDON.deadline(start + timedelta(minutes=later), HOUR)
