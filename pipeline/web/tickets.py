"""The ticket: the conversation, why it stands where it stands, its author, and all that was done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.domain import Event, EventKind, Mention, Part, Rank, Score, ScoredMention, Ticket
from pipeline.errors import NotFound
from pipeline.labels import with_labels
from pipeline.ports import Mentions
from pipeline.teams import colleagues, team_of
from pipeline.text import FIRST_CLASS
from pipeline.web import posts
from pipeline.web.pages import Pages, PagesOf, ticket_path
from pipeline.web.questions import questions_of
from pipeline.web.queue import page_of

RECENT = 40
"""Posts of a long conversation that stand open; the older ones are folded above them."""

POSTS = 200
"""Posts a page: whoever answers reads the end of a conversation, and a storm of 20,000 replies takes ten seconds to draw."""

HISTORY = 20  # earlier posts of an author that tell a story; more is a search

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post of the conversation as it is shown."""

    mention: Mention
    text: posts.Shown
    ranks: bool
    folded: int
    folded_people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Something the author wrote before, and the ticket it made."""

    mention: Mention
    ticket: Ticket | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the history; ``undoable`` when it can be taken back from here."""

    event: Event
    undoable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why the ticket stands where it stands, so that a person can compute it again."""

    score: Score
    parts: tuple[Part, ...]
    product: str
    level: str
    bars: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The part of a conversation that one page shows, page 1 its end, and what stands before and after it."""

    items: Sequence[ScoredMention]
    page: int
    older: int
    newer: int


@router.get("/tickets/{ticket_id:path}", response_class=HTMLResponse)
def ticket(ticket_id: str, request: Request, pages: PagesOf) -> Response:
    """The page; a fixed number of calls of the store, and two more for each ticket that was merged into this one."""
    found = _ticket(pages, ticket_id)
    if found.merged_into is not None and found.unsettled is None:
        return RedirectResponse(ticket_path(found.merged_into), status_code=303)
    visit = pages.visit(request)
    stretch = stretch_of(pages.store, found.id, page_of(request.query_params))
    ranking = next((item for item in stretch.items if item.mention.id == found.mention), None)
    if ranking is None:
        with suppress(NotFound):
            ranking = pages.store.mention(found.mention)
    lead = ranking or (stretch.items[-1] if stretch.items else None)
    log = pages.store.labels_of([lead.mention.id] if lead else [])
    far = [ranking] if ranking and stretch.page == 1 and ranking not in stretch.items else []
    folded = pages.store.folded_counts([item.mention.id for item in (*far, *stretch.items)])
    shown = [_post(item, found, folded.get(item.mention.id, (0, 0))) for item in stretch.items]
    open_posts = RECENT if stretch.page == 1 else POSTS
    return pages.render(
        visit,
        "ticket.html",
        ticket=found,
        status_now=found.status(visit.now),
        stretch=stretch,
        far=[_post(item, found, folded.get(item.mention.id, (0, 0))) for item in far],
        older=shown[:-open_posts],
        recent=shown[-open_posts:],
        lead=lead,
        why=why_of(found.rank, with_labels([ranking], log)[0].score) if ranking else None,
        earlier=_earlier(pages, found),
        questions=questions_of(pages, lead, log.get(lead.mention.id, ())) if lead else [],
        merged=[(part, [_post(item, found, (0, 0)) for item in items]) for part, items in _merged(pages, found)],
        events=lines(_history(pages, found)),
        incidents=[one for one in visit.incidents if found.mention in one.mentions],
        team=team_of(found, pages.config),
        teams=[team.name for team in pages.config.team],
        people=colleagues(pages.config),
        first_class=FIRST_CLASS,
    )


def _merged(pages: Pages, ticket: Ticket) -> list[tuple[str, list[ScoredMention]]]:
    """The ends of the conversations that are part of this ticket beside its own."""
    return [(part, pages.store.conversation(part, limit=RECENT)) for part in ticket.merged]


def _history(pages: Pages, ticket: Ticket) -> list[Event]:
    """What was done to a ticket and to those that are part of it."""
    events = [event for part in (ticket.id, *ticket.merged) for event in pages.store.events(part)]
    return sorted(events, key=lambda event: (event.at, event.id))


def stretch_of(store: Mentions, conversation: str, page: int) -> Stretch:
    """Page ``page`` of a conversation, counted from its end; past its beginning, the page that holds its beginning."""
    posts = store.sizes([conversation]).get(conversation, 0)
    page = min(page, max(1, math.ceil(posts / POSTS)))
    newer = (page - 1) * POSTS
    items = store.conversation(conversation, limit=POSTS, offset=newer)
    return Stretch(items=items, page=page, older=max(0, posts - newer - len(items)), newer=newer)


def _ticket(pages: Pages, ticket_id: str) -> Ticket:
    try:
        return pages.store.ticket(ticket_id)
    except NotFound as error:
        raise NotFound(
            f"no ticket {posts.line(ticket_id)}; its conversation may have been joined to an earlier post's: "
            "search for its words in Mentions"
        ) from error


def _post(item: ScoredMention, ticket: Ticket, folded: tuple[int, int]) -> Post:
    ranks = item.mention.id == ticket.mention
    text = posts.whole(item.mention.text, strong=posts.reasons(item.score) if ranks else ())
    return Post(mention=item.mention, text=text, ranks=ranks, folded=folded[0], folded_people=folded[1])


def _earlier(pages: Pages, ticket: Ticket) -> list[Earlier]:
    """What the author wrote in other conversations, newest first, one line a conversation."""
    others: dict[str, Mention] = {}
    for item in pages.store.author_history(ticket.author, limit=HISTORY):
        if item.mention.conversation not in {ticket.id, *ticket.merged}:
            others.setdefault(item.mention.conversation, item.mention)
    tickets = pages.store.tickets(others)
    return [Earlier(mention=mention, ticket=tickets.get(key)) for key, mention in others.items()]


def lines(events: Sequence[Event]) -> list[Line]:
    """The history, newest first; an undo can take back what holds the facts from before it."""
    return [
        Line(event=event, undoable=event.before is not None and not event.undone and event.kind is not EventKind.UNDONE)
        for event in reversed(events)
    ]


def why_of(rank: Rank, score: Score) -> Why:
    """The arithmetic of a rank and the probabilities behind it, largest first."""
    level = (
        f"level = log({rank.cost:.3g} ÷ {rank.handling_minutes:g} min) in steps of 5 % = {rank.level}"
        if rank.cost > 0
        else f"level {rank.level}"
    )
    return Why(
        score=score,
        parts=rank.parts,
        product=_product(rank),
        level=level,
        bars=(
            ("category", _largest(score.category.items())),
            ("urgency", _largest(score.urgency.items())),
            ("sentiment", _largest(score.sentiment.items())),
            ("crisis", (("crisis", score.crisis),)),
        ),
    )


def _product(rank: Rank) -> str:
    """The factors as one line: ``9.61 × 2.8 × 1.25 = 33.6``; honest about a product that does not come out."""
    factors = " × ".join(f"{part.value:.3g}" for part in rank.parts)
    exact = math.isclose(math.prod(part.value for part in rank.parts), rank.cost, rel_tol=0.01)
    return f"{factors} = {rank.cost:.3g}" if rank.parts and exact else f"{rank.cost:.3g}"


def _largest(items: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    pairs = sorted(items, key=lambda pair: -pair[1])
    return tuple((str(label), p) for label, p in pairs[:3] if p >= 0.01 or label == pairs[0][0])


def held_words(holder: str, until: datetime, now: datetime) -> str:
    """Who holds a ticket and for how long yet."""
    minutes = max(1, round((until - now).total_seconds() / 60))
    return f"{holder}, {minutes} min left"
