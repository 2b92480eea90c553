"""Ending processes so that none is left behind: by their session, checked to be ours before anything is sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

PATIENCE = 5.0  # seconds between asking and killing


def end(processes: Sequence[subprocess.Popen[bytes]], *, patience: float) -> None:
    """Ask processes to end, wait, and kill those that do not."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def remember(home: Path, pids: Iterable[int]) -> None:
    """Keep which processes are ours, for a start after we were killed; a process is known by pid and start time."""
    known = {pid: started for pid in pids if (started := _started(pid)) is not None}
    path = home / "up.processes"
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(known), encoding="ascii")
    temporary.replace(path)


def end_remembered(home: Path, sessions: Iterable[int] = ()) -> None:
    """End what is left of the remembered processes' sessions, and of ``sessions`` that just ended."""
    path = home / "up.processes"
    try:
        remembered = {int(pid): float(started) for pid, started in json.loads(path.read_text(encoding="ascii")).items()}
    except (FileNotFoundError, ValueError):
        remembered = {}
    alive = {pid for pid, started in remembered.items() if _started(pid) == started}
    end_all(family({*alive, *sessions}))
    path.unlink(missing_ok=True)


def end_all(processes: Sequence[psutil.Process]) -> None:
    """Ask all at once, then kill what is left."""
    for process in processes:
        _send(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(processes, timeout=PATIENCE)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=PATIENCE)


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
