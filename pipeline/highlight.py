"""Where in a text as it was written the words of a search stand.

The text is analysed as it was when it was indexed, cluster by cluster of what a reader sees as one character, so that each
analysed word knows where it comes from: what is found is marked, in any form, and no accent, joined emoji or syllable is
cut in two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from pipeline.search import Term
from pipeline.text import fold, stem, visible

Span = tuple[int, int]
"""Where a marked stretch begins, and where it ends: the text between is ``text[begin:end]``."""

_Word = tuple[str, int, int]  # as analysed, and where it stands in the text

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"[0-9A-Za-z_\u0080-\U0010ffff]+")  # what stores split analysed words into, where signs are left
_JOINER, _FLAG, _SKIN = "\u200d", range(0x1F1E6, 0x1F200), range(0x1F3FB, 0x1F400)
_TAG = range(0xE0020, 0xE0080)
_VOWEL_OR_FINAL = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))  # of a Hangul syllable written in parts
_VIRAMA = 9  # the combining class of the sign that binds two Indic consonants into one


def spans(text: str, language: str, wanted: Iterable[Term]) -> list[Span]:
    """The stretches that a search's terms stand for, in order, none touching another; words in the language of the post."""
    terms = list(wanted)
    if not terms:
        return []
    places = [*clusters(text), len(text)]
    marked: list[Span] = []
    phrases = [term.words for term in terms if term.words]
    if phrases:
        found = list(_words(text, places, _folded(text, places)))
        for phrase in phrases:
            marked += _runs(phrase, found)
    forms = frozenset[str]().union(*(term.forms for term in terms))
    if forms:
        for word, begin, end in _words(text, places, _composed(text, places)):
            if not forms.isdisjoint(_TOKEN.findall(stem(word, language))):
                marked.append((begin, end))
    return joined(marked)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in their order, those that touch or overlap as one."""
    whole: list[Span] = []
    for begin, end in sorted(spans):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((begin, end))
    return whole


def clusters(text: str) -> list[int]:
    """Where each character begins that a reader sees as one (Unicode Standard Annex 29, extended grapheme clusters)."""
    if text.isascii():
        return [
            place for place in range(len(text)) if text[place : place + 1] != "\n" or text[place - 1 : place] != "\r"
        ]
    begins = [0] if text else []
    flags = 0
    for place, (before, letter) in enumerate(pairwise(text), 1):
        flags = flags + 1 if ord(before) in _FLAG else 0
        if not _continues(before, letter, flags):
            begins.append(place)
    return begins


def _continues(before: str, letter: str, flags: int) -> bool:
    """Whether a letter belongs to the one before it; ``flags`` regional indicators end there."""
    code, category = ord(letter), unicodedata.category(letter)
    if category[0] == "M" or letter in {_JOINER, "\u200c"} or code in _SKIN or code in _TAG:
        return True
    if before == _JOINER:  # families and professions; after a letter it only asks for another shape of it
        return category == "So"
    if code in _FLAG:
        return flags % 2 == 1
    if any(code in each for each in _VOWEL_OR_FINAL):
        return 0x1100 <= ord(before) < 0x1200 or 0xA960 <= ord(before) < 0xA980 or 0xAC00 <= ord(before) < 0xD800
    if unicodedata.combining(before) == _VIRAMA:
        return category == "Lo"
    return before == "\r" and letter == "\n"


# --- analysis, cluster by cluster -------------------------------------------------------------------------------------


def _folded(text: str, places: Sequence[int]) -> Iterator[str]:
    """Each cluster as ``pipeline.text.words`` reads it. All is made lower case at once: the last sigma of a word differs."""
    lower, at = text.lower(), 0
    for begin, end in pairwise(places):
        size = len(text[begin:end].lower())
        yield fold(lower[at : at + size])
        at += size


def _composed(text: str, places: Sequence[int]) -> Iterator[str]:
    """Each cluster as ``pipeline.text.stems`` reads it."""
    normal: Callable[[str], str] = (lambda part: part) if text.isascii() else _normal
    return (normal(text[begin:end]) for begin, end in pairwise(places))


def _normal(part: str) -> str:
    return visible(unicodedata.normalize("NFC", part))


def _words(text: str, places: Sequence[int], analysed: Iterable[str]) -> Iterator[_Word]:
    """The words of the analysed clusters, and from where to where each stands in the text."""
    parts = list(analysed)
    origins = [cluster for cluster, part in enumerate(parts) for _ in part]
    for match in _WORD.finditer("".join(parts)):
        yield match[0], places[origins[match.start()]], places[origins[match.end() - 1] + 1]


def _runs(phrase: Sequence[str], found: Sequence[_Word]) -> Iterator[Span]:
    """Where these words stand one after the other, whatever is between them."""
    size = len(phrase)
    words = [word for word, *_ in found]
    for first in range(len(words) - size + 1):
        if words[first] == phrase[0] and words[first : first + size] == list(phrase):
            yield found[first][1], found[first + size - 1][2]
