"""What alarms need: incidents, the notification log, and ways to reach people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from pipeline.domain import Event, Incident, Notice, ScoredMention


class Incidents(Protocol):
    """Incidents, one per cause while it lasts."""

    def grave_mentions(self, *, since: datetime, crisis: float, limit: int = 500) -> list[ScoredMention]:
        """Originals posted and collected since then, with P(crisis) at or above ``crisis`` or a grave floor rule, that
        no incident holds yet, first heard first: a storm about one brand keeps no other waiting for good."""

    def incident_posts(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """The posts that each of these incidents holds, oldest first."""

    def open_incidents(self) -> list[Incident]:
        """Incidents that are not closed, worst first."""

    def incidents(self, *, limit: int = 50) -> list[Incident]:
        """All incidents, newest first."""

    def incident(self, incident_id: str) -> Incident:
        """One incident; raises ``NotFound``."""

    def save_incident(self, incident: Incident, *, event: Event | None = None) -> Incident:
        """Create (version 1) or update by compare-and-set on ``version``; raises ``Conflict``.

        ``event``, the line of history that says who did it, is recorded in the same write; its id is given by the store.
        """


class Notices(Protocol):
    """The notification log."""

    def add_notice(self, notice: Notice) -> bool:
        """Record a notice before it is sent; ``False`` when its id is known."""

    def due_notices(self, now: datetime, *, limit: int = 100) -> list[Notice]:
        """Notices neither sent nor failed whose ``retry_at`` is not ahead, oldest first, at most ``limit`` a channel."""

    def take_notice(self, notice: Notice, *, retry_at: datetime) -> Notice | None:
        """Count a try before it is made, by compare-and-set on ``attempts``; ``None`` when another took the notice.

        It is due again at ``retry_at`` unless an outcome is saved before.
        """

    def save_notice(self, notice: Notice) -> None:
        """Record the outcome of a try, unless another try has been counted since or the notice was sent."""

    def notices(self, group: str | None = None, *, limit: int = 100) -> list[Notice]:
        """The log, newest first."""


class Notifier(Protocol):
    """A way to reach people."""

    @property
    def name(self) -> str: ...

    def notify(self, notice: Notice) -> None:
        """Deliver once; raises ``ChannelRefused`` or ``ChannelUnavailable``."""
