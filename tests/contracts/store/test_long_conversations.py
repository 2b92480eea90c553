"""Long conversations: a storm of replies is read by pages and ranked by an excerpt, whose facts are those of the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.domain import Excerpt, Lane, ScoredMention, Ticket
from pipeline.errors import NotFound
from pipeline.index import GRAVEST, NEWEST, Conversation, index_mentions, touched_conversations
from pipeline.ports import Store
from pipeline.prioritise import REPEAT_WINDOW, Context, prioritise
from tests.contracts.store.made import MINUTE, ago, ids, ticket
from tests.factories import FIRE, NOW, score, scored

CALM = score(p=1.0)
DANGER = score("complaint", "critical", 0.9, p=1.0, rules=(FIRE,))
SPAM = score("spam", "low", 0.0, p=1.0)


def storm(replies: int, **grave: ScoredMention) -> list[ScoredMention]:
    """A post and so many replies by as many people, a minute apart, some of them replaced."""
    posts = [scored("0", posted_at=ago(10_000), given=CALM)]
    for n in range(1, replies + 1):
        posts.append(scored(str(n), conversation="x:0", handle=f"u{n}", posted_at=ago(10_000 - n), given=CALM))
    return [grave.get(f"at{n}", post) for n, post in enumerate(posts)]


def test_a_conversation_is_read_by_pages_from_its_end(store: Store) -> None:
    store.add_mentions(storm(9), {})
    assert ids(store.conversation("x:0", limit=4)) == ["x:6", "x:7", "x:8", "x:9"]
    assert ids(store.conversation("x:0", limit=4, offset=4)) == ["x:2", "x:3", "x:4", "x:5"]
    assert ids(store.conversation("x:0", limit=4, offset=8)) == ["x:0", "x:1"]
    assert store.conversation("x:0", limit=4, offset=10) == []
    assert store.conversation("x:none", limit=4) == []


def test_an_excerpt_holds_what_ranks_and_counts_the_rest(store: Store) -> None:
    posts = storm(40)
    posts[3] = scored("3", conversation="x:0", own=True, handle="brightly", posted_at=ago(9_997))
    posts[10] = scored("10", conversation="x:0", own=True, handle="brightly", posted_at=ago(9_990))
    posts[11] = scored("11", conversation="x:0", handle="seller", posted_at=ago(9_989), given=SPAM)
    posts[20] = scored("20", conversation="x:0", handle="u19", posted_at=ago(9_980), given=DANGER)
    posts[25] = scored("25", conversation="x:0", posted_at=ago(9_975), collected_at=NOW + MINUTE, given=CALM)
    copies = [scored(f"c{n}", fold="x:17", handle=handle) for n, handle in enumerate(("eva", "eva", "tim"))]
    store.add_mentions([*posts, *copies], {})
    found = store.excerpt("x:0", newest=3, gravest=1)
    assert ids(found.mentions) == ["x:0", "x:3", "x:10", "x:12", "x:20", "x:25", "x:38", "x:39", "x:40"]
    assert replace(found, mentions=()) == Excerpt(
        mentions=(), posts=41, people=37, waiting=29, folded=3, folded_people=2
    )


def test_what_waits_in_an_excerpt_is_what_was_heard_and_posted_after_what_was_dealt_with(store: Store) -> None:
    posts = [replace_heard(post, minutes=n) for n, post in enumerate(storm(20))]
    store.add_mentions(posts, {})
    heard = store.excerpt("x:0", newest=1, gravest=0, handled=NOW + 7 * MINUTE)
    assert (ids(heard.mentions), heard.waiting) == (["x:0", "x:8", "x:20"], 13)
    posted = store.excerpt("x:0", newest=1, gravest=0, done_before=ago(10_000 - 5))
    assert (ids(posted.mentions), posted.waiting) == (["x:0", "x:5", "x:20"], 16)


def replace_heard(post: ScoredMention, *, minutes: int) -> ScoredMention:
    return replace(post, mention=replace(post.mention, collected_at=NOW + minutes * MINUTE))


def test_there_is_no_excerpt_of_nothing(store: Store) -> None:
    with pytest.raises(NotFound, match="x:none"):
        store.excerpt("x:none", newest=3, gravest=1)


post = st.fixed_dictionaries(
    {
        "own": st.sampled_from((False, False, False, True)),
        "given": st.sampled_from((CALM, CALM, score("question", "low", 0.0, p=1.0), DANGER, SPAM)),
        "handle": st.sampled_from("abcd"),
        "posted": st.integers(0, 30),
        "heard": st.integers(0, 9),
    }
)
moment = st.none() | st.integers(0, 30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posts=st.lists(post, min_size=1, max_size=14), handled=moment, done_before=moment, run=st.uuids())
def test_the_facts_of_an_excerpt_are_those_of_the_whole(
    store: Store, posts: list[dict[str, object]], handled: int | None, done_before: int | None, run: object
) -> None:
    root = f"x:{run}"
    store.add_mentions([_made(n, about, root) for n, about in enumerate(posts)], {})
    whole = store.conversations([root])[root]
    dealt = {
        "handled": None if handled is None else NOW + handled * MINUTE,
        "done_before": None if done_before is None else ago(100 - done_before),
    }
    short = store.excerpt(root, newest=2, gravest=1, **dealt)
    counts = Context(**dealt, posts=short.posts, people=short.people, waiting=short.waiting)
    ours = prioritise(short.mentions, config=Config(), context=counts)
    theirs = prioritise(whole, config=Config(), context=Context(**dealt))
    if theirs is None or theirs.waiting_since is None:
        assert ours is None or ours.waiting_since is None
    else:
        assert ours is not None
        assert _facts(ours) == _facts(theirs)


def _made(number: int, about: dict[str, object], root: str) -> ScoredMention:
    values = dict(about)
    posted, heard = values.pop("posted"), values.pop("heard")
    return scored(
        f"{root}-{number}", conversation=root, posted_at=ago(100 - posted), collected_at=NOW + heard * MINUTE, **values
    )  # fmt: skip


def _facts(found: Ticket) -> Ticket:
    """All that an excerpt must get right; of several grave posts it may not hold the one due first, of calm ones any."""
    if found.rank.lane is Lane.CRISIS:
        return replace(found, rank=replace(found.rank, respond_by=NOW, due_at=NOW))
    kept = ("opened_at", "last_at", "waiting_since", "heard_at", "responded_at", "posts", "people")
    return replace(ticket(), **{name: getattr(found, name) for name in kept})


def test_one_more_reply_to_a_storm_reads_a_bounded_number_of_posts_and_forgets_no_danger(store: Store) -> None:
    """Told by counting: five thousand replies, the grave one in their middle."""
    grave = scored("2500", conversation="x:0", handle="u2500", posted_at=ago(10_000 - 2500), given=DANGER)
    store.add_mentions(storm(5_000, at2500=grave), {})
    (found,) = touched(store, scored("late", conversation="x:0", handle="late", posted_at=ago(1), given=CALM))
    assert len(found.mentions) <= NEWEST + GRAVEST + 6
    made = prioritise(
        found.mentions,
        config=Config(),
        context=Context(contacts=found.contacts, posts=found.posts, people=found.people, waiting=found.waiting),
    )
    assert made is not None
    assert (made.mention, made.rank.lane) == ("x:2500", Lane.CRISIS)
    assert (made.posts, made.people) == (5_002, 5_002)
    assert made.waiting_since == ago(10_000)
    assert "5002 posts unanswered" in made.rank.why


def touched(store: Store, *batch: ScoredMention) -> list[Conversation]:
    new = index_mentions(batch, {}, moves={}, store=store)
    return touched_conversations(batch, new=new, window=REPEAT_WINDOW, store=store)
