"""RSS and Atom feeds, read by conditional GET.

A feed shows its newest entries and forgets the others, so it cannot be walked back: each reading gives what was not there
last time, and if nothing of last time is left, entries came and went unread, which is said. The position holds what each
feed showed last (its addresses appear in it as digests only: an address may hold a key).
"""

from __future__ import annotations

import calendar
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import ClassVar, Literal
from urllib.parse import quote_plus

import feedparser

from pipeline.config import RssSource as Settings
from pipeline.domain import Author, Mention, Page, Query, Raw, Window
from pipeline.errors import BadRecord, RateLimited, SourceRefused, SourceUnavailable
from pipeline.query import WEB, compile_query
from pipeline.sources.http import Answer, get, judge
from pipeline.sources.markup import text_of

LONGEST_TEXT = 20_000  # characters: a long article, not a book
ADVICE = "open its address in a browser, then correct urls in tocsin.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """What one feed showed last."""

    seen: tuple[str, ...] = ()
    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What one feed shows now that it did not show last time, oldest first."""

    records: tuple[Raw, ...]
    feed: _Feed
    lost: str | None = None


class RssSource:
    """Implements ``ports.Source``: a log, each page of which is one feed with news."""

    kind: ClassVar[str] = "rss"
    order: ClassVar[Literal["newest first", "oldest first"]] = "oldest first"

    def __init__(self, settings: Settings) -> None:
        self.name = settings.name
        self._settings = settings

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        """The news of the next feed that has any, going round from where the last page ended.

        A round without news is the end; a feed that failed is told then, so that it holds none of the others up.
        """
        urls = {digest(url): url for url in _addresses(self._settings.urls, query)}
        keys = list(urls)
        feeds, start = _restored(window.newer_than, keys)
        failed: list[SourceRefused | SourceUnavailable | RateLimited] = []
        for key in keys[start:] + keys[:start]:
            place = keys.index(key) + 1
            try:
                news = self._read(urls[key], feeds.get(key, _Feed()), where=f"feed {place} of {self.name!r}", now=now)
            except (SourceRefused, SourceUnavailable, RateLimited) as error:
                failed.append(error)
                continue
            if news.records or news.lost:
                return _page(news, {**feeds, key: news.feed}, onward=keys[place % len(keys)], alone=len(keys) == 1)
        if failed:
            raise failed[0]
        return Page()

    def _read(self, url: str, last: _Feed, *, where: str, now: datetime) -> _News:
        asked = {"if-none-match": last.etag, "if-modified-since": last.modified}
        answer = get(
            url, timeout=self._settings.timeout, headers={name: value for name, value in asked.items() if value}
        )
        judge(answer, now=now, advice=ADVICE, said=where)
        if answer.status == 304:
            return _News(records=(), feed=last)
        return _news(answer, last, where=f"{where} ({answer.where})")

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        """The mention of one entry; an entry without a date counts as posted when it was collected."""
        title, body = text_of(_text(raw, "title")), text_of(_text(raw, "body"))
        parts = (body,) if body.startswith(title.rstrip(".… ")) else (title, body)
        text = "\n\n".join(part for part in parts if part)[:LONGEST_TEXT]
        if not text:
            raise BadRecord("no text")
        native, link, site = _text(raw, "id"), _text(raw, "link"), _text(raw, "site")
        if not native:
            raise BadRecord("no id")
        writer = _text(raw, "author") or _text(raw, "feed") or site
        return Mention(
            id=f"{self.name}:{native}",
            source=self.name,
            query=query.name,
            brand=query.brand,
            author=Author(id=f"{self.name}:{writer}", handle=writer),
            text=text,
            posted_at=_time(_text(raw, "at")) or collected_at,
            collected_at=collected_at,
            url=link if link.startswith(("https://", "http://")) else None,
            conversation=f"{self.name}:{native}",
        )


def _addresses(templates: tuple[str, ...], query: Query) -> list[str]:
    """The feeds' addresses; one with ``{query}`` becomes one for each search that the query is compiled into."""
    words = [quote_plus(search) for search in compile_query(query, WEB)]
    filled = [
        template.replace("{query}", search)
        for template in templates
        for search in (words if "{query}" in template else [""])
    ]
    return filled


def _news(answer: Answer, last: _Feed, *, where: str) -> _News:
    """What a feed's document adds to what it showed last; a broken document gives what can be read of it."""
    # A stream, because feedparser takes a plain text for the name of a file to open.
    headers = {name: answer.headers[name] for name in ("content-type",) if name in answer.headers}
    document = feedparser.parse(io.BytesIO(answer.body), response_headers=headers)
    half = document.bozo and document.get("version")
    if not document.entries and (half or not answer.body.strip()):
        raise SourceUnavailable(f"{where} gave half a document; it is tried again")
    if not document.entries and not document.get("version"):
        raise SourceRefused(f"{where} is no RSS or Atom feed; {ADVICE}")
    title, site = text_of(document.feed.get("title", "")), answer.where
    # Plain dictionaries, because feedparser's own answer for fields that are missing, with a warning.
    entries = [_record(dict(entry), feed=title, site=site) for entry in document.entries]
    ids = tuple(dict.fromkeys(str(entry["id"]) for entry in entries))
    fresh = [entry for entry in entries if entry["id"] not in last.seen]
    gone = bool(last.seen) and bool(ids) and not set(ids) & set(last.seen)
    lost = f"{where} rolled over: {len(ids)} entries, none of them known; collect more often" if gone else None
    whole = not document.bozo  # the rest of a broken document must not be answered with "not modified"
    feed = _Feed(
        seen=ids or last.seen,
        etag=answer.headers.get("etag", "") if whole else "",
        modified=answer.headers.get("last-modified", "") if whole else "",
    )
    return _News(records=tuple(reversed(fresh)), feed=feed, lost=lost)


def _record(entry: Mapping[str, object], *, feed: str, site: str) -> Raw:
    """An entry's own words and what is needed to read it later by itself; the id is the same at every reading."""
    content = entry.get("content")
    bodies = [str(part.get("value", "")) for part in content] if isinstance(content, list) else []
    body = max([*bodies, str(entry.get("summary", ""))], key=len)
    given = str(entry.get("id") or entry.get("link") or "")
    # An address names an entry everywhere; a bare number only within its feed; without either, its words must do.
    native = given if "://" in given else f"{site} {feed} {given}" if given else f"{site} {entry.get('title')} {body}"
    stamp = entry.get("published_parsed") or entry.get("updated_parsed")
    return {
        "id": digest(native),
        "guid": given,
        "link": str(entry.get("link", "")),
        "title": str(entry.get("title", "")),
        "body": body,
        "author": str(entry.get("author", "")),
        "published": str(entry.get("published") or entry.get("updated") or ""),
        "at": _iso(stamp) if isinstance(stamp, time.struct_time) else "",
        "feed": feed,
        "site": site,
    }


def _page(news: _News, feeds: Mapping[str, _Feed], *, onward: str, alone: bool) -> Page:
    stored = {key: {"seen": feed.seen, "etag": feed.etag, "modified": feed.modified} for key, feed in feeds.items()}
    position = json.dumps({"feeds": stored, "next": onward})
    times = [at for record in news.records if (at := _time(str(record["at"])))]
    return Page(
        records=news.records,
        newest=position,
        newest_at=max(times, default=None),
        oldest_at=min(times, default=None),
        next_token=None if alone else onward,
        lost=news.lost,
    )


def _restored(position: str | None, keys: list[str]) -> tuple[dict[str, _Feed], int]:
    """What the feeds showed last, and which of them is next."""
    stored = json.loads(position or '{"feeds": {}, "next": ""}')
    feeds = {
        key: _Feed(seen=tuple(feed["seen"]), etag=feed["etag"], modified=feed["modified"])
        for key, feed in stored["feeds"].items()
        if key in keys
    }
    return feeds, keys.index(stored["next"]) if stored["next"] in keys else 0


def digest(text: str) -> str:
    """A short name for an address or an entry, which does not give it away."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _iso(stamp: time.struct_time) -> str:
    try:
        return datetime.fromtimestamp(calendar.timegm(stamp), UTC).isoformat()
    except (ValueError, OverflowError):
        return ""  # no time at all is like none given


def _time(iso: str) -> datetime | None:
    try:
        return datetime.fromisoformat(iso) if iso else None
    except ValueError as error:
        raise BadRecord(f"at is {iso!r}, no time") from error


def _text(raw: Raw, key: str) -> str:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRecord(f"{key} is no text")
    return (value or "").strip()
