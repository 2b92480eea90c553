"""What the pipeline relies on, whatever the weights are."""

from __future__ import annotations

import numpy as np
import pytest

import models
from models.classifier import WHOLE_POST

TEXTS = [
    "My card was charged twice and nobody answers, third time I write!!",
    "Lumiva rimel gözümü yaktı, göz kapaklarım şişti",
    "love this playlist 🔥",
    "",
    "   \n\t ",
    "🔥🔥🔥",
    "@acme https://t.co/abc",
    "broken \ud800 surrogate \udfff",
    "a" * 10_000,
    "字" * 500 + " これは壊れています",
    "لا يعمل التطبيق منذ الصباح",
    "word " * 5_000,
]
LANGUAGES = ["en", "tr", "en", "und", "und", "und", "en", "en", "en", "ja", "ar", "en"]


@pytest.fixture(scope="module")
def model() -> models.Model:
    return models.load()


def test_every_text_gets_a_row_of_each_head_in_the_announced_order(model: models.Model) -> None:
    answers = model.classify(TEXTS, LANGUAGES)
    assert answers.sentiment.shape == (len(TEXTS), 3)
    assert answers.category.shape == (len(TEXTS), 8)
    assert answers.urgency.shape == (len(TEXTS), 4)
    assert answers.crisis.shape == (len(TEXTS),)
    assert len(answers.rules) == len(TEXTS)
    assert models.SENTIMENTS == ("negative", "neutral", "positive")
    assert models.URGENCIES == ("critical", "high", "normal", "low")
    assert models.CATEGORIES == ("complaint", "request", "question", "praise", "suggestion", "news", "chatter", "spam")
    assert answers.sentiment.dtype == answers.crisis.dtype == np.float64


def test_the_probabilities_of_a_head_sum_to_one(model: models.Model) -> None:
    answers = model.classify(TEXTS, LANGUAGES)
    for head in (answers.sentiment, answers.category, answers.urgency):
        assert np.isfinite(head).all()
        assert head.min() >= 0
        np.testing.assert_allclose(head.sum(axis=1), 1)
    assert ((answers.crisis >= 0) & (answers.crisis <= 1)).all()


def test_no_texts_give_no_rows(model: models.Model) -> None:
    answers = model.classify([], [])
    assert (answers.sentiment.shape, answers.category.shape, answers.urgency.shape) == ((0, 3), (0, 8), (0, 4))
    assert answers.crisis.shape == (0,)
    assert answers.rules == ()
    assert model.explain([], []) == []


def test_more_texts_than_languages_are_refused(model: models.Model) -> None:
    with pytest.raises(ValueError, match="2 texts but 1 languages"):
        model.classify(["a", "b"], ["en"])


def test_a_text_is_judged_alike_alone_and_in_a_batch(model: models.Model) -> None:
    together = model.classify(TEXTS, LANGUAGES)
    for row, (text, language) in enumerate(zip(TEXTS, LANGUAGES, strict=True)):
        alone = model.classify([text], [language])
        np.testing.assert_allclose(alone.category[0], together.category[row], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(alone.urgency[0], together.urgency[row], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(alone.crisis[0], together.crisis[row], rtol=1e-4, atol=1e-6)
        assert alone.rules[0] == together.rules[row]


def test_the_same_text_gets_the_same_answer_from_a_fresh_model(model: models.Model) -> None:
    first, second = model.classify(TEXTS, LANGUAGES), models.load().classify(TEXTS, LANGUAGES)
    np.testing.assert_array_equal(first.urgency, second.urgency)
    np.testing.assert_array_equal(first.crisis, second.crisis)


def test_reasons_are_words_of_the_text_or_its_meaning_strongest_first(model: models.Model) -> None:
    answers, reasons = model.classify_and_explain(TEXTS, LANGUAGES)
    assert reasons == model.explain(TEXTS, LANGUAGES)
    for row, (text, found) in enumerate(zip(TEXTS, reasons, strict=True)):
        squeezed = " ".join(text.split())
        assert all(reason.words in squeezed or reason.words == WHOLE_POST for reason in found)
        assert [reason.weight for reason in found] == sorted((reason.weight for reason in found), reverse=True)
        for reason in found:
            if reason.head == "category":
                assert reason.label == models.CATEGORIES[answers.category[row].argmax()]
            if reason.head == "urgency":
                assert reason.label == models.URGENCIES[answers.urgency[row].argmax()]


def test_a_complaint_says_which_words_made_it_one(model: models.Model) -> None:
    found = model.reasons("Hello there, this is the worst service ever, refund my money now", "en")
    complaint = next(reason for reason in found if reason.head == "category")
    assert complaint.label == "complaint"
    assert complaint.weight > 0


def test_a_text_without_words_has_no_reasons(model: models.Model) -> None:
    assert model.reasons("", "en") == ()
    assert model.reasons("@acme https://t.co/abc", "en") == ()
