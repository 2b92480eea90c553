"""A walk back over several searches gives every post, wherever it is broken off and begun again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Page, Window
from pipeline.errors import SourceRefused
from pipeline.sources.timeline import Found, Stretch, read_back

EARLIEST, LATEST = 0, 1000


def _at(place: int) -> datetime:
    return datetime.fromtimestamp(place, UTC)


class Archive:
    """Searches that know at which places their posts lie, pages of ``size``; tokens on request."""

    def __init__(self, places: Sequence[Sequence[int]], *, size: int = 3, tokens: bool = False) -> None:
        self.places = [sorted(set(listed), reverse=True) for listed in places]
        self.size = size
        self.tokens = tokens

    def look(self, search: str, stretch: Stretch) -> Found:
        below = LATEST + 1 if stretch.below is None else stretch.below
        if stretch.token is not None:
            below = int(stretch.token)
        left = [place for place in self.places[int(search)] if stretch.above < place < below]
        page = left[: self.size]
        more = len(left) > self.size
        return Found(
            records=tuple({"place": place} for place in page),
            positions=tuple(page),
            more=more,
            token=str(page[-1]) if more and self.tokens else None,
        )

    def read(self, window: Window, *, settled: int = LATEST) -> Page:
        return read_back(
            window,
            [str(index) for index in range(len(self.places))],
            self.look,
            above=int(window.newer_than or EARLIEST),
            latest=LATEST,
            settled=settled,
            at=_at,
            name="archive",
        )


places = st.lists(st.lists(st.integers(1, LATEST), max_size=25), min_size=1, max_size=4)


def _seen(page: Page) -> set[object]:
    return {record["place"] for record in page.records}


@given(places, st.booleans())
def test_a_walk_gives_every_post(listed: list[list[int]], tokens: bool) -> None:
    archive = Archive(listed, tokens=tokens)
    page = archive.read(Window())
    seen = _seen(page)
    while page.next_token:
        page = archive.read(Window(token=page.next_token))
        seen |= _seen(page)
    assert seen == {place for search in listed for place in search}


@given(places, st.integers(0, 12), st.booleans())
def test_what_lies_above_oldest_has_been_read_and_the_rest_is_read_from_there(
    listed: list[list[int]], steps: int, tokens: bool
) -> None:
    archive = Archive(listed, tokens=tokens)
    page = archive.read(Window())
    newest, seen = page.newest, _seen(page)
    for _ in range(steps):
        if page.next_token is None:
            break
        page = archive.read(Window(token=page.next_token))
        seen |= _seen(page)
    everything = {place for search in listed for place in search}
    if page.next_token is None:
        assert seen == everything
        return
    assert page.oldest is not None
    assert {place for place in everything if place >= int(page.oldest)} <= seen
    window = Window(older_than=page.oldest)
    while True:
        page = archive.read(window)
        seen |= _seen(page)
        if page.next_token is None:
            break
        window = Window(token=page.next_token)
    assert seen == everything
    assert newest == str(max(everything))


@given(places, st.booleans())
def test_every_page_of_a_walk_comes_further_down(listed: list[list[int]], tokens: bool) -> None:
    archive = Archive(listed, tokens=tokens)
    page, reached = archive.read(Window()), LATEST + 2
    while page.next_token:
        assert page.oldest is not None
        assert int(page.oldest) < reached
        reached = int(page.oldest)
        page = archive.read(Window(token=page.next_token))


def test_a_watermark_claims_only_what_is_settled_and_never_moves_back() -> None:
    archive = Archive([[10, 20, 30]])
    assert archive.read(Window(), settled=25).newest == "25"
    assert archive.read(Window(), settled=40).newest == "30"
    assert archive.read(Window(newer_than="28"), settled=25).newest == "28"


def test_nonsense_positions_move_nothing() -> None:
    found = Found(records=({"a": 1}, {"b": 2}), positions=(10**30, -5), more=False)
    page = read_back(
        Window(newer_than="5"), ["0"], lambda search, stretch: found,
        above=5, latest=LATEST, settled=LATEST, at=_at, name="archive",
    )  # fmt: skip
    assert (len(page.records), page.newest, page.oldest, page.next_token) == (2, None, None, None)


def test_a_search_that_repeats_itself_is_refused() -> None:
    found = Found(records=({"a": 1},), positions=(500,), more=True, token="t")
    page = read_back(
        Window(), ["0"], lambda search, stretch: found,
        above=0, latest=LATEST, settled=LATEST, at=_at, name="source 'archive'",
    )  # fmt: skip
    with pytest.raises(SourceRefused, match="source 'archive' gives the same page again"):
        read_back(
            Window(token=page.next_token), ["0"], lambda search, stretch: found,
            above=0, latest=LATEST, settled=LATEST, at=_at, name="source 'archive'",
        )  # fmt: skip
