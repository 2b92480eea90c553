"""``tocsin store`` as a person or a program uses it."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.domain import Ticket
from pipeline.stores.sqlite import SqliteStore
from pipeline.stores.sqlite import database as databases
from tests.cli_world import call, start, write_config
from tests.contracts.store.made import ALL, ids, put, ticket
from tests.factories import NOW, incident, scored
from tests.node import Node, elasticsearch  # noqa: F401 - a fixture
from tests.proxy import proxy_to

KINDS = [
    "mention", "ticket", "event", "label", "incident", "notice", "chain", "outage", "dead letter", "batch", "gap", "cursor",
]  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    return write_config(tmp_path)


@pytest.fixture
def home(config: Path) -> Path:
    return config.parent / "home"


@pytest.fixture
def filled(config: Path, home: Path) -> Path:
    """The configuration of a store with three tickets."""
    home.mkdir()
    with closing(SqliteStore(home / "tocsin.db")) as store:
        put(store, ticket("1"), ticket("2"), ticket("3"))
        store.save_incident(incident())
    return config


def tickets(path: Path) -> int:
    with closing(SqliteStore(path)) as store:
        return store.count(Ticket)


def test_init_makes_an_empty_store_and_leaves_a_filled_one_alone(config: Path, home: Path) -> None:
    assert "is ready: it is empty" in call("store", "init", "--config", config).out
    with closing(SqliteStore(home / "tocsin.db")) as store:
        put(store, ticket("1"))
    answer = call("store", "init", "--json", "--config", config)
    assert answer.objects == [
        {"store": "sqlite:tocsin.db", "records": {**dict.fromkeys(KINDS, 0), "mention": 1, "ticket": 1, "event": 1}}
    ]


def test_check_says_what_is_wrong_and_ends_with_one(filled: Path, home: Path) -> None:
    answer = call("store", "check", "--config", filled)
    assert answer.code == 0
    assert "is in order" in answer.out
    (home / "tocsin.db").write_bytes(b"something else" * 1000)
    answer = call("store", "check", "--config", filled)
    assert answer.code == 1
    assert "restore a backup" in answer.out


def older(path: Path) -> None:
    """Make the store look as if its last step had not been applied."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {databases.APPLICATION_ID}")


def test_migrate_says_what_would_change_and_changes_it_when_told(filled: Path, home: Path) -> None:
    older(home / "tocsin.db")
    answer = call("store", "migrate", "--dry-run", "--config", filled)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "would apply: step 1 of the schema")
    with closing(sqlite3.connect(home / "tocsin.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    assert call("store", "migrate", "--config", filled).out.startswith("applied: step 1 of the schema")
    assert call("store", "migrate", "--config", filled).out == "sqlite:tocsin.db is up to date\n"
    [told] = call("store", "migrate", "--dry-run", "--json", "--config", filled).objects
    assert told == {"store": "sqlite:tocsin.db", "steps": [], "applied": False}


def test_copy_says_what_both_hold_and_a_second_one_writes_nothing(filled: Path, home: Path) -> None:
    answer = call("store", "copy", "--to", "sqlite:copy.db", "--config", filled)
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == "sqlite:copy.db holds what sqlite:tocsin.db holds"
    assert tickets(home / "copy.db") == 3
    again = call("store", "copy", "--to", "sqlite:copy.db", "--json", "--config", filled).objects
    assert [each["kind"] for each in again] == KINDS
    assert {each["written"] for each in again} == {0}
    assert [each["records"] for each in again[:5]] == [3, 3, 3, 0, 1]
    back = call("store", "copy", "--from", "sqlite:copy.db", "--to", "sqlite:back.db", "--json", "--config", filled)
    assert [each["digest"] for each in back.objects] == [each["digest"] for each in again]


def test_copy_names_the_first_record_that_differs(filled: Path, home: Path) -> None:
    with closing(SqliteStore(home / "copy.db")) as copy:
        put(copy, ticket("777"))
    answer = call("store", "copy", "--to", "sqlite:copy.db", "--config", filled)
    assert answer.code == 1
    assert "the mention x:777" in answer.err


@pytest.mark.parametrize(
    ("source", "target", "code", "said"),
    [
        ("sqlite:tocsin.db", "sqlite:tocsin.db", 2, "name another"),
        ("postgres:x", "sqlite:copy.db", 2, "postgres:x"),
        ("sqlite:typo.db", "sqlite:copy.db", 1, "cannot be opened"),
    ],
)
def test_copy_from_or_to_what_cannot_be_says_so_and_makes_nothing(
    filled: Path, home: Path, source: str, target: str, code: int, said: str
) -> None:
    answer = call("store", "copy", "--from", source, "--to", target, "--config", filled)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert not (home / "typo.db").exists()


def test_a_copy_that_was_killed_goes_on_when_it_is_called_again(config: Path, home: Path) -> None:
    home.mkdir()
    with closing(SqliteStore(home / "tocsin.db")) as store:
        store.load([scored(f"{n:05}", "brightly " * 20) for n in range(6000)], sketches={})
    process = start("store", "copy", "--to", "sqlite:copy.db", "--config", config, stdin=subprocess.DEVNULL)
    arrived = 0
    while process.poll() is None and arrived == 0:  # killed as soon as something has arrived
        time.sleep(0.01)
        arrived = held(home / "copy.db")
    process.kill()
    process.communicate()
    arrived = held(home / "copy.db")
    assert arrived > 0
    [mentions, *_] = call("store", "copy", "--to", "sqlite:copy.db", "--json", "--config", config).objects
    assert (mentions["records"], mentions["written"]) == (6000, 6000 - arrived)


def held(path: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM mentions").fetchone()[0])
    except sqlite3.Error:  # not there yet
        return 0


@pytest.fixture
def node(elasticsearch: Node) -> Node:  # noqa: F811
    elasticsearch.emptied()
    return elasticsearch


def test_a_store_moves_to_elasticsearch_and_back_and_stays_the_same(filled: Path, home: Path, node: Node) -> None:
    moved = f'[elasticsearch]\nprefix = "{node.prefix}"\n'
    filled.write_text(filled.read_text(encoding="utf-8") + moved, encoding="utf-8")
    cluster = f"elasticsearch:{node.url}"
    there = call("store", "copy", "--to", cluster, "--json", "--config", filled).objects
    assert [(each["kind"], each["written"]) for each in there[:5]] == list(zip(KINDS, (3, 3, 3, 0, 1), strict=False))
    back = call("store", "copy", "--from", cluster, "--to", "sqlite:back.db", "--json", "--config", filled).objects
    assert back == there
    again = call("store", "copy", "--to", "sqlite:back.db", "--json", "--config", filled).objects
    assert [(each["written"], each["digest"]) for each in again] == [(0, each["digest"]) for each in there]
    with closing(SqliteStore(home / "back.db")) as store:
        assert ids(store.queue(NOW, ALL)) == ["x:1", "x:2", "x:3"]


def test_a_backup_is_restored_and_neither_takes_anothers_place_unasked(filled: Path, home: Path) -> None:
    file = home / "kept.db"
    assert call("store", "backup", file, "--config", filled).code == 0
    answer = call("store", "backup", file, "--config", filled)
    assert answer.code == 1
    assert "--force" in answer.err
    assert call("store", "backup", file, "--force", "--config", filled).code == 0
    with closing(SqliteStore(home / "tocsin.db")) as store:
        put(store, ticket("4"))
    answer = call("store", "restore", file, "--config", filled)
    assert answer.code == 1
    assert "--force" in answer.err
    assert tickets(home / "tocsin.db") == 4
    answer = call("store", "restore", file, "--force", "--config", filled)
    assert answer.code == 0
    assert "3 mentions, 3 tickets, 3 events, 1 incident" in answer.out
    assert tickets(home / "tocsin.db") == 3


def test_who_restores_because_the_store_cannot_be_opened_is_told_how(filled: Path, home: Path) -> None:
    assert call("store", "backup", home / "kept.db", "--config", filled).code == 0
    store = home / "tocsin.db"
    store.write_bytes(b"something else" * 1000)
    answer = call("store", "restore", home / "kept.db", "--force", "--config", filled)
    assert answer.code == 1
    assert "move what is there away" in answer.err
    for path in home.glob("tocsin.db*"):
        path.rename(path.with_name(f"damaged-{path.name}"))
    assert call("store", "restore", home / "kept.db", "--config", filled).code == 0
    assert tickets(store) == 3


def test_every_command_has_help_with_an_example(filled: Path) -> None:
    for command in ("init", "check", "migrate", "copy", "backup", "restore"):
        answer = call("store", command, "--help")
        assert answer.code == 0
        assert f"tocsin store {command}" in answer.out.replace("Usage: tocsin store", "")


def test_the_group_stands_in_the_list_of_commands() -> None:
    assert re.search("store +Look after the store", call("--help").out)


def test_a_restore_to_a_cluster_that_refuses_speaks_of_no_files(filled: Path) -> None:
    with proxy_to("http://127.0.0.1:1") as proxy:
        proxy.always(400)
        chosen = f'store = "elasticsearch:{proxy.url}"'
        filled.write_text(f"{chosen}\n{filled.read_text(encoding='utf-8')}", encoding="utf-8")
        answer = call("store", "restore", "backups/one", "--config", filled)
    assert answer.code == 1
    assert "a proxy says so" in answer.err
    assert "-wal" not in answer.err
