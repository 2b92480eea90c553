"""Conversations: whole while they are short, by pages or as an excerpt when a storm of replies has made them long."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pipeline.domain import Excerpt, ScoredMention
from pipeline.errors import NotFound
from pipeline.stores.sqlite.database import Database, bump
from pipeline.stores.sqlite.rows import (
    LISTED,
    MENTION_COLUMNS,
    MICROSECOND,
    NUMBERS,
    SELECT_MENTIONS,
    columns,
    listed,
    scored_mention,
    stamp,
)
from pipeline.stores.sqlite.tickets import move_ticket

_BEGINNING = -(2**63)  # before any post

_THREAD = """
WITH thread AS MATERIALIZED (
    SELECT number, posted_at, collected_at, own, author, crisis, critical, category FROM mentions
    WHERE conversation = :conversation
), waiting AS MATERIALIZED (
    SELECT number, collected_at, crisis, critical, category = 'spam' AS spam FROM thread WHERE NOT own
    AND posted_at > coalesce((SELECT max(posted_at) FROM thread WHERE own), :beginning)
    AND posted_at >= :done_before AND collected_at > :handled
)"""

_COUNTS = f"""{_THREAD}
SELECT count(*), count(DISTINCT author) FILTER (WHERE NOT own), (SELECT count(*) FROM waiting WHERE NOT spam) FROM thread"""

_KEPT = f"""{_THREAD}, kept AS (
    SELECT number FROM (SELECT number FROM thread ORDER BY number DESC LIMIT :newest)
    UNION SELECT min(number) FROM thread WHERE NOT own
    UNION SELECT max(number) FROM thread WHERE NOT own
    UNION SELECT min(number) FROM thread WHERE own AND posted_at >= (SELECT min(posted_at) FROM thread WHERE NOT own)
    UNION SELECT max(number) FROM thread WHERE own
    UNION SELECT min(number) FROM waiting WHERE NOT spam
    UNION SELECT number FROM (SELECT number FROM waiting WHERE NOT spam ORDER BY collected_at DESC, number LIMIT 1)
    UNION SELECT number FROM (SELECT number FROM waiting ORDER BY critical DESC, crisis DESC, number LIMIT :gravest)
)
SELECT {columns(MENTION_COLUMNS, "mentions")} FROM kept CROSS JOIN mentions USING (number) ORDER BY number"""

_FOLDED = """
SELECT coalesce(sum(posts), 0), coalesce(sum(people), 0) FROM (
    SELECT count(*) AS posts, count(DISTINCT copy.author) AS people FROM mentions AS original
    CROSS JOIN mentions AS copy ON copy.fold = original.id WHERE original.conversation = ? GROUP BY original.number
)"""


class SqliteConversations:
    """The part of ``ports.Mentions`` that is about conversations."""

    _database: Database

    def conversations_of(self, ids: Iterable[str]) -> dict[str, str]:
        """The conversation of each mention id that is indexed."""
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT id, conversation FROM mentions WHERE id IN {LISTED}", (listed(ids),))
            return dict(rows.fetchall())

    def move_conversation(self, old: str, new: str) -> None:
        """Re-root a conversation whose start turned out to be a reply; its ticket goes along."""
        if old == new or not self._holds(old):  # most moves are told again and again, and a write waits for its turn
            return
        with self._database.write() as connection:
            moved = connection.execute("UPDATE mentions SET conversation = ? WHERE conversation = ?", (new, old))
            if move_ticket(connection, old, new) or moved.rowcount:
                bump(connection)

    def _holds(self, conversation: str) -> bool:
        with self._database.read() as connection:
            held = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM mentions WHERE conversation = :id) OR EXISTS (SELECT 1 FROM tickets WHERE id = :id)",
                {"id": conversation},
            )
            return bool(held.fetchone()[0])

    def sizes(self, ids: Iterable[str]) -> dict[str, int]:
        """How many mentions each conversation holds; those that hold none are left out."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT conversation, count(*) FROM mentions WHERE conversation IN {LISTED} GROUP BY conversation",
                (listed(ids),),
            )
            return dict(rows.fetchall())

    def conversations(self, ids: Iterable[str]) -> dict[str, list[ScoredMention]]:
        """All mentions of each conversation, oldest first; for those that ``sizes`` tells are short."""
        found: dict[str, list[ScoredMention]] = {}
        with self._database.read() as connection:
            rows = connection.execute(
                f"{SELECT_MENTIONS} WHERE conversation IN {LISTED} ORDER BY number", (listed(ids),)
            )
            for row in rows:
                item = scored_mention(row)
                found.setdefault(item.mention.conversation, []).append(item)
        return found

    def conversation(self, conversation: str, *, limit: int, offset: int = 0) -> list[ScoredMention]:
        """At most ``limit`` mentions of one conversation, oldest first, that end ``offset`` mentions before its last."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{SELECT_MENTIONS} WHERE conversation = ? ORDER BY number DESC LIMIT ? OFFSET ?",
                (conversation, limit, offset),
            )
            return [scored_mention(row) for row in rows][::-1]

    def excerpt(
        self,
        conversation: str,
        *,
        newest: int,
        gravest: int,
        handled: datetime | None = None,
        done_before: datetime | None = None,
    ) -> Excerpt:
        """What ranks a conversation of any length, see ``ports.Mentions.excerpt``; raises ``NotFound``.

        The narrow columns of all its posts are looked at (about a microsecond a post), few are read.
        """
        asked = {
            "conversation": conversation,
            "beginning": _BEGINNING,
            "handled": _BEGINNING if handled is None else stamp(handled),
            "done_before": _BEGINNING if done_before is None else stamp(done_before),
        }
        with self._database.read() as connection:
            posts, people, waiting = connection.execute(_COUNTS, asked).fetchone()
            rows = connection.execute(_KEPT, {**asked, "newest": newest, "gravest": gravest})
            mentions = tuple(scored_mention(row) for row in rows)
            folded, folded_people = connection.execute(_FOLDED, (conversation,)).fetchone()
        if not posts:
            raise NotFound(f"there is no conversation {conversation}")
        return Excerpt(
            mentions=mentions, posts=posts, people=people, waiting=waiting, folded=folded, folded_people=folded_people
        )

    def contacts(self, began: Mapping[str, datetime], *, window: timedelta) -> dict[str, int]:
        """How many conversations each author has begun in the window up to then; reposts and own posts begin none."""
        wanted = json.dumps({author: stamp(at) for author, at in began.items()})
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT author, count(DISTINCT conversation) FROM json_each(?) AS wanted JOIN mentions AS post"
                f" ON post.author = wanted.key AND post.number >= (wanted.value - ?) * {NUMBERS}"
                f"  AND post.number < (wanted.value + 1) * {NUMBERS}"
                " WHERE own = 0 AND fold IS NULL"
                " AND NOT EXISTS (SELECT 1 FROM mentions AS earlier WHERE earlier.conversation = post.conversation"
                "  AND earlier.number < post.number AND earlier.own = 0 AND earlier.fold IS NULL"
                "  AND earlier.author != post.author)"
                " GROUP BY author",
                (wanted, window // MICROSECOND),
            )
            return dict(rows.fetchall())
