"""What the stages need from the outside world, as protocols; adapters in ``sources``, ``stores`` and ``notifiers`` fit them.

Every adapter raises errors of ``pipeline.errors`` only. Every write is idempotent: doing it twice is doing it once.
"""

from __future__ import annotations

from typing import Protocol

from pipeline.ports.alarm import Incidents, Notices, Notifier
from pipeline.ports.collection import Landing, Progress, Source
from pipeline.ports.counts import Counts
from pipeline.ports.escalation import Escalation
from pipeline.ports.keeping import Archive, Backups, Retention, Schema
from pipeline.ports.learning import Labels, Models
from pipeline.ports.merges import Merges
from pipeline.ports.understanding import Classified, Classifier, FloorHit, Mentions, WordReason
from pipeline.ports.work import Events, Tickets

__all__ = [
    "Archive",
    "Backups",
    "Classified",
    "Classifier",
    "Counts",
    "Escalation",
    "Events",
    "FloorHit",
    "Incidents",
    "Labels",
    "Landing",
    "Mentions",
    "Merges",
    "Models",
    "Notices",
    "Notifier",
    "Progress",
    "Retention",
    "Schema",
    "Source",
    "Store",
    "Tickets",
    "WordReason",
]


class Store(
    Progress,
    Mentions,
    Counts,
    Tickets,
    Merges,
    Events,
    Labels,
    Incidents,
    Notices,
    Escalation,
    Archive,
    Retention,
    Backups,
    Schema,
    Protocol,
):
    """All of it; ``version`` counts every change that the pages show, for live updates."""

    def change_count(self) -> int:
        """A number that grows with every change of mentions, tickets, incidents or notices."""

    def check(self) -> list[str]:
        """What is wrong with the store, each with its next step; empty when all is well."""

    def close(self) -> None:
        """Let go of files and connections."""
