"""Correcting a label is a click; it moves the ticket and can be taken back."""

from __future__ import annotations

import re

import pytest

from tests.factories import FIRE, score
from tests.web.conftest import Browser
from tests.web.world import Desk


@pytest.fixture
def joke(desk: Desk) -> str:
    """A ticket that a rule has put into the crisis lane."""
    (id_,) = desk.add(
        desk.post("this mixtape is fire", given=score("chatter", "low", crisis=0.6, rules=(FIRE,)), native="9")
    )
    return id_


def pressed(page: str) -> list[str]:
    return re.findall(r'value="([a-z]+)\|" aria-pressed="true"', page)


def test_the_ticket_asks_what_the_model_got_wrong(joke: str, ana: Browser) -> None:
    page = ana.get(f"/tickets/{joke}").text
    assert "used at the next training; the order changes now" in page
    assert len(re.findall(r'name="say"', page)) == 8 + 4 + 2 + 3
    assert pressed(page) == []


def test_a_click_labels_the_post_and_moves_its_ticket(desk: Desk, joke: str, ana: Browser) -> None:
    answer = ana.post("/label", mention=joke, say=["crisis|no"], back=f"/tickets/{joke}")
    assert "Labelled crisis no: used at the next training; the order has changed now." in answer.text
    assert desk.store.ticket(joke).rank.lane == "queue"
    assert pressed(answer.text) == ["crisis"]
    assert "Ana says no, the model said yes" in answer.text
    assert "crisis is no (the model said yes)" in answer.text


def test_the_undo_bar_restores_what_stood_before(desk: Desk, joke: str, ana: Browser) -> None:
    ana.post("/label", mention=joke, say=["category|praise"])
    page = ana.post("/label", mention=joke, say=["category|spam"]).text
    bar = page[page.index('id="done"') :]
    assert 'name="say" value="category|praise"' in bar
    ana.post("/label", mention=joke, say=["category|praise"])
    assert desk.store.ticket(joke).category == "praise"


def test_a_second_click_takes_the_label_back(desk: Desk, joke: str, ana: Browser) -> None:
    before = desk.store.ticket(joke).rank
    ana.post("/label", mention=joke, say=["urgency|normal"])
    assert desk.store.ticket(joke).rank != before
    page = ana.post("/label", mention=joke, say=["urgency|"]).text
    assert "Label taken back" in page
    assert desk.store.ticket(joke).rank == before
    assert [label.value for label in desk.store.labels_of([joke])[joke]] == ["normal", None]


def test_what_cannot_be_said_is_refused_in_words(joke: str, ana: Browser) -> None:
    for say in ("mood|good", "category|rant", "crisis|0"):
        assert ana.post("/label", mention=joke, say=[say]).status_code == 400
    assert ana.post("/label", mention="x:nobody", say=["crisis|no"]).status_code == 404


def test_nobody_labels_without_a_name(joke: str, desk: Desk) -> None:
    from tests.web.conftest import browser

    answer = browser(desk).post("/label", mention=joke, say=["crisis|no"])
    assert answer.status_code == 400
    assert "Who are you?" in answer.text


def test_saying_the_same_again_says_so(joke: str, ana: Browser, desk: Desk) -> None:
    ana.post("/label", mention=joke, say=["crisis|no"])
    assert "That is said already" in ana.post("/label", mention=joke, say=["crisis|no"]).text
    assert len(desk.store.labels()) == 1


def test_a_false_alarm_closes_the_incident_and_labels_its_posts(desk: Desk, joke: str, ana: Browser) -> None:
    desk.watch()
    incident = desk.store.open_incidents()[0].id
    assert "False alarm" in ana.get(f"/incidents/{incident}").text
    page = ana.post("/false-alarm", incident=incident, note="a song").text
    assert "Closed as a false alarm; 1 post labelled as no crisis." in page
    assert "false alarm: a song" in page
    assert desk.store.open_incidents() == []
    assert desk.store.ticket(joke).rank.lane == "queue"
    assert [label.value for label in desk.store.labels_of([joke])[joke]] == ["no"]
