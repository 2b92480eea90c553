"""Figures agree with scikit-learn, know what they are about, and weigh an item twice as if it stood there twice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, recall_score

from models.evaluate import measure, recall_at, waiting_cost
from models.outcome import HEADS, LABELS, Head
from models.report.figures import METRICS, NAMED, Judged, Ranking
from models.report.items import UNLABELLED

POSTS = 400


def judged(seed: int = 1, posts: int = POSTS) -> Judged:
    rng = np.random.default_rng(seed)
    labels: dict[Head, NDArray[np.intp]] = {}
    answers: dict[Head, NDArray[np.float64]] = {}
    for head in HEADS:
        width = len(LABELS[head])
        labels[head] = rng.integers(max(2, width), size=posts)
        if width == 1:
            answers[head] = np.clip(rng.random((posts, 1)) * 0.6 + 0.4 * labels[head][:, None], 0, 1).round(2)
        else:
            odds = np.exp(rng.normal(size=(posts, width)) + np.eye(width)[labels[head]])
            answers[head] = odds / odds.sum(axis=1, keepdims=True)
    return Judged(labels, answers)


def test_figures_are_those_of_scikit_learn() -> None:
    found, ones = judged(), np.ones(POSTS)
    for head in ("sentiment", "category", "urgency"):
        assert found.macro_f1(head, ones) == pytest.approx(
            f1_score(found.labels[head], found.said[head], average="macro")
        )
        assert found.macro_recall(head, ones) == pytest.approx(
            recall_score(found.labels[head], found.said[head], average="macro")
        )
        np.testing.assert_array_equal(
            found.confusion(head, ones), confusion_matrix(found.labels[head], found.said[head])
        )
    assert found.crisis_ap(ones) == pytest.approx(average_precision_score(found.crises, found.answers["crisis"][:, 0]))


def test_figures_are_those_a_training_reports() -> None:
    found, ones = judged(), np.ones(POSTS)
    reported = measure(dict(found.answers), dict(found.labels))
    for name in (
        "sentiment_f1",
        "complaint_f1",
        "urgent_ap",
        "crisis_ap",
        "crisis_recall",
        "urgency_gap",
        "crisis_gap",
    ):
        assert NAMED[name].of(found, ones) == pytest.approx(getattr(reported, name)), name
    assert found.urgent_recall(0.3, ones) == pytest.approx(reported.urgent_recall[-1])
    cost = waiting_cost(dict(found.answers))
    assert found.urgent_recall(0.1, ones) == pytest.approx(recall_at(cost, found.urgent, 0.1))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_weight_of_two_is_the_item_twice(metric) -> None:
    found = judged()
    twice = np.repeat(np.arange(POSTS), np.r_[np.full(POSTS // 2, 2), np.ones(POSTS // 2, int)])

    def doubled(arrays: Mapping[Head, NDArray]) -> dict[Head, NDArray]:
        return {head: array[twice] for head, array in arrays.items()}

    weight = np.r_[np.full(POSTS // 2, 2.0), np.ones(POSTS // 2)]
    repeated = Judged(doubled(found.labels), doubled(found.answers))
    # A resample may cut a doubled item in the middle of the queue; one item of 400 is the most this changes.
    assert metric.of(found, weight) == pytest.approx(metric.of(repeated, np.ones(len(twice))), abs=2 / POSTS)


def test_items_without_a_label_count_nowhere() -> None:
    found, more = judged(), judged(seed=2, posts=50)
    blank = {head: np.full(50, UNLABELLED) for head in HEADS}
    joined = Judged(
        {head: np.r_[found.labels[head], blank[head]] for head in HEADS},
        {head: np.r_[found.answers[head], more.answers[head]] for head in HEADS},
    )
    for metric in METRICS:
        assert metric.of(joined, np.ones(POSTS + 50)) == pytest.approx(metric.of(found, np.ones(POSTS))), metric.name


def test_what_does_not_occur_has_no_figure() -> None:
    blank = Judged({head: np.full(POSTS, UNLABELLED) for head in HEADS}, judged().answers)
    assert all(np.isnan(metric.of(blank, np.ones(POSTS))) for metric in METRICS)


def test_the_best_order_costs_nothing_and_the_worst_twice_a_random_one() -> None:
    waiting, ones = np.random.default_rng(3).random(500), np.ones(500)
    assert Ranking.of(waiting).cost(waiting, ones) == pytest.approx(0)
    assert Ranking.of(-waiting).cost(waiting, ones) == pytest.approx(2)
    blind = [Ranking.of(np.random.default_rng(seed).random(500)).cost(waiting, ones) for seed in range(40)]
    assert np.mean(blind) == pytest.approx(1, abs=0.05)


def test_a_sure_model_that_is_always_right_is_calibrated_and_one_that_never_is_is_not() -> None:
    truth = judged()
    sure = {head: np.eye(max(2, len(LABELS[head])))[truth.labels[head]][:, -len(LABELS[head]) :] for head in HEADS}
    right = Judged(truth.labels, sure)
    wrong = Judged({head: (label + 1) % max(2, len(LABELS[head])) for head, label in truth.labels.items()}, sure)
    for head in HEADS:
        ones = np.ones(POSTS)
        assert right.scale(head, ones).error == pytest.approx(0)
        assert right.brier(head, ones) == pytest.approx(0)
        assert wrong.scale(head, ones).error == pytest.approx(1)
        assert wrong.brier(head, ones) == pytest.approx(1 if head == "crisis" else 2)
