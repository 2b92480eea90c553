"""What keeping needs: copies, retention, backups and the layout of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pipeline.domain import Batch, Month, Record


class Archive(Protocol):
    """Everything that a store keeps, to copy it out and in; a record is named by its kind and ``domain.key_of``."""

    def count(self, kind: type[Record]) -> int:
        """How many records of a kind there are."""

    def dump(self, kind: type[Record], *, after: str = "", limit: int = 1000) -> list[Record]:
        """The next records of a kind, whose keys come after ``after``, by key in the order of code points; empty at the end.

        Every record comes exactly once if nobody writes meanwhile.
        """

    def load(self, records: Sequence[Record], *, sketches: Mapping[str, Sequence[int]]) -> None:
        """Write records of one kind as they are, with people's facts, versions and event ids; replaces those of their keys.

        Nothing is merged, and no history is written. ``sketches`` are fold bands as ``add_mentions`` takes them. What is
        loaded can be read, searched and ranked once this returns. Raises ``StoreRefused`` for a record that contradicts
        another (a second open incident of one brand and cause).
        """


class Retention(Protocol):
    """Forgetting posts by calendar months of posting (UTC). ``before`` is the first moment of the first month to keep.

    A conversation goes whole or stays whole. It is needed while one of its posts is of ``before`` or later; while its
    ticket waits, or has been claimed, answered, resolved or reopened since then; while an open incident holds one of its
    posts; and while one of its posts repeats an original whose conversation is needed for one of these reasons.
    """

    def months(self, before: datetime) -> list[Month]:
        """The months that ended by then and hold mentions, oldest first: nothing is changed."""

    def forget(self, before: datetime) -> list[Month]:
        """Remove what is not needed, with its tickets and their history; the months as they were found.

        Interrupted, the next call goes on. Closed incidents and notices stay.
        """

    def spent_batches(self, before: datetime, *, limit: int = 100) -> list[Batch]:
        """Triaged batches that were landed before then, oldest first: their files are no longer needed."""

    def forget_batches(self, batches: Sequence[Batch]) -> None:
        """Remove batches, whose files are gone, and their dead letters."""


class Backups(Protocol):
    """Copies of a whole store; ``where`` is a file for SQLite, 'repository/snapshot' for Elasticsearch."""

    def backup(self, where: str, *, overwrite: bool = False) -> None:
        """Keep the store as it is at one moment while others write, and check the copy.

        Raises ``StoreRefused`` when there is one of that name and ``overwrite`` is not set.
        """

    def restore(self, where: str, *, overwrite: bool = False) -> None:
        """Put a backup in the place of all that the store holds, whole or not at all; others see it at once.

        Raises ``StoreRefused`` for one that is missing, damaged or of a newer Tocsin, and when the store holds anything
        and ``overwrite`` is not set.
        """


class Schema(Protocol):
    """How the store is laid out: of this Tocsin, or of an older one."""

    def outdated(self) -> list[str]:
        """What ``migrate`` would change, a line each; empty when there is nothing to do."""

    def migrate(self) -> None:
        """Bring an older layout up to date; may be interrupted and called again. Empty stores get theirs."""
