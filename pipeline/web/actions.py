"""What people do to tickets from a page: forms that work without a script, each with its undo."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from pipeline import merging, respond
from pipeline.config import Config
from pipeline.domain import Resolution, Ticket
from pipeline.errors import AlreadyClaimed, ConfigError, Conflict, NotFound
from pipeline.ports import Store
from pipeline.web.pages import FLASH_COOKIE, RESPONDER_COOKIE, UNDO_SECONDS, YEAR, Done, Pages, PagesOf, ticket_path
from pipeline.web.security import check_form, local_path
from pipeline.web.tickets import held_words
from pipeline.wording import counted

MOST = 200
"""Tickets that one form may act on: four pages of the queue."""

LAST_EVENT = (1 << 63) - 1
"""The largest number an event can have: SQLite counts in 64 bits."""

router = APIRouter()


class WhoAreYou(ConfigError):
    """Nobody has chosen who they are in this browser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that somebody does to one ticket."""

    ticket: str
    who: str
    note: str
    to: str
    config: Config
    now: datetime


Act = Callable[[Store, Deed], Ticket]


def _claim(store: Store, deed: Deed) -> Ticket:
    return respond.claim(store, deed.ticket, deed.who, minutes=deed.config.web.claim_minutes, now=deed.now)


def _release(store: Store, deed: Deed) -> Ticket:
    return respond.release(store, deed.ticket, deed.who, now=deed.now)


def _answered(store: Store, deed: Deed) -> Ticket:
    return respond.answered(store, deed.ticket, deed.who, now=deed.now)


def _assign(store: Store, deed: Deed) -> Ticket:
    return respond.assign(store, deed.ticket, deed.who, deed.to, config=deed.config, note=deed.note, now=deed.now)


def _reopen(store: Store, deed: Deed) -> Ticket:
    return respond.reopen(store, deed.ticket, deed.who, now=deed.now)


def _resolve(resolution: Resolution) -> Act:
    def act(store: Store, deed: Deed) -> Ticket:
        return respond.resolve(store, deed.ticket, deed.who, resolution, note=deed.note, now=deed.now)

    return act


ACTS: dict[str, tuple[str, Act]] = {
    "claim": ("Claimed", _claim),
    "release": ("Released", _release),
    "assign": ("Assigned", _assign),
    "answered": ("Marked answered", _answered),
    "resolve": ("Resolved", _resolve(Resolution.ANSWERED)),
    "no-answer": ("Resolved, no answer needed", _resolve(Resolution.NO_ANSWER_NEEDED)),
    "not-ours": ("Marked not ours", _resolve(Resolution.NOT_OURS)),
    "reopen": ("Reopened", _reopen),
}
"""What a button's value does, and how it is said afterwards."""


class ActForm(BaseModel):
    """The form around tickets: ``do`` is an action for all that are selected, or ``action|ID`` from a button in a row."""

    csrf: str
    do: str
    ticket: list[str] = []
    back: str = "/"
    note: Annotated[str, Field(max_length=500)] = ""
    to: Annotated[str, Field(max_length=80)] = ""


@router.post("/act")
def act(request: Request, pages: PagesOf, form: Annotated[ActForm, Form()]) -> RedirectResponse:
    """Do one thing to one ticket, or to all that are selected."""
    accept(request, form.csrf, form.back)
    who = acting(pages, request)
    name, _, one = form.do.partition("|")
    if name not in ACTS:
        raise ConfigError(f"no action {name!r}; use one of {', '.join(ACTS)}")
    ids = [one] if one else list(dict.fromkeys(form.ticket))[:MOST]
    if not ids:
        raise ConfigError("no ticket is selected; tick the boxes of those you mean, then choose what to do")
    if name == "assign" and not form.to:
        raise ConfigError("choose a team or a colleague to assign to, then press the button again")
    deed = Deed(ticket="", who=who, note=form.note.strip(), to=form.to, config=pages.config, now=pages.clock())
    return going_back(pages, form.back, _do_all(pages, name, ids, deed))


@router.post("/next")
def take_next(
    request: Request, pages: PagesOf, csrf: Annotated[str, Form()], back: Annotated[str, Form()] = "/"
) -> RedirectResponse:
    """Claim the first free ticket of one's teams, and go to it."""
    accept(request, csrf, back)
    who, now = acting(pages, request), pages.clock()
    ticket = respond.take_next(pages.store, who, config=pages.config, now=now)
    if ticket is None:
        return going_back(pages, back, Done(said="Nothing that waits is free for you"))
    events = tuple(_latest(pages.store, ticket.id, who, now))
    return going_back(pages, ticket_path(ticket.id), Done(said="Claimed", events=events))


class MergeForm(BaseModel):
    """Which ticket becomes part of which."""

    csrf: str
    ticket: str
    into: str
    back: str = "/"


@router.post("/merge")
def merge_tickets(request: Request, pages: PagesOf, form: Annotated[MergeForm, Form()]) -> RedirectResponse:
    """Make one ticket of two of the same customer."""
    accept(request, form.csrf, form.back)
    who, now = acting(pages, request), pages.clock()
    merging.merge(pages.store, pages.config, form.ticket, form.into, responder=who, now=now)
    return going_back(pages, form.back, Done(said="Merged", events=tuple(_latest(pages.store, form.ticket, who, now))))


def _do_all(pages: Pages, name: str, ids: Sequence[str], deed: Deed) -> Done:
    """Act on each; what somebody else was faster with is named. Raises ``Conflict`` when nothing at all was done."""
    said, perform = ACTS[name]
    now = deed.now
    if name == "assign":
        said = f"Assigned to {deed.to}"
    events: list[int] = []
    refused: list[Conflict | NotFound] = []
    for ticket in ids:
        try:
            perform(pages.store, replace(deed, ticket=ticket))
        except (Conflict, NotFound) as error:
            refused.append(error)
        else:
            events += _latest(pages.store, ticket, deed.who, now)
    if len(refused) == len(ids):
        raise refused[0]
    words = said if len(ids) == 1 else f"{said}: {counted(len(ids) - len(refused), 'ticket')}"
    return Done(said=words, events=tuple(events), problem=_problem(refused, len(ids), now))


def _latest(store: Store, ticket: str, who: str, now: datetime) -> list[int]:
    """The event that an action just wrote; none when the ticket was so already."""
    history = store.events(ticket)
    mine = [event for event in history[-3:] if event.actor == who and event.at == now and event.before is not None]
    return [mine[-1].id] if mine else []


def _problem(refused: Sequence[Conflict | NotFound], asked: int, now: datetime) -> str:
    if not refused:
        return ""
    first = refused[0]
    why = f"held by {held_words(first.holder, first.until, now)}" if isinstance(first, AlreadyClaimed) else str(first)
    return f"{len(refused)} of {asked} not done: {why}"


@router.post("/undo")
def undo(
    request: Request,
    pages: PagesOf,
    csrf: Annotated[str, Form()],
    event: Annotated[list[Annotated[int, Field(ge=1, le=LAST_EVENT)]], Form()],
    back: Annotated[str, Form()] = "/",
) -> RedirectResponse:
    """Take actions back, the latest first; raises ``Conflict`` when somebody acted since."""
    accept(request, csrf, back)
    who = acting(pages, request)
    now = pages.clock()
    refused: list[Conflict | NotFound] = []
    for number in sorted(set(event), reverse=True)[:MOST]:
        try:
            respond.undo(pages.store, number, who, now=now)
        except (Conflict, NotFound) as error:
            refused.append(error)
    merging.finish_merges(pages.store, pages.config, now=now)  # what is no longer merged is ranked by itself
    if len(refused) == len(set(event)):
        raise refused[0]
    return going_back(pages, back, Done(said="Undone", problem=_problem(refused, len(event), now)))


@router.post("/me")
def me(
    request: Request,
    pages: PagesOf,
    csrf: Annotated[str, Form()],
    responder: Annotated[str, Form()],
    back: Annotated[str, Form()] = "/",
) -> RedirectResponse:
    """Choose who acts in this browser. There is no sign-in yet: whoever reaches the pages may act as anybody."""
    accept(request, csrf, back)
    if responder not in pages.config.web.responders:
        raise ConfigError(f"nobody here is called {responder!r}; add the name to [web] responders in tocsin.toml")
    response = RedirectResponse(local_path(back), status_code=303)
    response.set_cookie(
        RESPONDER_COOKIE,
        urllib.parse.quote(responder),
        max_age=YEAR,
        httponly=True,
        samesite="lax",
        secure=pages.secure,
    )
    return response


def accept(request: Request, csrf: str, back: str) -> None:
    """Check a form, and remember where it was sent from: an error leads back there."""
    request.state.back = local_path(back)
    check_form(request, csrf)


def acting(pages: Pages, request: Request) -> str:
    """Who does it; raises ``WhoAreYou``."""
    who = pages.responder(request)
    if who is None:
        raise WhoAreYou("choose who you are first, so that colleagues see who holds what; then press the button again")
    return who


def going_back(pages: Pages, back: str, done: Done) -> RedirectResponse:
    """To where the person was, saying what was done; shown once, with an undo for ``UNDO_SECONDS``."""
    response = RedirectResponse(local_path(back), status_code=303)
    response.set_cookie(
        FLASH_COOKIE, pages.tell(done), max_age=UNDO_SECONDS, httponly=True, samesite="lax", secure=pages.secure
    )
    return response
