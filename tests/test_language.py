"""The language of a post: right in the languages that matter, and silent when it cannot be known."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from pipeline import language
from pipeline.language import LANGUAGES, Detector, detect
from pipeline.text import FIRST_CLASS
from tests import REPOSITORY

SHARED = Path(os.environ.get("TOCSIN_SHARED", REPOSITORY.parent / "shared"))

SHORT = {
    "en": ["my card was charged twice", "app is down again", "still no refund", "thanks so much"],
    "de": ["App geht schon wieder nicht", "wo bleibt mein Geld", "nie wieder", "Danke schön"],
    "tr": ["param hâlâ yatmadı", "kartım çalışmıyor", "teşekkürler", "siparişim nerede"],
    "pl": ["aplikacja znowu nie działa", "gdzie są moje pieniądze", "dziękuję bardzo", "nigdy więcej"],
    "es": ["la aplicación no funciona", "me han cobrado dos veces", "muchas gracias", "dónde está mi pedido"],
    "fr": ["l'appli ne marche plus", "toujours pas remboursé", "merci beaucoup", "où est ma commande"],
    "pt": ["o aplicativo não funciona", "cadê o meu pedido", "muito obrigado", "não consigo entrar"],
    "it": ["l'app non funziona più", "dov'è il mio ordine", "grazie mille", "non riesco ad accedere"],
}


@pytest.mark.parametrize("expected", FIRST_CLASS)
def test_a_short_post_in_a_first_class_language_is_recognised(expected: str) -> None:
    assert detect(SHORT[expected]) == [expected] * len(SHORT[expected])


@pytest.mark.parametrize("expected", FIRST_CLASS)
def test_handles_links_digits_emoji_and_shouting_change_nothing(expected: str) -> None:
    dressed = [f"@kestrel_help {text.upper()} 4711!!! 😡 https://t.co/aB3 #1" for text in SHORT[expected]]
    assert detect(dressed) == [expected] * len(dressed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mijn pakket is nog steeds niet aangekomen en niemand reageert", "nl"),
        ("Мне до сих пор не вернули деньги за отменённый рейс", "ru"),
        ("アプリがまた落ちています。どうにかしてください", "ja"),
        ("かしこまりました。お試しください。https://t.co/mUMGYdqPEM ET https://t.co/kp0Ug6rMsZ", "ja"),
        ("لم يصلني الرد حتى الآن من خدمة العملاء", "ar"),
    ],
)
def test_other_languages_are_told_apart_from_ours(text: str, expected: str) -> None:
    assert detect([text]) == [expected]


@pytest.mark.parametrize(
    "text", ["", "   ", "😡😡😡", "@kestrel", "https://t.co/aB3", "12345 !!!", "\ud800", "@a @b #1"]
)
def test_a_text_without_words_is_undetermined_whatever_the_source_says(text: str) -> None:
    assert detect([text], ["en"]) == ["und"]


def test_the_sources_tag_decides_a_doubtful_text_and_not_a_clear_one() -> None:
    doubtful, clear = "no problem", "my card was charged twice and nobody answers the phone"
    assert detect([doubtful, clear], ["es", "es"]) == ["es", "en"]
    assert detect([doubtful, clear], ["en", "in"]) == ["en", "en"]


@pytest.mark.parametrize("tag", ["und", "qme", "zxx", "", "xx-yy", "klingon"])
def test_a_tag_that_names_no_language_is_no_hint(tag: str) -> None:
    assert detect(SHORT["de"], [tag] * 4) == ["de"] * 4


def test_tags_with_regions_and_old_codes_are_understood() -> None:
    text = "no problem"
    assert detect([text, text], ["es-MX", "es_ES"]) == ["es", "es"]
    assert detect(["bagus sekali"], ["in"]) == ["id"]


def test_a_text_gets_the_same_answer_alone_and_in_a_batch() -> None:
    texts = [text for per_language in SHORT.values() for text in per_language]
    assert [detect([text])[0] for text in texts] == detect(texts)


def test_forgetting_words_when_memory_is_full_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text for per_language in SHORT.values() for text in per_language]
    expected = detect(texts)
    monkeypatch.setattr(language, "KEPT", 48)
    monkeypatch.setattr(language, "AT_ONCE", 2)
    small = Detector()
    assert small.detect(texts, [None] * len(texts)) == expected
    assert len(small._places) <= 48


def test_the_evidence_of_a_word_is_that_of_the_library() -> None:
    library = LanguageIdentifier.from_model_file(MODEL_FILE)
    detector = language._detector()
    for word in ("wurde", "można", "pudding"):
        ours = detector._sums([[word]])[0] + detector._prior
        theirs = dict(library.rank(f" {word} "))
        for column, code in enumerate(LANGUAGES):
            bonus = language.BONUS if code in FIRST_CLASS else 0.0
            if code not in {"sr", "uz"}:  # the library folds two columns of theirs
                assert ours[column] - bonus == pytest.approx(theirs[code], abs=0.02)


@pytest.mark.shared
def test_nearly_every_authored_post_is_recognised_in_each_language() -> None:
    folder = REPOSITORY / "models" / "authored"
    if not folder.is_dir():
        folder = SHARED / "data" / "authored"
    if not folder.is_dir():
        pytest.skip("neither models/authored nor the shared data is here")
    for code in FIRST_CLASS:
        rows = [json.loads(line) for line in (folder / f"{code}.jsonl").read_text(encoding="utf-8").splitlines()]
        found = detect([row["text"] for row in rows])
        wrong = [row["id"] for row, guess in zip(rows, found, strict=True) if guess != code]
        assert len(wrong) <= 0.02 * len(rows), f"{code}: {wrong}"
