"""The replay: the same story at every start, going on where it was, with answers, reposts and one crisis."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline import config
from pipeline.collect import collect, parse_batch
from pipeline.domain import Mention, Query, Window
from pipeline.errors import BadRecord, ConfigError, SourceRefused
from pipeline.landing import LandingZone
from pipeline.query import Matcher
from pipeline.sources.replay import PLANTED, ReplaySource
from pipeline.stores.sqlite import SqliteStore
from tests import REPOSITORY
from tests.factories import NOW

AUTHORED = tuple(sorted((REPOSITORY / "models" / "authored").glob("*.jsonl")))
QUERIES = config.load(REPOSITORY / "tocsin.toml").queries()
BRIGHTLY = next(query for query in QUERIES if query.brand == "Brightly")
HOURS = 3.0  # of real time, after which the whole story has been told at speed 60

pytestmark = pytest.mark.skipif(not AUTHORED, reason="the bundled posts are not there")


def source(*, speed: float = 60, path: Path | None = None) -> ReplaySource:
    return ReplaySource(config.ReplaySource(kind="replay", name="replay", speed=speed, path=path), paths=AUTHORED)


@pytest.fixture(scope="module")
def shared_source() -> ReplaySource:
    return source()


def told(replay: ReplaySource, query: Query, position: str | None, now: datetime) -> tuple[list[Mention], str | None]:
    """What the engine would read at one time, and the new position."""
    found: list[Mention] = []
    while True:
        page = replay.fetch(query, Window(newer_than=position), now=now)
        found += [replay.parse(raw, query, collected_at=now) for raw in page.records]
        position = page.newest or position
        if page.next_token is None:
            return found, position


def everything(replay: ReplaySource, query: Query) -> list[Mention]:
    first, position = told(replay, query, None, NOW)
    rest, _ = told(replay, query, position, NOW + timedelta(hours=HOURS))
    return first + rest


@pytest.fixture(scope="module")
def story(shared_source) -> list[Mention]:
    """All posts of all brands, in order."""
    posts = [post for query in QUERIES for post in everything(shared_source, query)]
    return sorted(posts, key=lambda post: post.posted_at)


def test_the_start_finds_a_backlog_of_the_last_two_hours(shared_source):
    backlog = [post for query in QUERIES for post in told(shared_source, query, None, NOW)[0]]
    assert 55 <= len(backlog) <= 75
    assert min(post.posted_at for post in backlog) > NOW - timedelta(hours=2, minutes=1)
    assert max(post.posted_at for post in backlog) <= NOW
    assert max(post.posted_at for post in backlog) > NOW - timedelta(minutes=10)


def test_then_a_post_comes_every_few_seconds_in_all_languages_and_of_all_brands(story):
    first_minute = [post for post in story if NOW < post.posted_at <= NOW + timedelta(minutes=1)]
    assert 10 <= len(first_minute) <= 30
    first_quarter = [post for post in story if NOW < post.posted_at <= NOW + timedelta(minutes=15)]
    assert len({post.brand for post in first_quarter}) == 12
    languages = {post.id.partition(":")[2][:2] for post in first_quarter}
    assert languages >= {"en", "de", "tr", "pl", "es", "fr", "pt", "it"}


def test_every_bundled_and_planted_post_is_told_once(story):
    ids = Counter(post.id for post in story)
    assert set(ids.values()) == {1}
    rows = [json.loads(line)["id"] for path in (*AUTHORED, PLANTED) for line in path.read_text("utf-8").splitlines()]
    assert {f"replay:{native}" for native in rows} <= set(ids)


def test_the_same_story_at_every_start_and_at_every_speed(shared_source, story):
    again = everything(source(), BRIGHTLY)
    assert again == everything(shared_source, BRIGHTLY)
    fast, position = told(source(speed=3600), BRIGHTLY, None, NOW)
    fast += told(source(speed=3600), BRIGHTLY, position, NOW + timedelta(hours=HOURS / 60))[0]
    assert [(post.id, post.author, post.text) for post in fast] == [(post.id, post.author, post.text) for post in again]


def test_a_later_start_goes_on_where_it_was_however_often_it_is_asked(shared_source):
    found, position = told(shared_source, BRIGHTLY, None, NOW)
    for second in range(0, int(HOURS * 3600), 7):
        posts, position = told(
            source() if second == 700 else shared_source, BRIGHTLY, position, NOW + timedelta(seconds=second)
        )
        assert all(post.posted_at <= NOW + timedelta(seconds=second) for post in posts)
        found += posts
    assert [(post.id, post.posted_at) for post in found] == [
        (post.id, post.posted_at) for post in everything(shared_source, BRIGHTLY)
    ]


def test_it_stops_at_the_end_and_waits_when_a_clock_is_set_back(shared_source):
    _, position = told(shared_source, BRIGHTLY, None, NOW)
    assert told(shared_source, BRIGHTLY, position, NOW - timedelta(days=1)) == ([], position)
    _, position = told(shared_source, BRIGHTLY, position, NOW + timedelta(hours=HOURS))
    assert told(shared_source, BRIGHTLY, position, NOW + timedelta(days=365)) == ([], position)


def test_a_query_gets_the_posts_of_its_brand(shared_source):
    assert {raw["brand"] for path in AUTHORED for raw in map(json.loads, path.read_text("utf-8").splitlines())} == {
        query.brand for query in QUERIES
    }
    assert everything(shared_source, Query(name="q", brand="Nobody", any=("nobody",))) == []


def test_the_engine_reads_it_without_loss_or_double(tmp_path, shared_source):
    store, zone = SqliteStore(":memory:"), LandingZone(str(tmp_path))
    for minutes in (0, 1, 5, 5, 60, 400):
        now = NOW + timedelta(minutes=minutes)
        collect(shared_source, BRIGHTLY, store=store, landing=zone, pages=3, now=lambda now=now: now)
    ids = [raw["id"] for batch in store.pending_batches() for raw in zone.read(batch)]
    assert sorted(f"replay:{native}" for native in ids) == sorted(
        post.id for post in everything(shared_source, BRIGHTLY)
    )
    store.close()


# --- who speaks -------------------------------------------------------------------------------------------------------------


def test_some_write_again_most_do_not_and_few_have_many_followers(story):
    customers = [post for post in story if not post.own]
    posts = Counter(post.author.handle for post in customers)
    again = sum(count > 1 for count in posts.values()) / len(posts)
    assert 0.04 < again < 0.3
    followers = sorted(post.author.followers or 0 for post in customers)
    assert followers[len(followers) // 2] < 300
    assert followers[int(len(followers) * 0.99)] > 5_000
    assert followers[-1] <= 900_000


def test_a_part_is_answered_by_the_brands_own_account_and_only_what_is_not_grave(story):
    posts = {post.id: post for post in story}
    answers = [post for post in story if post.own]
    assert 100 < len(answers) < 500
    grave = {
        f"replay:{row['id']}"
        for path in AUTHORED
        for row in map(json.loads, path.read_text("utf-8").splitlines())
        if row["urgency"] == 3
    }
    own = {account for query in QUERIES for account in query.own_accounts}
    for answer in answers:
        assert answer.author.handle in own
        assert answer.in_reply_to in posts
        assert answer.in_reply_to not in grave
        assert answer.posted_at > posts[answer.in_reply_to].posted_at


def test_some_are_reposted_and_some_copied_by_others_after_the_original(story):
    posts = {post.id: post for post in story}
    reposts = [post for post in story if post.repost_of]
    copies = [post for post in story if post.id.endswith("-copy")]
    assert len(reposts) > 30
    assert len(copies) > 10
    for repost in reposts:
        original = posts[str(repost.repost_of)]
        assert (repost.text, repost.posted_at > original.posted_at) == (original.text, True)
        assert repost.author.handle != original.author.handle
    for copy in copies:
        assert copy.text.startswith(posts[copy.id.removesuffix("-copy")].text)


# --- the crisis ---------------------------------------------------------------------------------------------------------------


def test_the_crisis_begins_after_a_minute_and_lasts_two_or_three(story):
    planted = [post for post in story if post.id.startswith("replay:planted-")]
    assert 20 <= len(planted) <= 30
    assert planted[0].posted_at == NOW + timedelta(minutes=1)
    assert timedelta(minutes=2) <= planted[-1].posted_at - planted[0].posted_at <= timedelta(minutes=3)
    assert {post.brand for post in planted} == {"Brightly"}
    assert len({post.author.handle for post in planted}) >= 20
    posts = {post.id: post for post in story}
    for post in planted:
        for other in filter(None, (post.in_reply_to, post.repost_of)):
            assert posts[other].posted_at < post.posted_at
        if post.repost_of:
            assert post.text == posts[post.repost_of].text


def test_every_planted_post_is_heard():
    matcher = Matcher(BRIGHTLY)
    rows = [json.loads(line) for line in PLANTED.read_text("utf-8").splitlines()]
    assert {row["lang"] for row in rows} == {"en", "de", "tr", "pl", "es"}
    assert [row["id"] for row in rows if not matcher.match(row["text"], author_handle=row["handle"])] == []


# --- files of one's own, and what can be wrong ---------------------------------------------------------------------------------


def test_posts_of_ones_own_are_told_without_the_crisis_and_to_every_query_if_they_name_no_brand(tmp_path):
    (tmp_path / "mine.jsonl").write_text(
        '{"text": "brightly broke"}\n{"text": "kestrel too", "brand": "Kestrel Bank"}\n'
    )
    for path in (tmp_path, tmp_path / "mine.jsonl"):
        assert [post.text for post in told(source(path=path), BRIGHTLY, None, NOW)[0]] == ["brightly broke"]


@pytest.mark.parametrize(
    ("content", "words"), [("{", "line 1 is no JSON"), ('{"a": 1}', "line 1 has no text"), ("", "nothing to replay")]
)
def test_a_file_that_cannot_be_replayed_is_named(tmp_path, content, words):
    path = tmp_path / "mine.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError, match=words):
        source(path=path).fetch(BRIGHTLY, Window(), now=NOW)
    path.unlink()
    with pytest.raises(ConfigError, match=r"mine\.jsonl cannot be replayed"):
        source(path=path).fetch(BRIGHTLY, Window(), now=NOW)


@pytest.mark.parametrize("position", ["17", "2026-11-25|x", "yesterday|3", '{"a": 1}'])
def test_a_watermark_of_another_kind_of_source_is_refused(shared_source, position):
    with pytest.raises(SourceRefused, match="was no replay before"):
        shared_source.fetch(BRIGHTLY, Window(newer_than=position), now=NOW)


@pytest.mark.parametrize(
    "change", [{"id": ""}, {"text": 5}, {"handle": None}, {"at": "soon"}, {"at": None}, {"in_reply_to": 3}]
)
def test_a_spoilt_record_is_a_bad_record(shared_source, change):
    [raw, *_] = shared_source.fetch(BRIGHTLY, Window(), now=NOW).records
    with pytest.raises(BadRecord):
        shared_source.parse({**raw, **change}, BRIGHTLY, collected_at=NOW)


def test_parsed_batches_keep_the_brands_answers(tmp_path, shared_source):
    store, zone = SqliteStore(":memory:"), LandingZone(str(tmp_path))
    for minutes in (0, 300):
        collect(
            shared_source,
            BRIGHTLY,
            store=store,
            landing=zone,
            pages=9,
            now=lambda m=minutes: NOW + timedelta(minutes=m),
        )
    mentions = [
        mention
        for batch in store.pending_batches()
        for mention in parse_batch(shared_source, BRIGHTLY, zone.read(batch), batch=batch, now=NOW).mentions
    ]
    assert sum(mention.own for mention in mentions) == sum(post.own for post in everything(shared_source, BRIGHTLY))
    store.close()
