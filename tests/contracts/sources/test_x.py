"""What is X's own: the seven-day window, several searches for one query, reposts, partial errors, the budget of calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from pipeline import config
from pipeline.domain import Page, Query, Raw, Window
from pipeline.errors import RateLimited, SourceRefused
from pipeline.sources.x import XSource
from tests.contracts.sources.boolean import QueryError, compiled
from tests.contracts.sources.fake_server import Call, Post, Reply
from tests.contracts.sources.fake_x import TOKEN, FakeX, id_at, native_id

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUERY = Query(name="kestrel", brand="Kestrel", any=("kestrel",))


@pytest.fixture
def server() -> Iterator[FakeX]:
    with FakeX() as fake:
        fake.now = lambda: NOW
        yield fake


def _source(server: FakeX, *, query_length: int = 512, token: str = TOKEN, results: int = 10) -> XSource:
    settings = config.XSource(kind="x", name="x", base_url=server.url, timeout=5, query_length=query_length)
    return XSource(settings, SecretStr(token), results=results)


def _post(number: int, ago: timedelta, **extra: object) -> Post:
    return Post(number=number, text=f"Kestrel is down, {number}", at=NOW - ago, extra=extra)


def _walk(source: XSource, window: Window, query: Query = QUERY) -> list[Page]:
    pages = [source.fetch(query, window, now=NOW)]
    while pages[-1].next_token:
        pages.append(source.fetch(query, replace(window, token=pages[-1].next_token), now=NOW))
    return pages


def _ids(source: XSource, pages: list[Page], query: Query = QUERY) -> set[str]:
    return {source.parse(raw, query, collected_at=NOW).id for page in pages for raw in page.records}


def test_the_first_fetch_reads_one_day(server: FakeX) -> None:
    young, old = _post(1, timedelta(hours=23)), _post(2, timedelta(hours=25))
    server.publish([young, old])
    source = _source(server)
    page = source.fetch(QUERY, Window(), now=NOW)
    assert _ids(source, [page]) == {f"x:{native_id(young)}"}
    assert (page.floor, page.lost) == (str(id_at(NOW - timedelta(days=1))), None)


def test_the_watermark_post_itself_is_not_read_again(server: FakeX) -> None:
    server.publish([_post(1, timedelta(hours=2)), _post(2, timedelta(hours=1))])
    source = _source(server)
    first = source.fetch(QUERY, Window(), now=NOW)
    assert source.fetch(QUERY, Window(newer_than=first.newest), now=NOW).records == ()


def test_after_more_than_seven_days_the_older_part_is_reported_as_lost(server: FakeX) -> None:
    reachable, gone = _post(1, timedelta(days=6)), _post(2, timedelta(days=8))
    server.publish([reachable, gone])
    source = _source(server)
    page = source.fetch(QUERY, Window(newer_than=str(id_at(NOW - timedelta(days=9)))), now=NOW)
    assert _ids(source, [page]) == {f"x:{native_id(reachable)}"}
    assert page.lost is not None
    assert "seven-day search window" in page.lost
    assert "2026-02-23" in page.lost


def test_a_gap_that_lies_wholly_before_the_window_is_lost_without_a_call(server: FakeX) -> None:
    window = Window(newer_than=str(id_at(NOW - timedelta(days=12))), older_than=str(id_at(NOW - timedelta(days=10))))
    page = _source(server).fetch(QUERY, window, now=NOW)
    assert page.lost is not None
    assert (page.records, page.next_token, len(server.calls)) == ((), None, 0)


def test_an_empty_window_costs_no_call(server: FakeX) -> None:
    place = id_at(NOW - timedelta(hours=1))
    page = _source(server).fetch(QUERY, Window(newer_than=str(place), older_than=str(place + 1)), now=NOW)
    assert (page.records, page.next_token, len(server.calls)) == ((), None, 0)


def test_a_query_too_long_for_one_search_is_read_by_several_as_one_timeline(server: FakeX) -> None:
    names = tuple(f"kestrelvariant{number}" for number in range(12))
    query = Query(name="kestrel", brand="Kestrel", any=names)
    posts = [
        Post(number=number, text=f"{names[number % 12]} broke", at=NOW - timedelta(minutes=number + 1))
        for number in range(150)
    ]
    server.publish(posts)
    server.query_length = 100
    source = _source(server, query_length=100)
    pages = _walk(source, Window(), query)
    assert _ids(source, pages, query) == {f"x:{native_id(post)}" for post in posts}
    assert len({call.params["query"] for call in server.calls}) > 1
    assert pages[0].newest == str(max(native_id(post) for post in posts))
    # A page that says it has come down to a place has every search's posts above it.
    reached = int(str(pages[0].oldest))
    first = _ids(source, pages[:1], query)
    assert {f"x:{native_id(post)}" for post in posts if native_id(post) >= reached} <= first


def test_reposts_bring_the_whole_text_of_the_original(server: FakeX) -> None:
    original = Post(
        number=1, text="Kestrel charged my card three times. " * 6, at=NOW - timedelta(hours=3), author="bob"
    )
    repost = Post(
        number=2, text=f"RT @bob: {original.text[:100]}…", at=NOW - timedelta(hours=2), author="eve",
        extra={"kind": "retweet", "referenced_tweets": [{"type": "retweeted", "id": str(native_id(original))}]},
    )  # fmt: skip
    server.publish([original, repost])
    source = _source(server)
    page = source.fetch(QUERY, Window(), now=NOW)
    mentions = {mention.id: mention for raw in page.records for mention in [source.parse(raw, QUERY, collected_at=NOW)]}
    told = mentions[f"x:{native_id(repost)}"]
    assert told.repost_of == f"x:{native_id(original)}"
    assert told.text == original.text.strip()
    assert told.author.handle == "eve"


def test_what_the_brand_answers_is_read_as_well_but_not_all_it_says(server: FakeX) -> None:
    query = replace(QUERY, own_accounts=("@Help_Desk", "helpdesk2", "not a handle of X"))
    answer = Post(
        number=1, text="@ada sorry!", at=NOW - timedelta(hours=1), author="help_desk", extra={"kind": "reply"}
    )
    advert = Post(number=2, text="Buy more!", at=NOW - timedelta(hours=1), author="help_desk")
    server.publish([answer, advert])
    source = _source(server)
    assert _ids(source, [source.fetch(query, Window(), now=NOW)], query) == {f"x:{native_id(answer)}"}
    assert server.calls[-1].params["query"] == "(from:Help_Desk OR from:helpdesk2) is:reply"


def test_many_own_accounts_are_split_below_the_length_limit(server: FakeX) -> None:
    query = replace(QUERY, own_accounts=tuple(f"account_{number}" for number in range(10)))
    server.query_length = 64
    _source(server, query_length=64).fetch(query, Window(), now=NOW)
    asked = " ".join(call.params["query"] for call in server.calls)
    assert all(f"from:account_{number}" in asked for number in range(10))


def test_partial_errors_beside_data_do_not_stop_it(server: FakeX) -> None:
    server.publish([_post(1, timedelta(hours=1)), _post(2, timedelta(hours=2), hidden=True)])
    server.fail("partial errors")
    source = _source(server)
    page = source.fetch(QUERY, Window(), now=NOW)
    assert len(_ids(source, [page])) == 2


def test_an_empty_page_with_a_token_is_gone_past(server: FakeX) -> None:
    posts = [_post(number, timedelta(minutes=number)) for number in range(1, 25)]
    server.publish(posts)
    server.fail("empty page", times=1)
    source = _source(server)
    pages = _walk(source, Window())
    assert (pages[0].records, pages[0].newest, pages[0].next_token is None) == ((), None, False)
    assert _ids(source, pages) == {f"x:{native_id(post)}" for post in posts}


def test_the_budget_of_calls_is_told(server: FakeX) -> None:
    server.limit = 450
    page = _source(server).fetch(QUERY, Window(), now=NOW)
    assert page.calls_left == 449
    assert page.calls_reset_at == NOW + timedelta(minutes=15)


def test_a_used_up_budget_says_when_to_come_back(server: FakeX) -> None:
    server.limit = 1
    source = _source(server)
    source.fetch(QUERY, Window(), now=NOW)
    with pytest.raises(RateLimited) as caught:
        source.fetch(QUERY, Window(), now=NOW)
    assert caught.value.retry_at == NOW + timedelta(minutes=15)


def test_a_wrong_key_is_refused_with_the_next_step_and_not_shown(server: FakeX) -> None:
    with pytest.raises(SourceRefused, match="TOCSIN_X_BEARER_TOKEN") as caught:
        _source(server, token="wrong-key").fetch(QUERY, Window(), now=NOW)
    assert "wrong-key" not in str(caught.value)


class _Speaking(FakeX):
    """Always answers the same."""

    reply = Reply(body=b"")

    def answer(self, call: Call) -> Reply:
        return self.reply


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            400,
            {"errors": [{"message": "'query' has a bracket too many"}], "title": "Invalid Request"},
            "a bracket too many",
        ),
        (402, {"title": "CreditsDepleted", "detail": "no credits are left"}, "no credits are left"),
        (403, {"title": "Client Forbidden", "detail": "attach the app to a project"}, "attach the app to a project"),
        (
            429,
            {"title": "UsageCapExceeded", "detail": "Usage cap exceeded: Monthly product cap"},
            "Monthly product cap",
        ),
        (401, {"detail": f"bad header: Bearer {TOKEN}"}, r"bad header: Bearer \[key\]"),
        (403, "a string", "answered 403"),
        (403, {"errors": "none", "detail": None}, "answered 403"),
    ],
)
def test_what_x_complains_of_is_passed_on(status: int, body: object, words: str) -> None:
    with _Speaking() as server:
        server.reply = Reply.of_json(body, status=status)
        with pytest.raises(SourceRefused, match=words) as caught:
            _source(server).fetch(QUERY, Window(), now=NOW)
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"meta": {"result_count": 0}},
        {"data": [], "meta": {}},
        {"data": None, "meta": None},
        {"data": {"id": "1"}, "includes": [], "meta": []},
        {"data": ["a"], "includes": {"users": {"id": 1}, "tweets": 4}},
        {"data": [{"id": "1", "referenced_tweets": "none"}]},
        {},
    ],
)
def test_answers_of_strange_shape_are_landed_as_they_are(body: object) -> None:
    with _Speaking() as server:
        server.reply = Reply.of_json(body)
        page = _source(server).fetch(QUERY, Window(), now=NOW)
        assert page.next_token is None
        assert page.newest is None


def test_a_record_holds_its_author_and_survives_json(server: FakeX) -> None:
    server.publish([_post(1, timedelta(hours=1))])
    raw: Raw = _source(server).fetch(QUERY, Window(), now=NOW).records[0]
    assert set(raw) == {"post", "author", "refers_to"}
    assert raw["author"]["username"] == "ada"  # type: ignore[index]


@pytest.mark.parametrize(
    ("query", "fits", "fails"),
    [
        ("kestrel", "a KESTREL!", "kestrels"),
        ('"card charged" OR kestrel', "my card charged twice", "charged card"),
        ("(kestrel OR falcon) -bird", "kestrel app", "kestrel, a bird"),
        ("kestrel -(bird OR nest)", "kestrel app", "kestrel nest"),
        ("kestrel from:ada", "kestrel", ""),
        ("@kestrel", "hey @Kestrel", "hey kestrel"),
        ("#kestrel", "so #kestrel", "so #kestrelfail"),
        ("música", "musica", "music"),
    ],
)
def test_the_fake_reads_queries_as_x_does(query: str, fits: str, fails: str) -> None:
    test = compiled(query)
    assert test({"text": fits, "author": "ada"})
    assert not test({"text": fails, "author": "ada"})


@pytest.mark.parametrize(
    "query", ["", "(kestrel", "kestrel)", "-kestrel", "lang:en", "kestrel OR", "a OR -b", "a near:b"]
)
def test_the_fake_refuses_queries_as_x_does(query: str) -> None:
    with pytest.raises(QueryError):
        compiled(query)
