"""What has been heard and told: ``coverage``, ``incidents`` and ``notices``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline import hearing
from pipeline.cli.frame import ConfigOption, JsonOption, LimitOption, assembled
from pipeline.cli.render import ago, due, one_line, plain, print_json, print_table, shown, span
from pipeline.domain import Coverage
from pipeline.wording import counted, day_clock

if TYPE_CHECKING:
    from pipeline.domain import Incident, Notice

_MOST = 10  # lines of what is unread; the table has all of it
_UTC = ZoneInfo("UTC")
_BARS = "·▁▂▃▄▅▆▇█"  # an hour without posts is seen as well


def coverage(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """What has been read of each query, and what not.

    \b
    Example:
      tocsin coverage
    """
    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    pairs = tocsin.config.pairs()
    known = tocsin.store.coverage(now)
    heard = hearing.with_unread_pairs(known, pairs)
    if as_json:
        for one in heard:
            print_json(one)
        return
    print(shown(sentence(hearing.answer(known, pairs, now, _UTC), now)))
    if not heard:
        return
    print_table(
        ("source", "query", "last read", "24 h", "by hour", "lag p50", "p95", "gaps", "budget left", "trouble"),
        [_coverage_row(one, now) for one in heard],
        wide=("trouble",),
        right=("24 h", "last read"),
    )


def sentence(answer: hearing.Answer, now: datetime) -> str:
    """The whole of it in a line or a few: until when everything is read, or what is not."""
    if answer == hearing.Answer():
        return "Nothing is listened to: add a [[query]] and a [[source]] to tocsin.toml."
    until = f"Everything up to {day_clock(answer.until, now, _UTC)} UTC has been read" if answer.until else ""
    if not answer.unheard:
        return f"{until}."
    lines = [f"{until}, except (times in UTC):" if until else "Not everything has been read:"]
    for one in answer.unheard[:_MOST]:
        lines.append(f"  {one.where}: {one.what}" + (f"; {one.then}." if one.then else "."))
    more = len(answer.unheard) - _MOST
    return "\n".join(lines + ([f"  … and {more} more, in the table"] if more > 0 else []))


def _coverage_row(one: Coverage, now: datetime) -> tuple[str, ...]:
    cursor = one.cursor
    budget = "" if cursor.calls_left is None else f"{cursor.calls_left:,}"
    if budget and cursor.calls_reset_at and cursor.calls_reset_at > now:
        budget += f", resets {due(cursor.calls_reset_at, now)}"
    gaps = f"{len(one.open_gaps)} open, {one.closed_gaps} closed" if one.open_gaps or one.closed_gaps else "none"
    trouble = [cursor.error] if cursor.error else []
    if one.dead_letters:
        trouble.append(counted(one.dead_letters, "bad record"))
    return (
        cursor.source,
        cursor.query,
        ago(cursor.succeeded_at, now),
        f"{one.received:,}",
        sparkline(one.received_by_hour),
        _seconds(one.lag_p50),
        _seconds(one.lag_p95),
        gaps + (f", {one.lost_gaps} lost" if one.lost_gaps else ""),
        budget,
        "; ".join(trouble),
    )


def _seconds(lag: float | None) -> str:
    if lag is None:
        return ""
    return f"{lag:.0f} s" if lag < 120 else f"{lag / 60:.0f} min" if lag < 7200 else f"{lag / 3600:,.0f} h"


def sparkline(counts: Sequence[int]) -> str:
    """Counts as a row of bars, the highest full."""
    top = max(counts, default=0)
    return "".join(_BARS[-(-count * 8 // top)] if top else _BARS[0] for count in counts)


def incidents(
    ctx: typer.Context,
    some_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One incident in full.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Incidents, newest first; with an ID, one in full.

    \b
    Examples:
      tocsin incidents
      tocsin incidents brightly-fire-20261125T100000
    """
    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    if some_id is not None:
        incident = tocsin.store.incident(some_id)
        told = tocsin.store.notices(some_id)
        if as_json:
            print_json({**plain(incident), "state": incident.state(now), "notices": plain(told)})
        else:
            _print_incident(incident, told, now)
        return
    found = tocsin.store.incidents(limit=limit)
    if as_json:
        for incident in found:
            print_json({**plain(incident), "state": incident.state(now)})
        return
    if not found:
        print("No incident so far.")
        return
    print_table(
        ("incident", "state", "severity", "brand", "posts", "people", "since", "who has it", "what"),
        [
            (
                incident.id,
                incident.state(now),
                str(incident.severity),
                incident.brand,
                f"{incident.posts:,}",
                f"{incident.people:,}",
                span(now - incident.opened_at),
                incident.acknowledged_by or "nobody",
                incident.title,
            )
            for incident in found
        ],
        wide=("what",),
        right=("severity", "posts", "people", "since"),
    )


def _print_incident(incident: Incident, told: Sequence[Notice], now: datetime) -> None:
    print(f"{incident.id} · {incident.brand} · severity {incident.severity} · {incident.state(now)}")
    print(one_line(incident.title))
    posts, people = counted(incident.posts, "post"), counted(incident.people, "person", "people")
    print(
        f"{posts} by {people} since {day_clock(incident.opened_at, now, _UTC)} UTC; last {ago(incident.last_at, now)}"
    )
    print(f"opened by {shown(incident.rule)}; severity is the sum of:")
    for part in incident.parts:
        print(f"  {part.value:+g}  {part.name}: {one_line(part.because)}")
    if incident.acknowledged_by and incident.acknowledged_at:
        print(f"{shown(incident.acknowledged_by)} has it since {day_clock(incident.acknowledged_at, now, _UTC)} UTC")
    print("mentions: " + ", ".join(shown(mention) for mention in incident.mentions[:20]))
    for notice in told:
        print(f"told {notice.channel} ({notice.reason}, severity {notice.severity}): {outcome(notice, now)}")


def notices(
    ctx: typer.Context, limit: LimitOption = 50, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Who was told what, when, and whether it arrived."""
    tocsin = assembled(ctx, config)
    now = tocsin.clock()
    found = tocsin.store.notices(limit=limit)
    if as_json:
        for notice in found:
            print_json(notice)
        return
    if not found:
        print("Nobody has been told anything so far.")
        return
    print_table(
        ("written", "channel", "reason", "outcome", "subject"),
        [
            (ago(notice.created_at, now), notice.channel, notice.reason, outcome(notice, now), notice.subject)
            for notice in found
        ],
        wide=("outcome", "subject"),
        right=("written",),
    )


def outcome(notice: Notice, now: datetime) -> str:
    """What became of a notice, in words."""
    if notice.sent_at is not None:
        return f"sent {ago(notice.sent_at, now)}"
    if notice.failed_at is not None:
        return f"failed for good: {notice.error}"
    if notice.attempts == 0:
        return "not sent yet"
    again = f", again {due(notice.retry_at, now)}" if notice.retry_at and notice.retry_at > now else ""
    return f"{counted(notice.attempts, 'try', 'tries')}{again}" + (f": {notice.error}" if notice.error else "")
