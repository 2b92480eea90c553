"""What people do on the pages, by forms alone: claim, resolve, undo, in bulk, and what happens when somebody was faster."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from pipeline.domain import Resolution, Status
from tests.factories import FIRE, NOW, score
from tests.web.conftest import Browser
from tests.web.world import Desk


def events_to_undo(html: str) -> list[str]:
    bar = html[html.index('id="done"') :]
    return re.findall(r'name="event" value="(\d+)"', bar[: bar.index("</form>")] if "</form>" in bar else "")


def test_a_button_in_a_row_claims_its_ticket_and_leads_back_to_the_same_address(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    answer = ana.post("/act", follow=False, do=f"claim|{ticket}", back="/?brand=Brightly&page=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?brand=Brightly&page=1"
    assert desk.store.ticket(ticket).holder(NOW) == "Ana"
    assert desk.store.ticket(ticket).claimed_until == NOW + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("do", "status", "resolution"),
    [
        ("answered", Status.ANSWERED, None),
        ("resolve", Status.RESOLVED, Resolution.ANSWERED),
        ("no-answer", Status.RESOLVED, Resolution.NO_ANSWER_NEEDED),
        ("not-ours", Status.RESOLVED, Resolution.NOT_OURS),
    ],
)
def test_every_way_to_end_a_ticket_is_recorded_as_what_it_is(
    desk: Desk, ana: Browser, do: str, status: Status, resolution: Resolution | None
) -> None:
    ticket = desk.ticket()
    ana.post("/act", do=do, ticket=ticket, note="told her by phone")
    ended = desk.store.ticket(ticket)
    assert (ended.status(NOW), ended.resolution) == (status, resolution)


def test_a_note_stands_in_the_history(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    ana.post("/act", do="resolve", ticket=ticket, note="told her <b>by phone</b>")
    assert "resolved: told her &lt;b&gt;by phone&lt;/b&gt;" in ana.get(f"/tickets/{ticket}").text


def test_what_was_done_can_be_undone_from_the_bar(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    page = ana.post("/act", do=f"not-ours|{ticket}").text
    assert "Marked not ours." in page
    [event] = events_to_undo(page)
    again = ana.post("/undo", event=event)
    assert "Undone." in again.text
    assert desk.store.ticket(ticket).status(NOW) is Status.OPEN


def test_the_bar_is_gone_when_its_seconds_are_over_and_cannot_be_made_up(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    answer = ana.post("/act", follow=False, do=f"claim|{ticket}")
    [cookie] = [c for c in answer.headers.get_list("set-cookie") if c.startswith("tocsin_done=")]
    assert "Max-Age=10" in cookie
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    ana.client.cookies.set("tocsin_done", "eyJzYWlkIjogIkNhbGwgKzQ0In0=.forged", domain="127.0.0.1")
    assert 'id="done"' not in ana.get("/").text


def test_an_action_can_be_undone_later_from_the_tickets_history(desk: Desk, ana: Browser, ben: Browser) -> None:
    ticket = desk.ticket()
    ana.post("/act", do=f"resolve|{ticket}")
    desk.clock.on(hours=3)
    page = ben.get(f"/tickets/{ticket}").text
    event = re.search(r'<button class="quiet" name="event" value="(\d+)"', page)
    assert event is not None
    ben.post("/undo", event=event[1], back=f"/tickets/{ticket}")
    assert desk.store.ticket(ticket).resolved_at is None
    assert "Ben</strong> undone" in ben.get(f"/tickets/{ticket}").text


def test_an_undo_that_would_overwrite_a_colleague_is_refused_and_told(desk: Desk, ana: Browser, ben: Browser) -> None:
    ticket = desk.ticket()
    [event] = events_to_undo(ana.post("/act", do=f"resolve|{ticket}").text)
    ben.post("/act", do=f"reopen|{ticket}")
    ben.post("/act", do=f"claim|{ticket}")
    answer = ana.post("/undo", event=event)
    assert answer.status_code == 409
    assert "Ben" in answer.text
    assert desk.store.ticket(ticket).holder(NOW) == "Ben"


def test_who_is_late_sees_who_has_the_ticket_and_until_when(desk: Desk, ana: Browser, ben: Browser) -> None:
    ticket = desk.ticket()
    ben.post("/act", do=f"claim|{ticket}")
    desk.clock.on(minutes=5)
    answer = ana.post("/act", do=f"claim|{ticket}", back="/?show=free")
    assert answer.status_code == 409
    assert "Somebody has this ticket" in answer.text
    assert "<strong>Ben</strong> holds it until" in answer.text
    assert "10 min from now" in answer.text
    assert 'href="/?show=free"' in answer.text
    assert desk.store.ticket(ticket).holder(desk.clock.now) == "Ben"


def test_selected_tickets_are_acted_on_together_and_undone_together(desk: Desk, ana: Browser) -> None:
    ids = desk.tickets(5)
    page = ana.post("/act", do="not-ours", ticket=ids[:3]).text
    assert "Marked not ours: 3 tickets." in page
    assert [desk.store.ticket(i).resolution is Resolution.NOT_OURS for i in ids] == [True] * 3 + [False] * 2
    ana.post("/undo", event=events_to_undo(page))
    assert all(desk.store.ticket(i).resolved_at is None for i in ids)


def test_of_many_those_that_somebody_holds_are_left_alone_and_named(desk: Desk, ana: Browser, ben: Browser) -> None:
    ids = desk.tickets(3)
    ben.post("/act", do=f"claim|{ids[1]}")
    page = ana.post("/act", do="claim", ticket=ids).text
    assert "Claimed: 2 tickets." in page
    assert "1 of 3 not done: held by Ben, 15 min left" in page
    assert [desk.store.ticket(i).holder(NOW) for i in ids] == ["Ana", "Ben", "Ana"]


def test_nothing_selected_is_told_with_the_next_step(desk: Desk, ana: Browser) -> None:
    desk.ticket()
    answer = ana.post("/act", do="claim")
    assert answer.status_code == 400
    assert "tick the boxes" in answer.text


def test_an_unknown_action_or_ticket_is_told_not_raised(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    assert ana.post("/act", do=f"explode|{ticket}").status_code == 400
    assert ana.post("/act", do="claim|x:nope").status_code == 404
    assert ana.post("/undo", event="12345").status_code in {404, 409}
    assert ana.post("/undo", event="abc").status_code == 400
    assert ana.post("/act", do=f"claim|{ticket}", note="x" * 501).status_code == 400


def test_ids_that_are_addresses_themselves_work_in_links_and_forms(desk: Desk, ana: Browser) -> None:
    native = "https://news.example/a//b?id=1&x=é#top/claim"
    ticket = desk.ticket(source="news", native=native)
    page = ana.get("/").text
    link = re.search(r'<a class="open" href="([^"]+)"', page)
    assert link is not None
    assert ana.get(link[1]).status_code == 200
    ana.post("/act", do=f"claim|{ticket}", back=link[1])
    assert desk.store.ticket(ticket).holder(NOW) == "Ana"
    assert ana.get("/api/tickets/" + quote(ticket, safe="")).json()["ticket"]["id"] == ticket


def test_who_has_not_chosen_a_name_is_asked_for_it_and_nothing_is_done(desk: Desk, stranger: Browser) -> None:
    ticket = desk.ticket()
    answer = stranger.post("/act", do=f"claim|{ticket}", back="/?show=free")
    assert answer.status_code == 400
    assert "Who are you?" in answer.text
    assert '<button name="responder" value="Ben">' in answer.text
    assert desk.store.ticket(ticket).claimed_by is None
    stranger.post("/me", responder="Ben", back="/?show=free")
    stranger.post("/act", do=f"claim|{ticket}")
    assert desk.store.ticket(ticket).claimed_by == "Ben"


def test_names_beyond_ascii_are_kept_and_unknown_ones_refused(desk: Desk, stranger: Browser) -> None:
    ticket = desk.ticket()
    assert stranger.post("/me", responder="Mallory").status_code == 400
    stranger.be("Şule").post("/act", do=f"claim|{ticket}")
    assert desk.store.ticket(ticket).claimed_by == "Şule"


def test_an_incident_is_acknowledged_by_the_first_who_says_so_and_closed_with_a_reason(
    desk: Desk, ana: Browser, ben: Browser
) -> None:
    desk.ticket("the brightly base caught fire", given=score("complaint", "critical", 0.9, rules=(FIRE,)))
    desk.watch()
    incident = desk.store.open_incidents()[0].id
    assert "You have it." in ana.post("/acknowledge", incident=incident).text
    assert "Ana has it already." in ben.post("/acknowledge", incident=incident).text
    page = ben.post("/close", incident=incident, note="a toaster, not ours").text
    assert "Incident closed." in page
    assert "closed: a toaster, not ours" in page
    assert desk.store.open_incidents() == []
