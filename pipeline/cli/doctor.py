"""``tocsin doctor``: is this machine right for Tocsin? Each finding comes with the next step."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.checks import Finding, Verdict, looked_at, report, store_findings
from pipeline.cli.frame import FAILED, ConfigOption, JsonOption, config_of
from pipeline.errors import TocsinError

if TYPE_CHECKING:
    from pipeline.config import Config

PYTHON = (3, 11)
PACKAGES = ("apache-airflow", "scikit-learn", "vaderSentiment", "tweepy", "elasticsearch")
LEAST_FREE = 1 << 30  # bytes; a day of a busy brand is some tens of megabytes, SQLite's log and Airflow's need room
BUILT_AFTER = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before the software existed is wrong


def doctor(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Whether this machine is right for Tocsin.

    Python, packages, clock, disk, store, landing zone, model, ports, Airflow. Ends with 1 when something is wrong.
    """
    from pipeline import config as settings

    path = config_of(ctx, config)
    report(_findings(settings.load(path)), as_json=as_json, wrong=FAILED)


def _findings(config: Config) -> Iterator[Finding]:
    from pipeline import app
    from pipeline.up import AIRFLOW_PORT

    yield _python()
    yield from _packages()
    yield _clock(app.now())
    yield _disk(config.home)
    yield from store_findings(config)
    yield from _telling(config, app.now())
    yield _landing(config)
    yield looked_at("model", lambda: app.live_classifier(config).version)
    yield _port("pages", config.web.host, config.web.port)
    yield _port("Airflow", "127.0.0.1", AIRFLOW_PORT)
    yield _airflow(config)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < PYTHON:
        return Finding(Verdict.WRONG, "Python", f"{version} is too old; install Python 3.11 or newer")
    return Finding(Verdict.OK, "Python", f"{version} in {sys.prefix}")


def _packages() -> Iterator[Finding]:
    for package in PACKAGES:
        try:
            yield Finding(Verdict.OK, package, metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(Verdict.WRONG, package, "is not installed; run `make run`, which installs requirements.txt")


def _clock(now: datetime) -> Finding:
    said = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < BUILT_AFTER:
        return Finding(Verdict.WRONG, "clock", f"says {said}; set it, deadlines and cursors depend on it")
    return Finding(Verdict.OK, "clock", said)


def _disk(home: Path) -> Finding:
    there = next(place for place in (home.absolute(), *home.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / (1 << 30):.1f} GiB free under {there}"
    if free < LEAST_FREE:
        return Finding(Verdict.WRONG, "disk", f"{said}; free some space, or set TOCSIN_HOME to another disk")
    return Finding(Verdict.OK, "disk", said)


def _telling(config: Config, now: datetime) -> Iterator[Finding]:
    """Whether people would be told: channels that refuse, and when ``watch`` last ran."""
    from pipeline import app
    from pipeline.escalation.silence import WATCH

    try:
        store = app.store_of(config)
        outages, watched = store.outages(), store.pulses().get(WATCH)
        store.close()
    except TocsinError:  # the store's own finding says what is wrong
        return
    for outage in outages:
        advice = f"{outage.error}; put it right, then `tocsin channels enable {outage.id}`"
        yield Finding(Verdict.WRONG, f"channel {outage.id}", advice)
    if not outages:
        yield Finding(Verdict.OK, "channels", "none refuses")
    if watched is not None and now - watched > timedelta(minutes=config.silence.watch_minutes):
        yield Finding(
            Verdict.NOTE, "watch", f"last ran {watched:%Y-%m-%d %H:%M} UTC; nobody is told of anything while it rests"
        )


def _landing(config: Config) -> Finding:
    if "://" in config.landing:
        return Finding(Verdict.NOTE, "landing zone", f"{config.landing.partition('://')[0]}:// is not tried here")
    place = config.home / config.landing
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return Finding(Verdict.OK, "landing zone", f"{place} is writable")
    except OSError as error:
        return Finding(
            Verdict.WRONG, "landing zone", f"{place}: {error.strerror}; give this user write permission, or set landing"
        )


def _port(whose: str, host: str, port: int) -> Finding:
    try:
        with socket.create_connection((host, port), timeout=1):
            return Finding(
                Verdict.NOTE, f"port {port}", f"in use (by Tocsin itself, if it is up); else {whose} takes another"
            )
    except OSError:  # nobody answers there: it is free
        return Finding(Verdict.OK, f"port {port}", f"free for {whose}")


def _airflow(config: Config) -> Finding:
    place = Path(os.environ.get("AIRFLOW_HOME") or config.home / "airflow")
    if not place.exists():
        return Finding(Verdict.OK, "Airflow home", f"{place} is made by `tocsin up`")
    if not os.access(place, os.W_OK):
        return Finding(Verdict.WRONG, "Airflow home", f"{place} is not writable; give this user write permission")
    return Finding(Verdict.OK, "Airflow home", str(place))
