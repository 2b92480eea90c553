"""The queue, as two sorted searches that are merged.

The cost of waiting of a ticket that is due stands still; that of all tickets that are not due grows alike (see
``pipeline.tickets.queue_key``). So each half is in the order of a stored number, at any time, and no script runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice

from pipeline.domain import Filters, Lane, QueueCounts, QueueItem, Ticket
from pipeline.stores.elastic import teams
from pipeline.stores.elastic.connection import WINDOW, Connection
from pipeline.stores.elastic.documents import decoded, scored_mention, stamp
from pipeline.stores.elastic.mentions import with_ids
from pipeline.stores.elastic.wire import Document
from pipeline.stores.elastic.words import OF_TICKETS, chosen

_Key = tuple[int, int, str]
"""Cost of waiting (negative, as time; a lane's apart), due_at, id."""


class ElasticQueue:
    """``ports.Tickets.queue`` and its counts in Elasticsearch."""

    _connection: Connection

    def queue(self, now: datetime, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[QueueItem]:
        """Waiting tickets, crisis lane first, then by the expected cost of waiting at ``now``."""
        if limit <= 0:
            return []
        merged = self._merged(_waiting(filters, stamp(now)), stamp(now), offset + limit)
        return self._items([id_ for _, _, id_ in islice(merged, offset, offset + limit)])

    def queue_counts(self, now: datetime, filters: Filters) -> QueueCounts:
        """How many wait, are past their respond-by, stand in the crisis lane."""
        aggregations: Document = {
            "overdue": {"filter": {"range": {"respond_by": {"lt": stamp(now)}}}},
            "crisis": {"filter": {"term": {"lane": Lane.CRISIS.value}}},
        }
        query: Document = {"bool": {"filter": _waiting(filters, stamp(now))}}
        body: Document = {"query": query, "size": 0, "track_total_hits": True, "aggs": aggregations}
        answer = self._connection.search(self._connection.index("tickets"), body)
        if "aggregations" not in answer:  # there is no index yet
            return QueueCounts(waiting=0, overdue=0, crisis=0)
        found = answer["aggregations"]
        return QueueCounts(
            waiting=answer["hits"]["total"]["value"],
            overdue=found["overdue"]["doc_count"],
            crisis=found["crisis"]["doc_count"],
        )

    def due_soon(self, now: datetime, within: timedelta, *, limit: int) -> list[Ticket]:
        """Waiting tickets that nobody holds and that must have their response within this time, the first due first."""
        due: Document = {"range": {"respond_by": {"gte": stamp(now), "lte": stamp(now + within)}}}
        query: Document = {"bool": {"filter": [*_waiting(Filters(free=True), stamp(now)), due]}}
        body: Document = {"query": query, "sort": ["respond_by", "id"]}
        found = self._connection.hits(self._connection.index("tickets"), body, limit=limit)
        return [decoded(Ticket, each.document) for each in found]

    def _merged(self, waiting: list[Document], now: int, wanted: int) -> Iterator[_Key]:
        """The queue, of which ``wanted`` are likely to be read."""
        index, size = self._connection.index("tickets"), min(wanted, WINDOW)
        due = _half({"lte": now}, "costly", waiting, size)
        early = _half({"gt": now}, "early", waiting, size)
        answers = self._connection.searches([(index, due), (index, early)])
        return merge(
            self._keys(due, answers[0]["hits"]["hits"], since=0),
            self._keys(early, answers[1]["hits"]["hits"], since=now),
        )

    def _keys(self, half: Document, hits: list[Document], *, since: int) -> Iterator[_Key]:
        """One half to its end, from its first hits on; ``since`` makes its order a cost."""
        while True:
            for hit in hits:
                order, due_at, id_ = hit["sort"]
                yield order - since, due_at, id_
            if len(hits) < half["size"]:
                return
            more = {**half, "search_after": hits[-1]["sort"]}
            hits = self._connection.search(self._connection.index("tickets"), more)["hits"]["hits"]

    def _items(self, ids: list[str]) -> list[QueueItem]:
        index = self._connection.index("tickets")
        found = self._connection.get_many((index, id_) for id_ in ids)
        tickets = [decoded(Ticket, each.document) for each in found.values()]
        ranking = (ticket.mention for ticket in tickets)
        mentions = {
            item.mention.id: item
            for item in map(scored_mention, (each.document for each in with_ids(self._connection, ranking)))
        }
        return [
            QueueItem(ticket=ticket, mention=item.mention, score=item.score)
            for ticket in tickets
            if (item := mentions.get(ticket.mention)) is not None
        ]


def _half(due_at: Document, order: str, waiting: list[Document], size: int) -> Document:
    query = {"bool": {"filter": [*waiting, {"range": {"due_at": due_at}}]}}
    return {"query": query, "sort": [order, "due_at", "id"], "size": size, "_source": False}


def _waiting(filters: Filters, now: int) -> list[Document]:
    """The tickets that wait and that filters leave."""
    held: Document = {"range": {"claimed_until": {"gt": now}}}
    clauses: list[Document] = [
        {"exists": {"field": "waiting_since"}},
        {"bool": {"must_not": {"exists": {"field": "resolved_at"}}}},
        *chosen(filters, OF_TICKETS),
    ]
    if filters.holder is not None:
        clauses += [{"term": {"claimed_by": filters.holder}}, held]
    if filters.free:
        clauses.append({"bool": {"must_not": held}})
    if filters.breached:
        clauses.append({"range": {"respond_by": {"lt": now}}})
    return clauses + teams.clauses(filters)
