"""Search by words, phrases and exclusions over text that ``pipeline.text`` has analysed."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pipeline.domain import Filters, ScoredMention
from pipeline.errors import ConfigError
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.rows import MENTION_COLUMNS, columns, scored_mention, text_of
from pipeline.text import fold, folded, stems, stems_of, words

_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_TERMS = 64  # more in one search is a paste by mistake; FTS5's parser has a depth limit
_FACETS = ("brand", "source", "language", "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    wanted: tuple[str, ...]
    excluded: tuple[str, ...]


INSERT_WORDS = "INSERT INTO words (rowid, folded, stems, facets) VALUES (?, ?, ?, ?)"
"""Rows must come in the order of their numbers: FTS5 flushes at each that does not."""

DELETE_WORDS = "INSERT INTO words (words, rowid, folded, stems, facets) VALUES ('delete', ?, ?, ?, ?)"
"""FTS5 keeps no text: what is deleted must be told as it was inserted."""

Words = tuple[str, str, str]
"""What a mention is found by: its folded words, their stems, and what people filter by."""


def analysed(item: ScoredMention) -> Words:
    """What a mention is found by: its folded words, their stems, and what people filter by."""
    mention = item.mention
    plain = fold(mention.text)
    return (
        plain if plain.isascii() else folded(mention.text),  # the tokenizer splits ASCII where ``folded`` does
        stems(mention.text, mention.language),
        _facets(mention.brand, mention.source, mention.language, item.score.category_label.value),
    )


class SqliteSearch:
    """``ports.Mentions.search`` in SQLite."""

    _database: Database

    def search(self, text: str, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[ScoredMention]:
        """Mentions holding every word (any form), every "phrase" and no -excluded one, newest first.

        An empty text lists all. Raises ``ConfigError`` for a search that holds only exclusions.
        """
        terms = _parse(text)
        if text.strip() and not terms.wanted:
            if terms.excluded:
                raise ConfigError("this search only excludes; add a word that must be there")
            return []  # only punctuation, which is not indexed
        wanted = [*terms.wanted, *_facet_terms(filters)]
        with self._database.read() as connection:
            if wanted:
                match = " AND ".join(wanted) + "".join(f" NOT {term}" for term in terms.excluded)
                rows = connection.execute(
                    f"SELECT {columns(MENTION_COLUMNS, 'mentions')} FROM words"
                    " CROSS JOIN mentions ON mentions.number = words.rowid"
                    " WHERE words MATCH ? ORDER BY words.rowid DESC LIMIT ? OFFSET ?",
                    (match, limit, offset),
                )
            else:
                rows = connection.execute(
                    f"SELECT {columns(MENTION_COLUMNS)} FROM mentions ORDER BY number DESC LIMIT ? OFFSET ?",
                    (limit, offset),
                )
            return [scored_mention(row) for row in rows]


def _parse(text: str) -> _Terms:
    """The search as FTS5 terms. Only words and quotes of ours reach FTS5, so no syntax of its own can be typed."""
    wanted: list[str] = []
    excluded: list[str] = []
    for found in list(_TERM.finditer(text.replace("\0", " ")))[:_TERMS]:
        phrase, word = found["phrase"], found["word"]
        term = _phrase_term(phrase) if phrase is not None else _word_term(word)
        if term:
            (excluded if found["minus"] else wanted).append(term)
    return _Terms(wanted=tuple(wanted), excluded=tuple(excluded))


def _phrase_term(phrase: str) -> str:
    return f'{{folded}} : "{" ".join(words(phrase))}"' if words(phrase) else ""


def _word_term(word: str) -> str:
    """One word in any form; what is several words without a blank ("e-mail") is a phrase."""
    typed = re.findall(r"\w+", word)
    if len(typed) != 1:
        return _phrase_term(word)
    forms = sorted({form for stem in stems_of(typed[0]) for form in words(stem)})
    return f"({{stems}} : ({' OR '.join(f'{chr(34)}{form}{chr(34)}' for form in forms)}))" if forms else ""


@lru_cache(maxsize=10_000)
def _facet(name: str, value: str) -> str:
    return f"{name}_{text_of(value).encode().hex()}"


@lru_cache(maxsize=10_000)
def _facets(*values: str) -> str:
    return " ".join(map(_facet, _FACETS, values))


def _facet_terms(filters: Filters) -> list[str]:
    """Filters as terms of the same search: the rarest term decides how much is read. Claims are the tickets' matter."""
    named = ((name, getattr(filters, name)) for name in _FACETS)
    return [f'{{facets}} : "{_facet(name, str(value))}"' for name, value in named if value is not None]
