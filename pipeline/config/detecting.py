"""When what is said is called unusual."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from pipeline.config.base import Name, Settings


class Detect(Settings):
    """``sensitivity_days``: of a brand that goes on as it did, at most one false alarm in so many days.

    Fewer posts than ``minimum_posts``, or fewer people, are never an incident by their number: one grave post is one by
    what it says. ``spread_people`` in three hours make a conversation one that spreads.
    """

    sensitivity_days: Annotated[float, Field(ge=7, le=3650)] = 365.0
    minimum_posts: Annotated[int, Field(ge=3, le=10_000)] = 8
    minimum_people: Annotated[int, Field(ge=2, le=10_000)] = 5
    spread_people: Annotated[int, Field(ge=5, le=100_000)] = 20


class Campaign(Settings):
    """A time in which a brand expects ``factor`` times as many posts: it is measured against more, never muted.

    ``from`` and ``to`` are days in the office's time zone (``to`` is the last of them), or moments with a zone.
    """

    name: Name
    brand: str
    since: datetime | date = Field(alias="from")
    until: datetime | date = Field(alias="to")
    factor: Annotated[float, Field(gt=0, le=100)]

    @field_validator("since", "until")
    @classmethod
    def _has_a_zone(cls, value: datetime | date) -> datetime | date:
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError('a moment needs its zone ("2026-11-27T09:00:00+01:00"); a day is enough ("2026-11-27")')
        return value

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Campaign:
        if isinstance(self.since, datetime) != isinstance(self.until, datetime):
            raise ValueError("from and to are both days, or both moments")
        if self.since > self.until:
            raise ValueError(f"from {self.since} is after to {self.until}")
        return self
