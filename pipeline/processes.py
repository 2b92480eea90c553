"""The processes of ``tocsin up``: started in sessions of their own, watched, ended so that none is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

RESTARTS = 3  # of one part; a part that dies more often has a reason that a person must read
FORGIVEN = 600.0  # seconds a part has to stay up for its earlier ends to be forgotten
POLL = 0.1  # seconds between looks while something is waited for
DRAIN = 20.0  # seconds for the scheduler's tasks to end; what they leave undone is done by the next run
PATIENCE = 5.0  # seconds between asking what is left to end, and killing it
REMEMBERED = "up.processes"  # in home: which processes are ours, for a start after we were killed


@dataclass(slots=True)
class Part:
    """One process of ours, how to start it again, and where it writes."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started: float
    restarts: int = 0


@dataclass(slots=True)
class Supervisor:
    """Starts parts, watches them, stops them in order; ``say`` tells the person at the terminal."""

    home: Path
    environment: Mapping[str, str]
    say: Callable[[str], None]
    last: frozenset[str] = frozenset()  # parts that others need until they have ended
    parts: list[Part] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self, name: str, *command: str) -> Part:
        """Start one part; its output goes to ``logs/<name>.log``."""
        part = Part(name=name, command=command, process=self._spawn(name, command), started=time.monotonic())
        self.parts.append(part)
        self._remember()
        return part

    def finish(self, part: Part, *, within: float) -> int | None:
        """Wait for a part that ends by itself, and forget it: its exit code, ``None`` if it was ended by us or by time."""
        deadline = time.monotonic() + within
        while part.process.poll() is None and time.monotonic() < deadline and not self.stopping.wait(POLL):
            pass
        code = part.process.poll()
        if code is None:
            if self.stopping.is_set():
                return None  # it is ended with all the others
            end([part.process], patience=PATIENCE)
        self.parts.remove(part)
        return code

    def dead(self) -> Part | None:
        """Start again what died; the part that has died too often, if one has."""
        for part in self.parts:
            if part.process.poll() is None:
                continue
            if time.monotonic() - part.started > FORGIVEN:
                part.restarts = 0
            if part.restarts >= RESTARTS:
                return part
            part.restarts += 1
            self.say(f"{part.name} ended with code {part.process.returncode}; starting it again")
            part.process, part.started = self._spawn(part.name, part.command), time.monotonic()
            self._remember()
        return None

    def stop(self) -> None:
        """End all: those that others need come last, and what is left of their sessions goes at the end."""
        sessions = {part.process.pid for part in self.parts}
        # Counted before anybody ends: a task whose scheduler is gone is nobody's child any more.
        members = family(sessions)
        end([part.process for part in self.parts if part.name not in self.last], patience=DRAIN)
        end([part.process for part in self.parts if part.name in self.last], patience=PATIENCE)
        end_all([*members, *family(sessions)])
        (self.home / REMEMBERED).unlink(missing_ok=True)

    def log(self, name: str) -> Path:
        """Where a part writes."""
        return self.home / "logs" / f"{name}.log"

    def _spawn(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        path = self.log(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab") as output:
            return subprocess.Popen(
                command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C reaches only us, and we end the parts in their right order
            )

    def _remember(self) -> None:
        """Keep who is ours; a process is known by its id and its start, as ids are used again."""
        known = {part.process.pid: _started(part.process.pid) for part in self.parts}
        path = self.home / REMEMBERED
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(known), encoding="ascii")
        temporary.replace(path)


def end_remembered(home: Path) -> int:
    """End what a supervisor of this home left behind when it was killed; returns how many processes that were."""
    path = home / REMEMBERED
    try:
        known = {int(pid): started for pid, started in json.loads(path.read_text(encoding="ascii")).items()}
    except (FileNotFoundError, ValueError):
        return 0
    left = family({pid for pid, started in known.items() if started is not None and _started(pid) == started})
    end_all(left)
    path.unlink(missing_ok=True)
    return len(left)


def end(processes: Iterable[subprocess.Popen[bytes]], *, patience: float) -> None:
    """Ask processes to end, again after half the patience (Airflow can lose a signal), and kill the rest."""
    alive = list(processes)
    for _ in range(2):
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + patience / 2
        while alive and time.monotonic() < deadline:
            time.sleep(POLL)
            alive = [process for process in alive if process.poll() is None]
    for process in alive:
        process.kill()
        process.wait()


def end_all(processes: Sequence[psutil.Process]) -> None:
    """Ask all that still run at once, then kill what is left."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        alive = [process for process in processes if _runs(process)]
        for process in alive:
            _send(process, signum)
        deadline = time.monotonic() + PATIENCE
        while any(map(_runs, alive)) and time.monotonic() < deadline:
            time.sleep(POLL)


def family(sessions: set[int]) -> list[psutil.Process]:
    """The processes of sessions and their children (Airflow's tasks make sessions of their own)."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and os.getsid(process.pid) in sessions:
                found[process.pid] = process
                found |= {child.pid: child for child in process.children(recursive=True)}
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue  # it ended while we looked
    return list(found.values())


def _runs(process: psutil.Process) -> bool:
    try:
        # A zombie only waits for its parent to notice.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _started(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _send(process: psutil.Process, signum: int) -> None:
    try:
        process.send_signal(signum)
    except psutil.Error:
        return  # it is gone, which is what we want
