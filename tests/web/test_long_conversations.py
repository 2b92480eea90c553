"""A storm of replies to one post: its ticket stays quick to open, and no post is out of reach."""

from __future__ import annotations

import re

import pytest

from pipeline.web.tickets import POSTS
from tests.web.conftest import Browser
from tests.web.world import Desk


def storm(desk: Desk, replies: int) -> str:
    """One post and so many replies by others; the ticket's id."""
    posts = [
        desk.post(f"reply {i}.", conversation="x:1", minutes_ago=replies - i, handle=f"u{i}")
        for i in range(replies + 1)
    ]
    return desk.add(*posts)[0]


def shown(html: str) -> list[int]:
    return [int(number) for number in re.findall(r">reply (\d+)\.<", html)]


def test_the_newest_posts_of_a_storm_are_shown_and_links_lead_to_all_others(desk: Desk, ana: Browser) -> None:
    ticket = storm(desk, 2 * POSTS + 20)
    last = 2 * POSTS + 20
    page = ana.get(f"/tickets/{ticket}").text
    ranking = int(desk.store.ticket(ticket).mention.removeprefix("x:")) - 1
    newest = range(last - POSTS + 1, last + 1)
    assert shown(page) == ([] if ranking in newest else [ranking]) + list(newest)
    assert f'<a href="/tickets/{ticket}?page=2">{last + 1 - POSTS} older posts</a>' in page
    assert "newer post" not in page
    middle = ana.get(f"/tickets/{ticket}?page=2").text
    assert shown(middle) == list(range(last - 2 * POSTS + 1, last - POSTS + 1))
    assert f'<a href="/tickets/{ticket}">{POSTS} newer posts</a>' in middle
    oldest = ana.get(f"/tickets/{ticket}?page=3").text
    assert shown(oldest) == list(range(last - 2 * POSTS + 1))
    assert f'<a href="/tickets/{ticket}?page=2">{2 * POSTS} newer posts</a>' in oldest
    assert "older post<" not in oldest
    assert "older posts<" not in oldest


def test_the_post_that_ranks_a_storm_stands_above_its_newest_posts(desk: Desk, ana: Browser) -> None:
    ticket = storm(desk, POSTS + 5)
    page = ana.get(f"/tickets/{ticket}").text
    assert page.count("ranks this ticket") == 1


@pytest.mark.parametrize("page", [2, 200])
def test_a_page_past_the_beginning_shows_the_beginning(desk: Desk, ana: Browser, page: int) -> None:
    ticket = storm(desk, 3)
    assert shown(ana.get(f"/tickets/{ticket}?page={page}").text) == [0, 1, 2, 3]


def test_the_api_gives_a_storm_by_pages_too(desk: Desk, ana: Browser) -> None:
    ticket = storm(desk, POSTS + 4)
    newest, oldest = (ana.get(f"/api/tickets/{ticket}{page}").json() for page in ("", "?page=2"))
    assert (len(newest["conversation"]), newest["older"], newest["newer"]) == (POSTS, 5, 0)
    assert (len(oldest["conversation"]), oldest["older"], oldest["newer"]) == (5, 0, POSTS)
    assert oldest["conversation"][0]["mention"]["text"] == "reply 0."


def test_opening_a_ticket_reads_no_conversation_whole(
    desk: Desk, ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = storm(desk, POSTS + 4)

    def refuse(*_: object) -> None:
        raise AssertionError("read whole")

    monkeypatch.setattr(type(desk.store), "conversations", refuse)
    assert ana.get(f"/tickets/{ticket}").status_code == 200
    assert ana.get(f"/api/tickets/{ticket}").status_code == 200
