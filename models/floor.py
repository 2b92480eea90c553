"""The floor: named rules of grave wording in eight languages. A rule may raise urgency, never lower it.

``floor.toml`` holds the phrases. A phrase is a row of words: ``burn*`` any ending, ``hand|arm`` either, ``_`` a
blank inside one, ``..`` a few words between, ``(my|her)`` may be missing. Both sides are folded, so diacritics may be typed or not. A rule does
not fire where one of its *unless* phrases, or a negation just before, covers the place.

A post costs little: a token is looked up once, and a phrase is searched only in a post that holds its anchor (its
longest word) and its support (its second longest).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from models.outcome import Hit
from models.text import HANDLE, LINK, MAIL, fold, pieces, tokens

LEXICON = Path(__file__).with_name("floor.toml")
LANGUAGES = ("en", "de", "tr", "pl", "es", "fr", "pt", "it")
Fired = tuple[tuple[int, str], ...]
"""Numbers of rules with the words that made them fire."""
_REACH = {"de": 6, "tr": 6}
"""Words ``..`` reaches over; German and Turkish put the verb last, so theirs reaches farther."""
_USUAL_REACH = 4
_WORD = re.compile(r"[^\W_]+|[\U0001f300-\U0001faff]")
_CONTRACTED = re.compile(r"'(?=(?:t|s|m|d|re|ve|ll)\b)")  # "can't" is one word, "l'incendie" and "Lumiva'nın" are two
_STOP = re.compile(r"[.!?;:]['\")\]]*$")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase of one rule in one language; ``rule`` is its number."""

    rule: int
    language: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A named danger; a ``weak`` one is a feature of the model and never fires by itself."""

    name: str
    urgency: Literal["critical", "high"]
    crisis: bool
    weak: bool
    unless: dict[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """What one token is to the floor: its folded words, the phrases it anchors or supports, and who hears it.

    ``ears`` has a bit for each language of ``LANGUAGES`` with a phrase that it anchors.
    """

    words: str
    anchored: frozenset[int] = frozenset()
    supported: frozenset[int] = frozenset()
    ears: int = 0


class _Words:
    """Which phrases need a word, found by the word or by its beginning."""

    def __init__(self) -> None:
        self._whole: dict[str, set[int]] = {}
        self._starts: dict[str, set[int]] = {}

    def add(self, words: Sequence[str], phrase: int) -> None:
        for word in words:
            known = self._starts if word.endswith("*") else self._whole
            known.setdefault(word.rstrip("*"), set()).add(phrase)

    def phrases(self, words: Sequence[str]) -> frozenset[int]:
        found: set[int] = set()
        for word in words:
            if word in self._whole:
                found |= self._whole[word]
            for length in range(2, len(word) + 1):
                start = self._starts.get(word[:length])
                if start is not None:
                    found |= start
        return frozenset(found)


@cache
def _ready(pattern: str) -> re.Pattern[str]:
    """A pattern of the lexicon, compiled when it is first needed: 2,000 at once would take a second of every start."""
    return re.compile(pattern)


def spoken(language: str) -> tuple[str, ...]:
    """The languages whose phrases are searched: its own and English, which people mix in; all where it is not known."""
    if language == "und":
        return LANGUAGES
    return (language, "en") if language in LANGUAGES and language != "en" else ("en",)


def _ear(language: str) -> int:
    """The bit of a language."""
    return 1 << LANGUAGES.index(language)


def ears(language: str) -> int:
    """The bits of the languages whose phrases are searched in a post of this language."""
    return sum(_ear(heard) for heard in spoken(language))


def _element(element: str, reach: int) -> tuple[str, tuple[str, ...]]:
    """The pattern of one element of a phrase (with the blank after it) and the words one of which it must have."""
    if element == "..":
        return rf"(?:[^ .]+ ){{0,{reach}}}?", ()  # the mark of a sentence's end is never crossed
    choices = [choice.split("_") for choice in element.strip("()").split("|")]
    body = "|".join(" ".join(re.escape(word).replace(r"\*", "[^ .]*") for word in choice) for choice in choices)
    if element.startswith("("):
        return f"(?:(?:{body}) )?", ()
    return f"(?:{body}) ", tuple(max(choice, key=len) for choice in choices)


def _listed(phrase: str, lists: Mapping[str, str]) -> str:
    """The phrase with each ``{name}`` replaced by the words of that list."""
    for name, words in lists.items():
        phrase = phrase.replace("{" + name + "}", "|".join(words.split()))
    return phrase


def _compiled(phrase: str, language: str) -> tuple[str, list[tuple[str, ...]]]:
    """The pattern of a phrase over blank-separated words, and the words of its elements, the longest first."""
    built = ""
    needed: list[tuple[str, ...]] = []
    for element in _CONTRACTED.sub("", fold(phrase)).replace("'", " ").split():
        pattern, words = _element(element, _REACH.get(language, _USUAL_REACH))
        built += pattern
        if words:
            needed.append(words)
    return built, sorted(needed, key=lambda words: -min(map(len, words)))


class Lexicon:
    """The rules of ``floor.toml``, ready to search; tokens met before are remembered."""

    def __init__(self, path: Path = LEXICON) -> None:
        self.rules: list[Rule] = []
        self.phrases: list[Phrase] = []
        self._anchors, self._supports = _Words(), _Words()
        self._alone: set[int] = set()
        self._entries: dict[str, Entry] = {}
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        self._lists = {
            language: {name: words[language] for name, words in content["list"].items()} for language in LANGUAGES
        }
        self._denied = {
            language: re.compile(rf"(?:^| )(?:{'|'.join(fold(word) for word in words.split())}) (?:[^ .]+ )?$")
            for language, words in content["negation"]["before"].items()
        }
        self._denied_after = {
            language: re.compile(rf"(?:[^ .]+ )?(?:{'|'.join(fold(word) for word in words.split())}) ")
            for language, words in content["negation"]["after"].items()
        }
        for number, rule in enumerate(content["rule"]):
            self._add(number, rule)
        self._heard = {
            language: frozenset(n for n, phrase in enumerate(self.phrases) if phrase.language in spoken(language))
            for language in (*LANGUAGES, "und", "")
        }

    def _add(self, number: int, rule: dict[str, object]) -> None:
        unless: dict[str, str] = {}
        for language in LANGUAGES:
            wordings = rule.get(language)
            if not isinstance(wordings, dict):
                continue
            for phrase in wordings.get("match", ()):
                built, needed = _compiled(_listed(phrase, self._lists[language]), language)
                self._anchors.add(needed[0], len(self.phrases))
                if len(needed) > 1:
                    self._supports.add(needed[1], len(self.phrases))
                else:
                    self._alone.add(len(self.phrases))
                self.phrases.append(Phrase(number, language, f"(?<= ){built}"))
            if wordings.get("unless"):
                harmless = "|".join(
                    _compiled(_listed(phrase, self._lists[language]), language)[0] for phrase in wordings["unless"]
                )
                unless[language] = f"(?<= )(?:{harmless})"
        urgency: Literal["critical", "high"] = "critical" if rule["urgency"] == "critical" else "high"
        self.rules.append(Rule(str(rule["name"]), urgency, bool(rule["crisis"]), bool(rule.get("weak")), unless))

    def entry(self, token: str) -> Entry:
        """What one token is to the floor."""
        known = self._entries.get(token)
        if known is None:
            if len(self._entries) > 1 << 18:
                self._entries.clear()
            known = self._entries[token] = self._read(token)
        return known

    def _read(self, token: str) -> Entry:
        if "@" in token or "/" in token or "www." in token.lower():
            masked = pieces(token)
            if HANDLE in masked or LINK in masked or MAIL in masked:
                return Entry("")
        words = _WORD.findall(_CONTRACTED.sub("", fold(token)))
        stop = [". "] if words and _STOP.search(token) else []
        anchored = self._anchors.phrases(words)
        ears = 0
        for number in anchored:
            ears |= _ear(self.phrases[number].language)
        spelled = "".join([*(f"{word} " for word in words), *stop])
        return Entry(spelled, anchored, self._supports.phrases(words), ears)

    def possible(self, entries: Sequence[Entry], language: str) -> frozenset[int]:
        """The phrases whose anchor and support both stand among the tokens of a post; few posts have any."""
        heard = self._heard.get(language, self._heard[""])
        anchored = frozenset[int]().union(*[entry.anchored for entry in entries if entry.anchored]) & heard
        if not anchored:
            return anchored
        return anchored & self._alone.union(*[entry.supported for entry in entries if entry.supported])

    def search(self, post: Sequence[str], possible: frozenset[int]) -> Iterator[tuple[int, str]]:
        """The number of each rule with one of these phrases in the post, weak rules too, and its words as written."""
        entries = [self.entry(token) for token in post]
        text = " " + "".join([entry.words for entry in entries])
        fired: set[int] = set()
        for number in sorted(possible):
            phrase = self.phrases[number]
            if phrase.rule in fired:
                continue
            for found in _ready(phrase.pattern).finditer(text):
                if not self._harmless(phrase, text, found.start(), found.end()):
                    fired.add(phrase.rule)
                    yield phrase.rule, _as_written(post, entries, found.start(), found.end())
                    break

    def _harmless(self, phrase: Phrase, text: str, start: int, end: int) -> bool:
        before = self._denied.get(phrase.language)
        if before is not None and before.search(text, max(0, start - 40), start):
            return True
        after = self._denied_after.get(phrase.language)
        if after is not None and after.match(text, end):
            return True
        unless = self.rules[phrase.rule].unless.get(phrase.language)
        return unless is not None and any(m.start() < end and start < m.end() for m in _ready(unless).finditer(text))


def _as_written(post: Sequence[str], entries: Sequence[Entry], start: int, end: int) -> str:
    """The tokens that cover a place of the folded text."""
    at = 1
    covered: list[str] = []
    for token, entry in zip(post, entries, strict=True):
        if at < end and at + len(entry.words) > start and entry.words:
            covered.append(token)
        at += len(entry.words)
    return " ".join(covered).strip(".,;:!?\"'()")


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The shipped lexicon, read once."""
    return Lexicon()


def fired(post: Sequence[str], language: str) -> Fired:
    """The number of each rule that fires on the tokens of a post, weak ones too, and the words that made it fire."""
    possible = lexicon().possible([lexicon().entry(token) for token in post], language)
    return tuple(lexicon().search(post, possible)) if possible else ()


def hits_among(found: Fired) -> tuple[Hit, ...]:
    """The hits of fired rules, gravest first; a weak rule gives none."""
    rules = lexicon().rules
    strong = [
        Hit(rule=rules[number].name, urgency=rules[number].urgency, crisis=rules[number].crisis, words=words)
        for number, words in found
        if not rules[number].weak
    ]
    return tuple(sorted(strong, key=lambda hit: (hit.urgency, not hit.crisis, hit.rule)))


def hits(text: str, language: str) -> tuple[Hit, ...]:
    """The floor rules that fire on a post in a language (ISO code, ``und`` if not known), gravest first."""
    return hits_among(fired(tokens(text), language))


def hits_of(texts: Sequence[str], languages: Sequence[str]) -> list[tuple[Hit, ...]]:
    """The floor rules that fire on each post, in the order of the posts."""
    return [hits(text, language) for text, language in zip(texts, languages, strict=True)]
