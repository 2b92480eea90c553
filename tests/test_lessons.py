"""A person corrects a post: its ticket moves at once, stays there, and the log remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import lessons
from pipeline.config import Config
from pipeline.domain import Category, Filters, Head, Label, Lane
from pipeline.errors import ConfigError, GateFailed, NotFound
from pipeline.flows import rank_conversations, watch
from pipeline.index import touched_conversations
from pipeline.labels import SPAM, corrected, standing
from pipeline.ports import Store
from pipeline.prioritise import SPAM_CERTAIN
from pipeline.stores.sqlite import SqliteStore
from tests.factories import FIRE, NOW, incident, score, scored
from tests.test_stories import World
from tests.versions import VersionsInMemory

ALL = Filters()
CONFIG = Config()
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def store() -> Iterator[Store]:
    """Three tickets: a question, a complaint, and what a rule takes for a fire."""
    opened = SqliteStore(":memory:")
    items = [
        scored("1", "where is my parcel", given=score("question", "normal")),
        scored("2", "the lid is broken", given=score("complaint", "normal"), handle="ben"),
        scored("3", "this mixtape is fire", given=score("chatter", "low", crisis=0.6, rules=(FIRE,)), handle="cem"),
    ]
    opened.add_mentions(items, {})
    rank_conversations(
        touched_conversations(items, new=(), window=timedelta(days=30), store=opened), store=opened, config=CONFIG
    )
    yield opened
    opened.close()


def queue(store: Store) -> list[str]:
    return [item.ticket.id for item in store.queue(NOW, ALL)]


def correct(store: Store, mention: str, **answers: str | None) -> list[Label]:
    given = {Head(head): value for head, value in answers.items()}
    return lessons.correct(store, CONFIG, mention, given, who="Ana", now=LATER)


def test_a_correction_moves_the_ticket_at_once(store: Store) -> None:
    assert queue(store) == ["x:3", "x:2", "x:1"]
    correct(store, "x:3", crisis="no", urgency="low")
    assert queue(store) == ["x:2", "x:1", "x:3"]
    assert store.ticket("x:3").rank.lane is Lane.QUEUE


def test_what_was_corrected_stays_so_when_its_conversation_goes_on(store: Store) -> None:
    correct(store, "x:3", crisis="no", urgency="low", category="praise")
    reply = scored("4", "it really is", given=score("chatter", "low"), handle="cem", conversation="x:3")
    store.add_mentions([reply], {})
    rank_conversations(
        touched_conversations([reply], new=["x:4"], window=timedelta(days=30), store=store), store=store, config=CONFIG
    )
    assert store.ticket("x:3").rank.lane is Lane.QUEUE
    assert store.ticket("x:3").posts == 2


def test_an_undo_gives_the_model_its_say_again(store: Store) -> None:
    was = store.ticket("x:3").rank
    correct(store, "x:3", crisis="no")
    lessons.correct(store, CONFIG, "x:3", {Head.CRISIS: None}, who="Ben", now=LATER + timedelta(minutes=1))
    assert store.ticket("x:3").rank == was
    assert [label.value for label in store.labels_of(["x:3"])["x:3"]] == ["no", None]


def test_the_log_says_what_which_model_had_said(store: Store) -> None:
    (label,) = correct(store, "x:1", category="complaint")
    assert (label.said, label.model, label.who, label.language, label.agrees) == (
        "question",
        "test-1",
        "Ana",
        "en",
        False,
    )
    assert store.events("x:1")[-1].note == "category is complaint (the model said question)"


def test_agreeing_with_the_model_is_a_label_too(store: Store) -> None:
    (label,) = correct(store, "x:1", category="question")
    assert label.agrees


def test_saying_what_stands_already_adds_nothing(store: Store) -> None:
    correct(store, "x:1", category="complaint")
    assert correct(store, "x:1", category="complaint", sentiment=None) == []
    assert len(store.labels()) == 1


def test_what_a_person_calls_spam_goes_to_the_end_and_stays_until_it_is_resolved(store: Store) -> None:
    assert SPAM < SPAM_CERTAIN
    correct(store, "x:2", category="spam")
    assert queue(store)[-1] == "x:2"
    assert store.ticket("x:2").category is Category.SPAM


def test_a_claim_survives_a_correction(store: Store) -> None:
    store.claim("x:1", "Ben", until=LATER + timedelta(minutes=15), now=NOW)
    correct(store, "x:1", category="complaint")
    assert store.ticket("x:1").holder(LATER) == "Ben"


def test_a_false_alarm_labels_every_post_of_the_incident(store: Store) -> None:
    store.save_incident(incident(id="i1", mentions=("x:3", "x:2", "x:gone")))
    labels = lessons.false_alarm(store, CONFIG, "i1", who="Ben", now=LATER)
    assert {(label.mention, label.value, label.said) for label in labels} == {("x:3", "no", "yes"), ("x:2", "no", "no")}
    assert store.ticket("x:3").rank.lane is Lane.QUEUE
    with pytest.raises(NotFound):
        lessons.false_alarm(store, CONFIG, "i2", who="Ben", now=LATER)


def test_what_a_person_denied_opens_no_incident(store: Store) -> None:
    correct(store, "x:3", crisis="no")
    item = store.mention("x:3")
    found = corrected(item.score, standing(store.labels_of(["x:3"])["x:3"]))
    assert (found.crisis, found.rules) == (0.0, ())
    assert item.score == replace(item.score, crisis=0.6)  # what the model said is kept


def test_a_mention_that_is_not_there_and_a_person_without_a_name_are_refused(store: Store) -> None:
    with pytest.raises(NotFound):
        correct(store, "x:9", crisis="no")
    with pytest.raises(ConfigError):
        lessons.correct(store, CONFIG, "x:1", {Head.CRISIS: "no"}, who=" ", now=NOW)


# --- from labels to a live model --------------------------------------------------------------------------------------


def test_a_training_reads_what_stands_and_is_anchored_by_the_rest(store: Store) -> None:
    correct(store, "x:1", category="complaint", urgency="high")
    correct(store, "x:1", urgency=None)
    correct(store, "x:2", sentiment="neutral")
    correct(store, "x:2", sentiment=None)
    store.add_labels([replace(store.labels()[0], id="z", mention="x:forgotten")])
    models = VersionsInMemory()
    made = lessons.train_own(store, models, now=LATER)
    assert made.name == "own-20261125T100500"
    (taught,) = models.taught
    assert (taught.mention, taught.text, dict(taught.answers)) == (
        "x:1",
        "where is my parcel",
        {"category": "complaint"},
    )
    assert {text for text, _ in models.anchors} == {"the lid is broken", "this mixtape is fire"}


def test_a_candidate_is_tried_on_live_posts_and_changes_nothing(store: Store) -> None:
    store.add_mentions([scored("7", "is it open?", handle="dee")], {})
    before = queue(store)
    models = VersionsInMemory()
    made = lessons.train_own(store, models, now=LATER)
    found = lessons.shadow(store, models, made.name, config=CONFIG, now=LATER)
    assert (found.live, found.candidate, found.posts) == ("starter", made.name, 4)
    assert {each.mention for each in found.changes} == {"x:7"}
    assert models.shadow(made.name) == found
    assert (queue(store), models.live()) == (before, "starter")


def test_a_candidate_that_is_worse_needs_a_reason_that_is_kept(store: Store) -> None:
    models = VersionsInMemory(failures=("crisis in tr: forgets the authored corpus",))
    made = lessons.train_own(store, models, now=LATER)
    with pytest.raises(GateFailed, match="crisis in tr"):
        lessons.promote(models, made.name, who="Ana", why="try", now=LATER)
    assert models.live() == "starter"
    lessons.promote(models, made.name, who="Ana", why="try", now=LATER, override="the corpus is wrong there")
    assert models.log[-1].override == "the corpus is wrong there"


def test_going_back_makes_the_version_before_live_again(store: Store) -> None:
    models = VersionsInMemory()
    with pytest.raises(ConfigError, match="nothing to go back to"):
        lessons.roll_back(models, who="Ana", why="", now=LATER)
    made = lessons.train_own(store, models, now=LATER)
    lessons.promote(models, made.name, who="Ana", why="better", now=LATER, override="not needed")
    assert models.log[-1].override == ""
    back = lessons.roll_back(models, who="Ben", why="", now=LATER)
    assert (back.version, back.who, models.live()) == ("starter", "Ben", "starter")


def test_rightness_counts_the_newest_labels_by_language_and_both_models_on_the_same_posts(store: Store) -> None:
    correct(store, "x:1", category="complaint", sentiment="negative")
    models = VersionsInMemory()
    made = lessons.train_own(store, models, now=LATER)
    correct(store, "x:2", category="complaint")
    month = NOW - timedelta(days=30)
    (live,) = lessons.rightness(store, None, since=month)
    assert (live.name, live.labels, live.base, live.own) == ("en", 3, 2, 0)
    (both,) = lessons.rightness(store, made, since=month)
    assert (both.labels, both.base, both.own) == (2, 1, 2)
    assert lessons.rightness(store, None, since=LATER + timedelta(days=1)) == []


def test_no_incident_opens_of_what_a_person_denied(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.hears({"text": "this mixtape is on fire, brightly"}, {"text": "my brightly is on fire", "author": "ben"})
    lessons.correct(world.store, world.tocsin.config, "x:1", {Head.CRISIS: "no"}, who="Ana", now=world.clock())
    watch(world.tocsin)
    assert [set(each.mentions) for each in world.store.open_incidents()] == [{"x:2"}]
    world.store.close()


def test_an_incident_opens_of_what_a_person_calls_a_crisis_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.hears({"text": "my brightly tastes of metal"})
    watch(world.tocsin)
    assert world.store.open_incidents() == []
    lessons.correct(world.store, world.tocsin.config, "x:1", {Head.CRISIS: "yes"}, who="Ana", now=world.clock())
    watch(world.tocsin)
    watch(world.tocsin)
    (incident,) = world.store.open_incidents()
    assert (incident.mentions, incident.version) == (("x:1",), 1)
    world.store.close()
