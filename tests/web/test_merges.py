"""Merging on the ticket's page: the other ticket of the author, one page for both, and undo."""

from __future__ import annotations

from tests.web.conftest import Browser
from tests.web.test_actions import events_to_undo
from tests.web.world import Desk


def test_another_ticket_of_the_author_is_merged_from_the_page_and_taken_apart_again(desk: Desk, ana: Browser) -> None:
    first = desk.ticket("my brightly is broken", handle="eva", minutes_ago=60)
    second = desk.ticket("and nobody answers me", handle="eva", minutes_ago=5)
    page = ana.get(f"/tickets/{first}").text
    assert "Merge into this" in page
    merged = ana.post("/merge", ticket=second, into=first, back=f"/tickets/{first}").text
    assert "Merged." in merged
    assert "my brightly is broken" in merged
    assert "and nobody answers me" in merged
    assert f"into {first}" in merged
    assert "Merge into this" not in merged
    assert ana.get(f"/tickets/{second}").url.path == f"/tickets/{first}"
    assert ana.get("/").text.count('<li class="row') == 1
    [event] = events_to_undo(merged)
    assert "Undone." in ana.post("/undo", event=event).text
    assert ana.get("/").text.count('<li class="row') == 2
    assert ana.get(f"/tickets/{second}").url.path == f"/tickets/{second}"


def test_a_merge_that_cannot_be_is_answered_with_the_reason(desk: Desk, ana: Browser, ben: Browser) -> None:
    first, second = desk.tickets(2)
    ben.post("/act", do=f"claim|{first}")
    refused = ana.post("/merge", ticket=second, into=first)
    assert refused.status_code == 409
    assert "Ben" in refused.text
