"""A search as a person types it, and the numbers over what it finds: read and counted here for every store alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from pipeline.domain import MOST_COUNTED, QUARTER, Facets
from pipeline.errors import ConfigError
from pipeline.text import stems_of, words

FACETS = ("brand", "source", "language", "category", "sentiment", "urgency")
"""What mentions are filtered by and counted by, beside the day."""

_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_TERMS = 64  # more in one search is a paste by mistake; FTS5's parser has a depth limit
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing that is looked for: folded words in this order, or one word in any of its forms."""

    words: tuple[str, ...] = ()
    forms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a post must hold all of, and none of."""

    wanted: tuple[Term, ...] = ()
    excluded: tuple[Term, ...] = ()


def parsed(text: str) -> Search | None:
    """The search that a text asks for; an empty one wants nothing, so it finds everything.

    ``None`` where only signs are looked for, which are not indexed. Raises ``ConfigError`` where it only excludes.
    """
    wanted: list[Term] = []
    excluded: list[Term] = []
    for found in list(_TERM.finditer(text.replace("\0", " ")))[:_TERMS]:
        phrase, word = found["phrase"], found["word"]
        term = _phrase(phrase) if phrase is not None else _word(word)
        if term is not None:
            (excluded if found["minus"] else wanted).append(term)
    if text.strip() and not wanted:
        if excluded:
            raise ConfigError("this search only excludes; add a word that must be there")
        return None
    return Search(wanted=tuple(wanted), excluded=tuple(excluded))


def _phrase(phrase: str) -> Term | None:
    looked_for = tuple(words(phrase))
    return Term(words=looked_for) if looked_for else None


def _word(word: str) -> Term | None:
    """One word in any form; what is several words without a blank ("e-mail") is a phrase."""
    typed = re.findall(r"\w+", word)
    if len(typed) != 1:
        return _phrase(word)
    forms = frozenset(form for stem in stems_of(typed[0]) for form in words(stem))
    return Term(forms=forms) if forms else None


def counted(total: int, values: Mapping[str, Mapping[str, int]], quarters: Mapping[int, int], zone: tzinfo) -> Facets:
    """The facets of what was counted: by each of ``FACETS``, and by the quarter of an hour of posting, on one of which
    every zone's midnight lies.

    ``total`` is that of all found, or anything above ``MOST_COUNTED`` where no more were counted.
    """
    days: Counter[date] = Counter()
    for quarter, count in quarters.items():
        days[(_EPOCH + quarter * QUARTER).astimezone(zone).date()] += count
    frequent = {
        name: dict(sorted(values[name].items(), key=lambda each: (-each[1], each[0])) if name in values else ())
        for name in FACETS
    }
    return Facets(
        total=min(total, MOST_COUNTED),
        more=total > MOST_COUNTED,
        day=dict(sorted(days.items(), reverse=True)),
        **frequent,
    )
