"""The mentions: a search through everything that was heard, spam and reposts included."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pipeline.domain import Filters, ScoredMention, Ticket
from pipeline.errors import ConfigError
from pipeline.text import FIRST_CLASS
from pipeline.web import posts
from pipeline.web.pages import PagesOf, with_query
from pipeline.web.queue import ROWS, choices, chosen

SEARCH_LENGTH = 300  # longer is pasted text, and costs the store more than anybody reads

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A mention that was found, its text with the searched words marked, and its ticket."""

    item: ScoredMention
    text: posts.Shown
    ticket: Ticket | None


@router.get("/mentions")
def mentions(request: Request, pages: PagesOf) -> HTMLResponse:
    """The page: newest first."""
    visit = pages.visit(request)
    picked = chosen(request.query_params, visit.responder)
    filters = replace(picked.filters, holder=None, free=False)
    text = (request.query_params.get("q") or "").strip()
    items, problem = _search(pages, text, filters, offset=(picked.page - 1) * ROWS)
    tickets = pages.store.tickets({item.mention.conversation for item in items})
    found = [
        Found(
            item=item,
            text=posts.excerpt(item.mention.text, search=text, language=item.mention.language),
            ticket=tickets.get(item.mention.conversation),
        )
        for item in items[:ROWS]
    ]
    query = picked.query(q=text, show=None)
    return pages.render(
        visit,
        "mentions.html",
        status=400 if problem else 200,
        text=text,
        picked=picked,
        filtered=filters != Filters(),
        choices=choices(
            pages.config, filters, [(i.mention.brand, i.mention.source, i.mention.language) for i in items]
        ),
        found=found,
        problem=problem,
        first=(picked.page - 1) * ROWS + 1,
        before=with_query("/mentions", query | {"page": picked.page - 1}) if picked.page > 1 else None,
        after=with_query("/mentions", query | {"page": picked.page + 1}) if len(items) > ROWS else None,
        first_class=FIRST_CLASS,
    )


def _search(pages: PagesOf, text: str, filters: Filters, *, offset: int) -> tuple[list[ScoredMention], str]:
    """What is found, or why nothing can be searched for."""
    if len(text) > SEARCH_LENGTH:
        return [], f"a search holds at most {SEARCH_LENGTH} characters; this one has {len(text):,}"
    try:
        return pages.store.search(text, filters, limit=ROWS + 1, offset=offset), ""
    except ConfigError as error:
        return [], str(error)
