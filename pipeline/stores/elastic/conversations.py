"""Conversations: whole while they are short, by pages or as an excerpt when a storm of replies has made them long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from pipeline.domain import Category, Excerpt, ScoredMention
from pipeline.errors import NotFound, StoreUnavailable
from pipeline.stores.elastic.connection import WINDOW, Connection
from pipeline.stores.elastic.documents import mention_document, scored_mention, stamp
from pipeline.stores.elastic.events import History
from pipeline.stores.elastic.indices import month_of
from pipeline.stores.elastic.mentions import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    ORIGINAL,
    TERMS,
    folded_counts,
    groups,
    with_ids,
)
from pipeline.stores.elastic.tickets import TRIES, move_ticket
from pipeline.stores.elastic.wire import MICROSECOND, Document, Found, Write, found_of, key, portions

_OWN: Document = {"term": {"own": True}}
_NOT_OWN: Document = {"term": {"own": False}}
_SPAM: Document = {"term": {"category": Category.SPAM.value}}


class ElasticConversations:
    """The part of ``ports.Mentions`` that is about conversations."""

    _connection: Connection
    _history: History

    def conversations_of(self, ids: Iterable[str]) -> dict[str, str]:
        """The conversation of each mention id that is indexed."""
        items = (scored_mention(each.document) for each in with_ids(self._connection, ids))
        return {item.mention.id: item.mention.conversation for item in items}

    def move_conversation(self, old: str, new: str) -> None:
        """Re-root a conversation whose start turned out to be a reply; its ticket goes along.

        The ticket first: while a mention still says ``old``, doing it again goes on where a crash has ended it.
        """
        if old == new:
            return
        moved = move_ticket(self._history, old, new)
        for _ in range(TRIES):
            items = list(self._of([old]))
            if not items:
                break
            writes = [_moved(self._connection, each, new) for each in items]
            self._connection.bulk(writes)
            self._connection.refresh(write.index for write in writes)
            moved = True
        else:
            raise StoreUnavailable(f"posts keep coming to the conversation {old}; try again")
        if moved:
            self._connection.bump()

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """How many mentions each conversation holds; those that hold none are left out."""
        found: dict[str, int] = {}
        for portion in portions(ids, TERMS):
            names = {key(id_): id_ for id_ in portion}
            counted: Document = {"terms": {"field": "conversation", "size": len(names)}}
            body: Document = {"query": {"terms": {"conversation": list(names)}}, "size": 0, "aggs": {"sizes": counted}}
            answer = self._connection.search(self._mentions, body)
            for bucket in answer["aggregations"]["sizes"]["buckets"] if "aggregations" in answer else ():
                found[names[bucket["key"]]] = bucket["doc_count"]
        return found

    def conversations(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """All mentions of each conversation, oldest first; for those that ``sizes`` tells are short."""
        found: dict[str, list[ScoredMention]] = {}
        for each in self._of(ids):
            item = scored_mention(each.document)
            found.setdefault(item.mention.conversation, []).append(item)
        return found

    def conversation(self, conversation: str, *, limit: int, offset: int = 0) -> list[ScoredMention]:
        """At most ``limit`` mentions of one conversation, oldest first, that end ``offset`` mentions before its last."""
        body: Document = {"query": {"term": {"conversation": key(conversation)}}, "sort": NEWEST_FIRST}
        found = self._connection.hits(self._mentions, body, limit=limit, offset=offset)
        return [scored_mention(each.document) for each in found][::-1]

    def excerpt(
        self,
        conversation: str,
        *,
        newest: int,
        gravest: int,
        handled: datetime | None = None,
        done_before: datetime | None = None,
    ) -> Excerpt:
        """What ranks a conversation of any length, see ``ports.Mentions.excerpt``; raises ``NotFound``."""
        thread: Document = {"term": {"conversation": key(conversation)}}
        posts = self._ids(thread)
        if not posts:
            raise NotFound(f"there is no conversation {conversation}")
        first, last, answer = self._first_of(
            thread, ([_NOT_OWN], OLDEST_FIRST, 1), ([_NOT_OWN], NEWEST_FIRST, 1), ([_OWN], NEWEST_FIRST, 1)
        )
        waits = [_NOT_OWN, *_posted("gt", answer)]
        if done_before is not None:
            waits.append({"range": {"posted_at": {"gte": stamp(done_before)}}})
        if handled is not None:
            waits.append({"range": {"collected_at": {"gt": stamp(handled)}}})
        unanswered = [*waits, {"bool": {"must_not": _SPAM}}]
        kept = self._first_of(
            thread,
            ([], NEWEST_FIRST, newest),
            ([_OWN, *_posted("gte", first)], OLDEST_FIRST, 1 if first else 0),
            (unanswered, OLDEST_FIRST, 1),
            (unanswered, [{"collected_at": "desc"}, *OLDEST_FIRST], 1),
            (waits, [{"grave": "desc"}, {"crisis": "desc"}, *OLDEST_FIRST], gravest),
        )
        documents = {each.id: each.document for each in chain(first, last, answer, *kept)}
        items = sorted(
            map(scored_mention, documents.values()), key=lambda each: (each.mention.posted_at, each.mention.id)
        )
        copies = folded_counts(self._connection, posts).values()
        return Excerpt(
            mentions=tuple(items),
            posts=len(posts),
            people=sum(1 for _ in groups(self._connection, self._mentions, _all(thread, [_NOT_OWN]), "author.id")),
            waiting=self._count(_all(thread, unanswered)),
            folded=sum(number for number, _ in copies),
            folded_people=sum(people for _, people in copies),
        )

    def _first_of(self, thread: Document, *asked: tuple[list[Document], list[Document], int]) -> list[list[Found]]:
        """The first posts of a conversation by each of some clauses, order and number."""
        answers = self._connection.searches(
            [(self._mentions, {"query": _all(thread, each), "sort": sort, "size": size}) for each, sort, size in asked]
        )
        return [[found_of(hit) for hit in answer["hits"]["hits"]] for answer in answers]

    def _ids(self, thread: Document) -> list[str]:
        """The ids of all posts of a conversation, as they are indexed."""
        body: Document = {"query": thread, "sort": OLDEST_FIRST, "_source": False}
        return [each.id for each in self._connection.hits(self._mentions, body, chunk=WINDOW)]

    def _count(self, query: Document) -> int:
        answer = self._connection.search(self._mentions, {"query": query, "size": 0, "track_total_hits": True})
        return int(answer["hits"]["total"]["value"])

    def _of(self, ids: Iterable[str]) -> Iterator[Found]:
        for portion in portions(map(key, ids), TERMS):
            body: Document = {"query": {"terms": {"conversation": portion}}, "sort": OLDEST_FIRST}
            yield from self._connection.hits(self._mentions, body)

    @property
    def _mentions(self) -> str:
        return self._connection.index("mentions")

    # --- contacts ---------------------------------------------------------------------------------------------------

    def contacts(self, began: Mapping[str, datetime], *, window: timedelta) -> dict[str, int]:
        """How many conversations each author has begun in the window up to then; reposts and own posts begin none."""
        firsts = self._first_posts(began, window)
        if not firsts:
            return {}
        earliest: dict[str, dict[str, int]] = {}  # by conversation and author
        for portion in portions((conversation for _, conversation in firsts), TERMS):
            query: Document = {"bool": {"filter": [{"terms": {"conversation": portion}}, *ORIGINAL]}}
            for bucket in groups(self._connection, self._mentions, query, "conversation", "author.id"):
                of = earliest.setdefault(bucket["key"]["conversation"], {})
                of[bucket["key"]["author.id"]] = int(bucket["first"]["value"])
        counts: dict[str, int] = {}
        names = {key(author): author for author in began}
        for (author, conversation), at in firsts.items():
            if all(at <= first for other, first in earliest[conversation].items() if other != author):
                counts[names[author]] = counts.get(names[author], 0) + 1
        return counts

    def _first_posts(self, began: Mapping[str, datetime], window: timedelta) -> dict[tuple[str, str], int]:
        """When each author first wrote in a conversation, of those they wrote in within their window."""
        until = {key(author): stamp(at) for author, at in began.items()}
        long = window // MICROSECOND
        firsts: dict[tuple[str, str], int] = {}
        for portion in portions(until, TERMS):
            within = {"gte": min(until.values()) - long, "lte": max(until.values())}
            query: Document = {
                "filter": [{"terms": {"author.id": portion}}, {"range": {"posted_at": within}}, *ORIGINAL]
            }
            body: Document = {
                "query": {"bool": query}, "sort": OLDEST_FIRST, "_source": ["author.id", "conversation", "posted_at"]
            }  # fmt: skip
            for hit in self._connection.hits(self._mentions, body):
                author, at = hit.document["author"]["id"], hit.document["posted_at"]
                if until[author] - long <= at <= until[author]:
                    firsts.setdefault((author, hit.document["conversation"]), at)
        return firsts


def _all(thread: Document, clauses: list[Document]) -> Document:
    return {"bool": {"filter": [thread, *clauses]}}


def _posted(how: str, found: list[Found]) -> list[Document]:
    """The clause of what was posted before or after another, if there is one."""
    return [{"range": {"posted_at": {how: each.document["posted_at"]}}} for each in found]


def _moved(connection: Connection, found: Found, conversation: str) -> Write:
    """A mention in another conversation; what it is found by is made again, as a document does not hold it."""
    item = scored_mention(found.document)
    item = replace(item, mention=replace(item.mention, conversation=conversation))
    bands = [int(band) for band in found.document.get("bands", ())]
    index = month_of(connection, item.mention.posted_at)
    return Write(action="replace", index=index, id=item.mention.id, document=mention_document(item, bands), over=found)
