"""Defaults of every task, and the one retry policy: our errors say by themselves what helps.

Only the standard library and Airflow are imported here: a DAG file is parsed every few seconds.
"""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

START = pendulum.datetime(2026, 1, 1, tz="UTC")  # any day in the past: nothing is caught up

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="pipeline.errors.Transient",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=30),
            reason="a network or the store is away for the moment; a source that named a time is left alone until then",
        ),
        RetryRule(
            exception="pipeline.errors.Conflict",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=5),
            reason="somebody else wrote first",
        ),
        RetryRule(
            exception="pipeline.errors.Permanent",
            action=RetryAction.FAIL,
            reason="a person must act: the error names the thing and the next step",
        ),
    ],
    default=RetryAction.FAIL,  # what we have no word for is a bug, and trying it again hides it
)

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "tocsin",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),  # where no error of ours is the reason: a worker that was killed, say
    "retry_policy": RETRY_POLICY,
    "execution_timeout": timedelta(minutes=30),
}

# Missed runs are never caught up and runs never overlap: windows come from watermarks, so a skipped run loses nothing.
DAG_ARGS: dict[str, Any] = {
    "start_date": START,
    "catchup": False,
    "max_active_runs": 1,
    "default_args": DEFAULT_ARGS,
    "tags": ["tocsin"],
}


def settings() -> dict[str, Any]:
    """``tocsin.toml`` as it stands, unchecked (``tocsin check`` and the tasks check it); empty when it cannot be read."""
    path = Path(os.environ.get("TOCSIN_CONFIG", "tocsin.toml"))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # the DAGs stay visible, and their tasks fail with the full explanation


def schedule(name: str, default: str) -> str:
    """When a DAG runs: ``[schedule]`` of ``tocsin.toml``, else the default (cron)."""
    table = settings().get("schedule")
    given = table.get(name) if isinstance(table, dict) else None
    return given if isinstance(given, str) else default


def sources() -> list[str]:
    """The configured sources' names."""
    given = settings().get("source")
    tables = given if isinstance(given, list) else []
    return [str(table.get("name", "")) for table in tables if isinstance(table, dict)]
