"""``tocsin up`` for real: on free ports, from posts in a file to an incident, ended and started again, killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from pipeline.app import assemble
from pipeline.domain import Filters
from tests import REPOSITORY
from tests.cli_world import call, command, write_config, write_posts

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

PATIENT = 240.0  # seconds; Airflow takes 20 on an idle machine


class Run:
    """One ``tocsin up`` in a process of its own, and what it said."""

    def __init__(self, config: Path, *, port: int = 0) -> None:
        self._log = config.parent / "said"
        self._seen = self._log.stat().st_size if self._log.exists() else 0
        self._output = self._log.open("ab")
        self.process = subprocess.Popen(
            command("up", "--config", config, "--port", str(port)),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        """What this start has said so far."""
        return self._log.read_bytes()[self._seen :].decode()

    def line(self, start: str) -> str:
        """Wait for a line that starts so, and return the rest of it."""

        def found() -> list[str]:
            return [line for line in self.said.splitlines() if line.startswith(start)]

        until(lambda: found() or self.process.poll() is not None, why=lambda: self.said)
        assert found(), f"it ended without {start!r}:\n{self.said}"
        return found()[0].removeprefix(start).strip()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        code = self.process.wait(90)
        self._output.close()
        return code


def until(what: Callable[[], object], *, why: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENT
    while not what():
        assert time.monotonic() < deadline, f"it did not happen\n{why()}"
        time.sleep(0.2)


def running(members: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in members if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A brand, a file of three posts from a moment ago, one of them grave."""
    recently = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    texts = (
        "does brightly ship to Lodz?",
        "the brightly charging base caught fire last night, my son burned his hand",
        "my brightly lamp is broken and nobody answers, give me my money back",
    )
    write_posts(
        tmp_path / "posts.jsonl",
        [
            {"id": str(number), "author": f"author{number}", "text": text, "created_at": recently}
            for number, text in enumerate(texts)
        ],
    )
    return write_config(
        tmp_path, more='[schedule]\nlisten = "* * * * *"\n[[channel]]\nkind = "console"\nname = "console"\n'
    )


@pytest.fixture
def start(config: Path) -> Iterator[Callable[..., Run]]:
    """Start it; whatever a failed test leaves running is ended."""
    runs: list[Run] = []

    def one(*, port: int = 0) -> Run:
        runs.append(Run(config, port=port))
        return runs[-1]

    yield one
    for run in runs:
        if run.process.poll() is None:
            run.end()


def listened(config: Path) -> int:
    """How many scheduled runs have succeeded, of the DAG that has fewer."""
    path = config.parent / "home" / "airflow" / "airflow.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        succeeded = "SELECT count(*) FROM dag_run WHERE state = 'success' AND dag_id = ?"
        return min(int(database.execute(succeeded, (dag,)).fetchone()[0]) for dag in ("listen", "watch"))


def holds(config: Path) -> tuple[int, int, list[str]]:
    """Mentions, tickets and the notices of a home."""
    store = assemble(config).store
    try:
        found = sum(store.mention(f"file:{number}") is not None for number in range(3))
        waiting = store.queue_counts(datetime.now(UTC), Filters()).waiting
        return found, waiting, sorted(notice.id for notice in store.notices())
    finally:
        store.close()


def test_posts_become_an_incident_and_a_second_start_repeats_nothing(config: Path, start: Callable[..., Run]) -> None:
    run = start()
    address = run.line("pages")
    run.line("queue     3 waiting")
    with urlopen(f"{address}/mentions", timeout=30) as page:
        assert "caught fire last night" in page.read().decode()
    assert "Brightly" in run.line("notice")
    until(lambda: listened(config), why=lambda: run.said)
    first = holds(config)
    assert first[:2] == (3, 3)
    assert len(first[2]) == 1
    everybody = run.family()
    assert len(everybody) >= 4
    assert run.end() == 0
    assert running(everybody) == []
    home = config.parent / "home"
    password = json.loads((home / "airflow" / "passwords.json").read_text())["admin"]
    assert not [path for path in (home / "logs").iterdir() if password in path.read_text()]

    runs = listened(config)
    again = start()
    again.line("airflow   http")
    until(lambda: listened(config) > runs, why=lambda: again.said)
    assert holds(config) == first
    assert "notice" not in again.said
    everybody = again.family()
    assert again.end(signal.SIGINT) == 0
    assert running(everybody) == []


def test_what_a_killed_supervisor_leaves_is_ended_by_the_next_start(config: Path, start: Callable[..., Run]) -> None:
    killed = start()
    killed.line("airflow   makes ready")
    orphans = killed.family()
    killed.end(signal.SIGKILL)
    assert running(orphans)

    following = start()
    following.line("ended ")
    following.line("pages")
    assert running(orphans) == []
    started = following.family()
    assert following.end() == 0, "a start that is broken off half-way ends like any other"
    assert running(started) == []


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Path, int]]:
    """A start whose port is in use, as far as its pages; with its configuration and that port."""
    folder = tmp_path_factory.mktemp("beside")
    write_posts(folder / "posts.jsonl", [])
    config = write_config(folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = Run(config, port=port)
        run.line("pages")
        yield run, config, port
        assert run.end() == 0


def test_a_port_in_use_is_named_and_another_one_taken(beside: tuple[Run, Path, int]) -> None:
    run, _, port = beside
    address = run.line("pages")
    assert f"port {port} is in use" in run.said
    assert not address.endswith(f":{port}")
    with urlopen(address, timeout=30) as page:
        assert page.status == 200


def test_a_home_has_one_supervisor_and_the_second_hears_which(beside: tuple[Run, Path, int]) -> None:
    run, config, _ = beside
    second = call("up", "--config", config)
    assert second.code == 2
    assert f"process {run.process.pid}" in second.err
    assert run.process.poll() is None


def test_what_another_terminal_should_call_can_be_called(beside: tuple[Run, Path, int]) -> None:
    run, _, _ = beside
    told = run.line("     In another terminal: ").partition(" queue")[0]
    done = subprocess.run(
        f"{told} coverage --json", shell=True, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["cursor"]["source"] == "file"


def test_secrets_are_this_installation_s_own_and_for_its_owner_alone(beside: tuple[Run, Path, int]) -> None:
    run, config, _ = beside
    airflow = config.parent / "home" / "airflow"
    secrets = [airflow / "jwt.secret", airflow / "api.secret", airflow / "passwords.json"]
    assert [oct(path.stat().st_mode & 0o777) for path in secrets] == ["0o600"] * 3
    assert len(secrets[0].read_bytes()) >= 64
    assert not [path for path in secrets if path.read_text() in run.said]
    assert oct(airflow.stat().st_mode & 0o777) == oct(0o700)


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[brand]]\nnmae = "Brightly"\n', encoding="utf-8")
    answer = call("up", "--config", wrong, environ=dict(os.environ))
    assert answer.code == 2
    assert "nmae" in answer.err
    assert list(tmp_path.iterdir()) == [wrong]
