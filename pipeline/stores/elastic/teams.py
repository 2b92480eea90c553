"""The tickets of teams, as queries."""

from __future__ import annotations

from pipeline.domain import Filters, Scope, Share
from pipeline.stores.elastic.wire import Document


def clauses(filters: Filters) -> list[Document]:
    """The queries of ``shares`` and ``languages``; none where none are asked."""
    asked: list[Document] = []
    if filters.shares:
        asked.append(_any([_share(share) for share in filters.shares]))
    if filters.languages:
        asked.append({"terms": {"language": list(filters.languages)}})
    return asked


def _share(share: Share) -> Document:
    given: Document = {"term": {"team": share.team}}
    if not share.scopes:
        return given
    ruled: Document = {
        "bool": {
            "filter": [_any([_scope(scope) for scope in share.scopes])],
            "must_not": [{"terms": {"team": list(share.known)}}, *(_scope(scope) for scope in share.before)],
        }
    }
    return _any([given, ruled])


def _scope(scope: Scope) -> Document:
    named = (
        ("brand", scope.brands), ("language", scope.languages), ("category", scope.categories),
        ("urgent", scope.urgencies),
    )  # fmt: skip
    wanted: list[Document] = [{"terms": {field: [str(each) for each in values]}} for field, values in named if values]
    unwanted: list[Document] = [{"terms": {"language": list(scope.other_than)}}] if scope.other_than else []
    return {"bool": {"filter": wanted, "must_not": unwanted}} if wanted or unwanted else {"match_all": {}}


def _any(queries: list[Document]) -> Document:
    return {"bool": {"should": queries, "minimum_should_match": 1}}
