"""Stories across the stages: what happens to a post, from the source to the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline import respond
from pipeline.config import parse
from pipeline.detect import FRESH
from pipeline.domain import Filters, IncidentState, Lane, Priority, Resolution, Status
from pipeline.errors import AlreadyClaimed, StoreRefused
from pipeline.flows import Tocsin, detect_incidents, listen, triage, watch, write_notices
from pipeline.landing import LandingZone
from pipeline.stores.sqlite import SqliteStore
from tests.fakes import Clock, MarkedClassifier, RecordingNotifier, ScriptedSource

CONFIG = parse(
    {
        "brand": [{"name": "Brightly", "handles": ["brightly"], "own_accounts": ["brightly"]}],
        "query": [{"name": "brightly", "brand": "Brightly"}],
        "source": [{"name": "x", "kind": "replay"}],
    }
)


class World:
    """The whole product over a scripted source."""

    def __init__(self, folder) -> None:
        self.clock, self.source, self.console = Clock(), ScriptedSource(), RecordingNotifier()
        self.classifier = MarkedClassifier({"on fire": ("fire", "critical", True)})
        self.folder = folder
        self.tocsin = Tocsin(
            config=CONFIG,
            store=SqliteStore(":memory:"),
            landing=LandingZone(str(folder)),
            sources={"x": self.source},
            queries={query.name: query for query in CONFIG.queries()},
            classifier=lambda: self.classifier,
            notifiers={"console": self.console},
            clock=self.clock,
            files=lambda *_: self.source,
        )
        self.store = self.tocsin.store

    def hears(self, *posts):
        for post in posts:
            self.source.posts.append({"id": str(len(self.source.posts) + 1), "at": self.clock()} | post)
        return listen(self.tocsin)

    def queue(self, **filters):
        return self.store.queue(self.clock(), Filters(**filters))

    def ticket(self, native="1"):
        return self.store.ticket(f"x:{native}")


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.store.close()


def test_a_complaint_becomes_a_p2_is_claimed_lapses_is_claimed_again_and_is_answered_in_time(world):
    world.hears({"text": "my brightly stopped!"})
    (row,) = world.queue()
    assert (row.ticket.rank.priority, row.ticket.status(world.clock())) == (Priority.P2, Status.OPEN)
    assert row.ticket.rank.respond_by == world.clock() + timedelta(hours=1)
    respond.claim(world.store, "x:1", "Ana", minutes=15, now=world.clock())
    with pytest.raises(AlreadyClaimed) as caught:
        respond.claim(world.store, "x:1", "Ben", minutes=15, now=world.clock())
    assert caught.value.holder == "Ana"
    world.clock.later(minutes=16)
    assert world.ticket().status(world.clock()) is Status.OPEN
    respond.claim(world.store, "x:1", "Ben", minutes=15, now=world.clock())
    respond.answered(world.store, "x:1", "Ben", now=world.clock.later(minutes=5))
    ticket = world.ticket()
    assert ticket.status(world.clock()) is Status.ANSWERED
    assert ticket.responded_at - ticket.opened_at == timedelta(minutes=21)
    assert not ticket.breached(world.clock.later(days=3))
    assert world.queue() == []


def test_the_brands_own_answer_in_the_network_closes_the_waiting_and_a_new_post_opens_it_again(world):
    world.hears({"text": "where is my brightly?"})
    world.clock.later(minutes=9)
    world.hears({"text": "we look into it", "author": "brightly", "to": "1"})
    assert world.ticket().status(world.clock()) is Status.ANSWERED
    assert world.ticket().responded_at == world.clock()
    world.clock.later(minutes=9)
    world.hears({"text": "brightly, still nothing!", "to": "2"})
    ticket = world.ticket()
    assert (ticket.status(world.clock()), ticket.waiting_since) == (Status.OPEN, world.clock())
    assert ticket.posts == 3


def test_a_post_after_the_resolution_reopens_the_ticket_and_undo_takes_an_action_back(world):
    world.hears({"text": "my brightly stopped!"})
    respond.resolve(world.store, "x:1", "Ana", Resolution.NO_ANSWER_NEEDED, now=world.clock())
    assert world.queue() == []
    resolved = world.store.events("x:1")[-1]
    respond.undo(world.store, resolved.id, "Ana", now=world.clock())
    assert len(world.queue()) == 1
    respond.resolve(world.store, "x:1", "Ana", Resolution.ANSWERED, now=world.clock())
    world.clock.later(hours=1)
    world.hears({"text": "brightly stopped again!", "to": "1"})
    assert world.ticket().reopened_at == world.clock()
    assert world.ticket().status(world.clock()) is Status.OPEN


def test_one_grave_post_stands_first_opens_an_incident_and_is_told_once(world):
    world.hears({"text": "is brightly open?"}, {"text": "nice brightly"}, {"text": "brightly stopped!"})
    world.hears({"text": "the brightly charger is on fire"})
    first = world.queue()[0]
    assert (first.mention.id, first.ticket.rank.lane) == ("x:4", Lane.CRISIS)
    assert 'fire (rule: "on fire")' in first.ticket.rank.why
    for _ in range(3):
        watch(world.tocsin)
        world.clock.later(minutes=1)
    (incident,) = world.store.open_incidents()
    assert (incident.cause, incident.severity, incident.mentions) == ("fire", 3, ("x:4",))
    assert [notice.subject for notice in world.console.heard] == [
        'Severity 3 · Brightly · "fire: on fire" · since 10:00 UTC'
    ]


def test_a_growing_incident_is_told_again_when_it_gets_worse_and_closes_when_it_is_quiet(world):
    world.hears({"text": "the brightly charger is on fire"})
    watch(world.tocsin)
    people = [{"text": f"mine too, brightly on fire in room {n}", "author": f"p{n}"} for n in range(12)]
    world.hears(*people)
    watch(world.tocsin)
    watch(world.tocsin)
    assert [notice.severity for notice in world.console.heard] == [3, 5]
    respond.acknowledge(world.store, world.store.open_incidents()[0].id, "Ben", now=world.clock())
    world.clock.later(hours=7)
    watch(world.tocsin)
    (incident,) = world.store.incidents()
    assert incident.state(world.clock()) is IncidentState.OVER
    assert incident.acknowledged_by == "Ben"


def test_everything_can_be_run_again_without_a_second_mention_ticket_or_notice(world):
    world.hears({"text": "brightly on fire"}, {"text": "brightly?"})
    watch(world.tocsin)
    batches = [replace(batch, triaged_at=None) for batch in world.store.pending_batches()]
    assert batches == []
    world.store.save_progress(replace(world.store.cursor("x", "brightly"), watermark=None))  # as if it never was saved
    again = listen(world.tocsin)
    watch(world.tocsin)
    assert again.triaged.mentions == 2
    assert again.triaged.new == 0
    assert len(world.queue()) == 2
    assert len(world.console.heard) == 1


def test_bad_records_are_kept_and_the_rest_goes_on(world):
    report = world.hears({"text": "brightly?"}, {"text": None}, {"text": "nothing of ours"})
    assert (report.triaged.new, report.triaged.bad, report.triaged.unmatched) == (1, 1, 1)
    (letter,) = world.store.dead_letters()
    assert letter.reason == "no text"


def test_a_batch_that_cannot_be_read_is_named_stays_pending_and_holds_up_no_other(world):
    world.hears({"text": "brightly one?"})
    world.classifier, healthy = None, world.classifier
    world.source.posts.append({"id": "2", "text": "brightly two?"})
    with pytest.raises(AttributeError):
        listen(world.tocsin)  # the process dies between landing and triage
    world.classifier = healthy
    (pending,) = world.store.pending_batches()
    file = world.folder / pending.path
    whole = file.read_bytes()
    file.write_bytes(whole[:20])
    report = world.hears({"text": "brightly three?"})
    assert "is not what was landed" in report.triaged.refused[0]
    assert len(world.queue()) == 2
    file.write_bytes(whole)
    assert triage(world.tocsin).new == 1
    assert len(world.queue()) == 3


def test_a_bug_in_one_batch_is_raised_after_the_others_had_their_turn(world):
    world.source.size = 1
    judge = world.classifier.classify_and_explain
    world.classifier.classify_and_explain = lambda texts, languages: (
        judge(texts, languages) if "bug" not in texts[0] else 1 / 0
    )
    with pytest.raises(ZeroDivisionError) as caught:
        world.hears({"text": "brightly bug?"}, {"text": "brightly two?"})
    assert "while triaging batch" in caught.value.__notes__[0]
    assert [row.mention.id for row in world.queue()] == ["x:2"]
    assert len(world.store.pending_batches()) == 1


def test_an_id_with_half_a_character_is_a_dead_letter_and_the_rest_goes_on(world):
    report = world.hears({"id": "a\ud800", "text": "brightly?"}, {"text": "brightly too?"})
    assert (report.triaged.bad, report.triaged.new) == (1, 1)


def test_a_source_that_fails_stops_no_other_and_a_full_disk_stops_all(world, monkeypatch):
    def broken(*_args, **_kwargs):
        raise StoreRefused("landing zone: No space left on device")

    monkeypatch.setattr(world.tocsin.landing, "land", broken)
    with pytest.raises(StoreRefused):
        world.hears({"text": "brightly?"})
    assert world.store.cursor("x", "brightly").watermark is None


def test_reposts_and_repeats_count_under_their_original_and_make_no_ticket_of_their_own(world):
    text = "the brightly toothbrush tore my gum this morning and nobody answers the phone!"
    world.hears({"text": text}, {"text": f"RT @ana: {text}", "author": "ben"}, {"text": text, "author": "cem"})
    (row,) = world.queue()
    assert (row.ticket.folded, row.ticket.people) == (2, 3)


def test_a_danger_heard_after_the_resolution_stands_in_the_queue_however_early_it_was_posted(world):
    world.hears({"text": "brightly?"})
    respond.resolve(world.store, "x:1", "Ana", Resolution.ANSWERED, now=world.clock.later(minutes=10))
    early = (world.clock() - timedelta(minutes=1)).isoformat()
    world.clock.later(minutes=3)
    world.hears({"text": "brightly is on fire now", "to": "1", "at": early})
    (row,) = world.queue()
    assert (row.mention.id, row.ticket.rank.lane, row.ticket.resolved_at) == ("x:2", Lane.CRISIS, None)
    assert row.ticket.rank.respond_by > row.ticket.waiting_since


def test_the_next_question_after_an_answer_is_due_from_its_own_time(world):
    world.hears({"text": "brightly?"})
    respond.answered(world.store, "x:1", "Ana", now=world.clock.later(minutes=10))
    world.clock.later(hours=3)
    world.hears({"text": "and brightly stopped again!", "to": "1"})
    ticket = world.ticket()
    assert (ticket.mention, ticket.waiting_since) == ("x:2", world.clock())
    assert ticket.rank.respond_by > world.clock()
    assert "unanswered" not in ticket.rank.why


def test_the_same_words_by_somebody_else_after_the_answer_are_a_new_ticket(world):
    text = "the brightly toothbrush tore my gum this morning and nobody answers the phone!"
    world.hears({"text": text})
    respond.resolve(world.store, "x:1", "Ana", Resolution.ANSWERED, now=world.clock())
    world.clock.later(hours=1)
    world.hears({"text": text, "author": "cem"})
    assert [row.ticket.id for row in world.queue()] == ["x:2"]


def test_spam_is_kept_as_a_mention_and_left_out_of_the_queue(world):
    world.classifier._labels = lambda text: ("neutral", "spam", "low", 0.0)  # type: ignore[method-assign]
    world.hears({"text": "brightly giveaway"})
    assert world.queue() == []
    assert [item.mention.id for item in world.store.search("", Filters())] == ["x:1"]


def test_a_grave_post_heard_late_is_told_even_when_escalation_was_down(world):
    late = (world.clock() - timedelta(hours=8)).isoformat()
    world.hears({"text": "the brightly charger is on fire", "at": late})
    detect_incidents(world.tocsin)  # and the process that tells dies
    world.clock.later(minutes=1)
    detect_incidents(world.tocsin)
    (incident,) = world.store.open_incidents()
    assert incident.mentions == ("x:1",)
    world.clock.later(hours=7)
    detect_incidents(world.tocsin)
    assert world.store.open_incidents() == []
    watch(world.tocsin)
    assert [notice.group for notice in world.console.heard] == [incident.id, "silence listen"]


def test_late_posts_join_one_incident_and_do_not_open_one_each(world):
    for native in range(3):
        late = (world.clock() - timedelta(hours=8)).isoformat()
        world.hears({"text": f"brightly on fire in room {native}", "author": f"p{native}", "at": late})
        watch(world.tocsin)
        world.clock.later(minutes=2)
        watch(world.tocsin)
    (incident,) = world.store.incidents()
    assert (incident.posts, incident.people, incident.severity) == (3, 3, 4)


def test_a_storm_about_one_brand_hides_no_other(world, monkeypatch):
    monkeypatch.setattr("pipeline.watching.MOST_GRAVE", 3)
    for native in range(5):
        world.hears({"text": f"brightly on fire in room {native}", "author": f"p{native}"})
        world.clock.later(seconds=1)
    watch(world.tocsin)
    watch(world.tocsin)
    (incident,) = world.store.incidents()
    assert (incident.posts, incident.people) == (5, 5)


def test_every_grave_post_is_asked_for_until_an_incident_holds_it_and_never_again(world):
    """What ``grave_mentions`` gives and ``detect`` refuses would come back each minute, and crowd others out."""
    world.classifier.rules |= {"in ten minutes": ("deadline", "critical", False), "soon": ("danger", "high", True)}
    texts = ("on fire", "in ten minutes", "soon", "broke!!!", "in ten minutes!!!", "open?")
    world.hears(*({"text": f"brightly {text}", "author": f"p{n}"} for n, text in enumerate(texts)))
    asked = {"since": world.clock() - FRESH, "crisis": CONFIG.weights.grave}
    assert {item.mention.id for item in world.store.grave_mentions(**asked)} == {"x:1", "x:4", "x:5"}
    watch(world.tocsin)
    assert world.store.grave_mentions(**asked) == []


def test_posts_are_read_again_only_for_incidents_with_something_to_tell(world, monkeypatch):
    world.hears({"text": "brightly on fire"})
    watch(world.tocsin)
    read = []
    monkeypatch.setattr(world.store, "incident_posts", lambda ids: read.extend(ids) or {})
    assert write_notices(world.tocsin) == 0
    assert read == []
