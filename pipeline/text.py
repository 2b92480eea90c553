"""Text as Tocsin compares it: folded, split into words, stemmed for its language. One analysis for every store."""

from __future__ import annotations

import re
import threading
import unicodedata

import Stemmer

FIRST_CLASS = ("en", "de", "tr", "pl", "es", "fr", "pt", "it")
"""Languages that must work as well as English."""

STEMMERS = {
    "en": "english", "de": "german", "tr": "turkish", "pl": "polish",
    "es": "spanish", "fr": "french", "pt": "portuguese", "it": "italian",
}  # fmt: skip

KEPT_STEMS = 50_000  # a language; some 8 MB each

# NFKD leaves these letters whole; people type them with and without.
_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ß": "ss", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "’": "'", "‘": "'"})
_WORD = re.compile(r"\w+", re.UNICODE)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# Characters without a glyph of their own: soft hyphen, zero-width and bidi controls, variation selectors, tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_LINK = re.compile(r"(?:[Hh][Tt][Tt][Pp][Ss]?://|[Ww][Ww][Ww]\.|pic\.twitter\.com/)\S+")
_HANDLE = re.compile(r"(?<![\w@])@[\w.-]*\w(?:@[\w-]+(?:\.[\w-]+)+)?")  # @user, and @user@host of Mastodon
_stemming = threading.local()  # a snowball stemmer keeps its buffer in itself: one per thread


class _Folded(dict[str, str]):
    """The folded form of each character met so far (as many as Unicode has, at most)."""

    def __missing__(self, letter: str) -> str:
        decomposed = "" if _INVISIBLE.match(letter) else unicodedata.normalize("NFKD", letter)
        folded = "".join(part for part in decomposed if not unicodedata.combining(part)).lower().translate(_LETTERS)
        self[letter] = folded
        return folded


_FOLDED = _Folded()


def _fold_letter(found: re.Match[str]) -> str:
    return _FOLDED[found[0]]


def visible(text: str) -> str:
    """A text without its invisible characters: what a reader sees, and what is matched."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def unlinked(text: str) -> str:
    """A text without its links and handles, blanks in their place: what its author says, not to whom or where."""
    if "@" in text:
        text = _HANDLE.sub(" ", text)
    return _LINK.sub(" ", text) if has_link(text) else text


def has_link(text: str) -> bool:
    """Whether a text passes a link on."""
    # The plain searches first: they cost next to nothing, and most texts have no link.
    return ("/" in text or "www." in text or "WWW." in text) and _LINK.search(text) is not None


def fold(text: str) -> str:
    """Lower case without diacritics or invisible characters: ``fold("Kartımdan ŁÓDŹ Straße") == "kartimdan lodz strasse"``."""
    lower = text.lower()
    # "İ".lower() is "i" and a combining dot, which goes with the other marks.
    return lower if lower.isascii() else _NOT_ASCII.sub(_fold_letter, lower)


def words(text: str) -> list[str]:
    """The folded words of a text, in order."""
    return _WORD.findall(fold(text))


class _Stems(dict[str, str]):
    """The folded stems of one language's words met lately; a plain look-up, as it is made for every word of every post."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._name = STEMMERS.get(language)

    def __missing__(self, word: str) -> str:
        if len(self) >= KEPT_STEMS:
            self.clear()
        stemmed = self[word] = fold(self._stemmed(word.lower()) if self._name and word.isalpha() else word)
        return stemmed

    def _stemmed(self, word: str) -> str:
        stemmers = _stemming.__dict__.setdefault("stemmers", {})
        if self._name not in stemmers:
            stemmers[self._name] = Stemmer.Stemmer(self._name)
        return str(stemmers[self._name].stemWord(word))


_STEMS = {language: _Stems(language) for language in FIRST_CLASS}
_UNSTEMMED = _Stems("und")


def stem(word: str, language: str) -> str:
    """The folded stem of one word as typed (stemmers need its diacritics); other languages keep the folded word."""
    return _STEMS.get(language, _UNSTEMMED)[word]


def folded(text: str) -> str:
    """The folded words of a text, blank between: what phrases are searched in."""
    return " ".join(words(text))


def stems(text: str, language: str) -> str:
    """The folded stem of every word, blank between: what single words are searched in."""
    known = _STEMS.get(language, _UNSTEMMED)
    return " ".join(map(known.__getitem__, _WORD.findall(visible(unicodedata.normalize("NFC", text)))))


def stems_of(word: str) -> set[str]:
    """Every form under which a searched word may be indexed: its stem in each first-class language, and itself."""
    return {stem(word, language) for language in FIRST_CLASS} | {fold(word)}
