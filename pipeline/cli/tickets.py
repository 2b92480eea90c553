"""Reading the work: ``queue``, ``show`` and ``search``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline.cli.frame import ConfigOption, JsonOption, LimitOption, assembled
from pipeline.cli.render import ago, due, iso, one_line, plain, print_json, print_table, shown
from pipeline.domain import Category, Filters, Lane, Sentiment, Status, Urgency
from pipeline.errors import NotFound
from pipeline.search import FACETS
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.domain import Facets, QueueItem, Ticket
    from pipeline.ports import Store

BrandOption = Annotated[str | None, typer.Option("--brand", help="Only this brand.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="Only this source.")]
LanguageOption = Annotated[str | None, typer.Option("--language", help="Only this language (ISO code).")]
CategoryOption = Annotated[Category | None, typer.Option("--category", help="Only this category.")]
SentimentOption = Annotated[Sentiment | None, typer.Option("--sentiment", help="Only this sentiment.")]
UrgencyOption = Annotated[Urgency | None, typer.Option("--urgency", help="Only this urgency.")]
FirstOption = Annotated[
    datetime | None, typer.Option("--from", metavar="DAY", formats=["%Y-%m-%d"], help="Posted on this day or later.")
]
LastOption = Annotated[
    datetime | None, typer.Option("--to", metavar="DAY", formats=["%Y-%m-%d"], help="Posted on this day or before.")
]
HolderOption = Annotated[
    str | None, typer.Option("--holder", metavar="NAME", help="Only what this person has claimed.")
]
TeamOption = Annotated[str | None, typer.Option("--team", metavar="NAME", help="Only what this team works on.")]
BreachedOption = Annotated[bool, typer.Option("--breached", help="Only what is past its respond-by.")]
FreeOption = Annotated[bool, typer.Option("--free", help="Only what nobody has claimed.")]
TicketArgument = Annotated[str, typer.Argument(metavar="ID", help="A ticket or one of its mentions.")]

MOST_POSTS = 200
"""Posts of a conversation that `tocsin show` gives: the newest, as one page of the ticket does."""


def queue(
    ctx: typer.Context,
    limit: LimitOption = 50,
    brand: BrandOption = None,
    source: SourceOption = None,
    language: LanguageOption = None,
    category: CategoryOption = None,
    holder: HolderOption = None,
    free: FreeOption = False,
    team: TeamOption = None,
    breached: BreachedOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What waits, in the order it should be answered.

    The crisis lane comes first, then the order is by the expected cost of waiting.

    \b
    Examples:
      tocsin queue --limit 10
      tocsin queue --brand Brightly --free
      tocsin queue --team billing --breached
      tocsin queue --json | jq -r 'select(.lane == "crisis") | .ticket'
    """
    from pipeline.teams import share_of

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    filters = Filters(
        brand=brand,
        source=source,
        language=language,
        category=category,
        holder=holder,
        free=free,
        shares=(share_of(team, tocsin.config),) if team else (),
    )
    chosen = replace(filters, breached=breached)
    items = tocsin.store.queue(now, chosen, limit=limit)
    if as_json:
        for item in items:
            print_json(_queue_json(item, tocsin.config, now))
        return
    counts = tocsin.store.queue_counts(now, filters)
    share = f" ({counts.overdue / counts.waiting:.1%} of what waits)" if breached and counts.overdue else ""
    print(f"{counts.waiting:,} waiting, {counts.overdue:,} overdue{share}, {counts.crisis:,} in the crisis lane")
    if not items:
        print("Nothing waits here. `tocsin coverage` says whether everything has been read.")
        return
    print_table(
        ("P", "due", "ticket", "author", "lang", "team", "claimed by", "text", "why first"),
        [_queue_row(item, tocsin.config, now) for item in items],
        wide=("text", "why first"),
        right=("due",),
    )


def _queue_row(item: QueueItem, config: Config, now: datetime) -> tuple[str, ...]:
    ticket = item.ticket
    return (
        f"{ticket.rank.priority}{'!' if ticket.rank.lane is Lane.CRISIS else ''}",
        due(ticket.rank.respond_by, now),
        ticket.id,
        f"@{item.mention.author.handle}",
        ticket.language,
        _team(ticket, config) or "",
        ticket.holder(now) or "",
        item.mention.text,
        ticket.rank.why,
    )


def _team(ticket: Ticket, config: Config) -> str | None:
    from pipeline.teams import team_of

    belonging = team_of(ticket, config)
    return belonging.team if belonging else None


def _queue_json(item: QueueItem, config: Config, now: datetime) -> dict[str, object]:
    """One line of the contract with other programs (docs/cli.md): keys and their order are fixed."""
    ticket = item.ticket
    return {
        "ticket": ticket.id,
        "mention": item.mention.id,
        "source": ticket.source,
        "author": item.mention.author.handle,
        "language": ticket.language,
        "text": item.mention.text,
        "category": ticket.category,
        "urgency": ticket.urgency,
        "sentiment": ticket.sentiment,
        "crisis": ticket.crisis,
        "priority": ticket.rank.priority,
        "lane": ticket.rank.lane,
        "opened_at": iso(ticket.opened_at),
        "respond_by": iso(ticket.rank.respond_by),
        "status": ticket.status(now),
        "claimed_by": ticket.holder(now),
        "why": ticket.rank.why,
        "team": _team(ticket, config),
    }


def find_ticket(store: Store, some_id: str) -> Ticket:
    """The ticket with this id, or of the mention with this id, or what it is merged into; raises ``NotFound``."""
    conversation = store.conversations_of([some_id]).get(some_id, some_id)
    try:
        found = store.ticket(conversation)
        return found if found.merged_into is None or found.unsettled else store.ticket(found.merged_into)
    except NotFound as error:
        raise NotFound(f"there is no ticket {some_id!r}; tocsin queue and tocsin search list them") from error


def show(ctx: typer.Context, some_id: TicketArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """One ticket: its state, its conversation and its history.

    \b
    Example:
      tocsin show replay:17
    """
    from pipeline.teams import team_of

    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    whole = (ticket.id, *ticket.merged)
    posts = [post for part in whole for post in tocsin.store.conversation(part, limit=MOST_POSTS)]
    posts.sort(key=lambda post: (post.mention.posted_at, post.mention.id))
    older = sum(tocsin.store.sizes(whole).values()) - len(posts)
    events = [event for part in whole for event in tocsin.store.events(part)]
    events.sort(key=lambda event: (event.at, event.id))
    if as_json:
        print_json(
            {
                **plain(ticket),
                "status": ticket.status(now),
                "older": older,
                "conversation": plain(posts),
                "events": plain(events),
            }
        )
        return
    print(f"{ticket.id} · {ticket.brand} · {ticket.rank.priority} · {state_of(ticket, now)}")
    if belonging := team_of(ticket, tocsin.config):
        print(f"team: {shown(belonging.team)} ({shown(belonging.because)})")
    print(f"why: {shown(ticket.rank.why)}")
    folded = f", {counted(ticket.folded, 'repost or repeat', 'reposts and repeats')}" if ticket.folded else ""
    print(f"{counted(ticket.posts, 'post')} by {counted(ticket.people, 'person', 'people')}{folded}\n")
    if older:
        print(f"{counted(older, 'older post')} on the ticket's page\n")
    for item in posts:
        mention = item.mention
        who = f"@{mention.author.handle}{' (own answer)' if mention.own else ''}"
        print(f"{mention.posted_at:%Y-%m-%d %H:%M} UTC  {who}  {mention.language}  {mention.url or mention.id}")
        print("    " + shown(mention.text).replace("\n", "\n    "))
    if events:
        print("\nhistory (take an action back with `tocsin undo NUMBER`)")
    for event in events:
        note = f": {one_line(event.note)}" if event.note else ""
        taken_back = " (undone)" if event.undone else ""
        print(f"  {event.id:>6}  {event.at:%Y-%m-%d %H:%M}  {shown(event.actor)} {event.kind}{note}{taken_back}")


def state_of(ticket: Ticket, now: datetime) -> str:
    """Where a ticket is, in words."""
    match ticket.status(now):
        case Status.RESOLVED:
            return f"resolved ({ticket.resolution}) {ago(ticket.resolved_at, now)}"
        case Status.ANSWERED:
            return "answered; nothing waits"
        case Status.CLAIMED:
            assert ticket.claimed_until is not None  # or nobody would hold it
            until = ticket.claimed_until
            return f"claimed by {ticket.claimed_by} until {until:%H:%M} UTC; respond {due(ticket.rank.respond_by, now)}"
        case Status.OPEN:
            lapsed = f", {shown(ticket.lapsed(now) or '')}'s claim has lapsed" if ticket.lapsed(now) else ""
            return f"open{lapsed}; respond {due(ticket.rank.respond_by, now)}"


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to look for; empty lists all.")] = "",
    limit: LimitOption = 50,
    brand: BrandOption = None,
    source: SourceOption = None,
    language: LanguageOption = None,
    category: CategoryOption = None,
    sentiment: SentimentOption = None,
    urgency: UrgencyOption = None,
    first: FirstOption = None,
    last: LastOption = None,
    counts: Annotated[
        bool, typer.Option("--facets", help="How many, and how they spread, instead of the posts.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Mentions that hold every word, newest first.

    Words are found in any of their forms, "phrases" as they stand, and posts with an -exclusion are left out.

    \b
    Examples:
      tocsin search 'charged "three times" -refund'
      tocsin search --brand Lumiva --language tr kaşıntı
      tocsin search refund --from 2026-11-01 --facets
    """
    tocsin = assembled(ctx, config)
    zone = ZoneInfo(tocsin.config.hours.timezone)
    filters = Filters(
        brand=brand, source=source, language=language, category=category, sentiment=sentiment, urgency=urgency,
        since=first.replace(tzinfo=zone).astimezone(UTC) if first else None,
        until=(last + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC) if last else None,
    )  # fmt: skip
    if counts:
        _print_facets(tocsin.store.facets(text, filters, zone=zone), as_json=as_json)
        return
    found = tocsin.store.search(text, filters, limit=limit)
    if as_json:
        for item in found:
            print_json(item)
        return
    now = tocsin.clock()
    if not found:
        print("No mention holds all of it.")
        return
    print_table(
        ("posted", "mention", "author", "lang", "category", "urgency", "text"),
        [
            (
                ago(item.mention.posted_at, now),
                item.mention.id,
                f"@{item.mention.author.handle}",
                item.mention.language,
                item.score.category_label,
                item.score.urgency_label,
                item.mention.text,
            )
            for item in found
        ],
        wide=("text",),
        right=("posted",),
    )


def _print_facets(found: Facets, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print(f"{found.total:,}{'+' if found.more else ''} {'mention' if found.total == 1 else 'mentions'}")
    if found.more:
        print(f"Counts are of the newest {found.total:,}.")
    spreads: list[tuple[str, Mapping[str, int] | Mapping[date, int]]] = [
        (name, getattr(found, name)) for name in (*FACETS, "day")
    ]
    rows = [
        (name if place == 0 else "", str(value), f"{count:,}")
        for name, counts in spreads
        for place, (value, count) in enumerate(counts.items())
    ]
    if rows:
        print_table(("facet", "value", "mentions"), rows, right=("mentions",))
