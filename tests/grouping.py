"""Which tests share a worker of pytest-xdist: what would compete for the machine runs one after another.

``pytest.mark.xdist_group`` would say the same, but with pytest 9.2 xdist 3.8 reads it and groups nothing.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/web/test_browser.py": "browser",  # one browser is enough for two cores
    "tests/test_dags.py": "airflow",  # seconds to import, and its processes take both cores
    "tests/test_up.py": "airflow",
}


class Grouped(LoadScopeScheduling):
    """Largest groups first, every other test by itself."""

    def _split_scope(self, nodeid: str) -> str:
        return GROUPS.get(nodeid.partition("::")[0], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped | None:
    """The scheduler of ``--dist loadgroup``."""
    return Grouped(config, log) if config.getoption("dist") == "loadgroup" else None
