"""Chains that were started, channels that refuse, and signs of life: one index, a document each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipeline.domain import ChainRun, Outage, Pulse
from pipeline.errors import StoreUnavailable
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, encoded
from pipeline.stores.elastic.tickets import TRIES
from pipeline.stores.elastic.wire import Document, Write, over, portions

_TERMS = 10_000  # incidents of one question; a query takes 65,536 terms


class ElasticEscalation:
    """``ports.Escalation`` in Elasticsearch."""

    _connection: Connection

    def start_chain(self, run: ChainRun) -> ChainRun:
        """Record a chain as it is now; the run of that id that stands, which may be an earlier one."""
        if self._add(f"run {run.id}", encoded(run) | {"kind": "run"}):
            return run
        found = self._connection.get(self._escalation, f"run {run.id}")
        return run if found is None else decoded(ChainRun, found.document)

    def chain_runs(self, incidents: Iterable[str]) -> dict[str, list[ChainRun]]:
        """The chains that were started for each of these incidents, oldest first."""
        runs: list[ChainRun] = []
        for portion in portions(incidents, _TERMS):
            asked: Document = {"bool": {"filter": [_of_kind("run"), {"terms": {"incident": portion}}]}}
            hits = self._connection.hits(self._escalation, {"query": asked, "sort": ["started_at", "id"]})
            runs += [decoded(ChainRun, each.document) for each in hits]
        found: dict[str, list[ChainRun]] = {}
        for run in runs:
            found.setdefault(run.incident, []).append(run)
        return found

    def save_outage(self, outage: Outage) -> Outage:
        """Record that a channel refuses, unless that is known; the outage that stands."""
        if self._add(f"outage {outage.id}", encoded(outage) | {"kind": "outage"}):
            return outage
        found = self._connection.get(self._escalation, f"outage {outage.id}")
        return outage if found is None else decoded(Outage, found.document)

    def end_outage(self, channel: str) -> bool:
        """Use a channel again; ``False`` when it was not out."""
        if self._connection.get(self._escalation, f"outage {channel}") is None:
            return False
        self._connection.write(Write(action="delete", index=self._escalation, id=f"outage {channel}"))
        self._connection.bump()
        return True

    def outages(self) -> list[Outage]:
        """Channels that are not used until a person enables them, the longest out first."""
        hits = self._connection.hits(self._escalation, {"query": _of_kind("outage"), "sort": ["since", "id"]})
        return [decoded(Outage, each.document) for each in hits]

    def beat(self, part: str, at: datetime) -> None:
        """Record that a part of Tocsin has done its work at this time; an earlier time changes nothing."""
        id_ = f"pulse {part}"
        document = encoded(Pulse(id=part, at=at)) | {"kind": "pulse"}
        for _ in range(TRIES):
            found = self._connection.get(self._escalation, id_)
            if found is not None and decoded(Pulse, found.document).at >= at:
                return
            if self._connection.write(over(found, index=self._escalation, id_=id_, document=document)) is not None:
                return
        raise StoreUnavailable(f"the pulse of {part} was changed by others {TRIES} times in a row; try again")

    def pulses(self) -> dict[str, datetime]:
        """When each part was last seen at the end of its work."""
        hits = self._connection.hits(self._escalation, {"query": _of_kind("pulse"), "sort": ["id"]})
        pulses = [decoded(Pulse, each.document) for each in hits]
        return {pulse.id: pulse.at for pulse in pulses}

    def _add(self, id_: str, document: Document) -> bool:
        write = Write(action="create", index=self._escalation, id=id_, document=document)
        added = self._connection.write(write) is not None
        if added:
            self._connection.bump()
        return added

    @property
    def _escalation(self) -> str:
        return self._connection.index("escalation")


def _of_kind(kind: str) -> Document:
    return {"term": {"kind": kind}}
