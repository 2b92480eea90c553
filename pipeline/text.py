"""Text as Tocsin compares it: folded, split into words, stemmed for its language. One analysis for every store."""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache

import snowballstemmer

FIRST_CLASS = ("en", "de", "tr", "pl", "es", "fr", "pt", "it")
"""Languages that must work as well as English."""

STEMMERS = {
    "en": "english", "de": "german", "tr": "turkish", "pl": "polish",
    "es": "spanish", "fr": "french", "pt": "portuguese", "it": "italian",
}  # fmt: skip

# NFKD leaves these letters whole; people type them with and without.
_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ß": "ss", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "’": "'", "‘": "'"})
_WORD = re.compile(r"\w+", re.UNICODE)
_stemming = threading.local()  # a snowball stemmer keeps its buffer in itself: one per thread


def fold(text: str) -> str:
    """Lower case without diacritics: ``fold("Kartımdan ŁÓDŹ Straße") == "kartimdan lodz strasse"``."""
    if text.isascii():
        return text.lower()
    # "İ".lower() is "i" and a combining dot, which goes with the other marks.
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """The folded words of a text, in order."""
    return _WORD.findall(fold(text))


@lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """The folded stem of one word as typed (stemmers need its diacritics); other languages keep the folded word."""
    name = STEMMERS.get(language)
    if name is None or not word.isalpha():
        return fold(word)
    stemmers = _stemming.__dict__.setdefault("stemmers", {})
    if name not in stemmers:
        stemmers[name] = snowballstemmer.stemmer(name)
    return fold(stemmers[name].stemWord(word.lower()))


def folded(text: str) -> str:
    """The folded words of a text, blank between: what phrases are searched in."""
    return " ".join(words(text))


def stems(text: str, language: str) -> str:
    """The folded stem of every word, blank between: what single words are searched in."""
    return " ".join(stem(word, language) for word in _WORD.findall(unicodedata.normalize("NFC", text)))


def stems_of(word: str) -> set[str]:
    """Every form under which a searched word may be indexed: its stem in each first-class language, and itself."""
    return {stem(word, language) for language in FIRST_CLASS} | {fold(word)}
