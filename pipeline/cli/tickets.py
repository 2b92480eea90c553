"""Reading the work: ``queue``, ``show``, ``explain`` and ``search``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline.cli.frame import ConfigOption, JsonOption, LimitOption, assembled
from pipeline.cli.render import ago, due, iso, one_line, plain, print_json, print_table, shown
from pipeline.domain import QUEUE_PATIENCE_MINUTES, QUEUE_STEP, Category, Filters, Lane, Sentiment, Status, Urgency
from pipeline.errors import NotFound
from pipeline.search import FACETS
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.domain import Facets, QueueItem, Rank, Score, ScoredMention, Ticket
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
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What waits, in the order it should be answered.

    The crisis lane comes first, then the order is by the expected cost of waiting.

    \b
    Examples:
      tocsin queue --limit 10
      tocsin queue --brand Brightly --free
      tocsin queue --json | jq -r 'select(.lane == "crisis") | .ticket'
    """
    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    filters = Filters(brand=brand, source=source, language=language, category=category, holder=holder, free=free)
    items = tocsin.store.queue(now, filters, limit=limit)
    if as_json:
        for item in items:
            print_json(_queue_json(item, now))
        return
    counts = tocsin.store.queue_counts(now, filters)
    print(f"{counts.waiting:,} waiting, {counts.overdue:,} overdue, {counts.crisis:,} in the crisis lane")
    if not items:
        print("Nothing waits here. `tocsin coverage` says whether everything has been read.")
        return
    print_table(
        ("P", "due", "ticket", "author", "lang", "claimed by", "text", "why first"),
        [_queue_row(item, now) for item in items],
        wide=("text", "why first"),
        right=("due",),
    )


def _queue_row(item: QueueItem, now: datetime) -> tuple[str, ...]:
    ticket = item.ticket
    return (
        f"{ticket.rank.priority}{'!' if ticket.rank.lane is Lane.CRISIS else ''}",
        due(ticket.rank.respond_by, now),
        ticket.id,
        f"@{item.mention.author.handle}",
        ticket.language,
        ticket.holder(now) or "",
        item.mention.text,
        ticket.rank.why,
    )


def _queue_json(item: QueueItem, now: datetime) -> dict[str, object]:
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
    }


def find_ticket(store: Store, some_id: str) -> Ticket:
    """The ticket with this id, or the one of the mention with this id; raises ``NotFound``."""
    conversation = store.conversations_of([some_id]).get(some_id, some_id)
    try:
        return store.ticket(conversation)
    except NotFound as error:
        raise NotFound(f"there is no ticket {some_id!r}; tocsin queue and tocsin search list them") from error


def show(ctx: typer.Context, some_id: TicketArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """One ticket: its state, its conversation and its history.

    \b
    Example:
      tocsin show replay:17
    """
    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    ticket = find_ticket(tocsin.store, some_id)
    posts = tocsin.store.conversation(ticket.id, limit=MOST_POSTS)
    older = tocsin.store.sizes([ticket.id]).get(ticket.id, 0) - len(posts)
    events = tocsin.store.events(ticket.id)
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
            return f"open; respond {due(ticket.rank.respond_by, now)}"


def explain(
    ctx: typer.Context, some_id: TicketArgument, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Why a ticket or mention stands where it stands.

    Every probability, rule and word, and the arithmetic of its rank, so that you can recompute it.

    \b
    Example:
      tocsin explain replay:17
    """
    tocsin = assembled(ctx, config)
    store, now = tocsin.store, tocsin.clock()
    try:
        ticket = find_ticket(store, some_id)
    except NotFound:
        lead = store.mention(some_id)  # a mention without a ticket, or NotFound with its own words
        if as_json:
            print_json({"ticket": None, "mention": plain(lead)})
            return
        _print_mention(lead)
        print("\nIt has no ticket: spam, an own post, or counted under another post." + _fold_of(lead))
        return
    lead = store.mention(ticket.mention)
    if as_json:
        print_json({"ticket": plain(ticket), "mention": plain(lead)})
        return
    _print_mention(lead)
    print()
    for line in arithmetic(ticket.rank, now):
        print(line)


def _fold_of(item: ScoredMention) -> str:
    return f" It repeats {item.mention.fold}." if item.mention.fold else ""


def _print_mention(item: ScoredMention) -> None:
    mention, score = item.mention, item.score
    print(f"{mention.id} · {mention.brand} · @{mention.author.handle} · {mention.posted_at:%Y-%m-%d %H:%M} UTC")
    print("    " + shown(mention.text).replace("\n", "\n    "))
    print()
    for line in probabilities(score):
        print(line)


def probabilities(score: Score) -> list[str]:
    """What classifiers and rules said, a line each."""
    heads = (
        ("category", score.category_label, score.category),
        ("urgency", score.urgency_label, score.urgency),
        ("sentiment", score.sentiment_label, score.sentiment),
    )
    lines = [
        f"{name:<10} {label:<11} " + ", ".join(f"{key} {p:.3f}" for key, p in sorted(ps.items(), key=lambda kv: -kv[1]))
        for name, label, ps in heads
    ]
    lines.append(f"{'crisis':<10} {score.crisis:.3f}")
    for hit in score.rules:
        danger = ", a danger" if hit.crisis else ""
        lines.append(f'rule       "{hit.rule}": at least {hit.urgency}{danger}, by the words "{one_line(hit.words)}"')
    for signal in sorted(score.signals, key=lambda signal: -signal.value):
        lines.append(f'signal     {signal.name} {signal.value:+.3f}, by "{one_line(signal.because)}"')
    lines.append(f"model      {score.model}{' (a language it does not know well)' if score.degraded else ''}")
    return lines


def arithmetic(rank: Rank, now: datetime) -> list[str]:
    """The rank as a person can recompute it."""
    handling = rank.handling_minutes
    lines = ["rank"]
    lines += [
        f"  {'x' if n else ' '} {part.value:<9.4g} {part.name}: {part.because}" for n, part in enumerate(rank.parts)
    ]
    lines.append(f"  = {rank.cost:<9.4g} W, the expected cost of waiting")
    lines.append(
        f"  level       log({rank.cost:.4g} / {handling:g} min) = {math.log(rank.cost / handling):.3f}; "
        f"in steps of {QUEUE_STEP:g}: {rank.level}"
    )
    lines.append(f"  respond by  {rank.respond_by:%Y-%m-%d %H:%M} UTC, the target of {rank.priority}")
    lines.append(f"  due at      {rank.due_at:%Y-%m-%d %H:%M} UTC: respond by less {handling:g} min of handling")
    early = max(timedelta(0), rank.due_at - now).total_seconds() / 60
    place = rank.level * QUEUE_STEP - early / QUEUE_PATIENCE_MINUTES
    lines.append(
        f"  now         log I = {rank.level} x {QUEUE_STEP:g} - {early:.1f} min / {QUEUE_PATIENCE_MINUTES:g} min "
        f"= {place:.3f}; the higher, the sooner"
    )
    lane = "above the queue: a danger, by rule or by P(crisis)" if rank.lane is Lane.CRISIS else "by cost"
    lines.append(f"  lane        {rank.lane} ({lane})")
    lines.append(f"  why         {shown(rank.why)}")
    return lines


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
