"""A small network over sentence vectors: many heads at once, from rows that may know only some of the answers.

Trained and run with NumPy. A label may be a *set* (a review site's "one star" is a complaint or a request): the loss is then
the negative log of the probability of the whole set, so sets that were labelled for another purpose can teach what they know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

HIDDEN = 512
EPOCHS, BATCH = 5, 256
RATE, DECAY, WARM = 1e-3, 0.02, 0.05
"""Adam's step at its highest, decoupled weight decay, and the share of steps that warm up before a cosine to zero."""
DROPPED = 0.4
"""Share of hidden numbers left out at each step: half a million weights learn ten thousand labels by heart otherwise."""
_BETAS, _TINY = (0.9, 0.999), 1e-8


@dataclass(frozen=True, slots=True)
class Weights:
    """The arrays of the network: ``(d, h)``, ``(h,)``, ``(h, h)``, ``(h,)``, ``(h, k)``, ``(k,)``."""

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats
    last: Floats
    last_bias: Floats

    def scores(self, vectors: Floats) -> Floats:
        """The raw numbers (n, k) of vectors (n, d)."""
        hidden = np.maximum(vectors @ self.first + self.first_bias, 0)
        hidden += np.maximum(hidden @ self.second + self.second_bias, 0)
        found: Floats = hidden @ self.last + self.last_bias
        return found


@dataclass(frozen=True, slots=True)
class Target:
    """What rows say of one head: ``allowed`` (n, k), 1 for each label that may be right, and ``weight`` (n,), 0 for rows that
    say nothing. A head of one column is a yes or no: ``allowed`` is then the wanted probability (n, 1)."""

    columns: slice
    allowed: Floats
    weight: Floats


def _start(rng: np.random.Generator, inputs: int, outputs: int) -> list[Floats]:
    def drawn(rows: int, columns: int, scale: float) -> Floats:
        made: Floats = (rng.standard_normal((rows, columns)) * (scale / np.sqrt(rows))).astype(np.float32)
        return made

    return [
        drawn(inputs, HIDDEN, 1.4), np.zeros(HIDDEN, np.float32),
        drawn(HIDDEN, HIDDEN, 1.0), np.zeros(HIDDEN, np.float32),
        drawn(HIDDEN, outputs, 0.3), np.zeros(outputs, np.float32),
    ]  # fmt: skip


def _error(scores: Floats, targets: Sequence[Target], rows: NDArray[np.intp]) -> Floats:
    """The gradient of the loss by the raw numbers of a batch (its rows by number)."""
    error = np.zeros_like(scores)
    for target in targets:
        part, allowed = scores[:, target.columns], target.allowed[rows]
        if part.shape[1] == 1:
            found = 1 / (1 + np.exp(-part))
            error[:, target.columns] = (found - allowed) * target.weight[rows, None]
            continue
        found = np.exp(part - part.max(axis=1, keepdims=True))
        found /= found.sum(axis=1, keepdims=True)
        wanted = found * allowed
        wanted /= np.maximum(wanted.sum(axis=1, keepdims=True), _TINY)
        error[:, target.columns] = (found - wanted) * target.weight[rows, None]
    error /= len(rows)
    return error


def fit(
    vectors: Floats, targets: Sequence[Target], *, outputs: int, seed: int = 0, epochs: int = EPOCHS,
    progress: Callable[[float], None] | None = None,
) -> Weights:  # fmt: skip
    """Train the network by Adam (Kingma & Ba 2015) with decoupled decay and dropout; the same seed gives the same weights."""
    rng = np.random.default_rng(seed)
    weights = _start(rng, vectors.shape[1], outputs)
    means = [np.zeros_like(each) for each in weights]
    squares = [np.zeros_like(each) for each in weights]
    steps = max(1, epochs * len(vectors) // BATCH)
    order = np.concatenate([rng.permutation(len(vectors)) for _ in range(epochs + 1)])
    kept = np.float32(1 / (1 - DROPPED))
    for step in range(steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        inputs = vectors[rows]
        drop = (rng.random((2, len(rows), HIDDEN), dtype=np.float32) >= DROPPED) * kept
        before = inputs @ weights[0] + weights[1]
        low = np.maximum(before, 0) * drop[0]
        middle = low @ weights[2] + weights[3]
        high = low + np.maximum(middle, 0) * drop[1]
        error = _error(high @ weights[4] + weights[5], targets, rows)
        back = error @ weights[4].T
        back_middle = back * drop[1] * (middle > 0)
        back_before = (back + back_middle @ weights[2].T) * drop[0] * (before > 0)
        gradients = [
            inputs.T @ back_before, back_before.sum(axis=0),
            low.T @ back_middle, back_middle.sum(axis=0),
            high.T @ error, error.sum(axis=0),
        ]  # fmt: skip
        warm = WARM * steps
        rate = (
            RATE * (step + 1) / warm if step < warm else RATE * (1 + np.cos(np.pi * (step - warm) / (steps - warm))) / 2
        )
        for number, gradient in enumerate(gradients):
            means[number] += (1 - _BETAS[0]) * (gradient - means[number])
            squares[number] += (1 - _BETAS[1]) * (gradient**2 - squares[number])
            slope = means[number] / (1 - _BETAS[0] ** (step + 1))
            slope /= np.sqrt(squares[number] / (1 - _BETAS[1] ** (step + 1))) + _TINY
            decay = DECAY * weights[number] if weights[number].ndim > 1 else 0.0
            weights[number] -= np.float32(rate) * (slope + decay)
        if progress and step % 50 == 0:
            progress((step + 1) / steps)
    return Weights(*weights)
