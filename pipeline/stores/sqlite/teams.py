"""The tickets of teams, as conditions on columns of the queue's indexes; and those indexes, with the columns they need."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.domain import Filters, Scope, Share
from pipeline.stores.sqlite.rows import text_of

_WAITING = "resolved_at IS NULL AND waiting_since IS NOT NULL"
_INDEXES = (("queue", ""), *((f"queue_of_{name}", f"{name}, ") for name in ("brand", "source", "language", "category")))

TEAMS = "ALTER TABLE tickets ADD COLUMN team TEXT;\n" + "\n".join(
    f"DROP INDEX {name};\nCREATE INDEX {name} ON tickets ({first}lane, level, due_at, id, brand, source, language,"
    f" category, claimed_by, claimed_until, respond_by, waiting_since, resolved_at, urgency, team) WHERE {_WAITING};"
    for name, first in _INDEXES
)


def predicate(filters: Filters, parameters: dict[str, object]) -> str:
    """The conditions of ``shares`` and ``languages``, their values added to ``parameters``; empty where none are asked."""
    conditions = ""
    if filters.shares:
        conditions += f" AND ({' OR '.join(_share(share, parameters) for share in filters.shares)})"
    if filters.languages:
        conditions += f" AND {_among('language', filters.languages, parameters)}"
    return conditions


def _share(share: Share, parameters: dict[str, object]) -> str:
    given = _among("team", (share.team,), parameters)
    if not share.scopes:
        return given
    unsaid = f"(team IS NULL OR NOT {_among('team', share.known, parameters)})"
    ruled = f"{unsaid} AND ({_any(share.scopes, parameters)})"
    if share.before:
        ruled += f" AND NOT ({_any(share.before, parameters)})"
    return f"({given} OR {ruled})"


def _any(scopes: Iterable[Scope], parameters: dict[str, object]) -> str:
    return " OR ".join(_scope(scope, parameters) for scope in scopes)


def _scope(scope: Scope, parameters: dict[str, object]) -> str:
    named = (
        ("brand", scope.brands), ("language", scope.languages), ("category", scope.categories),
        ("urgency", scope.urgencies),
    )  # fmt: skip
    parts = [_among(column, values, parameters) for column, values in named if values]
    if scope.other_than:
        parts.append(f"NOT {_among('language', scope.other_than, parameters)}")
    return f"({' AND '.join(parts)})" if parts else "1"


def _among(column: str, values: Iterable[str], parameters: dict[str, object]) -> str:
    """``column IN (...)``; ``coalesce``, so that its negation holds where the column is null."""
    names = []
    for value in values:
        names.append(f"team_{len(parameters)}")
        parameters[names[-1]] = text_of(str(value))
    return f"(coalesce({column}, '') IN ({', '.join(f':{name}' for name in names)}))"
