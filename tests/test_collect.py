"""Collecting: whatever happens between two writes, a post is landed, in an open gap, or newer than the watermark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.collect import Collected, collect, parse_batch
from pipeline.domain import Author, Batch, Gap, Mention, Page, Query, Raw, Window
from pipeline.errors import BadRecord, RateLimited, SourceRefused, SourceUnavailable, StoreRefused
from pipeline.stores.sqlite import SqliteStore
from tests.factories import NOW
from tests.fakes import Clock

QUERY = Query(name="kestrel", brand="Kestrel", any=("kestrel",), own_accounts=("kestrelbank",))


class Crash(BaseException):
    """The process dies."""


def moment(position: int) -> datetime:
    return datetime.fromtimestamp(position, UTC)


@dataclass
class Timeline:
    """A network that pages from its newest post (the highest number) back, ``size`` posts a page."""

    size: int = 3
    posts: list[int] = field(default_factory=list)
    name: str = "net"
    kind: str = "timeline"
    order: Literal["newest first", "oldest first"] = "newest first"
    reach: int = 0  # posts at or below are gone
    windows: list[Window] = field(default_factory=list)
    spoil: Callable[[int, Page], Page] = lambda call, page: page

    def publish(self, count: int) -> None:
        start = max([self.reach, *self.posts], default=0)
        self.posts += range(start + 1, start + count + 1)

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        self.windows.append(window)
        above, below = int(window.newer_than or 0), int(window.token or window.older_than or 10**9)
        left = sorted((post for post in self.posts if max(above, self.reach) < post < below), reverse=True)
        page, more = left[: self.size], len(left) > self.size
        return self.spoil(
            len(self.windows),
            Page(
                records=tuple({"id": str(post), "text": "kestrel"} for post in page),
                newest=str(page[0]) if page else None,
                oldest=str(page[-1]) if page else None,
                newest_at=moment(page[0]) if page else None,
                oldest_at=moment(page[-1]) if page else None,
                next_token=str(page[-1]) if more else None,
                floor=str(above),
                lost="older than the search window" if above < self.reach and window.token is None else None,
                calls_left=7,
            ),
        )

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        if "id" not in raw:
            raise BadRecord("no id")
        handle = str(raw.get("by", "ana"))
        at = raw.get("at")
        return Mention(
            id=f"net:{raw['id']}",
            source="net",
            query=query.name,
            brand=query.brand,
            author=Author(id=f"net:{handle}", handle=handle),
            text=str(raw["text"]),
            posted_at=at if isinstance(at, datetime) else collected_at,
            collected_at=collected_at,
            in_reply_to=f"net:{raw['to']}" if "to" in raw else None,
        )


@dataclass
class Zone:
    """A landing zone in memory."""

    batches: dict[str, Sequence[Raw]] = field(default_factory=dict)

    def land(self, source: str, query: str, records: Sequence[Raw], *, now: datetime) -> Batch:
        name = f"b{len(self.batches)}"
        self.batches[name] = records
        return Batch(id=name, source=source, query=query, path=name, count=len(records), digest="", landed_at=now)

    def read(self, batch: Batch) -> list[Raw | str]:
        return list(self.batches[batch.id])


class World:
    """A source, a store and a landing zone, each of whose calls may be the last one."""

    def __init__(self, source: Any = None) -> None:
        self.source = source or Timeline()
        self.store, self.zone, self.clock = SqliteStore(":memory:"), Zone(), Clock()
        self.steps = 0

    def run(self, *, pages: int = 10, dies_at: int = 0, half: bool = False) -> Collected:
        self.steps = 0

        class Dying:
            def __init__(self, inner: Any) -> None:
                self.inner = inner

            def __getattr__(self, name: str) -> Any:
                found = getattr(self.inner, name)
                return found if name not in ("fetch", "land", "save_progress") else lambda *a, **b: step(found, *a, **b)

        def step(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
            self.steps += 1
            if self.steps != dies_at:
                return work(*arguments, **options)
            if half:
                work(*arguments, **options)
            raise Crash

        return collect(
            Dying(self.source), QUERY, store=Dying(self.store), landing=Dying(self.zone), pages=pages, now=self.clock
        )

    @property
    def landed(self) -> list[int]:
        """Posts in batches that the store knows of: a batch that is not saved is never triaged."""
        return [
            int(str(raw["id"])) for batch in self.store.pending_batches(10_000) for raw in self.zone.batches[batch.id]
        ]

    @property
    def gaps(self) -> list[Gap]:
        return self.store.gaps("net", "kestrel")

    @property
    def cursor(self):
        return self.store.cursor("net", "kestrel")

    def unaccounted(self) -> set[int]:
        """Posts that are neither landed, nor in an open gap, nor newer than the watermark: lost without a word."""
        watermark = int(self.cursor.watermark or 0)
        spans = [(int(gap.newer_than or 0), int(gap.older_than or 10**9)) for gap in self.gaps]
        landed = set(self.landed)
        return {
            post
            for post in self.source.posts
            if post not in landed and post <= watermark and not any(low < post < high for low, high in spans)
        }

    def catch_up(self) -> None:
        for _ in range(100):
            self.clock.later(minutes=5)
            before = len(self.zone.batches)
            self.run()
            if len(self.zone.batches) == before and not self.gaps:
                return
        raise AssertionError(f"never done: {self.gaps}")


@pytest.fixture
def world():
    made = World()
    yield made
    made.store.close()


# --- a timeline -----------------------------------------------------------------------------------------------------------


def test_a_first_run_reads_all_and_a_second_only_the_new(world):
    world.source.publish(8)
    done = world.run()
    assert (done.pages, done.records, done.batches, done.gaps_opened, done.gaps_closed) == (3, 8, 3, 1, 1)
    world.source.publish(2)
    assert world.run().records == 2
    assert world.run() == Collected(source="net", query="kestrel", pages=1)
    assert sorted(world.landed) == list(range(1, 11))


def test_the_first_page_moves_the_watermark_and_opens_the_gap_in_one_write(world):
    world.source.publish(8)
    with suppress(Crash):
        world.run(dies_at=4)  # fetch, land, save, and the second fetch
    [gap] = world.gaps
    assert (world.cursor.watermark, gap.newer_than, gap.older_than) == ("8", "0", "6")
    assert (gap.until, gap.reason, gap.opened_at) == (moment(6), "reading was interrupted", NOW)
    assert world.unaccounted() == set()


def test_a_budget_that_ends_leaves_a_gap_with_its_reason(world):
    world.source.publish(30)
    done = world.run(pages=4)
    [gap] = world.gaps
    assert (gap.newer_than, gap.older_than, gap.reason) == ("0", "19", "page budget of 4 used")
    assert (done.gaps_opened, done.gaps_closed, len(world.landed)) == (1, 0, 12)
    assert world.cursor.succeeded_at == NOW


def test_gaps_are_refilled_oldest_first_and_the_head_is_always_read_first(world):
    for _ in range(3):
        world.source.publish(30)
        world.run(pages=3)
        world.clock.later(minutes=5)
    assert [gap.newer_than for gap in world.gaps] == ["0", "30", "60"]
    world.source.publish(2)
    world.source.windows.clear()
    world.run(pages=6)
    first, *others = world.source.windows
    assert (first.newer_than, first.older_than) == ("90", None)
    assert {window.newer_than for window in others} == {"0"}
    assert world.unaccounted() == set()


@pytest.mark.parametrize("pages", [1, 2, 3, 6, 9])
def test_gaps_get_a_third_of_the_budget_however_much_is_new(world, pages):
    world.source.publish(300)
    world.run(pages=pages)
    world.source.publish(300)
    world.source.windows.clear()
    world.run(pages=pages)
    refills = [window for window in world.source.windows if window.newer_than == "0"]
    assert len(refills) >= max(1, pages // 3)
    assert len(world.source.windows) <= max(2, pages)
    world.catch_up()
    assert set(world.landed) == set(range(1, 601))


def test_what_the_source_will_never_give_is_a_lost_gap_and_the_rest_is_read(world):
    world.source.publish(4)
    world.run()
    world.source.publish(10)
    world.source.reach = 9
    done = world.run()
    assert done.gaps_lost == 1
    [coverage] = world.store.coverage(world.clock())
    assert (coverage.lost_gaps, coverage.open_gaps) == (1, ())
    assert set(world.landed) == {1, 2, 3, 4, *range(10, 15)}


def test_a_gap_that_has_grown_too_old_closes_as_lost_with_the_reason(world):
    world.source.publish(30)
    world.run(pages=2)
    world.source.reach = 25
    done = world.run()
    assert (done.gaps_lost, world.gaps) == (1, [])
    [coverage] = world.store.coverage(world.clock())
    assert (coverage.lost_gaps, coverage.closed_gaps) == (1, 0)


def test_an_empty_page_with_a_token_costs_its_page_and_is_gone_past(world):
    world.source.publish(6)

    def empty_once(call: int, page: Page) -> Page:
        return Page(next_token="1000") if call == 1 else page

    world.source.spoil = empty_once
    done = world.run(pages=2)
    assert (done.pages, done.records) == (2, 3)
    assert world.unaccounted() == set()
    world.catch_up()
    assert set(world.landed) == set(range(1, 7))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda call, page: page if page.next_token is None else Page(**fields(page) | {"next_token": "5000"}),
        lambda call, page: Page(**fields(page) | {"next_token": str(5000 - call)}),
        lambda call, page: Page(next_token="5000"),
    ],
    ids=["a token twice", "always new tokens, never further", "only empty pages"],
)
def test_pages_without_end_are_refused_by_name_and_what_is_unread_is_kept(world, spoil):
    world.source.publish(30)
    world.source.spoil = spoil
    with pytest.raises(SourceRefused, match=r"source 'net', query 'kestrel': the page \d+ came twice"):
        world.run(pages=50)
    assert len(world.source.windows) <= 3
    assert world.cursor.error is not None
    assert world.unaccounted() == set()
    assert all(gap.reason == world.cursor.error for gap in world.gaps)
    world.source.spoil = lambda call, page: page
    world.catch_up()
    assert set(world.landed) == set(range(1, 31))


def fields(page: Page) -> dict[str, Any]:
    return {name: getattr(page, name) for name in page.__dataclass_fields__}


# --- errors -----------------------------------------------------------------------------------------------------------------

LATER = NOW + timedelta(minutes=15)


@pytest.mark.parametrize(
    "error",
    [RateLimited("limit used up", retry_at=LATER), SourceUnavailable("no answer"), SourceRefused("the key is wrong")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_error_is_kept_with_what_was_read_and_the_next_run_goes_on(world, error, call):
    world.source.publish(12)

    def fail(count: int, page: Page) -> Page:
        if count == call:
            raise error
        return page

    world.source.spoil = fail
    with pytest.raises(type(error)):
        world.run()
    cursor = world.cursor
    assert (cursor.error, cursor.tried_at, cursor.succeeded_at) == (str(error), NOW, None)
    assert cursor.retry_at == getattr(error, "retry_at", None)
    assert len(world.landed) == 3 * (call - 1)
    assert [gap.reason for gap in world.gaps] == [str(error)] * (call > 1)
    assert world.unaccounted() == set()
    world.clock.later(hours=1)
    world.catch_up()
    assert set(world.landed) == set(range(1, 13))
    assert (world.cursor.error, world.cursor.retry_at) == (None, None)


def test_a_source_is_left_alone_until_it_may_be_asked_again(world):
    def limited(call: int, page: Page) -> Page:
        raise RateLimited("limit used up", retry_at=LATER)

    world.source.spoil = limited
    with pytest.raises(RateLimited):
        world.run()
    world.source.spoil = lambda call, page: page
    assert world.run() == Collected(source="net", query="kestrel", waiting_until=LATER)
    assert len(world.source.windows) == 1
    assert world.cursor.error == "limit used up"
    world.clock.later(minutes=15)
    assert world.run().pages == 1


def test_a_landing_zone_that_is_full_moves_nothing(world, monkeypatch):
    world.source.publish(8)

    def full(*_: object, **__: object) -> Batch:
        raise StoreRefused("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(world.zone, "land", full)
        with pytest.raises(StoreRefused):
            world.run()
    assert (world.cursor.watermark, world.gaps, world.cursor.error) == (None, [], "the disk is full")
    world.catch_up()
    assert set(world.landed) == set(range(1, 9))


def test_a_store_that_fails_twice_tells_the_first_reason(world, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise StoreRefused("the store is read-only")

    world.source.publish(2)
    monkeypatch.setattr(world.store, "save_progress", broken)
    with pytest.raises(StoreRefused) as caught:
        world.run()
    assert caught.value.__notes__ == ["and this could not be saved: the store is read-only"]


def test_what_is_left_of_the_rate_limit_is_kept(world):
    world.run()
    assert world.cursor.calls_left == 7


# --- nothing is lost ----------------------------------------------------------------------------------------------------------

happenings = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 25)),
        st.tuples(st.just("run"), st.integers(1, 6)),
        st.tuples(st.just("crash"), st.integers(1, 6), st.integers(1, 14), st.booleans()),
        st.tuples(st.just("fail"), st.integers(1, 6), st.integers(1, 5)),
    ),
    max_size=14,
)


def _happens(world: World, happening: tuple[Any, ...]) -> None:
    match happening:
        case "publish", count:
            world.source.publish(count)
        case "run", pages:
            world.run(pages=pages)
        case "crash", pages, step, half:
            with suppress(Crash):
                world.run(pages=pages, dies_at=step, half=half)
        case "fail", pages, call:
            first = len(world.source.windows)

            def fail(count: int, page: Page) -> Page:
                if count - first == call:
                    raise SourceUnavailable("no answer")
                return page

            world.source.spoil = fail
            with suppress(SourceUnavailable):
                world.run(pages=pages)
            world.source.spoil = lambda count, page: page


@settings(max_examples=150, deadline=None)
@given(happenings, st.integers(1, 4))
def test_whatever_happens_no_post_is_lost_without_a_word(story: list[tuple[Any, ...]], size: int) -> None:
    world = World(Timeline(size=size))
    try:
        for happening in story:
            _happens(world, happening)
            world.clock.later(minutes=1)
            assert world.unaccounted() == set()
        world.catch_up()
        assert set(world.landed) == set(world.source.posts)
    finally:
        world.store.close()


@pytest.mark.parametrize("half", [False, True], ids=["before the step", "after the step"])
@pytest.mark.parametrize("step", range(1, 25))
def test_a_crash_between_landing_and_saving_repeats_and_loses_nothing(step, half):
    world = World()
    world.source.publish(14)
    world.run(pages=2)  # leaves a gap
    world.source.publish(14)
    with suppress(Crash):
        world.run(pages=8, dies_at=step, half=half)
    assert world.unaccounted() == set()
    world.catch_up()
    assert set(world.landed) == set(range(1, 29))
    world.store.close()


# --- a log --------------------------------------------------------------------------------------------------------------------


@dataclass
class Log:
    """A log that is read on from a line."""

    lines: int = 0
    size: int = 3
    name: str = "net"
    kind: str = "log"
    order: Literal["newest first", "oldest first"] = "oldest first"
    stuck: bool = False

    @property
    def posts(self) -> list[int]:
        return list(range(1, self.lines + 1))

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        start = int(window.newer_than or 0)
        page = self.posts[start : start + self.size]
        if not page:
            return Page()
        end = start if self.stuck else start + len(page)
        return Page(
            records=tuple({"id": str(post), "text": "kestrel"} for post in page),
            newest=str(end),
            next_token=str(end) if end < self.lines else None,
            lost="the file was cut" if start == 3 else None,
        )


def test_a_log_is_read_on_page_by_page_without_gaps():
    world = World(Log(lines=10))
    done = world.run(pages=2)
    assert (done.pages, done.records, world.cursor.watermark, world.gaps) == (2, 6, "6", [])
    world.run()
    world.run()
    assert sorted(world.landed) == list(range(1, 11))
    world.store.close()


def test_what_a_log_has_lost_is_shown():
    world = World(Log(lines=5))
    assert world.run().gaps_lost == 1
    [coverage] = world.store.coverage(world.clock())
    assert coverage.lost_gaps == 1
    world.store.close()


def test_a_log_that_stays_where_it_is_is_refused():
    world = World(Log(lines=10, stuck=True))
    with pytest.raises(SourceRefused, match="net"):
        world.run(pages=50)
    world.store.close()


@pytest.mark.parametrize("half", [False, True])
def test_a_log_survives_a_crash_at_every_step(half):
    world = World(Log(lines=20))
    for step in range(1, 12):
        with suppress(Crash):
            world.run(pages=3, dies_at=step, half=half)
    world.run()
    assert set(world.landed) == set(range(1, 21))
    world.store.close()


# --- what was landed ------------------------------------------------------------------------------------------------------------

BATCH = Batch(id="b1", source="net", query="kestrel", path="b1", count=0, digest="", landed_at=NOW)


def parsed(*records: Raw | str):
    return parse_batch(Timeline(), QUERY, records, batch=BATCH, now=NOW)


def test_posts_that_match_are_mentions_once_each_and_the_others_are_counted():
    found = parsed(
        {"id": "1", "text": "kestrel is down"},
        {"id": "2", "text": "nice weather"},
        {"id": "1", "text": "kestrel is down"},
        {"id": "3", "text": "#Kestrel"},
    )
    assert [(mention.id, mention.tagged, mention.own) for mention in found.mentions] == [
        ("net:1", False, False),
        ("net:3", True, False),
    ]
    assert (found.unmatched, found.dead_letters) == (1, ())


def test_the_brands_own_posts_and_answers_to_what_was_heard_pass_without_its_name():
    found = parsed(
        {"id": "4", "text": "thanks, it works", "to": "3", "at": NOW - timedelta(minutes=1)},
        {"id": "3", "text": "which card is it?", "to": "2", "by": "KestrelBank", "at": NOW - timedelta(minutes=2)},
        {"id": "5", "text": "the blue one", "to": "4", "at": NOW},
        {"id": "2", "text": "kestrel ate my card", "at": NOW - timedelta(minutes=3)},
        {"id": "6", "text": "same here", "to": "unknown"},
    )
    assert {mention.id: mention.own for mention in found.mentions} == {
        "net:2": False, "net:3": True, "net:4": False, "net:5": False,
    }  # fmt: skip
    assert found.unmatched == 1


def test_records_that_are_no_posts_become_dead_letters_with_ids_that_stay(tmp_path: Path):
    bad = (
        "not json",
        {"text": "kestrel without an id"},
        {"id": "1", "text": "kestrel", "at": datetime(1970, 1, 1, tzinfo=UTC)},
    )
    found = parsed(*bad, {"id": "2", "text": "kestrel", "at": NOW + timedelta(days=2)})
    assert [(letter.id, letter.reason) for letter in found.dead_letters] == [
        ("b1:0", "not a JSON object"),
        ("b1:1", "no id"),
        ("b1:2", "posted_at 1970-01-01 is before any network of ours"),
        ("b1:3", "posted_at 2026-11-27 is ahead of its collection"),
    ]
    assert found.dead_letters[0].raw == "not json"
    assert "kestrel without an id" in found.dead_letters[1].raw
    assert parsed(*bad).dead_letters == found.dead_letters[:3]


def test_a_clock_that_is_a_little_ahead_is_set_back():
    [mention] = parsed({"id": "1", "text": "kestrel", "at": NOW + timedelta(minutes=3)}).mentions
    assert mention.posted_at == NOW
