"""Fitting the third opinion's layer, which joins what was said before with what the encoder says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models import encoder, third
from models.encoder import Encoder
from models.fit import Floats, Progress, second_layer
from models.fit_second import cache_folder
from models.outcome import WIDTH, Head, columns
from models.recipe import PublicRow, same
from models.second import JOINED, PUBLIC_SENTIMENT

STRENGTH = 0.03
"""C of the layer: lower than one layer below, as three answers say much of the same; by out-of-fold calibration."""
GATE_STRENGTH = 0.1
LEAN = 0.0
"""As in ``fit_second``: C of the gate, and the log odds by which a post is taken for one that judges a brand: by answers of the
encoder the gate needs no help. `docs/quality.md` shows what other values exchange."""
_WORDS, _MEANT, _READ = 0, WIDTH, JOINED
"""Where the three answers begin among the numbers of ``third.joined``."""


def _places(start: int, part: slice) -> list[int]:
    return list(range(start + part.start, start + part.stop))


_FELT = np.array(
    [
        *_places(_WORDS, columns("sentiment")),
        *_places(_MEANT, columns("sentiment")),
        *_places(_MEANT, PUBLIC_SENTIMENT),
        *_places(_READ, columns("sentiment")),
        *_places(_READ, encoder.MOOD),
    ]
)
"""What the mood's expert hears: sentiments alone. No mood set holds a danger, and a layer that had weighed urgency or crisis on
moods would take a post that is afire for anything."""
_KIND = np.array(
    [
        *_FELT.tolist(),
        _READ + encoder.JUDGES,
        *_places(_WORDS, columns("category")),
        *_places(_MEANT, columns("category")),
        *_places(_READ, columns("category")),
    ]
)
"""What the gate hears: sentiments, categories, and whether the encoder hears a judgement."""
MOST_MOODS = 6000
"""Moods that are asked about: a minute and a half, and more of them change nothing."""
STEP = 1024


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


def fair(found: Encoder, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which posts (n,) have an answer of an encoder that was not trained on them."""
    read = [same(text) for text in texts]
    recalled: NDArray[np.bool_] = found.unseen.recalled(read)[0]
    return recalled | ~found.unseen.knows(read)


@dataclass(frozen=True, slots=True)
class Moods:
    """Posts of mood sets whose label is one sentiment: the answers so far ``both`` (m, 43), the encoder's ``scores`` (m, 21),
    the ``sentiment`` (m,) and the ``weight`` (m,) of each."""

    both: Floats
    scores: Floats
    sentiment: NDArray[np.intp]
    weight: Floats


def moods(found: Encoder, public: Sequence[PublicRow], both: Floats, progress: Progress) -> Moods:
    """The moods among public rows that the encoder was not trained on, at most ``MOST_MOODS``; ``both`` (p, 43) are the
    answers so far to all public rows."""
    told = [place for place, row in enumerate(public) if row.mood and sum(row.sentiment) == 1]
    new = fair(found, [public[place].text for place in told])
    places = [place for place, kept in zip(told, new.tolist(), strict=True) if kept]
    places = sorted(np.random.default_rng(0).permutation(places)[:MOST_MOODS].tolist())
    return Moods(
        both[places],
        scores(found, [public[place].text for place in places], progress),
        np.array([public[place].sentiment.index(True) for place in places], np.intp),
        np.array([public[place].weight for place in places]),
    )


def join(
    both: Floats,
    read: Floats,
    *,
    fired: Floats,
    labels: dict[Head, NDArray[np.intp]],
    others: Moods,
) -> third.Layer:
    """The layer from our rows' out-of-fold answers (n, 43) and (n, 21), rules and labels, and the moods.

    Without moods every post's sentiment is a stance.
    """
    stance = second_layer(third.joined(both, read), fired, labels, np.ones(len(both)), strength=STRENGTH)
    mix, rules, offset = (array.astype(np.float32) for array in (stance.mix, stance.rules, stance.offset))
    place = columns("sentiment")
    if not len(others.sentiment):
        nothing, certain = np.zeros(len(mix), np.float32), np.array(30, np.float32)
        return third.Layer(mix, rules, offset, mix[:, place], offset[place], nothing, certain)
    unruled = np.zeros((len(others.sentiment), fired.shape[1]))
    judged, felt = third.joined(both, read), third.joined(others.both, others.scores)
    mood = second_layer(felt[:, _FELT], unruled, {"sentiment": others.sentiment}, others.weight)
    gate, lean = _gate(judged[:, _KIND], felt[:, _KIND])
    return third.Layer(
        mix,
        rules,
        offset,
        _spread(mood.mix[:, place], _FELT),
        mood.offset[place].astype(np.float32),
        _spread(gate[:, None], _KIND)[:, 0],
        lean,
    )


def _spread(weights: Floats, places: NDArray[np.intp]) -> NDArray[np.float32]:
    """Weights of some of the numbers of ``third.joined`` as weights of all: the others count for nothing."""
    every = np.zeros((JOINED + encoder.OUTPUTS, weights.shape[1]), np.float32)
    every[places] = weights
    return every


def _gate(ours: Floats, moods: Floats) -> tuple[Floats, NDArray[np.float32]]:
    """How far a post is one that judges a brand: a logistic regression in which both kinds weigh the same."""
    model = LogisticRegression(C=GATE_STRENGTH, max_iter=300)
    weight = np.concatenate([np.full(len(ours), len(moods) / len(ours)), np.ones(len(moods))])
    model.fit(np.vstack([ours, moods]), np.arange(len(weight)) < len(ours), sample_weight=weight)
    return model.coef_[0], np.array(model.intercept_[0] + LEAN, np.float32)
