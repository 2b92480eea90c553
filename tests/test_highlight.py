"""Highlights: what a search found is marked where it stands, in any form, and no character is cut in two."""

from __future__ import annotations

from contextlib import closing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import Filters
from pipeline.errors import ConfigError
from pipeline.highlight import clusters, joined, spans
from pipeline.search import parsed
from pipeline.stores.sqlite import SqliteStore
from tests.factories import scored


def marked(text: str, search: str, language: str = "en") -> list[str]:
    """The marked stretches of a text."""
    looked_for = parsed(search)
    assert looked_for is not None
    return [text[begin:end] for begin, end in spans(text, language, looked_for.wanted)]


@pytest.mark.parametrize(
    ("language", "text", "search", "expected"),
    [
        ("en", "Both CHARGERS melted, charged too", "charger", ["CHARGERS", "charged"]),
        ("en", "he waited and waits", "waiting", ["waited", "waits"]),
        ("tr", "kartımdan İade İSTİYORUM", "kartim iade", ["kartımdan", "İade"]),
        ("tr", "ışık ve İSTANBUL", "istanbul", ["İSTANBUL"]),
        ("pl", "w ŁODZI, łódź", "łódź", ["ŁODZI", "łódź"]),
        ("de", "Die Straßen!", "strasse", ["Straßen"]),
        ("und", "CAFE\u0301 here", "café", ["CAFE\u0301"]),
        ("und", "e\u0301te\u0301 and été", "été", ["e\u0301te\u0301", "été"]),
        ("und", "ch\u200bar\u00adger", "charger", ["ch\u200bar\u00adger"]),
        ("ja", "充電器 broke", "充電器", ["充電器"]),
        ("und", "ΟΔΟΣ οδός", '"οδός"', ["ΟΔΟΣ", "οδός"]),
        ("und", "각 \u1100\u1161\u11a8", "각", ["각", "\u1100\u1161\u11a8"]),
    ],
)
def test_a_word_is_marked_in_every_form_it_is_found_in(
    language: str, text: str, search: str, expected: list[str]
) -> None:
    assert marked(text, search, language) == expected


def test_a_phrase_is_marked_as_one_whatever_stands_between_its_words() -> None:
    assert marked("it CHARGED -- twice, not charging twice", '"charged twice"') == ["CHARGED -- twice"]
    assert marked("send an e-mail", "e-mail") == ["e-mail"]
    assert marked("aa aa aa", '"aa aa"') == ["aa aa aa"]
    assert marked("says: ﷺ", '"عليه"')  # one sign is several words


def test_what_is_excluded_is_not_marked() -> None:
    assert marked("card and refund", "card -refund -charger") == ["card"]


def test_a_search_for_everything_marks_nothing() -> None:
    assert marked("card", "") == []


@pytest.mark.parametrize(
    "character",
    [
        "e\u0301", "👩‍🚀", "👨‍👩‍👧", "👍🏽", "🇩🇪", "1️⃣", "☠️", "\u1100\u1161\u11a8", "क्ष", "நி", "\r\n", "🏴\U000e0067\U000e0062\U000e007f", "ก็",
    ],
)  # fmt: skip
def test_what_a_reader_sees_as_one_character_is_one(character: str) -> None:
    text = f"a{character}{character}b"
    assert clusters(text) == [0, 1, 1 + len(character), 1 + 2 * len(character)]


def test_flags_are_counted_in_pairs() -> None:
    assert clusters("🇩🇪🇹🇷🇵") == [0, 2, 4]


def test_a_mark_takes_the_whole_character_with_it() -> None:
    assert marked("call 1️⃣ now", "1") == ["1️⃣"]
    assert marked("a क\u094dष b", "क") == ["क\u094dष"]


def test_spans_that_touch_become_one() -> None:
    assert joined([(4, 6), (0, 2), (2, 3), (1, 2), (5, 9)]) == [(0, 3), (4, 9)]


ALPHABET = "ab cd eé\u0301 ıİiI ßſ ΣσςΑ łŁ -'\"_.1２½ ﷺﬁ क्ष \u200b\u200d\u00ad 각\u1100\u1161 👩‍🚀🇩🇪"


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.sampled_from(ALPHABET.split(" ")), max_size=6).map(" ".join)
    | st.text(st.sampled_from(ALPHABET), max_size=12)
    | st.text(max_size=12),
    st.text(st.sampled_from(ALPHABET), max_size=5),
    st.sampled_from(["en", "de", "tr", "pl", "und"]),
)
def test_a_text_is_marked_exactly_when_a_search_finds_it_and_marks_are_whole_characters(
    text: str, search: str, language: str
) -> None:
    search = search.replace("-", "")  # an exclusion has nothing to mark
    looked_for = None
    with suppress(ConfigError):
        looked_for = parsed(search)
    if looked_for is None or not looked_for.wanted:
        return
    found = spans(text, language, looked_for.wanted)
    begins = {*clusters(text), len(text)}
    assert all(begin < end and {begin, end} <= begins for begin, end in found)
    with closing(SqliteStore(":memory:")) as store:
        store.add_mentions([scored(text=text, language=language)], {})
        is_found = bool(store.search(search, Filters()))
    each = [bool(spans(text, language, [term])) for term in looked_for.wanted]
    assert all(each) == is_found
