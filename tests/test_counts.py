"""What only one store must do about counts: an older file gets them for the posts it has."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.domain import Bucket, SeriesKind
from pipeline.stores.sqlite import SqliteStore, counts_schema, database, mentions
from pipeline.stores.sqlite.migrations import MIGRATIONS
from tests.factories import NOW, scored


def test_an_older_store_counts_the_posts_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple(step for step in MIGRATIONS if step is not counts_schema.COUNTS)
    with monkeypatch.context() as older:
        older.setattr(database, "MIGRATIONS", others)
        older.setattr(mentions, "count", lambda *_: None)
        with closing(SqliteStore(tmp_path / "tocsin.db")) as store:
            store.add_mentions([scored("1"), scored("2", fold="x:1"), scored("3", own=True)], {})
    monkeypatch.setattr(database, "MIGRATIONS", (*others, counts_schema.COUNTS))
    with closing(SqliteStore(tmp_path / "tocsin.db")) as store:
        found = store.counts(SeriesKind.BRAND, since=NOW, until=NOW + timedelta(hours=1))
    assert found == {"Brightly": [Bucket(start=NOW, posts=1, negative=1, urgent=0)]}
