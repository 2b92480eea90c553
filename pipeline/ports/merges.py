"""What merging needs of a store: each a step that may be repeated, so that a crash between any two is gone on from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pipeline.domain import Ticket


class Merges(Protocol):
    """Tickets that are part of one another (see ``pipeline.merging``)."""

    def merge_ticket(self, ticket_id: str, responder: str, into: str, *, note: str = "", now: datetime) -> Ticket:
        """Make a ticket part of another; raises ``AlreadyClaimed``, ``Conflict``, ``NotFound``. ``undo`` takes it back."""

    def part_ticket(self, ticket_id: str, *, note: str, now: datetime) -> Ticket:
        """Take a merge back that cannot be."""

    def gather(self, ticket_id: str, *, now: datetime) -> Ticket:
        """Say of a ticket which others are part of it, as they say it themselves."""

    def settle(self, ticket_id: str, *, now: datetime) -> Ticket:
        """The ticket that this one is part of, or was, has been ranked."""

    def unsettled(self, *, limit: int) -> list[Ticket]:
        """Tickets that have become part of another, or no longer are, which has not been ranked since."""
