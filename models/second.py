"""The second opinion: what a post *means*, beside what its words say.

A small network reads the post's sentence vector, and a layer above joins its answer with that of the words and the floor
rules (stacked generalisation, Wolpert 1992). Sentiment has two experts: the stance toward a brand, as our labels have it, and
the author's mood, as public sets have it, for posts that judge no brand; a gate tells which kind a post is (mixture of
experts, Jacobs et al. 1991).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from models import perceptron, semantic
from models.outcome import HEADS, LABELS, WIDTH, columns

OURS, PUBLIC = slice(0, WIDTH), slice(WIDTH, WIDTH + 11)
"""The network's raw numbers: our heads from our labels, then sentiment (3) and category (8) as public sets label them, where a
mood is the author's and not a stance toward a brand."""
OUTPUTS = PUBLIC.stop
JOINED = WIDTH + OUTPUTS
"""Numbers of both answers side by side."""
PUBLIC_SENTIMENT = slice(WIDTH, WIDTH + len(LABELS["sentiment"]))
PUBLIC_CATEGORY = slice(PUBLIC_SENTIMENT.stop, PUBLIC.stop)

_SENTIMENTS = len(LABELS["sentiment"])
_ONE = [columns(head) for head in HEADS if len(LABELS[head]) > 1]
_SOFT = [
    *_ONE,
    *(slice(WIDTH + place.start, WIDTH + place.stop) for place in (*_ONE, PUBLIC_SENTIMENT, PUBLIC_CATEGORY)),
]
"""The heads with several labels, where they stand in ``joined``."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Second:
    """A network over sentence vectors and the layer above it.

    The log odds are ``joined(first, scores) @ mix + fired @ rules + offset``; those of sentiment are mixed with
    ``joined @ mood + mood_offset`` (3) by the share ``sigmoid(vectors @ gate + gate_offset)`` of stance.
    """

    network: perceptron.Weights
    mix: NDArray[np.float32]
    rules: NDArray[np.float32]
    offset: NDArray[np.float32]
    mood: NDArray[np.float32]
    mood_offset: NDArray[np.float32]
    gate: NDArray[np.float32]
    gate_offset: NDArray[np.float32]

    def read(self, first: Floats, texts: Sequence[str]) -> tuple[NDArray[np.float32], Floats]:
        """The sentence vectors (n, 512) of posts, and both answers side by side (n, 43), from their words' log odds (n, 16)."""
        vectors = semantic.vectors(texts)
        return vectors, joined(first, self.network.scores(vectors).astype(np.float64))

    def layered(self, vectors: NDArray[np.float32], both: Floats, fired: NDArray[np.float32]) -> Floats:
        """The log odds (n, 16) from sentence vectors (n, 512), answers side by side (n, 43) and floor rules (n, r)."""
        found: Floats = both @ self.mix + fired @ self.rules + self.offset
        stance = 1 / (1 + np.exp(-(vectors @ self.gate + self.gate_offset).astype(np.float64)))
        place = columns("sentiment")
        found[:, place] = mixed(found[:, place], both @ self.mood + self.mood_offset, stance)
        return found


def mixed(stance: Floats, mood: Floats, share: Floats) -> Floats:
    """The log of both experts' probabilities (n, 3), mixed by the share (n,) of the first."""
    first, other = (odds - np.logaddexp.reduce(odds, axis=1)[:, None] for odds in (stance, mood))
    share = np.clip(share, _LEAST, 1 - _LEAST)
    found: Floats = np.logaddexp(first + np.log(share)[:, None], other + np.log1p(-share)[:, None])
    return found


def joined(first: Floats, scores: Floats) -> Floats:
    """Both answers side by side (n, 16 + 27), each head without its mean, which says nothing of its labels."""
    both = np.hstack([first, scores])
    for place in _SOFT:
        both[:, place] -= both[:, place].mean(axis=1, keepdims=True)
    return both


_LEAST = 1e-9  # no expert is ever silent, so that no logarithm is infinite
_PREFIX = "second_"
_LAYER = tuple(field.name for field in fields(Second) if field.name != "network")


def arrays_of(second: Second) -> dict[str, NDArray[np.generic]]:
    """The arrays of an artefact; the network's in half precision, which is within the noise of its training."""
    network = {field.name: getattr(second.network, field.name).astype(np.float16) for field in fields(second.network)}
    named = network | {name: getattr(second, name) for name in _LAYER}
    return {_PREFIX + name: array for name, array in named.items()}


def second_of(arrays: dict[str, NDArray[np.generic]], rules: int) -> Second:
    """The second opinion among the arrays of an artefact; ``KeyError`` for a missing array, ``ValueError`` for a wrong shape."""
    found = {field.name: arrays[_PREFIX + field.name].astype(np.float32) for field in fields(perceptron.Weights)}
    network = perceptron.Weights(**found)
    layer = {name: arrays[_PREFIX + name].astype(np.float32) for name in _LAYER}
    hidden = network.first.shape[1:]
    expected = {
        "first": (network.first, (semantic.WIDTH, *hidden)), "first_bias": (network.first_bias, hidden),
        "second": (network.second, hidden * 2), "second_bias": (network.second_bias, hidden),
        "last": (network.last, (*hidden, OUTPUTS)), "last_bias": (network.last_bias, (OUTPUTS,)),
        "mix": (layer["mix"], (WIDTH + OUTPUTS, WIDTH)), "rules": (layer["rules"], (rules, WIDTH)),
        "offset": (layer["offset"], (WIDTH,)), "mood": (layer["mood"], (WIDTH + OUTPUTS, _SENTIMENTS)),
        "mood_offset": (layer["mood_offset"], (_SENTIMENTS,)), "gate": (layer["gate"], (semantic.WIDTH,)),
        "gate_offset": (layer["gate_offset"], ()),
    }  # fmt: skip
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise ValueError(f"{_PREFIX}{name} is {array.shape}, not {shape}")
    return Second(network, **layer)
