"""Posts that were indexed before searches were counted are counted, narrowed down and forgotten like others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC
from pathlib import Path

import pytest

from pipeline.domain import Filters, Sentiment, Urgency
from pipeline.stores.sqlite import SqliteStore
from pipeline.stores.sqlite.facets_schema import FACETS
from tests.contracts.store.made import ALL, ago, ids
from tests.factories import FIRE, NOW, score, scored


@pytest.fixture
def aged(tmp_path: Path) -> Path:
    """A file with posts in it as they were before the step that counts searches, which is then taken."""
    path = tmp_path / "store.db"
    with closing(SqliteStore(path)) as store:
        store.add_mentions(
            [
                scored("1", "a charger", posted_at=ago(3), given=score(sentiment="positive", urgency="low")),
                scored("2", "a charger", posted_at=ago(2), given=score(urgency="normal", rules=(FIRE,))),
                scored("3", "a charger", posted_at=ago(1), given=score(sentiment="neutral", urgency="high")),
            ],
            {},
        )
    with closing(sqlite3.connect(path)) as connection:
        added = "'sentiment_' || lower(hex(sentiment)) || ' urgency_' || lower(hex(urgency))"
        connection.executescript(f"""
            INSERT INTO words (words, rowid, facets) SELECT 'delete', number, {added} FROM mentions;
            ALTER TABLE mentions DROP COLUMN sentiment;
            ALTER TABLE mentions DROP COLUMN urgency;
            {FACETS}
        """)
    return path


def test_posts_indexed_before_are_found_by_the_new_filters_and_counted(aged: Path) -> None:
    with closing(SqliteStore(aged)) as store:
        assert ids(store.search("charger", Filters(urgency=Urgency.CRITICAL))) == ["x:2"]
        assert ids(store.search("", Filters(sentiment=Sentiment.POSITIVE, urgency=Urgency.LOW))) == ["x:1"]
        found = store.facets("charger", ALL, zone=UTC)
        assert found.sentiment == {"negative": 1, "neutral": 1, "positive": 1}
        assert found.urgency == {"critical": 1, "high": 1, "low": 1}


def test_posts_indexed_before_leave_nothing_in_the_search_once_they_are_forgotten(aged: Path) -> None:
    with closing(SqliteStore(aged)) as store:
        store.forget(NOW)
        assert store.search("charger", ALL) == []
    with closing(sqlite3.connect(aged)) as connection:
        assert connection.execute("SELECT count(*) FROM words WHERE words MATCH 'charger OR facets'").fetchone() == (0,)
        connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
