"""Mentions: indexed once, asked for by author, fold and danger. One index a month of ``posted_at``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.domain import ScoredMention
from pipeline.errors import NotFound
from pipeline.stores.elastic.connection import CHUNK, WINDOW, Connection
from pipeline.stores.elastic.documents import mention_document, scored_mention, stamp
from pipeline.stores.elastic.indices import make, month_of
from pipeline.stores.elastic.wire import Document, Found, Write, key, portions

TERMS = 10_000  # of one query; Elasticsearch takes 65,536
BUCKETS = 10_000  # of one page of an aggregation
CANDIDATES = 50  # originals of a band, beyond which no more are read: one template may have made thousands

OLDEST_FIRST: list[Document] = [{"posted_at": "asc"}, {"id": "asc"}]
NEWEST_FIRST: list[Document] = [{"posted_at": "desc"}, {"id": "desc"}]
ORIGINAL: list[Document] = [{"bool": {"must_not": {"exists": {"field": "fold"}}}}, {"term": {"own": False}}]

_ENDS: Document = {"first": {"min": {"field": "posted_at"}}, "last": {"max": {"field": "posted_at"}}}


class ElasticMentions:
    """The part of ``ports.Mentions`` that is neither search nor conversations."""

    _connection: Connection

    def add_mentions(self, mentions: Sequence[ScoredMention], sketches: Mapping[str, Sequence[int]]) -> list[str]:
        """Index mentions once each, with the fold bands of each id; returns the ids that were new."""
        known = self.known([item.mention.id for item in mentions])
        unknown = {item.mention.id: item for item in reversed(mentions) if item.mention.id not in known}
        if not unknown:
            return []
        writes = [
            Write(
                action="create",
                index=month_of(self._connection, item.mention.posted_at),
                id=id_,
                document=mention_document(item, sketches.get(id_, ())),
            )
            for id_, item in unknown.items()
        ]
        make(self._connection, (write.index for write in writes))
        stand = self._connection.bulk(writes)
        self._connection.refresh(write.index for write in writes)
        new = {write.id for write, place in zip(writes, stand, strict=True) if place is not None}
        if new:
            self._connection.bump()
        return [id_ for id_ in dict.fromkeys(item.mention.id for item in mentions) if id_ in new]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are indexed already."""
        by_key = {key(id_): id_ for id_ in ids}
        return {by_key[found.id] for found in self._with_ids(ids, fields=False)}

    def fold_candidates(self, bands: Iterable[int], *, since: datetime) -> dict[int, list[tuple[str, str]]]:
        """Originals (id, text) by band that share it, posted at or after ``since``; of many at least the oldest
        ``CANDIDATES``."""
        found: dict[int, dict[str, str]] = {}
        for portion in portions(map(str, bands), TERMS):
            wanted, place = set(portion), dict[str, object]()
            while wanted:
                alike: Document = {
                    "filter": [{"terms": {"bands": sorted(wanted)}}, {"range": {"posted_at": {"gte": stamp(since)}}}]
                }
                body: Document = {
                    "query": {"bool": alike}, "sort": OLDEST_FIRST, "_source": ["id", "text", "bands", "whole", "posted_at"]
                }  # fmt: skip
                hits = list(self._connection.hits(self._mentions, body | place, limit=CHUNK))
                for hit in hits:
                    for band in wanted.intersection(hit.document["bands"]):
                        found.setdefault(int(band), {})[_id(hit)] = hit.document["text"]
                if len(hits) < CHUNK:
                    break
                wanted -= {band for band in wanted if len(found.get(int(band), ())) >= CANDIDATES}
                place = {"search_after": [hits[-1].document["posted_at"], hits[-1].document["id"]]}
        return {band: list(originals.items()) for band, originals in found.items()}

    def mention(self, mention_id: str) -> ScoredMention:
        """One mention; raises ``NotFound``."""
        found = next(self._with_ids([mention_id]), None)
        if found is None:
            raise NotFound(f"there is no mention {mention_id}")
        return scored_mention(found.document)

    def folded_counts(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """How many reposts and near-duplicates each mention has, and by how many people; those without any are left out."""
        return folded_counts(self._connection, ids)

    def author_history(self, author_id: str, *, limit: int = 20) -> list[ScoredMention]:
        """What this author wrote before, newest first."""
        body: Document = {"query": {"term": {"author.id": key(author_id)}}, "sort": NEWEST_FIRST}
        return [scored_mention(each.document) for each in self._connection.hits(self._mentions, body, limit=limit)]

    def grave_mentions(self, *, since: datetime, crisis: float, limit: int = 500) -> list[ScoredMention]:
        """Originals posted and collected since then, with P(crisis) at or above ``crisis`` or a grave floor rule, that
        no incident holds yet; first heard first, of those the newest. The brand's own posts are none of them.
        """
        fresh = {"gte": stamp(since)}
        grave: Document = {"bool": {"should": [{"range": {"crisis": {"gte": crisis}}}, {"term": {"grave": True}}]}}
        query: Document = {
            "filter": [{"range": {"collected_at": fresh}}, {"range": {"posted_at": fresh}}, grave, *ORIGINAL]
        }
        body: Document = {"query": {"bool": query}, "sort": [{"collected_at": "asc"}, *NEWEST_FIRST]}
        incidents: Document = {"query": {"range": {"last_at": fresh}}, "sort": ["id"], "_source": ["mentions"]}
        held: set[str] = set()
        for incident in self._connection.hits(self._connection.index("incidents"), incidents):
            held.update(incident.document["mentions"])
        found: list[ScoredMention] = []
        for hit in self._connection.hits(self._mentions, body):
            if len(found) >= limit:
                break
            if _id(hit) not in held:
                found.append(scored_mention(hit.document))
        return found

    @property
    def _mentions(self) -> str:
        return self._connection.index("mentions")

    def _with_ids(self, ids: Iterable[str], *, fields: bool = True) -> Iterator[Found]:
        yield from with_ids(self._connection, ids, fields=fields)


def with_ids(connection: Connection, ids: Iterable[str], *, fields: bool = True) -> Iterator[Found]:
    """The mentions with these ids, oldest first within a portion; without ``fields`` only that they are there."""
    for portion in portions(map(key, ids), TERMS):
        body: Document = {"query": {"ids": {"values": portion}}, "sort": OLDEST_FIRST, "_source": fields}
        # One more than there can be: a full page would be followed by another request.
        yield from connection.hits(connection.index("mentions"), body, chunk=min(len(portion) + 1, WINDOW))


def _id(found: Found) -> str:
    return str(found.document.get("whole", {}).get("id", found.document["id"]))


def folded_counts(connection: Connection, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """How many copies each of these mentions has, and by how many people; those without any are left out."""
    found: dict[str, tuple[int, int]] = {}
    for portion in portions(ids, TERMS):
        by_key = {key(id_): id_ for id_ in portion}
        query: Document = {"terms": {"fold": list(by_key)}}
        for bucket in groups(connection, connection.index("mentions"), query, "fold", "author.id"):
            id_ = by_key[bucket["key"]["fold"]]
            posts, people = found.get(id_, (0, 0))
            found[id_] = (posts + bucket["doc_count"], people + 1)
    return found


def groups(connection: Connection, index: str, query: Document, *fields: str) -> Iterator[Document]:
    """Documents by the values of some fields: how many have the same (``doc_count``), and when the first and the
    last of them was posted (``first``, ``last``)."""
    sources: list[Document] = [{name: {"terms": {"field": name}}} for name in fields]
    after: Document = {}
    while True:
        composite: Document = {"size": BUCKETS, "sources": sources, **after}
        grouped: Document = {"composite": composite, "aggs": _ENDS}
        answer = connection.search(index, {"query": query, "size": 0, "aggs": {"groups": grouped}})
        if "aggregations" not in answer:  # there is no index yet
            return
        buckets = answer["aggregations"]["groups"]["buckets"]
        yield from buckets
        if len(buckets) < BUCKETS:
            return
        after = {"after": answer["aggregations"]["groups"]["after_key"]}
