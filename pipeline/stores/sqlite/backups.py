"""Backups: a copy of the file made while others write, and its way back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import StoreRefused
from pipeline.stores.sqlite.archive import holds_anything
from pipeline.stores.sqlite.database import APPLICATION_ID, Database, bump
from pipeline.stores.sqlite.migrations import MIGRATIONS


class SqliteBackups:
    """``ports.Backups`` in SQLite; ``where`` is a file."""

    _database: Database

    def backup(self, where: str, *, overwrite: bool = False) -> None:
        """Keep the store as it is at one moment in a file of its own, checked; whole or not at all."""
        target = Path(where)
        if target.exists() and not overwrite:
            raise StoreRefused(f"{target} is there already; name another file, or overwrite it (--force)")
        part = target.with_name(f"{target.name}.part")
        try:
            part.unlink(missing_ok=True)
            with _at(part, "rwc") as copy:
                with self._database.read() as connection:
                    connection.execute("SELECT count FROM changes").fetchone()  # the moment
                    connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
            _checked(part)
            _flush(part)
            part.replace(target)
            _flush(target.absolute().parent)
        except (OSError, sqlite3.Error) as error:
            raise StoreRefused(f"the backup {target} cannot be written: {error}; check its disk and folder") from error
        finally:
            part.unlink(missing_ok=True)

    def restore(self, where: str, *, overwrite: bool = False) -> None:
        """Put a backup in the place of all that the store holds, in one transaction that others see at once."""
        source = Path(where)
        _checked(source)
        if not overwrite and holds_anything(self._database):
            raise StoreRefused(
                f"the store {self._database.path} is not empty; overwrite it (--force), or restore to another"
            )
        seen = self._changes()
        with _at(source, "ro") as backup:
            self._database.become(backup)
        with self._database.write() as connection:  # pages that are open count on from what they have seen
            connection.execute("UPDATE changes SET count = max(count, ?)", (seen,))
            bump(connection)

    def _changes(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute("SELECT count FROM changes").fetchone()[0])


def _checked(path: Path) -> None:
    """Raise ``StoreRefused`` unless the file is a whole store of ours that this Tocsin knows."""
    if not path.is_file():
        raise StoreRefused(f"there is no backup {path}")
    try:
        with _at(path, "ro") as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            found = [row[0] for row in connection.execute("PRAGMA quick_check(10)")]
    except sqlite3.Error as error:
        raise StoreRefused(f"the backup {path} cannot be read: {error}; take another") from error
    if application != APPLICATION_ID:
        raise StoreRefused(f"{path} is no backup of a store; name another file")
    if version > len(MIGRATIONS):
        raise StoreRefused(
            f"the backup {path} has schema {version}, this Tocsin knows {len(MIGRATIONS)}; install the newer Tocsin first"
        )
    if found != ["ok"]:
        raise StoreRefused(f"the backup {path} is damaged ({'; '.join(found)}); take another")


@contextmanager
def _at(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
