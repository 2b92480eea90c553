"""Mentions: indexed once, and asked for by conversation, author, fold and danger."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from pipeline.domain import Author, Hit, Signal, Urgency
from pipeline.errors import NotFound
from pipeline.ports import Store
from tests.contracts.store.made import ALL, ago, ahead, ids
from tests.factories import FIRE, NOW, mention, score, scored


def test_a_mention_comes_back_as_it_was_indexed(store: Store) -> None:
    given = scored(
        "42",
        "Kartımdan üç kez para çekildi 😡 \U0001f469\u200d\U0001f4bb — ŁÓDŹ\0\n'; DROP TABLE mentions; --",
        author=Author(id="x:7", handle="ana_ö", name="Ana Ö.", followers=12_000, verified=True),
        posted_at=ago(3) + timedelta(microseconds=123_457),
        language="tr",
        url="https://x.example/42",
        conversation="x:40",
        in_reply_to="x:41",
        repost_of="x:39",
        tagged=True,
        fold="x:39",
        likes=3,
        reposts=4,
        replies=5,
        given=score(
            crisis=0.123456789,
            rules=(FIRE, Hit(rule="double charge", urgency=Urgency.HIGH, crisis=False, words="üç kez")),
            signals=(Signal(name="urgency: high", value=0.75, because="para çekildi"),),
            degraded=True,
        ),
    )
    store.add_mentions([given], {})
    found = store.mention("x:42")
    assert found.mention == given.mention
    for name in ("crisis", "rules", "signals", "model", "degraded"):
        assert getattr(found.score, name) == getattr(given.score, name)
    for name in ("sentiment", "category", "urgency"):
        assert dict(getattr(found.score, name)) == pytest.approx(dict(getattr(given.score, name)), abs=0.0001)


def test_an_unknown_mention_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="x:1"):
        store.mention("x:1")


def test_mentions_are_indexed_once_and_the_new_ones_named_in_order(store: Store) -> None:
    assert store.add_mentions([scored("2"), scored("1"), scored("2", "said twice")], {}) == ["x:2", "x:1"]
    before = store.change_count()
    assert store.add_mentions([scored("1", "again")], {}) == []
    assert store.change_count() == before
    assert store.add_mentions([scored("1"), scored("3")], {}) == ["x:3"]
    assert store.mention("x:1").mention.text == "my brightly broke"
    assert store.mention("x:2").mention.text == "my brightly broke"
    assert ids(store.search("", ALL)) == ids(store.search("brightly", ALL))
    assert len(store.search("", ALL)) == 3


def test_nothing_is_added_by_nothing(store: Store) -> None:
    assert store.add_mentions([], {}) == []
    assert store.known([]) == set()
    assert store.conversations([]) == {}


def test_what_is_known_is_told_apart(store: Store) -> None:
    store.add_mentions([scored("1"), scored("2")], {})
    assert store.known(["x:1", "x:3", "x:2"]) == {"x:1", "x:2"}


def test_numbers_and_halves_of_characters_that_no_store_can_hold_stop_no_batch(store: Store) -> None:
    half = Signal(name="urgency: high", value=0.5, because="\ud83d \U0001f525 \0 \u2028")
    hostile = scored("1", "half \ud83d of an emoji", likes=10**30, followers=10**30, given=score(signals=(half,)))
    store.add_mentions([hostile, scored("2")], {})
    found = store.mention("x:1").mention
    assert "half" in found.text
    assert "\U0001f525 \0 \u2028" in store.mention("x:1").score.signals[0].because
    assert found.likes >= 2**53
    assert store.known(["x:2"]) == {"x:2"}


def test_posts_of_one_moment_are_all_kept(store: Store) -> None:
    """An archive that knows only the day holds thousands of posts with one time."""
    many = [scored(str(n), handle=f"u{n}") for n in range(1500)]
    late = [scored(f"late{n}", posted_at=NOW + timedelta(microseconds=n)) for n in range(3)]
    store.add_mentions(many[:700], {})
    store.add_mentions(late, {})
    store.add_mentions(many[700:], {})
    store.add_mentions([scored("last")], {})
    assert len(set(ids(store.search("", ALL, limit=2000)))) == 1504


def test_conversations_are_given_whole_and_oldest_first(store: Store) -> None:
    store.add_mentions(
        [
            scored("3", conversation="x:1", posted_at=ago(1)),
            scored("1", conversation="x:1", posted_at=ago(9)),
            scored("2", conversation="x:1", posted_at=ago(5), own=True),
            scored("7", conversation="x:7"),
            scored("8", conversation="x:8"),
        ],
        {},
    )
    found = store.conversations(["x:1", "x:7", "x:none"])
    assert {key: ids(items) for key, items in found.items()} == {"x:1": ["x:1", "x:2", "x:3"], "x:7": ["x:7"]}


def test_a_thousand_conversations_can_be_asked_for_at_once(store: Store) -> None:
    store.add_mentions([scored(str(n), conversation=f"x:c{n}") for n in range(1200)], {})
    assert len(store.conversations([f"x:c{n}" for n in range(1200)])) == 1200


def test_the_conversation_of_each_indexed_id_is_told(store: Store) -> None:
    store.add_mentions([scored("1"), scored("2", conversation="x:1")], {})
    assert store.conversations_of(["x:1", "x:2", "x:3"]) == {"x:1": "x:1", "x:2": "x:1"}


def test_originals_that_share_a_band_are_candidates_by_band(store: Store) -> None:
    sketches = {"x:1": [7, -(2**63)], "x:2": [7, 2**63 - 1], "x:old": [7], "x:copy": [7]}
    store.add_mentions(
        [
            scored("1", "one", posted_at=ago(10)),
            scored("2", "two", posted_at=ago(5)),
            scored("old", posted_at=NOW - timedelta(days=8)),
            scored("copy", fold="x:1"),
            scored("plain"),
        ],
        sketches,
    )
    found = store.fold_candidates([7, -(2**63), 2**63 - 1, 99], since=NOW - timedelta(days=7))
    assert {band: sorted(pairs) for band, pairs in found.items()} == {
        7: [("x:1", "one"), ("x:2", "two")],
        -(2**63): [("x:1", "one")],
        2**63 - 1: [("x:2", "two")],
    }


def test_candidates_are_found_up_to_the_very_beginning_of_the_window_and_not_before(store: Store) -> None:
    posts = [scored(str(day), posted_at=NOW - timedelta(days=day)) for day in range(12)]
    store.add_mentions(posts, {item.mention.id: [5] for item in posts})
    for days in range(11):
        found = store.fold_candidates([5], since=NOW - timedelta(days=days))
        assert {id_ for id_, _ in found[5]} == {f"x:{day}" for day in range(days + 1)}


def test_reposts_and_repeats_are_counted_with_their_people(store: Store) -> None:
    store.add_mentions(
        [
            scored("1"),
            *(scored(f"r{n}", fold="x:1", handle=handle) for n, handle in enumerate(("ben", "ben", "eva"))),
            scored("2"),
        ],
        {},
    )
    assert store.folded_counts(["x:1", "x:2"]) == {"x:1": (3, 2)}
    assert store.folded_counts(["x:1", "x:2", "x:none"]) == {"x:1": (3, 2)}


def test_an_authors_history_comes_newest_first(store: Store) -> None:
    store.add_mentions([scored(str(n), posted_at=ago(n)) for n in range(5)] + [scored("other", handle="ben")], {})
    assert ids(store.author_history("x:ana", limit=3)) == ["x:0", "x:1", "x:2"]


def test_contacts_count_the_conversations_an_author_began(store: Store) -> None:
    store.add_mentions(
        [
            scored("1", posted_at=ago(50)),
            scored("1b", conversation="x:1", posted_at=ago(40)),
            scored("2", posted_at=ago(30)),
            scored("theirs", handle="ben", posted_at=ago(29)),
            scored("joined", conversation="x:theirs", posted_at=ago(28)),
            scored("repost", fold="x:theirs", posted_at=ago(27)),
            scored("long ago", posted_at=ago(500)),
            scored("own", own=True, handle="brightly", posted_at=ago(26)),
        ],
        {},
    )
    assert store.contacts(
        dict.fromkeys(["x:ana", "x:ben", "x:brightly", "x:none"], NOW), window=timedelta(minutes=100)
    ) == {"x:ana": 2, "x:ben": 1}


def test_a_reply_before_a_customers_post_does_not_take_the_conversation_from_them(store: Store) -> None:
    store.add_mentions(
        [
            scored("own", own=True, handle="brightly", posted_at=ago(9)),
            scored("1", conversation="x:own", posted_at=ago(8)),
        ],
        {},
    )
    assert store.contacts({"x:ana": NOW}, window=timedelta(minutes=100)) == {"x:ana": 1}


def test_grave_mentions_are_dangerous_originals_by_other_people_newest_first(store: Store) -> None:
    grave = score(crisis=0.9)
    outage = Hit(rule="outage", urgency=Urgency.CRITICAL, crisis=True, words="down for everybody")
    deadline = Hit(rule="deadline", urgency=Urgency.CRITICAL, crisis=False, words="in ten minutes")  # opens no incident
    store.add_mentions(
        [
            scored("likely", given=grave, collected_at=ago(5), posted_at=ago(8)),
            scored("exactly", given=score(crisis=0.8), collected_at=ago(5), posted_at=ago(7)),
            scored("rule", given=score(rules=(outage,)), collected_at=ago(5), posted_at=ago(6)),
            scored("soon", given=score(rules=(deadline,)), collected_at=ago(5)),
            scored("calm", collected_at=ago(5)),
            scored("high", given=score(rules=(Hit(rule="r", urgency=Urgency.HIGH, crisis=False, words="w"),))),
            scored("repeat", given=grave, fold="x:likely", collected_at=ago(5)),
            scored("own", given=grave, own=True, collected_at=ago(5)),
            scored("before", given=grave, collected_at=ago(61)),
        ],
        {},
    )
    assert ids(store.grave_mentions(since=ago(60), crisis=0.8)) == ["x:rule", "x:exactly", "x:likely"]
    assert ids(store.grave_mentions(since=ago(60), crisis=0.8, limit=1)) == ["x:rule"]


def test_changes_are_counted(store: Store) -> None:
    before = store.change_count()
    store.add_mentions([scored("1")], {})
    assert store.change_count() > before


def test_a_sound_store_has_nothing_to_report(store: Store) -> None:
    store.add_mentions([scored("1")], {})
    assert store.check() == []


def test_a_store_shared_by_threads_serves_them_all(store: Store) -> None:
    def work(worker: int) -> None:
        for n in range(20):
            store.add_mentions([scored(f"{worker}-{n}")], {})
            assert store.mention(f"x:{worker}-{n}").mention == mention(f"{worker}-{n}")

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.search("", ALL, limit=1000)) == 120


def test_a_conversation_that_turns_out_to_be_a_reply_is_re_rooted(store: Store) -> None:
    store.add_mentions([scored("2", posted_at=ago(5)), scored("3", conversation="x:2", posted_at=ago(4))], {})
    store.add_mentions([scored("1", posted_at=ahead(-9))], {})
    store.move_conversation("x:2", "x:1")
    store.move_conversation("x:2", "x:1")
    assert ids(store.conversations(["x:1", "x:2"])["x:1"]) == ["x:1", "x:2", "x:3"]
    assert store.conversations(["x:2"]) == {}
