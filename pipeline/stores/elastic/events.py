"""The append-only history of tickets and incidents: no line is ever changed, what was undone says a later line.

A ticket or incident carries its newest lines with it (``outbox``), so that a change and its line are one write; they are
copied to the history after it, and again before the next change, in case the copy was lost.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.domain import Event, EventKind
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, encoded
from pipeline.stores.elastic.wire import Document, Found, Lately, Write, key

_RANDOM_BITS = 12  # of an id, below its microseconds: two machines write in the same microsecond


class _Ids:
    """Event ids: they grow with time, differ between machines, and fit into 63 bits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, *, after: int) -> int:
        """An id above ``after``, which another machine's clock may have given."""
        with self._lock:
            made = (time.time_ns() // 1000 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
            self._last = max(made, self._last + 1, after + 1)
            return self._last


_ids = _Ids()


class History:
    """The lines of all tickets and incidents, in an index of their own."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._copied = Lately()

    def copy(self, lines: Sequence[Document], *, changed: bool = False) -> None:
        """See that lines are here and can be searched; ``changed`` counts a change that they are about."""
        fresh = {str(each["id"]): each for each in self.uncopied(lines)}
        writes = [Write(action="keep", index=self._index, id=id_, document=each) for id_, each in fresh.items()]
        if changed:
            writes.append(self.connection.change())
        if writes:
            self.connection.bulk(writes, refresh=True)
            self._copied.add(*fresh)

    def uncopied(self, lines: Iterable[Document]) -> list[Document]:
        """Those of the lines that this process has not seen here."""
        return [each for each in lines if str(each["id"]) not in self._copied]

    def of(self, subject: str, *holders: Found) -> list[Event]:
        """The events of one subject, oldest first, with those that its document carries."""
        subjects = [subject, *(name for each in holders for name in each.document.get("was", ()))]
        body: Document = {"query": {"terms": {"subject": [key(each) for each in subjects]}}, "sort": ["id"]}
        lines = {each["id"]: each for holder in holders for each in outbox(holder)}
        lines |= {each.document["id"]: each.document for each in self.connection.hits(self._index, body)}
        return _told(subject, [lines[id_] for id_ in sorted(lines)])

    def subject_of(self, event_id: int) -> str | None:
        """The subject that an event was recorded for; ``None`` where it is not here."""
        found = self.connection.get(self._index, str(event_id))
        return None if found is None else str(found.document["subject"])

    @property
    def _index(self) -> str:
        return self.connection.index("events")


class ElasticEvents:
    """``ports.Events`` in Elasticsearch."""

    _connection: Connection
    _history: History

    def record(self, subject: str, kind: EventKind, actor: str, *, note: str = "", now: datetime) -> Event:
        """Add one line."""
        added = line(subject, kind, actor, at=now, note=note)
        self._history.copy([added], changed=True)
        return replace(decoded(Event, added), subject=subject)

    def events(self, subject: str) -> list[Event]:
        """The history of a ticket or incident, oldest first."""
        places = [(self._connection.index(noun), subject) for noun in ("tickets", "incidents")]
        holders = self._connection.get_many(places).values()
        return [] if not holders and self._moved(subject) else self._history.of(subject, *holders)

    def _moved(self, subject: str) -> bool:
        """Whether a ticket of this id has become part of another."""
        body: Document = {"query": {"term": {"was": key(subject)}}, "size": 1, "_source": False}
        return bool(self._connection.search(self._connection.index("tickets"), body)["hits"]["hits"])


def line(
    subject: str,
    kind: EventKind,
    actor: str,
    *,
    at: datetime,
    note: str = "",
    before: str | None = None,
    after: Iterable[Document] = (),
    **more: object,
) -> Document:
    """One line of history as a document, later than all of ``after``.

    ``undoes`` names the event it takes back; after it, events of the subject ``loser`` (a ``key``) cannot be undone.
    """
    id_ = _ids.next(after=max((each["id"] for each in after), default=0))
    event = Event(id=id_, at=at, actor=actor, kind=kind, subject=key(subject), note=note, before=before)
    return encoded(event) | more


def outbox(found: Found | None) -> list[Document]:
    """The lines that a document carries."""
    return [] if found is None else found.document.get("outbox", [])


def resolved(connection: Connection, lines: Sequence[Document]) -> list[Event]:
    """Lines of many subjects as events: each with the subject it has come to be, and what later lines say of it."""
    subjects = sorted({each["subject"] for each in lines})
    moved = _all(connection, "tickets", {"terms": {"was": subjects}})
    undoing = _all(connection, "events", {"terms": {"undoes": [each["id"] for each in lines]}})
    ending = _all(connection, "events", {"terms": {"loser": subjects}})
    now: dict[str, str] = {was: each["id"] for each in moved for was in each["was"]}
    undone, ended = _said(undoing)[0], _said(ending)[1]
    return [_event(each, now.get(str(each["subject"]), str(each["subject"])), undone, ended) for each in lines]


def _told(subject: str, lines: Sequence[Document]) -> list[Event]:
    """The lines of one subject as events, as later ones leave them."""
    undone, ended = _said(lines)
    return [_event(each, subject, undone, ended) for each in lines]


def _said(lines: Iterable[Document]) -> tuple[set[int], dict[str, int]]:
    """What lines say of earlier ones: the events they undo, and since when those of a subject cannot be undone."""
    undone: set[int] = set()
    ended: dict[str, int] = {}
    for each in lines:
        if "undoes" in each:
            undone.add(each["undoes"])
        if "loser" in each:
            ended[each["loser"]] = max(each["id"], ended.get(each["loser"], 0))
    return undone, ended


def _event(line: Document, subject: str, undone: set[int], ended: Mapping[str, int]) -> Event:
    event = decoded(Event, line)
    before = None if event.id < ended.get(event.subject, 0) else event.before
    return replace(event, subject=subject, undone=event.undone or event.id in undone, before=before)


def _all(connection: Connection, noun: str, query: Document) -> list[Document]:
    return [each.document for each in connection.hits(connection.index(noun), {"query": query, "sort": ["id"]})]
