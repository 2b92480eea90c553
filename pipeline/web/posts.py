"""Somebody else's text as it may stand on a page: links shown, hidden characters made visible, the words that matter marked.

Everything here returns plain pieces; the template escapes them. Nothing is fetched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.domain import WHOLE_POST, Score
from pipeline.highlight import Span, clusters, joined, spans
from pipeline.search import Term
from pipeline.text import fold

EXCERPT = 280
"""Characters of a post in a list: two to three lines, the length of a classic post."""

LONG = 700
"""Characters of a post on its ticket before the rest is folded away."""

# Hidden characters inside a word do not split it.
_WORD = re.compile(r"\w(?:[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*\w)*")
_LINK = re.compile(r"https?://[^\s<>\"'`|{}\\^]+", re.IGNORECASE)
_LINK_END = ".,;:!?)]}…»”’"  # punctuation after a link belongs to the sentence

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u200b\u2060-\u2064\ufeff\u00ad\u180e"
_JOINERS = "\u200c\u200d"  # one alone is spelling (emoji families, Persian); a run of them hides something
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029"
_TAGS = "\U000e0001\U000e0020-\U000e007f"  # letters nobody sees, but for the flags they spell after a black flag
_HIDDEN = re.compile(
    rf"[{_BIDI}{_CONTROL}]|[{_INVISIBLE}][{_INVISIBLE}{_JOINERS}]*|[{_JOINERS}][{_INVISIBLE}{_JOINERS}]+"
    rf"|(?<!\U0001f3f4)(?<![{_TAGS}])[{_TAGS}]+"
)
_SPACE = re.compile(r"[^\S\u2028\u2029]+")

Found = tuple[str, int, int]  # a word folded, and where it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a post; ``hint`` says what a hidden character is."""

    kind: Literal["text", "strong", "link", "hidden"]
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A post in pieces, and what of it is folded away."""

    pieces: tuple[Piece, ...]
    rest: tuple[Piece, ...] = ()
    rest_length: int = 0


def reasons(score: Score) -> list[str]:
    """The words behind a score, as written: rules first, then the strongest signals."""
    worded = (signal for signal in score.signals if signal.because != WHOLE_POST)
    signals = sorted(worded, key=lambda signal: -signal.value)[:4]
    told = [hit.words for hit in score.rules] + [signal.because for signal in signals]
    return [because for because in told if because.strip()]


def excerpt(text: str, *, strong: Iterable[str] = (), wanted: Sequence[Term] = (), language: str = "und") -> Shown:
    """A post in a list: one paragraph, around the first marked words when they come late."""
    flat = _SPACE.sub(" ", text).strip()
    marks = joined([*_marked(flat, strong), *spans(flat, language, wanted)])
    start, end = _window(flat, marks)
    pieces = _pieces(flat, marks, start, end)
    before = (Piece(kind="text", text="… "),) if start else ()
    after = (Piece(kind="text", text=" …"),) if end < len(flat) else ()
    return Shown(pieces=(*before, *pieces, *after))


def whole(text: str, *, strong: Iterable[str] = ()) -> Shown:
    """A post on its ticket: line breaks kept, folded beyond ``LONG`` characters."""
    tidy = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    marks = joined(_marked(tidy, strong))
    cut = len(tidy) if len(tidy) <= LONG * 1.2 else _before_word(tidy, LONG)
    return Shown(
        pieces=tuple(_pieces(tidy, marks, 0, cut)),
        rest=tuple(_pieces(tidy, marks, cut, len(tidy))),
        rest_length=len(tidy) - cut,
    )


def line(text: str, length: int = 120) -> str:
    """One line of plain text with hidden characters named: for names, titles and attributes."""
    flat = _HIDDEN.sub(lambda match: f"‹{_code(match[0])}›", _SPACE.sub(" ", text).strip())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


# --- marking --------------------------------------------------------------------------------------------------------


def _marked(text: str, strong: Iterable[str]) -> list[Span]:
    found: list[Found] = [(fold(match[0]), match.start(), match.end()) for match in _WORD.finditer(text)]
    marks: list[Span] = []
    for phrase in strong:
        marks += _said(phrase, found) or [span for part in phrase.split(", ") for span in _said(part, found)]
    return marks


def _said(phrase: str, found: Sequence[Found]) -> list[Span]:
    return _runs([fold(word) for word in _WORD.findall(phrase)], found)


def _runs(wanted: Sequence[str], found: Sequence[Found]) -> list[Span]:
    """Where these words stand one after the other, whatever is between them."""
    size = len(wanted)
    words = [word for word, *_ in found]
    starts = range(len(words) - size + 1) if wanted else ()
    return [(found[i][1], found[i + size - 1][2]) for i in starts if words[i : i + size] == list(wanted)]


# --- cutting --------------------------------------------------------------------------------------------------------


def _window(text: str, spans: Sequence[Span]) -> Span:
    if len(text) <= EXCERPT:
        return 0, len(text)
    first = spans[0][0] if spans else 0
    start = 0 if first < EXCERPT - 60 else _before_word(text, first - 60)
    return start, _before_word(text, start + EXCERPT) if start + EXCERPT < len(text) else len(text)


def _before_word(text: str, at: int) -> int:
    """The nearest blank at or before a position; where that is far off (languages without blanks), the nearest character."""
    near = max(0, at - 40)
    blank = text.rfind(" ", near, at + 1)
    return blank if blank > 0 else near + max(place for place in clusters(text[near : at + 1]) if place <= at - near)


def _pieces(text: str, spans: Sequence[Span], start: int, end: int) -> list[Piece]:
    pieces: list[Piece] = []
    at = start
    for match in _LINK.finditer(text, start, end):
        stop = match.start() + len(match[0].rstrip(_LINK_END))
        pieces += _words(text, spans, at, match.start())
        pieces += _link(text[match.start() : stop])
        at = stop
    return pieces + _words(text, spans, at, end)


def _link(url: str) -> list[Piece]:
    """A link whose address holds a hidden character is shown as text: what one sees is not where one would go."""
    if _HIDDEN.search(url):
        return _visible(url, "text")
    return [Piece(kind="link", text=url)]


def _words(text: str, spans: Sequence[Span], start: int, end: int) -> list[Piece]:
    pieces: list[Piece] = []
    at = start
    for first, last in spans:
        if last <= at or first >= end:
            continue
        pieces += _visible(text[at : max(at, first)], "text")
        pieces += _visible(text[max(at, first) : min(last, end)], "strong")
        at = min(last, end)
    return pieces + _visible(text[at:end], "text")


def _visible(text: str, kind: Literal["text", "strong"]) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for match in _HIDDEN.finditer(text):
        if match.start() > at:
            pieces.append(Piece(kind=kind, text=text[at : match.start()]))
        pieces.append(Piece(kind="hidden", text=_code(match[0]), hint=_names(match[0])))
        at = match.end()
    if at < len(text):
        pieces.append(Piece(kind=kind, text=text[at:]))
    return pieces


def _code(run: str) -> str:
    first = f"U+{ord(run[0]):04X}"
    return first if len(run) == 1 else f"{first} ×{len(run)}"


def _names(run: str) -> str:
    name = unicodedata.name(run[0], "control character").lower()
    return f"hidden: {name}" if len(run) == 1 else f"{len(run)} hidden characters: {name} and the like"
