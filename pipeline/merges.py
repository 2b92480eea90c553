"""One ticket out of several conversations, when a person says that a customer wrote twice about one thing.

What is stored is what the person said: the merged ticket says what it is part of. The ticket it is part of is ranked from
the posts of all of them, each judged by its own conversation first, so that nothing that waits is taken for answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.domain import EventKind, Lane, Ticket
from pipeline.errors import Conflict
from pipeline.tickets import Step, earliest, free_for


def merged_into(ticket: Ticket, responder: str, target: Ticket, *, now: datetime) -> Step:
    """Make a ticket part of another; it waits on until the other has been ranked with its posts (see ``settled``).

    Raises ``AlreadyClaimed`` when another holds either, and ``Conflict`` where one of them is part of a third.
    """
    if ticket.merged_into == target.id:
        return Step(ticket=ticket, kind=None, at=now)
    free_for(ticket, responder, now)
    free_for(target, responder, now)
    if ticket.id == target.id:
        raise Conflict(f"{ticket.id} cannot be merged into itself")
    if ticket.merged_into is not None:
        raise Conflict(f"{ticket.id} is part of {ticket.merged_into} already; undo that first")
    if target.merged_into is not None:
        raise Conflict(f"{target.id} is part of {target.merged_into}; merge into that")
    if ticket.merged:
        raise Conflict(
            f"{', '.join(ticket.merged)} is part of {ticket.id}; merge the other way round, or undo that first"
        )
    part = replace(
        ticket, merged_into=target.id, merged_at=now, unsettled=target.id, claimed_by=None, claimed_until=None
    )
    return Step(ticket=part, kind=EventKind.MERGED, at=now)


def parted(ticket: Ticket, *, now: datetime) -> Step:
    """Take a merge back that cannot be: the other has become part of a third in the same moment, or is gone."""
    if ticket.merged_into is None:
        return Step(ticket=ticket, kind=None, at=now)
    again = replace(ticket, merged_into=None, merged_at=None, waiting_since=ticket.waiting_since or ticket.last_at)
    return Step(ticket=again, kind=EventKind.NOTED, at=now)


def gathering(ticket: Ticket, parts: Sequence[str], *, now: datetime) -> Step:
    """Say of which others a ticket consists; from now on drafts of other parts, made before, change nothing."""
    if ticket.merged == tuple(parts):
        return Step(ticket=ticket, kind=None, at=now)
    # A draft of fewer posts than the ticket has is an old one, but with a part less it is not: it is counted anew.
    return Step(ticket=replace(ticket, merged=tuple(parts), posts=1), kind=None, at=now)


def settled(ticket: Ticket, *, now: datetime) -> Step:
    """The other has been ranked: a part waits in it and no longer by itself."""
    waiting_since = None if ticket.merged_into is not None else ticket.waiting_since
    return Step(ticket=replace(ticket, unsettled=None, waiting_since=waiting_since), kind=None, at=now)


def with_acts(part: Ticket, whole: Ticket) -> Ticket:
    """A part as if what was done to the whole since they are one had been done to it."""
    if part.merged_at is None:
        return part
    answered, resolved = (
        at if at is not None and at >= part.merged_at else None for at in (whole.answered_at, whole.resolved_at)
    )
    return replace(
        part,
        answered_at=max(filter(None, (part.answered_at, answered)), default=None),
        resolved_at=max(filter(None, (part.resolved_at, resolved)), default=None),
    )


def gathered(drafts: Mapping[str, Ticket], known: Mapping[str, Ticket]) -> list[Ticket]:
    """The drafts of conversations as the drafts of tickets: those of parts joined into that of the whole.

    ``known`` are the tickets of these conversations, with all parts of each whole among them.
    """
    owners = {part: whole.id for whole in known.values() for part in whole.merged}
    own = [
        draft
        for id_, draft in drafts.items()
        if not (id_ in known and known[id_].merged) and (id_ not in owners or known[id_].merged_into is None)
    ]
    wholes = [whole for whole in known.values() if whole.merged]
    return own + [
        _joined(whole, drafts, known) for whole in wholes if any(i in drafts for i in (whole.id, *whole.merged))
    ]


def _joined(whole: Ticket, drafts: Mapping[str, Ticket], known: Mapping[str, Ticket]) -> Ticket:
    parts = [drafts[id_] for id_ in (whole.id, *whole.merged) if id_ in drafts]
    waiting = [part for part in parts if part.waiting_since is not None]
    lead = max(waiting or parts[:1], key=lambda part: (part.rank.lane is Lane.CRISIS, part.rank.level))
    respond_by = min(part.rank.respond_by for part in waiting or [lead])
    handling = timedelta(minutes=lead.rank.handling_minutes)
    return replace(
        lead,
        id=whole.id,
        rank=replace(lead.rank, respond_by=respond_by, due_at=respond_by - handling),
        opened_at=min(part.opened_at for part in parts),
        last_at=max(part.last_at for part in parts),
        waiting_since=earliest(*(part.waiting_since for part in parts)),
        heard_at=max(filter(None, (_heard_at(part, known.get(part.id)) for part in waiting)), default=None),
        responded_at=earliest(*(part.responded_at for part in parts)),
        posts=sum(part.posts for part in parts),
        people=sum(part.people for part in parts),
        folded=sum(part.folded for part in parts),
        merged=whole.merged,
    )


def _heard_at(draft: Ticket, known: Ticket | None) -> datetime | None:
    """When the whole heard of what waits in a part: not before they became one."""
    return max(filter(None, (draft.heard_at, known.merged_at if known else None)), default=None)
