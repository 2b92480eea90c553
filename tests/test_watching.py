"""From what is counted to incidents: opened once, explained, grown, over, and back again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import watching
from pipeline.config import Config, parse
from pipeline.detection.words import arithmetic
from pipeline.domain import Cursor, Gap, Incident, IncidentState, Measure, Score, ScoredMention
from pipeline.stores.sqlite import SqliteStore
from pipeline.unusual import BACK_WITHIN, QUIET
from tests.factories import FIRE, NOW, incident, score, scored

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
CALM = score("question", urgency="normal", sentiment="neutral")
ANGRY = score("complaint", urgency="high", sentiment="negative")


def settings(**changes: Any) -> Config:
    return parse(
        {
            "brand": [{"name": "Brightly"}],
            "query": [{"name": "brightly", "brand": "Brightly"}],
            "source": [{"kind": "x", "name": "x"}],
            **changes,
        }
    )


def usual(days: int = 64, daily: float = 40, *, until: datetime = NOW) -> list[ScoredMention]:
    """A steady stream, each post by somebody else."""
    rng = np.random.default_rng(4)
    ages = np.sort(rng.uniform(0, days, int(days * daily)))
    return [
        scored(f"u{place}", f"how does it work {place}", given=CALM, posted_at=until - age * DAY, handle=f"u{place}")
        for place, age in enumerate(ages)
    ]


def burst(
    many: int = 40, *, people: int | None = None, name: str = "b", at: datetime = NOW, given: Score = ANGRY
) -> list[ScoredMention]:
    """Complaints in the half hour before."""
    return [
        scored(
            f"{name}{place}",
            f"charged me twice {place}",
            given=given,
            posted_at=at - MINUTE * (1 + 28 * place / many),
            collected_at=at,
            handle=f"{name}{place % (people or many)}",
        )
        for place in range(many)
    ]


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with two months of a steady stream: made once, copied for each test."""
    path = tmp_path_factory.mktemp("steady") / "tocsin.db"
    with closing(SqliteStore(path)) as opened:
        opened.add_mentions(usual(), {})
    return path


@pytest.fixture
def store(steady: Path, tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(shutil.copy(steady, tmp_path / "tocsin.db"))) as opened:
        yield opened


def look(store: SqliteStore, now: datetime = NOW, config: Config | None = None) -> list[Incident]:
    watching.detect_incidents(store, config or settings(), now=now)
    return store.open_incidents()


def test_a_calm_day_opens_nothing(store: SqliteStore) -> None:
    assert [look(store, NOW + hours * timedelta(hours=1)) for hours in (-3, 0)] == [[], []]


def test_a_burst_of_many_people_opens_one_incident_with_its_arithmetic(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    (found,) = look(store)
    assert (found.brand, found.cause, found.state(NOW)) == ("Brightly", "volume", IncidentState.GROWING)
    assert found.finding is not None
    assert found.finding.people >= 40
    assert found.finding.observed >= 40 > found.finding.threshold > found.finding.expected
    assert found.finding.once_in_days >= 365
    said = arithmetic(found.finding)
    assert f"posts by {found.finding.people} people" in said
    assert "expected in these hours (from 56 days)" in said
    assert found.severity == round(sum(part.value for part in found.parts)) == 4
    assert found.mentions


def test_the_same_burst_seen_again_writes_nothing_new(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    (found,) = look(store)
    assert look(store, NOW + MINUTE) == [found]


def test_a_few_accounts_that_post_in_series_open_nothing(store: SqliteStore) -> None:
    store.add_mentions(burst(people=3), {})
    assert look(store) == []


def test_a_burst_in_a_campaign_of_that_size_opens_nothing(store: SqliteStore) -> None:
    store.add_mentions(burst(24, given=CALM), {})
    campaign = {
        "name": "launch", "brand": "Brightly", "from": NOW.date(), "to": NOW.date(), "factor": 12.0,
    }  # fmt: skip
    assert look(store, config=settings(campaign=[campaign])) == []
    assert look(store) != []


def test_more_of_it_makes_the_incident_grow(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    (before,) = look(store)
    store.add_mentions(burst(60, name="c", at=NOW + 20 * MINUTE), {})
    (after,) = look(store, NOW + 20 * MINUTE)
    assert after.id == before.id
    assert after.posts > before.posts
    assert after.severity == 5
    assert after.last_at == NOW + 20 * MINUTE


def test_an_incident_ends_after_hours_of_the_usual_and_not_before(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    (found,) = look(store)
    calm = NOW + timedelta(hours=4)
    assert [each.id for each in look(store, calm)] == [found.id]
    over = calm + QUIET + timedelta(hours=1)
    assert look(store, over) == []
    assert store.incident(found.id).state(over) is IncidentState.OVER


def test_what_a_person_closed_is_not_opened_by_the_same_posts(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    (found,) = look(store)
    store.save_incident(replace(found, closed_at=NOW + MINUTE))
    assert look(store, NOW + 2 * MINUTE) == []


def test_what_comes_back_names_what_came_before(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    (found,) = look(store)
    store.save_incident(replace(found, closed_at=NOW + MINUTE))
    later = NOW + timedelta(hours=30)
    store.add_mentions(burst(name="again", at=later), {})
    (back,) = look(store, later)
    assert back.id != found.id
    assert back.earlier == found.id
    assert replace(back, posts=1).state(later) is IncidentState.REGRESSED
    much_later = NOW + BACK_WITHIN + 2 * DAY
    store.save_incident(replace(back, closed_at=later, earlier=None))
    assert much_later - later > timedelta(days=7)


def test_an_open_grave_incident_explains_the_volume_it_makes(store: SqliteStore) -> None:
    posts = burst()
    store.add_mentions(posts, {})
    grave = incident(
        cause="fire", posts=38, people=38, mentions=tuple(item.mention.id for item in posts[:38]), opened_at=NOW,
        last_at=NOW,
    )  # fmt: skip
    store.save_incident(grave)
    (found,) = look(store)
    assert (found.cause, found.explained) == ("fire", ("volume", "negative share"))


def test_a_grave_post_within_a_burst_opens_its_own_incident(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    look(store)
    fire = scored("fire", "it caught fire", given=score(urgency="critical", crisis=0.9, rules=(FIRE,)))
    store.add_mentions([fire], {})
    assert {each.cause for each in look(store, NOW + MINUTE)} == {"fire", "volume"}


def test_complaints_in_the_place_of_questions_are_a_negative_share_or_volume() -> None:
    with closing(SqliteStore(":memory:")) as store:
        store.add_mentions(usual(), {})
        angry = [
            replace(item, mention=replace(item.mention, posted_at=NOW - place * 8 * MINUTE))
            for place, item in enumerate(burst(45))
        ]
        store.add_mentions(angry, {})
        (found,) = look(store)
        assert found.finding is not None
        assert found.finding.series.measure in {Measure.NEGATIVE, Measure.URGENT}


def heard(store: SqliteStore, *, minutes: float = 3, **changes: Any) -> None:
    cursor = Cursor(source="x", query="brightly", succeeded_at=NOW - timedelta(minutes=minutes), **changes)
    store.save_progress(cursor)


def silent() -> SqliteStore:
    store = SqliteStore(":memory:")
    store.add_mentions(usual(until=NOW - 30 * timedelta(hours=1)), {})
    return store


def test_a_source_that_is_read_and_says_nothing_is_told_of() -> None:
    with closing(silent()) as store:
        heard(store)
        (found,) = look(store)
        assert (found.cause, found.brand) == ("silence", "Brightly")
        assert found.title.startswith("x is silent: nothing in 24 h, usually ")
        assert look(store, NOW + MINUTE) == [found]


@pytest.mark.parametrize("unheard", [{"minutes": 50}, {"error": "refused"}])
def test_a_source_that_is_not_read_is_not_called_silent(unheard: dict[str, Any]) -> None:
    with closing(silent()) as store:
        heard(store, **unheard)
        assert look(store) == []


def test_a_gap_that_is_not_read_yet_is_no_silence() -> None:
    with closing(silent()) as store:
        gap = Gap(
            id="g", source="x", query="brightly", newer_than="1", older_than="2", since=NOW - DAY, until=NOW,
            reason="rate limit", opened_at=NOW,
        )  # fmt: skip
        store.save_progress(Cursor(source="x", query="brightly", succeeded_at=NOW), gaps=[gap])
        assert look(store) == []


def test_a_conversation_that_comes_to_many_people_spreads(store: SqliteStore) -> None:
    start = scored("start", "they charged me twice", given=ANGRY, posted_at=NOW - 100 * MINUTE)
    copies = [
        scored(f"r{n}", "rt", given=ANGRY, posted_at=NOW - MINUTE * n, handle=f"r{n}", fold="x:start")
        for n in range(30)
    ]
    store.add_mentions([start, *copies], {})
    (found,) = look(store)
    assert found.cause == "spread of x:start"
    assert "30 people in 3 h in one conversation" in found.parts[0].because


def test_praise_may_spread_as_it_likes(store: SqliteStore) -> None:
    glad = score("praise", sentiment="positive", urgency="low")
    copies = [
        scored(f"r{n}", "rt", given=glad, posted_at=NOW - MINUTE * n, handle=f"r{n}", fold="x:start") for n in range(30)
    ]
    store.add_mentions([scored("start", "lovely", given=glad, posted_at=NOW - 100 * MINUTE), *copies], {})
    assert look(store) == []


def test_a_new_brand_is_not_judged_by_its_first_posts() -> None:
    with closing(SqliteStore(":memory:")) as store:
        store.add_mentions(burst(30), {})
        assert look(store) == []


def test_an_archive_that_is_imported_wakes_nobody(store: SqliteStore) -> None:
    old = NOW - timedelta(days=3)
    store.add_mentions([replace(item, mention=replace(item.mention, collected_at=NOW)) for item in burst(at=old)], {})
    assert look(store) == []


def test_a_clock_that_jumps_back_neither_opens_twice_nor_closes(store: SqliteStore) -> None:
    store.add_mentions(burst(), {})
    (found,) = look(store)
    for back in (timedelta(minutes=7), timedelta(hours=2), timedelta(days=1)):
        (same,) = look(store, NOW - back)
        assert (same.id, same.closed_at, same.last_at >= found.last_at) == (found.id, None, True)


@pytest.mark.parametrize(
    "moment",
    [
        "2026-03-29T01:30:00+00:00",
        "2026-10-25T00:30:00+00:00",
        "2028-02-29T23:50:00+00:00",
        "2026-12-31T23:59:00+00:00",
    ],
)
def test_a_burst_is_found_whatever_the_clocks_on_walls_do(moment: str) -> None:
    now = datetime.fromisoformat(moment)
    with closing(SqliteStore(":memory:")) as store:
        store.add_mentions(usual(until=now), {})
        store.add_mentions(burst(at=now), {})
        (found,) = look(store, now, settings(hours={"timezone": "Europe/Berlin"}))
        assert found.cause == "volume"
