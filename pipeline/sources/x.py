"""X's recent search (API v2), through tweepy.

The search reaches seven days back and pages from the newest post to older ones; ids grow with time (they hold their
millisecond), so a position is an id, and the start of a window is made an id as well: X refuses ids and times together.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

import requests
import tweepy
from pydantic import SecretStr
from requests.adapters import BaseAdapter

from pipeline.config import XSource as Settings
from pipeline.domain import Author, Mention, Page, Query, Raw, Window
from pipeline.errors import BadRecord, SourceRefused
from pipeline.query import compile_query, x_syntax
from pipeline.sources.http import Answer, get, host_of, json_of, judge
from pipeline.sources.timeline import Found, Stretch, read_back

MOST_RESULTS = 100  # of one page
SEARCH_WINDOW = timedelta(days=7)
FIRST_WINDOW = timedelta(days=1)
CLOCK_SKEW = timedelta(minutes=5)
EPOCH_MS = 1288834974657  # the millisecond from which X counts in its ids (2010-11-04)
TIME_SHIFT = 22  # below the milliseconds, an id holds the machine and a counter
TWEEPY_HOST = "https://api.twitter.com"  # tweepy has it built in
NATIVE_ID = re.compile(r"[0-9]{1,19}")
HANDLE = re.compile(r"\w{1,15}", re.ASCII)
ADVICE = "check the key (TOCSIN_X_BEARER_TOKEN), the access level of the app, and base_url"
FIELDS = {
    "expansions": ["author_id", "referenced_tweets.id"],
    "tweet_fields": [
        "author_id", "conversation_id", "created_at", "edit_history_tweet_ids", "in_reply_to_user_id", "lang",
        "note_tweet", "public_metrics", "referenced_tweets",
    ],
    "user_fields": ["name", "public_metrics", "username", "verified"],
}  # fmt: skip


class XSource:
    """Implements ``ports.Source``; a record is a post joined with its author and the posts it refers to."""

    kind: ClassVar[str] = "x"
    order: ClassVar[Literal["newest first", "oldest first"]] = "newest first"

    def __init__(self, settings: Settings, token: SecretStr, *, results: int = MOST_RESULTS) -> None:
        self.name = settings.name
        self._syntax = x_syntax(settings.query_length)
        self._settings = settings
        self._results = results
        self._token = token

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        """One page of the window, one call for each search that is due; raises our errors."""
        reach = _id_at(now - SEARCH_WINDOW + CLOCK_SKEW)
        above = int(window.newer_than or _id_at(now - FIRST_WINDOW))
        lost = None
        if above < reach and window.token is None:
            lost = f"older than X's seven-day search window: posts before {_time_of(reach):%Y-%m-%d %H:%M} UTC"
            if window.older_than is not None and int(window.older_than) <= reach + 1:
                return Page(lost=lost)
        page = read_back(
            window,
            (*compile_query(query, self._syntax), *_own_answers(query, length=self._settings.query_length)),
            lambda search, stretch: self._search(search, stretch, now=now),
            above=max(above, reach),
            latest=_id_at(now + CLOCK_SKEW),
            settled=_id_at(now + CLOCK_SKEW),  # X holds the last half minute back by itself
            at=_time_of,
            name=f"source {self.name!r}",
        )
        return replace(page, lost=lost)

    def _search(self, search: str, stretch: Stretch, *, now: datetime) -> Found:
        if stretch.below is not None and stretch.below <= stretch.above + 1:
            return Found(records=(), positions=(), more=False)  # X refuses a window that is empty
        with _client(self._settings, self._token, now=now) as client:
            response: requests.Response = client.search_recent_tweets(
                search,
                max_results=self._results,
                since_id=stretch.above,
                until_id=stretch.top,
                next_token=stretch.token,
                **FIELDS,
            )
        body = json_of(response.content, where=host_of(self._settings.base_url), advice=ADVICE)
        records = _records(body)
        token = _part(body, "meta").get("next_token")
        return Found(
            records=records,
            positions=tuple(int(native) for record in records if (native := _native(_part(record, "post")))),
            more=token is not None,
            token=None if token is None else str(token),
            calls_left=_count(response.headers.get("x-rate-limit-remaining")),
            calls_reset_at=_reset(response.headers.get("x-rate-limit-reset")),
        )

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        """The mention of one post; raises ``BadRecord``."""
        post, user = _part(raw, "post"), _part(raw, "author")
        native, writer = _native(post), _string(post, "author_id")
        if not native:
            raise BadRecord("no id that X could have given")
        if not writer:
            raise BadRecord("no author")
        original = _referred(post, "retweeted")
        text = _full_text(_part(_part(raw, "refers_to"), original) or post) or _full_text(post)
        if not text:
            raise BadRecord("no text")
        answered, metrics = _referred(post, "replied_to"), _part(post, "public_metrics")
        return Mention(
            id=f"{self.name}:{native}",
            source=self.name,
            query=query.name,
            brand=query.brand,
            author=Author(
                id=f"{self.name}:{writer}",
                handle=_string(user, "username"),  # empty when X withholds a suspended author
                name=_string(user, "name"),
                followers=_count(_part(user, "public_metrics").get("followers_count")),
                verified=user.get("verified") is True,
            ),
            text=text,
            posted_at=_posted_at(post, native),
            collected_at=collected_at,
            url=f"https://x.com/{_string(user, 'username') or 'i'}/status/{native}",
            conversation=f"{self.name}:{_string(post, 'conversation_id') or native}",
            in_reply_to=f"{self.name}:{answered}" if answered else None,
            repost_of=f"{self.name}:{original}" if original else None,
            likes=_count(metrics.get("like_count")) or 0,
            reposts=_count(metrics.get("retweet_count")) or 0,
            replies=_count(metrics.get("reply_count")) or 0,
        )


class _Transport(BaseAdapter):
    """Carries tweepy's requests to ``base_url`` by our own call, with our deadline and errors, and adds the key.

    The key never enters tweepy, which writes the headers that it sends to its debug log.
    """

    def __init__(self, settings: Settings, key: SecretStr, *, now: datetime) -> None:
        super().__init__()
        self._settings, self._key, self._now = settings, key, now

    def send(self, request: requests.PreparedRequest, *args: object, **options: object) -> requests.Response:
        """The answer to one request; raises our errors for every status that is no success."""
        secret = self._key.get_secret_value()
        answer = get(
            self._settings.base_url.rstrip("/") + request.path_url,
            timeout=self._settings.timeout,
            headers={"authorization": f"Bearer {secret}"},
            redirects=0,
        )
        complaint = "" if answer.status < 400 else _complaint(answer).replace(secret, "[key]")
        if answer.status == 429 and "cap exceeded" in complaint.lower():
            # Of the app's plan, not of a quarter of an hour: no waiting within a run helps.
            raise SourceRefused(f"{answer.where} answered 429 ({complaint}): the plan's posts are used up; {ADVICE}")
        judge(answer, now=self._now, advice=ADVICE, said=complaint)
        response = requests.Response()
        response.status_code, response.raw, response.request = answer.status, io.BytesIO(answer.body), request
        response.headers.update(answer.headers)
        response.url = TWEEPY_HOST + request.path_url
        return response

    def close(self) -> None:
        """Nothing is kept open between calls."""


@contextmanager
def _client(settings: Settings, key: SecretStr, *, now: datetime) -> Iterator[tweepy.Client]:
    client = tweepy.Client(bearer_token="added-by-transport", return_type=requests.Response)  # noqa: S106
    with client.session as session:
        session.mount(TWEEPY_HOST, _Transport(settings, key, now=now))
        yield client


def _own_answers(query: Query, *, length: int) -> list[str]:
    """Searches for what the brand's own accounts answer, by which first-response times are known."""
    searches: list[str] = []
    accounts = [account.lstrip("@") for account in query.own_accounts]
    for arm in [f"from:{account}" for account in accounts if HANDLE.fullmatch(account)]:
        longer = f"{searches[-1]} OR {arm}" if searches else ""
        if longer and len(longer) <= length - len("() is:reply"):
            searches[-1] = longer
        else:
            searches.append(arm)
    return [f"({arms}) is:reply" for arms in searches]


def _complaint(answer: Answer) -> str:
    """What X says is wrong, in one line: the message of its first problem, else its detail."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return ""  # a proxy's page; the status says enough
    if not isinstance(body, dict):
        return ""
    problems = body.get("errors")
    first = problems[0] if isinstance(problems, list) and problems and isinstance(problems[0], dict) else {}
    return " ".join(str(first.get("message") or body.get("detail") or body.get("title") or "").split())[:300]


def _records(body: Mapping[str, object]) -> tuple[Raw, ...]:
    """Each post with its author and the posts it refers to, so that a record can be read by itself later.

    Posts that X names in ``errors`` are deleted, protected or suspended: it gives no data of them, and we need none.
    """
    data, joined = body.get("data"), _part(body, "includes")
    if data is None:
        return ()
    users, posts = _by_id(joined.get("users")), _by_id(joined.get("tweets"))
    records: list[Raw] = []
    for post in data if isinstance(data, list) else [data]:
        fields = post if isinstance(post, dict) else {}
        kin = {native: posts[native] for native in _references(fields).values() if native in posts}
        records.append({"post": post, "author": users.get(str(fields.get("author_id"))), "refers_to": kin})
    return tuple(records)


def _by_id(items: object) -> dict[str, Mapping[str, object]]:
    listed = items if isinstance(items, list) else []
    return {str(item["id"]): item for item in listed if isinstance(item, dict) and "id" in item}


def _references(post: Mapping[str, object]) -> dict[str, str]:
    """The ids of the posts that one refers to, by how: retweeted, quoted, replied_to."""
    listed = post.get("referenced_tweets")
    pairs = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return {str(item.get("type")): native for item in pairs if (native := _native(item))}


def _referred(post: Mapping[str, object], how: str) -> str:
    return _references(post).get(how, "")


def _full_text(post: Mapping[str, object]) -> str:
    """The text of a post: the whole of a long one, which ``text`` cuts; X escapes &, < and >."""
    return html.unescape(_string(_part(post, "note_tweet"), "text") or _string(post, "text")).strip()


def _native(item: Mapping[str, object]) -> str:
    native = item.get("id")
    return native if isinstance(native, str) and NATIVE_ID.fullmatch(native) else ""


def _posted_at(post: Mapping[str, object], native: str) -> datetime:
    said = _string(post, "created_at")
    if not said:
        return _time_of(int(native))
    try:
        at = datetime.fromisoformat(said)
    except ValueError as error:
        raise BadRecord(f"created_at is {said!r}, no time") from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _id_at(moment: datetime) -> int:
    return (int(moment.timestamp() * 1000) - EPOCH_MS) << TIME_SHIFT


def _time_of(native: int) -> datetime:
    return datetime.fromtimestamp(((native >> TIME_SHIFT) + EPOCH_MS) / 1000, UTC)


def _part(item: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = item.get(key)
    return value if isinstance(value, Mapping) else {}


def _string(item: Mapping[str, object], key: str) -> str:
    value = item.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRecord(f"{key} is no text")
    return value


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _reset(seconds: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(seconds), UTC) if seconds and seconds.isdecimal() and len(seconds) < 12 else None
