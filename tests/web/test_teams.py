"""Teams on the pages: whose work a row is, the filter, assigning by form, the next ticket, and what has lapsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pipeline.config import parse
from tests.factories import NOW, score
from tests.web.conftest import Browser, browser
from tests.web.test_actions import events_to_undo
from tests.web.world import CONFIG, Desk

TEAMS = [
    {"name": "praise & thanks", "categories": ["praise"], "members": ["Şule"]},
    {"name": "legal", "members": ["Lea"]},
    {"name": "desk", "default": True, "members": ["Ana", "Ben"]},
]


@pytest.fixture
def desk() -> Iterator[Desk]:
    config = parse({**CONFIG.model_dump(exclude_unset=True, mode="json"), "team": TEAMS})
    found = Desk(config=config)
    yield found
    found.store.close()


def test_a_row_says_whose_work_it_is_and_the_address_filters_by_team(desk: Desk, ana: Browser) -> None:
    desk.ticket("the brightly broke")
    desk.ticket("love my brightly", given=score("praise"))
    everything = ana.get("/").text
    assert 'title="no other team&#39;s rule fits">team desk' in everything
    assert 'title="category praise">team praise &amp; thanks' in everything
    praise = ana.get("/?team=praise+%26+thanks").text
    assert praise.count("<li class=") == 1
    assert "love my" in praise
    assert "<strong>1</strong> of 2 waiting fit" in praise
    [line] = ana.get("/api/queue?team=desk").json()["tickets"]
    assert line["team"] == "desk"
    assert ana.get("/?team=nobody").status_code == 400


def test_a_ticket_is_assigned_to_a_team_with_a_note_and_taken_back(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    page = ana.post(
        "/act", do="assign", ticket=ticket, to="legal", note="names a lawyer", back=f"/tickets/{ticket}"
    ).text
    assert "Assigned to legal." in page
    assert "assigned: to legal: names a lawyer" in re.sub("</?strong>", "", page)
    assert 'Team <a href="/?team=legal">legal</a>: a person gave it to this team.' in page
    ana.post("/undo", event=events_to_undo(page)[0])
    assert desk.store.ticket(ticket).team is None


def test_a_ticket_is_handed_to_a_colleague_who_has_it_at_once(desk: Desk, ana: Browser, ben: Browser) -> None:
    ticket = desk.ticket()
    ana.post("/act", do=f"claim|{ticket}")
    page = ana.post("/act", do="assign", ticket=ticket, to="Ben", note="yours").text
    assert "Assigned to Ben." in page
    assert desk.store.ticket(ticket).holder(NOW) == "Ben"
    assert "you have it" in ben.get("/?show=mine").text
    ana.post("/undo", event=events_to_undo(page)[0])
    assert desk.store.ticket(ticket).holder(NOW) == "Ana"


def test_an_assignment_to_nobody_is_answered_with_what_to_do(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    for to in ("", "Nobody"):
        refused = ana.post("/act", do="assign", ticket=ticket, to=to)
        assert refused.status_code == 400
        assert ("hoose a team or a colleague" if not to else "is no team and nobody") in refused.text


def test_several_tickets_are_assigned_at_once_and_undone_at_once(desk: Desk, ana: Browser) -> None:
    tickets = desk.tickets(3)
    page = ana.post("/act", do="assign", ticket=tickets, to="legal").text
    assert "Assigned to legal: 3 tickets." in page
    assert {desk.store.ticket(each).team for each in tickets} == {"legal"}
    ana.post("/undo", event=events_to_undo(page))
    assert {desk.store.ticket(each).team for each in tickets} == {None}


def test_the_next_ticket_is_claimed_and_opened(desk: Desk, ana: Browser, ben: Browser) -> None:
    first, second = desk.ticket(given=score(urgency="high")), desk.ticket()
    desk.ticket(given=score("praise"))
    opened = ana.post("/next", follow=False)
    assert opened.headers["location"] == f"/tickets/{first}"
    assert ben.post("/next", follow=False).headers["location"] == f"/tickets/{second}"
    nothing = ben.post("/next", back="/?show=free")
    assert "Nothing that waits is free for you." in nothing.text
    assert {desk.store.ticket(each).holder(NOW) for each in (first, second)} == {"Ana", "Ben"}


def test_overdue_tickets_are_a_link_and_a_list(desk: Desk, ana: Browser) -> None:
    desk.ticket("the late one", minutes_ago=4000)
    desk.ticket("the fresh one")
    assert 'href="/?breached=1"' in ana.get("/").text
    late = ana.get("/?breached=1").text
    assert ("the late one" in late, "the fresh one" in late) == (True, False)
    assert "all overdue" in late


def test_a_claim_that_lapsed_is_shown_as_such(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    ana.post("/act", do=f"claim|{ticket}")
    desk.clock.on(minutes=16)
    assert 'free<span class="lapsed">, Ana’s claim lapsed' in ana.get(f"/tickets/{ticket}").text


def test_without_teams_the_pages_say_nothing_of_them(ana: Browser, desk: Desk) -> None:
    plain = Desk()
    plain.ticket()
    page = browser(plain).get("/").text
    assert 'name="team"' not in page
    assert "team desk" not in page
    plain.store.close()
