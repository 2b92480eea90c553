"""Links that acknowledge: opened by anybody and anything, pressed by a person, once."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from pipeline.alarms import Telling, tell
from pipeline.config import parse
from pipeline.domain import EventKind, Incident, Notice, Reason
from pipeline.escalation.links import Links
from pipeline.web import create_app
from tests.factories import incident
from tests.fakes import RecordingNotifier
from tests.web.conftest import ADDRESS, Browser, browser
from tests.web.world import Desk

LINKS = Links("a key that nobody knows", ADDRESS)


@pytest.fixture
def burning(desk: Desk) -> Incident:
    return desk.store.save_incident(incident())


@pytest.fixture
def somebody(desk: Desk) -> Browser:
    """Who follows a link in a mail: without a name in this browser."""
    return Browser(TestClient(create_app(desk.store, desk.config, clock=desk.clock, links=LINKS), base_url=ADDRESS))


def link(about: Incident, desk: Desk, *, person: str | None = "Ana", links: Links = LINKS, reason: Reason = Reason.INCIDENT_OPENED) -> str:  # fmt: skip
    notice = Notice(
        id="n", reason=reason, group=about.id, channel="mail", subject="", body="", severity=3, person=person,
        created_at=desk.clock.now,
    )  # fmt: skip
    address = links.of(notice)
    assert address is not None
    return address.removeprefix(ADDRESS)


def acknowledged(desk: Desk, about: Incident) -> list[str]:
    return [each.actor for each in desk.store.events(about.id) if each.kind is EventKind.ACKNOWLEDGED]


def test_opening_a_link_changes_nothing_however_often_scanners_do_so(
    desk: Desk, somebody: Browser, burning: Incident
) -> None:
    path = link(burning, desk)
    before = desk.store.change_count()
    for _ in range(3):
        page = somebody.get(path)
        assert page.status_code == 200
        assert somebody.client.head(path).status_code in {200, 405}
    assert "I have it (Ana)" in page.text
    assert "Nothing has been acknowledged by opening this page." in page.text
    assert desk.store.incident(burning.id).acknowledged_by is None
    assert desk.store.change_count() == before


def test_the_button_acknowledges_for_whom_the_link_was_written(
    desk: Desk, somebody: Browser, burning: Incident
) -> None:
    answer = somebody.post(link(burning, desk), responder="Ben")
    assert answer.status_code == 200
    assert "Ana, you have it" in answer.text
    assert desk.store.incident(burning.id).acknowledged_by == "Ana"


def test_a_link_is_good_for_one_use(desk: Desk, somebody: Browser, burning: Incident) -> None:
    path = link(burning, desk)
    somebody.post(path)
    desk.clock.on(minutes=5)
    again = somebody.post(path)
    assert again.status_code == 410
    assert "was used" in again.text
    assert acknowledged(desk, burning) == ["Ana"]
    assert "does nothing any more" in somebody.get(path).text


def test_a_second_person_says_so_too_and_the_first_keeps_it(desk: Desk, somebody: Browser, burning: Incident) -> None:
    somebody.post(link(burning, desk))
    answer = somebody.post(link(burning, desk, person="Ben"))
    assert "Ana has it; Ben said so too" in answer.text
    assert acknowledged(desk, burning) == ["Ana", "Ben"]


def test_a_later_notice_has_a_link_of_its_own(desk: Desk, somebody: Browser, burning: Incident) -> None:
    somebody.post(link(burning, desk))
    desk.clock.on(minutes=30)
    assert somebody.post(link(burning, desk)).status_code == 200
    assert acknowledged(desk, burning) == ["Ana", "Ana"]


def test_a_channels_link_asks_who_presses(desk: Desk, somebody: Browser, burning: Incident) -> None:
    path = link(burning, desk, person=None)
    page = somebody.get(path).text
    assert [name for name in ("Ana", "Ben") if f"I have it: {name}" in page] == ["Ana", "Ben"]
    refused = somebody.post(path)
    assert refused.status_code == 400
    assert "choose who you are" in refused.text.lower()
    somebody.post(path, responder="Ben")
    assert desk.store.incident(burning.id).acknowledged_by == "Ben"


@pytest.mark.parametrize("what", ["other key", "cut", "nonsense", "changed"])
def test_a_forged_link_says_so_and_does_nothing(desk: Desk, somebody: Browser, burning: Incident, what: str) -> None:
    good = link(burning, desk)
    path = {
        "other key": link(burning, desk, links=Links("another key", ADDRESS)),
        "cut": good[:-3],
        "nonsense": "/ack/hello",
        "changed": good[:6] + ("A" if good[6] != "A" else "B") + good[7:],
    }[what]
    for answer in (somebody.get(path), somebody.post(path)):
        assert answer.status_code == 410
        assert "not from Tocsin" in answer.text
    assert acknowledged(desk, burning) == []


def test_an_old_link_says_so_and_does_nothing(desk: Desk, somebody: Browser, burning: Incident) -> None:
    path = link(burning, desk)
    desk.clock.on(hours=24, seconds=1)
    for answer in (somebody.get(path), somebody.post(path)):
        assert answer.status_code == 410
        assert "older than a day" in answer.text
    assert acknowledged(desk, burning) == []


def test_a_link_without_the_form_of_our_page_does_nothing(desk: Desk, somebody: Browser, burning: Incident) -> None:
    path = link(burning, desk)
    assert somebody.client.post(path, data={"csrf": "guessed"}).status_code == 403
    assert somebody.client.post(path).status_code == 400
    assert acknowledged(desk, burning) == []


def test_a_closed_incident_has_nothing_to_acknowledge(desk: Desk, somebody: Browser, burning: Incident) -> None:
    path = link(burning, desk)
    desk.store.save_incident(replace(burning, closed_at=desk.clock.now))
    assert "nothing left to acknowledge" in somebody.get(path).text


def test_the_page_is_plain_and_hostile_titles_stay_text(desk: Desk, somebody: Browser) -> None:
    hostile = desk.store.save_incident(incident(title="<script>alert(1)</script>"))
    page = somebody.get(link(hostile, desk)).text
    assert "<script>alert" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)


def test_only_what_calls_for_somebody_has_a_link(desk: Desk, burning: Incident) -> None:
    for reason in (Reason.ACKNOWLEDGED, Reason.SILENT, Reason.BREACHED):
        with pytest.raises(AssertionError):
            link(burning, desk, reason=reason)


def test_an_incident_is_handed_to_a_colleague(desk: Desk, ana: Browser, burning: Incident) -> None:
    assert ana.post("/hand-over", incident=burning.id, to="Nobody here").status_code == 400
    answer = ana.post("/hand-over", incident=burning.id, to="Ben")
    assert "Ben has it now" in answer.text
    assert desk.store.incident(burning.id).acknowledged_by == "Ben"


def test_monitors_see_when_nobody_is_being_told(desk: Desk, stranger: Browser) -> None:
    assert stranger.get("/alive").status_code == 503
    desk.store.beat("watch", desk.clock.now)
    assert (stranger.get("/alive").status_code, stranger.get("/alive").json()["watch"]) == (200, "ran under 1 min ago")
    desk.clock.now += timedelta(minutes=11)
    assert (stranger.get("/alive").status_code, stranger.get("/alive").json()["watch"]) == (503, "silent for 11 min")


# --- what an incident's page says of its chain -----------------------------------------------------------------------------


@pytest.fixture
def chained(desk: Desk) -> Desk:
    """A desk whose incidents are told along a chain."""
    desk.config = parse(
        {
            "brand": [{"name": "Brightly"}],
            "web": {"responders": ["Ana", "Ben"]},
            "person": [{"name": "Ana", "channels": ["console"]}, {"name": "Maria", "channels": ["console"]}],
            "chain": [{"name": "crisis", "step": [{"people": ["Ana"]}, {"wait": 10, "people": ["Maria"]}]}],
        }
    )
    return desk


def watch(desk: Desk) -> None:
    console = RecordingNotifier()
    tell(Telling(store=desk.store, config=desk.config, notifiers={"console": console}, clock=desk.clock))


def test_the_page_says_who_was_told_who_is_next_and_what_was_missed(chained: Desk) -> None:
    burning = chained.store.save_incident(incident(opened_at=chained.clock.now - timedelta(minutes=1)))
    ana = browser(chained).be("Ana")
    watch(chained)
    page = ana.get(f"/incidents/{burning.id}").text
    assert "<strong>Maria</strong>" in page
    assert "in 10 min" in page
    assert "<strong>Ana by console</strong>: incident opened" in page
    chained.clock.on(minutes=20)  # nothing ran
    page = ana.get(f"/incidents/{burning.id}").text
    assert "Maria by console, due" in page
    assert "missed" in page
    assert "Nobody is being told of anything" in ana.get("/incidents").text
    watch(chained)
    assert "Nobody is being told of anything" not in ana.get("/incidents").text
    ana.post("/acknowledge", incident=burning.id)
    assert "Chain crisis is stopped" in ana.get(f"/incidents/{burning.id}").text


def test_an_incident_without_a_chain_has_no_such_card(desk: Desk, ana: Browser, burning: Incident) -> None:
    assert "Who is told next" not in ana.get(f"/incidents/{burning.id}").text
