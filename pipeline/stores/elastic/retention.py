"""Forgetting: months of posts that nobody needs any more, conversation by conversation; an empty month's index goes.

A conversation goes ticket first, then its posts, then its history: interrupted, the next call finds nothing that needs
what is left. A ticket that somebody works on meanwhile stays, with all that is its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import islice

from pipeline.domain import Batch, Month, Ticket
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, moment, scored_mention, stamp
from pipeline.stores.elastic.indices import month_of
from pipeline.stores.elastic.mentions import OLDEST_FIRST, TERMS, groups, with_ids
from pipeline.stores.elastic.progress import empty_outboxes
from pipeline.stores.elastic.wire import Document, Found, Write, key, packed, portions

_AT_ONCE = 1_000  # mentions looked at in one turn


class ElasticRetention:
    """``ports.Retention`` in Elasticsearch."""

    _connection: Connection

    def months(self, before: datetime) -> list[Month]:
        """The months that ended by then and hold mentions, oldest first: nothing is changed."""
        mentions: Counter[date] = Counter()
        needed: Counter[date] = Counter()
        tickets: dict[str, date] = {}
        for turn in self._posted(before):
            conversations = {_conversation(each) for each in turn}
            kept = self._needed(conversations, before)
            for each in turn:
                first = _month(each.document["posted_at"])
                mentions[first] += 1
                needed[first] += _conversation(each) in kept
            gone = [each for each in conversations if each not in kept and each not in tickets]
            there = self._connection.get_many((self._tickets, each) for each in gone)
            last = self._last_posts([each for _, each in there])
            tickets |= {each: _month(at) for each, at in last.items()}
        counts = Counter(tickets.values())
        return [
            Month(first=first, mentions=mentions[first], needed=needed[first], tickets=counts[first])
            for first in sorted(mentions)
        ]

    def forget(self, before: datetime) -> list[Month]:
        """Remove what is not needed, with its tickets and their history; the months as they were found."""
        found = self.months(before)
        forgotten = False
        for turn in self._posted(before):
            conversations = {_conversation(each) for each in turn}
            forgotten |= self._forget(conversations - self._needed(conversations, before), before)
        for month in found:
            self._drop(month.first)
        if forgotten:
            self._connection.bump()
        return found

    def spent_batches(self, before: datetime, *, limit: int = 100) -> list[Batch]:
        """Triaged batches that were landed before then, oldest first."""
        spent: list[Document] = [
            {"term": {"kind": "batch"}}, {"exists": {"field": "triaged_at"}}, {"range": {"landed_at": {"lt": stamp(before)}}}
        ]  # fmt: skip
        body: Document = {"query": {"bool": {"filter": spent}}, "sort": ["landed_at", "id"]}
        found = self._connection.hits(self._connection.index("progress"), body, limit=limit)
        return [decoded(Batch, each.document) for each in found]

    def forget_batches(self, batches: Sequence[Batch]) -> None:
        """Remove batches, whose files are gone, and their dead letters."""
        if not batches:
            return
        empty_outboxes(self._connection)  # or one that a cursor still carries would be pending again
        index = self._connection.index("progress")
        gone: list[str] = []
        for portion in portions((batch.id for batch in batches), TERMS):
            letters: list[Document] = [{"term": {"kind": "letter"}}, {"terms": {"batch": portion}}]
            body: Document = {"query": {"bool": {"filter": letters}}, "sort": ["id"], "_source": False}
            gone += [each.id for each in self._connection.hits(index, body)]
        gone += [f"batch {batch.id}" for batch in batches]
        self._connection.bulk([Write(action="delete", index=index, id=id_) for id_ in gone], refresh=True)

    def _posted(self, before: datetime) -> Iterator[list[Found]]:
        """Mentions posted before then, some at a time."""
        query: Document = {"range": {"posted_at": {"lt": stamp(before)}}}
        fields = ["id", "conversation", "posted_at", "whole"]
        hits = self._connection.hits(self._mentions, {"query": query, "sort": OLDEST_FIRST, "_source": fields})
        while turn := list(islice(hits, _AT_ONCE)):
            yield turn

    def _needed(self, conversations: Collection[str], before: datetime) -> set[str]:
        """Those of the conversations that somebody needs, for their own sake or for an original that they repeat."""
        repeated = self._repeated(conversations)
        asked = {*conversations, *(original for _, original in repeated)}
        alone = self._needed_alone(asked, before)
        return (set(conversations) & alone) | {copy for copy, original in repeated if original in alone}

    def _needed_alone(self, conversations: Collection[str], before: datetime) -> set[str]:
        needed = {each for each, at in self._last_posts(conversations).items() if at >= stamp(before)}
        for (_, id_), found in self._connection.get_many((self._tickets, each) for each in conversations).items():
            if _is_needed(decoded(Ticket, found.document), before):
                needed.add(id_)
        return needed | (self._held() & set(conversations))

    def _held(self) -> set[str]:
        """The conversations of posts that open incidents hold."""
        query: Document = {"bool": {"must_not": {"exists": {"field": "closed_at"}}}}
        incidents = self._connection.hits(self._connection.index("incidents"), {"query": query, "sort": ["id"]})
        posts = {mention for incident in incidents for mention in incident.document["mentions"]}
        return {_conversation(each) for each in with_ids(self._connection, posts)}

    def _repeated(self, conversations: Collection[str]) -> set[tuple[str, str]]:
        """Conversations with a copy, and that of the original."""
        copies: dict[str, set[str]] = {}  # conversations by the original
        for portion in portions(map(key, conversations), TERMS):
            clauses: list[Document] = [{"terms": {"conversation": portion}}, {"exists": {"field": "fold"}}]
            query: Document = {"bool": {"filter": clauses}}
            for each in self._connection.hits(self._mentions, {"query": query, "sort": OLDEST_FIRST}):
                mention = scored_mention(each.document).mention
                copies.setdefault(str(mention.fold), set()).add(mention.conversation)
        pairs: set[tuple[str, str]] = set()
        for each in with_ids(self._connection, copies):
            original = scored_mention(each.document).mention
            pairs |= {(copy, original.conversation) for copy in copies[original.id]}
        return pairs

    def _last_posts(self, conversations: Collection[str]) -> dict[str, int]:
        """When the last post of each conversation was posted."""
        last: dict[str, int] = {}
        for portion in portions(conversations, TERMS):
            names = {key(each): each for each in portion}
            query: Document = {"terms": {"conversation": list(names)}}
            for bucket in groups(self._connection, self._mentions, query, "conversation"):
                last[names[bucket["key"]["conversation"]]] = int(bucket["last"]["value"])
        return last

    def _forget(self, conversations: Collection[str], before: datetime) -> bool:
        """Remove conversations, but for those whose ticket somebody changes meanwhile and for posts that have come since;
        whether there were any."""
        there = self._connection.get_many((self._tickets, each) for each in conversations)
        deletes = [Write(action="delete", index=self._tickets, id=id_, over=found) for (_, id_), found in there.items()]
        stand = self._connection.bulk(deletes, refresh=True)
        kept = {write.id for write, place in zip(deletes, stand, strict=True) if place is None}
        gone = set(conversations) - kept
        subjects = {
            *gone,
            *(was for (_, id_), each in there.items() if id_ in gone for was in each.document.get("was", ())),
        }
        writes: list[Write] = []
        for portion in portions(map(key, gone), TERMS):
            old: list[Document] = [
                {"terms": {"conversation": portion}},
                {"range": {"posted_at": {"lt": stamp(before)}}},
            ]
            posts: Document = {"query": {"bool": {"filter": old}}, "sort": OLDEST_FIRST, "_source": ["posted_at"]}
            writes += [
                Write(action="delete", index=month_of(self._connection, moment(each.document["posted_at"])), id=each.id)
                for each in self._connection.hits(self._mentions, posts)
            ]
        for portion in portions(map(key, subjects), TERMS):
            lines: Document = {"query": {"terms": {"subject": portion}}, "sort": ["id"], "_source": False}
            events = self._connection.index("events")
            writes += [
                Write(action="delete", index=events, id=each.id) for each in self._connection.hits(events, lines)
            ]
        self._connection.bulk(writes)
        self._connection.refresh(write.index for write in writes)
        return bool(writes)

    def _drop(self, first: date) -> None:
        """Remove the index of a month that holds nothing any more: first nobody may write to it, then it is counted."""
        alias = month_of(self._connection, datetime(first.year, first.month, 1, tzinfo=UTC))
        for name in self._connection.request("GET", f"/{alias}/_alias", missing={}):
            if self._holds(name):
                continue
            self._connection.request("PUT", f"/{name}/_block/write")
            self._connection.refresh([name])
            if self._holds(name):
                self._connection.request("PUT", f"/{name}/_settings", packed({"index.blocks.write": None}))
            else:
                self._connection.request("DELETE", f"/{name}", missing={})

    def _holds(self, name: str) -> bool:
        return bool(self._connection.request("GET", f"/{name}/_count")["count"])

    @property
    def _mentions(self) -> str:
        return self._connection.index("mentions")

    @property
    def _tickets(self) -> str:
        return self._connection.index("tickets")


def _is_needed(ticket: Ticket, before: datetime) -> bool:
    """Whether a ticket waits, or was worked on since."""
    if ticket.waiting_since is not None and ticket.resolved_at is None:
        return True
    worked = (ticket.last_at, ticket.claimed_until, ticket.answered_at, ticket.resolved_at, ticket.reopened_at)
    return any(at is not None and at >= before for at in worked)


def _conversation(found: Found) -> str:
    return str(found.document.get("whole", {}).get("conversation", found.document["conversation"]))


def _month(stamp: int) -> date:
    return moment(stamp).date().replace(day=1)
