"""Facets: how many posts a search finds, how they spread over what people filter by; and the filters of mentions alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain import Category, Facets, Filters, ScoredMention, Sentiment, Urgency
from pipeline.errors import ConfigError
from pipeline.ports import Store
from pipeline.search import FACETS
from tests.contracts.store.made import ALL, ago, ids
from tests.factories import FIRE, NOW, score, scored


def facets(store: Store, text: str = "", filters: Filters = ALL) -> Facets:
    return store.facets(text, filters, zone=UTC)


def fill(store: Store) -> None:
    """Two complaints about a charger, one of them in German, some praise, and a burning one."""
    store.add_mentions(
        [
            scored("1", "the charger broke", posted_at=ago(5)),
            scored("2", "mein Ladegerät, der charger", language="de", posted_at=ago(4), brand="Lumiva"),
            scored("3", "lovely charger", posted_at=ago(3), source="rss", given=score("praise", sentiment="positive")),
            scored("4", "my charger caught fire", posted_at=ago(2), given=score(rules=(FIRE,))),
            scored("5", "a lamp", posted_at=ago(1)),
        ],
        {},
    )


def test_a_store_that_holds_nothing_counts_nothing(store: Store) -> None:
    assert facets(store) == Facets() == facets(store, "charger")


def test_what_a_search_finds_is_counted_by_all_that_people_filter_by(store: Store) -> None:
    fill(store)
    assert facets(store, "charger") == Facets(
        total=4,
        brand={"Brightly": 3, "Lumiva": 1},
        source={"x": 3, "rss": 1},
        language={"en": 3, "de": 1},
        category={"complaint": 3, "praise": 1},
        sentiment={"negative": 3, "positive": 1},
        urgency={"normal": 3, "critical": 1},
        day={NOW.date(): 4},
    )
    assert facets(store).total == 5


def test_the_most_frequent_comes_first_and_equals_in_the_order_of_their_names(store: Store) -> None:
    languages = ["tr", "de", "de", "pl", "en"]
    store.add_mentions([scored(str(n), language=each) for n, each in enumerate(languages)], {})
    assert list(facets(store).language) == ["de", "en", "pl", "tr"]


def test_days_are_those_of_the_asked_zone_newest_first(store: Store) -> None:
    late = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
    store.add_mentions([scored("1", posted_at=late), scored("2", posted_at=late + timedelta(hours=3))], {})
    assert facets(store).day == {date(2026, 11, 25): 1, date(2026, 11, 24): 1}
    assert list(facets(store).day) == [date(2026, 11, 25), date(2026, 11, 24)]
    assert store.facets("", ALL, zone=ZoneInfo("Europe/Berlin")).day == {date(2026, 11, 24): 1, date(2026, 11, 25): 1}
    assert store.facets("", ALL, zone=ZoneInfo("Asia/Kathmandu")).day == {date(2026, 11, 25): 2}


def test_posts_of_before_1970_have_a_day_too(store: Store) -> None:
    store.add_mentions([scored("1", posted_at=datetime(1969, 12, 31, 23, 50, tzinfo=UTC))], {})
    assert facets(store).day == {date(1969, 12, 31): 1}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(sentiment=Sentiment.POSITIVE), ["rss:3"]),
        (Filters(urgency=Urgency.CRITICAL), ["x:4"]),
        (Filters(urgency=Urgency.NORMAL, sentiment=Sentiment.NEGATIVE), ["x:2", "x:1"]),
        (Filters(category=Category.COMPLAINT, language="de"), ["x:2"]),
        (Filters(since=ago(3)), ["x:4", "rss:3"]),
        (Filters(until=ago(3)), ["x:2", "x:1"]),
        (Filters(since=ago(4), until=ago(2), source="x"), ["x:2"]),
        (Filters(since=ago(1), until=ago(9)), []),
    ],
)
def test_filters_narrow_what_is_found_and_what_is_counted_alike(
    store: Store, filters: Filters, found: list[str]
) -> None:
    fill(store)
    assert ids(store.search("charger", filters)) == found
    assert facets(store, "charger", filters).total == len(found)
    assert [each for each in ids(store.search("", filters)) if each != "x:5"] == found


def test_a_search_for_signs_alone_counts_nothing_and_one_that_only_excludes_is_refused(store: Store) -> None:
    fill(store)
    assert facets(store, "?!") == Facets()
    with pytest.raises(ConfigError, match="add a word"):
        facets(store, "-charger")


def test_of_very_many_the_newest_are_counted_and_it_says_that_there_are_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("search", "stores.sqlite.words", "stores.elastic.search"):
        monkeypatch.setattr(f"pipeline.{module}.MOST_COUNTED", 3)
    at_once = [scored(each, "a charger", posted_at=ago(5), language=language) for each, language in ("ap", "bd", "ct")]
    store.add_mentions([*at_once, scored("new", "a charger", posted_at=ago(1)), scored("old", posted_at=ago(9))], {})
    all_of_them = facets(store)
    assert (all_of_them.total, all_of_them.more) == (3, True)
    assert all_of_them.language == {"t": 1, "en": 1, "d": 1}
    assert facets(store, "charger", Filters(since=ago(5), until=ago(1))).more is False
    assert facets(store, "charger", Filters(language="p")).total == 1


MENTIONS = st.builds(
    lambda n, text, brand, language, category, sentiment, minutes: scored(
        str(n),
        text,
        brand=brand,
        language=language,
        posted_at=ago(minutes),
        given=score(category, sentiment=sentiment),
    ),
    st.integers(0, 60),
    st.sampled_from(["charger broke", "the charger", "broken lamp", "a lamp"]),
    st.sampled_from(["Brightly", "Lumiva"]),
    st.sampled_from(["en", "de", "und"]),
    st.sampled_from(["complaint", "praise"]),
    st.sampled_from(["negative", "positive"]),
    st.sampled_from([1, 700, 1500, 1501, 4000]),
)
ASKED = st.builds(
    Filters,
    brand=st.none() | st.just("Lumiva"),
    language=st.none() | st.just("de"),
    sentiment=st.none() | st.just(Sentiment.NEGATIVE),
    since=st.none() | st.just(ago(1500)),
    until=st.none() | st.just(ago(700)),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(MENTIONS, max_size=12), ASKED, st.sampled_from(["", "charger", "broke", '"the charger"', "lamp -broken"])
)
def test_facets_count_exactly_what_a_search_finds(
    store: Store, items: list[ScoredMention], filters: Filters, text: str
) -> None:
    store.add_mentions(items, {})
    found = store.search(text, filters, limit=1000)
    counted = facets(store, text, filters)
    assert counted.total == len(found)
    for name in FACETS:
        values = [str(getattr(each.mention, name, "") or getattr(each.score, f"{name}_label")) for each in found]
        assert getattr(counted, name) == {value: values.count(value) for value in values}
    days = [each.mention.posted_at.date() for each in found]
    assert counted.day == {day: days.count(day) for day in days}
