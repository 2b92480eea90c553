"""Search: mentions by words, phrases, exclusions and filters, see ``words``; and the numbers over what is found."""

from __future__ import annotations

from datetime import tzinfo

from pipeline.domain import MOST_COUNTED, QUARTER, Facets, Filters, ScoredMention
from pipeline.search import FACETS, counted
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import scored_mention
from pipeline.stores.elastic.mentions import NEWEST_FIRST
from pipeline.stores.elastic.wire import MICROSECOND, Document
from pipeline.stores.elastic.words import query

_QUARTER = QUARTER // MICROSECOND
# As many values as documents are counted: none is left out, or estimated because it is spread over indices.
_COUNTS: Document = {name: {"terms": {"field": name, "size": MOST_COUNTED}} for name in FACETS} | {
    "quarter": {"histogram": {"field": "posted_at", "interval": _QUARTER, "min_doc_count": 1}}
}


class ElasticSearch:
    """The part of ``ports.Mentions`` that searches, in Elasticsearch."""

    _connection: Connection

    def search(self, text: str, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[ScoredMention]:
        """Mentions holding every word (any form), every "phrase" and no -excluded one, newest first.

        An empty text lists all. Raises ``ConfigError`` for a search that holds only exclusions.
        """
        wanted = query(text, filters)
        if wanted is None:
            return []
        found = self._connection.hits(
            self._connection.index("mentions"), {"query": wanted, "sort": NEWEST_FIRST}, limit=limit, offset=offset
        )
        return [scored_mention(each.document) for each in found]

    def facets(self, text: str, filters: Filters, *, zone: tzinfo) -> Facets:
        """How many mentions ``search`` finds and how they spread over what people filter by; days are those of ``zone``.

        Where more than ``MOST_COUNTED`` are found, the place of the last one that counts is looked for first.
        """
        wanted = query(text, filters)
        if wanted is None:
            return Facets()
        index = self._connection.index("mentions")
        place: Document = {
            "query": wanted, "sort": NEWEST_FIRST, "from": MOST_COUNTED - 1, "size": 1, "_source": False,
            "track_total_hits": MOST_COUNTED + 1,
        }  # fmt: skip
        hits = self._connection.search(index, place)["hits"]
        if hits["total"]["value"] > MOST_COUNTED:
            wanted = {"bool": {"filter": [wanted, _from(*hits["hits"][0]["sort"])]}}
        answer = self._connection.search(index, {"query": wanted, "size": 0, "aggs": _COUNTS})
        if "aggregations" not in answer:  # there is no index yet
            return Facets()
        buckets = {name: each["buckets"] for name, each in answer["aggregations"].items()}
        quarters = {int(each["key"] // _QUARTER): each["doc_count"] for each in buckets.pop("quarter")}
        values = {name: {each["key"]: each["doc_count"] for each in those} for name, those in buckets.items()}
        return counted(hits["total"]["value"], values, quarters, zone)


def _from(posted_at: int, id_: str) -> Document:
    """From a place in the order of ``NEWEST_FIRST`` on."""
    as_old: list[Document] = [{"term": {"posted_at": posted_at}}, {"range": {"id": {"gte": id_}}}]
    return {"bool": {"should": [{"range": {"posted_at": {"gt": posted_at}}}, {"bool": {"filter": as_old}}]}}
