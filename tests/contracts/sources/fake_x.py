"""A faithful small copy of X's recent search (API v2): its checks, pages, window, limits and error bodies.

``python -m tests.contracts.sources.fake_x --posts posts.jsonl`` serves one (``--help`` tells how).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tests.contracts.sources.boolean import QueryError, compiled
from tests.contracts.sources.fake_server import Call, FakeServer, Post, Reply

TOKEN = "a-bearer-token-of-the-tests"
EPOCH_MS = 1288834974657
WINDOW = timedelta(days=7)
HOLDBACK = timedelta(seconds=30)  # posts younger than this are not given yet
REPEATED = "0ddba11"  # leads to the same page again and again
PROBLEM = "https://api.twitter.com/2/problems/"
LISTS = {
    "tweet.fields": "author_id conversation_id created_at edit_history_tweet_ids id in_reply_to_user_id lang note_tweet "
    "public_metrics referenced_tweets text entities source",
    "user.fields": "id name username verified public_metrics created_at",
    "expansions": "author_id referenced_tweets.id referenced_tweets.id.author_id in_reply_to_user_id",
}
KNOWN = {
    *LISTS,
    *["query", "max_results", "since_id", "until_id", "start_time", "end_time", "next_token", "sort_order"],
}


def id_at(moment: datetime, number: int = 0) -> int:
    """The id X gives a post of that millisecond."""
    return ((int(moment.timestamp() * 1000) - EPOCH_MS) << 22) + number


class FakeX(FakeServer):
    """Posts found by a query, newest first, a page at a time."""

    def __init__(self, *, port: int = 0, token: str = TOKEN, query_length: int = 512, limit: int = 450) -> None:
        super().__init__(port=port)
        self.token = token
        self.query_length = query_length
        self.limit = limit
        self._spent: list[datetime] = []
        self._signature = ""

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.token}":
            return Reply.of_json(self.complaint(401), status=401)
        if call.path != "/2/tweets/search/recent":
            return Reply.of_json(self.complaint(404), status=404)
        now = self.now()
        self._spent = [moment for moment in self._spent if now - moment < timedelta(minutes=15)]
        reset = (self._spent[0] if self._spent else now) + timedelta(minutes=15)
        left = self.limit - len(self._spent)
        limits = {
            "x-rate-limit-limit": str(self.limit),
            "x-rate-limit-remaining": str(max(0, left - 1)),
            "x-rate-limit-reset": str(int(reset.timestamp())),
        }
        if left <= 0:
            return Reply.of_json(self.complaint(429), status=429, headers=limits)
        self._spent.append(now)
        try:
            return Reply.of_json(self._page(call.params, now), headers=limits)
        except _Refused as refused:
            return Reply.of_json(refused.body, status=400, headers=limits)

    def complaint(self, status: int) -> object:
        titles = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests", 503: "Service Unavailable"}
        title = titles.get(status, "Error")
        return {"title": title, "detail": title, "type": "about:blank", "status": status}

    def _page(self, params: Mapping[str, str], now: datetime) -> dict[str, object]:
        size, since, until = self._checked(params, now)
        try:
            fits = compiled(params["query"])
        except QueryError as error:
            raise _Refused("query", params["query"], f"There were errors processing your request: {error}") from error
        signature = json.dumps([params.get(key) for key in ("query", "since_id", "until_id", "max_results")])
        self._signature = signature
        if (token := params.get("next_token")) and token != REPEATED:
            place, _, signed = bytes.fromhex(token).decode().partition("|")
            if signed != signature:
                raise _Refused("next_token", token, "The 'next_token' parameter is invalid for this request")
            until = int(place)
        found = sorted(
            (native, post)
            for post in self.posts
            if since < (native := native_id(post)) < until and post.at <= now - HOLDBACK and fits(_facts(post))
        )[::-1]
        page, left = found[:size], found[size:]
        body: dict[str, object] = {"meta": {"result_count": len(page)}}
        if page:
            body["data"] = [tweet(post) for _, post in page]
            body["includes"] = self._includes([post for _, post in page])
            body["meta"] = {"newest_id": str(page[0][0]), "oldest_id": str(page[-1][0]), "result_count": len(page)}
        if left:
            token = f"{page[-1][0]}|{signature}".encode().hex()
            body["meta"] = {**body["meta"], "next_token": token}  # type: ignore[dict-item]
        return body

    def _checked(self, params: Mapping[str, str], now: datetime) -> tuple[int, int, int]:
        for name, value in params.items():
            if name not in KNOWN:
                raise _Refused(name, value, f"The query parameter [{name}] is not one of [{','.join(sorted(KNOWN))}]")
            if name in LISTS:
                for part in value.split(","):
                    if part not in LISTS[name].split():
                        raise _Refused(name, value, f"The `{name}` query parameter value [{part}] is not one of [...]")
        query = params.get("query", "")
        if not 1 <= len(query) <= self.query_length:
            raise _Refused("query", query, f"'query' must be between 1 and {self.query_length} characters")
        size = int(params.get("max_results", "10"))
        if not 10 <= size <= 100:
            raise _Refused(
                "max_results", str(size), f"The `max_results` query parameter value [{size}] is not between 10 and 100"
            )
        ids, times = {"since_id", "until_id"} & set(params), {"start_time", "end_time"} & set(params)
        if ids and times:
            raise _Refused(
                "since_id",
                "",
                "Invalid use of 'since_id' or 'until_id' in conjunction with 'start_time' or 'end_time'.",
            )
        first = id_at(now - WINDOW)
        for name in ids:
            if int(params[name]) < first:
                when = f"{now - WINDOW:%Y-%m-%dT%H:%MZ}"
                message = f"'{name}' must be a tweet id created after {when}. Please use a '{name}' that is larger than {first}"
                raise _Refused(name, params[name], message)
        since, until = int(params.get("since_id", first)), int(params.get("until_id", 2**63))
        if since >= until:
            raise _Refused("since_id", str(since), "'since_id' must be smaller than 'until_id'")
        return size, since, until

    def _includes(self, posts: list[Post]) -> dict[str, object]:
        users = {post.author: user(post) for post in posts if post.extra.get("hidden") is not True}
        wanted = {ref["id"] for post in posts for ref in post.extra.get("referenced_tweets", ())}  # type: ignore[attr-defined]
        originals = [tweet(post) for post in self.posts if str(native_id(post)) in wanted]
        return {"users": list(users.values()), **({"tweets": originals} if originals else {})}

    def spoil(self, reply: Reply, fault: str) -> Reply:
        body = json.loads(reply.body)
        data = body.get("data", [])
        if fault == "repeated token":
            body["meta"]["next_token"] = REPEATED
        elif fault == "empty page":
            if data:
                token = f"{int(data[0]['id']) + 1}|{self._signature}".encode()  # the posts come on the next page
                body = {"meta": {"result_count": 0, "next_token": token.hex()}}
        elif fault == "partial errors":
            problem = {
                "resource_type": "tweet", "parameter": "referenced_tweets.id", "title": "Not Found Error", "value": "1",
                "detail": "Could not find tweet with referenced_tweets.id: [1].", "type": f"{PROBLEM}resource-not-found",
            }  # fmt: skip
            body["errors"] = [problem]
        elif fault == "duplicate ids":
            body["data"] = [double for one in data for double in (one, one)]
        elif data:
            worst = {**data[len(data) // 2], **_SPOILS[fault]}
            body["data"] = [*data, worst, *([42, None, "a post"] if fault == "wrong types" else [])]
        return Reply.of_json(body, headers=reply.headers)


_SPOILS: dict[str, Mapping[str, object]] = {
    "missing ids": {"id": None},
    "absurd dates": {"id": "9223372036854775807", "created_at": "2999-01-01T00:00:00.000Z"},
    "wrong types": {"id": {"a": 1}, "text": ["a"], "created_at": 5},
}


class _Refused(ValueError):
    """A parameter that X does not accept."""

    def __init__(self, parameter: str, value: str, message: str) -> None:
        super().__init__(message)
        self.body = {
            "errors": [{"parameters": {parameter: [value]}, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{PROBLEM}invalid-request",
        }


def native_id(post: Post) -> int:
    """The id of a post."""
    return id_at(post.at, post.number % 2**22)


def author_id(handle: str) -> str:
    """The id of an author, made from the handle."""
    return str(int.from_bytes(handle.encode()[:7], "big"))


def tweet(post: Post) -> dict[str, object]:
    """A post as X gives it."""
    native = str(native_id(post))
    return {
        "id": native,
        "text": post.text,
        "author_id": author_id(post.author),
        "conversation_id": native,
        "created_at": f"{post.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{post.at.microsecond // 1000:03}Z",
        "edit_history_tweet_ids": [native],
        "lang": "en",
        "public_metrics": {"retweet_count": 0, "reply_count": 0, "like_count": 0, "quote_count": 0},
        **{key: value for key, value in post.extra.items() if key not in ("kind", "hidden")},
    }


def user(post: Post) -> dict[str, object]:
    """An author as X gives it."""
    return {
        "id": author_id(post.author),
        "name": post.author.title(),
        "username": post.author,
        "verified": False,
        "public_metrics": {"followers_count": 12, "following_count": 3, "tweet_count": 4, "listed_count": 0},
    }


def _facts(post: Post) -> dict[str, object]:
    return {
        "text": post.text,
        "author": post.author,
        "lang": post.extra.get("lang", "en"),
        "kind": post.extra.get("kind"),
    }


if __name__ == "__main__":
    from tests.contracts.sources.serve import main

    main(FakeX)
