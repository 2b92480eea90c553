"""A store in trouble and addresses that mean nothing are told in words, never as a mistake of ours."""

from __future__ import annotations

import pytest

from pipeline.errors import StoreRefused
from tests.web.conftest import Browser
from tests.web.world import Desk

DAMAGED = "store.db is damaged; restore a backup"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/tickets/x:1", "/coverage"])
def test_a_damaged_store_is_told_with_its_advice_on_every_page(
    desk: Desk, ana: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def refuse() -> int:
        raise StoreRefused(DAMAGED)

    monkeypatch.setattr(desk.store, "change_count", refuse)
    answer = ana.get(path)
    assert answer.status_code == 500
    assert "tore.db is damaged; restore a backup" in answer.text
    assert "mistake in Tocsin" not in answer.text
    assert 'http-equiv="refresh"' not in answer.text


def test_health_is_asked_without_reading_the_whole_store(
    desk: Desk, ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.store, "check", lambda: ["the whole file was read"])
    assert ana.get("/healthz").json() == {"status": "ok", "problems": []}


@pytest.mark.parametrize("page", ["9" * 5000, "0", "-1", "201", "٣٣٣", "1e2", "x"])
def test_a_page_that_cannot_be_is_refused_with_those_that_can(ana: Browser, page: str) -> None:
    for path in ("/", "/mentions", "/api/queue"):
        answer = ana.get(f"{path}?page={page}")
        assert answer.status_code == 400, path


def test_the_last_page_there_can_be_is_answered(ana: Browser) -> None:
    assert ana.get("/?page=200").status_code == 200


@pytest.mark.parametrize("event", ["9" * 30, "9" * 5000, "9223372036854775808", "-1", "0"])
def test_an_event_with_a_number_none_can_have_is_refused(ana: Browser, event: str) -> None:
    assert ana.post("/undo", event=event).status_code == 400


def test_an_origin_that_is_no_address_is_refused_as_another_sites(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    answer = ana.post("/act", do=f"claim|{ticket}", headers={"origin": "http://["})
    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert desk.store.ticket(ticket).claimed_by is None


def test_what_was_done_is_said_once(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    assert "Claimed." in ana.post("/act", do=f"claim|{ticket}").text
    assert 'id="done"' not in ana.get("/").text
