"""The mentions: a search through everything that was heard, spam and reposts included."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pipeline.domain import MOST_COUNTED, Facets, ScoredMention, Ticket
from pipeline.errors import ConfigError
from pipeline.search import parsed
from pipeline.text import FIRST_CLASS
from pipeline.web import narrowing, posts
from pipeline.web.pages import PagesOf
from pipeline.web.queue import ROWS

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
    search = narrowing.asked(request.query_params, pages.zone)
    items, facets, problem = _search(pages, search)
    tickets = pages.store.tickets({item.mention.conversation for item in items})
    looked_for = None if problem else parsed(search.text)
    wanted = looked_for.wanted if looked_for else ()
    found = [
        Found(
            item=item,
            text=posts.excerpt(item.mention.text, wanted=wanted, language=item.mention.language),
            ticket=tickets.get(item.mention.conversation),
        )
        for item in items[:ROWS]
    ]
    return pages.render(
        visit,
        "mentions.html",
        status=400 if problem else 200,
        search=search,
        chips=narrowing.chips(search),
        facets=narrowing.facets(search, facets),
        total=facets.total,
        more=facets.more,
        most_counted=MOST_COUNTED,
        found=found,
        problem=problem,
        first=(search.page - 1) * ROWS + 1,
        before=search.link(page=search.page - 1) if search.page > 1 else None,
        after=search.link(page=search.page + 1) if len(items) > ROWS else None,
        first_class=FIRST_CLASS,
    )


def _search(pages: PagesOf, search: narrowing.Asked) -> tuple[list[ScoredMention], Facets, str]:
    """What is found and the numbers over it, or why nothing can be searched for."""
    if len(search.text) > SEARCH_LENGTH:
        return [], Facets(), f"a search holds at most {SEARCH_LENGTH} characters; this one has {len(search.text):,}"
    try:
        items = pages.store.search(search.text, search.filters, limit=ROWS + 1, offset=(search.page - 1) * ROWS)
        return items, pages.store.facets(search.text, search.filters, zone=pages.zone), ""
    except ConfigError as error:
        return [], Facets(), str(error)
