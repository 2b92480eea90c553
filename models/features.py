"""What the models see of a post: hashed words and letters per token, tone marks, and cues shared by eight languages.

Everything is a property of one blank-separated token (or of two neighbours), so it is read once per token and cached.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.text import HANDLE, LINK, Beginnings, fold, pieces, unstretched

LANGUAGES = ("en", "de", "tr", "pl", "es", "fr", "pt", "it")
"""The languages the models know from labels; others share one column and are judged by shared words and marks."""
CUES = Path(__file__).with_name("cues.toml")
FUNCTION_WORDS = Path(__file__).with_name("function_words.toml")

LETTERS = (2, 5)
"""Shortest and longest letter n-gram of a word with its edges: endings of Turkish, Polish and German, and typing errors."""
_BLANK = ord(" ")
_PRIME = 1_000_003  # larger than most letters' code points, so that short n-grams do not meet
START, END = crc32(b"^"), crc32(b"$")
_KIND = crc32(b"w")  # the sum goes on from it: the number of "w" and the word
FORM = (
    "tokens", "characters", "capitals", "exclamations", "questions", "dots", "emoji", "numbers", "long numbers",
    "money", "links", "handles", "hashtags", "good words", "bad words",
)  # fmt: skip
_MONEY = re.compile(
    r"[€$£₺]|\b(?:eur|euros?|usd|gbp|tl|lira(?:si)?|zl|pln|zloty\w*|reais|brl|dollars?|quid|bucks|kr|mxn|pesos)\b|r\$"
)
_NONE = (0.0,) * 6  # from exclamations to long numbers
LONGEST_TOKEN = 40
"""Characters of a token that are counted: a longer one is no longer word."""
_EMOJI = re.compile("[☀-➿⭐⭕\U0001f300-\U0001faff]")


@dataclass(frozen=True, slots=True)
class Token:
    """What one token adds to its post."""

    words: tuple[int, ...]
    spelled: tuple[str, ...]
    cues: tuple[int, ...]
    first: int
    last: int
    form: tuple[float, ...]


@lru_cache(maxsize=1)
def function_words() -> dict[str, int]:
    """Folded words that say nothing by themselves, each with a bit for every language of ``LANGUAGES`` it is one in."""
    found: dict[str, int] = {}
    for language, words in tomllib.loads(FUNCTION_WORDS.read_text(encoding="utf-8")).items():
        for word in words.split():
            found[fold(word)] = found.get(fold(word), 0) | 1 << LANGUAGES.index(language)
    return found


@lru_cache(maxsize=1)
def cue_names() -> tuple[str, ...]:
    """The names of the cues, in the order of their columns."""
    return tuple(tomllib.loads(CUES.read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def _cue_stems() -> tuple[dict[str, int], dict[str, int], Beginnings]:
    """Whole folded words, and beginnings of words, with the number of their cue; and the beginnings to search in."""
    whole: dict[str, int] = {}
    starts: dict[str, int] = {}
    for number, languages in enumerate(tomllib.loads(CUES.read_text(encoding="utf-8")).values()):
        for stems in languages.values():
            for stem in stems.split():
                (starts if stem.endswith("*") else whole)[fold(stem.rstrip("*"))] = number
    return whole, starts, Beginnings(starts)


def cues(words: Sequence[str]) -> list[tuple[int, int]]:
    """Places of those folded words that stand for a cue, as a whole, else by their longest known beginning; and the cue."""
    whole, starts, beginnings = _cue_stems()
    found: list[tuple[int, int]] = []
    for place, word in enumerate(words):
        cue = whole.get(word)
        if cue is None and (start := beginnings.longest(word)):
            cue = starts[start]
        if cue is not None:
            found.append((place, cue))
    return found


@lru_cache(maxsize=1)
def _valences() -> dict[str, float]:
    """VADER's valence of each single English word."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - a second of start-up

    return dict(SentimentIntensityAnalyzer().lexicon)


def valences(words: Sequence[str]) -> list[float]:
    """The valence of each word, 0 of those that VADER does not know."""
    known = _valences()
    # Marks and emoticons have a valence there, but words alone are read here.
    return [known.get(word, 0.0) if word[0].isalpha() else 0.0 for word in words]


def with_money(words: Sequence[str]) -> NDArray[np.intp]:
    """Places of the words that name a currency."""
    text = "\n".join(words)
    ends = np.cumsum([len(word) + 1 for word in words])
    return np.unique(np.searchsorted(ends, [found.start() for found in _MONEY.finditer(text)], side="right"))


def word_numbers(words: Sequence[str]) -> NDArray[np.uint32]:
    """The feature number of each word."""
    return np.array([crc32(word.encode("utf-8", "surrogatepass"), _KIND) for word in words], np.uint32)


def hashed(kind: str, name: str) -> int:
    """The number of a feature: 32 bits are enough for some 100,000 kept features and keep no text of the training sets."""
    return crc32(f"{kind}{name}".encode("utf-8", "surrogatepass"))


def paired(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The numbers of neighbours from the numbers of both (order matters)."""
    mixed = left * np.uint64(0x9E3779B1) + right * np.uint64(0x85EBCA6B)
    folded: NDArray[np.uint32] = ((mixed ^ (mixed >> np.uint64(29))) & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return folded


def _pair(left: int, right: int) -> int:
    """``paired`` for two numbers: a token has too few pieces for an array to pay."""
    mixed = (left * 0x9E3779B1 + right * 0x85EBCA6B) & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 29)) & 0xFFFFFFFF


def letters(spelled: Sequence[Sequence[str]]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """The letter n-grams of the words of many tokens, as feature numbers, and the place of each one's token, ascending.

    All words stand in one row of code points with a blank at every edge, and one polynomial runs over it for each
    length: a hundred times less work than a hash call per n-gram.
    """
    row = np.frombuffer(
        f" {' '.join(' '.join(words) for words in spelled if words)} ".encode("utf-32-le", "surrogatepass"), np.uint32
    )
    blank = row == _BLANK
    word_owner = np.repeat(np.arange(len(spelled)), [len(words) for words in spelled])
    if not len(word_owner):
        return np.zeros(0, np.uint32), np.zeros(0, np.intp)
    word_at = np.cumsum(blank) - 1
    running, inside = row.astype(np.uint64), np.ones(len(row), np.bool_)
    numbers, owners = [], []
    for size in range(2, LETTERS[1] + 1):
        count = len(row) - size + 1
        if count <= 0:
            break
        running = running[:count] * np.uint64(_PRIME) + row[size - 1 :].astype(np.uint64)
        inside = inside[:count] & ~blank[size - 2 : size - 2 + count] if size > 2 else inside[:count]
        if size >= LETTERS[0]:
            kept = np.flatnonzero(inside)
            mixed = (running[kept] ^ (running[kept] >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
            numbers.append((mixed >> np.uint64(32)).astype(np.uint32))
            owners.append(word_owner[np.minimum(word_at[kept], len(word_owner) - 1)])
    all_owners = np.concatenate(owners)
    order = np.argsort(all_owners, kind="stable")
    return np.concatenate(numbers)[order], all_owners[order]


def read(token: str) -> Token:
    """Everything one token adds to its post."""
    parts = pieces(token)
    words = [hashed("w", part) for part in parts]
    first, last = (words[0], words[-1]) if words else (0, 0)
    words += [_pair(left, right) for left, right in pairwise(words)]
    spelled = tuple(part for part in parts if part[0].isalpha())
    valence = sum(valences(spelled))
    return Token(
        words=tuple(words),
        spelled=spelled,
        cues=tuple(cue for _, cue in cues(parts)),
        first=first,
        last=last,
        form=(
            *_form(token, parts, money=len(with_money([unstretched(fold(token))])) > 0),
            max(valence, 0.0),
            max(-valence, 0.0),
        ),
    )


def add_form(
    counts: NDArray[np.float32], tokens: Sequence[str], parts: Sequence[Sequence[str]], *, plain: Sequence[bool]
) -> None:
    """Add the form of tokens to their counts (n, 44), which hold what follows from their pieces alone.

    ``plain`` tokens are one word: they have a length, may be capitals, and their money is the word's.
    """
    lengths = np.fromiter(map(len, tokens), np.intp, len(tokens))
    counts[:, 0] = 1
    counts[:, 1] = np.minimum(lengths, LONGEST_TOKEN)
    counts[:, 2] = (lengths > 2) & np.fromiter(map(str.isupper, tokens), np.bool_, len(tokens))
    others = np.flatnonzero(~np.array(plain))
    if len(others):
        read = [tokens[place] for place in others.tolist()]
        money = np.zeros(len(others), np.bool_)
        money[with_money(unstretched(fold("\n".join(read))).split("\n"))] = True
        counts[others, : len(FORM) - 2] = [
            _form(token, parts[place], money=named)
            for token, place, named in zip(read, others.tolist(), money.tolist(), strict=True)
        ]


def _form(token: str, parts: Sequence[str], *, money: bool) -> tuple[float, ...]:
    """The form of a token but for the valence of its words."""
    length, capitals = float(min(len(token), LONGEST_TOKEN)), float(len(token) > 2 and token.isupper())
    if token.isalpha():  # nine tokens in ten: nothing else to count
        return (1.0, length, capitals, *_NONE, float(money), 0.0, 0.0, 0.0)
    masked = LINK in parts or HANDLE in parts
    digits = sum(map(str.isdigit, token))
    return (
        1.0,
        length,
        0.0 if masked else capitals,
        float(min(token.count("!"), 5)),
        float(min(token.count("?"), 5)),
        float("..." in token or "…" in token),
        0.0 if token.isascii() else float(min(len(_EMOJI.findall(token)), 5)),
        float(digits > 0),
        float(digits > 4 and not masked),
        float(money),
        float(LINK in parts),
        float(HANDLE in parts),
        float(token.startswith("#")),
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


def between_edges(numbers: NDArray[np.intp], lengths: NDArray[np.intp]) -> Reading:
    """Posts of so many tokens each, whose numbers stand in one row, each post between its two edges."""
    ends = np.cumsum(lengths + len(EDGES))
    starts = ends - lengths - len(EDGES)
    flat = np.zeros(len(numbers) + len(EDGES) * len(lengths), np.intp)
    inside = np.ones(len(flat), np.bool_)
    inside[starts] = inside[ends - 1] = False
    flat[inside], flat[ends - 1] = numbers, 1
    return Reading(flat, starts)


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
