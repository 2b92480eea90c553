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
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from models.outcome import Hit
from models.text import HANDLE, LINK, MAIL, Beginnings, fold, pieces, tokens

LEXICON = Path(__file__).with_name("floor.toml")
LANGUAGES = ("en", "de", "tr", "pl", "es", "fr", "pt", "it")
Fired = tuple[tuple[int, str], ...]
"""Numbers of rules with the words that made them fire."""
_REACH = {"de": 6, "tr": 6}
"""Words ``..`` reaches over; German and Turkish put the verb last, so theirs reaches farther."""
_USUAL_REACH = 4
SHORTEST_START = 2
"""Letters of a beginning: one letter begins too many words."""
_WORD = re.compile(r"[^\W_]+|[\U0001f300-\U0001faff]")
_CONTRACTED = re.compile(r"'(?=(?:t|s|m|d|re|ve|ll)\b)")  # "can't" is one word, "l'incendie" and "Lumiva'nın" are two
_STOP = re.compile(r"[.!?;:]['\")\]]*$")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase of one rule in one language; ``rule`` is its number, ``longest`` the words it covers at most."""

    rule: int
    language: str
    pattern: str
    longest: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A named danger; a ``weak`` one is a feature of the model and never fires by itself."""

    name: str
    urgency: Literal["critical", "high"]
    crisis: bool
    weak: bool
    unless: dict[str, str]


@dataclass(frozen=True, slots=True)
class Need:
    """The phrases that need a token: those it anchors or supports, and who hears it.

    ``ears`` has a bit for each language of ``LANGUAGES`` with a phrase that it anchors, ``helps`` with one that it supports.
    """

    anchored: frozenset[int]
    supported: frozenset[int]
    ears: int
    helps: int


NO_NEED = Need(frozenset(), frozenset(), 0, 0)
"""Of most words."""
_OPENING = 4
"""Letters by which words that begin like no phrase's are told: seven in eight."""


class _Words:
    """What a folded word is needed for, found by the word or by its beginning."""

    def __init__(self, anchors: Mapping[str, set[int]], supports: Mapping[str, set[int]], ears: Sequence[int]) -> None:
        self._ears = ears
        self._whole: dict[str, Need] = {}
        self._begun = {"": NO_NEED}
        words = anchors.keys() | supports.keys()
        self._beginnings = Beginnings(
            word.rstrip("*") for word in words if word.endswith("*") and len(word) > SHORTEST_START
        )
        # Most words begin like no phrase's: a look at their first letters says so.
        self._openings = {start[:_OPENING] for start in self._beginnings.within if len(start) >= _OPENING}
        self._short = tuple(start for start in self._beginnings.within if len(start) < _OPENING)
        for start, within in self._beginnings.within.items():  # shorter ones come first
            word = f"{start}*"
            self._begun[start] = self._joined(self._begun[within], anchors.get(word, ()), supports.get(word, ()))
        for word in words:
            if not word.endswith("*"):
                begun = self._begun[self._beginnings.longest(word)]
                self._whole[word] = self._joined(begun, anchors.get(word, ()), supports.get(word, ()))

    def needs(self, word: str) -> Need:
        """Every phrase that needs the word."""
        found = self._whole.get(word)
        if found is not None:
            return found
        if word[:_OPENING] in self._openings or word.startswith(self._short):
            return self._begun[self._beginnings.longest(word)]
        return NO_NEED

    def of_each(self, words: Sequence[str]) -> list[Need]:
        """Every phrase that needs each of the words."""
        whole, openings, short = self._whole, self._openings, self._short
        # Spelled out, because it is done for every new word.
        return [
            self.needs(word) if word in whole or word[:_OPENING] in openings or word.startswith(short) else NO_NEED
            for word in words
        ]

    def of_all(self, words: Sequence[str]) -> Need:
        """Every phrase that needs one of the words."""
        found = NO_NEED
        for word in words:
            need = self.needs(word)
            if need is not NO_NEED:
                found = need if found is NO_NEED else self._joined(found, need.anchored, need.supported)
        return found

    def _joined(self, need: Need, anchored: Collection[int], supported: Collection[int]) -> Need:
        ears, helps = need.ears, need.helps
        for number in anchored:
            ears |= self._ears[number]
        for number in supported:
            helps |= self._ears[number]
        return Need(need.anchored.union(anchored), need.supported.union(supported), ears, helps)


def words_of(token: str) -> list[str]:
    """The folded words of a token; a link, handle or address has none."""
    if "@" in token or "/" in token or "www." in token.lower():
        masked = pieces(token)
        if HANDLE in masked or LINK in masked or MAIL in masked:
            return []
    folded = fold(token)
    return _WORD.findall(_CONTRACTED.sub("", folded) if "'" in folded else folded)


@lru_cache(maxsize=1 << 14)
def _spelled(token: str) -> str:
    """A token as phrases are searched in: its words with a blank after each, and the mark of a sentence's end."""
    words = words_of(token)
    return "".join([*(f"{word} " for word in words), *([". "] if words and _STOP.search(token) else [])])


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


def _element(element: str, reach: int) -> tuple[str, tuple[str, ...], int]:
    """The pattern of one element of a phrase (with the blank after it), the words one of which it must have, and how many
    words it covers at most."""
    if element == "..":
        return rf"(?:[^ .]+ ){{0,{reach}}}?", (), reach  # the mark of a sentence's end is never crossed
    choices = [choice.split("_") for choice in element.strip("()").split("|")]
    body = "|".join(" ".join(re.escape(word).replace(r"\*", "[^ .]*") for word in choice) for choice in choices)
    longest = max(map(len, choices))
    if element.startswith("("):
        return f"(?:(?:{body}) )?", (), longest
    grouped = f"(?:{body}) " if len(choices) > 1 else f"{body} "  # half the work for the compiler
    return grouped, tuple(max(choice, key=len) for choice in choices), longest


def _listed(phrase: str, lists: Mapping[str, str]) -> str:
    """The phrase with each ``{name}`` replaced by the words of that list."""
    for name, words in lists.items():
        phrase = phrase.replace("{" + name + "}", "|".join(words.split()))
    return phrase


def _compiled(phrase: str, language: str) -> tuple[str, list[tuple[str, ...]], int]:
    """The pattern of a phrase over blank-separated words, the words of its elements, the longest first, and how many words
    it covers at most."""
    built, longest = "", 0
    needed: list[tuple[str, ...]] = []
    for element in _CONTRACTED.sub("", fold(phrase)).replace("'", " ").split():
        pattern, words, covered = _element(element, _REACH.get(language, _USUAL_REACH))
        built += pattern
        longest += covered
        if words:
            needed.append(words)
    return built, sorted(needed, key=lambda words: -min(map(len, words))), longest


class Lexicon:
    """The rules of ``floor.toml``, ready to search."""

    def __init__(self, path: Path = LEXICON) -> None:
        self.rules: list[Rule] = []
        self.phrases: list[Phrase] = []
        self._alone: set[int] = set()
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
        anchors, supports = defaultdict[str, set[int]](set), defaultdict[str, set[int]](set)
        for number, rule in enumerate(content["rule"]):
            self._add(number, rule, anchors, supports)
        self._words = _Words(anchors, supports, [_ear(phrase.language) for phrase in self.phrases])
        self._heard = {
            language: frozenset(n for n, phrase in enumerate(self.phrases) if phrase.language in spoken(language))
            for language in (*LANGUAGES, "und", "")
        }

    def _add(
        self, number: int, rule: dict[str, object], anchors: dict[str, set[int]], supports: dict[str, set[int]]
    ) -> None:
        unless: dict[str, str] = {}
        for language in LANGUAGES:
            wordings = rule.get(language)
            if not isinstance(wordings, dict):
                continue
            for phrase in wordings.get("match", ()):
                built, needed, longest = _compiled(_listed(phrase, self._lists[language]), language)
                for word in needed[0]:
                    anchors[word].add(len(self.phrases))
                for word in needed[1] if len(needed) > 1 else ():
                    supports[word].add(len(self.phrases))
                if len(needed) == 1:
                    self._alone.add(len(self.phrases))
                self.phrases.append(Phrase(number, language, f"(?<= ){built}", longest))
            if wordings.get("unless"):
                harmless = "|".join(
                    _compiled(_listed(phrase, self._lists[language]), language)[0] for phrase in wordings["unless"]
                )
                unless[language] = f"(?<= )(?:{harmless})"
        urgency: Literal["critical", "high"] = "critical" if rule["urgency"] == "critical" else "high"
        self.rules.append(Rule(str(rule["name"]), urgency, bool(rule["crisis"]), bool(rule.get("weak")), unless))

    def needs(self, words: Sequence[str]) -> Need:
        """The phrases that need one of the folded words of a token."""
        return self._words.needs(words[0]) if len(words) == 1 else self._words.of_all(words)

    def needs_of_each(self, words: Sequence[str]) -> list[Need]:
        """The phrases that need each of many folded words, ``NO_NEED`` most often."""
        return self._words.of_each(words)

    def possible(self, needs: Sequence[tuple[int, Need]], language: str) -> frozenset[int]:
        """The phrases whose anchor and support stand near enough to each other in a post; few posts have any.

        ``needs`` go with the places of their tokens, counted over tokens with words.
        """
        heard = self._heard.get(language, self._heard[""])
        anchored = frozenset[int]().union(*[need.anchored for _, need in needs if need.anchored]) & heard
        if not anchored:
            return anchored
        both = anchored & self._alone.union(*[need.supported for _, need in needs if need.supported])
        return frozenset(number for number in both if number in self._alone or self._near(number, needs))

    def _near(self, number: int, needs: Sequence[tuple[int, Need]]) -> bool:
        """Whether an anchor and a support of a phrase are no farther apart than it is long."""
        anchors = [place for place, need in needs if number in need.anchored]
        longest = self.phrases[number].longest
        return any(
            abs(anchor - place) < longest for place, need in needs if number in need.supported for anchor in anchors
        )

    def search(self, post: Sequence[str], possible: frozenset[int]) -> Iterator[tuple[int, str]]:
        """The number of each rule with one of these phrases in the post, weak rules too, and its words as written."""
        spelled = list(map(_spelled, post))
        text = " " + "".join(spelled)
        fired: set[int] = set()
        for number in sorted(possible):
            phrase = self.phrases[number]
            if phrase.rule in fired:
                continue
            for found in _ready(phrase.pattern).finditer(text):
                if not self._harmless(phrase, text, found.start(), found.end()):
                    fired.add(phrase.rule)
                    yield phrase.rule, _as_written(post, spelled, found.start(), found.end())
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


def _as_written(post: Sequence[str], spelled: Sequence[str], start: int, end: int) -> str:
    """The tokens that cover a place of the folded text."""
    at = 1
    covered: list[str] = []
    for token, words in zip(post, spelled, strict=True):
        if at < end and at + len(words) > start and words:
            covered.append(token)
        at += len(words)
    return " ".join(covered).strip(".,;:!?\"'()")


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The shipped lexicon, read once."""
    return Lexicon()


def fired(post: Sequence[str], language: str) -> Fired:
    """The number of each rule that fires on the tokens of a post, weak ones too, and the words that made it fire."""
    needs = [lexicon().needs(words) for token in post if (words := words_of(token))]
    possible = lexicon().possible([(place, need) for place, need in enumerate(needs) if need is not NO_NEED], language)
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
