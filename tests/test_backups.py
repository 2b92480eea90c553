"""A backup of a SQLite store is whole whatever is written meanwhile, and a restore is whole or nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline import transfer
from pipeline.domain import Event, Incident, Notice, Record, ScoredMention, Ticket, key_of
from pipeline.errors import StoreRefused
from pipeline.stores.sqlite import SqliteStore
from pipeline.stores.sqlite.migrations import MIGRATIONS
from tests import REPOSITORY
from tests.contracts.store.made import ALL, ids, put, ticket
from tests.factories import NOW, incident, scored

WRITER = """
import sys
from pathlib import Path
from pipeline.domain import EventKind
from pipeline.stores.sqlite import SqliteStore
from tests.contracts.store.made import ticket
from tests.factories import NOW, scored
store = SqliteStore(Path(sys.argv[1]))
for number in range(100_000):
    name = f"{number:06}"
    store.add_mentions([scored(name, "brightly " * 50)], {})
    store.save_tickets([ticket(name)])
    store.record("x:" + name, EventKind.NOTED, "Ana", now=NOW)
    print(number, flush=True)
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A store and a process that writes into it: a mention, its ticket, a note, over and over."""
    path = tmp_path / "live.db"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    yield path, process
    process.kill()
    process.communicate()


def wait_for(process: subprocess.Popen[str], writes: int) -> None:
    assert process.stdout is not None
    for _ in range(writes):
        assert process.stdout.readline(), "the writer has ended"


def names(store: SqliteStore, kind: type[Record]) -> list[int]:
    return [int(key_of(each).removeprefix("x:")) for each in store.dump(kind, limit=100_000)]


def test_a_backup_made_while_another_process_writes_is_one_moment_of_it_and_restores_as_it_was(
    written: tuple[Path, subprocess.Popen[str]], tmp_path: Path
) -> None:
    path, writer = written
    wait_for(writer, 50)
    live = SqliteStore(path)
    sizes = []
    for number in range(5):
        file = tmp_path / f"backup-{number}.db"
        live.backup(str(file))
        wait_for(writer, 10)
        with closing(SqliteStore(tmp_path / f"restored-{number}.db")) as restored:
            restored.restore(str(file))
            mentions, tickets = names(restored, ScoredMention), names(restored, Ticket)
            assert mentions == list(range(len(mentions)))  # nothing is missing before its end,
            assert tickets == mentions[: len(tickets)]  # and it ends between two writes
            assert len(mentions) - len(tickets) in {0, 1}
            notes = restored.count(Event) - len(tickets)  # each was opened besides
            assert len(tickets) - notes in {0, 1}
            assert restored.check() == []
            assert len(restored.search("brightly", ALL, limit=10_000)) == len(mentions)
            sizes.append(len(mentions))
    assert sizes[0] >= 50
    assert sizes == sorted(set(sizes)), "the writer went on meanwhile"
    assert writer.poll() is None
    writer.kill()
    writer.wait()
    live.backup(str(tmp_path / "last.db"))
    with closing(SqliteStore(tmp_path / "copy.db")) as copy:
        copy.restore(str(tmp_path / "last.db"))
        assert {each.written for each in transfer.copy(live, copy)} == {0}
    live.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


@pytest.fixture
def backup(store: SqliteStore, tmp_path: Path) -> Path:
    """A backup that holds one ticket."""
    put(store, ticket("1"))
    file = tmp_path / "backup.db"
    store.backup(str(file))
    return file


def test_a_backup_is_one_file_and_another_of_its_name_is_not_lost(store: SqliteStore, backup: Path) -> None:
    assert sorted(path.name for path in backup.parent.glob("backup*")) == ["backup.db"]
    before = backup.read_bytes()
    put(store, ticket("2"))
    with pytest.raises(StoreRefused, match="there already"):
        store.backup(str(backup))
    assert backup.read_bytes() == before
    store.backup(str(backup), overwrite=True)
    assert backup.read_bytes() != before


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="cannot be written"):
        store.backup(str(tmp_path / "no such folder" / "backup.db"))
    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(StoreRefused, match="cannot be written"):
        store.backup(str(folder), overwrite=True)
    assert not list(tmp_path.glob("*.part"))


def test_a_store_that_holds_anything_is_replaced_only_when_told_to(store: SqliteStore, backup: Path) -> None:
    put(store, ticket("2"))
    with pytest.raises(StoreRefused, match="not empty"):
        store.restore(str(backup))
    assert store.count(Ticket) == 2
    store.restore(str(backup), overwrite=True)
    assert ids(store.queue(NOW, ALL)) == ["x:1"]


@pytest.mark.parametrize("record", [incident(), ticket("9"), scored("9")], ids=lambda each: type(each).__name__)
def test_one_record_of_any_kind_is_enough_for_a_store_not_to_be_empty(
    backup: Path, tmp_path: Path, record: Record
) -> None:
    with closing(SqliteStore(tmp_path / "other.db")) as other:
        other.load([record], sketches={})
        with pytest.raises(StoreRefused, match="not empty"):
            other.restore(str(backup))


def test_others_see_the_restored_store_at_once_and_pages_count_on(store: SqliteStore, backup: Path) -> None:
    for native in "23456":
        put(store, ticket(native))
    with closing(SqliteStore(backup.parent / "store.db")) as other:
        assert other.count(Ticket) == 6
        seen = other.change_count()
        store.restore(str(backup), overwrite=True)
        assert other.count(Ticket) == 1
        assert other.change_count() > seen
        put(other, ticket("7"))
    assert store.count(Ticket) == 2
    assert store.check() == []


def test_a_backup_that_is_missing_foreign_or_damaged_changes_nothing(store: SqliteStore, backup: Path) -> None:
    foreign, text, cut = (backup.with_name(name) for name in ("foreign.db", "text.db", "cut.db"))
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    text.write_text("no database at all" * 1000)
    whole = bytearray(backup.read_bytes())
    whole[len(whole) // 2 :] = b"\xff" * (len(whole) - len(whole) // 2)
    cut.write_bytes(whole)
    for file, said in [
        (backup.with_name("nowhere.db"), "there is no backup"), (foreign, "no backup of a store"),
        (text, "cannot be read"), (cut, "damaged|cannot be read"),
    ]:  # fmt: skip
        with pytest.raises(StoreRefused, match=said):
            store.restore(str(file), overwrite=True)
    assert ids(store.queue(NOW, ALL)) == ["x:1"]


def test_a_backup_of_a_newer_tocsin_is_refused(store: SqliteStore, backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreRefused, match="newer Tocsin"):
        store.restore(str(backup), overwrite=True)


def test_a_store_in_memory_can_be_kept_and_restored_too(backup: Path, tmp_path: Path) -> None:
    with closing(SqliteStore(":memory:")) as memory:
        memory.restore(str(backup))
        assert (memory.count(Ticket), memory.count(Incident), memory.count(Notice)) == (1, 0, 0)
        memory.backup(str(tmp_path / "again.db"))
    with closing(SqliteStore(tmp_path / "again.db")) as again:
        assert again.count(Ticket) == 1
