"""The queue page: order, reasons, filters in the address, and the states in which there is nothing to show."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from pipeline import respond
from pipeline.web import create_app
from tests.factories import FIRE, NOW, score
from tests.web.conftest import Browser, browser
from tests.web.world import Desk, ids_in_order, listening, shift


def shown(html: str) -> list[str]:
    return re.findall(r'data-id="([^"]+)"', html)


def test_the_rows_stand_in_the_stores_order_crisis_lane_first(desk: Desk, ana: Browser) -> None:
    shift(desk)
    page = ana.get("/").text
    assert shown(page) == ids_in_order(desk)
    assert page.index("Crisis lane") < page.index('id="lane-queue"')


def test_a_row_says_where_who_when_what_and_why(desk: Desk, ana: Browser) -> None:
    shift(desk)
    page = ana.get("/").text
    row = page[page.index('data-id="x:1863"') : page.index("</li>", page.index('data-id="x:1863"'))]
    for words in ("@deniz_k", "12 k followers", "4 min", ">tr<", "<b>cikti ben yapmadim</b>", "complaint", "critical",
                  "negative", "+12 reposts, 10 people", "respond by", "in 11 min", "why first", "unauthorised payment", "free"):  # fmt: skip
        assert words in row, words


def test_times_are_relative_with_the_moment_and_its_zone_beside_them(desk: Desk, ana: Browser) -> None:
    desk.ticket(minutes_ago=4)
    page = ana.get("/").text
    assert '<time datetime="2026-11-25T09:56:00Z" title="25 Nov 2026, 10:56:00 CET" data-ago>4 min</time>' in page


@pytest.mark.parametrize(
    ("minutes", "tone", "words"), [(0, "calm", "in 60 min"), (46, "soon", "in 14 min"), (75, "late", "15 min late")]
)
def test_a_deadline_turns_from_calm_to_soon_to_late_in_words_and_tone(
    desk: Desk, ana: Browser, minutes: int, tone: str, words: str
) -> None:
    desk.ticket(given=score(urgency="high"), minutes_ago=0)
    desk.clock.on(minutes=minutes)
    page = ana.get("/").text
    assert f'class="due {tone}"' in page
    assert f'<span class="left">{words}</span>' in page


def test_filters_are_read_from_the_address_and_shown_as_chosen(desk: Desk, ana: Browser) -> None:
    ids = shift(desk)
    page = ana.get("/?brand=Kestrel+Bank&language=tr&category=question").text
    assert shown(page) == [ids["interest"]]
    assert '<option value="Kestrel Bank" selected>' in page
    assert '<option value="tr" selected>' in page
    assert "<strong>1</strong> of 10 waiting fit" in page


def test_mine_and_free_split_the_queue_by_who_holds_what(desk: Desk, ana: Browser) -> None:
    ids = shift(desk)
    respond.claim(desk.store, ids["gate"], "Ana", minutes=15, now=NOW)
    assert shown(ana.get("/?show=mine").text) == [ids["gate"]]
    free = shown(ana.get("/?show=free").text)
    assert ids["gate"] not in free
    assert len(free) == 9


def test_mine_without_a_name_asks_who_one_is(desk: Desk, stranger: Browser) -> None:
    desk.ticket()
    page = stranger.get("/?show=mine").text
    assert "Who are you?</h2>" in page
    assert shown(page) == []


@pytest.mark.parametrize(
    "query", ["category=nonsense", "page=0", "page=-1", "page=x", "page=99999999", "show=ours", "page=²"]
)
def test_a_filter_that_means_nothing_is_told_not_ignored(ana: Browser, query: str) -> None:
    answer = ana.get(f"/?{query}")
    assert answer.status_code == 400
    assert "use " in answer.text


def test_a_long_queue_is_read_page_by_page_and_filters_stay(desk: Desk, ana: Browser) -> None:
    desk.tickets(120)
    first = ana.get("/?brand=Brightly").text
    third = ana.get("/?brand=Brightly&page=3").text
    assert len(shown(first)) == 50
    assert 'href="/?brand=Brightly&amp;page=2" rel="next"' in first
    assert 'rel="prev"' not in first
    assert len(shown(third)) == 20
    assert 'href="/?brand=Brightly&amp;page=2" rel="prev"' in third
    assert 'rel="next"' not in third


def test_a_page_costs_the_same_few_questions_however_many_rows_it_has(desk: Desk) -> None:
    asked: Counter[str] = Counter()

    class Counting:
        def __getattr__(self, name: str) -> Any:
            asked[name] += 1
            return getattr(desk.store, name)

    def cost() -> int:
        asked.clear()
        app = create_app(Counting(), desk.config, clock=desk.clock)  # type: ignore[arg-type]
        from fastapi.testclient import TestClient

        assert TestClient(app, base_url="http://localhost").get("/?brand=Brightly").status_code == 200
        return asked.total()

    desk.tickets(1)
    few = cost()
    desk.tickets(49)
    assert cost() == few <= 6, asked


def test_an_open_incident_stands_above_the_list_and_says_who_has_it(desk: Desk, ana: Browser) -> None:
    desk.ticket("the brightly base caught fire", given=score("complaint", "critical", 0.9, rules=(FIRE,)))
    desk.watch()
    page = ana.get("/").text
    assert "Incident, severity 3, nobody has it yet" in page
    assert "1 post by 1 person" in page
    incident = desk.store.open_incidents()[0]
    respond.acknowledge(desk.store, incident.id, "Ben", now=NOW)
    assert "Incident, severity 3, Ben has it" in ana.get("/").text


def test_a_source_that_fell_silent_is_told_above_the_list_with_its_reason(desk: Desk, ana: Browser) -> None:
    listening(desk)
    page = ana.get("/").text
    assert "news (kestrel)" in page
    assert "last collected 42 min ago: news answers 403" in page
    assert "x (kestrel)" not in page


def test_sources_that_are_read_in_time_are_not_mentioned(desk: Desk, ana: Browser) -> None:
    desk.heard(minutes_ago=5)
    assert 'class="stale"' not in ana.get("/").text
    desk.clock.on(minutes=15)
    assert "see that the schedule runs" in ana.get("/").text


def test_an_empty_queue_says_so_and_what_to_look_at_next(desk: Desk, ana: Browser) -> None:
    page = ana.get("/").text
    assert "Nothing waits</h2>" in page
    assert 'href="/coverage"' in page
    desk.ticket()
    filtered = ana.get("/?brand=Lumiva").text
    assert "Nothing that waits fits these filters" in filtered
    assert "1 ticket waits without them" in filtered


def test_a_language_that_is_not_first_class_is_called_so(desk: Desk, ana: Browser) -> None:
    desk.ticket(language="no")
    assert "no, degraded: language not first-class" in ana.get("/").text


def test_hidden_pages_are_not_linked(desk: Desk, ana: Browser) -> None:
    links = set(re.findall(r'href="(/[^"#?]*)', ana.get("/").text))
    assert all(ana.get(link).status_code == 200 for link in links), links


def test_a_claim_shows_its_holder_and_the_time_left_and_lapses_by_itself(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    respond.claim(desk.store, ticket, "Ben", minutes=15, now=NOW)
    desk.clock.on(minutes=5)
    assert "claimed by Ben, <time" in ana.get("/").text
    assert ">10 min</time> left" in ana.get("/").text
    desk.clock.now += timedelta(minutes=11)
    assert '<span class="claim free">free<span class="lapsed">, Ben’s claim lapsed</span></span>' in ana.get("/").text


def test_a_single_responder_need_not_choose_who_they_are(desk: Desk) -> None:
    config = desk.config.model_copy(update={"web": desk.config.web.model_copy(update={"responders": ("Solo",)})})
    ticket = desk.ticket()
    alone = browser(Desk(store=desk.store, config=config, clock=desk.clock))
    assert alone.post("/act", do=f"claim|{ticket}").status_code == 200
    assert desk.store.ticket(ticket).claimed_by == "Solo"
