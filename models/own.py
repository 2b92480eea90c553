"""A model that has learned from a team's own labels: a base model, and what their words add to its answers.

``answer = log odds of the base + words @ weights + bias``. With weights of zero it is the base, so nothing that the base
knows has to be learned again; how far from zero they may go is decided by ``fit_own``. The base lies in the artefact's own
folder: a version stays what it was when the shipped model changes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models import artefact, classifier
from models.outcome import HEADS, LABELS, WIDTH, Classified, Reason, columns
from models.text import pieces, tokens

KIND = "own"
BASE = "base"
"""The folder of the base, inside that of the artefact."""
FAINTEST = 0.05
"""Nats below which a pull is noise (as in ``classifier``)."""
SUREST = 1e-6
"""Probabilities nearer to 0 or 1 are taken as this near: their log odds stay finite."""

Floats = NDArray[np.float64]


class Answering(Protocol):
    """A model of either kind."""

    @property
    def version(self) -> str:
        """What it is called in every score."""

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Classified, Sequence[Sequence[Reason]]]:
        """Probabilities and reasons of posts in their languages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What own words add: ``known`` (v,) sorted feature numbers, ``weights`` (v, 16), ``bias`` (16,)."""

    known: NDArray[np.uint32]
    weights: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Feature:
    """A word or a pair of neighbours of one post: its number, and the tokens it stands in."""

    number: int
    first: int
    last: int


class OwnModel:
    """A base model and a team's words. Safe to share between threads; a text's answer does not depend on its batch."""

    def __init__(self, base: Answering, words: Words, *, version: str) -> None:
        self.version = version
        self._base, self._words = base, words

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> Classified:
        """The probabilities and floor hits of posts in their languages."""
        return self.classify_and_explain(texts, languages)[0]

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Classified, list[tuple[Reason, ...]]]:
        """Probabilities and reasons; a reason of the base for an answer that is no longer given is left out."""
        found, reasons = self._base.classify_and_explain(texts, languages)
        if not texts:
            return found, []
        read = [features_of(text) for text in texts]
        final = log_odds(found) + design(read, self._words.known) @ self._words.weights + self._words.bias
        told = [self._reasons(*each) for each in zip(texts, read, final, reasons, strict=True)]
        return outcome(final, found), told

    def _reasons(self, text: str, read: Sequence[Feature], final: Floats, base: Sequence[Reason]) -> tuple[Reason, ...]:
        answers = {head: LABELS[head][int(final[columns(head)].argmax())] for head in HEADS}
        kept = [reason for reason in base if answers.get(reason.head) == reason.label]  # type: ignore[call-overload]
        places = _places(read, self._words.known)
        if not places:
            return tuple(kept)
        said = tokens(text)
        worth = 1 / np.sqrt(len({feature.number for feature in read}))
        for head in HEADS:
            place = columns(head)
            weights = self._words.weights[[at for _, at in places], place]
            answer = LABELS[head].index(answers[head])
            pulls = (weights[:, answer] - (weights.mean(axis=1) if len(LABELS[head]) > 1 else 0.0)) * worth
            best = int(pulls.argmax())
            if pulls[best] > FAINTEST:
                feature = places[best][0]
                words = " ".join(said[feature.first : feature.last + 1])[: classifier.LONGEST_QUOTE]
                kept.append(Reason(head, answers[head], words, float(pulls[best])))
        return tuple(sorted(kept, key=lambda reason: -reason.weight))


def features_of(text: str) -> list[Feature]:
    """The words of a post and its pairs of neighbours, folded and masked, with the tokens they stand in."""
    read = [(piece, place) for place, token in enumerate(tokens(text)) for piece in _pieces(token)]
    single = [Feature(_number(piece), place, place) for piece, place in read]
    pairs = [Feature(_number(f"{one} {other}"), first, last) for (one, first), (other, last) in pairwise(read)]
    return single + pairs


@lru_cache(maxsize=1 << 16)
def _pieces(token: str) -> tuple[str, ...]:
    return pieces(token)


def _number(feature: str) -> int:
    return zlib.crc32(feature.encode("utf-8", "surrogatepass"))


def _places(read: Sequence[Feature], known: NDArray[np.uint32]) -> list[tuple[Feature, int]]:
    """The features that are known, with their places among ``known``."""
    if not len(known) or not read:
        return []
    numbers = np.array([feature.number for feature in read], np.uint32)
    at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return [(read[index], int(at[index])) for index in np.flatnonzero(known[at] == numbers).tolist()]


def design(read: Sequence[Sequence[Feature]], known: NDArray[np.uint32]) -> csr_array:
    """Posts as rows (n, v) of the known features they have, each worth 1 / sqrt(different features of the post)."""
    rows: list[int] = []
    places: list[int] = []
    values: list[float] = []
    for row, features in enumerate(read):
        found = {at for _, at in _places(features, known)}
        rows += [row] * len(found)
        places += sorted(found)
        values += [1 / float(np.sqrt(max(1, len({feature.number for feature in features}))))] * len(found)
    return csr_array((values, (rows, places)), shape=(len(read), len(known)))


def log_odds(found: Classified) -> Floats:
    """Probabilities as numbers (n, 16) whose softmax, and logistic function for crisis, give them back."""
    crisis = np.clip(found.crisis, SUREST, 1 - SUREST)
    odds = np.zeros((len(crisis), WIDTH))
    for head in HEADS:
        if head == "crisis":
            odds[:, columns(head)] = np.log(crisis / (1 - crisis))[:, None]
        else:
            odds[:, columns(head)] = np.log(np.clip(getattr(found, head), SUREST, None))
    return odds


def outcome(final: Floats, base: Classified) -> Classified:
    """Log odds (n, 16) as probabilities, with the floor hits of the base."""
    shares: dict[str, Floats] = {}
    for head in HEADS:
        odds = final[:, columns(head)]
        raised = np.exp(odds - odds.max(axis=1, keepdims=True))
        shares[head] = raised / raised.sum(axis=1, keepdims=True)
    crisis: Floats = 1 / (1 + np.exp(-final[:, columns("crisis").start]))
    return Classified(
        sentiment=shares["sentiment"],
        category=shares["category"],
        urgency=shares["urgency"],
        crisis=crisis,
        rules=base.rules,
    )


def load(folder: Path | None = None) -> Answering:
    """The model in a folder, of either kind; the shipped one by default. Raises ``ArtefactError``."""
    if folder is None or not (folder / BASE).is_dir():
        return classifier.load(folder)
    arrays, manifest = artefact.read(folder)
    base = folder / BASE
    if manifest.get("kind") != KIND or manifest.get("base_sha256") != artefact.digest(base / artefact.MANIFEST_FILE):
        raise artefact.ArtefactError(
            f"{base} is not the model that {folder / artefact.MANIFEST_FILE} was trained on: restore it, or train again"
        )
    words = _words(arrays, folder)
    return OwnModel(classifier.load(base), words, version=str(manifest.get("version", "unnamed")))


def _words(arrays: dict[str, NDArray[np.generic]], folder: Path) -> Words:
    try:
        known, weights, bias = arrays["known"], arrays["weights"], arrays["bias"]
    except KeyError as error:
        raise artefact.ArtefactError(f"{folder / artefact.MODEL_FILE} lacks the array {error}: train again") from error
    if weights.shape != (len(known), WIDTH) or bias.shape != (WIDTH,):
        raise artefact.ArtefactError(f"{folder / artefact.MODEL_FILE} does not fit this version: train again")
    return Words(known=known.astype(np.uint32), weights=weights.astype(np.float64), bias=bias.astype(np.float64))
