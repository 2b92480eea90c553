"""Search: mentions by words, phrases, exclusions and filters, see ``words``."""

from __future__ import annotations

from pipeline.domain import Filters, ScoredMention
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import scored_mention
from pipeline.stores.elastic.mentions import NEWEST_FIRST
from pipeline.stores.elastic.words import query


class ElasticSearch:
    """``ports.Mentions.search`` in Elasticsearch."""

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
