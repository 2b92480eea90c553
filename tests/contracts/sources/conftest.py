"""A world for each source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sources import files, http, replay
from tests.contracts.sources.drivers import DRIVERS, Driver
from tests.contracts.sources.world import World


@pytest.fixture(autouse=True)
def _small_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body is too large before twenty megabytes, a spike of pages is one before a hundred thousand posts."""
    monkeypatch.setattr(http, "LARGEST_BODY", 2**20)
    monkeypatch.setattr(files, "PAGE", Driver.page)
    monkeypatch.setattr(replay, "PAGE", Driver.page)


@pytest.fixture(params=list(DRIVERS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Every source in turn, with an empty world behind it."""
    driver = DRIVERS[request.param](tmp_path)
    yield World(driver, tmp_path)
    driver.close()
