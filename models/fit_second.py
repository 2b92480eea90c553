"""Fitting the second opinion's layer, which joins what the words say with what the encoder says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models import encoder, second
from models.encoder import Encoder
from models.fit import Floats, Progress, second_layer
from models.outcome import Head, columns
from models.recipe import PublicRow, same

LEAN = 1.0
"""The log odds by which a post is taken for one that judges the brand, as it was collected for one and mostly does;
`docs/quality.md` shows what other values exchange."""
STEP = 1024


def cache_folder() -> Path:
    """Where the encoder's numbers are kept between trainings."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"


def scores(found: Encoder, texts: Sequence[str], progress: Progress) -> Floats:
    """The encoder's raw numbers (n, 21) of texts, from the cache where the same encoder has read the same texts.

    Posts that the encoder was trained on get the numbers of one that was not (see ``encoder.Unseen``).
    """
    known, recalled = found.unseen.recalled(map(same, texts))
    read = np.zeros((len(texts), encoder.OUTPUTS))
    read[known] = recalled
    new = np.flatnonzero(~known).tolist()
    read[new] = _asked(found, [texts[number] for number in new], progress)
    return read


def _asked(found: Encoder, texts: Sequence[str], progress: Progress) -> NDArray[np.float32]:
    key = hashlib.sha256(found.graph)
    key.update("\0".join(map(encoder.plain, texts)).encode("utf-8", "surrogatepass"))
    kept = cache_folder() / f"scores-{key.hexdigest()[:32]}.npy"
    if kept.is_file():
        read: NDArray[np.float32] = np.load(kept, allow_pickle=False)
        return read
    read = np.zeros((len(texts), encoder.OUTPUTS), np.float32)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    for start in range(0, len(order), STEP):
        chosen = order[start : start + STEP]
        read[chosen] = found.scores([texts[number] for number in chosen])
        progress("meanings", min(1.0, (start + STEP) / len(order)))
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}.npy")
    np.save(partial, read)
    partial.replace(kept)
    return read


@dataclass(frozen=True, slots=True)
class Moods:
    """Posts of mood sets whose label is one sentiment: the encoder's ``scores`` (m, 21), both answers ``joined`` (m, 37), the
    ``sentiment`` (m,) and the ``weight`` (m,) of each."""

    scores: Floats
    joined: Floats
    sentiment: NDArray[np.intp]
    weight: Floats


def untaught(found: Encoder, public: Sequence[PublicRow]) -> list[PublicRow]:
    """The moods among public rows that the encoder was not trained on."""
    told = [row for row in public if row.mood and sum(row.sentiment) == 1]
    known = found.unseen.knows(same(row.text) for row in told)
    return [row for row, taught in zip(told, known.tolist(), strict=True) if not taught]


def moods(first: Floats, read: Floats, rows: Sequence[PublicRow]) -> Moods:
    """The moods with the words' answers (n, 16) and the encoder's (n, 21)."""
    return Moods(
        read,
        second.joined(first, read),
        np.array([row.sentiment.index(True) for row in rows], np.intp),
        np.array([row.weight for row in rows]),
    )


def join(
    first: Floats,
    read: Floats,
    *,
    fired: Floats,
    labels: dict[Head, NDArray[np.intp]],
    others: Moods,
) -> second.Layer:
    """The layer from our rows' out-of-fold answers (n, 16) and (n, 21), rules and labels, and the moods.

    Without moods every post's sentiment is a stance.
    """
    stance = second_layer(second.joined(first, read), fired, labels, np.ones(len(first)))
    mix, rules, offset = (array.astype(np.float32) for array in (stance.mix, stance.rules, stance.offset))
    place = columns("sentiment")
    if not len(others.sentiment):
        return second.Layer(mix, rules, offset, mix[:, place], offset[place], np.array([0, 30], np.float32))
    unruled = np.zeros((len(others.sentiment), fired.shape[1]))
    mood = second_layer(others.joined, unruled, {"sentiment": others.sentiment}, others.weight)
    gate = _gate(read[:, encoder.JUDGES], others.scores[:, encoder.JUDGES])
    return second.Layer(
        mix, rules, offset, mood.mix[:, place].astype(np.float32), mood.offset[place].astype(np.float32), gate
    )


def _gate(ours: Floats, moods: Floats) -> NDArray[np.float32]:
    """How far a post is one that judges a brand: a logistic regression in which both kinds weigh the same."""
    weight = np.concatenate([np.full(len(ours), len(moods) / len(ours)), np.ones(len(moods))])
    model = LogisticRegression().fit(
        np.concatenate([ours, moods])[:, None], np.arange(len(weight)) < len(ours), sample_weight=weight
    )
    return np.array([model.coef_[0, 0], model.intercept_[0] + LEAN], np.float32)
