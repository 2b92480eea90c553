"""How much was said, by whom, and how far it spread."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pipeline.domain import (
    Bucket,
    Category,
    Finding,
    Hit,
    Incident,
    Measure,
    ScoredMention,
    Series,
    SeriesKind,
    Spread,
    Urgency,
)
from pipeline.ports import Store
from tests.contracts.store.made import HOUR, ago, ahead, ids
from tests.factories import NOW, incident, score, scored

BRAND, SOURCE = SeriesKind.BRAND, SeriesKind.SOURCE
BRIGHTLY = Series(kind=BRAND, name="Brightly")
QUARTER = timedelta(minutes=15)


def post(native: str, minutes: float, **changes: object) -> ScoredMention:
    return scored(native, posted_at=ago(minutes), **changes)


def buckets(store: Store, name: str = "Brightly", **asked: object) -> list[tuple[datetime, int, int, int]]:
    given = {"since": ago(24 * 60), "until": ahead(15), **asked}
    found = store.counts(BRAND, **given).get(name, [])  # type: ignore[arg-type]
    return [(bucket.start, bucket.posts, bucket.negative, bucket.urgent) for bucket in found]


def test_posts_count_in_the_quarter_hour_in_which_they_were_written(store: Store) -> None:
    store.add_mentions([post("1", 0), post("2", 1), post("3", 14), post("4", 15.1)], {})
    assert buckets(store) == [(ago(30), 1, 1, 0), (ago(15), 2, 2, 0), (NOW, 1, 1, 0)]


def test_negative_and_urgent_posts_are_counted_beside_all(store: Store) -> None:
    glad = score("praise", sentiment="positive", urgency="low")
    burning = score("complaint", sentiment="negative", urgency="critical")
    raised = score(
        "question",
        sentiment="neutral",
        urgency="normal",
        rules=(Hit(rule="fire", urgency=Urgency.HIGH, crisis=True, words="fire"),),
    )
    items = [post("1", 1, given=glad), post("2", 1, given=burning), post("3", 1, given=raised)]
    store.add_mentions(items, {})
    assert buckets(store) == [(ago(15), 3, 1, 2)]
    window = {"since": ago(60), "until": NOW}
    negative = Series(kind=BRAND, name="Brightly", measure=Measure.NEGATIVE)
    urgent = Series(kind=BRAND, name="Brightly", measure=Measure.URGENT)
    assert ids(store.posts_of(negative, **window)) == ["x:2"]
    assert sorted(ids(store.posts_of(urgent, **window))) == ["x:2", "x:3"]


def test_reposts_own_posts_and_spam_do_not_count(store: Store) -> None:
    copies = [post("2", 1, fold="x:1"), post("3", 1, own=True), post("4", 1, given=score(Category.SPAM))]
    store.add_mentions([post("1", 1), *copies], {})
    assert buckets(store) == [(ago(15), 1, 1, 0)]
    assert store.people(BRIGHTLY, since=ago(60), until=NOW) == 1


def test_a_post_that_is_heard_late_counts_where_it_belongs(store: Store) -> None:
    store.add_mentions([post("1", 600)], {})
    before = buckets(store)
    store.add_mentions([post("2", 601, collected_at=NOW)], {})
    ((start, posts, _, _),) = before
    assert buckets(store) == [(start - QUARTER, 1, 1, 0), (start, posts, 1, 0)]


def test_a_post_that_is_told_twice_counts_once(store: Store) -> None:
    store.add_mentions([post("1", 1)], {})
    store.add_mentions([post("1", 1)], {})
    assert buckets(store) == [(ago(15), 1, 1, 0)]


def test_what_is_loaded_otherwise_counts_as_it_is_now(store: Store) -> None:
    store.add_mentions([post("1", 1)], {})
    store.load([post("1", 1, given=score("praise", sentiment="positive"))], sketches={})
    assert buckets(store) == [(ago(15), 1, 0, 0)]


def test_what_is_forgotten_counts_no_more(store: Store) -> None:
    old = NOW - timedelta(days=100)
    store.add_mentions([scored("1", posted_at=old), post("2", 1)], {})
    store.forget(NOW - timedelta(days=60))
    assert buckets(store, since=old - HOUR) == [(ago(15), 1, 1, 0)]


def test_wider_buckets_hold_the_narrow_ones(store: Store) -> None:
    store.add_mentions([post("1", 1), post("2", 31), post("3", 61)], {})
    assert buckets(store, width=HOUR) == [(ago(120), 1, 1, 0), (ago(60), 2, 2, 0)]


def test_an_interval_holds_its_beginning_and_not_its_end(store: Store) -> None:
    store.add_mentions([post("1", 60), post("2", 30), post("3", 0)], {})
    assert [start for start, *_ in buckets(store, since=ago(60), until=NOW)] == [ago(60), ago(30)]
    assert store.people(BRIGHTLY, since=ago(60), until=NOW) == 1
    assert ids(store.posts_of(BRIGHTLY, since=ago(60), until=NOW)) == ["x:2", "x:1"]
    assert ids(store.posts_of(BRIGHTLY, since=ago(60), until=NOW, limit=1)) == ["x:2"]


def test_series_are_told_apart_by_brand_and_by_source(store: Store) -> None:
    store.add_mentions([post("1", 1), post("2", 1, source="rss"), post("3", 1, brand="Lumiva", query="lumiva")], {})
    found = store.counts(SOURCE, since=ago(60), until=NOW)
    assert found["rss"] == [Bucket(start=ago(15), posts=1, negative=1, urgent=0)]
    assert found["x"] == [Bucket(start=ago(15), posts=2, negative=2, urgent=0)]
    assert buckets(store, "Lumiva") == [(ago(15), 1, 1, 0)]


@pytest.mark.parametrize("moment", [datetime.fromisoformat("2028-02-29T23:59:59.999999+00:00"), NOW])
def test_leap_days_and_the_last_microsecond_have_their_place(store: Store, moment: datetime) -> None:
    store.add_mentions([scored("1", posted_at=moment)], {})
    ((start, posts, _, _),) = buckets(store, since=moment - HOUR, until=moment + HOUR)
    assert (start <= moment < start + QUARTER, posts) == (True, 1)


def test_people_are_distinct_over_the_whole_interval(store: Store) -> None:
    store.add_mentions([post("1", 1, handle="ana"), post("2", 40, handle="ana"), post("3", 90, handle="ben")], {})
    assert store.people(BRIGHTLY, since=ago(60), until=NOW) == 1
    assert store.people(BRIGHTLY, since=ago(100), until=NOW) == 2


def test_a_conversation_spreads_by_replies_and_by_copies_of_its_posts(store: Store) -> None:
    items = [
        post("1", 50, handle="ana"),
        post("2", 40, handle="ben", conversation="x:1", in_reply_to="x:1"),
        *(post(f"r{n}", 30, handle=f"fan{n}", fold="x:1") for n in range(3)),
        post("own", 20, handle="brightly", own=True, conversation="x:1"),
        post("9", 10, handle="eve"),
    ]
    store.add_mentions(items, {})
    assert store.spreads(since=ago(60), until=NOW, people=3) == [
        Spread(conversation="x:1", brand="Brightly", posts=5, people=5)
    ]
    assert store.spreads(since=ago(35), until=NOW, people=4) == []


def test_an_empty_store_counts_nothing(store: Store) -> None:
    assert store.counts(BRAND, since=ago(60), until=NOW) == {}
    assert store.people(BRIGHTLY, since=ago(60), until=NOW) == 0
    assert store.posts_of(BRIGHTLY, since=ago(60), until=NOW) == []
    assert store.spreads(since=ago(60), until=NOW, people=1) == []


def test_an_incident_keeps_its_arithmetic(store: Store) -> None:
    finding = Finding(
        rule="volume/3 h", cause="volume", brand="Brightly", series=Series(kind=BRAND, name="Brightly", measure=Measure.URGENT),
        since=ago(180), until=NOW, observed=37, expected=4.25, threshold=14, once_in_days=90.5, people=31, whole=40,
        history_days=28,
    )  # fmt: skip
    given = incident(cause="volume", finding=finding, explained=("slow rise",), earlier="brightly-volume-1")
    assert store.save_incident(given) == given
    assert store.incident(given.id) == given
    assert list(store.dump(Incident)) == [given]
    store.save_incident(incident(id="plain", cause="fire"))
    assert store.incident("plain").finding is None
