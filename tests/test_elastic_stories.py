"""The stories again, with the Elasticsearch store in the place of SQLite: no stage may know which it has."""

from __future__ import annotations

import pytest

from pipeline.stores.elastic import ElasticStore
from tests import test_stories
from tests.node import Node, elasticsearch  # noqa: F401 - a fixture
from tests.test_stories import world  # noqa: F401 - a fixture

globals().update({name: story for name, story in vars(test_stories).items() if name.startswith("test_")})


@pytest.fixture(autouse=True)
def elastic_store(elasticsearch: Node, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Stories that open a store get this one."""
    monkeypatch.setattr(
        test_stories, "SqliteStore", lambda _: ElasticStore(elasticsearch.url, prefix=elasticsearch.emptied())
    )
