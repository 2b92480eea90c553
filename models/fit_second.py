"""Fitting the second opinion: sentence vectors, the network over them, and the layer that joins it with the words' answer."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models import perceptron, second, semantic
from models.corpus import Row
from models.fit import Floats, Progress, second_layer
from models.outcome import LABELS, Head, columns
from models.recipe import PublicRow, same

OUR_WEIGHT, CRISIS_WEIGHT = 2.0, 1.5
"""How much a row of ours teaches beside a public one, and its crisis label beside its other labels; chosen by grouped folds."""


GATE_STRENGTH = 0.03
LEAN = 1.0
"""C of the gate between stance and mood, and the log odds by which it leans to the stance, as a post that was collected for a
brand mostly judges it; `docs/quality.md` shows what other values exchange."""


def cache_folder() -> Path:
    """Where sentence vectors are kept between trainings."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"


def vectors(texts: Sequence[str], progress: Progress) -> NDArray[np.float32]:
    """The sentence vectors of texts, from the cache where the same texts were read before."""
    key = hashlib.sha256("\0".join([semantic.version(), *map(semantic.plain, texts)]).encode("utf-8", "surrogatepass"))
    kept = cache_folder() / f"vectors-{key.hexdigest()[:32]}.npy"
    if kept.is_file():
        found: NDArray[np.float32] = np.load(kept, allow_pickle=False)
        return found
    found = np.zeros((len(texts), semantic.WIDTH), np.float32)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    step = 8 * semantic.BATCH
    for start in range(0, len(order), step):
        chosen = order[start : start + step]
        found[chosen] = semantic.vectors([texts[number] for number in chosen])
        progress("meanings", min(1.0, (start + step) / len(order)))
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}.npy")
    np.save(partial, found)
    partial.replace(kept)
    return found


def _allowed(labels: Sequence[int], width: int) -> NDArray[np.float32]:
    marked: NDArray[np.float32] = (np.array(labels)[:, None] == np.arange(width)).astype(np.float32)
    return marked


def targets(rows: Sequence[Row], public: Sequence[PublicRow]) -> list[perceptron.Target]:
    """What our rows, then the public ones, say of each head of the network."""
    ours = np.concatenate([np.full(len(rows), OUR_WEIGHT), np.zeros(len(public))]).astype(np.float32)
    theirs = np.concatenate([np.zeros(len(rows)), [row.weight for row in public]]).astype(np.float32)

    def taught(place: slice, mine: NDArray[np.float32], weight: float = 1.0) -> perceptron.Target:
        rest = np.ones((len(public), mine.shape[1]), np.float32)
        return perceptron.Target(place, np.concatenate([mine, rest]), ours * np.float32(weight))

    def told(place: slice, possible: NDArray[np.float32]) -> perceptron.Target:
        rest = np.ones((len(rows), possible.shape[1]), np.float32)
        return perceptron.Target(place, np.concatenate([rest, possible]), theirs)

    def possible(answers: Sequence[Sequence[bool]], width: int) -> NDArray[np.float32]:
        return np.array(answers, np.float32).reshape(len(answers), width)

    return [
        taught(columns("sentiment"), _allowed([row.sentiment for row in rows], len(LABELS["sentiment"]))),
        taught(columns("category"), _allowed([row.category for row in rows], len(LABELS["category"]))),
        taught(columns("urgency"), _allowed([row.urgency for row in rows], len(LABELS["urgency"]))),
        taught(columns("crisis"), np.array([[row.crisis] for row in rows], np.float32), CRISIS_WEIGHT),
        told(second.PUBLIC_SENTIMENT, possible([row.sentiment for row in public], len(LABELS["sentiment"]))),
        told(second.PUBLIC_CATEGORY, possible([row.category for row in public], len(LABELS["category"]))),
    ]


def network(
    read: NDArray[np.float32],
    rows: Sequence[Row],
    public: Sequence[PublicRow],
    *,
    without: frozenset[str] = frozenset(),
) -> perceptron.Weights:
    """The network from our rows and the public ones, leaving out posts that are the ``same`` as one of ``without``."""
    chosen = [number for number, row in enumerate(rows) if same(row.text) not in without]
    told = [number for number, row in enumerate(public) if same(row.text) not in without]
    places = np.array([*chosen, *(len(rows) + number for number in told)], np.intp)
    wanted = targets([rows[number] for number in chosen], [public[number] for number in told])
    return perceptron.fit(read[places], wanted, outputs=second.OUTPUTS)


def public_folds(public: Sequence[PublicRow], folds: int) -> NDArray[np.intp]:
    """The fold of each public row; copies of a post stay together."""
    return np.array([zlib.crc32(same(row.text).encode()) % folds for row in public], np.intp)


def out_of_fold(
    read: NDArray[np.float32],
    rows: Sequence[Row],
    public: Sequence[PublicRow],
    fold: NDArray[np.intp],
    progress: Progress,
) -> Floats:
    """The network's raw numbers (n, 27) of our rows, then of the public ones, each from a network that saw neither the row
    nor a copy of it."""
    texts = [*(row.text for row in rows), *(row.text for row in public)]
    count = int(fold.max()) + 1
    of_all = np.concatenate([fold, public_folds(public, count)])
    scores = np.zeros((len(texts), second.OUTPUTS))
    for number in range(count):
        held = np.flatnonzero(of_all == number)
        without = frozenset(same(texts[place]) for place in held.tolist())
        scores[held] = network(read, rows, public, without=without).scores(read[held])
        progress("meaning folds", (number + 1) / count)
    return scores


@dataclass(frozen=True, slots=True)
class Moods:
    """Posts of mood sets whose label is one sentiment: sentence ``vectors`` (m, 512), both answers ``joined`` (m, 43), the
    ``sentiment`` (m,) and the ``weight`` (m,) of each."""

    vectors: NDArray[np.float32]
    joined: Floats
    sentiment: NDArray[np.intp]
    weight: Floats


def moods(read: NDArray[np.float32], first: Floats, scores: Floats, public: Sequence[PublicRow]) -> Moods:
    """The moods among all public rows, from their vectors and the answers of words (n, 16) and meaning (n, 27)."""
    chosen = [number for number, row in enumerate(public) if row.mood and sum(row.sentiment) == 1]
    return Moods(
        read[chosen],
        second.joined(first[chosen], scores[chosen]),
        np.array([public[number].sentiment.index(True) for number in chosen], np.intp),
        np.array([public[number].weight for number in chosen]),
    )


def join(
    network: perceptron.Weights,
    read: NDArray[np.float32],
    joined: Floats,
    *,
    fired: Floats,
    labels: dict[Head, NDArray[np.intp]],
    others: Moods,
) -> second.Second:
    """The layer above a network, from our rows' vectors, out-of-fold answers (n, 43), rules and labels, and the moods.

    Without moods every post's sentiment is a stance.
    """
    stance = second_layer(joined, fired, labels, np.ones(len(joined)))
    mix, rules, offset = (array.astype(np.float32) for array in (stance.mix, stance.rules, stance.offset))
    place = columns("sentiment")
    if not len(others.sentiment):
        nothing = np.zeros(semantic.WIDTH, np.float32)
        certain = np.array(30, np.float32)
        return second.Second(network, mix, rules, offset, mix[:, place], offset[place], nothing, certain)
    unruled = np.zeros((len(others.sentiment), fired.shape[1]))
    mood = second_layer(others.joined, unruled, {"sentiment": others.sentiment}, others.weight)
    gate, lean = _gate(read, others.vectors)
    return second.Second(
        network, mix, rules, offset, mood.mix[:, place].astype(np.float32), mood.offset[place].astype(np.float32), gate, lean
    )  # fmt: skip


def _gate(ours: NDArray[np.float32], moods: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far a post is one that judges a brand, by its vector: a logistic regression in which both kinds weigh the same."""
    model = LogisticRegression(C=GATE_STRENGTH, max_iter=200)
    weight = np.concatenate([np.full(len(ours), len(moods) / len(ours)), np.ones(len(moods))])
    model.fit(np.vstack([ours, moods]), np.arange(len(weight)) < len(ours), sample_weight=weight)
    return model.coef_[0].astype(np.float32), np.array(model.intercept_[0] + LEAN, np.float32)
