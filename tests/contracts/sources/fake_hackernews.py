"""A faithful small copy of Algolia's search of Hacker News.

``python -m tests.contracts.sources.fake_hackernews --posts posts.jsonl`` serves one (``--help`` tells how).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC

from tests.contracts.sources.boolean import tokens
from tests.contracts.sources.fake_server import Call, FakeServer, Post, Reply

DEEPEST = 1000  # hits beyond are never given, whatever the page
KNOWN = frozenset(
    [
        "query",
        "tags",
        "numericFilters",
        "page",
        "hitsPerPage",
        "typoTolerance",
        "queryType",
        "advancedSyntax",
        "attributesToHighlight",
        "attributesToRetrieve",
        "restrictSearchableAttributes",
    ]
)
_FILTER = re.compile(r"created_at_i(>=|<=|>|<|=)(-?\d+)")
_PART = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')


class FakeHackerNews(FakeServer):
    """Stories and comments, found by words, newest first."""

    def answer(self, call: Call) -> Reply:
        params = call.params
        if call.path != "/api/v1/search_by_date":
            return Reply.of_json({"status": 404, "error": "Not Found"}, status=404)
        if unknown := set(params) - KNOWN:
            return _refused(f"Unknown parameter: {sorted(unknown)[0]}")
        bounds = [part for part in params.get("numericFilters", "").split(",") if part]
        if any(not _FILTER.fullmatch(part) for part in bounds):
            return _refused("invalid numeric filter")
        size, page = int(params.get("hitsPerPage", "20")), int(params.get("page", "0"))
        if not 0 < size <= DEEPEST:
            return _refused("hitsPerPage should be between 1 and 1000")
        found = [
            post
            for post in sorted(self.posts, key=lambda post: (post.at, post.number), reverse=True)
            if _matches(params.get("query", ""), post.text) and all(_within(part, post) for part in bounds)
        ]
        reachable = found[:DEEPEST]
        return Reply.of_json(
            {
                "hits": [hit(post) for post in reachable[page * size : (page + 1) * size]],
                "nbHits": len(found),
                "nbPages": -(-len(reachable) // size),
                "page": page,
                "hitsPerPage": size,
                "query": params.get("query", ""),
            }
        )

    def complaint(self, status: int) -> object:
        return {"message": "Too Many Requests" if status == 429 else "Invalid Application-ID", "status": status}

    def spoil(self, reply: Reply, fault: str) -> Reply:
        body = json.loads(reply.body)
        hits = body.get("hits", [])
        if fault == "endless page":  # the filter is not obeyed: always the newest, always a whole page
            newest = [hit(post) for post in sorted(self.posts, key=lambda post: post.at, reverse=True)]
            body["hits"] = newest[: body["hitsPerPage"]]
        elif fault == "duplicate ids":
            body["hits"] = [double for one in hits for double in (one, one)]
        elif hits:
            worst = dict(hits[len(hits) // 2])
            worst.update(_SPOILS[fault])
            body["hits"] = [*hits, worst, *([42, None, "a hit"] if fault == "wrong types" else [])]
        return Reply.of_json(body)


_SPOILS: dict[str, Mapping[str, object]] = {
    "missing ids": {"objectID": None},
    "absurd dates": {"objectID": "absurd", "created_at_i": 99_999_999_999_999},
    "wrong types": {"objectID": "wrong", "author": {"name": "x"}, "created_at_i": "yesterday"},
}


def hit(post: Post) -> dict[str, object]:
    """A post as Algolia gives it: a comment, unless ``extra`` says otherwise."""
    second = int(post.at.timestamp())
    return {
        "objectID": str(post.number),
        "author": post.author,
        "comment_text": post.text,
        "created_at": f"{post.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "created_at_i": second,
        "parent_id": 1,
        "story_id": 1,
        "story_title": "Ask HN: anything",
        "_tags": ["comment", f"author_{post.author}", "story_1"],
        **post.extra,
    }


def _matches(query: str, text: str) -> bool:
    words = tokens(text)
    for minus, phrase, word in _PART.findall(query):
        wanted = tokens(phrase or word)
        there = any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))
        if there == bool(minus):
            return False
    return True


def _within(part: str, post: Post) -> bool:
    operator, number = re.fullmatch(_FILTER, part).groups()  # type: ignore[union-attr]
    second, bound = int(post.at.timestamp()), int(number)
    return {
        ">": second > bound,
        "<": second < bound,
        ">=": second >= bound,
        "<=": second <= bound,
        "=": second == bound,
    }[operator]


def _refused(message: str) -> Reply:
    return Reply.of_json({"message": message, "status": 400}, status=400)


if __name__ == "__main__":
    from tests.contracts.sources.serve import main

    main(FakeHackerNews)
