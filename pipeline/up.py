"""``tocsin up``: the pages and a lean Airflow on this machine, started, watched and stopped together.

Airflow's own ``standalone`` leaves processes behind and never restarts a dead part, hence this supervisor. Every part runs
in a session of its own, so that a Ctrl-C reaches only us and the parts stop in their right order.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pipeline import config as settings
from pipeline.app import make_home, now, store_of
from pipeline.domain import Filters, Notice
from pipeline.errors import ConfigError, StoreUnavailable
from pipeline.processes import end, end_all, end_remembered, family, remember

REPOSITORY = Path(__file__).resolve().parent.parent
AIRFLOW_PORT = 8680
PORTS_TRIED = 50
RESTARTS = 3  # of one part; a part that dies more often has a reason that a person must read
LISTENING = 60.0  # seconds for the pages to answer
POLL = 0.5
LOOK = 2.0  # seconds between looks at the store for notices to show
DRAIN = 20.0  # seconds for the scheduler's tasks to end; what they leave undone is done by the next run


@dataclass(slots=True)
class Part:
    """One process of ours and how to start it again."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0


@dataclass(slots=True)
class Supervisor:
    """Starts parts, watches them, stops them in order."""

    home: Path
    environment: Mapping[str, str]
    parts: list[Part] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self, name: str, *command: str) -> Part:
        """Start one part; its output goes to ``logs/<name>.log``."""
        part = Part(name=name, command=command)
        self.parts.append(part)
        self._spawn(part)
        return part

    def run(self, name: str, *command: str) -> int:
        """Run one command to its end (or ours), and return its exit code."""
        part = self.start(name, *command)
        assert part.process is not None
        while part.process.poll() is None and not self.stopping.is_set():
            time.sleep(POLL / 5)
        if part.process.poll() is not None:
            self.parts.remove(part)
        return part.process.poll() or 0

    def dead(self) -> Part | None:
        """Start again what died; the part that has died too often, if one has."""
        for part in self.parts:
            if part.process is None or part.process.poll() is None:
                continue
            if part.restarts >= RESTARTS:
                return part
            part.restarts += 1
            say(f"{part.name} ended with code {part.process.returncode}; starting it again")
            self._spawn(part)
        return None

    def stop(self) -> None:
        """Scheduler and DAG processor first (running tasks still need the API), API and pages last, then what is left."""
        late = {"api-server", "pages"}
        # Counted before anybody ends: a task whose scheduler is gone is nobody's child any more.
        members = family({part.process.pid for part in self.parts if part.process is not None})
        sessions = [part.process.pid for part in self.parts if part.process is not None]
        end([part.process for part in self.parts if part.process and part.name not in late], patience=DRAIN)
        end([part.process for part in self.parts if part.process and part.name in late], patience=DRAIN / 2)
        end_all([member for member in members if member.is_running()])
        end_remembered(self.home, sessions)

    def log(self, name: str) -> Path:
        """Where a part writes."""
        return self.home / "logs" / f"{name}.log"

    def _spawn(self, part: Part) -> None:
        path = self.log(part.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as output:
            part.process = subprocess.Popen(
                part.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        remember(self.home, [each.process.pid for each in self.parts if each.process is not None])


def up(config_path: Path, *, port: int | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code. Raises ``ConfigError`` before anything is started."""
    config = settings.load(config_path)
    make_home(config)
    with _alone(config.home):
        end_remembered(config.home)
        pages_port = _free_port(config.web.port if port is None else port, "the pages")
        airflow_port = _free_port(AIRFLOW_PORT, "Airflow")
        address = f"http://{config.web.host}:{pages_port}"
        environment = _environment(config_path, config, address=address, airflow_port=airflow_port)
        supervisor = Supervisor(home=config.home, environment=environment)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: supervisor.stopping.set())
        try:
            return _serve(supervisor, config, pages_port=pages_port, airflow_port=airflow_port, address=address)
        finally:
            say("stopping")
            supervisor.stop()
            say("stopped; `make run` or `tocsin up` goes on where this ended")


def _serve(supervisor: Supervisor, config: settings.Config, *, pages_port: int, airflow_port: int, address: str) -> int:
    supervisor.start("pages", *_uvicorn(config.web.host, pages_port))
    if not _answers(config.web.host, pages_port, supervisor):
        return _failed(supervisor, "pages")
    say(f"pages     {address}")
    say("airflow   is being prepared; the queue fills as soon as its first run ends")
    airflow = [sys.executable, "-m", "airflow"]
    if supervisor.run("airflow-migrate", *airflow, "db", "migrate"):
        return _failed(supervisor, "airflow-migrate")
    if not supervisor.stopping.is_set():
        supervisor.start("api-server", *airflow, "api-server", "--port", str(airflow_port), "--workers", "1")
        supervisor.start("dag-processor", *airflow, "dag-processor")
        supervisor.start("scheduler", *airflow, "scheduler", "--skip-serve-logs")
        _welcome(config, address=address, airflow_port=airflow_port)
    return _watch(supervisor, config)


def _watch(supervisor: Supervisor, config: settings.Config) -> int:
    """Until we are told to stop: keep the parts alive, show what people must see."""
    started, looked, waiting = now(), 0.0, False
    shown: set[str] = set()
    store = store_of(config)
    try:
        while not supervisor.stopping.wait(POLL):
            if (dead := supervisor.dead()) is not None:
                return _failed(supervisor, dead.name)
            if time.monotonic() - looked < LOOK:
                continue
            looked = time.monotonic()
            try:
                news = [notice for notice in store.notices(limit=20) if notice.created_at >= started]
                counts = store.queue_counts(now(), Filters())
            except StoreUnavailable:
                continue  # busy: the next look sees the same
            if counts.waiting and not waiting:
                waiting = True
                say(f"queue     {counts.waiting} waiting, {counts.crisis} in the crisis lane")
            _show(reversed(news), shown)
    finally:
        store.close()
    return 0


def _show(notices: Iterator[Notice], shown: set[str]) -> None:
    for notice in notices:
        if notice.id not in shown:
            shown.add(notice.id)
            say(f"notice    {notice.subject}", *(f"          {line}" for line in notice.body.splitlines()))


def _welcome(config: settings.Config, *, address: str, airflow_port: int) -> None:
    say(
        f"airflow   http://127.0.0.1:{airflow_port} (user and password: {config.home}/airflow/*.generated)",
        f"data      {config.home}, logs in {config.home}/logs",
        "",
        "Try: open the pages and press ? for the keys; claim the first ticket with c.",
        f"     {address}/incidents and wait for something to catch fire",
        "     tocsin queue · tocsin explain ID · tocsin coverage",
        "Ctrl-C stops all of it.",
    )


def _failed(supervisor: Supervisor, name: str) -> int:
    if supervisor.stopping.is_set():
        return 0
    log = supervisor.log(name)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if log.exists() else []
    say(f"{name} does not stay up; the end of {log}:", *(f"  {line}" for line in lines))
    return 1


def say(*lines: str) -> None:
    """A line for the person at the terminal."""
    for line in lines:
        print(line, flush=True)


def _uvicorn(host: str, port: int) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", "--factory", "pipeline.pages:pages", "--host", host, "--port", str(port),
        "--no-access-log", "--timeout-graceful-shutdown", "3", "--no-server-header",
    ]  # fmt: skip


def _environment(config_path: Path, config: settings.Config, *, address: str, airflow_port: int) -> dict[str, str]:
    """What the parts need to know; facts about Airflow on a small machine are beside each setting."""
    home = config.home / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    api = f"http://127.0.0.1:{airflow_port}"
    airflow = {
        "API__HOST": "127.0.0.1",
        "API__PORT": str(airflow_port),
        "API__BASE_URL": api,
        "API__SECRET_KEY": _secret(home / "api.secret"),
        "API_AUTH__JWT_SECRET": _secret(home / "jwt.secret"),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "3",  # with more, SQLite as Airflow's database ends in "database is locked"
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",  # nothing leaves this machine
        "WORKERS__EXECUTION_API_TIMEOUT": "30",
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }
    threads = {
        f"{library}_NUM_THREADS": os.environ.get(f"{library}_NUM_THREADS", "1") for library in ("OPENBLAS", "OMP")
    }
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        **{f"AIRFLOW__{name}": value for name, value in airflow.items()},
        **threads,
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "TOCSIN_CONFIG": str(config_path.resolve()),
        "TOCSIN_HOME": str(config.home.resolve()),
        "TOCSIN_WEB_ADDRESS": address if config.web.address == settings.Web().address else config.web.address,
    }


def _secret(path: Path) -> str:
    """A random secret of this installation, made once, readable by its owner alone."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(64))
    return path.read_text(encoding="ascii")


@contextmanager
def _alone(home: Path) -> Iterator[IO[str]]:
    """One supervisor a home; the lock goes with the process that holds it, however it ends."""
    with (home / "up.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise ConfigError(
                f"Tocsin already runs on {home} (process {lock.read().strip() or 'unknown'}); stop it first, or give"
                " this one a home of its own (TOCSIN_HOME)"
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def _free_port(wanted: int, what: str) -> int:
    """The port that was asked for, or the next free one, saying so."""
    for port in range(wanted, wanted + PORTS_TRIED) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
        if found != wanted and wanted:
            say(f"port {wanted} is in use; {what} take {found}")
        return found
    raise ConfigError(f"no free port from {wanted} on for {what}; end what uses them, or pass --port")


def _answers(host: str, port: int, supervisor: Supervisor) -> bool:
    """Whether the pages answer in time."""
    deadline = time.monotonic() + LISTENING
    while time.monotonic() < deadline and not supervisor.stopping.is_set() and supervisor.dead() is None:
        try:
            with socket.create_connection((host, port), timeout=1):
                return True
        except OSError:
            time.sleep(POLL / 5)
    return False
