"""The columns that searches are counted by, and the terms they are narrowed by, for mentions that were indexed without."""

# ruff: noqa: S608 - SQL is put together from our own expressions
from __future__ import annotations

from pipeline.domain import Sentiment, Urgency

_SENTIMENTS = [each.value for each in Sentiment]
_URGENCIES = [each.value for each in Urgency]
_FIRST_URGENCY = 11  # of the probabilities: three of sentiment, eight of category, then four of urgency


def _case(names: list[str], what: str) -> str:
    return f"CASE {what} {' '.join(f'WHEN {place} THEN {name!r}' for place, name in enumerate(names))} END"


def _likeliest(first: int, names: list[str]) -> str:
    """The place of the likeliest label, the first of equals, as ``Score`` says it."""
    return (
        f"(SELECT key - {first} FROM json_each(probabilities) WHERE key >= {first} AND key < {first + len(names)}"
        " ORDER BY value DESC, key LIMIT 1)"
    )


_RAISED = f"""(SELECT min(CASE json_extract(value, '$[1]')
    {" ".join(f"WHEN {name!r} THEN {place}" for place, name in enumerate(_URGENCIES))} END) FROM json_each(rules))"""
_MOST_URGENT = f"min({_likeliest(_FIRST_URGENCY, _URGENCIES)}, coalesce({_RAISED}, {len(_URGENCIES)}))"

# FTS5 keeps no text, so the terms of a row can be added to without knowing the others; they are taken off with them.
FACETS = f"""
ALTER TABLE mentions ADD COLUMN sentiment TEXT NOT NULL DEFAULT '';
ALTER TABLE mentions ADD COLUMN urgency TEXT NOT NULL DEFAULT '';
UPDATE mentions SET
    sentiment = {_case(_SENTIMENTS, _likeliest(0, _SENTIMENTS))}, urgency = {_case(_URGENCIES, _MOST_URGENT)};
INSERT INTO words (rowid, facets)
    SELECT number, 'sentiment_' || lower(hex(sentiment)) || ' urgency_' || lower(hex(urgency)) FROM mentions ORDER BY number;
"""
