"""Tickets: what people and the machine do to them, each as read, decide, write unless another was faster, or again.

A ticket and the lines of history that say what happened to it are one document, see ``events``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline import merges
from pipeline import tickets as lifecycle
from pipeline.domain import EventKind, Resolution, Ticket
from pipeline.errors import NotFound, StoreUnavailable
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import decoded, ticket_document
from pipeline.stores.elastic.events import History, line, outbox
from pipeline.stores.elastic.wire import Document, Found, Write, key, over

CARRIED = 8  # lines of other processes that a ticket goes on carrying: more would make each write of it large
TRIES = 50  # of one change: each failure is another's success, so this many in a row are a fault


class ElasticTickets:
    """The part of ``ports.Tickets`` that is not the queue."""

    _connection: Connection
    _history: History

    def save_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Create tickets, or bring the machine's facts of existing ones up to date; people's facts are kept."""
        drafts: dict[str, list[Ticket]] = {}
        for draft in tickets:
            drafts.setdefault(draft.id, []).append(draft)
        for _ in range(TRIES):
            if not drafts:
                return
            found = _settled(self._history, drafts)
            merged = {id_: new for id_, each in drafts.items() if (new := _merged(found.get(id_), each))}
            lost = _written(self._history, [(found.get(id_), *new) for id_, new in merged.items()])
            drafts = {id_: drafts[id_] for id_ in lost}
        raise _busy(next(iter(drafts)))

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket; raises ``NotFound``."""
        return decoded(Ticket, _there(self._connection, ticket_id).document)

    def tickets(self, ids: Iterable[str]) -> dict[str, Ticket]:
        """Those of the tickets that exist."""
        index = self._connection.index("tickets")
        found = self._connection.get_many((index, id_) for id_ in ids)
        return {each.document["id"]: decoded(Ticket, each.document) for each in found.values()}

    def claim(self, ticket_id: str, responder: str, *, until: datetime, now: datetime) -> Ticket:
        """Take or extend the lease; raises ``AlreadyClaimed``, ``NotFound``, ``Conflict`` on a resolved ticket."""
        return self._act(ticket_id, responder, lambda old: lifecycle.claimed(old, responder, until=until, now=now))

    def release(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Give the lease back; raises ``AlreadyClaimed`` when another holds it."""
        return self._act(ticket_id, responder, lambda old: lifecycle.released(old, responder, now=now))

    def hand_to(
        self, ticket_id: str, responder: str, to: str, *, until: datetime, note: str = "", now: datetime
    ) -> Ticket:
        """Give the lease to somebody else in one step; raises as ``claim``."""
        said = f"to {to}: {note}" if note else f"to {to}"
        return self._act(
            ticket_id, responder, lambda old: lifecycle.handed_over(old, responder, to, until=until, now=now), note=said
        )

    def assign(self, ticket_id: str, responder: str, team: str, *, note: str = "", now: datetime) -> Ticket:
        """Give the ticket to a team, whatever the rules say; raises as ``claim``."""
        said = f"to {team}: {note}" if note else f"to {team}"
        return self._act(ticket_id, responder, lambda old: lifecycle.assigned(old, responder, team, now=now), note=said)

    def answered(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Record that the responder has answered; nothing waits until the next post."""
        return self._act(ticket_id, responder, lambda old: lifecycle.answered(old, responder, now=now))

    def resolve(
        self, ticket_id: str, responder: str, resolution: Resolution, *, note: str = "", now: datetime
    ) -> Ticket:
        """End the work; raises ``AlreadyClaimed`` when another holds it."""
        return self._act(
            ticket_id, responder, lambda old: lifecycle.resolved(old, responder, resolution, now=now), note=note
        )

    def reopen(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Take a resolution back."""
        return self._act(ticket_id, responder, lambda old: lifecycle.reopened(old, now=now))

    def undo(self, event_id: int, responder: str, *, now: datetime) -> Ticket:
        """Restore the facts from before an event; raises ``AlreadyClaimed`` when another holds the ticket, and
        ``Conflict`` when a person changed it since."""
        for _ in range(TRIES):
            found = _settled_one(self._history, _holder_of(self._history, event_id))
            lines = self._history.of(found.document["id"], found)
            done = next((each for each in lines if each.id == event_id), None)
            if done is None:
                raise NotFound(f"there is no event {event_id}")
            old = decoded(Ticket, found.document)
            lifecycle.may_undo(old, done, responder, now=now)
            new = lifecycle.undone(old, done, later=[each for each in lines if each.id > event_id])
            new = replace(new, version=old.version + 1)
            said = _line(found, EventKind.UNDONE, responder, at=now, note=done.kind.value, undoes=event_id)
            if not _written(self._history, [(found, new, [said])]):
                return new
        raise _busy(str(event_id))

    def merge_ticket(self, ticket_id: str, responder: str, into: str, *, note: str = "", now: datetime) -> Ticket:
        """Make a ticket part of another; raises ``AlreadyClaimed``, ``Conflict``, ``NotFound``."""
        target = self.ticket(into)
        said = f"into {into}: {note}" if note else f"into {into}"
        return self._act(
            ticket_id, responder, lambda old: merges.merged_into(old, responder, target, now=now), note=said
        )

    def part_ticket(self, ticket_id: str, *, note: str, now: datetime) -> Ticket:
        """Take a merge back that cannot be."""
        return self._act(ticket_id, lifecycle.MACHINE, lambda old: merges.parted(old, now=now), note=note)

    def gather(self, ticket_id: str, *, now: datetime) -> Ticket:
        """Say of a ticket which others are part of it, as they say it themselves."""
        return self._act(
            ticket_id, lifecycle.MACHINE, lambda old: merges.gathering(old, self._parts(ticket_id), now=now)
        )

    def settle(self, ticket_id: str, *, now: datetime) -> Ticket:
        """The ticket that this one is part of, or was, has been ranked."""
        return self._act(ticket_id, lifecycle.MACHINE, lambda old: merges.settled(old, now=now))

    def unsettled(self, *, limit: int) -> list[Ticket]:
        """Tickets that have become part of another, or no longer are, which has not been ranked since."""
        body: Document = {"query": {"exists": {"field": "unsettled"}}, "sort": ["id"]}
        found = self._connection.hits(self._connection.index("tickets"), body, limit=limit)
        return [decoded(Ticket, each.document) for each in found]

    def _parts(self, ticket_id: str) -> list[str]:
        body: Document = {"query": {"term": {"merged_into": ticket_id}}, "sort": ["id"]}
        found = self._connection.hits(self._connection.index("tickets"), body)
        return [str(each.document["id"]) for each in found]

    def _act(self, ticket_id: str, actor: str, decide: Callable[[Ticket], lifecycle.Step], *, note: str = "") -> Ticket:
        for _ in range(TRIES):
            found = _settled_one(self._history, ticket_id)
            old = decoded(Ticket, found.document)
            step = decide(old)
            if step.ticket == old:
                return old
            new = replace(step.ticket, version=old.version + 1)
            said: list[Document] = []
            if step.kind is not None:
                before = None if step.kind is EventKind.NOTED else lifecycle.facts_before(old, step.ticket)
                said = [_line(found, step.kind, actor, at=step.at, note=note, before=before)]
            if not _written(self._history, [(found, new, said)]):
                return new
        raise _busy(ticket_id)


_MOVED = ("was", "joined")  # the ids that a ticket had, and the moves by which it came to be one

_Change = tuple[Found | None, Ticket, list[Document]]
"""A ticket as it was read, as it becomes, and the lines that say so."""


def _merged(found: Found | None, drafts: Iterable[Ticket]) -> tuple[Ticket, list[Document]] | None:
    """What a ticket becomes by the machine's drafts, and the lines that say so; ``None`` where they change nothing."""
    first = current = decoded(Ticket, found.document) if found else None
    said: list[Document] = []
    for draft in drafts:
        merged = lifecycle.merge(current, draft)
        if merged == current:
            continue
        earlier = [*outbox(found), *said]
        if current is None:
            said.append(line(draft.id, EventKind.OPENED, lifecycle.MACHINE, at=merged.opened_at, after=earlier))
        elif merged.reopened_at is not None and merged.reopened_at != current.reopened_at:
            said.append(line(draft.id, EventKind.REOPENED, lifecycle.MACHINE, at=merged.reopened_at, after=earlier))
        current = replace(merged, version=current.version + 1 if current else 1)
    return None if current is None or current == first else (current, said)


def _written(history: History, changes: Sequence[_Change]) -> list[str]:
    """Write changed tickets, unless another was faster: the ids of those come back.

    What a ticket carries is copied after; it goes on carrying what may not have been, and a copy first would take longer.
    """
    if not changes:
        return []
    carried = [[*_left(history, found), *said] if said else [] for found, _, said in changes]
    index = history.connection.index("tickets")
    writes = [
        over(found, index=index, id_=ticket.id, document=_document(found, ticket, lines))
        for (found, ticket, _), lines in zip(changes, carried, strict=True)
    ]
    stand = history.connection.bulk(writes, refresh=True)
    written = [lines for place, lines in zip(stand, carried, strict=True) if place is not None]
    history.copy([each for lines in written for each in lines], changed=bool(written))
    return [ticket.id for place, (_, ticket, _) in zip(stand, changes, strict=True) if place is None]


def _left(history: History, found: Found | None) -> list[Document]:
    """The lines that a ticket carries and that this process has not seen in the history; many are brought there."""
    lines = history.uncopied(outbox(found))
    if len(lines) <= CARRIED:
        return lines
    history.copy(lines)
    return []


def _document(found: Found | None, ticket: Ticket, said: Sequence[Document]) -> Document:
    carried = list(said) or outbox(found)
    document = ticket_document(ticket) | {"outbox": carried, "outbox_ids": [each["id"] for each in carried]}
    return document | {name: found.document[name] for name in _MOVED if found and name in found.document}


def _line(
    found: Found,
    kind: EventKind,
    actor: str,
    *,
    at: datetime,
    note: str = "",
    before: str | None = None,
    **more: object,
) -> Document:
    subject = found.document["id"]
    return line(subject, kind, actor, at=at, note=note, before=before, after=outbox(found), **more)


def _there(connection: Connection, ticket_id: str) -> Found:
    found = connection.get(connection.index("tickets"), ticket_id)
    if found is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return found


def _holder_of(history: History, event_id: int) -> str:
    """The id of the ticket that an event belongs to; raises ``NotFound``."""
    connection, index = history.connection, history.connection.index("tickets")
    subject = history.subject_of(event_id)
    if subject is not None and (there := connection.get(index, subject)) is not None:
        return str(there.document["id"])
    where: Document = {"term": {"outbox_ids": event_id}} if subject is None else {"term": {"was": subject}}
    holder = next(connection.hits(index, {"query": where, "sort": ["id"]}, limit=1), None)
    if holder is None:
        raise NotFound(f"there is no event {event_id} of a ticket")
    return str(holder.document["id"])


def _busy(what: str) -> StoreUnavailable:
    return StoreUnavailable(f"{what} was changed by others {TRIES} times in a row; try again")


# --- moving ---------------------------------------------------------------------------------------------------------


def move_ticket(history: History, old: str, new: str) -> bool:
    """Give a ticket its conversation's new id; where that has a ticket already, the two become one.

    First the ticket says where it goes, and from then on nobody changes it: whoever wants to, brings it there. So a crash
    between any two writes leaves a move that the next one finishes, and both ids have a ticket until it is.
    """
    connection = history.connection
    for _ in range(TRIES):
        found = connection.get(connection.index("tickets"), old)
        if found is None:
            return False
        if "moving_to" not in found.document:
            marked = {**found.document, "moving_to": new, "move": secrets.token_urlsafe(9)}
            write = over(found, index=connection.index("tickets"), id_=old, document=marked)
            if (seq_no := connection.write(write)) is None:
                continue
            found = replace(found, document=marked, seq_no=seq_no)
        _finish(history, found)
        return True
    raise _busy(old)


def _finish(history: History, gone: Found) -> None:
    """Bring a ticket that is on its way to where it goes."""
    connection, old = history.connection, decoded(Ticket, gone.document)
    index = connection.index("tickets")
    target = str(gone.document["moving_to"])
    for _ in range(TRIES):
        kept = connection.get(index, target)
        there: Document = kept.document if kept else {}
        if there.get("moving_to", old.id) != old.id:
            target = str(there["moving_to"])
        elif gone.document["move"] in there.get("joined", ()) or _joined(history, gone, kept, target):
            connection.write(Write(action="delete", index=index, id=old.id, over=gone))
            return
    raise _busy(target)


def _joined(history: History, gone: Found, kept: Found | None, target: str) -> bool:
    """Write the ticket at ``target`` that two become, or that one becomes there; ``False`` when another was faster."""
    old = decoded(Ticket, gone.document)
    carried = [*outbox(gone), *outbox(kept)]
    history.copy(carried)
    if kept is None:
        new, more = replace(old, id=target, version=old.version + 1), {}
        at = old.last_at
    else:
        there = decoded(Ticket, kept.document)
        # What was done to the ticket that goes cannot be undone on the one that stays.
        loser = max((old, there), key=lambda each: (each.opened_at, each.id)).id
        new, more = (
            replace(lifecycle.joined(there, old), version=max(old.version, there.version) + 1),
            {"loser": key(loser)},
        )
        at = max(old.last_at, there.last_at)
    note = f"{old.id} turned out to be part of this"
    said = line(target, EventKind.NOTED, lifecycle.MACHINE, at=at, note=note, after=carried, **more)
    both = [each.document for each in (kept, gone) if each is not None]
    was = [*(name for each in both for name in each.get("was", ())), key(old.id)]
    joined = [*(move for each in both for move in each.get("joined", ())), gone.document["move"]]
    document = _document(None, new, [said]) | {"was": list(dict.fromkeys(was)), "joined": joined}
    index = history.connection.index("tickets")
    if history.connection.write(over(kept, index=index, id_=target, document=document)) is None:
        return False
    history.copy([said])
    return True


def finish_moves(history: History) -> None:
    """Bring every ticket that is on its way to where it goes."""
    body: Document = {"query": {"exists": {"field": "moving_to"}}, "sort": ["id"]}
    for found in list(history.connection.hits(history.connection.index("tickets"), body)):
        _finish(history, found)


def _settled(history: History, ids: Iterable[str]) -> dict[str, Found]:
    """Those of the tickets that exist; one that is on its way is brought there first, and no longer exists."""
    index = history.connection.index("tickets")
    found = {place[1]: each for place, each in history.connection.get_many((index, id_) for id_ in ids).items()}
    for id_ in [id_ for id_, each in found.items() if "moving_to" in each.document]:
        _finish(history, found.pop(id_))
    return found


def _settled_one(history: History, ticket_id: str) -> Found:
    found = _settled(history, [ticket_id])
    if ticket_id not in found:
        raise NotFound(f"there is no ticket {ticket_id}")
    return found[ticket_id]
