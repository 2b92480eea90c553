"""Several searches of one network, walked back together as one timeline.

A long query is compiled into several searches, each of which pages back by itself. Positions are whole numbers that grow
with time (an id, a second). Where the walk stands is the highest point that any unfinished search has come down to:
everything of the window above it has been read by all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.domain import Page, Raw, Window
from pipeline.errors import SourceRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one call is to read: strictly newer than ``above``, strictly older than ``below`` (``None``: from the top).

    ``top`` is where the walk began, for networks whose ``token`` goes with the bounds it was given for.
    """

    above: int
    top: int | None = None
    below: int | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one call found: records and their positions, how far down it has read, and whether more is left.

    ``positions`` may hold nonsense; only what lies inside the stretch counts. ``token`` is the network's own for the next
    page. ``step`` is 1 where posts at the lowest position may be left unread (several share a position), else 0.
    """

    records: tuple[Raw, ...]
    positions: tuple[int, ...]
    more: bool
    token: str | None = None
    step: int = 0
    calls_left: int | None = None
    calls_reset_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    below: int | None
    token: str | None = None
    done: bool = False


def read_back(
    window: Window,
    searches: Sequence[str],
    look: Callable[[str, Stretch], Found],
    *,
    above: int,
    latest: int,
    settled: int,
    at: Callable[[int], datetime],
    name: str,
) -> Page:
    """The next page of the window: of every search at first, then of those that have come down least.

    ``above`` bounds a walk that begins; ``latest`` is the highest position that can be true now, ``settled`` the highest
    below which no post will turn up late: newer ones are given, but not claimed as read, so the next walk reads that
    last stretch again. ``at`` tells a position's time. Raises ``SourceRefused`` when a search repeats itself, and what
    ``look`` raises.
    """
    above, top, walk = _resume(window, searches, above=above)
    highest = max((_height(search, latest) for search in walk if not search.done), default=0)
    records: list[Raw] = []
    inside: list[int] = []
    found = Found(records=(), positions=(), more=False)
    for index, search in enumerate(walk):
        if search.done or _height(search, latest) < highest:
            continue
        found = look(searches[index], Stretch(above=above, top=top, below=search.below, token=search.token))
        within = [place for place in found.positions if above < place < _height(search, latest)]
        walk[index] = _advance(search, found, within, name=name)
        records += found.records
        inside += within
    page = _page(walk, inside, floor=above, settled=settled, at=at)
    left = [search for search in walk if not search.done]
    return replace(
        page,
        records=tuple(records),
        next_token=_token(above, top, walk) if left else None,
        floor=str(above),
        calls_left=found.calls_left,
        calls_reset_at=found.calls_reset_at,
    )


def _advance(search: _Search, found: Found, inside: Sequence[int], *, name: str) -> _Search:
    if not found.more:
        return replace(search, token=None, done=True)
    below = min(inside) + found.step if inside else search.below
    if below == search.below and found.token == search.token:
        raise SourceRefused(f"{name} gives the same page again and again; report it to the network, the gap is kept")
    return _Search(below=below, token=found.token)


def _page(
    walk: Sequence[_Search], inside: Sequence[int], *, floor: int, settled: int, at: Callable[[int], datetime]
) -> Page:
    if not inside:
        return Page()
    top = max(inside)
    unread = [top + 1 if search.below is None else search.below for search in walk if not search.done]
    oldest = max(unread) if unread else min(inside)
    newest = max(min(top, settled), floor)  # a watermark never moves back
    return Page(newest=str(newest), oldest=str(oldest), newest_at=at(newest), oldest_at=at(oldest))


def _height(search: _Search, latest: int) -> int:
    return latest + 1 if search.below is None else search.below


def _resume(window: Window, searches: Sequence[str], *, above: int) -> tuple[int, int | None, list[_Search]]:
    if window.token is None:
        top = None if window.older_than is None else int(window.older_than)
        return above, top, [_Search(below=top) for _ in searches]
    stored = json.loads(window.token)
    walk = [_Search(below=below, token=token, done=done) for below, token, done in stored["walk"]]
    return stored["above"], stored["top"], walk


def _token(above: int, top: int | None, walk: Sequence[_Search]) -> str:
    places = [(search.below, search.token, search.done) for search in walk]
    return json.dumps({"above": above, "top": top, "walk": places})
