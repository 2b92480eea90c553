"""Incidents and the notification log.

An incident and the line of history that says who did it are one document, see ``events``. That there is one open incident
of a brand and cause is kept by a document of their own: whoever opens one writes it there first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from pipeline.domain import Event, Incident, Notice, ScoredMention
from pipeline.errors import Conflict, NotFound, StoreUnavailable
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, encoded, scored_mention, stamp
from pipeline.stores.elastic.events import History, line, outbox
from pipeline.stores.elastic.mentions import with_ids
from pipeline.stores.elastic.tickets import TRIES
from pipeline.stores.elastic.wire import Document, Found, Write, over

CHANNELS = 1_000  # of which notices can wait: as many terms as one aggregation gives

_NOT_CLOSED: Document = {"bool": {"must_not": {"exists": {"field": "closed_at"}}}}
_UNSENT: list[Document] = [
    {"bool": {"must_not": [{"exists": {"field": "sent_at"}}, {"exists": {"field": "failed_at"}}]}}
]


class ElasticIncidents:
    """``ports.Incidents`` in Elasticsearch, but for the mentions among them."""

    _connection: Connection
    _history: History

    def open_incidents(self) -> list[Incident]:
        """Incidents that are not closed, worst first."""
        body: Document = {"query": _NOT_CLOSED, "sort": [{"severity": "desc"}, "opened_at", "id"]}
        return [decoded(Incident, each.document) for each in self._connection.hits(self._incidents, body)]

    def incidents(self, *, limit: int = 50) -> list[Incident]:
        """All incidents, newest first."""
        body: Document = {"sort": [{"opened_at": "desc"}, {"id": "desc"}]}
        return [decoded(Incident, each.document) for each in self._connection.hits(self._incidents, body, limit=limit)]

    def incident(self, incident_id: str) -> Incident:
        """One incident; raises ``NotFound``."""
        found = self._connection.get(self._incidents, incident_id)
        if found is None:
            raise NotFound(f"there is no incident {incident_id}")
        return decoded(Incident, found.document)

    def incident_posts(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """The posts that each of these incidents holds, oldest first."""
        found = self._connection.get_many((self._incidents, id_) for id_ in ids)
        holders: dict[str, list[str]] = {}
        for each in found.values():
            for mention in each.document["mentions"]:
                holders.setdefault(mention, []).append(each.document["id"])
        posts: dict[str, list[ScoredMention]] = {}
        items = [scored_mention(each.document) for each in with_ids(self._connection, holders)]
        for item in sorted(items, key=lambda item: (item.mention.posted_at, item.mention.id)):
            for incident_id in holders[item.mention.id]:
                posts.setdefault(incident_id, []).append(item)
        return posts

    def save_incident(self, incident: Incident, *, event: Event | None = None) -> Incident:
        """Create (version 1) or update by compare-and-set on ``version``; raises ``Conflict``.

        A second open incident of one brand and cause is a ``Conflict`` too, and an id that another brand or cause has.
        ``event`` is recorded in the same write.
        """
        found = self._connection.get(self._incidents, incident.id)
        current = decoded(Incident, found.document) if found else None
        if current == incident:
            return incident
        if current is None and incident.version != 1:
            raise Conflict(f"incident {incident.id} is gone; read the open incidents again")
        if current is not None and current.version != incident.version:
            raise Conflict(f"incident {incident.id} was changed by somebody else; read it again")
        if current is not None and (current.brand, current.cause) != (incident.brand, incident.cause):
            raise Conflict(f"incident {incident.id} is about {current.brand}, {current.cause}")
        saved = incident if current is None else replace(incident, version=incident.version + 1)
        carried = outbox(found)
        if event is not None:
            self._history.copy(carried)
            said = line(event.subject, event.kind, event.actor, note=event.note, at=event.at, after=carried)
            carried = [said]
        document = encoded(saved) | {"outbox": carried}
        if saved.closed_at is None and (current is None or current.closed_at is not None):
            take_cause(self._connection, saved, document)
        if self._connection.write(over(found, index=self._incidents, id_=saved.id, document=document)) is None:
            self._lost(saved, document)
        self._history.copy(carried if event is not None else [], changed=True)
        return saved

    def _lost(self, incident: Incident, document: Document) -> None:
        """Somebody else was faster; raises ``Conflict``, but where they wrote this very incident, seeing its cause taken."""
        found = self._connection.get(self._incidents, incident.id)
        if found is None or any(found.document.get(name) != value for name, value in document.items()):
            raise Conflict(f"incident {incident.id} was changed by somebody else; read it again")

    @property
    def _incidents(self) -> str:
        return self._connection.index("incidents")


class ElasticNotices:
    """``ports.Notices`` in Elasticsearch."""

    _connection: Connection

    def add_notice(self, notice: Notice) -> bool:
        """Record a notice before it is sent; ``False`` when its id is known."""
        write = Write(action="create", index=self._notices, id=notice.id, document=encoded(notice))
        added = self._connection.write(write) is not None
        if added:
            self._connection.bump()
        return added

    def due_notices(self, now: datetime, *, limit: int = 100) -> list[Notice]:
        """Notices neither sent nor failed whose ``retry_at`` is not ahead, oldest first, at most ``limit`` a channel."""
        ahead: Document = {"range": {"retry_at": {"gt": stamp(now)}}}
        due = [*_UNSENT, {"bool": {"must_not": ahead}}]
        channels: Document = {"channels": {"terms": {"field": "channel", "size": CHANNELS}}}
        answer = self._connection.search(
            self._notices, {"query": {"bool": {"filter": due}}, "size": 0, "aggs": channels}
        )
        found: list[Notice] = []
        for bucket in answer["aggregations"]["channels"]["buckets"] if "aggregations" in answer else ():
            query: Document = {"bool": {"filter": [*due, {"term": {"channel": bucket["key"]}}]}}
            hits = self._connection.hits(self._notices, {"query": query, "sort": ["created_at", "id"]}, limit=limit)
            found += [decoded(Notice, each.document) for each in hits]
        return sorted(found, key=lambda notice: (notice.created_at, notice.id))

    def take_notice(self, notice: Notice, *, retry_at: datetime) -> Notice | None:
        """Count a try before it is made, by compare-and-set on ``attempts``; ``None`` when another took the notice."""
        found = self._connection.get(self._notices, notice.id)
        if found is None:
            return None
        current = decoded(Notice, found.document)
        if current.attempts != notice.attempts or current.sent_at is not None or current.failed_at is not None:
            return None
        taken = replace(current, attempts=current.attempts + 1, retry_at=retry_at)
        if not self._changed(found, taken):
            return None
        return replace(notice, attempts=taken.attempts, retry_at=retry_at)

    def save_notice(self, notice: Notice) -> None:
        """Record the outcome of a try, unless another try has been counted since or the notice was sent."""
        for _ in range(TRIES):
            found = self._connection.get(self._notices, notice.id)
            current = decoded(Notice, found.document) if found else None
            if found is None or current is None or current.attempts != notice.attempts or current.sent_at is not None:
                return
            outcome = replace(
                current,
                sent_at=notice.sent_at,
                failed_at=notice.failed_at,
                retry_at=notice.retry_at,
                error=notice.error,
            )
            if self._changed(found, outcome):
                return
        raise StoreUnavailable(f"the notice {notice.id} was changed by others {TRIES} times in a row; try again")

    def notices(self, group: str | None = None, *, limit: int = 100) -> list[Notice]:
        """The log, newest first."""
        query: Document = {"match_all": {}} if group is None else {"term": {"group": group}}
        body: Document = {"query": query, "sort": [{"created_at": "desc"}, {"id": "desc"}]}
        return [decoded(Notice, each.document) for each in self._connection.hits(self._notices, body, limit=limit)]

    def _changed(self, found: Found, notice: Notice) -> bool:
        """Write a notice, unless another was faster."""
        write = over(found, index=self._notices, id_=notice.id, document=encoded(notice))
        if self._connection.write(write) is None:
            return False
        self._connection.bump()
        return True

    @property
    def _notices(self) -> str:
        return self._connection.index("notices")


def take_cause(connection: Connection, incident: Incident, document: Document) -> None:
    """Make an open incident the one of its brand and cause; raises ``Conflict`` when another is.

    The incident goes along (``document``), so that whoever finds the cause taken can write it where a crash kept it from
    being written. Of a closed incident only what its cause says of it is brought up to date.
    """
    index, id_ = connection.index("causes"), f"{incident.brand}\x1f{incident.cause}"
    for _ in range(TRIES):
        taken = connection.get(index, id_)
        holder = taken and taken.document["incident"]["id"]
        if incident.closed_at is not None and holder != incident.id:
            return
        if taken is not None and holder != incident.id and _is_open(connection, taken.document["incident"]):
            raise Conflict(
                f"{incident.brand} has an open incident of {incident.cause!r} already: {holder}; read it again"
            )
        if connection.write(over(taken, index=index, id_=id_, document={"incident": document})) is not None:
            return
    raise StoreUnavailable(f"many open an incident of {incident.brand}, {incident.cause} at once; try again")


def _is_open(connection: Connection, document: Document) -> bool:
    """Whether the incident that holds a cause is open; it is written if it was not."""
    index, held = connection.index("incidents"), decoded(Incident, document)
    found = connection.get(index, held.id)
    if found is None or found.document["version"] < held.version:
        connection.write(over(found, index=index, id_=held.id, document=document))
        found = connection.get(index, held.id)
    return (found.document if found else document).get("closed_at") is None
