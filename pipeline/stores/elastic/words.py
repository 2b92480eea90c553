"""Search by words, phrases and exclusions over text that ``pipeline.text`` has analysed: as queries.

Words are found in the field ``stems``, phrases in ``folded``; both hold what Python made of the text, and Elasticsearch
only splits them at blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

from pipeline.domain import Filters
from pipeline.errors import ConfigError
from pipeline.stores.elastic.wire import Document
from pipeline.text import folded, stems, stems_of, words

_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_TOKEN = re.compile(r"[0-9A-Za-z_\u0080-\U0010ffff]+")
_TERMS = 64  # more in one search is a paste by mistake
_PHRASE = 256  # words of one phrase that are looked for: a longer one is a paste too, and queries have a limit
_LONGEST = 127  # characters of a word, two UTF-16 units each at most: Elasticsearch's whitespace analyser cuts at 255
FACETS = ("brand", "source", "language", "category")
"""What people filter mentions and tickets by."""


def bag(text: str, language: str) -> list[str]:
    """The stems of a text, each once."""
    return sorted(set(_tokens(stems(text, language))))


def line(text: str) -> str:
    """The folded words of a text in their order."""
    return " ".join(_tokens(folded(text)))


def query(text: str, filters: Filters) -> Document | None:
    """The query of a search; ``None`` where only signs are searched for, which are not indexed.

    Raises ``ConfigError`` for a search that holds only exclusions.
    """
    wanted: list[Document] = []
    excluded: list[Document] = []
    for found in list(_TERM.finditer(text.replace("\0", " ")))[:_TERMS]:
        phrase, word = found["phrase"], found["word"]
        term = _phrase(phrase) if phrase is not None else _word(word)
        if term is not None:
            (excluded if found["minus"] else wanted).append(term)
    if text.strip() and not wanted:
        if excluded:
            raise ConfigError("this search only excludes; add a word that must be there")
        return None
    return {"bool": {"filter": [*wanted, *chosen(filters)], "must_not": excluded}}


def chosen(filters: Filters) -> list[Document]:
    """Filters as queries, but for those on claims."""
    named = ((name, getattr(filters, name)) for name in FACETS)
    return [{"term": {name: str(value)}} for name, value in named if value is not None]


def _phrase(phrase: str) -> Document | None:
    looked_for = " ".join(_tokens(" ".join(words(phrase)[:_PHRASE])))
    return {"match_phrase": {"folded": looked_for}} if looked_for else None


def _word(word: str) -> Document | None:
    """One word in any form; what is several words without a blank ("e-mail") is a phrase."""
    typed = re.findall(r"\w+", word)
    if len(typed) != 1:
        return _phrase(word)
    forms = {token for stem in stems_of(typed[0]) for form in words(stem) for token in _tokens(form)}
    return {"terms": {"stems": sorted(forms)}} if forms else None


def _tokens(analysed: str) -> Iterable[str]:
    """What stands between blanks, and between signs that folding may leave ("⒈" becomes "1."); long words by a digest."""
    for token in _TOKEN.findall(analysed):
        yield token if len(token) <= _LONGEST else f"long_{blake2b(token.encode(), digest_size=16).hexdigest()}"
