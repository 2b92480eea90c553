"""Incidents: is something burning, how sure are we, who has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from pipeline import respond
from pipeline.domain import ScoredMention, Ticket
from pipeline.errors import NotFound
from pipeline.web import charts, posts
from pipeline.web.actions import accept, acting, going_back
from pipeline.web.pages import Done, Pages, PagesOf, incident_path

QUOTES = 30
"""Posts of an incident that are shown; the rest is counted."""

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
        visit, "incidents.html", burning=burning, over=[one for one in newest if one.closed_at is not None]
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
    until = min(visit.now, found.last_at + timedelta(minutes=59))
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
        notices=pages.store.notices(found.id),
        events=pages.store.events(found.id),
    )


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
