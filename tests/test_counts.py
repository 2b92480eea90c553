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
    before = MIGRATIONS[: MIGRATIONS.index(counts_schema.COUNTS)]
    with monkeypatch.context() as older:
        older.setattr(database, "MIGRATIONS", before)
        older.setattr(mentions, "count", lambda *_: None)
        with closing(SqliteStore(tmp_path / "tocsin.db")) as store:
            store.add_mentions([scored("1"), scored("2", fold="x:1"), scored("3", own=True)], {})
    with closing(SqliteStore(tmp_path / "tocsin.db")) as store:
        found = store.counts(SeriesKind.BRAND, since=NOW, until=NOW + timedelta(hours=1))
    assert found == {"Brightly": [Bucket(start=NOW, posts=1, negative=1, urgent=0)]}
