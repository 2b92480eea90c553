"""Links in notices: a page that shows what it is about, and a button that acknowledges; and the sign of life for monitors.

Opening a link changes nothing, because mail scanners open links: what acts is the form behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, Field

from pipeline import respond
from pipeline.alarms import audited
from pipeline.domain import Event, Incident
from pipeline.errors import ConfigError, LinkRefused
from pipeline.escalation.audit import WRONG, Finding
from pipeline.escalation.chains import acknowledged_by, next_telling, recipients
from pipeline.escalation.links import Link, Links, used_at
from pipeline.escalation.silence import WATCH
from pipeline.web.actions import accept, acting, going_back
from pipeline.web.pages import Done, Pages, PagesOf, incident_path
from pipeline.wording import span

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A link that somebody followed: what it says, who would act (``None``: not chosen yet), and when they did."""

    link: Link
    who: str | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainShown:
    """The chain of an incident as its page shows it: who is next and when, and what became of what was due."""

    name: str
    next_at: datetime | None
    next_whom: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """Who should have been told and was not."""
        return tuple(each for each in self.findings if each.verdict in WRONG)


def chain_of(pages: Pages, incident: Incident, events: Sequence[Event], now: datetime) -> ChainShown | None:
    """The chain that goes on for an incident; ``None`` for one without."""
    audits = audited(incident, store=pages.store, now=now)
    if not audits:
        return None
    run, findings = audits[-1]
    said = acknowledged_by(incident, events, since=run.started_at if len(audits) > 1 else None)
    following = None if incident.closed_at is not None else next_telling(run, after=now, acknowledged=said)
    whom = [] if following is None else recipients(run.chain, following)
    return ChainShown(
        name=run.chain.name,
        next_at=None if following is None else following.at,
        next_whom=tuple(dict.fromkeys(each.person or each.channel for each in whom)),
        findings=tuple(findings),
    )


def colleagues(pages: Pages) -> tuple[str, ...]:
    """Everybody to whom an incident can be handed."""
    return tuple(dict.fromkeys((*pages.config.web.responders, *(person.name for person in pages.config.person))))


def silent_since(pages: Pages, now: datetime) -> datetime | None:
    """Since when nobody is being told of anything, because ``watch`` does not run; ``None`` while it does or never did."""
    last = pages.store.pulses().get(WATCH)
    limit = timedelta(minutes=pages.config.silence.watch_minutes)
    return last if last is not None and now - last > limit else None


class AcknowledgeForm(BaseModel):
    """The button behind a link; ``responder`` says who presses it where the link is for whoever reads a channel."""

    csrf: str
    responder: Annotated[str, Field(max_length=80)] = ""


def links_of(request: Request) -> Links:
    """The links of this installation; raises ``LinkRefused`` where it makes none."""
    links: Links | None = request.app.state.links
    if links is None:
        raise LinkRefused("this installation makes no links; open the incident's page instead")
    return links


LinksOf = Annotated[Links, Depends(links_of)]


@router.get("/ack/{token}")
def show(token: str, request: Request, pages: PagesOf, links: LinksOf) -> HTMLResponse:
    """What a link is about, and the button; nothing is changed."""
    link = links.read(token, now=pages.clock())
    visit = pages.visit(request)
    return pages.render(
        visit,
        "acknowledge.html",
        incident=pages.store.incident(link.incident),
        token=token,
        followed=_followed(pages, link, link.person or visit.responder),
    )


@router.post("/ack/{token}")
def acknowledge(
    token: str,
    request: Request,
    pages: PagesOf,
    links: LinksOf,
    form: Annotated[AcknowledgeForm, Form()],
) -> RedirectResponse:
    """Acknowledge, once; raises ``LinkRefused`` for a link that this person has used."""
    accept(request, form.csrf, f"/ack/{token}")
    link = links.read(token, now=pages.clock())
    who = link.person or _one_of(pages, form.responder) or acting(pages, request)
    followed = _followed(pages, link, who)
    if followed.used_at is not None:
        raise LinkRefused(f"this link was used: {who} acknowledged at {followed.used_at:%H:%M} UTC; nothing was done")
    saved = respond.acknowledge(pages.store, link.incident, who, now=pages.clock())
    said = (
        f"{who}, you have it" if saved.acknowledged_by == who else f"{saved.acknowledged_by} has it; {who} said so too"
    )
    return going_back(pages, incident_path(link.incident), Done(said=said))


@router.post("/hand-over")
def hand_over(
    request: Request,
    pages: PagesOf,
    csrf: Annotated[str, Form()],
    incident: Annotated[str, Form()],
    to: Annotated[str, Form(max_length=80)],
) -> RedirectResponse:
    """Give an incident to a colleague."""
    accept(request, csrf, incident_path(incident))
    if _one_of(pages, to) is None:
        raise ConfigError(
            "choose to whom you hand it over; names come from [web] responders and [[person]] in tocsin.toml"
        )
    respond.hand_over(pages.store, incident, acting(pages, request), to, now=pages.clock())
    return going_back(pages, incident_path(incident), Done(said=f"{to} has it now, and is told"))


@router.get("/alive")
def alive(pages: PagesOf) -> JSONResponse:
    """For monitors from outside: 503 when nobody is being told of anything."""
    last, now = pages.store.pulses().get(WATCH), pages.clock()
    if last is None:
        return JSONResponse({"watch": "has never run"}, status_code=503)
    if silent_since(pages, now) is not None:
        return JSONResponse({"watch": f"silent for {span(now - last)}", "at": last.isoformat()}, status_code=503)
    return JSONResponse({"watch": f"ran {span(now - last)} ago", "at": last.isoformat()})


def _followed(pages: Pages, link: Link, who: str | None) -> Followed:
    used = None if who is None else used_at(link, who, pages.store.events(link.incident))
    return Followed(link=link, who=who, used_at=used)


def _one_of(pages: Pages, name: str) -> str | None:
    """A name that somebody here has."""
    return name if name in colleagues(pages) else None
