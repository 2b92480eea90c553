"""The same facts as JSON, for machines and for the script of the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from pipeline.config import Config
from pipeline.domain import (
    Category,
    Coverage,
    Event,
    Lane,
    Priority,
    QueueCounts,
    QueueItem,
    ScoredMention,
    Sentiment,
    Status,
    Ticket,
    Urgency,
)
from pipeline.errors import TocsinError
from pipeline.teams import team_of
from pipeline.web.pages import PagesOf
from pipeline.web.queue import ROWS, chosen, page_of
from pipeline.web.tickets import stretch_of

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One ticket of the queue: the keys of ``tocsin queue --json``, then what the pages' script compares."""

    ticket: str
    mention: str
    source: str
    author: str
    language: str
    text: str
    category: Category
    urgency: Urgency
    sentiment: Sentiment
    crisis: float
    priority: Priority
    lane: Lane
    opened_at: datetime
    respond_by: datetime
    status: Status
    claimed_by: str | None
    why: str
    team: str | None
    claimed_until: datetime | None
    last_at: datetime
    collected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One page of the queue, and the numbers over it."""

    change: int
    counts: QueueCounts
    tickets: list[QueueLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFacts:
    """A ticket with its state at this moment, its conversation and its history.

    Of a long conversation one page, the newest without ``page=``, and how many posts stand before and after it.
    """

    ticket: Ticket
    status: Status
    claimed_by: str | None
    conversation: Sequence[ScoredMention]
    older: int
    newer: int
    events: list[Event]


def queue_line(item: QueueItem, config: Config, now: datetime) -> QueueLine:
    """One line of the queue as it stands at ``now``."""
    ticket, mention = item.ticket, item.mention
    belonging = team_of(ticket, config)
    return QueueLine(
        ticket=ticket.id,
        mention=mention.id,
        source=ticket.source,
        author=mention.author.handle,
        language=ticket.language,
        text=mention.text,
        category=ticket.category,
        urgency=ticket.urgency,
        sentiment=ticket.sentiment,
        crisis=ticket.crisis,
        priority=ticket.rank.priority,
        lane=ticket.rank.lane,
        opened_at=ticket.opened_at,
        respond_by=ticket.rank.respond_by,
        status=ticket.status(now),
        claimed_by=ticket.holder(now),
        why=ticket.rank.why,
        team=belonging.team if belonging else None,
        claimed_until=ticket.claimed_until if ticket.holder(now) else None,
        last_at=ticket.last_at,
        collected_at=mention.collected_at,
    )


@router.get("/api/queue")
def queue(request: Request, pages: PagesOf) -> Queue:
    """The page of the queue that the same query shows at ``/``."""
    now = pages.clock()
    picked = chosen(request.query_params, pages.responder(request), pages.config)
    change = pages.store.change_count()
    items = pages.store.queue(now, picked.filters, limit=ROWS, offset=(picked.page - 1) * ROWS)
    if picked.show == "mine" and picked.filters.holder is None:
        items = []
    return Queue(
        change=change,
        counts=pages.store.queue_counts(now, picked.filters),
        tickets=[queue_line(item, pages.config, now) for item in items],
    )


@router.get("/api/tickets/{ticket_id:path}")
def ticket(ticket_id: str, request: Request, pages: PagesOf) -> TicketFacts:
    """One ticket with a page of its conversation; 404 when there is none."""
    now = pages.clock()
    found = pages.store.ticket(ticket_id)
    stretch = stretch_of(pages.store, found.id, page_of(request.query_params))
    return TicketFacts(
        ticket=found,
        status=found.status(now),
        claimed_by=found.holder(now),
        conversation=stretch.items,
        older=stretch.older,
        newer=stretch.newer,
        events=pages.store.events(found.id),
    )


@router.get("/api/coverage")
def coverage(pages: PagesOf) -> list[Coverage]:
    """What has been heard in the last 24 hours, per source and query."""
    return pages.store.coverage(pages.clock())


@router.get("/healthz")
def health(pages: PagesOf) -> JSONResponse:
    """200 when the store answers, 503 with what is wrong and the next step when it does not.

    One small read, so that it may be asked every second; ``tocsin doctor`` is what reads the whole store.
    """
    problems: list[str] = []
    try:
        pages.store.change_count()
    except TocsinError as error:
        problems.append(str(error))
    body: dict[str, Any] = {"status": "unwell" if problems else "ok", "problems": problems}
    return JSONResponse(body, status_code=503 if problems else 200)
