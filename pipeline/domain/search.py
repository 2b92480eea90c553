"""What a search finds, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

MOST_COUNTED = 10_000
"""Mentions of one search that are counted: nobody reads more, and a word that all posts hold must not stop the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """How many mentions a search finds, and how they spread over what people filter by.

    Counted are the newest ``MOST_COUNTED``; ``more`` says that there are others. Each field but the first two is named as
    its filter and holds the values met, most frequent first; ``day`` the days of the asked zone, newest first.
    """

    total: int = 0
    more: bool = False
    brand: Mapping[str, int] = field(default_factory=dict)
    source: Mapping[str, int] = field(default_factory=dict)
    language: Mapping[str, int] = field(default_factory=dict)
    category: Mapping[str, int] = field(default_factory=dict)
    sentiment: Mapping[str, int] = field(default_factory=dict)
    urgency: Mapping[str, int] = field(default_factory=dict)
    day: Mapping[date, int] = field(default_factory=dict)
