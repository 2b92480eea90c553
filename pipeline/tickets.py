"""What may happen to a ticket, as pure functions that every store shares: merge, claim, answer, resolve, reopen, undo.

A store reads a ticket, asks here what it becomes, and writes that by compare-and-set or inside one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from pipeline.domain import QUEUE_PATIENCE_MINUTES, QUEUE_STEP, Event, EventKind, Lane, Rank, Resolution, Ticket
from pipeline.errors import AlreadyClaimed, Conflict

MACHINE = "tocsin"
"""The actor of what nobody did by hand."""

STEP_TIME = timedelta(minutes=QUEUE_STEP * QUEUE_PATIENCE_MINUTES)
"""How much sooner a ticket may be due to stand level with one that is a level costlier: the rank in whole time units."""

_PEOPLES_FACTS = (
    "claimed_by", "claimed_until", "answered_at", "resolved_at", "resolution", "reopened_at", "responded_at",
    "waiting_since", "team", "merged_into", "merged_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a ticket becomes, and the event that says so (``None``: it was so already, or nobody needs to be told)."""

    ticket: Ticket
    kind: EventKind | None
    at: datetime


def queue_key(rank: Rank, ticket_id: str, *, now: datetime) -> tuple[int, timedelta, datetime, str]:
    """Sort key of the queue: crisis lane first, then falling cost of waiting at ``now``, the longest due first.

    It is ``-K * log I(now)`` (see ``prioritise``) as a ``timedelta``, so that equal costs are equal and not a rounding apart.
    """
    early = max(timedelta(0), rank.due_at - now)
    return 0 if rank.lane is Lane.CRISIS else 1, early - rank.level * STEP_TIME, rank.due_at, ticket_id


# --- the machine ----------------------------------------------------------------------------------------------------


def handled_at(ticket: Ticket) -> datetime | None:
    """When a person last dealt with all that had been heard."""
    return max((at for at in (ticket.answered_at, ticket.resolved_at) if at is not None), default=None)


def merge(existing: Ticket | None, draft: Ticket) -> Ticket:
    """The machine's draft with people's facts kept; a post heard after ``resolved_at`` takes the resolution back.

    A draft made of fewer posts than the ticket has, or of other parts, was read before another one was written: it changes
    nothing. Nor does one of a ticket that has become part of another.
    """
    heard = draft.heard_at or draft.last_at
    knowing = draft.heard_at is not None  # made with what people had done before: its waiting is to be believed
    draft = replace(draft, heard_at=None)
    if existing is None:
        return draft
    part = existing.merged_into is not None and existing.unsettled is None
    if part or draft.merged != existing.merged or draft.posts < existing.posts:
        return existing
    handled = handled_at(existing)
    unseen = draft.waiting_since is not None and (handled is None or heard > handled)
    unanswered = existing.answered_at is None or heard > existing.answered_at
    waiting_since = _waiting_since(existing, draft, knowing=knowing) if unanswered else None
    if waiting_since is None and unanswered and existing.resolved_at is not None:
        waiting_since = existing.waiting_since  # what a resolution left unanswered waits again when it is taken back
    merged = replace(
        draft,
        opened_at=existing.opened_at,
        waiting_since=waiting_since,
        responded_at=earliest(existing.responded_at, draft.responded_at),
        answered_at=existing.answered_at,
        resolved_at=existing.resolved_at,
        resolution=existing.resolution,
        reopened_at=existing.reopened_at,
        claimed_by=existing.claimed_by,
        claimed_until=existing.claimed_until,
        team=existing.team,
        merged_into=existing.merged_into,
        merged_at=existing.merged_at,
        unsettled=existing.unsettled,
        version=existing.version,
    )
    if unseen and existing.resolved_at is not None:
        return replace(merged, resolved_at=None, resolution=None, reopened_at=heard)
    return merged


def joined(kept: Ticket, gone: Ticket) -> Ticket:
    """Two tickets of one conversation as one: ``kept``'s id and machine facts, the older one's people's facts."""
    older = min(kept, gone, key=lambda ticket: (ticket.opened_at, ticket.id))
    return replace(
        kept,
        **{name: getattr(older, name) for name in _PEOPLES_FACTS if name not in {"waiting_since", "responded_at"}},
        opened_at=older.opened_at,
        last_at=max(kept.last_at, gone.last_at),
        merged=tuple(sorted({*kept.merged, *gone.merged} - {kept.id, gone.id})),
        unsettled=kept.unsettled or gone.unsettled,
        waiting_since=earliest(kept.waiting_since, gone.waiting_since),
        responded_at=earliest(kept.responded_at, gone.responded_at),
        posts=max(kept.posts, gone.posts),
        people=max(kept.people, gone.people),
        folded=max(kept.folded, gone.folded),
    )


def _waiting_since(existing: Ticket, draft: Ticket, *, knowing: bool) -> datetime | None:
    """Since when a post waits, once what people answered or resolved is taken off."""
    since, known = draft.waiting_since, existing.waiting_since
    if since is None:
        return None
    for done in (existing.answered_at, existing.resolved_at) if not knowing else ():
        if done is not None and since <= done < draft.last_at:
            since = known if known is not None and known > done else draft.last_at
    # The resolution that a post took back is gone, what was posted before it still needs nothing.
    return max(since, known) if known is not None and existing.reopened_at is not None else since


def _newer_post(ticket: Ticket) -> bool:
    return ticket.resolved_at is not None and ticket.waiting_since is not None and ticket.last_at > ticket.resolved_at


def earliest(*times: datetime | None) -> datetime | None:
    """The first of those that have happened."""
    return min((at for at in times if at is not None), default=None)


# --- people ---------------------------------------------------------------------------------------------------------


def claimed(ticket: Ticket, responder: str, *, until: datetime, now: datetime) -> Step:
    """Take the lease, or make one's own longer; raises ``AlreadyClaimed``, and ``Conflict`` on a resolved ticket."""
    _in_one_piece(ticket)
    free_for(ticket, responder, now)
    if ticket.resolved_at is not None:
        raise Conflict(f"{ticket.id} is resolved; reopen it before you claim it")
    own = ticket.holder(now) == responder
    if own and ticket.claimed_until is not None and ticket.claimed_until >= until:
        return Step(ticket=ticket, kind=None, at=now)
    kind = EventKind.EXTENDED if own else EventKind.CLAIMED
    return Step(ticket=replace(ticket, claimed_by=responder, claimed_until=until), kind=kind, at=now)


def released(ticket: Ticket, responder: str, *, now: datetime) -> Step:
    """Give the lease back; raises ``AlreadyClaimed`` when another holds it."""
    free_for(ticket, responder, now)
    if ticket.claimed_by != responder:
        return Step(ticket=ticket, kind=None, at=now)
    return Step(ticket=replace(ticket, claimed_by=None, claimed_until=None), kind=EventKind.RELEASED, at=now)


def handed_over(ticket: Ticket, responder: str, to: str, *, until: datetime, now: datetime) -> Step:
    """Give the lease to somebody else, who has it from this moment on: in between it is nobody's.

    Raises ``AlreadyClaimed`` when a third person holds it, and ``Conflict`` on a resolved ticket.
    """
    _in_one_piece(ticket)
    free_for(ticket, responder, now)
    if ticket.resolved_at is not None:
        raise Conflict(f"{ticket.id} is resolved; reopen it before you hand it over")
    if ticket.holder(now) == to:
        return Step(ticket=ticket, kind=None, at=now)
    return Step(ticket=replace(ticket, claimed_by=to, claimed_until=until), kind=EventKind.HANDED_OVER, at=now)


def assigned(ticket: Ticket, responder: str, team: str, *, now: datetime) -> Step:
    """Give the ticket to a team, whatever the rules say, and one's own lease back with it; raises as ``handed_over``."""
    _in_one_piece(ticket)
    free_for(ticket, responder, now)
    if ticket.resolved_at is not None:
        raise Conflict(f"{ticket.id} is resolved; reopen it before you assign it")
    if ticket.team == team:
        return released(ticket, responder, now=now)
    given = replace(ticket, team=team, claimed_by=None, claimed_until=None)
    return Step(ticket=given, kind=EventKind.ASSIGNED, at=now)


def answered(ticket: Ticket, responder: str, *, now: datetime) -> Step:
    """The responder has answered: nothing waits until the next post; raises ``AlreadyClaimed``."""
    _in_one_piece(ticket)
    free_for(ticket, responder, now)
    if ticket.waiting_since is None and ticket.answered_at is not None:
        return Step(ticket=ticket, kind=None, at=now)
    return Step(ticket=_with_answer(ticket, now), kind=EventKind.ANSWERED, at=now)


def resolved(ticket: Ticket, responder: str, resolution: Resolution, *, now: datetime) -> Step:
    """End the work; raises ``AlreadyClaimed``, and ``Conflict`` when it ended otherwise already."""
    _in_one_piece(ticket)
    free_for(ticket, responder, now)
    if ticket.resolved_at is not None:
        if ticket.resolution is not resolution:
            raise Conflict(f'{ticket.id} is resolved as "{ticket.resolution}" already; reopen it first')
        return Step(ticket=ticket, kind=None, at=now)
    if resolution is Resolution.ANSWERED and ticket.waiting_since is not None:
        ticket = _with_answer(ticket, now)
    ended = replace(ticket, resolved_at=now, resolution=resolution, claimed_by=None, claimed_until=None)
    return Step(ticket=ended, kind=EventKind.RESOLVED, at=now)


def reopened(ticket: Ticket, *, now: datetime) -> Step:
    """Take a resolution back."""
    if ticket.resolved_at is None:
        return Step(ticket=ticket, kind=None, at=now)
    again = replace(ticket, resolved_at=None, resolution=None, reopened_at=now)
    return Step(ticket=again, kind=EventKind.REOPENED, at=now)


def _with_answer(ticket: Ticket, now: datetime) -> Ticket:
    return replace(ticket, answered_at=now, responded_at=earliest(ticket.responded_at, now), waiting_since=None)


def _in_one_piece(ticket: Ticket) -> None:
    """Raise ``Conflict`` for a ticket that is part of another: what is done is done to that one."""
    if ticket.merged_into is not None and ticket.unsettled is None:
        raise Conflict(f"{ticket.id} is part of {ticket.merged_into}; open that one")


def free_for(ticket: Ticket, responder: str, now: datetime) -> None:
    """Raise ``AlreadyClaimed`` when another holds the ticket."""
    holder = ticket.holder(now)
    if holder is not None and holder != responder:
        assert ticket.claimed_until is not None  # or nobody would hold it
        raise AlreadyClaimed(ticket.id, holder, ticket.claimed_until)


# --- undo -----------------------------------------------------------------------------------------------------------


def facts_before(old: Ticket, new: Ticket) -> str:
    """What an action changed of people's facts, as it was before (JSON), for ``Event.before``."""
    changed = {name: getattr(old, name) for name in _PEOPLES_FACTS if getattr(old, name) != getattr(new, name)}
    return json.dumps({k: v.isoformat() if isinstance(v, datetime) else v for k, v in changed.items()})


def may_undo(ticket: Ticket, event: Event, responder: str, *, now: datetime) -> None:
    """Raise ``AlreadyClaimed`` when another holds the ticket: undoing a claim would be a way to take it.

    Who handed it over may take that back, as long as the other has done nothing with it.
    """
    if event.kind is not EventKind.HANDED_OVER or event.actor != responder:
        free_for(ticket, responder, now)


def undone(ticket: Ticket, event: Event, *, later: Iterable[Event]) -> Ticket:
    """The ticket with the facts from before ``event``; raises ``Conflict`` when that would overwrite somebody's act."""
    if event.undone:
        raise Conflict(f"{event.kind} by {event.actor} is undone already")
    if event.before is None:
        raise Conflict(f'"{event.kind}" cannot be undone')
    for act in later:
        if act.actor != MACHINE and not act.undone and act.kind not in {EventKind.NOTED, EventKind.UNDONE}:
            raise Conflict(f'{act.actor} has "{act.kind}" {ticket.id} since; undo that first')
    before = json.loads(event.before)
    facts: dict[str, Any] = {name: _fact(name, value) for name, value in before.items() if name in _PEOPLES_FACTS}
    if "waiting_since" in facts:  # posts that came since wait too
        facts["waiting_since"] = earliest(facts["waiting_since"], ticket.waiting_since)
    if "responded_at" in facts and ticket.responded_at != event.at:  # somebody was seen to answer sooner
        del facts["responded_at"]
    restored = replace(ticket, **facts)
    if event.kind is EventKind.MERGED:  # it waits until it is ranked: nothing of it may be overlooked
        restored = replace(
            restored, unsettled=ticket.merged_into, waiting_since=restored.waiting_since or restored.last_at
        )
    if _newer_post(restored):
        raise Conflict(f"a newer post waits in {ticket.id}; resolve it again instead")
    return restored


def _fact(name: str, value: str | None) -> str | datetime | Resolution | None:
    if value is None or name in {"claimed_by", "team", "merged_into"}:
        return value
    return Resolution(value) if name == "resolution" else datetime.fromisoformat(value)


assert set(_PEOPLES_FACTS) <= {field.name for field in fields(Ticket)}
