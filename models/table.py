"""Tokens met so far and what each adds to a post, as arrays by token number.

A token is made of pieces (words, marks, emoji), and most new tokens of pieces met before: "word," after "Word". So the dear
part, the letters of a word, is read once a piece. What is new in a batch is read at once: arrays, not objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models import features, floor
from models.features import Reading
from models.outcome import WIDTH
from models.text import pieces, plain_words

Floats = NDArray[np.float32]

BLOCK = WIDTH + 1
"""Numbers of one kind of feature in a token's row: its pull on each label, and its squared length."""
DENSE = len(features.FORM) + len(features.cue_names())
UNSAID = 2
"""The first two form columns count tokens and characters: length is no reason in anybody's words."""
_UNQUOTED = [features.FORM.index(name) for name in ("links", "handles")]
"""Links and handles are nobody's reason: where a post went, not what it says."""
_MONEY, _GOOD, _BAD = map(features.FORM.index, ("money", "good words", "bad words"))
_ROOM = 1 << 14
"""Rows a new table has room for; the room doubles when it is full."""
_SPARSITY = 8
"""Groups of numbers for each known feature: most hold none, few hold two."""


class Known:
    """The features that have weights, found by the first bits of their numbers: several times as fast as a binary search.

    ``rows`` (k, 17) are the pulls of each on the labels and its squared length.
    """

    def __init__(self, numbers: NDArray[np.uint32], pulls: NDArray[np.floating[Any]], squares: Floats) -> None:
        # The row after the last catches whatever looks past the end, and adds nothing.
        self.rows = np.zeros((len(numbers) + 1, BLOCK), np.float32)
        self.rows[:-1, :WIDTH], self.rows[:-1, WIDTH] = pulls, squares
        self._numbers = np.append(numbers, np.uint32(0xFFFFFFFF))
        bits = max(8, (len(numbers) * _SPARSITY).bit_length())
        self._shift = np.uint32(32 - bits)
        groups = np.arange(1 << bits, dtype=np.uint32) << self._shift
        self._first = np.searchsorted(numbers, groups).astype(np.int32)
        self._most = int(np.diff(self._first, append=len(numbers)).max())

    def find(self, wanted: NDArray[np.uint32]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
        """The rows of those wanted features that are known, and their places among the wanted ones."""
        at = self._first[wanted >> self._shift]
        for _ in range(self._most - 1):
            at += self._numbers[at] < wanted
        there = np.flatnonzero(self._numbers[at] == wanted)
        return at[there], there


def added(owners: NDArray[np.intp], at: NDArray[Any], count: int, rows: Floats) -> Floats:
    """For each of ``count`` owners the sum of its rows (owners ascending); in their order, whatever else is in the batch."""
    ends = np.searchsorted(owners, np.arange(count + 1)).astype(np.int32)
    once = np.ones(len(at), np.float32)
    sums: Floats = csr_array((once, at, ends), shape=(count, len(rows))) @ rows
    return sums


def _with_room(array: NDArray[Any], size: int) -> NDArray[Any]:
    """The array, doubled until it has room for so many rows."""
    while len(array) < size:
        array = np.concatenate([array, np.zeros_like(array)])
    return array


class _Pieces:
    """Every piece met so far: its feature number, and what it adds to its token."""

    def __init__(self, words: Known, letters: Known) -> None:
        self._words, self._letters = words, letters
        self._places: dict[str, int] = {}
        self.hashes = np.zeros(_ROOM, np.uint32)
        self.rows = np.zeros((_ROOM, 2 * BLOCK), np.float32)
        self.filling = np.zeros(_ROOM, np.uint8)
        self.counts = np.zeros((_ROOM, DENSE), np.float32)  # cues, money; the valence stands at "good words"

    def places(self, wanted: Sequence[str]) -> NDArray[np.int32]:
        """The row of each piece; those not met before are read."""
        new = [piece for piece in dict.fromkeys(wanted) if piece not in self._places]
        if new:
            self._learn(new)
        return np.fromiter(map(self._places.__getitem__, wanted), np.int32, len(wanted))

    def _learn(self, new: Sequence[str]) -> None:
        start, size = len(self._places), len(self._places) + len(new)
        self._places.update(zip(new, range(start, size), strict=True))
        self.hashes, self.rows = _with_room(self.hashes, size), _with_room(self.rows, size)
        self.counts, self.filling = _with_room(self.counts, size), _with_room(self.filling, size)
        here = slice(start, size)
        self.filling[here] = [features.function_words().get(piece, 0) for piece in new]
        self.hashes[here] = hashes = features.word_numbers(new)
        at, there = self._words.find(hashes)
        self.rows[start + there, :BLOCK] = self._words.rows[at]
        numbers, owners = features.letters([(piece,) if piece[0].isalpha() else () for piece in new])
        at, there = self._letters.find(numbers)
        self.rows[here, BLOCK:] = added(owners[there], at, len(new), self._letters.rows)
        self.counts[here, _GOOD] = features.valences(new)
        self.counts[start + features.with_money(new), _MONEY] = 1
        for place, cue in features.cues(new):
            self.counts[start + place, len(features.FORM) + cue] = 1


@dataclass(frozen=True, slots=True)
class Sight:
    """The tokens of a batch of posts, and the arrays of the table as they were when it was read.

    ``rows`` (·, 34) and ``counts`` (·, 44), both by token number, are what a token adds: pulls and squared length of its
    words and then of its letters; what is counted. So are ``silent`` tokens, which are nobody's reason, the languages (bits)
    in which a token only ``fills`` a sentence, those ``told`` of by their counts, the ``first`` and ``last`` pieces, the ears of the floor that hear it and those it ``helps``, with its
    ``needs`` if it has any, and whether it is ``worded`` at all.
    """

    posts: list[list[str]]
    said: list[str]
    reading: Reading
    rows: Floats
    counts: Floats
    silent: NDArray[np.bool_]
    fills: NDArray[np.uint8]
    told: NDArray[np.bool_]
    first: NDArray[np.uint32]
    last: NDArray[np.uint32]
    ears: NDArray[np.uint8]
    helps: NDArray[np.uint8]
    worded: NDArray[np.bool_]
    needs: dict[int, floor.Need]


class Table:
    """Every token met so far with what it adds to a post. Not safe to share between threads: its user holds a lock."""

    def __init__(self, words: Known, letters: Known) -> None:
        self._words = words
        self._pieces = _Pieces(words, letters)
        self._numbers: dict[str, int] = {}
        self.size = len(features.EDGES)
        self._rows = np.zeros((_ROOM, 2 * BLOCK), np.float32)
        self._counts = np.zeros((_ROOM, DENSE), np.float32)
        self._first, self._last = np.zeros(_ROOM, np.uint32), np.zeros(_ROOM, np.uint32)
        self._silent, self._told = np.zeros(_ROOM, np.bool_), np.zeros(_ROOM, np.bool_)
        self._ears, self._helps = np.zeros(_ROOM, np.uint8), np.zeros(_ROOM, np.uint8)
        self._worded, self._fills = np.zeros(_ROOM, np.bool_), np.zeros(_ROOM, np.uint8)
        self._needs: dict[int, floor.Need] = {}
        for number, edge in enumerate(features.EDGES):
            self._first[number], self._last[number], self._silent[number] = edge.first, edge.last, True

    def read(self, posts: list[list[str]]) -> Sight:
        """The tokens of posts as numbers, with all that is known of them."""
        said = list(chain.from_iterable(posts))
        new = [token for token in dict.fromkeys(said) if token not in self._numbers]
        if new:
            self._learn(new)
        numbers = np.fromiter(map(self._numbers.__getitem__, said), np.intp, len(said))
        reading = features.between_edges(numbers, np.fromiter(map(len, posts), np.intp, len(posts)))
        return Sight(
            posts=posts, said=said, reading=reading, rows=self._rows, counts=self._counts, silent=self._silent,
            fills=self._fills, told=self._told, first=self._first, last=self._last, ears=self._ears, helps=self._helps, worded=self._worded, needs=self._needs,
        )  # fmt: skip

    def _learn(self, new: list[str]) -> None:
        start, self.size = self.size, self.size + len(new)
        self._numbers.update(zip(new, range(start, self.size), strict=True))
        for name in ("_rows", "_counts", "_first", "_last", "_silent", "_told", "_ears", "_helps", "_worded", "_fills"):
            setattr(self, name, _with_room(getattr(self, name), self.size))
        here = slice(start, self.size)
        plain = plain_words(new)
        parts = [(piece,) if piece else pieces(token) for (_, piece), token in zip(plain, new, strict=True)]
        found = self._pieces.places(list(chain.from_iterable(parts)))
        lengths = np.fromiter(map(len, parts), np.intp, len(parts))
        ends = np.cumsum(lengths)
        owners = np.repeat(np.arange(len(new)), lengths)
        self._rows[here] = added(owners, found, len(new), self._pieces.rows)
        hashes = self._pieces.hashes[found]
        self._add_pairs(start, hashes, owners)
        full = np.flatnonzero(lengths)
        self._first[start + full], self._last[start + full] = hashes[(ends - lengths)[full]], hashes[ends[full] - 1]
        alone = np.flatnonzero(lengths == 1)
        self._fills[start + alone] = self._pieces.filling[found[(ends - lengths)[alone]]]
        counts = self._counts[here]
        counts[:] = added(owners, found, len(new), self._pieces.counts)
        valence = counts[:, _GOOD].copy()
        counts[:, _GOOD], counts[:, _BAD] = np.maximum(valence, 0), np.maximum(-valence, 0)
        features.add_form(counts, new, parts, plain=[bool(piece) for _, piece in plain])
        self._silent[here] = counts[:, _UNQUOTED].any(axis=1)
        self._told[here] = counts[:, UNSAID:].any(axis=1)
        self._worded[here] = True
        self._hear(start, new, [word for word, _ in plain])

    def _add_pairs(self, start: int, hashes: NDArray[np.uint32], owners: NDArray[np.intp]) -> None:
        """The neighbouring pieces within one token."""
        left = np.flatnonzero(owners[1:] == owners[:-1])
        if len(left):
            pairs = features.paired(hashes[left].astype(np.uint64), hashes[left + 1].astype(np.uint64))
            at, there = self._words.find(pairs)
            np.add.at(self._rows[:, :BLOCK], start + owners[left[there]], self._words.rows[at])

    def _hear(self, start: int, new: Sequence[str], plain: Sequence[str]) -> None:
        """What the new tokens are to the floor: most are nothing to it but words."""
        lexicon = floor.lexicon()
        needs = lexicon.needs_of_each(plain)
        for place, word in enumerate(plain):
            if not word or "'" in word:
                words = floor.words_of(new[place])
                needs[place] = lexicon.needs(words)
                self._worded[start + place] = bool(words)
        for number, need in enumerate(needs, start):
            if need is not floor.NO_NEED:
                self._needs[number], self._ears[number], self._helps[number] = need, need.ears, need.helps
