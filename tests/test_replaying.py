"""The rules over the past: what would have been told, how often for nothing, and how late."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import app
from pipeline.cli import app as cli
from pipeline.domain import Finding
from pipeline.replaying import Labelled, Replayed, replay
from pipeline.stores.sqlite import SqliteStore
from tests.factories import NOW
from tests.test_watching import burst, settings, usual

AT = NOW - timedelta(days=5, hours=2)
CRISIS = Labelled(name="double charge", brand="Brightly", since=AT - timedelta(minutes=30), until=AT)
FICTION = Labelled(name="fiction", brand="Brightly", since=NOW - timedelta(days=9), until=NOW - timedelta(days=9))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with ten weeks of a steady stream, and a burst five days ago."""
    path = tmp_path_factory.mktemp("past") / "tocsin.db"
    with closing(SqliteStore(path)) as store:
        store.add_mentions([*usual(75, 30), *burst(30, at=AT)], {})
    return path


@pytest.fixture
def store(past: Path, tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(shutil.copy(past, tmp_path / "tocsin.db"))) as opened:
        yield opened


def run(store: SqliteStore, *labels: Labelled) -> Replayed:
    return replay(store, settings(), since=NOW - timedelta(days=10), until=NOW, labels=labels)


def test_what_happened_would_have_been_told_within_the_hour_and_nothing_else(store: SqliteStore) -> None:
    done = run(store, CRISIS)
    assert [(alarm.label, alarm.finding.cause) for alarm in done.alarms] == [("double charge", "volume")]
    assert done.delay is not None
    assert 0 <= done.delay <= 1
    assert (done.a_month, done.missed, done.days, done.brands) == (0.0, (), 10.0, 1)


def test_an_alarm_about_nothing_that_was_labelled_is_false(store: SqliteStore) -> None:
    done = run(store, FICTION)
    assert [alarm.label for alarm in done.alarms] == [None]
    assert done.a_month == pytest.approx(3.0)
    assert done.missed == ("fiction",)


def test_nothing_is_written(store: SqliteStore) -> None:
    before = store.change_count()
    run(store)
    assert store.change_count() == before
    assert store.incidents() == []


def test_an_empty_store_has_nothing_to_tell() -> None:
    with closing(SqliteStore(":memory:")) as empty:
        assert run(empty) == Replayed(days=10.0, brands=0, alarms=())


@pytest.fixture
def folder(past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(app, "now", lambda: NOW)
    monkeypatch.setattr(app.assemble, "__kwdefaults__", {"clock": lambda: NOW})
    shutil.copy(past, tmp_path / "tocsin.db")
    (tmp_path / "tocsin.toml").write_text(
        f'home = "{tmp_path}"\n[[brand]]\nname = "Brightly"\n[[query]]\nname = "brightly"\nbrand = "Brightly"\n',
        encoding="utf-8",
    )
    return tmp_path


def test_the_command_prints_when_why_and_how_late(folder: Path) -> None:
    labels = folder / "labels.jsonl"
    labels.write_text(
        json.dumps(
            {"name": "double charge", "brand": "Brightly", "from": CRISIS.since.isoformat(), "to": AT.isoformat()}
        ),
        encoding="utf-8",
    )
    done = CliRunner().invoke(
        cli, ["-c", str(folder / "tocsin.toml"), "replay", "--days", "10", "--labels", str(labels)]
    )
    assert done.exit_code == 0, done.output
    assert "double charge" in done.stdout
    assert (
        "1 alarm in 10 days of 1 brand; 0.00 false alarms a month and brand; 1 of 1 labelled incident told"
        in done.stdout
    )


def test_machines_get_a_line_an_alarm_and_one_of_all(folder: Path) -> None:
    done = CliRunner().invoke(cli, ["-c", str(folder / "tocsin.toml"), "replay", "--days", "10", "--json"])
    alarm, total = (json.loads(line) for line in done.stdout.splitlines())
    assert alarm["finding"]["cause"] == "volume"
    assert set(Finding.__slots__) <= set(alarm["finding"])
    assert (total["alarms"], total["brands"], total["missed"]) == (1, 1, [])


def test_a_label_that_cannot_be_read_is_named_with_its_line(folder: Path) -> None:
    labels = folder / "labels.jsonl"
    labels.write_text('\n{"name": "x", "brand": "Brightly", "from": "yesterday"}\n', encoding="utf-8")
    done = CliRunner().invoke(cli, ["-c", str(folder / "tocsin.toml"), "replay", "--labels", str(labels)])
    assert done.exit_code == 2
    assert "labels.jsonl, line 2" in done.stderr
