"""Reposts and near-duplicates, counted under one original: the same text said again is not one more thing to do.

Texts are compared by the Jaccard similarity of their character 4-grams (Broder, "On the resemblance and containment of
documents", 1997). Candidates are found by MinHash signatures cut into bands (Indyk and Motwani, 1998; the permutations are
the linear ones of Bohman, Cooper and Frieze, 2000), then verified on the texts themselves, so a band decides nothing.

Folding must never hide a person's need, hence what is *not* folded:
- own posts, and anything under another brand;
- replies (but for reposts): they belong to their conversation, where somebody waits;
- texts whose numbers differ (order 4711 and order 4712 are two orders);
- texts under six words, unless they are the same and pass a link on: "worst service ever" from two people is two
  complaints, while a headline with its link is one piece of news.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy import int64, uint32, uint64
from numpy.typing import NDArray

from pipeline.domain import Mention
from pipeline.text import folded, has_link, unlinked

SIMILAR = 0.7  # Jaccard: one word changed in a post of twelve is about 0.8, another post on the same subject about 0.1
SHORT = 6  # words; below it one word is too much of a text for similarity to mean a copy
SHINGLE = 4  # characters
BANDS, ROWS = 10, 4  # copies at 0.8 are met with probability 0.995, at 0.7 with 0.94; strangers at 0.1 with 0.001
OPENING = 40  # characters of a text's beginning that make one more band, by which cut copies are met
READ = 2_000  # characters compared: copies of longer texts agree in their beginnings
VERIFIED = 50  # originals kept to a band, and compared with one text: bounds the work when thousands use one template

_REPOST = re.compile(r"^\s*(?:RT|MT|via)\s+@[\w.@-]+:?\s*")
_CUT = re.compile(r"(?:…|\.\.\.)\s*(?:https?://\S*\s*)?$")
_NUMBER = re.compile(r"\d+")
_TAGS_AT_END = re.compile(r"(?:\s+#\w+)+\W*$")  # added when sharing; the text before them is the same


class _Essence(NamedTuple):
    """What of a text is compared: its folded words without links, handles and repost marks. The rest is asked rarely."""

    text: str
    words: str
    short: bool
    marked: bool  # as a repost, in the text itself

    @property
    def numbers(self) -> set[str]:
        return set(_NUMBER.findall(self.words))

    @property
    def cut(self) -> bool:
        return _CUT.search(self.text) is not None

    @property
    def link(self) -> bool:
        return has_link(self.text)


def sketch(mentions: Sequence[Mention]) -> dict[str, tuple[int, ...]]:
    """The bands of each mention (64-bit signed integers): two that share one may be copies. Own posts have none."""
    sketched = [mention for mention in mentions if not mention.own]
    essences = [_essence(mention.text) for mention in sketched]
    openings = [_opening(mention.brand, essence) for mention, essence in zip(sketched, essences, strict=True)]
    bands: dict[str, tuple[int, ...]] = {mention.id: () for mention in mentions}
    bands |= {mention.id: (key,) for mention, key in zip(sketched, openings, strict=True) if key}
    long = [place for place, essence in enumerate(essences) if not essence.short]
    if long:
        signed = _bands([essences[place].words for place in long], [sketched[place].brand for place in long])
        for place, row in zip(long, signed.tolist(), strict=True):
            bands[sketched[place].id] = (openings[place], *row)
    return bands


def fold(
    mentions: Sequence[Mention],
    *,
    sketches: Mapping[str, Sequence[int]],
    candidates: Mapping[int, Sequence[tuple[str, str]]],
) -> list[Mention]:
    """The mentions in their order, copies with the id of their original: one of the store's, else the batch's earliest.

    ``candidates`` are the store's originals (id, text) by band (``ports.Mentions.fold_candidates``).
    """
    folds = _Folds(sketches, candidates)
    originals = {mention.id: folds.place(mention) for mention in sorted(mentions, key=_first_said)}
    return [replace(mention, fold=at) if (at := originals[mention.id]) else mention for mention in mentions]


def unfolded(mentions: Sequence[Mention], *, done: Container[str]) -> list[Mention]:
    """The mentions, with copies of ``done`` originals standing for themselves: nothing waits there that would show them.

    A repost of what has been answered needs no answer and stays folded; the same words by another person do.
    """
    return [
        replace(mention, fold=None) if mention.fold in done and mention.repost_of is None else mention
        for mention in mentions
    ]


def _first_said(mention: Mention) -> tuple[bool, datetime, str]:
    """Reposts come after what they may repeat, even if a network's clocks disagree."""
    return mention.repost_of is not None, mention.posted_at, mention.id


class _Folds:
    """Where each mention of a batch folds; mentions are placed one by one, what may be an original first."""

    def __init__(
        self, sketches: Mapping[str, Sequence[int]], candidates: Mapping[int, Sequence[tuple[str, str]]]
    ) -> None:
        met = Counter(band for bands in sketches.values() for band in bands)
        # A band met once, as nearly all are, leads nowhere.
        self._by_band: dict[int, list[str]] = {band: [] for band, times in met.items() if times > 1}
        self._texts: dict[str, str] = {}
        for band, found in candidates.items():
            self._by_band.setdefault(band, []).extend(original for original, _ in found[:VERIFIED])
            self._texts.update(found)
        self._sketches = sketches
        self._stored = frozenset(self._texts)
        self._placed: dict[str, str | None] = {}
        self._reposted: dict[str, str] = {}

    def place(self, mention: Mention) -> str | None:
        """The original a mention folds under, ``None`` if it is one itself."""
        fixed = mention.own or mention.id in self._stored
        original = None if fixed else self._original(mention)
        self._placed[mention.id] = original
        if original is None and not fixed:
            self._texts[mention.id] = mention.text
            for others in self._shared(mention.id):
                if len(others) < VERIFIED:
                    others.append(mention.id)
        return original

    def _shared(self, mention_id: str) -> list[list[str]]:
        """For each band of a mention that others have, the originals met under it."""
        by_band = self._by_band
        return [by_band[band] for band in self._sketches[mention_id] if band in by_band]

    def _original(self, mention: Mention) -> str | None:
        repost = mention.repost_of
        if repost is not None:
            if repost in self._stored:
                return repost
            if repost in self._placed:
                return self._placed[repost] or repost
            # Nobody has heard the original (yet): its first repost stands in for it, or no one would ever see it.
            if repost in self._reposted:
                return self._reposted[repost]
        essence = _essence(mention.text)
        passed_on = repost is not None or essence.marked
        original = (
            None if mention.in_reply_to and not passed_on else self._copied(mention.id, essence, passed_on=passed_on)
        )
        if repost is not None:
            self._reposted[repost] = original or mention.id
        return original

    def _copied(self, mention_id: str, essence: _Essence, *, passed_on: bool) -> str | None:
        others = Counter(other for originals in self._shared(mention_id) for other in originals)
        for other, _ in others.most_common(VERIFIED) if others else ():
            if _copies(essence, _essence(self._texts[other]), passed_on=passed_on):
                return other
        return None


def _copies(text: _Essence, original: _Essence, *, passed_on: bool) -> bool:
    """Whether a text says the same as an original, up to small edits or its end being cut off."""
    if text.words == original.words:
        return not text.short or passed_on or (text.link and original.link)
    if text.short or original.short:
        return False
    numbers, others = text.numbers, original.numbers
    if not (numbers <= others or numbers >= others):
        return False
    return _begins(text, original) or _begins(original, text) or _similar(text.words, original.words)


def _begins(cut: _Essence, whole: _Essence) -> bool:
    beginning = cut.words.rpartition(" ")[0] if cut.cut else ""  # the last word may be half a word
    return len(beginning) >= OPENING and whole.words.startswith(beginning)


def _similar(one: str, other: str) -> bool:
    a, b = _shingles(one), _shingles(other)
    if min(len(a), len(b)) < SIMILAR * max(len(a), len(b)):
        return False
    shared = len(a & b)
    return shared >= SIMILAR * (len(a) + len(b) - shared)


@lru_cache(maxsize=512)
def _shingles(words: str) -> frozenset[str]:
    return frozenset(words[start : start + SHINGLE] for start in range(len(words) - SHINGLE + 1))


@lru_cache(maxsize=8192)
def _essence(text: str) -> _Essence:
    text = text[:READ]
    repost = _REPOST.match(text)
    said = text[repost.end() :] if repost else text
    plain = unlinked(said)
    words = folded(_TAGS_AT_END.sub("", plain) if "#" in plain else plain)
    return _Essence(text=text, words=words, short=words.count(" ") < SHORT - 1, marked=repost is not None)


# --- bands --------------------------------------------------------------------------------------------------------------

# Fixed, so that a band means the same in every process and year: stores hold them.
_RANDOM = np.random.Generator(np.random.PCG64(1997))
_FACTORS: NDArray[uint32] = _RANDOM.integers(0, 1 << 32, size=BANDS * ROWS, dtype=uint32) | uint32(1)  # odd: invertible
_SUMMANDS: NDArray[uint32] = _RANDOM.integers(0, 1 << 32, size=BANDS * ROWS, dtype=uint32)
_LETTERS: NDArray[uint32] = _RANDOM.integers(0, 1 << 32, size=SHINGLE, dtype=uint32) | uint32(1)
_MIX = uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio


def _bands(texts: Sequence[str], brands: Sequence[str]) -> NDArray[int64]:
    """The LSH bands of texts of at least ``SHINGLE`` characters, as (text, band)."""
    minima = _minima(texts)
    keys = {brand: _key(brand) for brand in set(brands)}
    seeds = np.array([keys[brand] for brand in brands], dtype=int64).view(uint64)
    bands = np.empty((len(texts), BANDS), dtype=uint64)
    for band in range(BANDS):
        value = seeds + uint64(band)
        for row in minima[band * ROWS : (band + 1) * ROWS]:
            value = (value ^ row) * _MIX
            value ^= value >> uint64(32)
        bands[:, band] = value
    return bands.view(int64)


def _minima(texts: Sequence[str]) -> NDArray[uint32]:
    """The MinHash signatures of texts, as (permutation, text): all texts' shingles at once, permutation by permutation."""
    letters = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4").astype(uint32)
    lengths = np.fromiter(map(len, texts), dtype=int64, count=len(texts))
    ends = np.cumsum(lengths)
    within = np.ones(len(letters), dtype=bool)
    for back in range(1, SHINGLE):  # shingles must not span two texts
        within[ends - back] = False
    hashes = np.zeros(len(letters) - SHINGLE + 1, dtype=uint32)
    for place, factor in enumerate(_LETTERS):
        hashes += letters[place : place + len(hashes)] * factor
    hashes = _mixed(hashes[within[: len(hashes)]])
    starts = ends - lengths - (SHINGLE - 1) * np.arange(len(texts))
    return np.stack([
        np.minimum.reduceat(hashes * factor + summand, starts)
        for factor, summand in zip(_FACTORS, _SUMMANDS, strict=True)
    ])  # fmt: skip


def _mixed(hashes: NDArray[uint32]) -> NDArray[uint32]:
    """Each bit of the result depends on each bit of the hash (the finaliser of MurmurHash3)."""
    hashes = (hashes ^ (hashes >> uint32(16))) * uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> uint32(13))) * uint32(0xC2B2AE35)
    return hashes ^ (hashes >> uint32(16))


def _opening(brand: str, essence: _Essence) -> int:
    """The band of a text's beginning, or of all of a short one; 0 for a text without words."""
    if not essence.words:
        return 0
    beginning = f"={essence.words}" if essence.short else essence.words[:OPENING]
    return _key(f"{brand}\n{beginning}")


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True)
