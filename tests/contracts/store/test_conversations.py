"""Conversations: what a batch touches, read back only where the store knows more than the batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pipeline.domain import ScoredMention
from pipeline.index import Conversation, index_mentions, touched_conversations
from pipeline.ports import Store
from tests.contracts.store.made import ago, ids, ticket
from tests.factories import score, scored

WINDOW = timedelta(days=30)
SURE = score(p=1.0)  # digits that stores keep


@dataclass
class Watched:
    """A store, and how many mentions it gave back."""

    store: Store
    given: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def conversations(self, asked: Any) -> dict[str, list[ScoredMention]]:
        found = self.store.conversations(asked)
        self.given += [item.mention.id for items in found.values() for item in items]
        return found


def touched(store: Any, *batch: ScoredMention, moves: dict[str, str] | None = None) -> dict[str, Conversation]:
    new = index_mentions(batch, {}, moves=moves or {}, store=store)
    return {found.id: found for found in touched_conversations(batch, new=new, window=WINDOW, store=store)}


def again(store: Any, *batch: ScoredMention) -> dict[str, Conversation]:
    """As after a crash: nothing of the batch is new."""
    return touched(store, *batch)


def test_conversations_are_counted_without_those_that_hold_nothing(store: Store) -> None:
    store.add_mentions([scored("1"), scored("2", conversation="x:1"), scored("3", fold="x:1")], {})
    assert store.sizes(["x:1", "x:2", "x:3"]) == {"x:1": 2, "x:3": 1}
    assert store.sizes([]) == {}


def test_a_conversation_that_a_batch_begins_is_not_read_back_and_is_the_same_as_if_it_were(store: Store) -> None:
    watched = Watched(store)
    batch = [
        scored("2", conversation="x:1", posted_at=ago(4), given=SURE),
        scored("1", posted_at=ago(5), given=SURE),
        scored("1", "said twice", posted_at=ago(5), given=SURE),
        scored("own", conversation="x:1", own=True, handle="brightly", posted_at=ago(3), given=SURE),
        scored("copy", fold="x:1", handle="ben", posted_at=ago(2), given=SURE),
        scored("other", posted_at=ago(1), given=SURE),
    ]
    found = touched(watched, *batch)
    assert watched.given == []
    assert ids(found["x:1"].mentions) == ["x:1", "x:2", "x:own"]
    assert found["x:1"].mentions[0].mention.text == "my brightly broke"
    assert found == again(watched, *batch)
    assert sorted(watched.given) == ["x:1", "x:2", "x:other", "x:own"]


def test_a_conversation_that_the_store_knows_more_of_is_read_whole(store: Store) -> None:
    watched = Watched(store)
    store.add_mentions([scored("1", posted_at=ago(9)), scored("3", posted_at=ago(7))], {})
    store.save_tickets([ticket("3")])
    found = touched(watched, scored("2", conversation="x:1", posted_at=ago(8)), scored("copy", fold="x:3"))
    assert ids(found["x:1"].mentions) == ["x:1", "x:2"]
    assert ids(found["x:3"].mentions) == ["x:3"]
    assert found["x:3"].ticket == ticket("3")
    assert sorted(watched.given) == ["x:1", "x:2", "x:3"]


def test_a_conversation_that_came_by_a_move_is_read_whole(store: Store) -> None:
    store.add_mentions([scored("2", posted_at=ago(8))], {})
    found = touched(store, scored("1", posted_at=ago(9)), moves={"x:2": "x:1"})
    assert ids(found["x:1"].mentions) == ["x:1", "x:2"]
