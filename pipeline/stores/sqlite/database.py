"""One SQLite file and its connections: opened, migrated, read in snapshots, written in short transactions."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, LifoQueue
from urllib.parse import quote

from pipeline.errors import StoreRefused, StoreUnavailable, TocsinError
from pipeline.stores.sqlite.migrations import MIGRATIONS

MEMORY = ":memory:"
BUSY_SECONDS = 60  # writers take turns of milliseconds; a minute means that something holds the file
APPLICATION_ID = 0x546F6373  # "Tocs": tells our files from other programs' SQLite files
CACHE_KIB = 16_384  # a connection; holds the upper levels of every index at a million tickets
WAL_PAGES = 4000  # 16 MB: a checkpoint writes a page once that ten batches have changed
WAL_KEPT_BYTES = 64 << 20  # a burst's log is cut back to this
WAL_WORRYING_BYTES = 1 << 30  # a log this long slows every reader
DISK_NEEDED_BYTES = 512 << 20  # about a million mentions

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, nothing that was acknowledged is lost",
    sqlite3.SQLITE_READONLY: "it is read-only; give the process write permission on the file and its folder",
    sqlite3.SQLITE_PERM: "permission is denied; give the process access to the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the file and its folder exist and may be accessed",
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database; name another file, or restore a backup",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore a backup, or save what is left with `sqlite3 FILE .recover`",
    sqlite3.SQLITE_IOERR: "reading or writing it failed; check the disk and its file system",
    sqlite3.SQLITE_NOLFS: "the file system does not take files of this size; move it to another",
}


class Database:
    """A pool of connections to one file, each used by one thread at a time; ``:memory:`` is one shared connection.

    Writes of this process take turns on a lock, those of other processes wait in SQLite. Every commit is flushed to the
    disk (``synchronous=FULL``): with ``NORMAL`` a power cut may take back the last commits, and a person's answer or the
    note that an alarm was sent cannot be collected again. Batches are written in large transactions, so it costs little.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False, migrate: bool = True) -> None:
        self.path = str(path)
        self.read_only = read_only
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue()
        self._writing = threading.Lock()
        self._closed = threading.Event()
        with self._errors():
            connection = self._connect()
            try:
                if migrate:
                    self._prepare(connection)
                else:
                    self._version(connection)
            except BaseException:
                connection.close()
                raise
        self._idle.put(connection)

    @property
    def in_memory(self) -> bool:
        """Whether it ends with the process."""
        return self.path == MEMORY

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A snapshot: statements inside see one state of the store."""
        with self._errors(), self._borrowed() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is durable once it ends, or has not happened; raises ``StoreUnavailable`` after a minute's wait."""
        with self._errors(), self._writing, self._borrowed() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def version(self) -> int:
        """How many steps of the schema the file has seen."""
        with self.read() as connection:
            return self._version(connection)

    def migrate(self) -> None:
        """Apply the steps of the schema that are missing; opening does so too, unless told not to."""
        with self._errors(), self._writing, self._borrowed() as connection:
            self._prepare(connection)

    def become(self, other: sqlite3.Connection) -> None:
        """Take over the content of another database in one transaction, and bring it up to date; waits for other writers."""
        with self._errors(), self._writing, self._borrowed() as connection:
            other.backup(connection)
            self._prepare(connection)

    def close(self) -> None:
        """Close the connections; those in use close when they come back."""
        self._closed.set()
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return
            connection.close()
            if self.in_memory:  # whoever waits for the only one must wake and see that it is closed
                self._idle.put(connection)
                return

    def check(self) -> list[str]:
        """What is wrong with the file or its disk, each with its next step."""
        try:
            with self.read() as connection:
                found = [row[0] for row in connection.execute("PRAGMA quick_check(10)")]
        except StoreRefused as error:
            return [str(error)]
        wrong = [] if found == ["ok"] else [f"{self.path} is damaged ({'; '.join(found)}); restore a backup"]
        if self.in_memory:
            return wrong
        free = shutil.disk_usage(Path(self.path).absolute().parent).free
        if free < DISK_NEEDED_BYTES:
            wrong.append(f"{free >> 20} MB are free on the disk of {self.path}; free some space before it is full")
        log = Path(f"{self.path}-wal")
        if log.exists() and log.stat().st_size > WAL_WORRYING_BYTES:
            wrong.append(
                f"{log} has grown to {log.stat().st_size >> 20} MB; a reader holds it up: "
                "restart the process that has been reading for long"
            )
        return wrong

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.get(block=self.in_memory and not self._closed.is_set())
        except Empty:
            self._refuse_if_closed()
            connection = self._connect()
        try:
            self._refuse_if_closed()
            yield connection
        finally:
            self._idle.put(connection)
            if self._closed.is_set():
                self.close()

    def _refuse_if_closed(self) -> None:
        if self._closed.is_set():
            raise StoreRefused(f"the store {self.path} is closed; open it again")

    def _connect(self) -> sqlite3.Connection:
        if self.in_memory:
            address = MEMORY
        else:
            address = f"file:{quote(str(Path(self.path).absolute()))}?mode={'ro' if self.read_only else 'rwc'}"
        connection = sqlite3.connect(
            address, uri=not self.in_memory, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False,
            cached_statements=256,
        )  # fmt: skip
        for pragma in (
            "synchronous = FULL",
            f"cache_size = -{CACHE_KIB}",
            f"wal_autocheckpoint = {WAL_PAGES}",
            f"journal_size_limit = {WAL_KEPT_BYTES}",
            "temp_store = MEMORY",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Bring the schema up to date; several processes may do so at once."""
        version = self._version(connection)
        if version == len(MIGRATIONS):
            return
        if self.read_only:
            raise StoreRefused(
                f"{self.path} has schema {version}, this Tocsin needs {len(MIGRATIONS)}; open it for writing once"
            )
        self._to_wal(connection)
        while self._version(connection) < len(MIGRATIONS):
            connection.execute("BEGIN IMMEDIATE")
            try:
                version = self._version(connection)  # another process may have been faster
                if version < len(MIGRATIONS):
                    migrate(connection, version)
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def _version(self, connection: sqlite3.Connection) -> int:
        # One statement, one snapshot: another process may be migrating.
        version, application, tables = connection.execute(
            "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)"
            " FROM pragma_user_version, pragma_application_id"
        ).fetchone()
        if application != APPLICATION_ID and (version or tables):
            raise StoreRefused(f"{self.path} is a database of another program; name another file for the store")
        if version > len(MIGRATIONS):
            raise StoreRefused(
                f"{self.path} has schema {version}, this Tocsin knows {len(MIGRATIONS)}; "
                "install the newer Tocsin again, or restore the backup made before it"
            )
        return int(version)

    def _to_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to write-ahead logging; the switch itself does not wait for other openers, a write transaction does."""
        for _ in range(100):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _primary(error) != sqlite3.SQLITE_BUSY:
                    raise
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            else:
                return
        raise StoreUnavailable(f"{self.path} is being opened by many processes at once; try again")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._ours(error) from error
        except UnicodeEncodeError as error:
            raise StoreRefused(f"the store {self.path} holds no half of a character: {error.object!r:.80}") from error

    def _ours(self, error: sqlite3.Error) -> TocsinError:
        code = _primary(error)
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return StoreUnavailable(
                f"the store {self.path} is busy: another process has held it for {BUSY_SECONDS} s; try again"
            )
        if code in _ADVICE:
            return StoreRefused(f"the store {self.path}: {_ADVICE[code]} ({error})")
        return StoreRefused(f"the store {self.path}: {error}; run `tocsin check` and report it")


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Apply the step after ``version`` inside the caller's transaction."""
    statement = ""
    for line in MIGRATIONS[version].splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    assert not statement.strip(), f"step {version + 1} ends in the middle of a statement"
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version + 1}")


def bump(connection: sqlite3.Connection) -> None:
    """Count a change that the pages show."""
    connection.execute("UPDATE changes SET count = count + 1")


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):  # the first error is the one to tell
            connection.execute("ROLLBACK")
