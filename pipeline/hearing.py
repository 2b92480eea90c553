"""What we have heard and what not, in sentences: pure functions over cursors and coverage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.domain import Coverage, Cursor, Gap
from pipeline.wording import ago, counted, day_clock, deadline, span

STALE = timedelta(minutes=16)
"""Three runs of the default five-minute schedule missed, and a minute for the run itself."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """One thing we do not hear, why, and what happens or must happen next."""

    where: str
    what: str
    then: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All is read until a moment, or what is not; neither when nothing is listened to."""

    until: datetime | None = None
    unheard: tuple[Unheard, ...] = ()


def with_unread_pairs(coverage: Sequence[Coverage], pairs: Sequence[Pair]) -> list[Coverage]:
    """What the store knows, and an empty line for each configured pair that no run has tried."""
    known = {_pair(one.cursor) for one in coverage}
    unread = [Coverage(cursor=Cursor(source=s, query=q), received=0) for s, q in pairs if (s, q) not in known]
    return [*coverage, *unread]


def answer(coverage: Sequence[Coverage], pairs: Sequence[Pair], now: datetime, zone: ZoneInfo) -> Answer:
    """What has been heard of all that is listened to, times of day in ``zone``.

    Imports and what is no longer configured are listened to no more: of them counts only what waits for triage.
    """
    unheard: list[Unheard] = []
    for one in with_unread_pairs(coverage, pairs):
        if _pair(one.cursor) in pairs:
            unheard += _unread(one, now, zone)
        if one.pending_batches:
            what = f"{counted(one.pending_batches, 'landed batch', 'landed batches')} not triaged yet"
            unheard.append(Unheard(where=_where(one.cursor), what=what, then="the next run triages it"))
    read = [one.cursor.succeeded_at for one in coverage if one.cursor.succeeded_at and _pair(one.cursor) in pairs]
    return Answer(until=min(read, default=None), unheard=tuple(unheard))


def _unread(one: Coverage, now: datetime, zone: ZoneInfo) -> list[Unheard]:
    cursor = one.cursor
    where = _where(cursor)
    missing = [
        Unheard(where=where, what=f"{interval(gap, now, zone)} unread: {gap.reason}", then="the next runs read it")
        for gap in one.open_gaps
    ]
    if cursor.succeeded_at is None:
        what = f"never read: {cursor.error}" if cursor.error else "never read"
        missing.append(Unheard(where=where, what=what, then=next_try(cursor, now)))
    elif cursor.error or now - cursor.succeeded_at > STALE:
        what = f"nothing read for {span(now - cursor.succeeded_at)}" + (f": {cursor.error}" if cursor.error else "")
        missing.append(Unheard(where=where, what=what, then=next_try(cursor, now)))
    if one.lost_gaps:
        what = f"{counted(one.lost_gaps, 'interval')} lost for good: the source no longer has the posts"
        missing.append(Unheard(where=where, what=what))
    return missing


def stale(cursors: Iterable[Cursor], pairs: Sequence[Pair], now: datetime) -> list[Unheard]:
    """Which sources have not been read lately, one line a source and reason; untried ones are not stale but new."""
    silent: dict[tuple[str, str | None], list[Cursor]] = {}
    for cursor in cursors:
        tried = cursor.succeeded_at or cursor.tried_at
        if _pair(cursor) in pairs and tried and (cursor.error or now - tried > STALE):
            silent.setdefault((cursor.source, cursor.error), []).append(cursor)
    return [_silence(source, error, behind, now) for (source, error), behind in silent.items()]


def _silence(source: str, error: str | None, behind: Sequence[Cursor], now: datetime) -> Unheard:
    names = ", ".join(cursor.query for cursor in behind[:3]) + (f" and {len(behind) - 3} more" if behind[3:] else "")
    read = [cursor.succeeded_at for cursor in behind if cursor.succeeded_at]
    when = f"last collected {_time_ago(min(read), now)}" if len(read) == len(behind) else "never collected"
    first = min(behind, key=lambda cursor: cursor.retry_at or now)
    return Unheard(where=f"{source} ({names})", what=f"{when}: {error}" if error else when, then=next_try(first, now))


def next_try(cursor: Cursor, now: datetime) -> str:
    """When a query that failed, fell silent or is new is read again, or what to look at."""
    if cursor.retry_at is not None and cursor.retry_at > now:
        return f"tried again {deadline(cursor.retry_at, now).words}"
    if cursor.error:
        return "tried again at the next run"
    return (
        "see that the schedule runs (tocsin up)" if cursor.tried_at or cursor.succeeded_at else "the next run reads it"
    )


def interval(gap: Gap, now: datetime, zone: ZoneInfo) -> str:
    """The time a gap covers, as far as it is known."""
    since = day_clock(gap.since, now, zone) if gap.since else "the start"
    return f"{since} to {day_clock(gap.until, now, zone) if gap.until else 'now'}"


def lag(seconds: float | None) -> str:
    """How late posts reach us."""
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 120 else span(timedelta(seconds=seconds))


def _pair(cursor: Cursor) -> Pair:
    return cursor.source, cursor.query


def _where(cursor: Cursor) -> str:
    return f"{cursor.source}, query “{cursor.query}”"


def _time_ago(at: datetime, now: datetime) -> str:
    words = ago(at, now)
    return "just now" if words == "now" else f"{words} ago"
