"""The pages in a real browser: accessibility, keys, live news, phones, and no script at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline import respond
from pipeline.domain import Resolution
from tests.factories import FIRE, NOW, score
from tests.web.world import Desk, ids_in_order, listening, rule, shift

CHROMIUM = Path(os.environ.get("TOCSIN_CHROMIUM") or "/usr/bin/chromium")
LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]  # the others see no colour: dark and light are one page to them

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"no Chromium at {CHROMIUM}: install it, or set TOCSIN_CHROMIUM"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        yield browser
        browser.close()


@dataclass
class Tab:
    """One page of one browser, which remembers every complaint of the browser."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def at(self) -> str:
        """The path and query one is at."""
        return self.page.url.removeprefix(self.address)

    def keys(self, *keys: str) -> None:
        """Press keys, each once the page that the one before may have led to listens for it."""
        for key in keys:
            self.page.wait_for_load_state("load")
            self.page.keyboard.press(key)


@pytest.fixture
def tabs(chromium: Browser, address: str) -> Iterator[Any]:
    contexts = []

    def opened(*, who: str | None = "Ana", viewport: dict[str, int] = LAPTOP, **options: Any) -> Tab:
        context = chromium.new_context(viewport=viewport, **options)  # type: ignore[arg-type]
        contexts.append(context)
        if who:
            context.add_cookies([{"name": "tocsin_responder", "value": who, "url": address}])
        tab = Tab(context.new_page(), address)
        tab.page.set_default_timeout(10_000)
        tab.page.on(
            "console",
            lambda message: tab.complaints.append(message.text) if message.type in {"error", "warning"} else None,
        )
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        return tab

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def tab(tabs: Any) -> Iterator[Tab]:
    found = tabs()
    yield found
    assert found.complaints == []


PATHS = ("/", "/tickets/x:900", "/tickets/x:1863", "/mentions?q=kestrel", "/mentions?q=zebra", "/incidents", "{incident}", "/coverage",
         "/help", "/learn", "/?show=mine", "/?brand=Brightly", "/tickets/x:nowhere")  # fmt: skip


def busy(desk: Desk) -> list[str]:
    """A desk with something on every page; the paths of the pages."""
    ids = shift(desk)
    listening(desk)
    desk.watch()
    desk.candidate()
    respond.claim(desk.store, ids["mediator"], "Ben", minutes=15, now=NOW)
    respond.claim(desk.store, ids["swallowed"], "Ana", minutes=15, now=NOW)
    incident = desk.store.open_incidents()[0].id
    return [path.format(incident=f"/incidents/{incident}") for path in PATHS]


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_every_page_is_accessible_in_light_and_dark(desk: Desk, tabs: Any, viewport: dict[str, int]) -> None:
    tab = tabs(color_scheme="light", viewport=viewport, reduced_motion="reduce")
    for path in busy(desk):
        tab.page.emulate_media(color_scheme="light")
        tab.go(path)
        for scheme, rules in {"light": RULES, "dark": COLOUR_RULES}.items():
            tab.page.emulate_media(color_scheme=scheme)
            found = Axe().run(tab.page, options={"runOnly": rules, "resultTypes": ["violations"]})
            assert found.violations_count == 0, f"{path}, {scheme}\n{found.generate_report()}"


def test_the_open_help_and_the_undo_bar_are_accessible(desk: Desk, tab: Tab) -> None:
    desk.tickets(3)
    tab.go("/")
    tab.keys("j", "x")
    expect(tab.page.locator("#done")).to_be_visible()
    tab.keys("?")
    expect(tab.page.locator("dialog")).to_be_visible()
    found = Axe().run(tab.page, options={"runOnly": RULES, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def test_no_page_makes_the_browser_complain_or_break_its_own_policy(desk: Desk, tabs: Any) -> None:
    tab = tabs()
    for path in busy(desk):
        tab.go(path)
        tab.page.wait_for_timeout(100)
    assert [complaint for complaint in tab.complaints if "404" not in complaint] == []


def test_no_page_scrolls_sideways(desk: Desk, tabs: Any) -> None:
    desk.ticket("x" * 900, handle="h" * 70, given=score(rules=(rule("fire", "y" * 200),)))
    tab = tabs()
    for path in busy(desk):
        tab.go(path)
        for width in (640, 375, 320):  # a laptop at 200 %, a phone, a small phone
            tab.page.set_viewport_size({"width": width, "height": 700})
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} at {width}"


def test_what_one_touches_on_a_phone_is_large_enough(desk: Desk, tabs: Any) -> None:
    tab = tabs(viewport=PHONE, has_touch=True, is_mobile=True)
    for path in busy(desk):
        tab.go(path)
        small = tab.page.evaluate(
            """() => [...document.querySelectorAll("button, .button, select, input:not([type=hidden]), nav a, .pick")]
                .filter((e) => e.checkVisibility() && !e.closest("dialog, .pick > *, .history") && !e.matches(".pick input, .skip"))
                .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect().height])
                .filter(([, height]) => height > 0 && height < 43.5)"""
        )
        assert small == [], path


def test_keys_walk_claim_resolve_and_undo(desk: Desk, tab: Tab) -> None:
    ids = desk.tickets(6)
    page = tab.go("/?brand=Brightly")
    order = ids_in_order(desk)
    tab.keys("j", "j", "j", "k")
    expect(page.locator(".row.at")).to_have_attribute("data-id", order[1])
    tab.keys("c")
    expect(page.locator("#done")).to_contain_text("Claimed.")
    expect(page.locator(".row.at")).to_have_attribute("data-id", order[1])
    expect(page.locator(".row.at .claim")).to_contain_text("you have it")
    assert tab.at() == "/?brand=Brightly"
    tab.keys("e")
    expect(page.locator("#done")).to_contain_text("Resolved.")
    expect(page.locator(".row")).to_have_count(5)
    expect(page.locator(".row.at")).to_have_attribute("data-id", order[2])
    assert desk.store.ticket(order[1]).resolution is Resolution.ANSWERED
    tab.keys("u")
    expect(page.locator("#done")).to_contain_text("Undone.")
    expect(page.locator(".row")).to_have_count(6)
    assert desk.store.ticket(order[1]).resolved_at is None
    assert len(ids) == 6


def test_keys_open_reply_go_and_search(desk: Desk, tab: Tab) -> None:
    desk.tickets(2)
    page = tab.go("/")
    first = ids_in_order(desk)[0]
    tab.keys("j", "o")
    page.wait_for_url(f"**/tickets/{first}")
    page.go_back()
    tab.keys("j", "Enter")
    page.wait_for_url(f"**/tickets/{first}")
    tab.keys("g", "q")
    page.wait_for_url("**/")
    tab.keys("j", "r")
    page.wait_for_url(f"**/tickets/{first}#answer")
    tab.keys("g", "i")
    page.wait_for_url("**/incidents")
    tab.keys("g", "c")
    page.wait_for_url("**/coverage")
    tab.keys("g", "m")
    page.wait_for_url("**/mentions")
    tab.keys("/")
    page.keyboard.type("c j broke")
    expect(page.locator("#q")).to_have_value("c j broke")
    tab.keys("Escape", "?")
    expect(page.locator("dialog")).to_be_visible()
    tab.keys("Escape")
    expect(page.locator("dialog")).to_be_hidden()


def test_a_ticket_is_worked_by_the_same_keys(desk: Desk, tab: Tab) -> None:
    ticket = desk.ticket()
    page = tab.go(f"/tickets/{ticket}")
    tab.keys("c")
    expect(page.locator("#answer .claim")).to_contain_text("you have it")
    tab.keys("e")
    expect(page.locator("#answer .state")).to_contain_text("resolved: answered")


def test_several_are_selected_by_key_and_acted_on_at_once(desk: Desk, tab: Tab) -> None:
    desk.tickets(4)
    page = tab.go("/")
    expect(page.locator("#bulk")).to_be_hidden()
    tab.keys("j", "v", "j", "v")
    expect(page.locator("#bulk-count")).to_have_text("2 selected:")
    page.get_by_role("button", name="Not ours", exact=True).first.click()
    expect(page.locator("#done")).to_contain_text("Marked not ours: 2 tickets.")
    expect(page.locator(".row")).to_have_count(2)


def test_news_gathers_behind_a_bar_and_nothing_moves(desk: Desk, tab: Tab) -> None:
    desk.tickets(12)
    page = tab.go("/")
    expect(page.locator("#live")).to_have_text("live")
    before = page.evaluate(
        "[...document.querySelectorAll('.row')].map((row) => [row.dataset.id, row.getBoundingClientRect().top])"
    )
    desk.ticket("it caught fire", given=score("complaint", "critical", 0.9, rules=(FIRE,)))
    desk.ticket("and mine broke too")
    expect(page.locator("#news")).to_have_text("2 new, 1 crisis: show")
    expect(page.locator("#news")).to_have_attribute("role", "alert")
    after = page.evaluate(
        "[...document.querySelectorAll('.row')].map((row) => [row.dataset.id, row.getBoundingClientRect().top])"
    )
    assert after == before
    expect(page).to_have_title("(2 new) Queue · Tocsin")
    tab.keys("n")
    expect(page.locator(".row")).to_have_count(14)
    expect(page.locator("#news")).to_be_hidden()


def test_a_claim_by_a_colleague_is_seen_without_a_reload(desk: Desk, tab: Tab) -> None:
    ticket = desk.ticket()
    page = tab.go("/")
    expect(page.locator("#live")).to_have_text("live")
    respond.claim(desk.store, ticket, "Ben", minutes=15, now=NOW)
    expect(page.locator(".row .claim")).to_have_text(re.compile("claimed by Ben, 1[45] min left"))
    expect(page.locator("#news")).to_be_hidden()
    respond.release(desk.store, ticket, "Ben", now=NOW)
    expect(page.locator(".row .claim")).to_have_text("free")


def test_new_posts_of_a_conversation_are_announced_on_its_page(desk: Desk, tab: Tab) -> None:
    ticket = desk.ticket(handle="eva")
    page = tab.go(f"/tickets/{ticket}")
    expect(page.locator("#live")).to_have_text("live")
    desk.add(desk.post("still waiting", conversation=ticket, handle="eva", minutes_ago=1))
    expect(page.locator("#news")).to_have_text("new posts in this conversation: show")
    page.locator("#news").click()
    expect(page.get_by_text("still waiting").first).to_be_visible()


def test_two_people_cannot_take_the_same_ticket(desk: Desk, tabs: Any) -> None:
    desk.ticket()
    ana, ben = tabs(who="Ana"), tabs(who="Ben")
    ana.page.route("**/events", lambda route: route.abort())  # her page has not heard of it yet
    ana.go("/")
    ben.go("/")
    ben.keys("j", "c")
    expect(ben.page.locator(".claim")).to_contain_text("you have it")
    ana.keys("j", "c")
    expect(ana.page.get_by_role("heading", level=1)).to_have_text("Somebody has this ticket")
    ana.page.get_by_role("link", name="Back to where you were").click()
    expect(ana.page.locator(".claim")).to_contain_text("claimed by Ben")


def test_filters_change_the_address_and_back_undoes_them(desk: Desk, tab: Tab) -> None:
    shift(desk)
    page = tab.go("/")
    page.locator("select[name=category]").select_option("question")
    page.wait_for_url("**/?category=question")
    expect(page.locator(".row")).to_have_count(2)
    page.get_by_role("link", name="free", exact=True).click()
    page.wait_for_url("**/?category=question&show=free")
    page.go_back()
    page.go_back()
    expect(page.locator(".row")).to_have_count(10)


def test_the_undo_bar_leaves_by_itself_but_not_under_the_pointer(desk: Desk, tabs: Any) -> None:
    desk.ticket()
    tab = tabs()
    tab.page.clock.install()
    tab.go("/")
    tab.keys("j", "c")
    bar = tab.page.locator("#done")
    expect(bar).to_be_visible()
    bar.hover()
    tab.page.clock.run_for(11_000)
    expect(bar).to_be_visible()
    tab.page.mouse.move(1, 1)
    tab.page.clock.run_for(1_000)
    expect(bar).to_be_hidden()


def test_deadlines_count_down_while_one_looks(desk: Desk, tabs: Any) -> None:
    desk.ticket(given=score(urgency="high"), minutes_ago=44)
    tab = tabs()
    tab.page.clock.install()
    page = tab.go("/")
    expect(page.locator(".due")).to_have_class("due calm")
    tab.page.clock.run_for(3.5 * 60_000)
    expect(page.locator(".due")).to_have_class("due soon")
    expect(page.locator(".due .left")).to_have_text("in 12 min")
    tab.page.clock.run_for(20 * 60_000)
    expect(page.locator(".due")).to_have_class("due late")


def test_everything_works_without_a_script(desk: Desk, tabs: Any) -> None:
    ticket = desk.ticket()
    desk.ticket(brand="Lumiva")
    tab = tabs(who=None, java_script_enabled=False)
    page = tab.go("/")
    page.get_by_role("button", name="Claim", exact=False).nth(1).click()
    page.get_by_role("button", name="Ben").click()
    page.locator("select[name=brand]").select_option("Brightly")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").get_by_role("button", name="Claim").click()
    expect(page.locator(".claim")).to_contain_text("you have it")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".claim")).to_have_text("free")
    page.locator(".row .text").click()
    page.get_by_role("button", name="Mark answered").click()
    expect(page.locator("#answer .state")).to_contain_text("answered, nothing waits")
    assert desk.store.ticket(ticket).answered_at == NOW
    page.get_by_role("link", name="Help").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")


def test_ids_with_any_character_can_be_opened_and_worked(desk: Desk, tab: Tab) -> None:
    native = "https://news.example/a//b?id=1&x=%2F 50%#top/claim"
    ticket = desk.ticket(source="news", native=native)
    page = tab.go("/")
    tab.keys("j", "o")
    expect(page.locator("#answer")).to_be_visible()
    tab.keys("c")
    expect(page.locator("#answer .claim")).to_contain_text("you have it")
    assert desk.store.ticket(ticket).holder(NOW) == "Ana"


def test_priorities_can_be_told_apart_without_colour(desk: Desk, tab: Tab) -> None:
    shift(desk)
    page = tab.go("/")
    for priority in ("P1", "P2", "P3", "P4"):
        expect(page.locator(f".priority.{priority}").first).to_contain_text(priority)
