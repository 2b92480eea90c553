"""Coverage: what have we not heard?"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pipeline import hearing
from pipeline.domain import Coverage
from pipeline.web import charts
from pipeline.web.pages import PagesOf

LETTERS = 20
"""Dead letters shown; the newest tell what is wrong."""

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One query at one source, as the table shows it."""

    one: Coverage
    bars: list[charts.Bar]
    listened: bool
    p50: str
    p95: str
    gaps: tuple[tuple[str, str], ...]
    then: str


@router.get("/coverage")
def coverage(request: Request, pages: PagesOf) -> HTMLResponse:
    """The page."""
    visit = pages.visit(request)
    pairs = pages.config.pairs()
    known = pages.store.coverage(visit.now)
    heard = [
        Heard(
            one=one,
            bars=charts.bars(one.received_by_hour),
            listened=(one.cursor.source, one.cursor.query) in pairs,
            p50=hearing.lag(one.lag_p50),
            p95=hearing.lag(one.lag_p95),
            gaps=tuple((hearing.interval(gap, visit.now, pages.zone), gap.reason) for gap in one.open_gaps),
            then=hearing.next_try(one.cursor, visit.now) if one.cursor.error else "",
        )
        for one in hearing.with_unread_pairs(known, pairs)
    ]
    return pages.render(
        visit,
        "coverage.html",
        answer=hearing.answer(known, pairs, visit.now, pages.zone),
        pairs=pairs,
        heard=heard,
        received=sum(one.received for one in known),
        pending=sum(one.pending_batches for one in known),
        dead=sum(one.dead_letters for one in known),
        letters=pages.store.dead_letters(LETTERS),
    )
