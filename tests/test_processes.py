"""The supervisor's processes: restarted within reason, ended in order, and never somebody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline import processes
from pipeline.processes import REMEMBERED, RESTARTS, Part, Supervisor, end_remembered

SLEEP = (sys.executable, "-c", "import time; time.sleep(120)")
DEAF = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(120)",
)
PARENT = (sys.executable, "-c", "import os, time\nos.fork() or os.setsid()\ntime.sleep(120)")  # as Airflow's tasks do


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(home=tmp_path, environment=os.environ, say=said.append)
    yield supervisor
    supervisor.stop()


def until(what: Callable[[], object], *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def children(part: Part) -> list[psutil.Process]:
    return psutil.Process(part.process.pid).children(recursive=True)


def running(members: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in members if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_a_part_that_dies_is_started_again_and_given_up_at_last(supervisor: Supervisor, said: list[str]) -> None:
    part = supervisor.start("broken", sys.executable, "-c", "raise SystemExit(3)")
    until(lambda: supervisor.dead() is part)
    assert said == ["broken ended with code 3; starting it again"] * RESTARTS


def test_what_died_long_ago_is_forgiven(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FORGIVEN", 0.0)
    part = supervisor.start("broken", sys.executable, "-c", "raise SystemExit(3)")
    for _ in range(RESTARTS + 2):
        part.process.wait(20)
        assert supervisor.dead() is None


def test_a_part_writes_to_its_own_log(supervisor: Supervisor) -> None:
    part = supervisor.start("speaker", sys.executable, "-c", "import sys; print('one'); print('two', file=sys.stderr)")
    assert supervisor.finish(part, within=20) == 0
    assert sorted(supervisor.log("speaker").read_text().split()) == ["one", "two"]
    assert supervisor.parts == []


def test_a_part_that_takes_too_long_is_ended(supervisor: Supervisor) -> None:
    part = supervisor.start("slow", *SLEEP)
    assert supervisor.finish(part, within=0.1) is None
    assert part.process.poll() is not None


def test_stopping_ends_waiting_at_once(supervisor: Supervisor) -> None:
    part = supervisor.start("slow", *SLEEP)
    supervisor.stopping.set()
    assert supervisor.finish(part, within=1000) is None


def test_nothing_is_left_of_parts_their_children_and_the_deaf(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "DRAIN", 0.5)
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    parent, deaf = supervisor.start("parent", *PARENT), supervisor.start("deaf", *DEAF)
    until(lambda: children(parent) and "deaf" in supervisor.log("deaf").read_text())
    everybody = [*children(parent), psutil.Process(deaf.process.pid), psutil.Process(parent.process.pid)]
    supervisor.stop()
    assert running(everybody) == []


def test_parts_that_others_need_end_last(tmp_path: Path) -> None:
    order = tmp_path / "order"
    tell = (
        "import signal, sys, time\n"
        "def end(*_):\n    open(sys.argv[1], 'a').write(sys.argv[2] + '\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(120)\n"
    )
    supervisor = Supervisor(home=tmp_path, environment=os.environ, say=print, last=frozenset({"api"}))
    for name in ("api", "scheduler"):
        supervisor.start(name, sys.executable, "-c", tell, str(order), name)
        until(lambda name=name: "ready" in supervisor.log(name).read_text())
    supervisor.stop()
    assert order.read_text().split() == ["scheduler", "api"]


def test_what_a_killed_supervisor_left_is_ended_by_the_next_start(tmp_path: Path) -> None:
    killed = Supervisor(home=tmp_path, environment=os.environ, say=print)
    part = killed.start("parent", *PARENT)
    until(lambda: children(part))
    left = [psutil.Process(part.process.pid), *children(part)]
    assert end_remembered(tmp_path) == len(left) == 2
    part.process.wait(5)
    assert running(left) == []
    assert end_remembered(tmp_path) == 0


def test_a_process_that_has_only_inherited_the_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEP, start_new_session=True)
    try:
        began = psutil.Process(stranger.pid).create_time()
        (tmp_path / REMEMBERED).write_text(json.dumps({stranger.pid: began - 60}))
        assert end_remembered(tmp_path) == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_damaged_memory_of_processes_stops_no_start(tmp_path: Path) -> None:
    (tmp_path / REMEMBERED).write_text("{")
    assert end_remembered(tmp_path) == 0
