"""What every page shares: the store, the settings, who looks at it and when, and how it becomes HTML."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from pipeline import wording
from pipeline.config import Config
from pipeline.domain import Incident
from pipeline.errors import ConfigError
from pipeline.ports import Models, Store
from pipeline.web import icons, posts
from pipeline.web.security import CSRF_COOKIE, Seal, new_token

RESPONDER_COOKIE = "tocsin_responder"
FLASH_COOKIE = "tocsin_done"
UNDO_SECONDS = 10
"""How long the undo bar stays; afterwards the ticket's history undoes."""

YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the last action did: said once, with the events that an undo takes back.

    Of labels, the mention that was ``labelled`` and what stood before, ``head|answer`` each.
    """

    said: str
    events: tuple[int, ...] = ()
    problem: str = ""
    labelled: str = ""
    was: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One look at one page: when, by whom, at what address."""

    now: datetime
    responder: str | None
    responders: tuple[str, ...]
    csrf: str
    here: str
    change: int
    incidents: Sequence[Incident] = ()
    done: Done | None = None


def _no_models() -> Models:
    raise ConfigError("these pages know of no models; start them with `tocsin up`, or pipeline.pages")


@dataclass(frozen=True, slots=True)
class Pages:
    """The store and the settings behind every page; ``models`` are looked for when a page is about them."""

    store: Store
    config: Config
    clock: Callable[[], datetime]
    seal: Seal = field(default_factory=Seal)
    models: Callable[[], Models] = _no_models

    @property
    def zone(self) -> ZoneInfo:
        """The office's zone, in which clock times are written."""
        return ZoneInfo(self.config.hours.timezone)

    @property
    def secure(self) -> bool:
        """Whether cookies may travel over TLS only."""
        return self.config.web.address.startswith("https:")

    def responder(self, request: Request) -> str | None:
        """Who acts: the name chosen on a page, if it is still one of the team's."""
        chosen = urllib.parse.unquote(request.cookies.get(RESPONDER_COOKIE, ""))
        names = self.config.web.responders
        if chosen in names:
            return chosen
        return names[0] if len(names) == 1 else None

    def visit(self, request: Request) -> Visit:
        """What a page knows before it asks its own questions (two calls of the store)."""
        return Visit(
            now=self.clock(),
            responder=self.responder(request),
            responders=self.config.web.responders,
            csrf=request.cookies.get(CSRF_COOKIE) or new_token(),
            here=_here(request),
            change=self.store.change_count(),
            incidents=self.store.open_incidents(),
            done=self._done(request),
        )

    def render(self, visit: Visit, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
        """The page of one visit."""
        html = ENVIRONMENT.get_template(template).render(visit=visit, now=visit.now, zone=self.zone, **context)
        response = HTMLResponse(html, status_code=status)
        response.set_cookie(CSRF_COOKIE, visit.csrf, httponly=True, samesite="lax", secure=self.secure)
        if visit.done is not None:  # said once: a page that is loaded again does not say it again
            response.delete_cookie(FLASH_COOKIE, httponly=True, samesite="lax", secure=self.secure)
        return response

    def tell(self, done: Done) -> str:
        """The cookie that carries what was done to the next page."""
        return self.seal.close(
            {
                "said": done.said,
                "events": done.events,
                "problem": done.problem,
                "labelled": done.labelled,
                "was": done.was,
            }
        )

    def _done(self, request: Request) -> Done | None:
        match self.seal.open(request.cookies.get(FLASH_COOKIE, "")):
            case {
                "said": str(said),
                "events": list(events),
                "problem": str(problem),
                "labelled": str(labelled),
                "was": list(was),
            }:
                return Done(
                    said=said,
                    events=tuple(int(event) for event in events),
                    problem=problem,
                    labelled=labelled,
                    was=tuple(map(str, was)),
                )
        return None


def pages_of(request: Request) -> Pages:
    """The pages of the application that was asked."""
    pages: Pages = request.app.state.pages
    return pages


PagesOf = Annotated[Pages, Depends(pages_of)]


def _here(request: Request) -> str:
    """The address of the page as it was asked for; for a form that failed, the page it was sent from."""
    if request.method != "GET":
        back: str = getattr(request.state, "back", "/")
        return back
    path: bytes = request.scope["raw_path"]
    return path.decode("ascii", "replace") + (f"?{request.url.query}" if request.url.query else "")


def ticket_path(ticket_id: str) -> str:
    """The address of a ticket; ids may hold anything an address of the web holds."""
    return "/tickets/" + urllib.parse.quote(ticket_id, safe=":@")


def incident_path(incident_id: str) -> str:
    """The address of an incident."""
    return "/incidents/" + urllib.parse.quote(incident_id, safe=":@")


def with_query(path: str, values: Mapping[str, object]) -> str:
    """A path with those of the values that are set."""
    given = {key: value for key, value in values.items() if value not in {None, "", False}}
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


def short(number: int) -> str:
    """A reach at a glance: ``950``, ``12 k``, ``3.4 M``."""
    if number < 1000:
        return str(number)
    if number < 999_500:
        return f"{number / 1000:.1f} k" if number < 10_000 else f"{number / 1000:.0f} k"
    return f"{number / 1e6:.1f} M"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ago=wording.ago,
        deadline=wording.deadline,
        day_clock=wording.day_clock,
        absolute=wording.absolute,
        machine=wording.machine,
        span=wording.span,
        line=posts.line,
        counted=wording.counted,
        short=short,
        ticket_path=ticket_path,
        incident_path=incident_path,
    )
    environment.globals.update(icon=icons.icon, with_query=with_query, undo_seconds=UNDO_SECONDS)
    return environment


ENVIRONMENT = _environment()
