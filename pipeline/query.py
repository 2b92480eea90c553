"""One query, twice: compiled into each network's search language, and as the matcher that checks every mention here.

Networks search whole words and find too much or too little; what they return is matched again, on folded text, with
inflected names. The compiler and the matcher agree on plain words (tests hold them to it); the matcher knows more forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.domain import Query
from pipeline.errors import ConfigError
from pipeline.suffixes import inflected, searched_forms
from pipeline.text import fold, visible

_PLAIN = re.compile(r"[^\W_]+", re.UNICODE)
_OPERATORS = frozenset({"OR", "AND", "NOT"})
_ACCUSATIVE = re.compile(r"\w+ę\b", re.IGNORECASE)
_BETWEEN = r"[\W_]{0,2}"  # two words of a phrase: green basket, green-basket, GreenBasket
_HASHTAG = re.compile(r"#(\w+)")
_CAMEL = re.compile(r"[A-ZÀ-ÞĞİŞŁŻŹĆŚŃ]?[^\W\dA-ZÀ-ÞĞİŞŁŻŹĆŚŃ]+|[A-Z]{2,}(?![a-z])|\d+", re.UNICODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """A network's search language."""

    name: str
    either: bool = True  # whether it knows OR; else each name is a search of its own
    handles: bool = True  # whether @name is a term of its own
    phrases_excluded: bool = True  # whether -"a phrase" is known; else the matcher alone excludes it
    languages: bool = False  # whether lang:xx is known
    length: int | None = None  # most characters of one search


ALGOLIA = Syntax(name="Algolia", either=False, handles=False, phrases_excluded=False)
WEB = Syntax(name="web search", handles=False)


def x_syntax(length: int) -> Syntax:
    """X's language; how long a search may be depends on the access level."""
    return Syntax(name="X", languages=True, length=length)


def compile_query(query: Query, syntax: Syntax) -> tuple[str, ...]:
    """The searches that together ask for a query: every one whole, with all exclusions, below the length limit.

    Raises ``ConfigError`` naming the query and the part that does not fit.
    """
    arms = _arms(query, syntax)
    if not arms:
        raise ConfigError(
            f"query {query.name!r} has nothing to search {syntax.name} for; give it a name in any = [...]"
        )
    excluded = [part for part in query.none if syntax.phrases_excluded or len(_folded_words(part)) == 1]
    tail = "".join(f" {_required(part, syntax)}" for part in query.all)
    tail += "".join(f" -{_term(part)}" for part in excluded)
    if syntax.languages and query.languages:
        # "und" is what a network says of posts too short to tell: they are asked for as well and judged here.
        tail += f" ({' OR '.join(f'lang:{language}' for language in (*query.languages, 'und'))})"
    searches: list[str] = []
    pending: list[str] = []
    for arm in arms:
        if not _fits([arm], tail, syntax):
            raise ConfigError(
                f"query {query.name!r}: {arm!r} with its exclusions is longer than {syntax.name}'s {syntax.length}"
                " characters; shorten all, none or the brand's exclude"
            )
        if pending and not (syntax.either and _fits([*pending, arm], tail, syntax)):
            searches.append(_joined(pending) + tail)
            pending = []
        pending.append(arm)
    return (*searches, _joined(pending) + tail)


def _arms(query: Query, syntax: Syntax) -> list[str]:
    """The alternatives: each name as typed, without its diacritics, and in the forms a network would not find."""
    names: list[str] = []
    alone = {words[0] for name in query.any if name[:1] not in "@#" and len(words := _folded_words(name)) == 1}
    for name in query.any:
        if len(words := _folded_words(name)) > 1 and alone & set(words):
            continue  # whoever finds the word finds the phrase
        if name.startswith("@"):
            names += [name] if syntax.handles else []
            continue
        names += [name, fold(name)] if fold(name) != name.lower() else [name]
        *before, last = name.split() or [name]
        names += [" ".join([*before, form]) for form in searched_forms(last, query.languages)]
    if not names:
        names = [name.lstrip("@") for name in query.any]
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.lower(), _term(name))
    return list(dict.fromkeys(seen.values()))


def _required(part: str, syntax: Syntax) -> str:
    """A word that must be there, as typed or without its diacritics."""
    plain = fold(part) if fold(part) != part.lower() else part
    return _joined(list(dict.fromkeys([_term(part), _term(plain)]))) if syntax.either else _term(part)


def _joined(arms: Sequence[str]) -> str:
    return arms[0] if len(arms) == 1 else f"({' OR '.join(arms)})"


def _fits(arms: Sequence[str], tail: str, syntax: Syntax) -> bool:
    return syntax.length is None or len(_joined(arms) + tail) <= syntax.length


def _term(name: str) -> str:
    """One word bare, anything else as a phrase; quotes cannot be searched for."""
    plain = " ".join(name.replace('"', " ").split())
    mark, word = (plain[0], plain[1:]) if plain[:1] in "@#" else ("", plain)
    if _PLAIN.fullmatch(word.replace("_", "x")) and word not in _OPERATORS:
        return mark + word
    return f'"{plain}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How a text matched: the words as typed, whether a handle or hashtag of the brand is in it, whether it is its own."""

    words: tuple[str, ...]
    tagged: bool
    own: bool


class Matcher:
    """Whether a text is what a query listens for."""

    def __init__(self, query: Query) -> None:
        """Compile a query once; matching then costs a few microseconds."""
        self.own_accounts = frozenset(fold(account).lstrip("@") for account in query.own_accounts)
        self._any = re.compile(_alternatives(query.any))
        self._beginnings = _beginnings(query.any)
        self._all = [re.compile(_alternatives([part])) for part in query.all]
        self._none = re.compile(_alternatives(query.none, forms=False)) if query.none else None
        self._accusatives = _accusatives(query.any)
        handles = {fold(handle).lstrip("@") for handle in query.handles}
        tags = [_BETWEEN.join(map(re.escape, _folded_words(name))) for name in query.any if not name.startswith("@")]
        self._tags = re.compile(rf"(?<!\w)(?:@(?:{_either(handles)})|#(?:{'|'.join([_either(handles), *tags])}))(?!\w)")

    def match(self, text: str, *, author_handle: str = "") -> Match | None:
        """The match of a text, or ``None``. Exclusions look at the whole text."""
        plain = visible(text)
        folded = fold(plain)
        searched = folded + _hashtags(plain) if "#" in plain else folded
        # Looking for a few letters is many times as fast as trying every form at every place.
        if not any(beginning in searched for beginning in self._beginnings):
            return None
        found = next((each for each in self._any.finditer(searched) if not self._misread(each[0], plain)), None)
        if found is None or any(part.search(searched) is None for part in self._all):
            return None
        if self._none is not None and self._none.search(searched):
            return None
        same_places = len(folded) == len(plain) and found.end() <= len(plain)
        return Match(
            words=(plain[found.start() : found.end()] if same_places else found[0].replace("#", ""),),
            tagged=self._tags.search(searched) is not None,
            own=fold(author_handle).lstrip("@") in self.own_accounts,
        )

    def _misread(self, word: str, plain: str) -> bool:
        """Whether a Polish "Enervę" is only read into another word ("énervé", annoyed): its last letter must be typed."""
        if not word.endswith("e") or _PLAIN.findall(word)[-1] not in self._accusatives:
            return False
        return not any(word.endswith(fold(typed)) for typed in _ACCUSATIVE.findall(plain))


def _alternatives(names: Iterable[str], *, forms: bool = True) -> str:
    """Any of the names between word boundaries; a phrase's words may be parted by up to two other characters."""
    patterns = sorted({_pattern(name, forms=forms) for name in names if _folded_words(name)}, key=len, reverse=True)
    return rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)" if patterns else r"(?!)"


def _pattern(name: str, *, forms: bool) -> str:
    folded = fold(name).strip()
    if folded.startswith(("@", "#")):
        return re.escape(folded)
    *before, last = _folded_words(name)
    ending = inflected(last) if forms else rf"{re.escape(last)}(?:'?s)?"
    return _BETWEEN.join([*map(re.escape, before), ending]) if before else ending


def _accusatives(names: Iterable[str]) -> frozenset[str]:
    """The folded accusatives of names in -a, which other languages have words for."""
    lasts = {words[-1] for name in names if (words := _folded_words(name))}
    return frozenset(f"{last[:-1]}e" for last in lasts if last.endswith("a")) - lasts


def _folded_words(name: str) -> list[str]:
    return _PLAIN.findall(fold(name))


def _beginnings(names: Iterable[str]) -> tuple[str, ...]:
    """Letters of which a text must hold one to match: no form of a name changes the first three of its first word."""
    firsts = {words[0][: max(1, min(3, len(words[0]) - 2))] for name in names if (words := _folded_words(name))}
    return tuple(sorted(firsts))


def _either(names: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or r"(?!)"


def _hashtags(text: str) -> str:
    """The words inside hashtags, folded, each as one: "#LumivaFail" also says "#lumiva #fail"."""
    parts = [" ".join(f"#{word}" for word in _CAMEL.findall(tag)) for tag in _HASHTAG.findall(text)]
    return "\n" + fold("\n".join(parts))
