"""The third opinion: an encoder of our own, asked where the words and the sentence's meaning leave a doubt or smell danger.

A cascade: it costs four times what both cost before it, and most posts are plain without it. A layer joins its answer with
theirs and the floor rules (stacked generalisation, Wolpert 1992). Sentiment has two experts: the stance toward a brand, as our
labels have it, and the author's mood, as public sets have it, for posts that judge no brand; a gate tells which kind a post is (mixture of experts, Jacobs et al. 1991).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models import encoder
from models.outcome import HEADS, LABELS, WIDTH, columns
from models.second import JOINED, mixed

_SENTIMENTS = len(LABELS["sentiment"])
_SOFT = [*(columns(head) for head in HEADS if len(LABELS[head]) > 1), encoder.MOOD]
"""The encoder's heads with several labels."""
POSSIBLY_URGENT, POSSIBLY_GRAVE, SURE_KIND, SURE_TONE = 0.2, 0.1, 0.6, 0.8
"""Probabilities so far from which, or under which, the encoder is asked; `docs/quality.md` shows the curve."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """What joins the encoder's answer with those before it.

    The log odds are ``joined(first, scores) @ mix + fired @ rules + offset``; those of sentiment are mixed with
    ``joined @ mood + mood_offset`` (3) by the share ``sigmoid(joined @ gate + gate_offset)`` of stance.
    """

    mix: NDArray[np.float32]
    rules: NDArray[np.float32]
    offset: NDArray[np.float32]
    mood: NDArray[np.float32]
    mood_offset: NDArray[np.float32]
    gate: NDArray[np.float32]
    gate_offset: NDArray[np.float32]

    def final(self, both: Floats, scores: Floats | NDArray[np.float32], fired: NDArray[np.float32]) -> Floats:
        """The log odds (n, 16) from the answers so far (n, 43), the encoder's numbers (n, 21) and the floor rules (n, r)."""
        all_three = joined(both, scores)
        found: Floats = all_three @ self.mix + fired @ self.rules + self.offset
        stance = 1 / (1 + np.exp(-(all_three @ self.gate + self.gate_offset)))
        stance[fired.any(axis=1)] = 1.0  # who names a danger judges what brought it
        place = columns("sentiment")
        found[:, place] = mixed(found[:, place], all_three @ self.mood + self.mood_offset, stance)
        return found


def worth_asking(so_far: Floats) -> NDArray[np.bool_]:
    """Which posts (n,) the encoder is asked about, by the log odds so far (n, 16): those that may be urgent or grave, and
    those of whose kind or tone nobody is sure."""
    answers = {head: so_far[:, columns(head)] for head in HEADS}
    shares = {head: np.exp(odds - np.logaddexp.reduce(odds, axis=1)[:, None]) for head, odds in answers.items()}
    crisis = 1 / (1 + np.exp(-answers["crisis"][:, 0]))
    found: NDArray[np.bool_] = (
        (shares["urgency"][:, :2].sum(axis=1) > POSSIBLY_URGENT)
        | (crisis > POSSIBLY_GRAVE)
        | (shares["category"].max(axis=1) < SURE_KIND)
        | (shares["sentiment"].max(axis=1) < SURE_TONE)
    )
    return found


@dataclass(frozen=True, slots=True)
class Third:
    """The encoder and the layer above it."""

    encoder: encoder.Encoder
    layer: Layer

    def add(self, so_far: Floats, both: Floats, texts: Sequence[str], fired: NDArray[np.float32]) -> Floats:
        """The log odds (n, 16) of posts from those so far (n, 16) and the answers behind them (n, 43): joined with the encoder's
        where it is worth asking."""
        asked = np.flatnonzero(worth_asking(so_far))
        found = so_far.copy()
        if len(asked):
            scores = self.encoder.scores([texts[number] for number in asked.tolist()])
            found[asked] = graver(so_far[asked], self.layer.final(both[asked], scores, fired[asked]))
        return found


def graver(so_far: Floats, found: Floats) -> Floats:
    """The later log odds (n, 16), with the graver of both for a crisis: another opinion may raise an alarm, never take one back."""
    raised = found.copy()
    place = columns("crisis")
    raised[:, place] = np.maximum(so_far[:, place], found[:, place])
    return raised


def joined(both: Floats, scores: Floats | NDArray[np.float32]) -> Floats:
    """All three answers side by side (n, 43 + 21), each head of the encoder without its mean, which says nothing of its labels."""
    own = scores.astype(np.float64)
    for place in _SOFT:
        own[:, place] -= own[:, place].mean(axis=1, keepdims=True)
    return np.hstack([both, own])


_PREFIX = "third_"


def arrays_of(layer: Layer) -> dict[str, NDArray[np.generic]]:
    """The arrays of an artefact."""
    return {_PREFIX + field.name: getattr(layer, field.name) for field in fields(Layer)}


def layer_of(arrays: Mapping[str, NDArray[np.generic]], rules: int) -> Layer:
    """The layer among the arrays of an artefact; ``KeyError`` for a missing array, ``ValueError`` for a wrong shape."""
    found = {field.name: arrays[_PREFIX + field.name].astype(np.float32) for field in fields(Layer)}
    both = JOINED + encoder.OUTPUTS
    expected = {
        "mix": (both, WIDTH), "rules": (rules, WIDTH), "offset": (WIDTH,), "mood": (both, _SENTIMENTS),
        "mood_offset": (_SENTIMENTS,), "gate": (both,), "gate_offset": (),
    }  # fmt: skip
    for name, shape in expected.items():
        if found[name].shape != shape:
            raise ValueError(f"{_PREFIX}{name} is {found[name].shape}, not {shape}")
    return Layer(**found)
