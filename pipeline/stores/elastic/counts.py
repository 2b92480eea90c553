"""Counts by the time of posting, the people behind them, and conversations that spread.

Nothing is kept beside the mentions: an index of a month that nobody writes to answers the same question from its own
cache, and one to which a late post comes counts again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pipeline.domain import (
    QUARTER,
    Bucket,
    Category,
    Measure,
    ScoredMention,
    Sentiment,
    Series,
    SeriesKind,
    Spread,
    Urgency,
)
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import moment, scored_mention, stamp
from pipeline.stores.elastic.mentions import BUCKETS, NEWEST_FIRST, ORIGINAL, groups, with_ids
from pipeline.stores.elastic.wire import MICROSECOND, Document

_NOT_SPAM: Document = {"bool": {"must_not": {"term": {"category": Category.SPAM.value}}}}
_NOT_OWN: Document = {"term": {"own": False}}
_MEASURED: dict[Measure, Document] = {
    Measure.ALL: {"match_all": {}},
    Measure.NEGATIVE: {"term": {"sentiment": Sentiment.NEGATIVE.value}},
    Measure.URGENT: {"terms": {"urgency": [Urgency.CRITICAL.value, Urgency.HIGH.value]}},
}


class ElasticCounts:
    """``ports.Counts`` in Elasticsearch."""

    _connection: Connection

    def counts(
        self, kind: SeriesKind, *, since: datetime, until: datetime, width: timedelta = QUARTER
    ) -> dict[str, list[Bucket]]:
        """The buckets that hold anything, by the series' names, oldest first."""
        step = width // MICROSECOND
        sources: list[Document] = [
            {"name": {"terms": {"field": kind.value}}},
            {"start": {"histogram": {"field": "posted_at", "interval": step}}},
        ]
        query: Document = {"bool": {"filter": [_within(_floor(since), _floor(until)), *ORIGINAL, _NOT_SPAM]}}
        found: dict[str, list[Bucket]] = {}
        for each in self._grouped(query, sources):
            start = moment(int(each["key"]["start"]))
            bucket = Bucket(
                start=start,
                posts=each["doc_count"],
                negative=each[Measure.NEGATIVE.value]["doc_count"],
                urgent=each[Measure.URGENT.value]["doc_count"],
            )
            found.setdefault(each["key"]["name"], []).append(bucket)
        return found

    def people(self, series: Series, *, since: datetime, until: datetime) -> int:
        """How many different authors wrote the posts of a series."""
        query = _of(series, since, until)
        return sum(1 for _ in groups(self._connection, self._connection.index("mentions"), query, "author.id"))

    def posts_of(self, series: Series, *, since: datetime, until: datetime, limit: int = 50) -> list[ScoredMention]:
        """The posts of a series, newest first."""
        body: Document = {"query": _of(series, since, until), "sort": NEWEST_FIRST}
        hits = self._connection.hits(self._connection.index("mentions"), body, limit=limit)
        return [scored_mention(each.document) for each in hits]

    def spreads(self, *, since: datetime, until: datetime, people: int) -> list[Spread]:
        """Conversations in which at least so many people posted, or repeated a post of it, then; the widest first.

        Copies are found by their original: it tells the conversation.
        """
        within = [_within(since, until), _NOT_OWN, _NOT_SPAM]
        index = self._connection.index("mentions")
        copied: Document = {"bool": {"filter": [*within, {"exists": {"field": "fold"}}]}}
        written: Document = {"bool": {"filter": within, "must_not": {"exists": {"field": "fold"}}}}
        copies = [
            (each["key"]["fold"], each["key"]["author.id"], each["key"]["brand"], each["doc_count"])
            for each in groups(self._connection, index, copied, "fold", "author.id", "brand")
        ]
        told = {
            each.document["id"]: each.document["conversation"]
            for each in with_ids(self._connection, {fold for fold, *_ in copies})
        }
        heard: dict[str, list[tuple[str, str, int]]] = {}
        for fold, author, brand, posts in copies:
            heard.setdefault(told.get(fold, fold), []).append((author, brand, posts))
        for each in groups(self._connection, index, written, "conversation", "author.id", "brand"):
            key = each["key"]
            heard.setdefault(key["conversation"], []).append((key["author.id"], key["brand"], each["doc_count"]))
        spreads = [
            Spread(
                conversation=conversation,
                brand=min(brand for _, brand, _ in parts),
                posts=sum(posts for *_, posts in parts),
                people=len({author for author, *_ in parts}),
            )
            for conversation, parts in heard.items()
        ]
        return sorted(
            (each for each in spreads if each.people >= people), key=lambda each: (-each.people, each.conversation)
        )

    def _grouped(self, query: Document, sources: list[Document]) -> Iterator[Document]:
        """Documents by name and time, with how many of each are negative and urgent."""
        measures: Document = {
            measure.value: {"filter": _MEASURED[measure]} for measure in (Measure.NEGATIVE, Measure.URGENT)
        }
        after: Document = {}
        while True:
            grouped: Document = {"composite": {"size": BUCKETS, "sources": sources, **after}, "aggs": measures}
            body: Document = {"query": query, "size": 0, "aggs": {"groups": grouped}}
            answer = self._connection.search(self._connection.index("mentions"), body)
            if "aggregations" not in answer:  # there is no index yet
                return
            buckets = answer["aggregations"]["groups"]["buckets"]
            yield from buckets
            if len(buckets) < BUCKETS:
                return
            after = {"after": answer["aggregations"]["groups"]["after_key"]}


def _of(series: Series, since: datetime, until: datetime) -> Document:
    named: Document = {"term": {series.kind.value: series.name}}
    return {"bool": {"filter": [_within(since, until), *ORIGINAL, _NOT_SPAM, named, _MEASURED[series.measure]]}}


def _within(since: datetime, until: datetime) -> Document:
    return {"range": {"posted_at": {"gte": stamp(since), "lt": stamp(until)}}}


def _floor(at: datetime) -> datetime:
    step = QUARTER // MICROSECOND
    return moment(stamp(at) // step * step)
