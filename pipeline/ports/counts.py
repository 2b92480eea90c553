"""What detection needs: how much was said, by how many people, about what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from pipeline.domain import QUARTER, Bucket, ScoredMention, Series, SeriesKind, Spread


class Counts(Protocol):
    """Posts by the time they were written; one that is heard late counts where it belongs from then on.

    Counted are originals that are neither the brand's own nor spam. Intervals are ``[since, until)``.
    """

    def counts(
        self, kind: SeriesKind, *, since: datetime, until: datetime, width: timedelta = QUARTER
    ) -> dict[str, list[Bucket]]:
        """The buckets that hold anything, by the series' names, oldest first.

        ``width`` is a multiple of 15 minutes, buckets begin at its multiples since 1970, and both ends are rounded down
        to 15 minutes.
        """

    def people(self, series: Series, *, since: datetime, until: datetime) -> int:
        """How many different authors wrote the posts of a series."""

    def posts_of(self, series: Series, *, since: datetime, until: datetime, limit: int = 50) -> list[ScoredMention]:
        """The posts of a series, newest first."""

    def spreads(self, *, since: datetime, until: datetime, people: int) -> list[Spread]:
        """Conversations in which at least so many people posted, or repeated a post of it, then; the widest first.

        Reposts and near-duplicates count here, the brand's own posts do not.
        """
