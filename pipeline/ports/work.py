"""What work needs: tickets, their queue and claims, and the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.domain import Event, EventKind, Filters, QueueCounts, QueueItem, Resolution, Ticket


class Tickets(Protocol):
    """The work, its queue and its claims."""

    def save_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Create tickets, or bring the machine's facts of existing ones up to date; people's facts are kept.

        People's facts: claim, team, answered_at, resolved_at, resolution. A post newer than ``resolved_at`` reopens.
        """

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket; raises ``NotFound``."""

    def tickets(self, ids: Iterable[str]) -> dict[str, Ticket]:
        """Those of the tickets that exist."""

    def queue(self, now: datetime, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[QueueItem]:
        """Waiting tickets, crisis lane first, then by the expected cost of waiting at ``now``."""

    def queue_counts(self, now: datetime, filters: Filters) -> QueueCounts:
        """How many wait, are overdue, stand in the crisis lane."""

    def due_soon(self, now: datetime, within: timedelta, *, limit: int) -> list[Ticket]:
        """Waiting tickets that nobody holds and that must have their response within this time, the first due first."""

    def claim(self, ticket_id: str, responder: str, *, until: datetime, now: datetime) -> Ticket:
        """Take or extend the lease by compare-and-set; raises ``AlreadyClaimed``, ``NotFound``."""

    def release(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Give the lease back; raises ``AlreadyClaimed`` when another holds it."""

    def hand_to(
        self, ticket_id: str, responder: str, to: str, *, until: datetime, note: str = "", now: datetime
    ) -> Ticket:
        """Give the lease to somebody else by compare-and-set, so that nobody can take it in between; raises as ``claim``."""

    def assign(self, ticket_id: str, responder: str, team: str, *, note: str = "", now: datetime) -> Ticket:
        """Give the ticket to a team, whatever the rules say, and one's own lease back; raises as ``claim``."""

    def answered(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Record that the responder has answered; nothing waits until the next post."""

    def resolve(
        self, ticket_id: str, responder: str, resolution: Resolution, *, note: str = "", now: datetime
    ) -> Ticket:
        """End the work; raises ``AlreadyClaimed`` when another holds it."""

    def reopen(self, ticket_id: str, responder: str, *, now: datetime) -> Ticket:
        """Take a resolution back."""

    def undo(self, event_id: int, responder: str, *, now: datetime) -> Ticket:
        """Restore the facts from before an event; raises ``AlreadyClaimed`` when another holds the ticket, and
        ``Conflict`` when a person changed it since."""


class Events(Protocol):
    """The append-only history."""

    def record(self, subject: str, kind: EventKind, actor: str, *, note: str = "", now: datetime) -> Event:
        """Add one line."""

    def events(self, subject: str) -> list[Event]:
        """The history of a ticket or incident, oldest first."""
