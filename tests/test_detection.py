"""What is usual, how unlikely the rest is, and which rule says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from pipeline.config import Campaign
from pipeline.detection import rules
from pipeline.detection.baseline import HOURS_OF_WEEK, WINDOWS, hour_of, hours_of_week, learn, sums
from pipeline.detection.campaigns import factors
from pipeline.detection.tails import count_tail, fewest, share_tail, silence_chance
from pipeline.detection.words import arithmetic, odds
from pipeline.domain import Finding, Measure, Series, SeriesKind
from tests.factories import NOW

WEEKS = 8
SIZE = WEEKS * HOURS_OF_WEEK
WEEK = np.arange(SIZE) % HOURS_OF_WEEK
PLAIN = np.ones(SIZE)
BERLIN = ZoneInfo("Europe/Berlin")
CHANCE = rules.allowed(365)


def usual(mean: float = 2.0, *, seed: int = 1, size: int = SIZE) -> np.ndarray:
    """Posts by hour, twice as many by day as by night."""
    shape = np.where((np.arange(size) % 24 >= 8) & (np.arange(size) % 24 < 20), 4 / 3, 2 / 3)
    return np.random.default_rng(seed).poisson(mean * shape).astype(float)


def day(posts: dict[int, float] | None = None, *, each: float = 0.0) -> np.ndarray:
    """The last day in quarters: ``each`` in all, and more in some."""
    quarters = np.full(96, each)
    for quarter, more in (posts or {}).items():
        quarters[quarter] += more
    return quarters


unhurried = hypothesis(deadline=None, max_examples=60)  # no test depends on how busy the machine is


# --- tails ----------------------------------------------------------------------------------------------------------


@unhurried
@given(st.integers(0, 400), st.floats(0.05, 200), st.floats(0.01, 2))
def test_the_tail_of_a_count_is_that_of_the_negative_binomial(observed: int, mean: float, stray: float) -> None:
    size = 1 / stray
    assert count_tail(observed, mean, stray) == pytest.approx(
        stats.nbinom.sf(observed - 1, size, size / (size + mean)), rel=1e-6, abs=1e-12
    )


@unhurried
@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.05, 0.95), st.floats(0.01, 0.5))
def test_the_tail_of_a_share_is_that_of_the_beta_binomial(whole: int, part: int, share: float, alike: float) -> None:
    pool = 1 / alike - 1
    part = min(part, whole)
    assert share_tail(part, whole, share, alike) == pytest.approx(
        stats.betabinom.sf(part - 1, whole, share * pool, (1 - share) * pool), rel=1e-6, abs=1e-12
    )


@unhurried
@given(st.floats(0.05, 300), st.floats(0.01, 1), st.floats(1e-8, 0.2))
def test_the_fewest_unlikely_count_is_unlikely_and_one_less_is_not(mean: float, stray: float, chance: float) -> None:
    enough = fewest(mean, stray, chance)
    assert count_tail(enough, mean, stray) <= chance < count_tail(enough - 1, mean, stray)


def test_where_nothing_is_expected_anything_is_unlikely() -> None:
    assert (count_tail(0, 0.0, 0.1), count_tail(1, 0.0, 0.1), silence_chance(0.0, 0.1)) == (1.0, 0.0, 1.0)


# --- the baseline ---------------------------------------------------------------------------------------------------


def test_level_and_profile_of_a_steady_series_are_found() -> None:
    found = learn(usual(), WEEK, PLAIN)
    rates = found.rates(WEEK[-HOURS_OF_WEEK:], np.ones(HOURS_OF_WEEK))
    assert rates.mean() == pytest.approx(2.0, rel=0.1)
    assert rates[12] > 1.5 * rates[3]


def test_a_crisis_does_not_train_what_it_is_measured_by() -> None:
    calm, stormy = usual(), usual()
    stormy[-40:-34] += 200  # a burst
    stormy[-300:-252] *= 4  # two days of more
    before, after = learn(calm, WEEK, PLAIN), learn(stormy, WEEK, PLAIN)
    assert after.level == pytest.approx(before.level, rel=0.15)
    assert count_tail(40, 6.0, after.dispersion[1]) < 10 * CHANCE


def test_hours_in_which_the_source_was_deaf_teach_nothing() -> None:
    posts = usual()
    posts[-60:-20] = 0
    assert learn(posts, WEEK, PLAIN).level == pytest.approx(learn(usual(), WEEK, PLAIN).level, rel=0.1)


def test_hours_in_an_incident_teach_nothing() -> None:
    posts, apart = usual(), np.zeros(SIZE, bool)
    posts[-200:-100] *= 2
    apart[-200:-100] = True
    told, untold = learn(posts, WEEK, PLAIN, apart=apart), learn(posts, WEEK, PLAIN)
    assert told.level < untold.level


def test_a_campaign_raises_what_is_expected_by_its_factor() -> None:
    found = learn(usual(), WEEK, PLAIN)
    assert found.rates(WEEK[:24], np.full(24, 3.0)) == pytest.approx(3 * found.rates(WEEK[:24], np.ones(24)))
    assert all(more > less for more, less in zip(found.strays(np.array([3.0])), found.dispersion, strict=True))


def test_a_campaign_does_not_raise_the_level_after_it() -> None:
    posts, factors = usual(), np.ones(SIZE)
    posts[-96:-24] *= 3
    factors[-96:-24] = 2.0  # guessed too low
    assert learn(posts, WEEK, factors).level == pytest.approx(learn(usual(), WEEK, PLAIN).level, rel=0.1)


def test_a_new_series_is_uncertain_and_grows_sure() -> None:
    strays = [learn(usual(size=24 * days), WEEK[: 24 * days], PLAIN[: 24 * days]).dispersion[0] for days in (1, 3, 28)]
    assert strays == sorted(strays, reverse=True)
    assert strays[0] > 2 * strays[-1]


def test_a_series_without_a_post_expects_next_to_none() -> None:
    found = learn(np.zeros(SIZE), WEEK, PLAIN)
    assert 0 < found.level * 24 < 1


def test_a_series_that_has_hardly_begun_has_a_baseline() -> None:
    found = learn(np.zeros(0), WEEK[:0], PLAIN[:0])
    assert found.level > 0
    assert np.isfinite(found.dispersion).all()


# --- clocks ---------------------------------------------------------------------------------------------------------


def test_nine_in_the_morning_is_the_same_hour_of_the_week_before_and_after_daylight_saving() -> None:
    mondays = [datetime(2026, 3, 23, 9, tzinfo=BERLIN), datetime(2026, 3, 30, 9, tzinfo=BERLIN)]
    assert list(hours_of_week(np.array([hour_of(at) for at in mondays]), BERLIN)) == [9, 9]
    assert hour_of(mondays[1]) - hour_of(mondays[0]) == HOURS_OF_WEEK - 1


def test_the_hour_that_a_clock_repeats_is_one_hour_of_the_week_twice() -> None:
    first = hour_of(datetime(2026, 10, 24, 23, tzinfo=UTC))
    assert list(hours_of_week(np.arange(first, first + 4), BERLIN) % 24) == [1, 2, 2, 3]


def test_a_leap_day_is_a_day_of_its_week() -> None:
    leap = hour_of(datetime(2028, 2, 29, 12, tzinfo=UTC))  # a Tuesday
    assert list(hours_of_week(np.array([leap, leap + 24]), UTC)) == [24 + 12, 48 + 12]


@pytest.mark.parametrize("zone", [UTC, BERLIN, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kathmandu")])
def test_hours_of_the_week_lie_in_the_week_in_every_zone(zone: ZoneInfo) -> None:
    year = hour_of(datetime(2026, 1, 1, tzinfo=UTC)) + np.arange(0, 366 * 24, 5)
    week = hours_of_week(year, zone)
    assert week.min() >= 0
    assert week.max() < HOURS_OF_WEEK


# --- rules ----------------------------------------------------------------------------------------------------------


STRAYS = (0.15,) * len(WINDOWS)


def test_a_burst_within_the_hour_is_volume() -> None:
    found = rules.volume(day({95: 12, 94: 8}), day(each=0.4), STRAYS, chance=CHANCE, minimum=8)
    assert found is not None
    assert (found.hours, found.observed) == (1, 20)
    assert found.expected == pytest.approx(1.6)
    assert 8 <= found.threshold <= 20


def test_what_is_usual_is_no_volume() -> None:
    assert rules.volume(day(each=1.0), day(each=1.0), STRAYS, chance=CHANCE, minimum=8) is None


def test_few_posts_are_no_volume_however_unlikely() -> None:
    assert rules.volume(day({95: 7}), day(each=0.001), STRAYS, chance=CHANCE, minimum=8) is None


def test_a_few_accounts_that_post_in_series_are_no_crowd() -> None:
    assert rules.enough_people(31, 4.0, 0.15, minimum=5)
    assert not rules.enough_people(3, 0.1, 0.15, minimum=5)
    assert not rules.enough_people(7, 4.0, 0.15, minimum=5)


def test_to_stay_an_incident_takes_less_than_to_become_one() -> None:
    posts, expected = day({95: 3, 93: 2}), day(each=0.2)
    assert rules.volume(posts, expected, STRAYS, chance=CHANCE, minimum=8) is None
    assert rules.still_high(posts, expected, STRAYS)
    assert not rules.still_high(day(each=0.25), expected, STRAYS)


def test_a_share_that_is_far_from_usual_is_found_with_its_population() -> None:
    found = rules.negative_share(day({95: 30}), day({95: 34}), usual=0.22, correlation=0.02, chance=CHANCE, minimum=8)
    assert found is not None
    assert (found.observed, found.whole, found.expected) == (30, 34, pytest.approx(0.22 * 34))
    assert (
        rules.negative_share(day({95: 9}), day({95: 34}), usual=0.22, correlation=0.02, chance=CHANCE, minimum=8)
        is None
    )


def test_the_usual_share_and_how_alike_posts_are_is_learned_from_days() -> None:
    rng = np.random.default_rng(2)
    posts = np.full(SIZE, 3.0)
    even = rng.binomial(3, 0.3, SIZE).astype(float)
    uneven = rng.binomial(3, np.repeat(rng.beta(1.5, 3.5, SIZE // 24), 24)).astype(float)
    (share, alike), (_, more) = rules.usual_share(even, posts), rules.usual_share(uneven, posts)
    assert share == pytest.approx(0.3, abs=0.02)
    assert alike < 0.02 < 0.08 < more


def test_a_slow_rise_adds_up_where_no_hour_stands_out() -> None:
    expected = np.full(8 * 24, 2.0)
    steady, rising = expected.copy(), expected.copy()
    rising[-72:] *= np.linspace(1.2, 3.5, 72)
    assert rules.slow_rise(steady, expected, STRAYS, days=365, minimum=8) is None
    found = rules.slow_rise(rising, expected, STRAYS, days=365, minimum=8)
    assert found is not None
    assert found.hours == 24


def test_one_burst_is_no_slow_rise() -> None:
    posts = np.full(8 * 24, 2.0)
    posts[-30] += 500
    assert rules.slow_rise(posts, np.full(8 * 24, 2.0), STRAYS, days=365, minimum=8) is None


def test_a_source_that_usually_speaks_is_missed_and_one_that_seldom_does_is_not() -> None:
    found = rules.silence(day(), day(each=1.0), STRAYS, chance=1e-4)
    assert found is not None
    assert found.observed == 0
    assert rules.silence(day(), day(each=0.02), STRAYS, chance=1e-4) is None


def test_fewer_false_alarms_take_more_posts() -> None:
    often, seldom = (rules.allowed(days) for days in (30, 365))
    assert seldom < often
    assert fewest(10, 0.1, seldom) > fewest(10, 0.1, often)
    assert rules.rise_limit(365) > rules.rise_limit(30)
    assert rules.once_in_days(seldom) == pytest.approx(365)


def test_sums_run_over_as_many_values_as_there_are() -> None:
    assert list(sums(np.array([1.0, 2, 3, 4]), 2)) == [1, 3, 5, 7]


def test_hours_are_counted_alike_on_both_sides_of_1970() -> None:
    assert hour_of(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert hour_of(datetime(1970, 1, 1, tzinfo=UTC) - timedelta(minutes=1)) == -1


# --- the campaign calendar and words --------------------------------------------------------------------------------


def campaign(since: date | datetime, until: date | datetime, factor: float = 3.0, brand: str = "Lumiva") -> Campaign:
    return Campaign.model_validate({"name": "sale", "brand": brand, "from": since, "to": until, "factor": factor})


def test_days_of_a_campaign_begin_and_end_at_midnight_on_the_wall_also_when_clocks_change() -> None:
    sunday = date(2026, 10, 25)  # 25 hours long in Berlin
    first = hour_of(datetime(2026, 10, 24, 12, tzinfo=UTC))
    hours = np.arange(first, first + 48)
    found = factors([campaign(sunday, sunday)], "Lumiva", hours, BERLIN)
    assert (found == 3.0).sum() == 25
    assert found[hours == hour_of(datetime(2026, 10, 24, 22, tzinfo=UTC))] == [3.0]


def test_campaigns_that_overlap_multiply_and_those_of_others_do_not_count() -> None:
    day_of = date(2026, 11, 27)
    noon = np.array([hour_of(datetime(2026, 11, 27, 12, tzinfo=UTC))])
    moments = campaign(datetime(2026, 11, 27, 11, tzinfo=UTC), datetime(2026, 11, 27, 13, tzinfo=UTC), 2.0)
    both = [campaign(day_of, day_of), moments, campaign(day_of, day_of, 9.0, brand="Kestrel")]
    assert factors(both, "Lumiva", noon, UTC) == [6.0]
    assert factors([moments], "Lumiva", noon + 1, UTC) == [1.0]


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        (date(2026, 11, 30), date(2026, 11, 27), "is after"),
        (date(2026, 11, 27), datetime(2026, 11, 28, tzinfo=UTC), "both days, or both moments"),
        (datetime(2026, 11, 27), datetime(2026, 11, 28), "needs its zone"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused(since: date, until: date, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        campaign(since, until)


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "rule": "volume/3 h", "cause": "volume", "brand": "Kestrel",
        "series": Series(kind=SeriesKind.BRAND, name="Kestrel"), "since": NOW - timedelta(hours=2, minutes=50),
        "until": NOW, "observed": 37, "expected": 4.2, "threshold": 15.0, "once_in_days": 90.0, "people": 31,
        "history_days": 28.0,
    }  # fmt: skip
    return Finding(**values | changes)


def test_arithmetic_is_said_with_every_population() -> None:
    assert arithmetic(finding()) == (
        "37 posts by 31 people in 3 h; 4.2 expected in these hours (from 28 days), 15 are enough."
        " By chance less than once in 90 days."
    )
    negative = Series(kind=SeriesKind.BRAND, name="Kestrel", measure=Measure.NEGATIVE)
    assert "37 negative posts by 31 people" in arithmetic(finding(series=negative))
    assert "31 of 37 posts in 3 h are negative, by 28 people; 8.1 expected" in arithmetic(
        finding(series=negative, observed=31, whole=37, people=28, expected=8.1)
    )
    source = Series(kind=SeriesKind.SOURCE, name="x")
    assert arithmetic(finding(cause="silence", series=source, observed=0, expected=41.0, threshold=0.0)).startswith(
        "Nothing from x in 3 h, and collection is healthy; 41 expected in these hours"
    )
    assert "at the level of a week before" in arithmetic(finding(cause="slow rise"))


def test_no_model_of_some_weeks_speaks_of_centuries() -> None:
    assert odds(finding(once_in_days=1e8)) == "By chance less than once in ten years"
