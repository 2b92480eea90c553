"""What is Hacker News' own: the ceiling of 1,000 hits, crowded seconds, an index that fills late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline import config
from pipeline.domain import Page, Query, Window
from pipeline.sources.hackernews import HackerNewsSource
from tests.contracts.sources.fake_hackernews import FakeHackerNews
from tests.contracts.sources.fake_server import Call, Post, Reply

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUERY = Query(name="kestrel", brand="Kestrel", any=("kestrel",))


@pytest.fixture
def server() -> Iterator[FakeHackerNews]:
    with FakeHackerNews() as fake:
        yield fake


def _source(server: FakeHackerNews, *, hits: int = 1000) -> HackerNewsSource:
    url = f"{server.url}/api/v1/"
    return HackerNewsSource(config.HackerNewsSource(kind="hackernews", name="hn", base_url=url, timeout=5), hits=hits)


def _posts(count: int, *, at: datetime, step: timedelta = timedelta()) -> list[Post]:
    return [
        Post(number=number, text=f"Kestrel, part {number}", at=at + step * number) for number in range(1, count + 1)
    ]


def _walk(source: HackerNewsSource, query: Query = QUERY) -> list[Page]:
    pages = [source.fetch(query, Window(), now=NOW)]
    while pages[-1].next_token:
        pages.append(source.fetch(query, replace(Window(), token=pages[-1].next_token), now=NOW))
    return pages


def _numbers(pages: list[Page]) -> set[str]:
    return {str(raw["objectID"]) for page in pages for raw in page.records}


def test_more_than_a_thousand_posts_are_all_read(server: FakeHackerNews) -> None:
    posts = _posts(2500, at=NOW - timedelta(hours=20), step=timedelta(seconds=20))
    server.publish(posts)
    assert _numbers(_walk(_source(server))) == {str(post.number) for post in posts}
    assert len(server.calls) == 3


def test_posts_of_one_second_at_a_page_seam_are_all_read(server: FakeHackerNews) -> None:
    # Three a second: a page of ten ends within a second, never between two.
    posts = [
        Post(number=number, text="kestrel", at=NOW - timedelta(hours=2) + timedelta(seconds=number // 3))
        for number in range(60)
    ]
    server.publish(posts)
    pages = _walk(_source(server, hits=10))
    assert _numbers(pages) == {str(post.number) for post in posts}
    assert all(page.lost is None for page in pages)


def test_a_second_that_holds_more_than_can_be_given_is_reported_as_lost_and_gone_past(server: FakeHackerNews) -> None:
    crowd, older = _posts(25, at=NOW - timedelta(hours=1)), Post(number=99, text="kestrel", at=NOW - timedelta(hours=2))
    server.publish([*crowd, older])
    pages = _walk(_source(server, hits=10))
    assert "99" in _numbers(pages)
    lost = [page.lost for page in pages if page.lost]
    assert len(lost) == 1
    assert "no more than 10 posts of one second" in lost[0]


def test_a_post_that_the_index_shows_late_is_read(server: FakeHackerNews) -> None:
    server.publish([Post(number=2, text="kestrel", at=NOW - timedelta(minutes=1))])
    source = _source(server)
    first = source.fetch(QUERY, Window(), now=NOW)
    server.publish([Post(number=1, text="kestrel", at=NOW - timedelta(minutes=5))])
    second = source.fetch(QUERY, Window(newer_than=first.newest), now=NOW + timedelta(minutes=5))
    assert "1" in _numbers([second])


def test_each_name_is_searched_and_their_walks_end_together(server: FakeHackerNews) -> None:
    query = replace(QUERY, any=("kestrel", "green basket"))
    basket = [
        Post(number=100 + number, text="The Green Basket app", at=NOW - timedelta(hours=1, minutes=number))
        for number in range(15)
    ]
    server.publish([*_posts(25, at=NOW - timedelta(hours=3), step=timedelta(minutes=5)), *basket])
    server.publish([Post(number=500, text="basket, green", at=NOW - timedelta(hours=1))])
    pages = _walk(_source(server, hits=10), query)
    assert _numbers(pages) == {str(number) for number in (*range(1, 26), *range(100, 115))}
    assert len({call.params["query"] for call in server.calls}) == 2


def test_neither_prefixes_nor_typos_are_asked_for(server: FakeHackerNews) -> None:
    _source(server).fetch(QUERY, Window(), now=NOW)
    (call,) = server.calls
    assert (call.params["typoTolerance"], call.params["queryType"]) == ("false", "prefixNone")


class _Speaking(FakeHackerNews):
    """Always answers the same."""

    reply = Reply(body=b"")

    def answer(self, call: Call) -> Reply:
        return self.reply


@pytest.mark.parametrize("hits", [None, {}, "none", 5, [1, None, "x", []], [{"created_at_i": True}]])
def test_hits_of_strange_shape_are_landed_as_they_are(hits: object) -> None:
    with _Speaking() as server:
        server.reply = Reply.of_json({"hits": hits})
        page = _source(server).fetch(QUERY, Window(), now=NOW)
        assert (page.newest, page.next_token) == (None, None)
        assert all(isinstance(record, dict) for record in page.records)
