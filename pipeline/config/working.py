"""How work is ranked, when it is due, and who does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.config.base import Day, Minutes, Name, Settings, TimeOfDay, Weight, Zone
from pipeline.domain import Category, Priority, Urgency


class Hours(Settings):
    """Business hours of a market: local opening and closing on its working days, less its public holidays."""

    timezone: Zone = "UTC"
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    opens: TimeOfDay = "09:00"
    closes: TimeOfDay = "18:00"
    holidays: str | None = None

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Hours:
        if self.opens >= self.closes:
            raise ValueError(f"opens {self.opens} is not before closes {self.closes}")
        return self


class Target(Settings):
    """First response within ``minutes`` in business hours; ``outside_minutes`` by the clock for posts that come outside
    them (without it, the minutes start to count when business opens)."""

    minutes: Minutes
    outside_minutes: Minutes | None = None


class Sla(Settings):
    """Targets by priority: within ``minutes`` in business hours, within ``outside_minutes`` outside them."""

    P1: Target = Target(minutes=15, outside_minutes=15)
    P2: Target = Target(minutes=60, outside_minutes=720)
    P3: Target = Target(minutes=240)
    P4: Target = Target(minutes=1440)


class Weights(Settings):
    """What a minute of waiting costs, by class, and how far multipliers may go."""

    crisis: Weight = 20.0
    complaint: Weight = 5.0
    request: Weight = 3.0
    question: Weight = 2.0
    other: Weight = 0.2
    critical: Weight = 10.0
    high: Weight = 8.0
    normal: Weight = 1.0
    low: Weight = 0.1
    crisis_lane: Annotated[float, Field(gt=0, le=1)] = 0.35
    grave: Annotated[float, Field(gt=0, le=1)] = 0.8
    handling_minutes: Minutes = 6.0
    vip: tuple[str, ...] = ()


class PriorityTable(Settings):
    """P1..P4 by urgency; ``category`` overrides rows for a category."""

    critical: Priority = Priority.P1
    high: Priority = Priority.P2
    normal: Priority = Priority.P3
    low: Priority = Priority.P4
    category: Mapping[Category, Mapping[Urgency, Priority]] = {}

    def of(self, urgency: Urgency, category: Category) -> Priority:
        """The priority of one cell."""
        row: Priority = getattr(self, urgency)
        override = self.category.get(category, {}).get(urgency)
        return override or row


class Team(Settings):
    """Who works on what: tickets that fit every condition given here; with none, only what people give it.

    Of teams that fit, the one with more conditions works on it, of equals the first in the file. The ``default`` team
    works on what none fits.
    """

    name: Name
    members: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    languages: tuple[str, ...] = ()
    urgencies: tuple[Urgency, ...] = ()
    brands: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    default: bool = False

    @model_validator(mode="after")
    def _default_has_no_conditions(self) -> Team:
        if self.default and (self.categories or self.languages or self.urgencies or self.brands or self.markets):
            raise ValueError(f"the default team {self.name!r} takes what no other does: it has no conditions")
        return self
