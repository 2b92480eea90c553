"""How results look: tables for people, one JSON object a line for machines, times in words, hostile text made harmless."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

PIPED_WIDTH = 200  # columns of a table that no terminal limits: an item a line, its text readable in a log

# Control characters could drive the reader's terminal, bidi controls could reorder a line: shown as their code.
_CONTROLS = {code: f"<{code:02x}>" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
_BIDI = {code: f"<{code:04x}>" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
_HOSTILE = _CONTROLS | _BIDI


def shown(text: str) -> str:
    """Somebody else's text as it may stand on a terminal."""
    return text.translate(_HOSTILE)


def one_line(text: str) -> str:
    """As ``shown``, with white space and line ends as single blanks."""
    return shown(" ".join(text.split()))


# --- machines -------------------------------------------------------------------------------------------------------


def plain(value: object) -> Any:
    """A domain object as JSON has it: fields by name, times as ISO 8601 UTC."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def iso(at: datetime | None) -> str | None:
    """``2026-11-25T10:00:00Z``; ``None`` stays."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def print_json(value: object) -> None:
    """One object on one line."""
    print(json.dumps(plain(value), ensure_ascii=False))


# --- people ---------------------------------------------------------------------------------------------------------


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    wide: Sequence[str] = (),
    right: Sequence[str] = (),
    wrap: bool = False,
) -> None:
    """Rows under headings, each on one line; ``wide`` columns give way on narrow terminals, cut off or wrapped.

    A column in which no row has anything leaves its room to the others.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    filled = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    for name in (columns[place] for place in filled):
        # Rich narrows the columns that may wrap; their cells then cut themselves off instead (a row is one line).
        table.add_column(name, no_wrap=name not in wide, justify="right" if name in right else "left")
    for row in rows:
        cells = (one_line(row[place]) for place in filled)
        table.add_row(*(Text(cell, no_wrap=not wrap, overflow="fold" if wrap else "ellipsis") for cell in cells))
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    Console(file=sys.stdout, width=width, highlight=False).print(table)


def span(length: timedelta) -> str:
    """A duration as people say it: ``4 min``, ``3 h 05``, ``12 d``."""
    minutes = int(abs(length).total_seconds() // 60)
    if minutes < 1:
        return f"{int(abs(length).total_seconds())} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02}" if hours < 48 else f"{hours // 24:,} d"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, or ``never``."""
    return f"{span(now - at)} ago" if at else "never"


def due(at: datetime, now: datetime) -> str:
    """A deadline from now: ``in 11 min``, ``4 min late``."""
    return f"in {span(at - now)}" if at >= now else f"{span(now - at)} late"


@contextmanager
def progress(total: float | None = None, *, quiet: bool = False) -> Iterator[Callable[[str, float | None], None]]:
    """A progress bar on standard error; yields ``step(what, done)``. Nothing is drawn where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn()]
    if total is not None and total > 1:
        columns.append(MofNCompleteColumn())
    columns.append(TimeElapsedColumn())
    quiet = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(file=sys.stderr), transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=total)

        def step(what: str, done: float | None) -> None:
            bar.update(task, description=one_line(what), completed=done)

        yield step
