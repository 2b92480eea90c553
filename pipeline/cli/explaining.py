"""Why a ticket stands where it stands: ``explain``."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import typer

from pipeline.cli.frame import ConfigOption, JsonOption, assembled
from pipeline.cli.render import one_line, plain, print_json, shown
from pipeline.cli.tickets import TicketArgument, find_ticket
from pipeline.domain import QUEUE_PATIENCE_MINUTES, QUEUE_STEP, Lane
from pipeline.errors import NotFound

if TYPE_CHECKING:
    from pipeline.domain import Rank, Score, ScoredMention


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
