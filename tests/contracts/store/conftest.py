"""The stores that the contract is run against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.ports import Store
from pipeline.stores.sqlite import SqliteStore
from tests.node import Node, elasticsearch  # noqa: F401 - a fixture

STORES: dict[str, Callable[[pytest.FixtureRequest, Path], Store]] = {
    "sqlite file": lambda _, folder: SqliteStore(folder / "store.db"),
    "sqlite memory": lambda _, __: SqliteStore(":memory:"),
    "elasticsearch": lambda request, _: _elastic(request),
}


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    opened = STORES[request.param](request, tmp_path)
    yield opened
    opened.close()


def _elastic(request: pytest.FixtureRequest) -> Store:
    from pipeline.stores.elastic import ElasticStore

    node: Node = request.getfixturevalue("elasticsearch")
    return ElasticStore(node.url, prefix=node.emptied())
