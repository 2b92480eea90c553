"""When the world is broken: each time one clear line with the next step, the right exit code, and nothing lost."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import socket
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import app as composition
from pipeline import flows
from pipeline.flows import Triaged
from pipeline.stores.sqlite import database
from tests import REPOSITORY
from tests.cli_world import POSTS, Answer, WordClassifier, call, write_config, write_posts

STARTER = REPOSITORY / "models" / "starter"


@pytest.fixture(autouse=True)
def words(request, monkeypatch):
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    if "real_model" not in request.fixturenames:
        monkeypatch.setattr(composition, "classifier", lambda path=None: WordClassifier())


@pytest.fixture
def real_model():
    """Marks a test that loads a model from disk."""


@pytest.fixture
def config(tmp_path):
    write_posts(tmp_path / "posts.jsonl")
    return write_config(tmp_path)


def tickets(config: Path) -> set[str]:
    return {str(item["ticket"]) for item in call("queue", "--json", "--config", config).objects}


def in_one_line(answer: Answer, *words: str, code: int) -> None:
    """The command failed with one clear line that holds these words, and without a traceback."""
    assert answer.code == code, answer
    [line] = [line for line in answer.err.splitlines() if line.startswith("tocsin: ")]
    for word in words:
        assert word in line
    assert "Traceback" not in answer.err


ALL = {"file:1", "file:2", "file:3"}


def catches_up(config: Path) -> None:
    """The next healthy run brings everything in, once."""
    assert call("run", "--config", config).code == 0
    assert tickets(config) == ALL


# --- configuration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[[brand]\n", ("is not valid TOML", "line 1")),
        ("brandd = 3\n", ("brandd: unknown key", "did you mean 'brand'?")),
        ("fold_days = 'seven'\n", ("fold_days", "valid number")),
        ('[[query]]\nname = "q"\nbrand = "B"\n', ("query 'q' names the brand 'B'",)),
        ("\x00", ("is not valid TOML",)),
    ],
)
@pytest.mark.parametrize("command", ["run", "queue", "check", "doctor"])
def test_a_broken_configuration_is_named_and_ends_with_2(tmp_path, command, content, words):
    path = tmp_path / "tocsin.toml"
    path.write_text(content)
    in_one_line(call(command, "--config", path), "tocsin.toml", *words, code=2)


def test_a_missing_configuration_says_where_to_start(tmp_path):
    in_one_line(call("run", "--config", tmp_path / "no.toml"), "no.toml is not there", "--config", code=2)


def test_a_configuration_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "tocsin.toml"
    path.write_bytes(b"\xff\xfe\x00")
    in_one_line(call("run", "--config", path), "tocsin.toml cannot be read", code=2)


def test_the_check_names_missing_secrets_unknown_countries_and_files_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_WEBHOOK_OPS", "whsec_c2VjcmV0")
    sources = '[[source]]\nname = "twitter"\nkind = "x"\n[[source]]\nname = "shop"\nkind = "files"\npaths = ["/nowhere/*.csv"]\n'
    more = '[market.ZZ]\n[[channel]]\nkind = "webhook"\nname = "ops"\nurl = "https://example.com"\n'
    answer = call("check", "--json", "--config", write_config(tmp_path, sources=sources, more=more))
    assert answer.code == 2
    wrong = {finding["what"]: finding["detail"] for finding in answer.objects if finding["verdict"] == "wrong"}
    assert set(wrong) == {"secret x_bearer_token", "[market.ZZ]", "source shop"}
    assert "TOCSIN_X_BEARER_TOKEN" in wrong["secret x_bearer_token"]
    assert "/nowhere/*.csv is not there" in wrong["source shop"]
    assert "c2VjcmV0" not in answer.out + answer.err


def test_the_check_names_a_query_that_is_too_long_for_a_source(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_X_BEARER_TOKEN", "key")
    long = " ".join(f"word{n}" for n in range(40))
    source = '[[source]]\nname = "twitter"\nkind = "x"\nquery_length = 64\n'
    more = f'[[query]]\nname = "endless"\nbrand = "Brightly"\nany = ["{long}"]\n'
    answer = call("check", "--json", "--config", write_config(tmp_path, sources=source, more=more))
    [wrong] = [finding for finding in answer.objects if finding["verdict"] == "wrong"]
    assert answer.code == 2
    assert wrong["what"] == "source twitter"
    assert "endless" in str(wrong["detail"])


def test_a_missing_secret_stops_its_own_source_and_no_other(tmp_path):
    write_posts(tmp_path / "posts.jsonl")
    files = f'[[source]]\nname = "file"\nkind = "files"\npaths = ["{tmp_path}/posts.jsonl"]\n'
    config = write_config(tmp_path, sources=f'[[source]]\nname = "twitter"\nkind = "x"\n{files}')
    in_one_line(call("run", "--config", config), "twitter/brightly", "TOCSIN_X_BEARER_TOKEN", code=1)
    assert tickets(config) == ALL


# --- sources --------------------------------------------------------------------------------------------------------


def test_a_missing_file_fails_its_source_and_is_read_once_it_is_there(config, tmp_path):
    (tmp_path / "posts.jsonl").unlink()
    in_one_line(call("run", "--config", config), "file/brightly", "posts.jsonl", code=1)
    assert tickets(config) == set()
    write_posts(tmp_path / "posts.jsonl")
    catches_up(config)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_dead_source_stops_no_other_and_is_caught_up_when_it_is_back(tmp_path):
    from tests.contracts.sources.fake_hackernews import FakeHackerNews
    from tests.contracts.sources.fake_server import Post

    port = closed_port()
    write_posts(tmp_path / "posts.jsonl")
    sources = (
        f'[[source]]\nname = "news"\nkind = "hackernews"\nbase_url = "http://127.0.0.1:{port}/api/v1"\n'
        f'[[source]]\nname = "file"\nkind = "files"\npaths = ["{tmp_path}/posts.jsonl"]\n'
    )
    config = write_config(tmp_path, sources=sources)
    in_one_line(call("run", "--config", config), "news/brightly", "127.0.0.1", code=1)
    assert tickets(config) == ALL
    assert "news, query “brightly”: never read" in call("coverage", "--config", config).out
    with FakeHackerNews(port=port) as server:
        at = datetime.now(UTC) - timedelta(hours=1)
        server.publish(
            [
                Post(
                    number=n,
                    at=at + timedelta(seconds=n),
                    text=f"brightly broken {n}",
                    extra={"story_id": n, "parent_id": None},
                )
                for n in range(1, 6)
            ]
        )
        assert call("run", "--config", config).code == 0
    assert len(tickets(config)) == 3 + 5


# --- disks ----------------------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_landing_zone_loses_nothing(config, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        in_one_line(call("run", "--config", config), "landing", "No space left", code=1)
    assert tickets(config) == set()
    assert not [path for path in (config.parent / "home" / "landing").rglob("*") if path.is_file()]
    catches_up(config)


def test_a_really_full_disk_loses_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        write_posts(tmp_path / "posts.jsonl")
        config = write_config(tmp_path, top=f'landing = "{small}"')
        with pytest.raises(OSError, match="No space left"):
            (small / "ballast").write_bytes(bytes(300_000))
        in_one_line(call("run", "--config", config), "small", "No space left", code=1)
        (small / "ballast").unlink()
        catches_up(config)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_store_that_cannot_grow_says_so_and_catches_up(config, monkeypatch):
    many = [{**POSTS[0], "id": str(n), "text": f"my brightly is broken, number {n}"} for n in range(5, 405)]
    write_posts(config.parent / "posts.jsonl", [*POSTS, *many])
    call("queue", "--config", config)  # the schema is there
    real = sqlite3.connect

    def tight(*arguments, **options):
        connection = real(*arguments, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {max(pages, 1)}")
        return connection

    with monkeypatch.context() as broken:
        broken.setattr(database.sqlite3, "connect", tight)
        answer = call("run", "--config", config)
        assert answer.code == 1
        assert "tocsin.db: the disk is full" in answer.err
        assert "Traceback" not in answer.err
    assert call("run", "--config", config).code == 0
    assert len(call("queue", "--json", "--limit", "1000", "--config", config).objects) == 3 + len(many)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    write_posts(tmp_path / "posts.jsonl")
    (tmp_path / "wall").write_text("a file where a folder should be")
    config = write_config(tmp_path, top=f'landing = "{tmp_path}/wall/landing"')
    in_one_line(call("run", "--config", config), "wall", "Not a directory", code=1)
    (tmp_path / "wall").unlink()
    catches_up(config)


@pytest.mark.parametrize("command", ["run", "queue", "check"])
def test_a_home_that_cannot_be_made_is_named(tmp_path, monkeypatch, command):
    (tmp_path / "wall").write_text("a file where a folder should be")
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "wall" / "home"))
    answer = call(command, "--config", write_config(tmp_path))
    assert answer.code == 2
    assert "wall/home cannot be made" in " ".join((answer.out + answer.err).split())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; the tests above stand for it")
def test_without_permission_the_folder_is_named(config, tmp_path):
    (tmp_path / "home").mkdir(mode=0o500)
    in_one_line(call("run", "--config", config), "home", "permission", code=1)


# --- landing zone and store -----------------------------------------------------------------------------------------


def test_a_damaged_batch_is_named_holds_up_no_other_and_is_triaged_once_restored(config, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(flows, "triage", lambda _: Triaged())
        call("run", "--config", config)  # ends before triage, as in a crash
    [batch] = (tmp_path / "home" / "landing").rglob("*.gz")
    good = batch.read_bytes()
    batch.write_bytes(gzip.compress(b"{}\n"))
    more = {"id": "5", "author": "zoe", "text": "brightly broken too", "created_at": "2024-03-06T09:40:00Z"}
    write_posts(tmp_path / "posts.jsonl", [*POSTS, more])
    in_one_line(call("run", "--config", config), batch.name, code=1)
    assert tickets(config) == {"file:5"}
    batch.write_bytes(good)
    assert call("run", "--config", config).code == 0
    assert tickets(config) == ALL | {"file:5"}


def test_a_batch_that_has_vanished_is_named(config, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(flows, "triage", lambda _: Triaged())
        call("run", "--config", config)
    [batch] = (tmp_path / "home" / "landing").rglob("*.gz")
    batch.rename(tmp_path / "elsewhere.gz")
    in_one_line(call("run", "--config", config), batch.name, code=1)
    (tmp_path / "elsewhere.gz").rename(batch)
    catches_up(config)


def test_a_store_that_is_no_database_is_named(config, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tocsin.db").write_bytes(b"this is no database" * 100)
    in_one_line(call("queue", "--config", config), "tocsin.db", "not an SQLite database", code=1)
    assert call("check", "--config", config).code == 2
    (tmp_path / "home" / "tocsin.db").unlink()
    catches_up(config)


def test_a_store_of_a_newer_tocsin_is_refused_and_left_alone(config, tmp_path):
    catches_up(config)
    path = tmp_path / "home" / "tocsin.db"
    with sqlite3.connect(path) as connection:
        [version] = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    in_one_line(call("run", "--config", config), "tocsin.db has schema 999", "newer Tocsin", code=1)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    catches_up(config)


def test_a_store_that_another_holds_is_busy_for_now(config, tmp_path, monkeypatch):
    call("queue", "--config", config)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "home" / "tocsin.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    in_one_line(call("run", "--config", config), "tocsin.db is busy", "try again", code=1)
    holder.execute("ROLLBACK")
    holder.close()
    catches_up(config)


# --- models ---------------------------------------------------------------------------------------------------------


def test_a_model_that_does_not_match_its_manifest_is_refused_and_its_posts_wait(tmp_path, real_model):
    if not STARTER.is_dir():
        pytest.skip("the shipped model is not there")
    composition.classifier.cache_clear()
    model = tmp_path / "model"
    shutil.copytree(STARTER, model)
    spoiled = max((path for path in model.iterdir() if path.suffix != ".json"), key=lambda path: path.stat().st_size)
    good = spoiled.read_bytes()
    spoiled.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    write_posts(tmp_path / "posts.jsonl")
    config = write_config(tmp_path, top=f'model = "{model}"')
    in_one_line(call("run", "--config", config), spoiled.name, code=1)
    checked = call("check", "--json", "--config", config)
    assert checked.code == 2
    assert [finding["what"] for finding in checked.objects if finding["verdict"] == "wrong"] == ["model"]
    in_one_line(call("score", "--model", model, stdin="hello"), spoiled.name, code=1)
    spoiled.write_bytes(good)
    catches_up(config)


def test_a_missing_model_is_named(tmp_path, real_model):
    composition.classifier.cache_clear()
    in_one_line(call("score", "--model", tmp_path / "none", stdin="hello"), "none", code=1)
