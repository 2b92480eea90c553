"""Fitting: posts as a sparse design, one logistic regression per label, and a small layer above that lets heads talk.

The layer is fitted on out-of-fold numbers, so it learns how far each head can be trusted (stacked generalisation,
Wolpert 1992), and near-duplicates never stand on both sides of a fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from models import features, floor
from models.classifier import Weights, numbers_of
from models.corpus import Row
from models.outcome import HEADS, LABELS, WIDTH, Head, columns
from models.text import tokens

FOLDS = 5
RAREST_WORD, RAREST_LETTERS = 2, 3
"""Posts a feature must stand in to be kept: once is an accident, and keeps the artefact small."""
DENSE_SCALE, LANGUAGE_SCALE = 0.15, 0.3
"""Weight of counts and languages beside words and letters of length one; larger ones overfit, smaller are not heard."""
STRENGTH: dict[Head, float] = {"sentiment": 4.0, "category": 6.0, "urgency": 6.0, "crisis": 6.0}
"""C of the first layer, chosen by grouped folds."""
STACK_STRENGTH = 0.5
"""C of the layer above, chosen by the same folds."""

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]


def targets(rows: Sequence[Row]) -> dict[Head, NDArray[np.intp]]:
    """The labels of rows as numbers, per head."""
    return {
        "sentiment": np.array([row.sentiment for row in rows], np.intp),
        "category": np.array([row.category for row in rows], np.intp),
        "urgency": np.array([row.urgency for row in rows], np.intp),
        "crisis": np.array([row.crisis for row in rows], np.intp),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Posts as a matrix, and what is needed to take the weights of its columns apart again."""

    matrix: sp.csr_matrix
    words: NDArray[np.uint32]
    word_idf: Floats
    letters: NDArray[np.uint32]
    letter_idf: Floats
    spread: Floats
    fired: Floats


def _sparse(
    posts: NDArray[np.intp], numbers: NDArray[np.uint32], count: int, rarest: int
) -> tuple[sp.csr_matrix, NDArray[np.uint32]]:
    known, places = np.unique(numbers, return_inverse=True)
    counts = sp.csr_matrix((np.ones(len(posts)), (posts, places)), shape=(count, len(known)))
    kept = np.bincount(counts.indices, minlength=len(known)) >= rarest
    return counts[:, kept], known[kept]


def design(texts: Sequence[str], languages: Sequence[str]) -> Design:
    """The posts as the classifier will see them: its features, its lengths, its counts."""
    read_tokens = list(features.EDGES)
    numbers: dict[str, int] = {}

    def new(token: str) -> int:
        numbers[token] = len(read_tokens)
        read_tokens.append(features.read(token))
        return numbers[token]

    posts = [tokens(text) for text in texts]
    reading = features.reading(posts, numbers, new)
    owners = reading.posts
    first = np.array([token.first for token in read_tokens], np.uint32)
    last = np.array([token.last for token in read_tokens], np.uint32)
    pairs, places = features.neighbours(first, last, reading)
    letters, letter_owners = features.letters([token.spelled for token in read_tokens])
    of_words = [np.array(token.words, np.uint32) for token in read_tokens]
    of_letters = np.split(letters, np.searchsorted(letter_owners, np.arange(1, len(read_tokens))))
    blocks = []
    squares = []
    for rarest, of_token, extra in (
        (RAREST_WORD, of_words, (owners[places], pairs)),
        (RAREST_LETTERS, of_letters, None),
    ):
        lengths = np.array([len(found) for found in of_token], np.intp)[reading.numbers]
        where = np.repeat(owners, lengths)
        what = np.concatenate([of_token[number] for number in reading.numbers.tolist()])
        if extra is not None:
            where, what = np.concatenate([where, extra[0]]), np.concatenate([what, extra[1]])
        counts, known = _sparse(where, what, len(texts), rarest)
        present = np.bincount(counts.indices, minlength=len(known))
        idf = np.log((1 + len(texts)) / (1 + present)) + 1
        at = np.minimum(np.searchsorted(known, what), len(known) - 1)
        square = np.bincount(where, np.where(known[at] == what, idf[at] ** 2, 0.0), len(texts))
        blocks.append((counts, known, idf))
        squares.append(1 / np.sqrt(np.maximum(square, 1e-9)))
    counted = np.stack([features.dense_row(token) for token in read_tokens])[reading.numbers]
    dense = np.log1p(np.add.reduceat(counted, reading.starts, axis=0)).astype(np.float64)
    spread = DENSE_SCALE / np.maximum(dense.std(axis=0), 0.05)
    scaled = [sp.diags(scale) @ counts.multiply(idf) for scale, (counts, _, idf) in zip(squares, blocks, strict=True)]
    spoken = features.language_columns(languages) * LANGUAGE_SCALE
    fired = np.zeros((len(texts), len(floor.lexicon().rules)))
    for post, (words, language) in enumerate(zip(posts, languages, strict=True)):
        fired[post, [number for number, _ in floor.fired(words, language)]] = 1
    return Design(
        matrix=sp.hstack([*scaled, sp.csr_matrix(dense * spread), sp.csr_matrix(spoken)]).tocsr(),
        words=blocks[0][1],
        word_idf=blocks[0][2],
        letters=blocks[1][1],
        letter_idf=blocks[1][2],
        spread=spread,
        fired=fired,
    )


@dataclass(frozen=True, slots=True)
class Linear:
    """``WIDTH`` linear scores over the columns of a design."""

    weights: Floats
    bias: Floats

    def scores(self, matrix: sp.csr_matrix) -> Floats:
        """The raw numbers (n, 16) of posts."""
        found: Floats = matrix @ self.weights + self.bias
        return found


def first_layer(matrix: sp.csr_matrix, labels: dict[Head, NDArray[np.intp]], weight: Floats) -> Linear:
    """One regularised logistic regression per label against the rest (liblinear, dual: deterministic and quick here)."""
    found, bias = np.zeros((matrix.shape[1], WIDTH)), np.zeros(WIDTH)
    for head in HEADS:
        start = columns(head).start
        values = range(len(LABELS[head])) if head != "crisis" else (1,)
        for column, value in enumerate(values, start=start):
            wanted = labels[head] == value
            if not wanted.any():
                bias[column] = -10.0
                continue
            model = LogisticRegression(
                C=STRENGTH[head], solver="liblinear", dual=True, tol=0.05, max_iter=300, random_state=0
            )
            model.fit(matrix, wanted, sample_weight=weight)
            found[:, column], bias[column] = model.coef_[0], model.intercept_[0]
    return Linear(found, bias)


@dataclass(frozen=True, slots=True)
class Stack:
    """The layer above: ``scores @ mix + fired @ rules + offset``."""

    mix: Floats
    rules: Floats
    offset: Floats

    def final(self, scores: Floats, fired: Floats) -> Floats:
        """The calibrated log odds (n, 16)."""
        return scores @ self.mix + fired @ self.rules + self.offset


def second_layer(
    scores: Floats,
    fired: Floats,
    labels: dict[Head, NDArray[np.intp]],
    weight: Floats,
    *,
    strength: float = STACK_STRENGTH,
) -> Stack:
    """A multinomial logistic regression per labelled head over all heads' raw numbers and the floor rules."""
    joined = np.hstack([scores, fired])
    middle, spread = (
        joined.mean(axis=0),
        np.hstack([np.maximum(scores.std(axis=0), 1e-6), np.full(fired.shape[1], 0.2)]),
    )
    middle[scores.shape[1] :] = 0
    mix, offset = np.zeros((joined.shape[1], WIDTH)), np.zeros(WIDTH)
    for head, wanted in labels.items():
        place = columns(head)
        model = LogisticRegression(C=strength, max_iter=500)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 500 steps are within the noise of the labels
            model.fit((joined - middle) / spread, wanted, sample_weight=weight)
        coefficients, intercept = model.coef_ / spread, model.intercept_ - (model.coef_ / spread) @ middle
        for row, value in enumerate(model.classes_ if len(model.coef_) > 1 else model.classes_[1:]):
            column = place.start + (value if head != "crisis" else 0)
            mix[:, column], offset[column] = coefficients[row], intercept[row]
        missing = [
            place.start + value
            for value in range(len(LABELS[head]))
            if head != "crisis" and value not in model.classes_
        ]
        offset[missing] = -10.0
    return Stack(mix[: scores.shape[1]], mix[scores.shape[1] :], offset)


def unseen_rules(fired: Floats, written_from: NDArray[np.bool_]) -> Floats:
    """The fired rules (n, rules) without the strong ones of rows their phrases were written from: those teach nothing about them."""
    weak = np.array([rule.weak for rule in floor.lexicon().rules])
    return np.where(written_from[:, None] & ~weak[None, :], 0.0, fired)


def folds_of(group: NDArray[np.intp], *, folds: int = FOLDS) -> NDArray[np.intp]:
    """The fold of each row; a group stays together."""
    distinct, place = np.unique(group, return_inverse=True)
    shuffled: NDArray[np.intp] = np.random.default_rng(0).permutation(len(distinct)) % folds
    return shuffled[place]


def out_of_fold(
    made: Design, labels: dict[Head, NDArray[np.intp]], fold: NDArray[np.intp], weight: Floats, progress: Progress
) -> Floats:
    """The raw numbers (n, 16) of each row from a first layer that did not see it."""
    scores = np.zeros((made.matrix.shape[0], WIDTH))
    count = int(fold.max()) + 1
    for number in range(count):
        seen = fold != number
        layer = first_layer(made.matrix[seen], {head: label[seen] for head, label in labels.items()}, weight[seen])
        scores[~seen] = layer.scores(made.matrix[~seen])
        progress("folds", (number + 1) / count)
    return scores


def weights(made: Design, layer: Linear, stack: Stack) -> Weights:
    """Both layers as the arrays of an artefact; scalings go into the weights."""
    words, letters, dense = len(made.words), len(made.letters), len(made.spread)
    parts = np.split(layer.weights, np.cumsum([words, letters, dense]))

    def small(array: Floats) -> NDArray[np.float32]:
        return array.astype(np.float16).astype(np.float32)

    return Weights(
        words=made.words,
        word_weights=small(parts[0] * made.word_idf[:, None]),
        word_squares=small(made.word_idf**2),
        letters=made.letters,
        letter_weights=small(parts[1] * made.letter_idf[:, None]),
        letter_squares=small(made.letter_idf**2),
        cues=np.array(numbers_of(features.cue_names()), np.uint32),
        dense=(parts[2] * made.spread[:, None]).astype(np.float32),
        languages=(parts[3] * LANGUAGE_SCALE).astype(np.float32),
        bias=layer.bias.astype(np.float32),
        mix=stack.mix.astype(np.float32),
        rule_names=np.array(numbers_of([rule.name for rule in floor.lexicon().rules]), np.uint32),
        rules=stack.rules.astype(np.float32),
        offset=stack.offset.astype(np.float32),
    )
