"""What people do at the pages again, with the Elasticsearch store behind them."""

from __future__ import annotations

import pytest

from pipeline.stores.elastic import ElasticStore
from tests.node import Node, elasticsearch  # noqa: F401 - a fixture
from tests.web import test_actions, test_queue, world

for _module in (test_actions, test_queue):
    globals().update({name: test for name, test in vars(_module).items() if name.startswith("test_")})


@pytest.fixture(autouse=True)
def elastic_store(elasticsearch: Node, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A desk gets this store."""
    monkeypatch.setattr(world, "SqliteStore", lambda _: ElasticStore(elasticsearch.url, prefix=elasticsearch.emptied()))
