"""Says how a mention feels, what it is, how urgent, how dangerous, and why. Pure but for the classifier it is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy import float64
from numpy.typing import NDArray

from pipeline.domain import Category, Hit, Mention, Score, Sentiment, Signal, Urgency
from pipeline.ports import Classifier, FloorHit, WordReason
from pipeline.text import FIRST_CLASS

NOT_FIRST_CLASS = "language not first-class"
"""The signal of a score that should be trusted less: the models have hardly seen the language."""

_SENTIMENTS = tuple(map(str, Sentiment))
_CATEGORIES = tuple(map(str, Category))
_URGENCIES = tuple(map(str, Urgency))
_STEPS = 10_000  # probabilities are kept with four digits: enough to rank by, half the room in a store


def score(mentions: Sequence[Mention], classifier: Classifier) -> list[Score]:
    """The score of each mention, in order; the classifier is asked once. Own posts are not judged."""
    judged = [mention for mention in mentions if not mention.own]
    scores = iter(_judge(judged, classifier))
    own = _neutral(classifier.version)
    return [own if mention.own else next(scores) for mention in mentions]


def _judge(mentions: Sequence[Mention], classifier: Classifier) -> list[Score]:
    if not mentions:
        return []
    texts = [mention.text for mention in mentions]
    languages = [mention.language for mention in mentions]
    found, reasons = classifier.classify_and_explain(texts, languages)
    version = classifier.version
    return [
        Score(
            sentiment=dict(zip(_SENTIMENTS, sentiment, strict=True)),
            category=dict(zip(_CATEGORIES, category, strict=True)),
            urgency=dict(zip(_URGENCIES, urgency, strict=True)),
            crisis=crisis,
            rules=tuple(map(_hit, rules)) if rules else (),
            signals=_signals(words, language),
            model=version,
            degraded=language not in FIRST_CLASS,
        )
        for sentiment, category, urgency, crisis, rules, words, language in zip(
            rounded(found.sentiment),
            rounded(found.category),
            rounded(found.urgency),
            found.crisis.round(4).tolist(),
            found.rules,
            reasons,
            languages,
            strict=True,
        )
    ]


def rounded(probabilities: NDArray[float64]) -> list[list[float]]:
    """Rows of probabilities with four digits that still add up to one: what rounding leaves goes to the likeliest."""
    steps = np.rint(probabilities * _STEPS).astype(np.int64)
    rows = np.arange(len(steps))
    steps[rows, steps.argmax(axis=1)] += _STEPS - steps.sum(axis=1)
    tenthousandths: list[list[float]] = (steps / _STEPS).tolist()
    return tenthousandths


def _hit(hit: FloorHit) -> Hit:
    return Hit(rule=hit.rule, urgency=Urgency(hit.urgency), crisis=hit.crisis, words=hit.words)


def _signals(reasons: Sequence[WordReason], language: str) -> tuple[Signal, ...]:
    signals = tuple(map(_signal, reasons))
    if language in FIRST_CLASS:
        return signals
    because = "language not recognised" if language == "und" else f"the models have hardly seen {language!r}"
    return (*signals, Signal(name=NOT_FIRST_CLASS, value=1.0, because=because))


def _signal(reason: WordReason) -> Signal:
    weight = reason.weight
    value = 0.0 if weight <= 0 else 1.0 if weight >= 1 else round(weight, 3)
    return Signal(name=f"{reason.head}: {reason.label}", value=value, because=reason.words)


def _neutral(version: str) -> Score:
    """The brand speaking: nobody has to answer it."""
    return Score(
        sentiment={label: float(label == Sentiment.NEUTRAL) for label in _SENTIMENTS},
        category={label: float(label == Category.CHATTER) for label in _CATEGORIES},
        urgency={label: float(label == Urgency.LOW) for label in _URGENCIES},
        crisis=0.0,
        model=version,
    )
