"""Narrowing a search of mentions down: what its address asks for, and what each further step would leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from starlette.datastructures import QueryParams

from pipeline.domain import Category, Facets, Filters, Sentiment, Urgency
from pipeline.errors import ConfigError
from pipeline.search import FACETS
from pipeline.web.pages import with_query
from pipeline.web.queue import page_of

SHOWN = 7  # values of a facet, a week of days among them; the others are folded away

Label = TypeVar("Label", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for: words, filters, the first and the last day, which page."""

    text: str
    filters: Filters
    first: date | None
    last: date | None
    page: int

    @property
    def given(self) -> dict[str, object]:
        """What is asked for by name, as the address has it, but for the page."""
        filters: dict[str, object] = {name: getattr(self.filters, name) for name in FACETS}
        return {"q": self.text, **filters, "first": self.first, "last": self.last}

    def link(self, **changes: object) -> str:
        """The address with some of it changed, from its first page on."""
        return with_query("/mentions", self.given | changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value that a search may be narrowed to: how many posts that leaves, and where it leads."""

    label: str
    count: int
    link: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One thing to narrow by; ``all`` leads to all of its values again, where one is chosen."""

    name: str
    choices: tuple[Choice, ...]
    rest: tuple[Choice, ...]
    all: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One filter that is on, and where it is off."""

    name: str
    label: str
    off: str


def asked(params: QueryParams, zone: ZoneInfo) -> Asked:
    """The search of an address, its days those of ``zone``; raises ``ConfigError`` for values that mean nothing."""
    first, last = _day(params, "first"), _day(params, "last")
    return Asked(
        text=(params.get("q") or "").strip(),
        filters=Filters(
            brand=params.get("brand") or None,
            source=params.get("source") or None,
            language=params.get("language") or None,
            category=_label(Category, params, "category"),
            sentiment=_label(Sentiment, params, "sentiment"),
            urgency=_label(Urgency, params, "urgency"),
            since=_midnight(first, zone) if first else None,
            until=_midnight(last + timedelta(days=1), zone) if last else None,
        ),
        first=first,
        last=last,
        page=page_of(params),
    )


def facets(search: Asked, found: Facets) -> list[Facet]:
    """What the search may be narrowed by, each value with what it would leave."""
    by_name = [_facet(search, name, getattr(found, name), getattr(search.filters, name)) for name in FACETS]
    days = [
        Choice(
            label=f"{day:%a} {day.day} {day:%b %Y}",
            count=count,
            link=search.link(first=day, last=day),
            chosen=search.first == day == search.last,
        )
        for day, count in found.day.items()
    ]
    everyday = search.link(first=None, last=None) if search.first or search.last else None
    return [*by_name, Facet(name="day", choices=tuple(days[:SHOWN]), rest=tuple(days[SHOWN:]), all=everyday)]


def chips(search: Asked) -> list[Chip]:
    """The filters that are on."""
    on = [(name, getattr(search.filters, name)) for name in FACETS]
    named = [
        Chip(name=name, label=str(value), off=search.link(**{name: None})) for name, value in on if value is not None
    ]
    if search.first and search.first == search.last:
        return [*named, Chip(name="day", label=search.first.isoformat(), off=search.link(first=None, last=None))]
    ends = (("first", "from", search.first), ("last", "to", search.last))
    return named + [
        Chip(name=word, label=day.isoformat(), off=search.link(**{name: None})) for name, word, day in ends if day
    ]


def _facet(search: Asked, name: str, counts: Mapping[str, int], chosen: str | None) -> Facet:
    met = {**counts} if chosen is None else {str(chosen): 0, **counts}  # a value that finds nothing is shown too
    choices = [
        Choice(label=value, count=count, link=search.link(**{name: value}), chosen=value == chosen)
        for value, count in met.items()
    ]
    everything = search.link(**{name: None}) if chosen is not None else None
    return Facet(name=name, choices=tuple(choices[:SHOWN]), rest=tuple(choices[SHOWN:]), all=everything)


def _label(kind: type[Label], params: QueryParams, name: str) -> Label | None:
    value = params.get(name) or ""
    if value and value not in set(kind):
        raise ConfigError(f"{name}={value}: use one of {', '.join(kind)}")
    return kind(value) if value else None


def _day(params: QueryParams, name: str) -> date | None:
    value = params.get(name) or ""
    try:
        day = date.fromisoformat(value) if value else None
    except ValueError as error:
        raise ConfigError(f"{name}={value}: use a day such as 2026-11-25") from error
    if day is not None and not 1900 <= day.year < 2900:  # far enough from the ends of time for any zone
        raise ConfigError(f"{name}={value}: use a day such as 2026-11-25")
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
