"""Which language a post is in: py3langid's naive Bayes model, word by word, so that each word is read only once.

The model (Lui and Baldwin, 2012, as retrained for py3langid) adds up evidence from byte n-grams. Here each word is walked
alone, between two blanks, and its evidence is kept: on posts this is several times faster than walking whole texts, and more
often right, because n-grams that span two words say more about the training corpus than about the language.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat

import numpy as np
from numpy import float32, int32, int64
from numpy.typing import NDArray
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from scipy.sparse import csr_array

from pipeline.text import FIRST_CLASS

UNKNOWN = "und"

# The first-class languages come first; the rest are the languages people post in. The model knows 60 more (ancient ones,
# dialects, Wikipedia's small ones), which on short posts only take votes from their large neighbours.
_OTHERS = (
    "af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "el", "et", "eu", "fa", "fi", "ga", "gl", "gu",
    "he", "hi", "hr", "hu", "hy", "id", "is", "ja", "ka", "kk", "km", "kn", "ko", "ku", "ky", "lo", "lt", "lv", "mk", "ml",
    "mn", "mr", "ms", "my", "ne", "nl", "no", "pa", "ps", "ro", "ru", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te",
    "th", "tl", "uk", "ur", "uz", "vi", "zh",
)  # fmt: skip
LANGUAGES = (*FIRST_CLASS, *_OTHERS)

BONUS = 8.0  # nats for a first-class language: what we listen for is the prior. 98.3 % right in them, 95.2 % in others
HINT = 8.0  # nats for the source's own tag: decides a post of two words, not a sentence (sources tag by guess, too)
MARGIN = 2.0  # nats between the two likeliest below which nobody should rely on either
READ = 200  # characters: reading 600 got none of 8,069 posts more right, and took longer
KEPT = 1 << 17  # tokens and words remembered, 40 MB; when full, all are forgotten and the frequent ones are soon back
WALKED = 48  # bytes of a word: only scripts without blanks have longer ones, and 16 letters tell those apart
AT_ONCE = KEPT // (READ + 2)  # texts whose tokens surely fit: one for two characters at most, each with its word

# What sources write for languages that have another code here, and for "no language".
_ALIASES = {"in": "id", "iw": "he", "ji": "yi", "fil": "tl", "nb": "no", "nn": "no", "cmn": "zh", "jp": "ja"}
_NO_WORD = re.compile(r"[A-Za-z0-9._%+-]*@[\w.@-]*|(?:https?:|www\.|pic\.twitter)\S*", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+(?:['’·-][^\W\d_]+)*['’]?")  # "l'eau", "kart'ım", "e-mail"


def detect(texts: Sequence[str], hints: Sequence[str | None] | None = None) -> list[str]:
    """The ISO 639-1 code of each text, or "und" when unsure; a hint (the source's tag) is a bonus, not an answer."""
    return _detector().detect(texts, hints if hints is not None else list(repeat(None, len(texts))))


@lru_cache(maxsize=1)
def _detector() -> Detector:
    return Detector()


class Detector:
    """The model with the evidence of the words met so far; safe to share between threads."""

    def __init__(self) -> None:
        model = LanguageIdentifier.from_model_file(MODEL_FILE)
        columns = [model.nb_classes.index(language) for language in LANGUAGES]
        self._features: NDArray[float32] = np.ascontiguousarray(model.nb_ptc[:, columns], dtype=float32)
        self._prior: NDArray[float32] = np.asarray(model.nb_pc[columns], dtype=float32)
        self._prior[: len(FIRST_CLASS)] += BONUS
        # Its automaton: the state after a byte is at the row of the state before, of 256 states; some states are features.
        self._next: NDArray[np.generic] = np.asarray(model.tk_nextmove)
        self._rows: NDArray[int64] = np.asarray(model.tk_row, dtype=int64) << 8
        self._found: NDArray[int32] = np.asarray(model.tk_output, dtype=int32)
        self._places, self._filled = {"": 0}, 1  # row 0 says nothing
        self._evidence = np.zeros((KEPT, len(LANGUAGES)), dtype=float32)
        self._lock = threading.Lock()

    def detect(self, texts: Sequence[str], hints: Sequence[str | None]) -> list[str]:
        """The language of each text."""
        slices = [slice(start, start + AT_ONCE) for start in range(0, len(texts), AT_ONCE)]
        return [language for part in slices for language in self._detect(texts[part], hints[part])]

    def _detect(self, texts: Sequence[str], hints: Sequence[str | None]) -> list[str]:
        with self._lock:
            evidence = self._sums([text[:READ].split() for text in texts])
        scores = evidence + self._prior
        for row, hint in enumerate(hints):
            if hint is not None and (column := _COLUMNS.get(_known_code(hint))) is not None:
                scores[row, column] += HINT
        second, first = np.argpartition(scores, (-2, -1), axis=1)[:, -2:].T
        rows = np.arange(len(texts))
        sure = evidence.any(axis=1) & (scores[rows, first] - scores[rows, second] >= MARGIN)
        return [
            LANGUAGES[best] if known else UNKNOWN for best, known in zip(first.tolist(), sure.tolist(), strict=True)
        ]

    def _sums(self, split: Sequence[Sequence[str]]) -> NDArray[float32]:
        """The evidence for each language (columns) in each list of tokens (rows), in nats up to a constant of the row."""
        tokens = [token for part in split for token in part]
        self._learn(set(tokens))
        places = np.fromiter(map(self._places.__getitem__, tokens), dtype=int64, count=len(tokens))
        ends = np.cumsum([0, *map(len, split)])
        once = np.ones(len(places), dtype=float32)
        sums: NDArray[float32] = (
            csr_array((once, places, ends), shape=(len(split), self._filled)) @ self._evidence[: self._filled]
        )
        return sums

    def _learn(self, tokens: set[str]) -> None:
        """Keep the evidence of tokens not met so far: the features of all of them, weighed by one sparse product."""
        new = tokens.difference(self._places)
        if len(self._places) + 2 * len(new) > KEPT:
            self._places, self._filled, new = {"": 0}, 1, tokens
        read = list(map(_words, new))
        learned = [words for words in dict.fromkeys(read) if words not in self._places]
        self._places.update(zip(learned, range(self._filled, self._filled + len(learned)), strict=True))
        self._places.update(zip(new, map(self._places.__getitem__, read), strict=True))
        if learned:
            end = self._filled + len(learned)
            self._evidence[self._filled : end] = self._read(learned)
            self._filled = end

    def _read(self, words: Sequence[str]) -> NDArray[float32]:
        """The evidence for each language (columns) in each word (rows): its n-grams' features, weighed by one product."""
        found = self._walk([f" {word} ".encode("utf-8", "surrogatepass")[:WALKED] for word in words])
        ends = np.concatenate(([0], np.cumsum((found >= 0).sum(axis=1))))
        features = found[found >= 0]
        # The model weighs n findings by log(1 + n); one word hardly ever holds the same n-gram twice.
        weights = np.full(len(features), math.log(2), dtype=float32)
        product: NDArray[float32] = (
            csr_array((weights, features, ends), shape=(len(words), len(self._features))) @ self._features
        )
        return product

    def _walk(self, strings: Sequence[bytes]) -> NDArray[int32]:
        """The feature found at each byte (columns) of each string (rows), or -1: one step of all strings at a time."""
        lengths = np.fromiter(map(len, strings), dtype=int64, count=len(strings))
        width = int(lengths.max())
        letters = np.frombuffer(b"".join(string.ljust(width) for string in strings), dtype=np.uint8).reshape(-1, width)
        found = np.full(letters.shape, -1, dtype=int32)
        longest_first = np.argsort(-lengths, kind="stable")
        states = np.zeros(len(strings), dtype=int64)
        for column, walking in enumerate(np.searchsorted(-lengths[longest_first], -np.arange(width), side="left")):
            rows = longest_first[:walking]
            states[:walking] = self._next[self._rows[states[:walking]] + letters[rows, column]]
            found[rows, column] = self._found[states[:walking]]
        return found


_COLUMNS = {language: column for column, language in enumerate(LANGUAGES)}


def _words(token: str) -> str:
    """What of a token says something about a language: no handle, link, digit or emoji; in lower case, as many post."""
    word = token.strip('.,;:!?"()#*…„“”«»')
    if word.isalpha():
        return word.lower()
    return " ".join(_LETTERS.findall(_NO_WORD.sub(" ", token.lower())))


def _known_code(hint: str) -> str:
    code = hint.lower().replace("_", "-").partition("-")[0]
    return _ALIASES.get(code, code)
