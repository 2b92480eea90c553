"""Tickets: what people and the machine do to them, each as read, decide, write in one transaction."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline import merges
from pipeline import tickets as lifecycle
from pipeline.domain import EventKind, Resolution, Ticket
from pipeline.errors import NotFound
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.events import SELECT_EVENTS, append, append_machine
from pipeline.stores.sqlite.rows import (
    TICKET_COLUMNS,
    TICKET_RARE,
    columns,
    event,
    insert_rows,
    text_of,
    ticket,
    ticket_row,
    values,
)

_SELECT = f"SELECT {columns(TICKET_COLUMNS)} FROM tickets"
_SAVE = (
    f"INSERT INTO tickets ({columns(TICKET_COLUMNS)}) VALUES ({values(TICKET_COLUMNS)}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in TICKET_COLUMNS[1:])
)


class SqliteTickets:
    """The part of ``ports.Tickets`` that is not the queue."""

    _database: Database

    def save_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Create tickets, or bring the machine's facts of existing ones up to date; people's facts are kept."""
        if not tickets:
            return
        with self._database.write() as connection:
            current = _tickets(connection, [draft.id for draft in tickets])
            changed: dict[str, Ticket] = {}
            history: list[tuple[str, EventKind, datetime]] = []
            for draft in tickets:
                if draft.id not in current and draft.id not in changed:  # most; what the merge alone asks is no column
                    changed[draft.id] = draft if draft.version == 1 else replace(draft, version=1)
                    history.append((draft.id, EventKind.OPENED, draft.opened_at))
                    continue
                existing = current.get(draft.id) or lifecycle.merge(None, changed[draft.id])
                merged = lifecycle.merge(existing, draft)
                if merged == existing:
                    continue
                if merged.reopened_at is not None and merged.reopened_at != existing.reopened_at:
                    history.append((draft.id, EventKind.REOPENED, merged.reopened_at))
                current[draft.id] = changed[draft.id] = replace(merged, version=existing.version + 1)
            if not changed:
                return
            new = [ticket_row(merged) for merged in changed.values() if merged.version == 1]
            insert_rows(connection, "tickets", TICKET_COLUMNS, new, rare=TICKET_RARE)
            connection.executemany(_SAVE, [ticket_row(merged) for merged in changed.values() if merged.version > 1])
            append_machine(connection, history)
            bump(connection)

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket; raises ``NotFound``."""
        with self._database.read() as connection:
            return _ticket(connection, ticket_id)

    def tickets(self, ids: Iterable[str]) -> dict[str, Ticket]:
        """Those of the tickets that exist."""
        with self._database.read() as connection:
            return _tickets(connection, ids)

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
        with self._database.write() as connection:
            row = connection.execute(f"{SELECT_EVENTS} WHERE id = ?", (event_id,)).fetchone()
            if row is None:
                raise NotFound(f"there is no event {event_id}")
            done = event(row)
            later = connection.execute(f"{SELECT_EVENTS} WHERE subject = ? AND id > ?", (done.subject, event_id))
            old = _ticket(connection, done.subject)
            lifecycle.may_undo(old, done, responder, now=now)
            new = lifecycle.undone(old, done, later=[event(row) for row in later])
            connection.execute("UPDATE events SET undone = 1 WHERE id = ?", (event_id,))
            append(connection, done.subject, EventKind.UNDONE, responder, note=done.kind.value, at=now)
            return _save(connection, replace(new, version=old.version + 1))

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
        with self._database.write() as connection:
            old = _ticket(connection, ticket_id)
            rows = connection.execute("SELECT id FROM tickets WHERE merged_into = ? ORDER BY id", (text_of(ticket_id),))
            step = merges.gathering(old, [id_ for (id_,) in rows], now=now)
            return old if step.ticket == old else _save(connection, replace(step.ticket, version=old.version + 1))

    def settle(self, ticket_id: str, *, now: datetime) -> Ticket:
        """The ticket that this one is part of, or was, has been ranked."""
        return self._act(ticket_id, lifecycle.MACHINE, lambda old: merges.settled(old, now=now))

    def unsettled(self, *, limit: int) -> list[Ticket]:
        """Tickets that have become part of another, or no longer are, which has not been ranked since."""
        with self._database.read() as connection:
            rows = connection.execute(f"{_SELECT} WHERE unsettled IS NOT NULL ORDER BY id LIMIT ?", (limit,))
            return [ticket(row) for row in rows]

    def _act(self, ticket_id: str, actor: str, decide: Callable[[Ticket], lifecycle.Step], *, note: str = "") -> Ticket:
        with self._database.write() as connection:
            old = _ticket(connection, ticket_id)
            step = decide(old)
            if step.ticket == old:
                return old
            if step.kind is not None:
                before = None if step.kind is EventKind.NOTED else lifecycle.facts_before(old, step.ticket)
                append(connection, ticket_id, step.kind, actor, note=note, at=step.at, before=before)
            return _save(connection, replace(step.ticket, version=old.version + 1))


def move_ticket(connection: sqlite3.Connection, old: str, new: str) -> bool:
    """Give a ticket its conversation's new id; where that has a ticket already, the two become one."""
    found = _tickets(connection, [old, new])
    if old not in found:
        return False
    if new in found:
        # What was done to the ticket that goes cannot be undone on the one that stays.
        loser = max(found.values(), key=lambda each: (each.opened_at, each.id)).id
        connection.execute("UPDATE events SET before = NULL WHERE subject = ?", (loser,))
        merged = lifecycle.joined(found[new], found[old])
        connection.execute("DELETE FROM tickets WHERE id = ?", (old,))
        _save(connection, replace(merged, version=max(each.version for each in found.values()) + 1))
    else:
        moved = replace(found[old], version=found[old].version + 1)
        connection.execute("UPDATE tickets SET id = ?, version = ? WHERE id = ?", (new, moved.version, old))
    connection.execute("UPDATE events SET subject = ? WHERE subject = ?", (new, old))
    at = max(each.last_at for each in found.values())
    append(connection, new, EventKind.NOTED, lifecycle.MACHINE, note=f"{old} turned out to be part of this", at=at)
    return True


def _ticket(connection: sqlite3.Connection, ticket_id: str) -> Ticket:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (text_of(ticket_id),)).fetchone()
    if row is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return ticket(row)


def _tickets(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Ticket]:
    rows = connection.execute(f"{_SELECT} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),))
    return {found.id: found for found in map(ticket, rows)}


def _save(connection: sqlite3.Connection, changed: Ticket) -> Ticket:
    connection.execute(_SAVE, ticket_row(changed))
    bump(connection)
    return changed
