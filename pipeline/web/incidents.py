"""Incidents: is something burning, how sure are we, who has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline import respond, watching
from pipeline.detection.words import arithmetic
from pipeline.domain import Incident, Notice, ScoredMention, Ticket
from pipeline.errors import NotFound
from pipeline.web import charts, posts
from pipeline.web.acknowledge import chain_of, colleagues, silent_since
from pipeline.web.actions import accept, acting, going_back
from pipeline.web.pages import Done, Pages, PagesOf, incident_path

QUOTES = 30
"""Posts of an incident that are shown; the rest is counted."""

AFTER = timedelta(hours=12)
"""How much of what came after an incident its chart shows."""

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A post of an incident, and the ticket it belongs to."""

    item: ScoredMention
    text: posts.Shown
    ticket: Ticket | None


@router.get("/incidents")
def incidents(request: Request, pages: PagesOf) -> HTMLResponse:
    """The list, what burns first."""
    visit = pages.visit(request)
    newest = pages.store.incidents(limit=100)
    burning = [one for one in newest if one.closed_at is None]
    burning.sort(key=lambda one: (-one.severity, one.opened_at))
    return pages.render(
        visit,
        "incidents.html",
        burning=burning,
        over=[one for one in newest if one.closed_at is not None],
        silent_since=silent_since(pages, visit.now),
    )


@router.get("/incidents/{incident_id:path}")
def incident(incident_id: str, request: Request, pages: PagesOf) -> HTMLResponse:
    """One incident; a fixed number of calls of the store."""
    visit = pages.visit(request)
    try:
        found = pages.store.incident(incident_id)
    except NotFound as error:
        raise NotFound(f"no incident {posts.line(incident_id)}; see the list of incidents") from error
    quotes = _quotes(pages, found.id)
    events = pages.store.events(found.id)
    until = min(visit.now, found.last_at + timedelta(minutes=59))
    notices = pages.store.notices(found.id)
    hours = charts.by_hour((quote.item.mention.posted_at for quote in quotes), until=until)
    return pages.render(
        visit,
        "incident.html",
        incident=found,
        state=found.state(visit.now),
        total=sum(part.value for part in found.parts),
        quotes=sorted(quotes, key=lambda quote: -quote.item.score.crisis)[:QUOTES],
        bars=charts.bars(hours, height=48, width=12) if sum(hours) > 1 else [],
        chart_until=until,
        charted=sum(hours),
        arithmetic=arithmetic(found.finding) if found.finding else "",
        course=_course(pages, found, notices, visit.now),
        waiting=_tickets(quotes),
        notices=notices,
        events=events,
        chain=chain_of(pages, found, events, visit.now),
        colleagues=colleagues(pages),
    )


def _course(pages: Pages, found: Incident, notices: Sequence[Notice], now: datetime) -> charts.Course | None:
    """The hours before and in an incident of numbers, with what people were told and did; ``None`` for a grave post."""
    if found.finding is None:
        return None
    until = min(now, (found.closed_at or now), found.last_at + AFTER)
    hours = watching.course(pages.store, pages.config, found.finding, until=until)
    if not hours:
        return None
    happened = [(found.finding.since, "began"), (found.acknowledged_at, f"{found.acknowledged_by} has it")]
    happened += [(found.closed_at, "over"), *((each.sent_at, f"told {each.channel}") for each in notices)]
    moments = [((at - hours[0].start) / timedelta(hours=1), words) for at, words in happened if at is not None]
    return charts.course(
        [each.posts for each in hours], [each.expected for each in hours], [each.enough for each in hours], moments
    )


def _tickets(quotes: Sequence[Quote]) -> dict[str, int]:
    """How many tickets the posts have, and how many of those wait."""
    tickets = {quote.ticket.id: quote.ticket for quote in quotes if quote.ticket is not None}
    waiting = sum(ticket.resolved_at is None and ticket.waiting_since is not None for ticket in tickets.values())
    return {"waiting": waiting, "all": len(tickets)}


def _quotes(pages: Pages, incident_id: str) -> list[Quote]:
    items = pages.store.incident_posts([incident_id]).get(incident_id, [])
    tickets = pages.store.tickets({item.mention.conversation for item in items})
    return [
        Quote(
            item=item,
            text=posts.excerpt(item.mention.text, strong=posts.reasons(item.score)),
            ticket=tickets.get(item.mention.conversation),
        )
        for item in items
    ]


@router.post("/acknowledge")
def acknowledge(
    request: Request, pages: PagesOf, csrf: Annotated[str, Form()], incident: Annotated[str, Form()]
) -> RedirectResponse:
    """Say that somebody has it."""
    accept(request, csrf, incident_path(incident))
    who = acting(pages, request)
    saved = respond.acknowledge(pages.store, incident, who, now=pages.clock())
    said = "You have it" if saved.acknowledged_by == who else f"{saved.acknowledged_by} has it already"
    return going_back(pages, incident_path(incident), Done(said=said))


@router.post("/close")
def close(
    request: Request,
    pages: PagesOf,
    csrf: Annotated[str, Form()],
    incident: Annotated[str, Form()],
    note: Annotated[str, Form(max_length=500)] = "",
) -> RedirectResponse:
    """End it by hand, with a reason for the history."""
    accept(request, csrf, incident_path(incident))
    respond.close(pages.store, incident, acting(pages, request), note=note.strip(), now=pages.clock())
    return going_back(pages, incident_path(incident), Done(said="Incident closed"))
