"""Smoke floors on the authored corpus. THE STARTER WAS TRAINED ON THESE ROWS: a fall shows damage, no height shows quality.

Quality figures, out-of-fold, are in the manifest and in ``models/README.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import models
from models import corpus, fit
from models.evaluate import Measured, measure

LANGUAGES = ("en", "de", "tr", "pl", "es", "fr", "pt", "it")


@pytest.fixture(scope="module")
def measured() -> Callable[[str], Measured]:
    model, rows = models.load(), corpus.read(None).rows

    def of(language: str) -> Measured:
        chosen = [row for row in rows if row.language == language]
        answers = model.classify([row.text for row in chosen], [row.language for row in chosen])
        found = {
            "sentiment": answers.sentiment,
            "category": answers.category,
            "urgency": answers.urgency,
            "crisis": answers.crisis[:, np.newaxis],
        }
        return measure(found, fit.targets(chosen))

    return of


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_starter_still_knows_what_it_was_trained_on(measured: Callable[[str], Measured], language: str) -> None:
    found = measured(language)
    assert found.sentiment_f1 > 0.7  # the gate between stance and mood gives some of it away
    assert found.category_f1 > 0.8
    assert found.urgent_ap > 0.9
    assert found.crisis_ap > 0.85


def test_the_manifest_reports_every_language_out_of_fold() -> None:
    manifest = json.loads((Path(models.__file__).parent / "starter" / "manifest.json").read_text(encoding="utf-8"))
    assert set(LANGUAGES) <= manifest["out_of_fold"].keys()
    assert manifest["out_of_fold"]["natural rate"]["urgent_recall"][-1] > 0.7


NAMES = ("Lumiva", "GreenBasket", "Kestrel", "Voltane", "Zipkar", "Sofrada", "Orvantis", "Pellamo", "Kirenza")
SENTENCES = (
    "Is the {} app down? I can't log in",
    "{} still has not answered my email from Monday",
    "Saw an ad for {} on the tram today",
    "thank you {}, the new one works perfectly",
    "Does {} deliver to Gdansk?",
)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_name_of_a_brand_says_little_about_what_happened(sentence: str) -> None:
    answers = models.load().classify([sentence.format(name) for name in NAMES], ["en"] * len(NAMES))
    assert np.ptp(answers.crisis) < 0.2  # .43 when the corpus' names could be learned
    assert len(set(answers.sentiment.argmax(axis=1).tolist())) == 1


def test_the_corpus_teaches_no_name() -> None:
    text = "Kestrel'in uygulaması çöktü, KESTREL BANK susuyor, @kestrelbank #kestrelbank"
    renamed = corpus.renamed(text, "Kestrel Bank", seed="tr-1")
    assert "kestrel" not in renamed.lower()
    assert "'in uygulaması çöktü" in renamed
    assert renamed == corpus.renamed(text, "Kestrel Bank", seed="tr-1")
    assert renamed != corpus.renamed(text, "Kestrel Bank", seed="tr-2")
    assert corpus.renamed("Lumivy nie ma", "Lumiva", seed="pl-1").endswith("y nie ma")
    assert "green" not in corpus.renamed("my green basket, GreenBasket", "GreenBasket", seed="en-1").lower()
