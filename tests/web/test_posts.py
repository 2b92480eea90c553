"""A post in pieces: what is marked, what is a link, what is made visible, where it is cut."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.search import Term, parsed
from pipeline.web.posts import EXCERPT, Piece, excerpt, line, whole


def marked(text: str, *strong: str, search: str = "", language: str = "en") -> list[str]:
    shown = excerpt(text, strong=strong, wanted=terms(search), language=language)
    return [piece.text for piece in shown.pieces if piece.kind == "strong"]


def terms(search: str) -> tuple[Term, ...]:
    with suppress(ConfigError):  # it only excludes
        if (looked_for := parsed(search)) is not None:
            return looked_for.wanted
    return ()


def said(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("It CAUGHT  fire today", "caught fire", ["CAUGHT fire"]),
        ("Kartımdan üç kez para çekildi", "kartimdan uc kez", ["Kartımdan üç kez"]),
        ("left eyelid, swollen", "eyelid swollen", ["eyelid, swollen"]),
        ("a firewall is no fire", "fire", ["fire"]),
        ("my ey\u200belid hurts", "eyelid", ["ey", "elid"]),
        ("nothing here", "fire", []),
        ("nothing here", "…", []),
        ("swollen eyes, my eyelid", "eyelid, eyes", ["eyes", "eyelid"]),
    ],
)
def test_the_words_behind_a_rank_are_found_as_the_author_wrote_them(text: str, words: str, found: list[str]) -> None:
    assert marked(text, words) == found


def test_overlapping_reasons_are_marked_once() -> None:
    assert marked("three times charged twice today", "times charged", "charged twice") == ["times charged twice"]


@pytest.mark.parametrize(
    ("text", "search", "language", "found"),
    [
        ("Charging my chargers", "charger", "en", ["chargers"]),
        ("die Häuser und das Haus", "Haus", "de", ["Haus"]),
        ("my e-mail", "e-mail", "en", ["e-mail"]),
        ("card not card", "-card", "en", []),
        ("big red card", '"red card" -"big"', "en", ["red card"]),
    ],
)
def test_searched_words_are_marked_in_any_form_of_their_language(
    text: str, search: str, language: str, found: list[str]
) -> None:
    assert set(found) <= set(marked(text, search=search, language=language))
    assert bool(marked(text, search=search, language=language)) == bool(found)


def test_a_long_post_is_cut_around_the_first_reason() -> None:
    text = "bla " * 200 + "it caught fire here " + "bla " * 200
    shown = excerpt(text, strong=["caught fire"])
    assert shown.pieces[0].text == "… "
    assert shown.pieces[-1].text == " …"
    assert marked(text, "caught fire") == ["caught fire"]
    assert len(said(shown.pieces)) <= EXCERPT + 10


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see (https://a.example/b).", ["https://a.example/b"]),
        ("https://a.example/?q=1&r=2, then", ["https://a.example/?q=1&r=2"]),
        ("HTTP://A.example", ["HTTP://A.example"]),
        ("javascript:alert(1) data:text/html,x ftp://a", []),
        ("https://a.example/\u202egpj.exe", []),
        ('https://a.example/"onmouseover="x', ["https://a.example/"]),
    ],
)
def test_only_plain_web_addresses_become_links(text: str, links: list[str]) -> None:
    assert [piece.text for piece in whole(text).pieces if piece.kind == "link"] == links


@pytest.mark.parametrize(
    "family",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "می\u200cخواهم",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "❤\ufe0f",
    ],
)
def test_joiners_that_spell_something_are_left_alone(family: str) -> None:
    assert [piece.kind for piece in whole(family).pieces] == ["text"]


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u2066", "\u200b", "\ufeff", "\u200d\u200d", "\u00ad", "\x1b", "\u2028", "a\U000e0041"]
)
def test_characters_that_hide_or_turn_text_are_shown(hidden: str) -> None:
    pieces = whole(f"x{hidden}y").pieces
    assert any(piece.kind == "hidden" and piece.text.startswith("U+") and piece.hint for piece in pieces)


@given(st.text(max_size=400), st.text(max_size=20))
def test_no_post_loses_or_gains_a_letter_that_one_can_see(text: str, reason: str) -> None:
    shown = whole(text, strong=[reason])
    letters = [character for character in text if character.isalnum()]
    told = "".join(piece.text for piece in (*shown.pieces, *shown.rest) if piece.kind != "hidden")
    assert [character for character in told if character.isalnum()] == letters


@given(st.text(max_size=900), st.text(max_size=30))
def test_any_post_can_be_shown_in_a_list(text: str, search: str) -> None:
    shown = excerpt(text, strong=[search], wanted=terms(search))
    assert len(said(shown.pieces)) <= 8 * EXCERPT
    assert "\u202e" not in said(shown.pieces)


def test_one_line_of_somebody_elses_text_stays_one_line() -> None:
    assert line("a\n b\t\u202ec") == "a b ‹U+202E›c"
    assert line("x" * 300, 20) == "x" * 19 + "…"
