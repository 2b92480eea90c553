"""What the encoder learns from: rows of ours and of public sets as word pieces and what they leave possible of each head."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import corpus, encoder, recipe
from models.outcome import CATEGORIES, SENTIMENTS, URGENCIES

LENGTHS = (12, 16, 24, 32, 48, 64)
"""Posts are padded to one of these, so that few shapes are compiled; longer ones are cut."""
PIECES_A_STEP = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """One post with what it teaches: possible answers as marks per label, yes or no as 1, 0, or -1 for not known."""

    pieces: Sequence[int]
    weight: float
    sentiment: Sequence[bool]
    mood: Sequence[bool]
    category: Sequence[bool]
    urgency: Sequence[bool]
    crisis: int
    relevant: int
    judges: int


def _cut(pieces: Sequence[int]) -> Sequence[int]:
    return pieces if len(pieces) <= LENGTHS[-1] else [*pieces[: LENGTHS[-1] - 1], pieces[-1]]


def _only(label: int, width: int) -> tuple[bool, ...]:
    return tuple(number == label for number in range(width))


def _any(labels: Sequence[str]) -> tuple[bool, ...]:
    return (True,) * len(labels)


def ours(rows: Sequence[corpus.Row], read: encoder.Encoder) -> list[Taught]:
    """Our rows: every head but the mood is known; all of them judge a brand, or fail to."""
    return [
        Taught(
            pieces=_cut(pieces),
            weight=1.0,
            sentiment=_only(row.sentiment, len(SENTIMENTS)),
            mood=_any(SENTIMENTS),
            category=_only(row.category, len(CATEGORIES)),
            urgency=_only(row.urgency, len(URGENCIES)),
            crisis=row.crisis,
            relevant=-1,
            judges=1,
        )
        for row, pieces in zip(rows, read.numbers([row.text for row in rows]), strict=True)
    ]


def public(rows: Sequence[recipe.PublicRow], read: encoder.Encoder) -> list[Taught]:
    """Public rows: what their label leaves possible; a mood is its author's and teaches nothing of a stance."""
    return [
        Taught(
            pieces=_cut(pieces),
            weight=row.weight,
            sentiment=_any(SENTIMENTS) if row.mood else row.sentiment,
            mood=row.sentiment if row.mood else _any(SENTIMENTS),
            category=row.category,
            urgency=_any(URGENCIES),
            crisis=-1,
            relevant=-1 if row.relevant is None else int(row.relevant),
            judges=int(not row.mood),
        )
        for row, pieces in zip(rows, read.numbers([row.text for row in rows]), strict=True)
    ]


def batches(rows: Sequence[Taught], seed: int) -> Iterator[tuple[int, list[Taught]]]:
    """Rows of one padded length together, ``PIECES_A_STEP`` pieces at a time, in an order that follows from the seed."""
    rng = random.Random(seed)  # noqa: S311 - an order, not a secret
    by_length: dict[int, list[Taught]] = {length: [] for length in LENGTHS}
    for row in rows:
        by_length[next(length for length in LENGTHS if len(row.pieces) <= length)].append(row)
    made: list[tuple[int, list[Taught]]] = []
    for length, of_length in by_length.items():
        rng.shuffle(of_length)
        count = PIECES_A_STEP // length
        made += [(length, of_length[start : start + count]) for start in range(0, len(of_length), count)]
    rng.shuffle(made)
    return iter(made)


def padded(length: int, rows: Sequence[Taught]) -> tuple[NDArray[np.intp], dict[str, NDArray[np.float32]]]:
    """The pieces (n, l) of a batch, filled up with empty rows of no weight, and everything else as ``network.Batch`` has it."""
    count = PIECES_A_STEP // length
    pieces = np.full((count, length), encoder.PADDING, np.intp)
    pieces[:, 0] = encoder.START
    for number, row in enumerate(rows):
        pieces[number, : len(row.pieces)] = row.pieces
    rest = count - len(rows)

    def filled(values: Sequence[Sequence[bool]] | Sequence[float], empty: float) -> NDArray[np.float32]:
        array = np.array(values, np.float32)
        return np.concatenate([array, np.full((rest, *array.shape[1:]), empty, np.float32)])

    return pieces, {
        "mask": (pieces != encoder.PADDING).astype(np.float32),
        "weight": filled([row.weight for row in rows], 0),
        "sentiment": filled([row.sentiment for row in rows], 1),
        "mood": filled([row.mood for row in rows], 1),
        "category": filled([row.category for row in rows], 1),
        "urgency": filled([row.urgency for row in rows], 1),
        "crisis": filled([row.crisis for row in rows], -1),
        "relevant": filled([row.relevant for row in rows], -1),
        "judges": filled([row.judges for row in rows], -1),
    }
