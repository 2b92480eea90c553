"""Tickets, gaps, batches and notices with defaults, and a store that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pipeline.domain import (
    Batch,
    Category,
    Cursor,
    DeadLetter,
    Filters,
    Gap,
    Lane,
    Notice,
    Part,
    Priority,
    Rank,
    Reason,
    Sentiment,
    Ticket,
    Urgency,
)
from pipeline.ports import Store
from tests.factories import NOW, scored

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALL = Filters()


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def ahead(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def ticket(native: str = "1", *, level: int = 0, due: float = 60, lane: Lane = Lane.QUEUE, **changes: Any) -> Ticket:
    """A waiting ticket of the mention ``x:<native>``, due in ``due`` minutes."""
    rank = Rank(
        cost=4.0,
        level=level,
        due_at=ahead(due),
        respond_by=ahead(due + 6),
        lane=lane,
        priority=Priority.P2,
        why='double charge (rule: "charged twice")',
        parts=(Part(name="class cost", value=4.0, because="P(crisis) 0.02"),),
    )
    values: dict[str, Any] = {
        "id": f"x:{native}", "brand": "Brightly", "source": "x", "query": "brightly", "mention": f"x:{native}",
        "author": "x:ana", "language": "en", "category": Category.COMPLAINT, "urgency": Urgency.NORMAL,
        "sentiment": Sentiment.NEGATIVE, "crisis": 0.02, "rank": rank, "opened_at": ago(30), "last_at": ago(30),
        "waiting_since": ago(30),
    }  # fmt: skip
    return Ticket(**values | changes)


def put(store: Store, *tickets: Ticket) -> None:
    """Save tickets with the mentions that rank them."""
    store.add_mentions(
        [scored(each.mention.partition(":")[2], source=each.mention.partition(":")[0]) for each in tickets], {}
    )
    store.save_tickets(tickets)


def ids(items: Iterable[Any]) -> list[str]:
    """The ids of queue items, mentions or scored mentions, in order."""
    return [getattr(item, "ticket", getattr(item, "mention", item)).id for item in items]


def cursor(**changes: Any) -> Cursor:
    return replace(Cursor(source="x", query="brightly"), **changes)


def gap(id_: str = "g1", *, since: datetime | None = None, **changes: Any) -> Gap:
    values: dict[str, Any] = {
        "id": id_, "source": "x", "query": "brightly", "newer_than": "100", "older_than": "200", "since": since or ago(90),
        "until": ago(30), "reason": "page budget of 10 used", "opened_at": ago(20),
    }  # fmt: skip
    return Gap(**values | changes)


def batch(id_: str = "b1", **changes: Any) -> Batch:
    values: dict[str, Any] = {
        "id": id_, "source": "x", "query": "brightly", "path": f"x/brightly/{id_}.jsonl.gz", "count": 3, "digest": "abc",
        "landed_at": ago(5),
    }  # fmt: skip
    return Batch(**values | changes)


def dead_letter(id_: str = "d1", **changes: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "id": id_, "source": "x", "query": "brightly", "batch": "b1", "reason": "no text", "raw": "{}", "at": ago(4)
    }  # fmt: skip
    return DeadLetter(**values | changes)


def notice(id_: str = "n1", **changes: Any) -> Notice:
    values: dict[str, Any] = {
        "id": id_, "reason": Reason.INCIDENT_OPENED, "group": "incident-1", "channel": "console",
        "subject": "Severity 3 · Brightly", "body": "a charger caught fire", "severity": 3, "created_at": ago(3),
    }  # fmt: skip
    return Notice(**values | changes)
