"""Other sites and hostile posts get nowhere: forged forms, foreign names, markup, links, hidden characters."""

from __future__ import annotations

import re

import pytest

from pipeline.web.security import local_path
from tests.factories import score
from tests.web.conftest import ADDRESS, Browser
from tests.web.world import Desk, rule, shift

PAGES = (
    "/",
    "/mentions",
    "/incidents",
    "/coverage",
    "/help",
    "/nowhere",
    "/api/queue",
    "/healthz",
    "/static/tocsin.js",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_headers_that_keep_others_out(ana: Browser, path: str) -> None:
    headers = ana.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/mentions", "/incidents", "/coverage", "/help", "/tickets/x:1863"])
def test_no_page_needs_inline_code_or_anything_from_another_host(desk: Desk, ana: Browser, path: str) -> None:
    shift(desk)
    page = ana.get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r'(?:src|action)="(?!/[^/])', page)
    assert not re.search(r'<link[^>]*href="(?!/static/)', page)


def test_a_form_without_the_pages_token_is_refused(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    for token in ("", "guessed", "ünicode"):
        answer = ana.post("/act", csrf=token, do=f"claim|{ticket}")
        assert answer.status_code == 403
        assert "nothing was done" in answer.text
    assert desk.store.ticket(ticket).claimed_by is None


def test_a_form_without_the_cookie_is_refused(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    token = ana.token()
    del ana.client.cookies["tocsin_csrf"]
    answer = ana.client.post("/act", data={"csrf": token, "do": f"claim|{ticket}"})
    assert answer.status_code == 403
    assert desk.store.ticket(ticket).claimed_by is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_from_another_origin_is_refused_even_with_the_token(
    desk: Desk, ana: Browser, headers: dict[str, str]
) -> None:
    ticket = desk.ticket()
    assert ana.post("/act", do=f"claim|{ticket}", headers=headers).status_code == 403
    assert desk.store.ticket(ticket).claimed_by is None


def test_what_a_browser_says_of_our_own_form_is_accepted(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    ana.post("/act", do=f"claim|{ticket}", headers={"origin": "null", "sec-fetch-site": "same-origin"})
    assert desk.store.ticket(ticket).claimed_by == "Ana"
    ana.post("/act", do=f"release|{ticket}", headers={"origin": ADDRESS})
    assert desk.store.ticket(ticket).claimed_by is None


def test_reading_changes_nothing(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    before = desk.store.change_count()
    for path in (*PAGES, f"/tickets/{ticket}", "/act", "/undo", "/me"):
        ana.get(path)
    assert desk.store.change_count() == before


def test_a_foreign_name_that_points_here_is_not_answered(ana: Browser) -> None:
    answer = ana.get("/", host="evil.example:8600")
    assert answer.status_code == 400
    assert "[web] address" in answer.text
    for host in ("127.0.0.1:8600", "localhost", "[::1]:8600", "LOCALHOST:1"):
        assert ana.get("/", host=host).status_code == 200, host
    for host in ("", "[::1", "127.0.0.1.evil.example", "evil.example@127.0.0.1:80/"):
        assert ana.get("/", host=host).status_code == 400 or host.startswith("evil"), host


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "queue",
        "/a\nSet-Cookie: x=1",
        "/\t/evil.example",
    ],
)
def test_one_is_never_led_to_another_site(desk: Desk, ana: Browser, back: str) -> None:
    ticket = desk.ticket()
    answer = ana.post("/act", follow=False, do=f"claim|{ticket}", back=back)
    assert answer.headers["location"] == "/"
    assert local_path("/?brand=a%20b&page=2") == "/?brand=a%20b&page=2"


def test_a_posts_markup_is_text_everywhere(desk: Desk, ana: Browser) -> None:
    evil = "</p><script>alert(1)</script><img src=x onerror=alert(1)> \"' {{ 7*7 }} {% x %}"
    ticket = desk.ticket(
        evil,
        handle='"><script>',
        url="javascript:alert(1)",
        given=score("complaint", "critical", 0.9, rules=(rule("fire", evil),)),
    )
    desk.watch()
    incident = desk.store.open_incidents()[0].id
    for path in (
        "/",
        f"/tickets/{ticket}",
        "/mentions",
        "/mentions?q=%3Cscript%3E",
        "/incidents",
        f"/incidents/{incident}",
    ):
        page = ana.get(path)
        assert page.status_code == 200
        assert "<script>" not in page.text, path
        assert "<img" not in page.text, path
        assert "javascript:" not in page.text, path
    assert "{{ 7*7 }} {% x %}" in ana.get(f"/tickets/{ticket}").text


def test_links_are_shown_and_lead_out_without_a_trace(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket("see https://phish.example/a?b=<c>&d, or ftp://x.example or http://y.example).")
    page = ana.get(f"/tickets/{ticket}").text
    assert '<a href="https://phish.example/a?b=" rel="noopener nofollow noreferrer ugc" target="_blank">' in page
    assert '<a href="http://y.example" rel=' in page
    assert 'href="ftp:' not in page


def test_hidden_characters_are_made_visible(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket(
        "pay \u202eelgoog\u202c now\u200b\u200b\u200b, family \U0001f468\u200d\U0001f469\u200d\U0001f467"
    )
    page = ana.get(f"/tickets/{ticket}").text
    assert '<bdi class="hidden-character" title="hidden: right-to-left override">U+202E</bdi>' in page
    assert "U+200B ×3" in page
    assert "\u202e" not in page
    assert "\U0001f468\u200d\U0001f469\u200d\U0001f467" in page


def test_a_very_long_post_is_folded_and_a_list_shows_its_beginning(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket("word " * 2000 + "end")
    page = ana.get(f"/tickets/{ticket}").text
    assert "more characters</summary>" in page
    assert page.count("word") >= 2000
    assert ana.get("/").text.count("word") < 80


def test_a_failure_nobody_expected_is_a_page_without_a_traceback(desk: Desk) -> None:
    from fastapi.testclient import TestClient

    from pipeline.web import create_app

    class Broken:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("secret internals")

    app = create_app(Broken(), desk.config, clock=desk.clock)  # type: ignore[arg-type]
    answer = TestClient(app, base_url=ADDRESS, raise_server_exceptions=False).get("/")
    assert answer.status_code == 500
    assert "secret internals" not in answer.text
    assert "tocsin doctor" in answer.text
    assert answer.headers["content-security-policy"]
