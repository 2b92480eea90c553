"""Search by words, phrases and exclusions over text that ``pipeline.text`` has analysed."""

from __future__ import annotations

from collections import Counter
from datetime import tzinfo
from functools import lru_cache

from pipeline.domain import MOST_COUNTED, QUARTER, Facets, Filters, ScoredMention
from pipeline.search import FACETS, Search, Term, counted, parsed
from pipeline.stores.sqlite.database import Database
from pipeline.stores.sqlite.rows import MENTION_COLUMNS, MICROSECOND, NUMBERS, columns, scored_mention, stamp, text_of
from pipeline.text import fold, folded, stems

_QUARTER = QUARTER // MICROSECOND

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
        _facets(
            mention.brand,
            mention.source,
            mention.language,
            item.score.category_label.value,
            item.score.sentiment_label.value,
            item.score.urgency_label.value,
        ),
    )


class SqliteSearch:
    """The part of ``ports.Mentions`` that searches, in SQLite."""

    _database: Database

    def search(self, text: str, filters: Filters, *, limit: int = 50, offset: int = 0) -> list[ScoredMention]:
        """Mentions holding every word (any form), every "phrase" and no -excluded one, newest first.

        An empty text lists all. Raises ``ConfigError`` for a search that holds only exclusions.
        """
        looked_for = parsed(text)
        if looked_for is None:
            return []
        found, parameters = _found(looked_for, filters)
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(MENTION_COLUMNS, 'mentions')} {found} LIMIT ? OFFSET ?", (*parameters, limit, offset)
            )
            return [scored_mention(row) for row in rows]

    def facets(self, text: str, filters: Filters, *, zone: tzinfo) -> Facets:
        """How many mentions ``search`` finds and how they spread over what people filter by; days are those of ``zone``."""
        looked_for = parsed(text)
        if looked_for is None:
            return Facets()
        found, parameters = _found(looked_for, filters)
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(FACETS, 'mentions')}, mentions.number {found} LIMIT ?",
                (*parameters, MOST_COUNTED + 1),
            ).fetchall()
        *values, numbers = zip(*rows[:MOST_COUNTED], strict=True) if rows else ((),) * (len(FACETS) + 1)
        quarters = Counter(number // NUMBERS // _QUARTER for number in numbers)
        return counted(len(rows), dict(zip(FACETS, map(Counter, values), strict=True)), quarters, zone)


def _found(looked_for: Search, filters: Filters) -> tuple[str, tuple[object, ...]]:
    """What a search finds, newest first, as the end of a statement and its parameters.

    Filters are terms of the same search: the rarest term decides how much is read. Claims are the tickets' matter.
    """
    within, ends = _within(filters)
    wanted = [*map(_term, looked_for.wanted), *_facet_terms(filters)]
    if not wanted:
        return f"FROM mentions WHERE {within.format('number')} ORDER BY number DESC", ends
    match = " AND ".join(wanted) + "".join(f" NOT {_term(each)}" for each in looked_for.excluded)
    return (
        "FROM words CROSS JOIN mentions ON mentions.number = words.rowid"
        f" WHERE words MATCH ? AND {within.format('words.rowid')} ORDER BY words.rowid DESC",
        (match, *ends),
    )


def _within(filters: Filters) -> tuple[str, tuple[int, ...]]:
    """The interval of posting as numbers of mentions."""
    ends = {">=": filters.since, "<": filters.until}
    asked = {sign: stamp(end) * NUMBERS for sign, end in ends.items() if end is not None}
    return " AND ".join(["true", *(f"{{0}} {sign} ?" for sign in asked)]), tuple(asked.values())


def _term(term: Term) -> str:
    """One term as FTS5 has it. Only words and quotes of ours reach FTS5, so no syntax of its own can be typed."""
    if term.words:
        return f'{{folded}} : "{" ".join(term.words)}"'
    return f"({{stems}} : ({' OR '.join(f'{chr(34)}{form}{chr(34)}' for form in sorted(term.forms))}))"


@lru_cache(maxsize=10_000)
def _facet(name: str, value: str) -> str:
    return f"{name}_{text_of(value).encode().hex()}"


@lru_cache(maxsize=10_000)
def _facets(*values: str) -> str:
    return " ".join(map(_facet, FACETS, values))


def _facet_terms(filters: Filters) -> list[str]:
    named = ((name, getattr(filters, name)) for name in FACETS)
    return [f'{{facets}} : "{_facet(name, str(value))}"' for name, value in named if value is not None]
