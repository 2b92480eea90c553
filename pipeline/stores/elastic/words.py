"""Search by words, phrases and exclusions over text that ``pipeline.text`` has analysed: as queries.

Words are found in the field ``stems``, phrases in ``folded``; both hold what Python made of the text, and Elasticsearch
only splits them at blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

from pipeline.domain import Filters
from pipeline.search import FACETS, Term, parsed
from pipeline.stores.elastic.wire import EPOCH, MICROSECOND, Document
from pipeline.text import folded, stems

_TOKEN = re.compile(r"[0-9A-Za-z_\u0080-\U0010ffff]+")
_PHRASE = 256  # words of one phrase that are looked for: a longer one is a paste too, and queries have a limit
_LONGEST = 127  # characters of a word, two UTF-16 units each at most: Elasticsearch's whitespace analyser cuts at 255
OF_TICKETS = ("brand", "source", "language", "category")
"""What people filter tickets by."""


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
    looked_for = parsed(text)
    if looked_for is None:
        return None
    wanted = [*map(_term, looked_for.wanted), *chosen(filters, FACETS), *_within(filters)]
    return {"bool": {"filter": wanted, "must_not": [_term(each) for each in looked_for.excluded]}}


def chosen(filters: Filters, names: Iterable[str]) -> list[Document]:
    """The filters of these names as queries."""
    named = ((name, getattr(filters, name)) for name in names)
    return [{"term": {name: str(value)}} for name, value in named if value is not None]


def _within(filters: Filters) -> list[Document]:
    ends = {"gte": filters.since, "lt": filters.until}
    asked = {sign: (end - EPOCH) // MICROSECOND for sign, end in ends.items() if end is not None}
    return [{"range": {"posted_at": asked}}] if asked else []


def _term(term: Term) -> Document:
    if term.words:
        return {"match_phrase": {"folded": " ".join(_tokens(" ".join(term.words[:_PHRASE])))}}
    return {"terms": {"stems": sorted(token for form in term.forms for token in _tokens(form))}}


def _tokens(analysed: str) -> Iterable[str]:
    """What stands between blanks, and between signs that folding may leave ("⒈" becomes "1."); long words by a digest."""
    for token in _TOKEN.findall(analysed):
        yield token if len(token) <= _LONGEST else f"long_{blake2b(token.encode(), digest_size=16).hexdigest()}"
