"""What escalation needs: chains that were started, channels that refuse, and signs of life."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from pipeline.domain import ChainRun, Outage


class Escalation(Protocol):
    """What is known of alarms under way besides incidents and notices."""

    def start_chain(self, run: ChainRun) -> ChainRun:
        """Record a chain as it is now; the run of that id that stands, which may be an earlier one."""

    def chain_runs(self, incidents: Iterable[str]) -> dict[str, list[ChainRun]]:
        """The chains that were started for each of these incidents, oldest first."""

    def save_outage(self, outage: Outage) -> Outage:
        """Record that a channel refuses, unless that is known; the outage that stands."""

    def end_outage(self, channel: str) -> bool:
        """Use a channel again; ``False`` when it was not out."""

    def outages(self) -> list[Outage]:
        """Channels that are not used until a person enables them, the longest out first."""

    def beat(self, part: str, at: datetime) -> None:
        """Record that a part of Tocsin has done its work at this time; an earlier time changes nothing."""

    def pulses(self) -> dict[str, datetime]:
        """When each part was last seen at the end of its work."""
