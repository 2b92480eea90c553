"""Labelled posts for training: read from the shared sets or from the authored corpus alone, grouped by near-duplicates."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.outcome import CATEGORIES
from models.text import fold

AUTHORED = Path(__file__).with_name("authored")
"""Our own posts, the only training rows that are part of the project."""
AUTHORED_SOURCE = "authored"
LABELS_FILE = Path("triage_labels", "train.tsv")
NATURAL_ROWS = 3800
"""The first rows of the labels were drawn as they came; later ones on purpose, half of them by alarming words."""
SENTIMENT_CODES = ("neg", "neu", "pos")
_COMMON = frozenset({"Bank", "Mobile", "Air", "Hotel"})
"""Words of brands that others have too."""
_SPELLED = {"i": "[iİıI]", "I": "[iİıI]"}
_HASHES, _BAND = 48, 3  # 16 bands of 3: pairs of Jaccard 0.7 meet with probability .998, of 0.3 with .36, then verified
_NEAR = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled post; numbers follow the orders of ``outcome``; ``natural`` rows have the rates of a live stream."""

    id: str
    text: str
    language: str
    source: str
    category: int
    urgency: int
    crisis: int
    sentiment: int
    natural: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Rows to train from and the files they came from (name, sha256, rows); ``complete`` without a missing set."""

    rows: tuple[Row, ...]
    files: tuple[tuple[str, str, int], ...]
    complete: bool


def read(data: Path | None) -> Corpus:
    """The labels under ``data``, if it is there, and the authored corpus."""
    rows: list[Row] = []
    files: list[tuple[str, str, int]] = []
    labels = data / LABELS_FILE if data is not None else None
    if labels is not None and labels.is_file():
        found = list(_labelled(labels))
        rows += found
        files.append((LABELS_FILE.as_posix(), _digest(labels), len(found)))
    complete = bool(rows)
    for path in sorted(AUTHORED.glob("*.jsonl")):
        found = [_authored(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]
        rows += found
        files.append((f"authored/{path.name}", _digest(path), len(found)))
    return Corpus(rows=tuple(rows), files=tuple(files), complete=complete)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _labelled(path: Path) -> Iterator[Row]:
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    names = lines[0].split("\t")
    for number, line in enumerate(lines[1:]):
        fields = dict(zip(names, line.split("\t"), strict=True))
        yield Row(
            id=fields["id"],
            text=fields["text"],
            language=fields["lang"],
            source=fields["source"],
            category=CATEGORIES.index(fields["category"]),
            urgency=3 - int(fields["urgency"]),
            crisis=int(fields["crisis"]),
            sentiment=SENTIMENT_CODES.index(fields["sentiment"]),
            natural=number < NATURAL_ROWS,
        )


def _authored(fields: dict[str, str | int]) -> Row:
    return Row(
        id=str(fields["id"]),
        text=renamed(str(fields["text"]), str(fields["brand"]), seed=str(fields["id"])),
        language=str(fields["lang"]),
        source=AUTHORED_SOURCE,
        category=CATEGORIES.index(str(fields["category"])),
        urgency=3 - int(fields["urgency"]),
        crisis=int(fields["crisis"]),
        sentiment=SENTIMENT_CODES.index(str(fields["sentiment"])),
        natural=False,
    )


def renamed(text: str, brand: str, *, seed: str) -> str:
    """The text with another name, made up for each post, wherever the brand's stands, its endings kept.

    The corpus is hard on purpose: a model that met its twelve names again and again would take a name for a danger.
    """
    rng = random.Random(seed)  # noqa: S311 - a name, not a secret
    name = "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3)))
    for word in brand.split():
        if word not in _COMMON:
            pattern = "".join(_SPELLED.get(letter, re.escape(letter)) for letter in word.rstrip("ae"))
            pattern = re.sub(r"(?<=[a-z\]])(?=[A-Z])", r"[ _-]?", pattern)
            text = re.sub(
                pattern, lambda found: name.title() if found[0][0].isupper() else name, text, flags=re.IGNORECASE
            )
    return text


def groups(texts: Sequence[str]) -> NDArray[np.intp]:
    """A number per text, equal for near-duplicates (MinHash of character 5-grams, verified Jaccard): they stay on one side of a split."""
    shingles = [_shingles(text) for text in texts]
    rng = np.random.default_rng(7)
    factors = rng.integers(1, 1 << 31, _HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    parent = list(range(len(texts)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    buckets: dict[tuple[int, bytes], int] = {}
    for item, grams in enumerate(shingles):
        mixed = np.array(sorted(grams), np.uint64)[:, None] * factors[None, :]
        smallest = (mixed & np.uint64(0xFFFFFFFF)).min(axis=0).astype(np.uint32)
        for band in range(_HASHES // _BAND):
            key = (band, smallest[band * _BAND : (band + 1) * _BAND].tobytes())
            other = buckets.setdefault(key, item)
            if other != item and len(grams & shingles[other]) >= _NEAR * len(grams | shingles[other]):
                parent[root(item)] = root(other)
    return np.array([root(item) for item in range(len(texts))], np.intp)


def _shingles(text: str) -> frozenset[int]:
    squeezed = re.sub(r"https?://\S+|@\w+|^rt\b|\W+", " ", fold(text)).strip() or text or "-"
    return frozenset(
        int.from_bytes(hashlib.blake2b(squeezed[i : i + 5].encode("utf-8", "surrogatepass"), digest_size=4).digest())
        for i in range(max(1, len(squeezed) - 4))
    )
