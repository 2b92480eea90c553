"""What is a feed's own: conditional GET, broken documents, feeds that roll over, one feed that fails among others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import config
from pipeline.domain import Page, Query, Window
from pipeline.errors import SourceRefused, SourceUnavailable
from pipeline.sources.rss import RssSource
from tests.contracts.sources.drivers import RssDriver
from tests.contracts.sources.fake_rss import FakeRss
from tests.contracts.sources.fake_server import Call, Post, Reply
from tests.contracts.sources.world import World

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUERY = Query(name="kestrel", brand="Kestrel", any=("kestrel", "green basket"), none=("bird",))


@pytest.fixture
def server() -> Iterator[FakeRss]:
    with FakeRss(entries=10) as fake:
        yield fake


def _source(server: FakeRss, *paths: str) -> RssSource:
    urls = tuple(f"{server.url}{path}" for path in paths or ("/feed/a.xml",))
    return RssSource(config.RssSource(kind="rss", name="rss", urls=urls, timeout=5))


def _posts(first: int, count: int, feed: str = "a") -> list[Post]:
    return [
        Post(number=number, text=f"Kestrel post {number}", at=NOW - timedelta(hours=9) + timedelta(minutes=number), extra={"feed": feed})
        for number in range(first, first + count)
    ]  # fmt: skip


def _read(source: RssSource, watermark: str | None = None) -> list[Page]:
    """A run as the engine makes it: the watermark moves with every page."""
    pages = [source.fetch(QUERY, Window(newer_than=watermark), now=NOW)]
    while pages[-1].next_token:
        pages.append(source.fetch(QUERY, Window(newer_than=pages[-1].newest), now=NOW))
    return pages


def _links(pages: list[Page]) -> list[str]:
    return [str(raw["link"]) for page in pages for raw in page.records]


def test_an_unchanged_feed_is_not_sent_again(server: FakeRss) -> None:
    server.publish(_posts(1, 5))
    first = _read(_source(server))
    again = _read(_source(server), first[-1].newest)
    assert server.calls[-1].headers["if-none-match"]
    assert again == [Page()]


def test_only_new_entries_are_given_oldest_first(server: FakeRss) -> None:
    server.publish(_posts(1, 5))
    first = _read(_source(server))
    server.publish(_posts(6, 2))
    assert _links(first) == [f"https://blog.example/a/{number}" for number in range(1, 6)]
    assert _links(_read(_source(server), first[-1].newest)) == ["https://blog.example/a/6", "https://blog.example/a/7"]


def test_a_feed_that_rolled_over_says_what_may_be_lost(server: FakeRss) -> None:
    server.publish(_posts(1, 10))
    first = _read(_source(server))
    assert first[0].lost is None
    server.publish(_posts(11, 30))
    (page,) = _read(_source(server), first[-1].newest)
    assert len(page.records) == 10
    assert page.lost is not None
    assert "rolled over: 10 entries, none of them known; collect more often" in page.lost
    server.publish(_posts(41, 5))
    (after,) = _read(_source(server), page.newest)
    assert (len(after.records), after.lost) == (5, None)


def test_one_feed_that_fails_holds_none_of_the_others_up(server: FakeRss) -> None:
    server.publish(_posts(1, 3, "a") + _posts(4, 3, "c"))
    source = _source(server, "/feed/a.xml", "/gone.xml", "/atom/c.xml")
    seen: list[str] = []
    window = Window()
    with pytest.raises(SourceRefused, match="feed 2 of 'rss'"):  # noqa: PT012
        while True:
            page = source.fetch(QUERY, window, now=NOW)
            seen += _links([page])
            window = Window(newer_than=page.newest)
    assert len(seen) == 6
    assert len([call for call in server.calls if call.path == "/gone.xml"]) <= 2


def test_a_walk_that_the_budget_ends_goes_on_with_the_next_feed(server: FakeRss) -> None:
    server.publish(_posts(1, 3, "a") + _posts(4, 3, "b"))
    source = _source(server, "/feed/a.xml", "/feed/b.xml")
    first = source.fetch(QUERY, Window(), now=NOW)
    server.publish(_posts(10, 1, "a"))
    second = source.fetch(QUERY, Window(newer_than=first.newest), now=NOW)
    assert _links([second]) == [f"https://blog.example/b/{number}" for number in (4, 5, 6)]


def test_the_words_of_the_query_are_put_into_an_address(server: FakeRss) -> None:
    server.publish([*_posts(1, 2), Post(number=9, text="nothing of ours", at=NOW)])
    _read(_source(server, "/feed/a.xml?q={query}"))
    asked = " ".join(call.params["q"] for call in server.calls)
    assert "kestrel" in asked
    assert '"green basket"' in asked
    assert "-bird" in asked


@pytest.mark.parametrize("fault", ["broken XML", "half document", "wrong types"])
def test_a_broken_feed_gives_what_can_be_read_and_the_rest_when_it_is_mended(server: FakeRss, fault: str) -> None:
    server.publish(_posts(1, 9))
    server.fail(fault)
    first = _read(_source(server))
    server.heal()
    second = _read(_source(server), first[-1].newest)
    links = _links(first) + _links(second)
    assert {f"https://blog.example/a/{number}" for number in range(1, 10)} <= set(links)
    assert _links(first)


def test_an_address_stands_in_no_position_or_record(server: FakeRss) -> None:
    server.publish(_posts(1, 3))
    pages = _read(_source(server, "/feed/a.xml?key=hidden"))
    assert "hidden" not in repr(pages)


class _Document(FakeRss):
    """Serves one document."""

    document = b""

    def answer(self, call: Call) -> Reply:
        return Reply(body=self.document, headers={"content-type": "application/xml"})


_HEAD = '<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>'


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"", SourceUnavailable),
        (b"   ", SourceUnavailable),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", SourceRefused),
        (b'{"json": true}', SourceRefused),
        (b"/etc/hostname", SourceRefused),
        (_HEAD[:-5].encode(), SourceUnavailable),
    ],
)
def test_what_is_no_feed_is_refused_and_half_of_one_is_tried_again(document: bytes, error: type[Exception]) -> None:
    with _Document() as server:
        server.document = document
        with pytest.raises(error):
            _read(_source(server))


def test_a_feed_without_entries_is_none_the_worse() -> None:
    with _Document() as server:
        server.document = f"{_HEAD}</channel></rss>".encode()
        assert _read(_source(server))[0].records == ()


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("<guid>12</guid><title>Kestrel</title>", {"guid": "12", "at": ""}),
        ("<title>Kestrel, no id</title>", {"guid": "", "title": "Kestrel, no id"}),
        ("<guid>1</guid><title>K</title><pubDate>not a date</pubDate>", {"published": "not a date", "at": ""}),
        (
            "<guid>1</guid><title>K</title><pubDate>Mon, 02 Mar 2026 10:00:00 +0300</pubDate>",
            {"at": "2026-03-02T07:00:00+00:00"},
        ),
    ],
)
def test_entries_with_parts_missing_are_kept(item: str, said: dict[str, str]) -> None:
    with _Document() as server:
        server.document = f"{_HEAD}<item>{item}</item></channel></rss>".encode()
        source = _source(server)
        (page,) = _read(source)
        (raw,) = page.records
        assert {key: raw[key] for key in said} == said
        assert source.parse(raw, QUERY, collected_at=NOW).text
        json.dumps(raw)


def test_the_same_article_in_two_feeds_has_one_id(server: FakeRss) -> None:
    article = Post(number=1, text="Kestrel recalls", at=NOW, extra={"feed": "a"})
    server.publish([article])
    source = _source(server, "/feed/a.xml", "/feed/a.xml?again=1")
    pages = _read(source)
    assert len({str(raw["id"]) for page in pages for raw in page.records}) == 1


def test_what_rolled_over_is_kept_as_a_lost_gap_and_shown(tmp_path: Path) -> None:
    driver = RssDriver(tmp_path)
    driver.server.entries = 10
    try:
        world = World(driver, tmp_path)
        world.posts(10)
        world.run()
        world.later(minutes=60)
        world.posts(30)
        done = world.run()
        assert done.gaps_lost == 1
        (gap,) = world.lost_gaps
        assert "collect more often" in gap.reason
        assert not world.open_gaps
        assert world.cursor.error is None
    finally:
        driver.close()
