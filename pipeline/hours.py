"""Business hours: when a market works, and when a first response is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from pipeline.config import Config, Hours, Target

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Which of a brand's markets a post in this language most likely comes from.
MARKETS = {
    "en": ("GB", "US", "IE", "CA", "AU"), "de": ("DE", "AT", "CH"), "tr": ("TR",), "pl": ("PL",), "es": ("ES", "MX"),
    "fr": ("FR", "BE", "CA", "CH"), "pt": ("PT", "BR"), "it": ("IT", "CH"),
}  # fmt: skip
SEARCH_DAYS = 366  # a market that does not work once in a year is a mistake in the configuration, not a calendar


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working time of one market."""

    hours: Hours
    market: str | None = None

    @classmethod
    def of(cls, config: Config, brand: str, language: str) -> Calendar:
        """The calendar of the brand's market where the language is spoken, else its first market, else the default."""
        settings = config.brand_named(brand)
        markets = settings.markets if settings else ()
        spoken = next((market for market in MARKETS.get(language, ()) if market in markets), None)
        market = spoken or (markets[0] if markets else None)
        return cls(config.market.get(market or "", config.hours), market)

    def deadline(self, start: datetime, target: Target) -> datetime:
        """When a post of ``start`` must have its first response: ``minutes`` of business time later, and never later than
        ``outside_minutes`` by the clock. Aware UTC in and out."""
        by_clock = None
        if target.outside_minutes is not None:
            by_clock = start + timedelta(minutes=target.outside_minutes)
            if target.outside_minutes <= target.minutes:
                return by_clock
        left = timedelta(minutes=target.minutes)
        for opens, closes in self._openings(start):
            begin = max(opens, start)
            if begin + left <= closes:
                due = begin + left
                return due if by_clock is None else min(due, by_clock)
            if by_clock is not None and by_clock <= closes:
                return by_clock
            left -= max(closes - begin, timedelta(0))
        return by_clock or start + timedelta(minutes=target.minutes)

    def is_open(self, at: datetime) -> bool:
        """Whether the market works at that moment."""
        return any(opens <= at < closes for opens, closes in self._openings(at, days=1))

    def next_open(self, at: datetime) -> datetime:
        """``at`` itself when the market works then, else when it opens next (``at`` for one that never works)."""
        return next((max(opens, at) for opens, closes in self._openings(at) if at < closes), at)

    def _openings(self, start: datetime, days: int = SEARCH_DAYS) -> Iterator[tuple[datetime, datetime]]:
        zone = ZoneInfo(self.hours.timezone)
        day = start.astimezone(zone).date()
        for _ in range(days):
            if DAYS[day.weekday()] in self.hours.days and not self._holiday(day):
                yield opening(day, self.hours.opens, self.hours.closes, self.hours.timezone)
            day += timedelta(days=1)

    def _holiday(self, day: date) -> bool:
        country = self.hours.holidays or self.market
        return country is not None and day in public_holidays(country, day.year)


@lru_cache(maxsize=1024)
def opening(day: date, opens: str, closes: str, timezone: str) -> tuple[datetime, datetime]:
    """When a working day begins and ends, in UTC."""
    zone = ZoneInfo(timezone)
    begin, end = (datetime.combine(day, time.fromisoformat(at), zone).astimezone(UTC) for at in (opens, closes))
    return begin, end


@lru_cache(maxsize=256)
def public_holidays(country: str, year: int) -> frozenset[date]:
    """The public holidays of a country ("DE") or region ("DE-BY") in one year; none for a name that is no country."""
    code, _, region = country.partition("-")
    try:
        return frozenset(holidays.country_holidays(code, subdiv=region or None, years=year))
    except NotImplementedError:  # the library's word for a country it does not know
        return frozenset()
