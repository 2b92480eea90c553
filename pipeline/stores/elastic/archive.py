"""Everything in the store, out and in as it is, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from pipeline.domain import (
    Batch,
    ChainRun,
    Cursor,
    DeadLetter,
    Event,
    Gap,
    Incident,
    Label,
    Notice,
    Outage,
    Record,
    ScoredMention,
    Ticket,
    key_of,
)
from pipeline.errors import Conflict, StoreRefused
from pipeline.stores.elastic.alarms import take_cause
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, encoded, mention_document, scored_mention, ticket_document
from pipeline.stores.elastic.events import History, outbox, resolved
from pipeline.stores.elastic.indices import make, month_of
from pipeline.stores.elastic.labels import label_document, label_of
from pipeline.stores.elastic.mentions import with_ids
from pipeline.stores.elastic.progress import NOTHING, copy_carried, cursor_id, empty_outboxes
from pipeline.stores.elastic.tickets import finish_moves
from pipeline.stores.elastic.wire import Document, Found, Write, key

# The noun whose index holds a kind of record, and what tells it from others there.
_PLACES: Mapping[type[Record], tuple[str, str | None]] = {
    ScoredMention: ("mentions", None),
    Ticket: ("tickets", None),
    Event: ("events", None),
    Label: ("labels", None),
    Incident: ("incidents", None),
    Notice: ("notices", None),
    ChainRun: ("escalation", "run"),
    Outage: ("escalation", "outage"),
    DeadLetter: ("progress", "letter"),
    Batch: ("progress", "batch"),
    Gap: ("progress", "gap"),
    Cursor: ("progress", "cursor"),
}


class ElasticArchive:
    """``ports.Archive`` in Elasticsearch."""

    _connection: Connection
    _history: History

    def count(self, kind: type[Record]) -> int:
        """How many records of a kind there are."""
        noun, _ = _PLACES[kind]
        body: Document = {"query": _only(kind), "size": 0, "track_total_hits": True}
        return int(self._connection.search(self._connection.index(noun), body)["hits"]["total"]["value"])

    def dump(self, kind: type[Record], *, after: str = "", limit: int = 1000) -> list[Record]:
        """The next records of a kind, whose keys come after ``after``, by key in the order of code points.

        What a crash has kept from its place is brought there before the first page.
        """
        if not after:
            self._settle(kind)
        noun, _ = _PLACES[kind]
        index = self._connection.index(noun)
        if kind is Cursor:  # a handful; their keys are no field
            cursors: list[Record] = [decoded(kind, each.document) for each in self._hits(index, _by_cursor)]
            return [each for each in sorted(cursors, key=key_of) if key_of(each) > after][:limit]
        last = int(after or "0") if kind is Event else key(after) if kind is ScoredMention else after
        place: Document = {"search_after": [last]} if after else {}
        found = self._hits(index, {"query": _only(kind), "sort": ["id"], **place}, limit=limit)
        if kind is ScoredMention:
            return [scored_mention(each.document) for each in found]
        if kind is Event:
            return list(resolved(self._connection, [each.document for each in found]))
        if kind is Label:
            return [label_of(each.document) for each in found]
        return [decoded(kind, each.document) for each in found]

    def load(self, records: Sequence[Record], *, sketches: Mapping[str, Sequence[int]]) -> None:
        """Write records of one kind as they are; replaces those of their keys."""
        if not records:
            return
        if mentions := [each for each in records if isinstance(each, ScoredMention)]:
            self._load_mentions(mentions, sketches)
        else:
            self._release(records)
            self._take_causes(each for each in records if isinstance(each, Incident))
            self._connection.bulk([self._put(each) for each in records], refresh=True)
        self._connection.bump()

    def _release(self, records: Sequence[Record]) -> None:
        """See that documents to be replaced carry nothing that is nowhere else, and none carries a record to be loaded."""
        noun, _ = _PLACES[type(records[0])]
        if noun == "progress":
            empty_outboxes(self._connection)
        elif noun in {"tickets", "incidents"}:
            there = self._connection.get_many((self._connection.index(noun), key_of(each)) for each in records)
            self._history.copy([each for found in there.values() for each in outbox(found)])

    def _put(self, record: Any) -> Write:
        noun, name = _PLACES[type(record)]
        id_ = key_of(record)
        match record:
            case Ticket():
                document = ticket_document(record) | {"outbox": [], "outbox_ids": []}
            case Event():
                id_, document = str(record.id), encoded(record) | {"subject": key(record.subject)}
            case Incident():
                document = encoded(record) | {"outbox": []}
            case Label():
                document = label_document(record)
            case Cursor():
                id_ = cursor_id(record.source, record.query)
                document = encoded(record) | {"outbox": NOTHING}
            case _:
                document = encoded(record)
        if name is not None:
            document["kind"] = name
            id_ = id_ if name == "cursor" else f"{name} {id_}"
        return Write(action="put", index=self._connection.index(noun), id=id_, document=document)

    def _load_mentions(self, items: Sequence[ScoredMention], sketches: Mapping[str, Sequence[int]]) -> None:
        """Add mentions, or replace them, wherever they lay when they had another date."""
        writes = [
            Write(
                action="put",
                index=month_of(self._connection, item.mention.posted_at),
                id=item.mention.id,
                document=mention_document(item, sketches.get(item.mention.id, ())),
            )
            for item in {item.mention.id: item for item in items}.values()
        ]
        months = {key(write.id): write.index for write in writes}
        gone = [
            Write(action="delete", index=month, id=each.id)
            for each in with_ids(self._connection, [write.id for write in writes])
            if (month := month_of(self._connection, scored_mention(each.document).mention.posted_at)) != months[each.id]
        ]
        make(self._connection, months.values())
        self._connection.bulk(writes)
        self._connection.bulk(gone)
        self._connection.refresh(write.index for write in (*writes, *gone))

    def _take_causes(self, incidents: Iterable[Incident]) -> None:
        """See that no two open incidents have one brand and cause; raises ``StoreRefused``."""
        for incident in incidents:
            try:
                take_cause(self._connection, incident, encoded(incident) | {"outbox": []})
            except Conflict as error:
                raise StoreRefused(str(error)) from error

    def _settle(self, kind: type[Record]) -> None:
        """Bring to its place what a crash has kept from it, and would be missing among the records of a kind or come twice.

        No fact changes by it: it is done in a store that is opened for reading too.
        """
        connection = self._connection.writable()
        if kind is Ticket:
            finish_moves(History(connection))
        elif kind in {Gap, Batch}:
            copy_carried(connection)
        elif kind is Event:
            copy_all(History(connection))

    def _hits(self, index: str, body: Document, *, limit: int | None = None) -> list[Found]:
        return list(self._connection.hits(index, body, limit=limit))


def copy_all(history: History) -> None:
    """See that every line that a ticket or an incident carries is in the history; most are."""
    index = history.connection.index("events")
    for noun in ("tickets", "incidents"):
        holders = history.connection.hits(history.connection.index(noun), {"sort": ["id"], "_source": ["outbox"]})
        while portion := list(islice(holders, 1_000)):
            lines = {str(each["id"]): each for holder in portion for each in outbox(holder)}
            there = history.connection.get_many((index, id_) for id_ in lines)
            history.copy([each for id_, each in lines.items() if (index, id_) not in there])


_by_cursor: Document = {"query": {"term": {"kind": "cursor"}}, "sort": ["source", "query"]}


def _only(kind: type[Record]) -> Document:
    _, name = _PLACES[kind]
    return {"match_all": {}} if name is None else {"term": {"kind": name}}
