"""A small web site with feeds: RSS 2 at /feed/<name>.xml, Atom at /atom/<name>.xml, both with conditional GET.

``python -m tests.contracts.sources.fake_rss --posts posts.jsonl`` serves one (``--help`` tells how).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from xml.sax.saxutils import escape

from tests.contracts.sources.boolean import tokens
from tests.contracts.sources.fake_server import Call, FakeServer, Post, Reply


class FakeRss(FakeServer):
    """Feeds of the newest posts; ``extra["feed"]`` says in which one a post appears (default: all)."""

    def __init__(self, *, port: int = 0, entries: int = 50) -> None:
        super().__init__(port=port)
        self.entries = entries

    def answer(self, call: Call) -> Reply:
        path = re.fullmatch(r"/(feed|atom)/(\w+)\.xml", call.path)
        if path is None:
            return Reply(body=b"<html><body>Not here</body></html>", status=404, headers={"content-type": "text/html"})
        posts = [post for post in self.posts if post.extra.get("feed", path[2]) == path[2]]
        if words := tokens(call.params.get("q", "")):
            posts = [post for post in posts if set(words) & set(tokens(post.text))]
        newest = sorted(posts, key=lambda post: (post.at, post.number), reverse=True)[: self.entries]
        body = (_rss if path[1] == "feed" else _atom)(newest, path[2]).encode()
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        if call.headers.get("if-none-match") == etag:
            return Reply(body=b"", status=304, headers={"etag": etag})
        kind = "application/rss+xml" if path[1] == "feed" else "application/atom+xml"
        return Reply(body=body, headers={"etag": etag, "content-type": f"{kind}; charset=utf-8"})

    def spoil(self, reply: Reply, fault: str) -> Reply:
        text = reply.body.decode()
        items = re.findall(r"<item>.*?</item>", text, re.DOTALL)
        if not items:
            return reply
        middle = items[len(items) // 2]
        if fault == "duplicate ids":
            text = text.replace(middle, middle + middle)
        elif fault == "missing ids":
            text = text.replace(middle, middle + re.sub(r"<(guid|link)[^>]*>.*?</\1>", "", middle))
        elif fault == "absurd dates":
            strange = re.sub(r"<pubDate>.*?</pubDate>", "<pubDate>Tue, 01 Jan 2999 00:00:00 GMT</pubDate>", middle)
            text = text.replace(middle, middle + re.sub(r"(<guid[^>]*>)", r"\1absurd-", strange))
        elif fault == "wrong types":
            text = text.replace(middle, middle + "<item><guid>empty</guid></item><item/>")
        elif fault == "broken XML":
            text = text.replace("<channel>", "<channel><b>&nosuch; <i>", 1)
        elif fault == "half document":
            text = text[: text.index(middle) + 20]
        return Reply(body=text.encode(), headers=reply.headers)


def _rss(posts: Iterable[Post], name: str) -> str:
    items = "".join(
        f"<item><title>{escape(post.text[:60])}</title><link>https://blog.example/{name}/{post.number}</link>"
        f'<guid isPermaLink="true">https://blog.example/{name}/{post.number}</guid>'
        f"<author>{escape(post.author)}@blog.example ({escape(post.author)})</author>"
        f"<description>{escape(f'<p>{escape(post.text)}</p>')}</description>"
        f"<pubDate>{format_datetime(post.at.astimezone(UTC), usegmt=True)}</pubDate></item>"
        for post in posts
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Blog {name}</title>'
        f"<link>https://blog.example/{name}</link><description>Posts</description>{items}</channel></rss>"
    )


def _atom(posts: Iterable[Post], name: str) -> str:
    entries = "".join(
        f"<entry><title>{escape(post.text[:60])}</title><id>tag:blog.example,2026:{name}/{post.number}</id>"
        f'<link href="https://blog.example/{name}/{post.number}"/><author><name>{escape(post.author)}</name></author>'
        f'<content type="html">{escape(f"<p>{escape(post.text)}</p>")}</content><updated>{_iso(post.at)}</updated></entry>'
        for post in posts
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Blog {name}</title>'
        f"<id>tag:blog.example,2026:{name}</id><updated>2026-01-01T00:00:00Z</updated>{entries}</feed>"
    )


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


if __name__ == "__main__":
    from tests.contracts.sources.serve import main

    main(FakeRss)
