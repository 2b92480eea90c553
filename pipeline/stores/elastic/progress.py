"""Cursors, gaps, batches, dead letters, and what they say of coverage.

A cursor carries the gaps and the batch that were saved with it (``outbox``), so that the three are one write. They are
copied to documents of their own after it, and again before the next save, in case the copy was lost; whoever reads takes
those that a cursor carries into account.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from pipeline.domain import Batch, Coverage, Cursor, DeadLetter, Gap
from pipeline.errors import StoreUnavailable
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, encoded, stamp
from pipeline.stores.elastic.tickets import TRIES
from pipeline.stores.elastic.wire import Document, Found, Lately, Write, over

_HOUR = 3_600_000_000
_DAY_HOURS = 24
_EVER = datetime.min.replace(tzinfo=UTC)
NOTHING: Document = {"id": "", "gaps": [], "batches": []}  # carried
_EXACT = 10_000  # posts a day of one query whose lags are told exactly; of more, to a thousandth


class ElasticProgress:
    """``ports.Progress`` in Elasticsearch."""

    _connection: Connection
    _copied: Lately

    def cursor(self, source: str, query: str) -> Cursor:
        """The cursor of one query at one source; an empty one before the first fetch."""
        found = self._connection.get(self._index, cursor_id(source, query))
        return decoded(Cursor, found.document) if found else Cursor(source=source, query=query)

    def cursors(self) -> list[Cursor]:
        """All cursors, by source and query."""
        return [decoded(Cursor, each.document) for each in self._cursors()]

    def gaps(self, source: str, query: str) -> list[Gap]:
        """Open gaps, oldest first."""
        carrying = self._connection.get(self._index, cursor_id(source, query))
        clauses = [*_of("gap", source, query), _missing("closed_at"), _missing("lost_at")]
        body: Document = {"query": {"bool": {"filter": clauses}}, "sort": ["id"]}
        gaps = {each.document["id"]: each.document for each in self._connection.hits(self._index, body)}
        gaps |= {each["id"]: each for each in _carried(carrying, "gaps")}
        of_this = (decoded(Gap, each) for each in gaps.values() if (each["source"], each["query"]) == (source, query))
        found = [gap for gap in of_this if gap.open]
        return sorted(found, key=lambda gap: (gap.since or _EVER, gap.until or _EVER, gap.opened_at, gap.id))

    def save_progress(self, cursor: Cursor, *, gaps: Iterable[Gap] = (), batch: Batch | None = None) -> None:
        """Save cursor, gaps (by id) and a landed batch together or not at all."""
        id_ = cursor_id(cursor.source, cursor.query)
        carried: Document = {
            "id": secrets.token_urlsafe(9),
            "gaps": [encoded(gap) for gap in {gap.id: gap for gap in gaps}.values()],
            "batches": [encoded(batch)] if batch is not None else [],
        }
        document = encoded(cursor) | {"kind": "cursor", "outbox": carried}
        for _ in range(TRIES):
            found = self._connection.get(self._index, id_)
            if found is not None and found.document["outbox"]["id"] not in self._copied:
                _copy(self._connection, found.document["outbox"], found.seq_no)
            saved = self._connection.write(over(found, index=self._index, id_=id_, document=document))
            if saved is not None:
                _copy(self._connection, carried, saved)
                self._copied.add(carried["id"])
                return
        raise StoreUnavailable(f"the cursor of {cursor.source}, {cursor.query} is saved by many at once; try again")

    def pending_batches(self, limit: int = 100) -> list[Batch]:
        """Landed batches not triaged yet, oldest first."""
        body: Document = {"query": {"bool": {"filter": [_kind("batch"), _missing("triaged_at")]}}}
        hits = self._connection.hits(self._index, body | {"sort": ["landed_at", "id"]}, limit=limit)
        pending = {each.document["id"]: each.document for each in hits}
        carried = {each["id"]: each for cursor in self._cursors() for each in _carried(cursor, "batches")}
        there = self._connection.get_many((self._index, f"batch {id_}") for id_ in carried)
        pending |= {id_: each for id_, each in carried.items() if (self._index, f"batch {id_}") not in there}
        return sorted((decoded(Batch, each) for each in pending.values()), key=lambda each: (each.landed_at, each.id))[
            :limit
        ]

    def batch_triaged(self, batch: Batch, *, dead_letters: Iterable[DeadLetter] = ()) -> None:
        """Mark a batch as triaged with its counts, and keep its dead letters; these first, as they say the same again."""
        writes = [
            Write(action="keep", index=self._index, id=f"letter {each.id}", document=encoded(each) | {"kind": "letter"})
            for each in dead_letters
        ]
        if writes:
            self._connection.bulk(writes)
        document = encoded(batch) | {"kind": "batch"}
        self._connection.write(Write(action="put", index=self._index, id=f"batch {batch.id}", document=document))
        self._connection.bump()  # a crash may have kept the batch's mentions and tickets from being counted as changes

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters."""
        body: Document = {"query": _kind("letter"), "sort": [{"at": "desc"}, {"id": "desc"}]}
        return [decoded(DeadLetter, each.document) for each in self._connection.hits(self._index, body, limit=limit)]

    def coverage(self, now: datetime) -> list[Coverage]:
        """What has been heard in the last 24 hours, per source and query."""
        cursors = self.cursors()
        asked = [each for cursor in cursors for each in self._questions(cursor, stamp(now))]
        answers = iter(self._connection.searches(asked))
        return [self._coverage(cursor, stamp(now), [next(answers) for _ in range(_QUESTIONS)]) for cursor in cursors]

    def _questions(self, cursor: Cursor, now: int) -> list[tuple[str, Document]]:
        """What is asked of the indices for one cursor: mentions, closed and lost gaps, pending batches, dead letters."""
        pair, since = (cursor.source, cursor.query), now - _DAY_HOURS * _HOUR
        hours: Document = {
            "field": "collected_at",
            "interval": _HOUR,
            "offset": (since + 1) % _HOUR,
            "min_doc_count": 1,
        }
        heard: Document = {
            "query": {"bool": {"filter": _heard(cursor, since, now)}},
            "track_total_hits": True,
            "size": 0,
            "aggs": {
                "hours": {"histogram": hours},
                "lags": {"percentiles": {"field": "lag", "percents": [50, 95]}},
            },
        }
        counted = (
            [*_of("gap", *pair), {"exists": {"field": "closed_at"}}],
            [*_of("gap", *pair), {"exists": {"field": "lost_at"}}],
            [*_of("batch", *pair), _missing("triaged_at")],
            [*_of("letter", *pair), {"range": {"at": {"gt": since}}}],
        )
        counts = [
            (self._index, {"query": {"bool": {"filter": clauses}}, "size": 0, "track_total_hits": True})
            for clauses in counted
        ]
        return [(self._connection.index("mentions"), heard), *counts]

    def _coverage(self, cursor: Cursor, now: int, answers: list[Document]) -> Coverage:
        since = now - _DAY_HOURS * _HOUR
        by_hour = [0] * _DAY_HOURS
        heard = answers[0].get("aggregations", {})
        for bucket in heard["hours"]["buckets"] if heard else ():
            by_hour[round((bucket["key"] - since - 1) / _HOUR)] = bucket["doc_count"]
        received, *counts = (each["hits"]["total"]["value"] for each in answers)
        lags: list[float | None] = [None, None]
        if received > _EXACT:
            lags = [heard["lags"]["values"][each] / 1e6 for each in ("50.0", "95.0")]
        elif received:
            lags = self._lags(cursor, since, now, received)
        return Coverage(
            cursor=cursor,
            received=received,
            received_by_hour=tuple(by_hour),
            lag_p50=lags[0],
            lag_p95=lags[1],
            open_gaps=tuple(self.gaps(cursor.source, cursor.query)),
            closed_gaps=counts[0],
            lost_gaps=counts[1],
            pending_batches=counts[2],
            dead_letters=counts[3],
        )

    def _lags(self, cursor: Cursor, since: int, now: int, received: int) -> list[float | None]:
        """How late half and 95 % of the posts were heard, in seconds."""
        query: Document = {"bool": {"filter": _heard(cursor, since, now)}}
        sorted_by: Document = {"query": query, "sort": ["lag"], "_source": False, "size": 1}
        index = self._connection.index("mentions")
        answers = self._connection.searches(
            [(index, {**sorted_by, "from": int((received - 1) * share)}) for share in (0.5, 0.95)]
        )
        return [each["hits"]["hits"][0]["sort"][0] / 1e6 if each["hits"]["hits"] else None for each in answers]

    def _cursors(self) -> list[Found]:
        return _cursors(self._connection)

    @property
    def _index(self) -> str:
        return self._connection.index("progress")


_QUESTIONS = 5  # of one cursor


def empty_outboxes(connection: Connection) -> None:
    """See that gaps and batches have documents of their own and are carried by no cursor, which would count for more."""
    for found in _cursors(connection):
        carried = found.document["outbox"]
        if carried["gaps"] or carried["batches"]:
            _copy(connection, carried, found.seq_no)
            emptied = found.document | {"outbox": NOTHING}
            connection.write(over(found, index=connection.index("progress"), id_=found.id, document=emptied))


def copy_carried(connection: Connection) -> None:
    """See that the gaps and batches that cursors carry have documents of their own; most have."""
    index = connection.index("progress")
    for found in _cursors(connection):
        carried = found.document["outbox"]
        ids = [
            *(f"gap {each['id']}" for each in carried["gaps"]),
            *(f"batch {each['id']}" for each in carried["batches"]),
        ]
        there = connection.get_many((index, id_) for id_ in ids)
        stale = any(each.version <= found.seq_no for (_, id_), each in there.items() if id_.startswith("gap "))
        if len(there) < len(ids) or stale:
            _copy(connection, carried, found.seq_no)


def _copy(connection: Connection, carried: Document, saved: int) -> None:
    """Give what a cursor carries documents of their own; what a later save has copied is newer, and stays."""
    index = connection.index("progress")
    writes = [
        Write(action="put", index=index, id=f"gap {gap['id']}", document=gap | {"kind": "gap"}, version=saved + 1)
        for gap in carried["gaps"]
    ]
    # Landed once: a batch that is triaged stays so.
    writes += [
        Write(action="keep", index=index, id=f"batch {batch['id']}", document=batch | {"kind": "batch"})
        for batch in carried["batches"]
    ]
    if writes:
        connection.bulk(writes, refresh=True)


def _cursors(connection: Connection) -> list[Found]:
    body: Document = {"query": _kind("cursor"), "sort": ["source", "query"]}
    return list(connection.hits(connection.index("progress"), body))


def cursor_id(source: str, query: str) -> str:
    """The id of a cursor's document."""
    return f"cursor {source}\x1f{query}"


def _carried(found: Found | None, what: str) -> list[Document]:
    return [] if found is None else found.document["outbox"][what]


def _kind(kind: str) -> Document:
    return {"term": {"kind": kind}}


def _of(kind: str, source: str, query: str) -> list[Document]:
    return [_kind(kind), {"term": {"source": source}}, {"term": {"query": query}}]


def _missing(field: str) -> Document:
    return {"bool": {"must_not": {"exists": {"field": field}}}}


def _heard(cursor: Cursor, since: int, now: int) -> list[Document]:
    within = {"range": {"collected_at": {"gt": since, "lte": now}}}
    return [{"term": {"source": cursor.source}}, {"term": {"query": cursor.query}}, within]
