"""What people say of mentions: a log that only grows."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.domain import Head, Label
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.rows import LISTED, Row, columns, listed, moment, stamp, text_of, values

LABEL_COLUMNS = ("id", "mention", "head", "value", "who", "at", "model", "said", "language")


class SqliteLabels:
    """``ports.Labels`` in SQLite."""

    _database: Database

    def add_labels(self, labels: Sequence[Label]) -> None:
        """Add to the log; those whose ids are known change nothing."""
        if not labels:
            return
        with self._database.write() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO labels ({columns(LABEL_COLUMNS)}) VALUES ({values(LABEL_COLUMNS)})",
                map(label_row, labels),
            )
            bump(connection)

    def labels_of(self, mentions: Iterable[str]) -> dict[str, list[Label]]:
        """All labels of each of these mentions, oldest first; mentions without any are left out."""
        found: dict[str, list[Label]] = {}
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(LABEL_COLUMNS)} FROM labels WHERE mention IN {LISTED} ORDER BY id",
                (listed(mentions),),
            )
            for row in rows:
                label = label_of(row)
                found.setdefault(label.mention, []).append(label)
        return found

    def labels(self, *, after: str = "", limit: int = 1000) -> list[Label]:
        """The log from the id ``after`` on, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {columns(LABEL_COLUMNS)} FROM labels WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
            )
            return [label_of(row) for row in rows]


def label_row(label: Label) -> Row:
    """The row of a label in the order of ``LABEL_COLUMNS``."""
    return (
        label.id, label.mention, label.head.value, label.value, text_of(label.who), stamp(label.at),
        text_of(label.model), label.said, label.language,
    )  # fmt: skip


def label_of(row: Row) -> Label:
    """The label of a row in the order of ``LABEL_COLUMNS``."""
    id_, mention, head, value, who, at, model, said, language = row
    return Label(
        id=id_, mention=mention, head=Head(head), value=value, who=who, at=moment(at), model=model, said=said,
        language=language,
    )  # fmt: skip
