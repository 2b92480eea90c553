"""X's query language, evaluated: words, "phrases", OR, brackets, minus, and the operators a listener uses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Test = Callable[[Mapping[str, object]], bool]
"""Whether a post (text, author, lang, kind) fits."""

_TOKEN = re.compile(r'\s*(-?)(?:(\()|(\))|"([^"]*)"|([^\s()"]+))')
STANDALONE = ("from", "to", "conversation_id", "url", "retweets_of")
CONJUNCTION = ("lang", "is", "has", "sample")


class QueryError(ValueError):
    """The query is none that X accepts."""


def tokens(text: str) -> list[str]:
    """Words without case and accents, parted by punctuation, as X and Algolia index them."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ı", "i").replace("ł", "l"))
    return re.findall(r"\w+", "".join(letter for letter in plain if not unicodedata.combining(letter)))


@dataclass(frozen=True, slots=True)
class _Term:
    test: Test
    standalone: bool


def compiled(query: str) -> Test:
    """The test that a query makes; raises ``QueryError``."""
    parts = list(_parts(query))
    term, rest = _either(parts)
    if rest:
        raise QueryError(f"unexpected {rest[0][1]!r}")
    if not term.standalone:
        raise QueryError("at least one standalone operator is needed")
    return term.test


def _parts(query: str) -> Iterator[tuple[bool, str, str]]:
    at = 0
    query = query.rstrip()
    while at < len(query):
        found = _TOKEN.match(query, at)
        if found is None:
            raise QueryError(f"cannot read {query[at:]!r}")
        minus, opening, closing, phrase, word = found.groups()
        kind = "(" if opening else ")" if closing else "phrase" if phrase is not None else "word"
        yield bool(minus), kind, opening or closing or (phrase if phrase is not None else word)
        at = found.end()


def _either(parts: list[tuple[bool, str, str]]) -> tuple[_Term, list[tuple[bool, str, str]]]:
    """Arms joined by OR; blanks (and) bind closer."""
    arm, parts = _every(parts)
    arms = [arm]
    while parts and parts[0] == (False, "word", "OR"):
        arm, parts = _every(parts[1:])
        arms.append(arm)
    # -a OR b is refused by X, as it would be nearly everything.
    standalone = all(arm.standalone for arm in arms)
    return _Term(lambda post: any(arm.test(post) for arm in arms), standalone), parts


def _every(parts: list[tuple[bool, str, str]]) -> tuple[_Term, list[tuple[bool, str, str]]]:
    terms: list[_Term] = []
    while parts and parts[0][1] != ")" and parts[0] != (False, "word", "OR"):
        term, parts = _one(parts)
        terms.append(term)
    if not terms:
        raise QueryError("an arm is empty")
    standalone = any(term.standalone for term in terms)
    return _Term(lambda post: all(term.test(post) for term in terms), standalone), parts


def _one(parts: list[tuple[bool, str, str]]) -> tuple[_Term, list[tuple[bool, str, str]]]:
    minus, kind, value = parts[0]
    rest = parts[1:]
    if kind == "(":
        term, rest = _either(rest)
        if not rest or rest[0][1] != ")":
            raise QueryError("a bracket is not closed")
        rest = rest[1:]
    else:
        term = _atom(kind, value)
    if minus:
        inner = term.test
        return _Term(lambda post: not inner(post), False), rest
    return term, rest


def _atom(kind: str, value: str) -> _Term:
    if kind == "phrase" or ":" not in value:
        return _words(value)
    operator, _, argument = value.partition(":")
    if operator not in STANDALONE + CONJUNCTION or not argument:
        raise QueryError(f"unknown operator {value!r}")
    tests: dict[str, Test] = {
        "from": lambda post: str(post["author"]).lower() == argument.lower().removeprefix("@"),
        "lang": lambda post: post.get("lang") == argument,
        "is": lambda post: post.get("kind") == argument,
    }
    return _Term(tests.get(operator, lambda post: False), operator in STANDALONE)


def _words(value: str) -> _Term:
    mark = value[0] if value[:1] in "@#$" else ""
    wanted = tokens(value)
    if not wanted:
        raise QueryError(f"no word in {value!r}")

    def test(post: Mapping[str, object]) -> bool:
        text = str(post["text"])
        if mark:
            return bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE))
        words = tokens(text)
        return any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))

    return _Term(test, standalone=True)
