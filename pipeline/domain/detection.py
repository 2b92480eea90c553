"""What a rule has found: its arithmetic, kept whole, because it is printed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.domain.counting import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something unusual about a series. ``observed`` of what was counted in ``[since, until)`` where ``expected`` were,
    and ``threshold`` would have been enough; by chance this happens less than once in ``once_in_days``.

    ``whole`` is set by rules about a share: ``observed`` of so many posts. ``history_days`` is how long the series is known.
    """

    rule: str
    cause: str
    brand: str
    series: Series
    since: datetime
    until: datetime
    observed: int
    expected: float
    threshold: float
    once_in_days: float
    people: int = 0
    whole: int | None = None
    history_days: float = 0.0

    @property
    def hours(self) -> int:
        """The hours of its window, the running quarter of an hour taken as whole."""
        return max(1, round((self.until - self.since).total_seconds() / 3600))
