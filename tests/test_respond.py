"""Respond: what people do to incidents while ``watch`` changes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline import respond
from pipeline.domain import EventKind, Incident
from pipeline.errors import ConfigError, Conflict
from pipeline.stores.sqlite import SqliteStore
from tests.factories import NOW, incident


class BusyStore(SqliteStore):
    """A store in which somebody else is faster: one change of the incident before each of the first saves."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.before: list[Callable[[Incident], Incident]] = []

    def save_incident(self, incident, *, event=None):
        if self.before:
            change = self.before.pop(0)
            super().save_incident(change(self.incident(incident.id)))
        return super().save_incident(incident, event=event)


@pytest.fixture
def store():
    made = BusyStore()
    made.save_incident(incident())
    yield made
    made.close()


def grown(found: Incident) -> Incident:
    return replace(found, posts=found.posts + 1, mentions=(*found.mentions, f"x:{found.posts + 1}"))


def test_an_incident_that_grows_while_it_is_acknowledged_is_acknowledged_and_keeps_its_new_posts(store):
    store.before = [grown, grown]
    saved = respond.acknowledge(store, incident().id, "Ana", now=NOW)
    assert (saved.acknowledged_by, saved.posts) == ("Ana", 3)
    assert store.incident(incident().id) == saved
    assert [event.kind for event in store.events(saved.id)] == [EventKind.ACKNOWLEDGED]


def test_a_colleague_who_was_faster_keeps_the_incident_and_who_said_so_too_is_in_its_history(store):
    store.before = [lambda found: replace(found, acknowledged_by="Ben", acknowledged_at=NOW)]
    assert respond.acknowledge(store, incident().id, "Ana", now=NOW).acknowledged_by == "Ben"
    respond.acknowledge(store, incident().id, "Ana", now=NOW)  # the button pressed twice
    assert [(each.kind, each.actor) for each in store.events(incident().id)] == [(EventKind.ACKNOWLEDGED, "Ana")]


def test_an_incident_that_is_handed_over_is_had_by_whom_it_was_handed_to(store):
    respond.acknowledge(store, incident().id, "Ana", now=NOW)
    handed = respond.hand_over(store, incident().id, "Ana", " Ben ", now=NOW)
    assert (handed.acknowledged_by, handed.acknowledged_at) == ("Ben", NOW)
    respond.hand_over(store, incident().id, "Ana", "Ben", now=NOW)
    assert [(each.kind, each.actor, each.note) for each in store.events(incident().id)][1:] == [
        (EventKind.HANDED_OVER, "Ana", "Ben")
    ]


def test_an_incident_that_grows_while_it_is_closed_is_closed(store):
    store.before = [grown]
    saved = respond.close(store, incident().id, "Ana", note="fixed", now=NOW)
    assert (saved.closed_at, saved.posts) == (NOW, 2)
    assert [event.note for event in store.events(saved.id)] == ["fixed"]


def test_an_incident_that_gets_worse_while_it_is_closed_stays_open_and_says_so(store):
    store.before = [lambda found: replace(grown(found), severity=5)]
    with pytest.raises(Conflict, match="severity 5, was 3"):
        respond.close(store, incident().id, "Ana", now=NOW)
    assert store.incident(incident().id).closed_at is None
    assert store.events(incident().id) == []


def test_who_loses_every_time_is_told(store):
    store.before = [grown] * respond.TRIES
    with pytest.raises(Conflict, match="changed by somebody else"):
        respond.acknowledge(store, incident().id, "Ana", now=NOW)


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_nobody_acts_without_a_name(store, name):
    with pytest.raises(ConfigError, match="a responder needs a name"):
        respond.acknowledge(store, incident().id, name, now=NOW)
