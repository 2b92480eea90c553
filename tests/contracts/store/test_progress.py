"""Cursors, gaps, batches, dead letters and coverage."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.domain import Cursor
from pipeline.ports import Store
from tests.contracts.store.made import ago, ahead, batch, cursor, dead_letter, gap
from tests.factories import NOW, scored


def test_a_query_that_was_never_read_has_an_empty_cursor(store: Store) -> None:
    assert store.cursor("x", "brightly") == Cursor(source="x", query="brightly")
    assert store.cursors() == []


def test_a_cursor_comes_back_as_it_was_saved(store: Store) -> None:
    saved = cursor(
        watermark="1729", watermark_at=ago(1), tried_at=NOW, succeeded_at=ago(9), error="X refuses the key",
        retry_at=ahead(15), calls_left=3, calls_reset_at=ahead(14) + timedelta(microseconds=1),
    )  # fmt: skip
    store.save_progress(cursor(watermark="1"))
    store.save_progress(saved)
    assert store.cursor("x", "brightly") == saved


def test_cursors_are_listed_by_source_and_query(store: Store) -> None:
    for source, query in (("x", "b"), ("rss", "z"), ("x", "a")):
        store.save_progress(Cursor(source=source, query=query))
    assert [(each.source, each.query) for each in store.cursors()] == [("rss", "z"), ("x", "a"), ("x", "b")]


def test_open_gaps_come_oldest_first_and_one_without_a_beginning_before_all(store: Store) -> None:
    later, sooner, ever = gap("later", since=ago(60)), gap("sooner", since=ago(120)), gap("ever", newer_than=None)
    store.save_progress(cursor(), gaps=[later, sooner, replace(ever, since=None), gap("other", query="lumiva")])
    assert [each.id for each in store.gaps("x", "brightly")] == ["ever", "sooner", "later"]
    assert store.gaps("x", "brightly")[1] == sooner


def test_a_gap_shrinks_and_closes_by_its_id(store: Store) -> None:
    store.save_progress(cursor(), gaps=[gap()])
    store.save_progress(cursor(), gaps=[replace(gap(), older_than="150")])
    assert [each.older_than for each in store.gaps("x", "brightly")] == ["150"]
    store.save_progress(cursor(), gaps=[replace(gap(), closed_at=NOW)])
    assert store.gaps("x", "brightly") == []


def test_a_lost_gap_is_not_open(store: Store) -> None:
    store.save_progress(cursor(), gaps=[replace(gap(), lost_at=NOW)])
    assert store.gaps("x", "brightly") == []


def test_landed_batches_are_pending_oldest_first_until_triaged(store: Store) -> None:
    for id_, landed_at in (("b2", ago(2)), ("b1", ago(9)), ("b3", ago(1))):
        store.save_progress(cursor(), batch=batch(id_, landed_at=landed_at))
    assert [each.id for each in store.pending_batches()] == ["b1", "b2", "b3"]
    assert store.pending_batches(1) == [batch("b1", landed_at=ago(9))]
    store.batch_triaged(batch("b1", landed_at=ago(9), triaged_at=NOW, kept=2, bad=1))
    assert [each.id for each in store.pending_batches()] == ["b2", "b3"]


def test_a_page_that_is_saved_again_does_not_make_a_triaged_batch_pending(store: Store) -> None:
    store.save_progress(cursor(), batch=batch())
    store.batch_triaged(batch(triaged_at=NOW))
    store.save_progress(cursor(), batch=batch())
    assert store.pending_batches() == []


def test_dead_letters_are_kept_once_and_listed_newest_first(store: Store) -> None:
    letters = [dead_letter("d1", at=ago(9)), dead_letter("d2", at=ago(1), raw="not { json")]
    store.batch_triaged(batch(triaged_at=NOW), dead_letters=letters)
    store.batch_triaged(batch(triaged_at=NOW), dead_letters=letters)
    assert store.dead_letters() == letters[::-1]
    assert store.dead_letters(1) == [letters[1]]


def test_coverage_counts_what_was_heard_in_the_last_24_hours_by_the_hour(store: Store) -> None:
    store.save_progress(cursor())
    store.add_mentions(
        [
            scored("now", collected_at=NOW),
            scored("recent", collected_at=ago(59)),
            scored("earlier", collected_at=ago(61)),
            scored("first", collected_at=ago(24 * 60 - 1)),
            scored("yesterday", collected_at=ago(24 * 60)),
            scored("tomorrow", collected_at=ahead(1)),
            scored("elsewhere", query="lumiva", collected_at=NOW),
        ],
        {},
    )
    (found,) = store.coverage(NOW)
    assert found.received == 4
    assert len(found.received_by_hour) == 24
    assert (found.received_by_hour[0], found.received_by_hour[-2:]) == (1, (1, 2))
    assert sum(found.received_by_hour) == 4


def test_coverage_tells_how_late_posts_were_collected(store: Store) -> None:
    store.save_progress(cursor())
    lags = [*range(1, 20), 3600]
    posts = [scored(str(n), posted_at=NOW - timedelta(seconds=lag), collected_at=NOW) for n, lag in enumerate(lags)]
    store.add_mentions(posts, {})
    (found,) = store.coverage(NOW)
    assert found.lag_p50 == 10
    assert found.lag_p95 == 19


def test_coverage_of_a_query_that_heard_nothing_has_no_lag(store: Store) -> None:
    store.save_progress(cursor())
    (found,) = store.coverage(NOW)
    assert (found.received, found.received_by_hour, found.lag_p50, found.lag_p95) == (0, (0,) * 24, None, None)


def test_coverage_shows_gaps_pending_batches_and_dead_letters_of_its_own_query(store: Store) -> None:
    open_ = gap("open")
    store.save_progress(
        cursor(error="X refuses the key"),
        gaps=[open_, gap("closed", closed_at=NOW), gap("lost", lost_at=NOW)],
        batch=batch("b1"),
    )
    store.save_progress(Cursor(source="x", query="lumiva"), gaps=[gap("theirs", query="lumiva")])
    store.batch_triaged(
        batch("b0", triaged_at=NOW), dead_letters=[dead_letter("new"), dead_letter("old", at=ago(25 * 60))]
    )
    found, theirs = store.coverage(NOW)
    assert found.cursor.error == "X refuses the key"
    assert found.open_gaps == (open_,)
    assert (found.closed_gaps, found.lost_gaps, found.pending_batches, found.dead_letters) == (1, 1, 1, 1)
    assert ([each.id for each in theirs.open_gaps], theirs.pending_batches, theirs.dead_letters) == (["theirs"], 0, 0)
