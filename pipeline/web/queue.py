"""The queue: what to answer next, and why that one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import QueryParams

from pipeline import hearing
from pipeline.config import Config
from pipeline.domain import Belonging, Category, Filters, Lane, QueueItem
from pipeline.errors import ConfigError
from pipeline.teams import colleagues, share_of, team_of
from pipeline.text import FIRST_CLASS
from pipeline.web import posts
from pipeline.web.pages import PagesOf, with_query

ROWS = 50
"""Tickets a page: more than a shift answers in an hour, and quick to draw."""

LAST_PAGE = 200  # nobody pages on by hand; a filter finds what stands this far down

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the address asks for: filters, whose tickets, which team's, which page."""

    filters: Filters
    show: str
    team: str | None
    page: int

    def query(self, **changes: object) -> dict[str, object]:
        """The address's query with some of it changed; a changed filter starts at page 1."""
        now: dict[str, object] = {
            "brand": self.filters.brand,
            "source": self.filters.source,
            "language": self.filters.language,
            "category": self.filters.category,
            "team": self.team,
            "breached": "1" if self.filters.breached else None,
            "show": None if self.show == "all" else self.show,
        }
        return now | changes

    @property
    def any(self) -> bool:
        """Whether anything is filtered."""
        return self.filters != Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the filters offer: what is configured, what the rows show, and what is chosen."""

    brands: Sequence[str]
    sources: Sequence[str]
    languages: Sequence[str]
    categories: Sequence[Category]
    teams: Sequence[str]


def chosen(params: QueryParams, responder: str | None, config: Config) -> Chosen:
    """The filters of an address; raises ``ConfigError`` for values that mean nothing."""
    show = params.get("show") or "all"
    if show not in {"all", "mine", "free"}:
        raise ConfigError(f"show={show}: use mine, free or all")
    team = params.get("team") or None
    return Chosen(
        filters=Filters(
            brand=params.get("brand") or None,
            source=params.get("source") or None,
            language=params.get("language") or None,
            category=category(params.get("category") or ""),
            holder=responder if show == "mine" else None,
            free=show == "free",
            breached=bool(params.get("breached")),
            shares=(share_of(team, config),) if team else (),
        ),
        show=show,
        team=team,
        page=page_of(params),
    )


def page_of(params: QueryParams) -> int:
    """Which page an address asks for; raises ``ConfigError``."""
    page = params.get("page") or "1"
    # The length first: Python refuses to read a number of thousands of digits.
    if not page.isdecimal() or len(page) > len(str(LAST_PAGE)) or not 1 <= int(page) <= LAST_PAGE:
        raise ConfigError(f"page={page}: use a number from 1 to {LAST_PAGE}")
    return int(page)


def category(name: str) -> Category | None:
    """A category by name; raises ``ConfigError`` naming them all."""
    if name and name not in set(Category):
        raise ConfigError(f"category={name}: use one of {', '.join(Category)}")
    return Category(name) if name else None


def choices(config: Config, picked: Filters, seen: Sequence[tuple[str, str, str]] = ()) -> Choices:
    """What may be filtered by; ``seen`` holds (brand, source, language) of the rows shown, imports among them."""
    brands = [brand.name for brand in config.brand]
    sources = [source.name for source in config.source]
    return Choices(
        brands=_all(brands, picked.brand, [brand for brand, _, _ in seen]),
        sources=_all(sources, picked.source, [source for _, source, _ in seen]),
        languages=_all(list(FIRST_CLASS), picked.language, [language for _, _, language in seen]),
        categories=tuple(Category),
        teams=[team.name for team in config.team],
    )


def _all(known: list[str], picked: str | None, seen: list[str]) -> list[str]:
    return list(dict.fromkeys([*known, *sorted(set(seen)), *([picked] if picked else [])]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A ticket as its row shows it."""

    item: QueueItem
    text: posts.Shown
    team: Belonging | None


def rows(items: Sequence[QueueItem], config: Config) -> list[Row]:
    """The rows of the queue, the words behind each rank marked."""
    return [
        Row(
            item=item,
            text=posts.excerpt(item.mention.text, strong=posts.reasons(item.score)),
            team=team_of(item.ticket, config),
        )
        for item in items
    ]


@router.get("/")
def queue(request: Request, pages: PagesOf) -> HTMLResponse:
    """The page; a fixed number of calls of the store, however many rows."""
    visit = pages.visit(request)
    picked = chosen(request.query_params, visit.responder, pages.config)
    nobody = picked.show == "mine" and visit.responder is None
    offset = (picked.page - 1) * ROWS
    items = [] if nobody else pages.store.queue(visit.now, picked.filters, limit=ROWS + 1, offset=offset)
    shown = rows(items[:ROWS], pages.config)
    counts = pages.store.queue_counts(visit.now, Filters())
    seen = [(item.mention.brand, item.mention.source, item.mention.language) for item in items]
    return pages.render(
        visit,
        "queue.html",
        picked=picked,
        choices=choices(pages.config, picked.filters, seen),
        lanes=[(lane, [row for row in shown if row.item.ticket.rank.lane is lane]) for lane in Lane],
        first=offset + 1,
        counts=counts,
        fitting=pages.store.queue_counts(visit.now, picked.filters) if picked.any else counts,
        nobody=nobody,
        before=with_query("/", picked.query(page=_page(picked.page - 1))) if picked.page > 1 else None,
        after=with_query("/", picked.query(page=picked.page + 1)) if len(items) > ROWS else None,
        stale=hearing.stale(pages.store.cursors(), pages.config.pairs(), visit.now),
        people=colleagues(pages.config),
        first_class=FIRST_CLASS,
    )


def _page(number: int) -> int | None:
    return number if number > 1 else None
