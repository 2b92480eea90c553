"""What the models see of a post: hashed words and letters per token, tone marks, and cues shared by eight languages.

Everything is a property of one blank-separated token (or of two neighbours), so it is read once per token and cached.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.text import HANDLE, LINK, fold, pieces

LANGUAGES = ("en", "de", "tr", "pl", "es", "fr", "pt", "it")
"""The languages the models know from labels; others share one column and are judged by shared words and marks."""
CUES = Path(__file__).with_name("cues.toml")

LETTERS = (2, 5)
"""Shortest and longest letter n-gram of a word with its edges: endings of Turkish, Polish and German, and typing errors."""
START, END = crc32(b"^"), crc32(b"$")
FORM = (
    "tokens", "characters", "capitals", "exclamations", "questions", "dots", "emoji", "numbers", "long numbers",
    "money", "links", "handles", "hashtags", "good words", "bad words",
)  # fmt: skip
_MONEY = re.compile(r"[€$£₺]|\b(?:eur|euros?|usd|gbp|tl|lira(?:si)?|zl|pln|zloty\w*|reais|brl|dollars?|quid|bucks|kr|mxn|pesos)\b|r\$")
_EMOJI = re.compile("[☀-➿⭐⭕\U0001f300-\U0001faff]")


@dataclass(frozen=True, slots=True)
class Token:
    """What one token adds to its post."""

    words: tuple[int, ...]
    letters: tuple[int, ...]
    cues: tuple[int, ...]
    first: int
    last: int
    form: tuple[float, ...]


@lru_cache(maxsize=1)
def cue_names() -> tuple[str, ...]:
    """The names of the cues, in the order of their columns."""
    return tuple(tomllib.loads(CUES.read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def _cue_stems() -> tuple[dict[str, int], dict[str, int], int]:
    """Whole folded words, and beginnings of words, with the number of their cue; and the longest beginning."""
    whole: dict[str, int] = {}
    starts: dict[str, int] = {}
    for number, languages in enumerate(tomllib.loads(CUES.read_text(encoding="utf-8")).values()):
        for stems in languages.values():
            for stem in stems.split():
                (starts if stem.endswith("*") else whole)[fold(stem.rstrip("*"))] = number
    return whole, starts, max(map(len, starts))


def _cue_of(word: str) -> int | None:
    """The cue a folded word stands for: as a whole, else by its longest known beginning."""
    whole, starts, longest = _cue_stems()
    if word in whole:
        return whole[word]
    for length in range(min(len(word), longest), 1, -1):
        if word[:length] in starts:
            return starts[word[:length]]
    return None


@lru_cache(maxsize=1)
def _valences() -> dict[str, float]:
    """VADER's valence of each single English word."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - a second of start-up

    return dict(SentimentIntensityAnalyzer().lexicon)


def hashed(kind: str, name: str) -> int:
    """The number of a feature: 32 bits are enough for some 100,000 kept features and keep no text of the training sets."""
    return crc32(f"{kind}{name}".encode("utf-8", "surrogatepass"))


def paired(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The numbers of neighbours from the numbers of both (order matters)."""
    mixed = left * np.uint64(0x9E3779B1) + right * np.uint64(0x85EBCA6B)
    folded: NDArray[np.uint32] = ((mixed ^ (mixed >> np.uint64(29))) & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return folded


def _letters(word: str) -> Iterable[str]:
    edged = f" {word} "
    for size in range(LETTERS[0], LETTERS[1] + 1):
        for start in range(len(edged) - size + 1):
            yield edged[start : start + size]


def read(token: str) -> Token:
    """Everything one token adds to its post."""
    parts = pieces(token)
    words = [hashed("w", part) for part in parts]
    if len(words) > 1:
        row = np.array(words, np.uint64)
        words += paired(row[:-1], row[1:]).tolist()
    spelled = [part for part in parts if part[0].isalpha()]
    letters = [hashed("c", gram) for word in spelled for gram in _letters(word)]
    cues = [cue for cue in map(_cue_of, parts) if cue is not None]
    return Token(
        words=tuple(words),
        letters=tuple(letters),
        cues=tuple(cues),
        first=hashed("w", parts[0]) if parts else 0,
        last=hashed("w", parts[-1]) if parts else 0,
        form=_form(token, parts, spelled),
    )


def _form(token: str, parts: Sequence[str], spelled: Sequence[str]) -> tuple[float, ...]:
    folded = fold(token)
    masked = LINK in parts or HANDLE in parts
    digits = sum(map(str.isdigit, token))
    valence = sum(_valences().get(word, 0.0) for word in spelled)
    return (
        1.0,
        float(min(len(token), 40)),
        float(len(token) > 2 and token.isupper() and not masked),
        float(min(token.count("!"), 5)),
        float(min(token.count("?"), 5)),
        float("..." in token or "…" in token),
        float(min(len(_EMOJI.findall(token)), 5)),
        float(digits > 0),
        float(digits > 4 and not masked),
        float(_MONEY.search(folded) is not None),
        float(LINK in parts),
        float(HANDLE in parts),
        float(token.startswith("#")),
        max(valence, 0.0),
        max(-valence, 0.0),
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """Posts as rows of token numbers: ``numbers`` (t,) of all tokens with their edges, ``starts`` (n,) of each post."""

    numbers: NDArray[np.intp]
    starts: NDArray[np.intp]

    @property
    def posts(self) -> NDArray[np.intp]:
        """The post (t,) each token stands in."""
        return np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=len(self.numbers)))


EDGES = (Token((), (), (), START, START, (0.0,) * len(FORM)), Token((), (), (), END, END, (0.0,) * len(FORM)))
"""What stands before and after every post; their numbers are 0 and 1."""


def reading(posts: Sequence[Sequence[str]], numbers: dict[str, int], new: Callable[[str], int]) -> Reading:
    """The posts as numbers of tokens, each between its two edges; ``new`` numbers a token that has none."""
    flat: list[int] = []
    starts: list[int] = []
    for post in posts:
        starts.append(len(flat))
        flat.append(0)
        for token in post:
            number = numbers.get(token)
            flat.append(new(token) if number is None else number)
        flat.append(1)
    return Reading(np.array(flat, np.intp), np.array(starts, np.intp))


def neighbours(
    first: NDArray[np.uint32], last: NDArray[np.uint32], read_posts: Reading
) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Features of neighbouring tokens and the place in ``read_posts.numbers`` of each pair's left one.

    ``first`` and ``last`` give the outer pieces of each token number. A pair that would join two posts is left out,
    and so is one with a token without pieces.
    """
    numbers = read_posts.numbers
    left, right = last[numbers[:-1]], first[numbers[1:]]
    places = np.flatnonzero((numbers[:-1] != 1) & (left != 0) & (right != 0))
    return paired(left[places].astype(np.uint64), right[places].astype(np.uint64)), places


def dense_row(token: Token) -> NDArray[np.float32]:
    """The countable part of one token: its form, then its cues."""
    row = np.zeros(len(FORM) + len(cue_names()), np.float32)
    row[: len(FORM)] = token.form
    for cue in token.cues:
        row[len(FORM) + cue] += 1
    return row


def language_columns(languages: Sequence[str]) -> NDArray[np.float32]:
    """The posts (n, 8) by language; a row of zeros for any other."""
    known = {language: column for column, language in enumerate(LANGUAGES)}
    chosen = np.array([known.get(language, -1) for language in languages], np.intp).reshape(len(languages), 1)
    marked: NDArray[np.float32] = (chosen == np.arange(len(LANGUAGES))).astype(np.float32)
    return marked
