"""What people say of mentions: a log that only grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.domain import Label
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, encoded
from pipeline.stores.elastic.wire import Document, Write, key, portions

_TERMS = 10_000  # mentions of one question: far below the 65,536 that a query takes

_KEPT: Document = {"type": "object", "enabled": False}  # of any shape, given back as it came

LABELS: Document = {
    "id": {"type": "keyword"},
    "mention": {"type": "keyword", "doc_values": False},
    "at": {"type": "long"},
    "whole": _KEPT, "head": _KEPT, "value": _KEPT, "who": _KEPT, "model": _KEPT, "said": _KEPT, "language": _KEPT,
}  # fmt: skip
"""The fields of the index; ``whole`` is a mention's id where that is too long to be looked for."""


class ElasticLabels:
    """``ports.Labels`` in Elasticsearch."""

    _connection: Connection

    def add_labels(self, labels: Sequence[Label]) -> None:
        """Add to the log; those whose ids are known change nothing."""
        if not labels:
            return
        writes = [
            Write(action="keep", index=self._labels, id=label.id, document=label_document(label)) for label in labels
        ]
        self._connection.bulk([*writes, self._connection.change()], refresh=True)

    def labels_of(self, mentions: Iterable[str]) -> dict[str, list[Label]]:
        """All labels of each of these mentions, oldest first; mentions without any are left out."""
        found: dict[str, list[Label]] = {}
        for portion in portions(map(key, mentions), _TERMS):
            body: Document = {"query": {"terms": {"mention": portion}}, "sort": ["id"]}
            for each in self._connection.hits(self._labels, body):
                label = label_of(each.document)
                found.setdefault(label.mention, []).append(label)
        return found

    def labels(self, *, after: str = "", limit: int = 1000) -> list[Label]:
        """The log from the id ``after`` on, oldest first."""
        body: Document = {"sort": ["id"], **({"search_after": [after]} if after else {})}
        return [label_of(each.document) for each in self._connection.hits(self._labels, body, limit=limit)]

    @property
    def _labels(self) -> str:
        return self._connection.index("labels")


def label_document(label: Label) -> Document:
    """A label as it is indexed."""
    document = encoded(label)
    found = key(label.mention)
    return document if found == label.mention else document | {"mention": found, "whole": label.mention}


def label_of(document: Document) -> Label:
    """The label of a document."""
    return decoded(Label, document | {"mention": document.get("whole", document["mention"])})
