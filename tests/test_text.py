"""Text as it is compared: folded, split, stemmed, without what nobody sees."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text import FIRST_CLASS, fold, folded, has_link, stem, stems, stems_of, unlinked, visible, words


@pytest.mark.parametrize(
    ("typed", "compared"),
    [
        ("Kartımdan ŁÓDŹ Straße", "kartimdan lodz strasse"),
        ("İSTANBUL ISPARTA", "istanbul isparta"),
        ("cafe\u0301 CAFÉ", "cafe cafe"),
        ("œuvre Ærø", "oeuvre aero"),
        ("don’t", "don't"),
        ("ﬁx my app™", "fix my apptm"),
        ("👩\u200d🔧 help ❤️", "👩🔧 help ❤"),
    ],
)
def test_folding_makes_what_people_type_with_and_without_diacritics_equal(typed: str, compared: str) -> None:
    assert fold(typed) == compared


@given(text=st.text(max_size=60))
def test_folding_twice_is_folding_once(text: str) -> None:
    once = fold(text)
    assert fold(once) == once


@given(text=st.text(max_size=60))
def test_composed_and_decomposed_texts_fold_alike(text: str) -> None:
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize("hidden", ["\u200b", "\u200d", "\u00ad", "\ufeff", "\u202e", "\u2066", "\ufe0f"])
def test_an_invisible_character_inside_a_word_changes_no_match(hidden: str) -> None:
    split = f"kes{hidden}trel is down"
    assert visible(split) == "kestrel is down"
    assert words(split) == ["kestrel", "is", "down"]
    assert stems(split, "en") == stems("kestrel is down", "en")
    assert folded(split) == "kestrel is down"


def test_links_and_handles_are_taken_out_and_mail_addresses_stay() -> None:
    text = "@kestrel.bank see https://t.co/Ab1?x=1 or WWW.example.org, not me@example.org; cc @ana@mastodon.social!"
    assert unlinked(text).split() == ["see", "or", "not", "me@example.org;", "cc", "!"]
    assert has_link(text)
    assert not has_link("and/or a mail to me@example.org")


def test_a_word_is_stemmed_in_its_own_language_and_found_from_every_language() -> None:
    assert stems("Karten wurden gesperrt", "de") == "kart wurd gesperrt"
    assert stem("kartımdan", "tr") in stems_of("kartımdan")
    assert stems("what 2nd bills", "und") == "what 2nd bills"
    assert all(stem("resolved", language) in stems_of("resolved") for language in FIRST_CLASS)


def test_forgetting_stems_when_memory_is_full_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "die Karten wurden gestern gesperrt und niemand antwortet"
    expected = stems(text, "de")
    monkeypatch.setattr("pipeline.text.KEPT_STEMS", 2)
    assert stems(text, "de") == expected
