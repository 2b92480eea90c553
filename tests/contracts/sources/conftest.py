"""A world for each source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sources import http
from tests.contracts.sources.drivers import DRIVERS
from tests.contracts.sources.world import World


@pytest.fixture(autouse=True)
def _small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body is too large at once, not after twenty megabytes."""
    monkeypatch.setattr(http, "LARGEST_BODY", 2**20)


@pytest.fixture(params=list(DRIVERS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Every source in turn, with an empty world behind it."""
    driver = DRIVERS[request.param](tmp_path)
    yield World(driver, tmp_path)
    driver.close()
