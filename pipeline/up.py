"""``tocsin up``: the pages and a lean Airflow on this machine, started, watched and stopped together.

Airflow's own ``standalone`` leaves processes behind and never restarts a dead part, hence a supervisor of our own.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import secrets
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from pipeline import config as settings
from pipeline.app import make_home, now, store_of
from pipeline.domain import Filters, Notice
from pipeline.errors import ConfigError, StoreUnavailable
from pipeline.ports import Store
from pipeline.processes import POLL, Supervisor, end_remembered

PASSWORDS = Path("airflow", "passwords.json")  # in home
REPOSITORY = Path(__file__).resolve().parent.parent
AIRFLOW_PORT = 8680
PORTS_TRIED = 50
LISTENING = 180.0  # seconds for a part to answer: Airflow's API takes 8 on an idle machine, 40 on a busy one
MIGRATING = 600.0  # seconds for Airflow to make or change its database: after an update that can take minutes
FIRST_PASS = 60.0  # seconds that the first pass may take; what it leaves is the scheduler's
LOOK = 2.0  # seconds between looks at the store for notices to show
NEWEST = 50  # notices seen at one look; more in two seconds are read on the pages


def up(config_path: Path, *, port: int | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code. Raises ``ConfigError`` before anything is started."""
    config = settings.load(config_path)
    make_home(config)
    with _alone(config.home):
        if left := end_remembered(config.home):
            say(f"ended {left} processes that an earlier start left behind when it was killed")
        host = config.web.host
        pages_port = _free_port(host, config.web.port if port is None else port, "the pages")
        airflow_port = _free_port("127.0.0.1", AIRFLOW_PORT, "Airflow", besides=pages_port)
        address = f"http://{host}:{pages_port}"
        supervisor = Supervisor(
            home=config.home,
            environment=_environment(config_path, config, address=address, airflow_port=airflow_port),
            say=say,
            last=frozenset({"api-server", "pages"}),  # tasks that are still running need Airflow's API
        )
        # Set by hand: a background job of a shell ignores SIGINT.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: supervisor.stopping.set())
        try:
            return _serve(supervisor, config, pages_port=pages_port, airflow_port=airflow_port, address=address)
        finally:
            say("stopping; running tasks end first")
            supervisor.stop()
            say("stopped; the next start goes on where this one ended")


def _serve(supervisor: Supervisor, config: settings.Config, *, pages_port: int, airflow_port: int, address: str) -> int:
    supervisor.start("pages", *_uvicorn(config.web.host, pages_port))
    if not _answers(supervisor, config.web.host, pages_port, "/static/tocsin.css"):
        return _failed(supervisor, "pages")
    _welcome(config, Path(supervisor.environment["TOCSIN_CONFIG"]), address=address)
    airflow = [sys.executable, "-m", "airflow"]
    migration = supervisor.start("airflow-migrate", *airflow, "db", "migrate")
    with closing(store_of(config)) as store:
        started = now()
        _first_pass(supervisor, store)
        if supervisor.finish(migration, within=MIGRATING) != 0:
            return _failed(supervisor, "airflow-migrate")
        supervisor.start("api-server", *airflow, "api-server", "--port", str(airflow_port), "--workers", "1")
        supervisor.start("dag-processor", *airflow, "dag-processor")
        # The scheduler comes last: a task that finds no API fails, and its DAG waits for the retry.
        if not _answers(supervisor, "127.0.0.1", airflow_port, "/api/v2/monitor/health"):
            return _failed(supervisor, "api-server")
        supervisor.start("scheduler", *airflow, "scheduler", "--skip-serve-logs")
        say(f"airflow   http://127.0.0.1:{airflow_port} (admin; the password is in {config.home / PASSWORDS})")
        return _watch(supervisor, store, since=started)


def _first_pass(supervisor: Supervisor, store: Store) -> None:
    """Read all sources while Airflow starts; ended before the scheduler is there, as two at once read all twice."""
    first = supervisor.start("first-pass", sys.executable, "-m", "pipeline.cli", "run")
    if supervisor.finish(first, within=FIRST_PASS) not in {0, None}:
        say(f"pass      not everything could be read: {supervisor.log('first-pass')} says what; it is tried again")
    if not supervisor.stopping.is_set():
        counts = store.queue_counts(now(), Filters())
        say(f"queue     {counts.waiting} waiting, {counts.crisis} in the crisis lane")


def _watch(supervisor: Supervisor, store: Store, *, since: datetime) -> int:
    """Until we are told to stop: keep the parts alive, show the notices that were written since then."""
    shown: set[str] = set()
    looked = 0.0
    while not supervisor.stopping.wait(POLL):
        if supervisor.dead() is not None:
            return _failed(supervisor, "scheduler")
        if time.monotonic() - looked < LOOK:
            continue
        looked = time.monotonic()
        try:
            _show(reversed([each for each in store.notices(limit=NEWEST) if each.created_at >= since]), shown)
        except StoreUnavailable:
            continue  # busy: the next look sees the same
    return 0


def _show(notices: Iterable[Notice], shown: set[str]) -> None:
    for notice in notices:
        if notice.id not in shown:
            shown.add(notice.id)
            say(f"notice    {notice.subject}", *(f"          {line}" for line in notice.body.splitlines()))


def _welcome(config: settings.Config, config_path: Path, *, address: str) -> None:
    demo = any(source.kind == "replay" for source in config.source)
    say(
        f"pages     {address}",
        f"data      {config.home}, logs in {config.home}/logs",
        "",
        "Try: open the pages and press ? for the keys; claim the first ticket with c.",
        *([f"     {address}/incidents: in a few minutes something catches fire in the demo"] if demo else []),
        f"     In another terminal: {_command(config_path)} queue (or explain ID, coverage, --help)",
        "Ctrl-C stops all of it.",
        "",
        "airflow   makes ready; meanwhile a first pass over all sources",
    )


def _command(config_path: Path) -> str:
    """How another terminal calls us: by a launcher that is on nobody's PATH, with the home and settings that were given."""
    launcher = Path(sys.executable).with_name("tocsin")
    if not launcher.exists():
        words = [sys.executable, "-m", "pipeline.cli"]
    elif launcher.is_relative_to(Path.cwd()):
        words = [str(launcher.relative_to(Path.cwd()))]
    else:
        words = [str(launcher)]
    needed = {"TOCSIN_HOME": os.environ["TOCSIN_HOME"]} if "TOCSIN_HOME" in os.environ else {}
    if config_path.resolve() != Path("tocsin.toml").resolve():
        needed["TOCSIN_CONFIG"] = str(config_path.resolve())
    given = [f"{name}={shlex.quote(value)}" for name, value in needed.items()]
    return " ".join([*given, shlex.join(words)])


def _failed(supervisor: Supervisor, name: str) -> int:
    """Say why all of it stops: the part that has died too often, else the one that was waited for."""
    if supervisor.stopping.is_set():
        return 0
    if (dead := supervisor.dead()) is not None:
        name = dead.name
    log = supervisor.log(name)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if log.exists() else []
    say(f"{name} does not stay up; the end of {log}:", *(f"  {line}" for line in lines))
    return 1


def say(*lines: str) -> None:
    """Lines for the person at the terminal."""
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
    home.mkdir(mode=0o700, parents=True, exist_ok=True)  # Airflow keeps its password and sessions there
    _secret(config.home / PASSWORDS, form='{"admin": "%s"}')  # one that Airflow makes stands in its log
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
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(config.home / PASSWORDS),
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


def _secret(path: Path, *, form: str = "%s") -> str:
    """The text of a file with a random secret of this installation, made once, readable by its owner alone."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(form % secrets.token_urlsafe(64))
    return path.read_text(encoding="ascii")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
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
        yield


def _free_port(host: str, wanted: int, what: str, *, besides: int | None = None) -> int:
    """The port that was asked for, or the next free one, saying so."""
    for port in range(wanted, wanted + PORTS_TRIED) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
        if found == besides:
            continue
        if found != wanted and wanted:
            say(f"port {wanted} is in use: {found} is taken for {what}")
        return found
    raise ConfigError(f"no free port from {wanted} on for {what}; end what uses them, or pass --port")


def _answers(supervisor: Supervisor, host: str, port: int, path: str) -> bool:
    """Whether a part answers in time; false also when we are to stop, or a part has died too often."""
    deadline = time.monotonic() + LISTENING
    while time.monotonic() < deadline and not supervisor.stopping.wait(POLL) and supervisor.dead() is None:
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        except (OSError, http.client.HTTPException):
            continue  # not yet
        finally:
            connection.close()
    return False
