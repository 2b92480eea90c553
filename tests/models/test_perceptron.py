"""The network over sentence vectors: it learns what rows say, and from rows that say only part of it."""

from __future__ import annotations

import numpy as np

from models import perceptron
from models.perceptron import Target


def toy(seed: int = 0, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose first three numbers tell one of three classes, with noise."""
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, 3, rows)
    vectors = rng.standard_normal((rows, 8)).astype(np.float32)
    vectors[np.arange(rows), answers] += 2.5
    return vectors, answers


def one(answers: np.ndarray, width: int) -> np.ndarray:
    return (answers[:, None] == np.arange(width)).astype(np.float32)


def test_it_learns_a_class_and_a_yes_or_no_together() -> None:
    vectors, answers = toy()
    weight = np.ones(len(answers), np.float32)
    yes = (answers == 2).astype(np.float32)[:, None]
    found = perceptron.fit(
        vectors, [Target(slice(0, 3), one(answers, 3), weight), Target(slice(3, 4), yes, weight)], outputs=4, epochs=20
    )
    unseen, truth = toy(1)
    scores = found.scores(unseen)
    assert (scores[:, :3].argmax(axis=1) == truth).mean() > 0.85
    assert ((scores[:, 3] > 0) == (truth == 2)).mean() > 0.85


def test_a_set_of_possible_answers_teaches_what_it_rules_out() -> None:
    vectors, answers = toy()
    weight = np.ones(len(answers), np.float32)
    ruled_out = (answers + 1 + np.arange(len(answers)) % 2) % 3  # never the right one
    found = perceptron.fit(vectors, [Target(slice(0, 3), 1 - one(ruled_out, 3), weight)], outputs=3, epochs=20)
    unseen, truth = toy(1)
    assert (found.scores(unseen).argmax(axis=1) == truth).mean() > 0.8


def test_rows_without_weight_teach_nothing() -> None:
    vectors, answers = toy()
    weight = np.ones(len(answers), np.float32)
    weight[300:] = 0
    wrong = answers.copy()
    wrong[300:] = (answers[300:] + 1) % 3
    found = perceptron.fit(vectors, [Target(slice(0, 3), one(wrong, 3), weight)], outputs=3, epochs=20)
    unseen, truth = toy(1)
    assert (found.scores(unseen).argmax(axis=1) == truth).mean() > 0.8


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    vectors, answers = toy(rows=64)
    targets = [Target(slice(0, 3), one(answers, 3), np.ones(64, np.float32))]
    first, again = (perceptron.fit(vectors, targets, outputs=3, seed=3, epochs=2) for _ in range(2))
    other = perceptron.fit(vectors, targets, outputs=3, seed=4, epochs=2)
    np.testing.assert_array_equal(first.last, again.last)
    assert np.abs(first.last - other.last).max() > 1e-3
