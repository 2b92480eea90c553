"""What only the SQLite store must do: its file, its schema, other processes, crashes."""

from __future__ import annotations

import hashlib
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pipeline.domain import Category, Filters, Lane
from pipeline.errors import NotFound, StoreRefused, StoreUnavailable
from pipeline.stores.sqlite import SqliteStore, database
from pipeline.stores.sqlite.mentions import CANDIDATES
from pipeline.stores.sqlite.migrations import MIGRATIONS
from tests import REPOSITORY
from tests.contracts.store.made import ALL, ago, ahead, batch, cursor, dead_letter, gap, put, ticket
from tests.factories import NOW, scored

RELEASED = ("a942807a",)
"""Digests of the released steps of the schema, oldest first."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tocsin.db"


@contextmanager
def opened(path: Path, *, read_only: bool = False) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path, read_only=read_only)) as store:
        yield store


# --- the file and its schema ----------------------------------------------------------------------------------------


def test_what_was_written_is_there_when_the_file_is_opened_again(path: Path) -> None:
    with opened(path) as store:
        put(store, ticket())
        claimed = store.claim("x:1", "Ana", until=ahead(15), now=NOW)
    with opened(path) as store:
        assert store.ticket("x:1") == claimed
        assert store.search("brightly", ALL)[0].mention.id == "x:1"


def test_a_released_step_of_the_schema_never_changes() -> None:
    digests = tuple(hashlib.sha256(step.encode()).hexdigest()[:8] for step in MIGRATIONS)
    assert digests[: len(RELEASED)] == RELEASED


def test_a_store_of_an_older_version_is_brought_up_to_date_with_its_data(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as store:
        put(store, ticket())
    steps = (*MIGRATIONS, "ALTER TABLE tickets ADD COLUMN mood TEXT;\nCREATE TABLE teams (name TEXT) STRICT;")
    monkeypatch.setattr(database, "MIGRATIONS", steps)
    with pytest.raises(StoreRefused, match="open it for writing once"):
        SqliteStore(path, read_only=True)
    with opened(path) as store:
        assert store.ticket("x:1") == ticket()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(steps),)
        assert connection.execute("SELECT mood FROM tickets").fetchall() == [(None,)]


def test_a_step_that_fails_leaves_the_store_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as store:
        put(store, ticket())
    monkeypatch.setattr(
        database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE teams (name TEXT);\nALTER TABLE none RENAME TO x;")
    )
    with pytest.raises(StoreRefused, match="no such table"):
        SqliteStore(path)
    monkeypatch.undo()
    with opened(path) as store:
        assert store.ticket("x:1") == ticket()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM sqlite_schema WHERE name = 'teams'").fetchall() == []


def test_a_store_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with opened(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreRefused, match=r"tocsin\.db has schema 99.*install the newer"):
            SqliteStore(path, read_only=read_only)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE dag_run (id INTEGER)")
    content = path.read_bytes()
    with pytest.raises(StoreRefused, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but somebody's letters " * 100)
    with pytest.raises(StoreRefused, match=r"tocsin\.db.*not an SQLite database"):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"not a database")


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with opened(path) as store:
        assert store.check() == []


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "q?mode=ro#x.db", "ünïcode.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / name) as store:
        put(store, ticket())
    assert (tmp_path / name).exists()
    with opened(tmp_path / name, read_only=True) as store:
        assert store.ticket("x:1") == ticket()


def test_a_folder_or_a_file_in_no_folder_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=tmp_path.name):
        SqliteStore(tmp_path)
    with pytest.raises(StoreRefused, match="cannot be opened"):
        SqliteStore(tmp_path / "no" / "folder" / "tocsin.db")


def test_a_damaged_file_is_refused_and_found_by_the_check(path: Path) -> None:
    with opened(path) as store:
        put(store, *(ticket(str(n)) for n in range(500)))
    content = bytearray(path.read_bytes())
    rng = random.Random(3)
    for page in range(len(content) // 8192, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = rng.randbytes(64)
    path.write_bytes(content)
    with opened(path) as store:
        with pytest.raises(StoreRefused, match="damaged"):
            store.queue(NOW, ALL)
        assert "damaged" in store.check()[0]


def test_a_store_opened_for_reading_reads_and_refuses_to_write(path: Path) -> None:
    with opened(path) as store, opened(path, read_only=True) as reader:
        put(store, ticket())
        assert reader.ticket("x:1") == ticket()
        with pytest.raises(StoreRefused, match="read-only"):
            reader.claim("x:1", "Ana", until=ahead(15), now=NOW)
    with pytest.raises(StoreRefused, match="cannot be opened"):
        SqliteStore(path.with_name("none.db"), read_only=True)


def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(path: Path) -> None:
    with opened(path) as store:
        put(store, ticket())
        limited = store._database._idle.queue[0]
        (pages,) = limited.execute("PRAGMA page_count").fetchone()
        limited.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreRefused, match=r"tocsin\.db: the disk is full"):
            store.add_mentions([scored(f"more{n}", "word " * 200) for n in range(100)], {})
        assert store.known(["x:1", "x:more1"]) == {"x:1"}
        limited.execute("PRAGMA max_page_count = 100000")
        assert store.add_mentions([scored("more1")], {}) == ["x:more1"]
        assert store.check() == []


def test_a_store_held_by_another_process_for_too_long_is_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with opened(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        put(store, ticket())
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="busy"):
            store.claim("x:1", "Ana", until=ahead(15), now=NOW)
        assert store.ticket("x:1").claimed_by is None
        other.execute("ROLLBACK")
        store.claim("x:1", "Ana", until=ahead(15), now=NOW)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_closed_store_says_so(path: Path, kind: str) -> None:
    store = SqliteStore(path if kind == "file" else ":memory:")
    store.close()
    store.close()
    with pytest.raises(StoreRefused, match="closed"):
        store.queue(NOW, ALL)


def test_who_waits_for_a_store_in_memory_is_told_when_it_closes() -> None:
    store = SqliteStore(":memory:")
    with ThreadPoolExecutor(3) as pool:
        with store._database.read():
            waiting = [pool.submit(store.change_count) for _ in range(3)]
            while not any(each.running() for each in waiting):
                pass
            store.close()
        for each in waiting:
            with pytest.raises(StoreRefused, match="closed"):
                each.result(60)


def test_half_a_character_is_nobodys_id_and_cannot_stop_a_batch_from_being_marked(path: Path) -> None:
    with opened(path) as store:
        for ask in (store.mention, store.ticket, store.incident):
            with pytest.raises(NotFound):
                ask("x:\ud800")
        with pytest.raises(NotFound):
            store.claim("x:\ud800", "Ana", until=ahead(15), now=NOW)
        assert store.search("", Filters(brand="\ud800")) == store.search("a", Filters(language="\ud800")) == []
        assert store.queue(NOW, Filters(brand="\ud800")) == store.queue(NOW, Filters(holder="\ud800")) == []
        with pytest.raises(StoreRefused, match="half of a character"):
            store.add_mentions([scored("\ud800")], {})
        store.save_progress(cursor(), batch=batch())
        store.batch_triaged(batch(triaged_at=NOW), dead_letters=[dead_letter(raw='{"text": "\ud800"}')])
        assert store.pending_batches() == []
        assert store.dead_letters()[0].raw == '{"text": "?"}'


def test_commits_are_flushed_to_the_disk_and_readers_do_not_wait(path: Path) -> None:
    with opened(path) as store:
        connection = store._database._idle.queue[0]
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_failed_write_leaves_nothing_and_the_store_usable(path: Path) -> None:
    with opened(path) as store:
        put(store, ticket("1"))
        with pytest.raises(AttributeError):
            store.save_tickets([ticket("2"), None])  # type: ignore[list-item]
        with pytest.raises(TypeError):
            store.save_progress(cursor(watermark="7"), gaps=[gap(opened_at=NOW.replace(tzinfo=None))])
        assert store.tickets(["x:1", "x:2"]).keys() == {"x:1"}
        assert store.cursors() == []
        put(store, ticket("2"))


def test_threads_get_connections_of_their_own_and_give_them_back(path: Path) -> None:
    with opened(path) as store:
        put(store, *(ticket(str(n)) for n in range(50)))
        with ThreadPoolExecutor(8) as pool:
            pages = list(pool.map(lambda _: len(store.queue(NOW, ALL)), range(80)))
        assert set(pages) == {50}
        assert 1 <= store._database._idle.qsize() <= 8


# --- the queue is read from an index --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "filters",
    [
        ALL,
        Filters(brand="Brightly"),
        Filters(source="x"),
        Filters(language="en"),
        Filters(category=Category.COMPLAINT),
        Filters(brand="Brightly", category=Category.COMPLAINT),
        Filters(free=True),
        Filters(holder="Ana"),
        Filters(holder="Ana", language="en"),
    ],
    ids=str,
)
def test_the_queue_and_its_counts_scan_and_sort_no_table(path: Path, filters: Filters) -> None:
    with opened(path) as store:
        put(store, *(ticket(str(n), level=n % 9, due=n, lane=list(Lane)[n % 2]) for n in range(200)))
        store.claim("x:7", "Ana", until=ahead(15), now=NOW)
        connection = store._database._idle.queue[0]
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        store.queue(NOW, filters)
        store.queue_counts(NOW, filters)
        connection.set_trace_callback(None)
        plans = {
            f"{step[3]} <- {sql}"
            for sql in asked
            if sql.lstrip().startswith(("SELECT", "WITH"))
            for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}")
        }
    assert any("USING COVERING INDEX queue" in plan or "INDEX claims" in plan for plan in plans)
    for plan in plans:
        assert "TEMP B-TREE" not in plan
        assert not plan.startswith("SCAN tickets"), plan
        assert not plan.startswith("SCAN mentions"), plan


def test_a_page_reads_a_bounded_number_of_rows_however_long_the_queue(path: Path) -> None:
    steps: list[int] = []
    with opened(path) as store:
        for size in (1000, 4000):
            put(store, *(ticket(f"{size}/{n}", level=n % 20, due=n % 997) for n in range(size)))
            connection = store._database._idle.queue[0]
            count = 0

            def step() -> int:
                nonlocal count
                count += 1
                return 0

            connection.set_progress_handler(step, 100)
            store.queue(NOW, ALL)
            store.queue_counts(NOW, ALL)
            connection.set_progress_handler(None, 100)
            steps.append(count)
    assert steps[1] < 2 * steps[0]


# --- other processes ------------------------------------------------------------------------------------------------

PRELUDE = """
import sys
from datetime import timedelta
from pipeline.errors import AlreadyClaimed
from pipeline.stores.sqlite import SqliteStore
from tests.contracts.store.made import ALL, ahead, cursor, batch, put, ticket
from tests.factories import NOW, scored
def say(*words):
    print(*words, flush=True)
say("ready")
"""


@contextmanager
def processes(count: int, body: str, *arguments: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Other Python processes, all imported and waiting for a line."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PRELUDE + body, str(number), *arguments],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip
    try:
        for each in started:
            assert answer(each) == "ready"
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def tell(started: list[subprocess.Popen[str]], line: str) -> None:
    for each in started:
        assert each.stdin is not None
        each.stdin.write(line + "\n")
        each.stdin.flush()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_processes_that_open_a_fresh_file_at_once_all_succeed(tmp_path: Path) -> None:
    body = """
for line in sys.stdin:
    store = SqliteStore(line.strip())
    store.add_mentions([scored(sys.argv[1])], {})
    store.close()
    say("opened")
"""
    with processes(4, body) as started:
        for number in range(8):
            path = tmp_path / f"{number}.db"
            tell(started, str(path))
            assert [answer(each) for each in started] == ["opened"] * 4
            with opened(path) as store:
                assert store.known([f"x:{n}" for n in range(5)]) == {f"x:{n}" for n in range(4)}


def test_of_four_processes_that_claim_at_once_exactly_one_wins_every_round(path: Path) -> None:
    body = """
store = SqliteStore(sys.argv[2])
for line in sys.stdin:
    try:
        store.claim(line.strip(), "process " + sys.argv[1], until=ahead(15), now=NOW)
        say("won")
    except AlreadyClaimed as error:
        say("lost to", error.holder)
"""
    with opened(path) as store, processes(4, body, str(path)) as started:
        put(store, *(ticket(str(n)) for n in range(20)))
        for number in range(20):
            tell(started, f"x:{number}")
            answers = [answer(each) for each in started]
            winner = store.ticket(f"x:{number}").claimed_by
            assert sorted(answers) == [f"lost to {winner}"] * 3 + ["won"]
            assert answers[int(str(winner).split()[1])] == "won"


def test_two_processes_write_while_two_read_and_nobody_is_turned_away(path: Path) -> None:
    body = """
store = SqliteStore(sys.argv[2])
me = int(sys.argv[1])
sys.stdin.readline()
for n in range(150):
    if me < 2:
        put(store, ticket(f"{me}-{n}", level=n % 9))
        store.claim(f"x:{me}-{n}", "Ana", until=ahead(15), now=NOW)
        store.save_progress(cursor(watermark=str(n)), batch=batch(f"{me}-{n}"))
    else:
        page = store.queue(NOW, ALL)
        assert [item.ticket.id for item in page] == [item.mention.id for item in page]
        store.queue_counts(NOW, ALL)
        store.coverage(NOW)
        store.change_count()
say("done")
"""
    with opened(path) as store, processes(4, body, str(path)) as started:
        tell(started, "go")
        assert [answer(each) for each in started] == ["done"] * 4
        assert store.queue_counts(NOW, ALL).waiting == 300
        assert store.queue_counts(NOW, Filters(holder="Ana")).waiting == 300
        assert len(store.pending_batches(1000)) == 300
        assert store.check() == []


def test_a_writer_killed_at_any_moment_loses_nothing_that_it_acknowledged(path: Path) -> None:
    """Twenty times: whatever the killed process had been told is written is there, whole, and nothing half."""
    body = """
store = SqliteStore(sys.argv[2])
start = int(sys.argv[3])
for n in range(start, start + 100_000):
    posts = [scored(f"{n}-{part}") for part in range(5)]
    store.add_mentions(posts, {post.mention.id: [n, -n] for post in posts})
    store.save_tickets([ticket(f"{n}-0")])
    store.claim(f"x:{n}-0", "Ana", until=ahead(15), now=NOW)
    store.save_progress(cursor(watermark=str(n)), batch=batch(str(n)))
    say(n)
"""
    chance = random.Random(11)
    acknowledged: list[int] = []
    for life in range(20):
        start = life * 1_000_000
        with processes(1, body, str(path), str(start)) as (writer,):
            for _ in range(chance.randint(0, 12)):
                acknowledged.append(int(answer(writer)))
            writer.send_signal(signal.SIGKILL)
            rest, _ = writer.communicate()
            acknowledged += [int(line) for line in rest.split()]
    with opened(path) as store:
        assert store.check() == []
        assert len(acknowledged) >= 20
        parts = [f"x:{n}-{part}" for n in acknowledged for part in range(5)]
        assert store.known(parts) == set(parts)
        tickets = store.tickets([f"x:{n}-0" for n in acknowledged])
        assert {each.claimed_by for each in tickets.values()} == {"Ana"}
        assert len(tickets) == len(acknowledged)
        assert {str(n) for n in acknowledged} <= {each.id for each in store.pending_batches(100_000)}
        found = store.search("brightly", ALL, limit=1_000_000)
        by_write: dict[str, int] = {}
        for item in found:
            key = item.mention.id.rpartition("-")[0]
            by_write[key] = by_write.get(key, 0) + 1
        assert set(by_write.values()) == {5}  # a batch is written whole or not at all, with its words
        assert store.queue_counts(NOW, ALL).waiting == len(store.queue(NOW, ALL, limit=1_000_000))


def test_a_template_that_made_thousands_of_originals_gives_its_oldest_as_candidates(path: Path) -> None:
    with opened(path) as store:
        posts = [scored(str(n), posted_at=ago(2000 - n)) for n in range(2 * CANDIDATES)]
        store.add_mentions(posts, {item.mention.id: [7, n] for n, item in enumerate(posts)})
        found = store.fold_candidates([7, 11], since=ago(5000))
    assert [id_ for id_, _ in found[7]] == [f"x:{n}" for n in range(CANDIDATES)]
    assert [id_ for id_, _ in found[11]] == ["x:11"]


def test_a_move_that_moves_nothing_waits_for_no_writer(path: Path) -> None:
    with opened(path) as store:
        put(store, ticket())
    with opened(path, read_only=True) as store:
        store.move_conversation("x:2", "x:1")
        with pytest.raises(StoreRefused, match="read-only"):
            store.move_conversation("x:1", "x:2")
