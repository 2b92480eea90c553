"""What the stage makes of a classifier's numbers: labels, floor rules, reasons, and whom it does not judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.domain import Category, Hit, Sentiment, Signal, Urgency
from pipeline.score import NOT_FIRST_CLASS, rounded, score
from tests.factories import mention


@dataclass(frozen=True)
class FloorHit:
    rule: str
    urgency: str
    crisis: bool
    words: str


@dataclass(frozen=True)
class Reason:
    head: str
    label: str
    words: str
    weight: float


@dataclass(frozen=True)
class Classified:
    sentiment: NDArray[np.float64]
    category: NDArray[np.float64]
    urgency: NDArray[np.float64]
    crisis: NDArray[np.float64]
    rules: Sequence[Sequence[FloorHit]]


@dataclass
class LengthClassifier:
    """Crisis is the text's length in hundredths, so that a row in the wrong place shows; 'fire' has a rule and a reason."""

    version: str = "length-1"
    asked: list[tuple[list[str], list[str]]] = field(default_factory=list)

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Classified, Sequence[Sequence[Reason]]]:
        return self.classify(texts, languages), self.explain(texts, languages)

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> Classified:
        self.asked.append((list(texts), list(languages)))
        n = len(texts)
        return Classified(
            sentiment=np.tile([0.7, 0.2, 0.1], (n, 1)),
            category=np.tile([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], (n, 1)),
            urgency=np.tile([0.1, 0.2, 0.6, 0.1], (n, 1)),
            crisis=np.array([len(text) / 100 for text in texts]),
            rules=[[FloorHit("fire", "critical", True, "on FIRE")] if "fire" in text else [] for text in texts],
        )

    def explain(self, texts: Sequence[str], languages: Sequence[str]) -> Sequence[Sequence[Reason]]:
        return [
            [Reason("crisis", "crisis", "fire", 1.7), Reason("category", "complaint", "lamp", 0.12345)]
            if "fire" in text
            else []
            for text in texts
        ]


def test_scores_come_in_the_order_of_the_mentions_from_one_call() -> None:
    model = LengthClassifier()
    posts = [mention("1", "a" * 7), mention("2", "b" * 3, language="de"), mention("3", "c" * 5)]
    found = score(posts, model)
    assert [given.crisis for given in found] == [0.07, 0.03, 0.05]
    assert model.asked == [(["a" * 7, "b" * 3, "c" * 5], ["en", "de", "en"])]
    assert all(given.model == "length-1" for given in found)


def test_probabilities_are_keyed_by_what_the_domain_calls_them() -> None:
    (found,) = score([mention()], LengthClassifier())
    assert found.sentiment == {"negative": 0.7, "neutral": 0.2, "positive": 0.1}
    assert list(found.category) == [str(value) for value in Category]
    assert found.urgency == {"critical": 0.1, "high": 0.2, "normal": 0.6, "low": 0.1}
    assert (found.sentiment_label, found.category_label) == (Sentiment.NEGATIVE, Category.COMPLAINT)


def test_a_floor_rule_raises_the_urgency_people_see_and_leaves_the_models_numbers_alone() -> None:
    calm, burning = score([mention("1", "the lamp"), mention("2", "the lamp is on fire")], LengthClassifier())
    assert burning.rules == (Hit(rule="fire", urgency=Urgency.CRITICAL, crisis=True, words="on FIRE"),)
    assert burning.urgency == calm.urgency
    assert (calm.urgency_label, burning.urgency_label) == (Urgency.NORMAL, Urgency.CRITICAL)


def test_reasons_become_signals_with_a_weight_between_nothing_and_one() -> None:
    (found,) = score([mention("1", "the lamp is on fire")], LengthClassifier())
    assert found.signals == (
        Signal(name="crisis: crisis", value=1.0, because="fire"),
        Signal(name="category: complaint", value=0.123, because="lamp"),
    )


@pytest.mark.parametrize(("language", "because"), [("nl", "'nl'"), ("und", "not recognised")])
def test_a_language_the_models_hardly_know_is_said_to_be_one(language: str, because: str) -> None:
    other, ours = score([mention("1", language=language), mention("2", language="pl")], LengthClassifier())
    assert (other.degraded, ours.degraded) == (True, False)
    assert [signal.name for signal in other.signals] == [NOT_FIRST_CLASS]
    assert because in other.signals[0].because
    assert ours.signals == ()


def test_the_brand_itself_is_not_judged() -> None:
    model = LengthClassifier()
    own, other = score([mention("1", "our lamps on fire sale", own=True), mention("2", "hm")], model)
    assert model.asked[0][0] == ["hm"]
    assert (own.crisis, own.rules, own.degraded) == (0.0, (), False)
    assert (own.sentiment_label, own.urgency_label) == (Sentiment.NEUTRAL, Urgency.LOW)
    assert other.crisis == 0.02


def test_without_anything_to_judge_the_classifier_is_not_asked() -> None:
    model = LengthClassifier()
    assert score([], model) == []
    assert len(score([mention(own=True)], model)) == 1
    assert model.asked == []


@given(
    weights=st.lists(
        st.lists(st.floats(0, 1, allow_nan=False), min_size=4, max_size=4).filter(lambda row: sum(row) > 0.01),
        min_size=1,
        max_size=20,
    )
)
def test_rounded_probabilities_add_up_to_one_and_stay_close(weights: list[list[float]]) -> None:
    exact = np.array(weights) / np.sum(weights, axis=1, keepdims=True)
    for kept, before in zip(rounded(exact), exact.tolist(), strict=True):
        assert round(sum(kept), 12) == 1.0
        assert all(0 <= p <= 1 for p in kept)
        assert kept == [round(p, 4) for p in kept]
        assert max(abs(a - b) for a, b in zip(kept, before, strict=True)) < 0.0003
