"""Hacker News stories and comments, through Algolia's search of them.

Paging ends at 1,000 hits, so the walk back narrows ``created_at_i`` instead: a page is as many hits as Algolia ever gives,
and the next one begins in the second of the oldest seen (again, because a second may hold more; ids sort that out).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal
from urllib.parse import urlencode

from pipeline.config import HackerNewsSource as Settings
from pipeline.domain import Author, Mention, Page, Query, Raw, Window
from pipeline.errors import BadRecord
from pipeline.query import ALGOLIA, compile_query
from pipeline.sources.http import get, json_of, judge
from pipeline.sources.markup import text_of
from pipeline.sources.timeline import Found, Stretch, read_back

MOST_HITS = 1000  # Algolia's paginationLimitedTo: hits beyond are never given
SETTLING = timedelta(minutes=10)  # the index fills late and out of order; what is that young is read again
FIRST_WINDOW = timedelta(days=1)
CLOCK_SKEW = timedelta(minutes=5)
ITEM = "https://news.ycombinator.com/item?id="
ADVICE = "check base_url in tocsin.toml, and whether hn.algolia.com/api still describes this search"


class HackerNewsSource:
    """Implements ``ports.Source``; a position is a second (``created_at_i``)."""

    kind: ClassVar[str] = "hackernews"
    order: ClassVar[Literal["newest first", "oldest first"]] = "newest first"

    def __init__(self, settings: Settings, *, hits: int = MOST_HITS) -> None:
        self.name = settings.name
        self._settings = settings
        self._hits = hits

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        """One page of the window, one call for each search that is due; raises our errors."""
        crowded: list[int] = []

        def look(search: str, stretch: Stretch) -> Found:
            hits = self._search(search, stretch, now=now)
            more = len(hits) >= self._hits
            seconds = tuple(second for hit in hits if (second := _second(hit)) is not None)
            # A whole page of the one second left below cannot be narrowed: the rest of that second is out of reach.
            stuck = more and stretch.below is not None and min(seconds, default=0) == stretch.below - 1
            if stuck:
                crowded.append(seconds[0])
            return Found(records=hits, positions=seconds, more=more, step=0 if stuck else 1)

        page = read_back(
            window,
            compile_query(query, ALGOLIA),
            look,
            above=int(window.newer_than or (now - FIRST_WINDOW).timestamp()),
            latest=int((now + CLOCK_SKEW).timestamp()),
            settled=int((now - SETTLING).timestamp()),
            at=_at,
            name=f"source {self.name!r}",
        )
        if not crowded:
            return page
        return replace(page, lost=f"Algolia gives no more than {self._hits} posts of one second ({_at(crowded[0])})")

    def _search(self, search: str, stretch: Stretch, *, now: datetime) -> tuple[Raw, ...]:
        bounds = [f"created_at_i>{stretch.above}"]
        if stretch.below is not None:
            bounds.append(f"created_at_i<{stretch.below}")
        parameters = {
            "query": search,
            "tags": "(story,comment)",
            "numericFilters": ",".join(bounds),
            "hitsPerPage": self._hits,
            "typoTolerance": "false",
            "queryType": "prefixNone",  # by default Algolia takes the last word for the beginning of one
            "advancedSyntax": "true",
            "attributesToHighlight": "",  # else every text comes twice
        }
        url = f"{self._settings.base_url.rstrip('/')}/search_by_date?{urlencode(parameters)}"
        answer = get(url, timeout=self._settings.timeout)
        judge(answer, now=now, advice=ADVICE)
        hits = json_of(answer.body, where=answer.where, advice=ADVICE).get("hits")
        found = hits if isinstance(hits, list) else [{"unreadable": hits}]
        return tuple(hit if isinstance(hit, dict) else {"unreadable": hit} for hit in found)

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        """The mention of one hit; raises ``BadRecord``."""
        native = _text(raw, "objectID")
        if not native:
            raise BadRecord("no objectID")
        second, handle = _second(raw), _text(raw, "author")
        if second is None:
            raise BadRecord(f"created_at_i is {raw.get('created_at_i')!r}, no time")
        if not handle:
            raise BadRecord("no author")
        text = "\n\n".join(part for part in (_text(raw, "title"), *_bodies(raw)) if part)
        if not text:
            raise BadRecord("no text")
        story, parent = _number(raw, "story_id"), _number(raw, "parent_id")
        return Mention(
            id=f"{self.name}:{native}",
            source=self.name,
            query=query.name,
            brand=query.brand,
            author=Author(id=f"{self.name}:{handle}", handle=handle),
            text=text,
            posted_at=_time(second),
            collected_at=collected_at,
            url=f"{ITEM}{native}",
            conversation=f"{self.name}:{story or native}",
            in_reply_to=f"{self.name}:{parent}" if parent else None,
            likes=_number(raw, "points") or 0,
            replies=_number(raw, "num_comments") or 0,
        )


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _time(second: int) -> datetime:
    try:
        return _at(second)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRecord(f"created_at_i is {second}, no time") from error


def _second(raw: Raw) -> int | None:
    return _number(raw, "created_at_i")


def _number(raw: Raw, key: str) -> int | None:
    value = raw.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(raw: Mapping[str, object], key: str) -> str:
    value = raw.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRecord(f"{key} is no text")
    return value.strip()


def _bodies(raw: Raw) -> tuple[str, ...]:
    return tuple(text_of(body) for key in ("story_text", "comment_text") if (body := _text(raw, key)))
