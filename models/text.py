"""Raw posts as the models read them: folded pieces of words with handles, links and digits masked."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence

LINK, HANDLE, MAIL = "<link>", "<handle>", "<mail>"

# NFKD leaves these letters whole; people type them with and without.
_LETTERS = str.maketrans(
    {"ı": "i", "ł": "l", "ß": "ss", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "’": "'", "‘": "'", "´": "'"}
)


class _Folded(dict[int, str]):
    """What each character met so far folds to, by its code point (as many as Unicode has, at most)."""

    def __missing__(self, code: int) -> str:
        decomposed = unicodedata.normalize("NFKD", chr(code))
        base = "".join(part for part in decomposed if not unicodedata.combining(part))
        folded = self[code] = base.lower().translate(_LETTERS)
        return folded


_FOLDED = _Folded()
_LINK = re.compile(r"https?://|www\.|pic\.twitter\.com|\bt\.co/|\b[a-z0-9-]+\.(?:com|ly|it|co|de|net|org)/\S")
_MAIL = re.compile(r"\w@\w[\w-]*\.\w")
_HANDLE = re.compile(r"@\w")
_CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")
_STRETCHED = re.compile(r"(\D)\1{2,}")
# Words with inner apostrophes, digits, marks that carry tone or money, and single other symbols (emoji).
_PIECE = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|\.\.+|[!?…€$£₺%+]|[^\x00-\xff]")
_DULL = re.compile("[‐-‧‰-⁞\ufe00-\ufe0f\u200b-\u200f\u2060\ufeff\U0001f3fb-\U0001f3ff]")
_LATIN = "[A-Za-zÀ-ÖØ-öø-ľŁ-ňŊ-ſ]"  # letters that fold to letters
# A line that is one word between marks that say nothing; the search never leaves its line. "www." begins a link.
_PLAIN = re.compile(
    rf"^[(\"'\[„“”«‘’¿¡*-]{{0,5}}(?![wW]{{3}}\.)({_LATIN}{{1,40}}(?:['’]{_LATIN}+)*)"
    r"[,:;\"')\]”“»‘’*-]{0,5}\.?[\"')\]”“»‘’*]{0,5}$|^.*$",
    re.MULTILINE,
)
LONGEST_PIECE = 40
"""Characters of one piece that are read; longer ones are noise or scripts without blanks."""
LONGEST_TEXT = 4000
"""Characters of one post that are read: more than any network's post or review needs, so that none can stall a batch."""


def fold(text: str) -> str:
    """Lower case without diacritics, one spelling for ı ł ß æ œ and apostrophes."""
    if text.isascii():
        return text.lower()
    return text.lower().translate(_FOLDED)


def tokens(text: str) -> list[str]:
    """The blank-separated tokens of a post, as its author wrote them."""
    return text[:LONGEST_TEXT].split()


def pieces(token: str) -> tuple[str, ...]:
    """The masked, folded pieces of one token: words, digit masks, tone marks, emoji; may be empty.

    ``pieces("@acme!!") == ("<handle>", "!", "!")``; ``pieces("49,90€") == ("00", "00", "€")``.
    """
    mark = ""
    if "@" in token:
        if _MAIL.search(token):
            return (MAIL,)
        if _HANDLE.search(token):
            mark, token = HANDLE, re.sub(r"@[\w.]*\w", " ", token)
    if "/" in token or "www." in token.lower():
        found = _LINK.search(token.lower())
        if found:
            return (*pieces(token[: found.start()]), LINK)
    if "#" in token:
        token = _CAMEL.sub(" ", token)
    kept = [_mask(piece) for piece in _PIECE.findall(unstretched(fold(token))) if not _DULL.match(piece)]
    return (mark, *kept) if mark else tuple(kept)


def unstretched(folded: str) -> str:
    """ "sooooo" is as long as "soo"."""
    # A search costs a tenth of a replacement, and few texts stretch.
    return _STRETCHED.sub(r"\1\1", folded) if _STRETCHED.search(folded) else folded


def plain_words(tokens: Sequence[str]) -> list[tuple[str, str]]:
    """Of each token that is one Latin word and marks without meaning, the folded word and its piece; else two empty texts.

    ``plain_words(["(Haaalo),", "bye!"]) == [("haaalo", "haalo"), ("", "")]``. Four tokens in five are plain, and all of
    them are read at once: ``pieces`` of such a token is its piece.
    """
    found: list[str] = _PLAIN.findall("\n".join(tokens)) if tokens else []
    folded = fold("\n".join(filter(None, found)))
    words = iter(zip(folded.split("\n"), unstretched(folded).split("\n"), strict=True))
    return [(word, piece[:LONGEST_PIECE]) for word, piece in (next(words) if each else ("", "") for each in found)]


class Beginnings:
    """Beginnings of words, and which of them a word has: one search in their sorted row."""

    def __init__(self, known: Iterable[str]) -> None:
        self._sorted = sorted(set(known))
        self.within: dict[str, str] = {}
        """The longest other known beginning of each; empty where it has none."""
        for start in self._sorted:  # shorter ones come first, and theirs are known already
            self.within[start] = self.longest(start[:-1])

    def longest(self, word: str) -> str:
        """The longest known beginning of a word, which may be all of it; empty where it has none."""
        at = bisect_right(self._sorted, word)
        start = self._sorted[at - 1] if at else ""
        # Whatever stands between a word and its beginning in the row begins alike: the answer is this one or within it.
        while not word.startswith(start):
            start = self.within[start]
        return start


def _mask(piece: str) -> str:
    """Digits become zeros (their number, up to four, tells a price from a year from an order); long pieces are cut."""
    if piece[0].isdigit():
        return (
            "0" * min(len(piece), 4)
            if piece not in {"1", "2", "3", "4", "5", "24", "48", "112", "911", "999"}
            else piece
        )
    return piece[:LONGEST_PIECE]
