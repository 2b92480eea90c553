"""A store as a whole: the records it is made of, and its months of posts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pipeline.domain.alarm import Incident, Notice
from pipeline.domain.collection import Batch, Cursor, DeadLetter, Gap
from pipeline.domain.escalation import ChainRun, Outage
from pipeline.domain.learning import Label
from pipeline.domain.understanding import ScoredMention
from pipeline.domain.work import Event, Ticket

Record = (
    ScoredMention | Ticket | Event | Label | Incident | Notice | ChainRun | Outage | DeadLetter | Batch | Gap | Cursor
)
"""Anything that a store keeps."""

RECORDS: tuple[type[Record], ...] = (
    ScoredMention, Ticket, Event, Label, Incident, Notice, ChainRun, Outage, DeadLetter, Batch, Gap, Cursor,
)  # fmt: skip
"""Every kind of record, in the order to copy them: who goes on from half a copy has no cursor yet, and reads again."""

_EVENT_DIGITS = 19  # of the largest event id, 2**63 - 1: padded, the ids' order is that of their text


def key_of(record: Record) -> str:
    """What names a record among those of its kind, in every store alike."""
    match record:
        case ScoredMention():
            return record.mention.id
        case Cursor():
            return f"{record.source}/{record.query}"
        case Event():
            return f"{record.id:0{_EVENT_DIGITS}}"
        case _:
            return record.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One calendar month of posting (UTC): its first day, its mentions, how many of those somebody still needs, and the
    tickets that go with the others (those whose last post is of this month)."""

    first: date
    mentions: int
    needed: int
    tickets: int
