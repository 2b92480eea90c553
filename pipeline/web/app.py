"""The application: routes, what guards them, and how errors are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from markupsafe import escape
from starlette.exceptions import HTTPException
from starlette.types import Scope

from pipeline.config import Config
from pipeline.errors import AlreadyClaimed, ConfigError, Conflict, LinkRefused, NotFound, TocsinError, Transient
from pipeline.escalation.links import Links
from pipeline.ports import Models, Store
from pipeline.web import acknowledge, actions, api, coverage, incidents, learn, live, mentions, posts, queue, tickets
from pipeline.web.actions import WhoAreYou
from pipeline.web.pages import Pages
from pipeline.web.security import HEADERS, Forged, KnownHosts, SafeHeaders, allowed_hosts

ROUTERS = (
    queue.router,
    tickets.router,
    mentions.router,
    incidents.router,
    coverage.router,
    actions.router,
    acknowledge.router,
    learn.router,
    api.router,
    live.router,
)


def create_app(
    store: Store,
    config: Config,
    *,
    clock: Callable[[], datetime],
    links: Links | None = None,
    models: Callable[[], Models] | None = None,
) -> FastAPI:
    """The pages over a store; ``clock`` gives the present, aware UTC. Nothing but the store is kept between requests.

    ``links`` reads the links that notices carry; ``models`` gives the versions of the models.
    """
    updates = live.Live(store, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with live.ending_streams(updates):
            yield

    # Without FastAPI's own documentation pages: they load scripts from another host.
    app = FastAPI(title="Tocsin", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.pages = Pages(store, config, clock) if models is None else Pages(store, config, clock, models=models)
    app.state.live = updates
    app.state.links = links
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/help", _help, response_class=HTMLResponse)
    app.mount("/static", _Static(directory=str(files("pipeline.web") / "static")), name="static")
    app.add_exception_handler(TocsinError, _tell)
    app.add_exception_handler(HTTPException, _tell)
    app.add_exception_handler(RequestValidationError, _tell)
    app.add_exception_handler(Exception, _confess)
    app.add_middleware(KnownHosts, hosts=allowed_hosts(config.web.address))
    app.add_middleware(SafeHeaders)
    return app


class _Static(StaticFiles):
    """Style and script, asked for again after every update of the product: no stale page after an upgrade."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def _help(request: Request) -> HTMLResponse:
    """Keys and words, for those without a script."""
    pages: Pages = request.app.state.pages
    return pages.render(pages.visit(request), "help.html")


# --- errors ---------------------------------------------------------------------------------------------------------

_TOLD: tuple[tuple[type[Exception], int, str], ...] = (
    (WhoAreYou, 400, "Who are you?"),
    (Forged, 403, "That form was not accepted"),
    (LinkRefused, 410, "This link does nothing"),
    (AlreadyClaimed, 409, "Somebody has this ticket"),
    (Conflict, 409, "Somebody was faster"),
    (NotFound, 404, "Not here"),
    (ConfigError, 400, "That cannot be done"),
    (Transient, 503, "The store does not answer"),
    (RequestValidationError, 400, "That form is incomplete"),
    (TocsinError, 500, "Something is broken"),
)
"""Errors by status and headline, the first that fits."""


def _tell(request: Request, error: Exception) -> Response:
    """An error as a page with the next step, or as JSON where a machine asked."""
    status, headline, words = _told(error)
    headers = {"retry-after": "5"} if status == 503 else {}
    if request.url.path.startswith(("/api/", "/healthz", "/events")):
        return JSONResponse({"error": words}, status_code=status, headers=headers)
    pages: Pages = request.app.state.pages
    try:
        visit = pages.visit(request)
        page = pages.render(
            visit,
            "message.html",
            status=status,
            headline=headline,
            words=words,
            error=error,
            held=error if isinstance(error, AlreadyClaimed) else None,
            who_are_you=isinstance(error, WhoAreYou),
            back=visit.here if request.method != "GET" else "/",
        )
    except TocsinError as trouble:  # not even the message can be drawn with its frame: the store is what is in trouble
        status, headline, words = _told(trouble)
        return _bare(
            status, headline, f"{words}. This page tries again every five seconds." if status == 503 else words
        )
    page.headers.update(headers)
    return page


def _told(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return 404, "Not here", "There is no page at this address."
        return error.status_code, "That cannot be done", str(error.detail)
    status, headline = next((status, headline) for kind, status, headline in _TOLD if isinstance(error, kind))
    if isinstance(error, RequestValidationError):
        return status, headline, "A field is missing or too long; go back, reload the page and try again."
    words = posts.line(str(error), 600)
    return status, headline, words[:1].upper() + words[1:]


def _confess(request: Request, error: Exception) -> Response:
    """A mistake of ours: the log has the traceback, the page has none of it."""
    return _bare(500, "Something is broken", "This is a mistake in Tocsin, and it is in the log of the pages.")


def _bare(status: int, headline: str, words: str) -> Response:
    """A page that needs neither the store nor a template."""
    again = '<meta http-equiv="refresh" content="5">' if status == 503 else ""
    html = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">{again}<title>{headline} · Tocsin</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/static/tocsin.css">
</head><body><main class="message"><h1>{headline}</h1><p>{escape(words)}</p>
<p>Nothing that was collected is lost. If it stays so, <code>tocsin doctor</code> says what is wrong.</p>
<p><a href="/">To the queue</a></p></main></body></html>"""
    return HTMLResponse(html, status_code=status, headers={**HEADERS, **({"retry-after": "5"} if again else {})})
