"""The page of an incident that numbers opened: its arithmetic, its course beside the usual, what it explains."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline import watching
from pipeline.domain import Incident
from pipeline.web import charts
from tests.contracts.store.made import ticket
from tests.factories import score
from tests.web.conftest import Browser
from tests.web.world import Desk

CALM = score("question", urgency="normal", sentiment="neutral")


@pytest.fixture
def spike(desk: Desk) -> Incident:
    """Two weeks of a post an hour, then thirty in half an hour."""
    usual = [
        desk.post(f"how does it work {n}", given=CALM, minutes_ago=60 * n + 31, brand="Kestrel Bank")
        for n in range(24 * 14)
    ]
    spike = [
        desk.post(
            f"<b>charged</b> twice {n}", given=score(urgency="high"), minutes_ago=1 + n * 0.8, brand="Kestrel Bank"
        )
        for n in range(30)
    ]
    desk.store.add_mentions([*usual, *spike], {})
    watching.detect_incidents(desk.store, desk.config, now=desk.clock())
    (found,) = desk.store.open_incidents()
    return found


def test_the_page_prints_the_arithmetic_and_draws_the_usual_beside_the_posts(
    desk: Desk, ana: Browser, spike: Incident
) -> None:
    page = ana.get(f"/incidents/{spike.id}").text
    assert re.search(r"30 \w* ?posts by 30 people in 1 h", page)
    assert "expected in these hours (from 14 days)" in page
    assert 'class="usual"' in page
    assert 'class="band"' in page
    assert "one grave post is enough" not in page
    assert "<b>charged</b>" not in page


def test_the_chart_marks_who_has_it_and_when_it_was_over(desk: Desk, ana: Browser, spike: Incident) -> None:
    desk.clock.on(minutes=5)
    desk.store.save_incident(replace(spike, acknowledged_by="Ben", acknowledged_at=desk.clock()))
    page = ana.get(f"/incidents/{spike.id}").text
    assert re.search(r'<line class="mark"[^>]*><title>began</title>', page)
    assert re.search(r'<line class="mark"[^>]*><title>Ben has it</title>', page)


def test_the_page_says_how_many_of_its_tickets_wait(desk: Desk, ana: Browser, spike: Incident) -> None:
    first, second = (mention.removeprefix("x:") for mention in spike.mentions[:2])
    desk.store.save_tickets([ticket(first), ticket(second, waiting_since=None)])
    assert "1 of 2 tickets in it still waits." in ana.get(f"/incidents/{spike.id}").text


def test_what_it_explains_and_what_came_back_are_said(desk: Desk, ana: Browser, spike: Incident) -> None:
    desk.store.save_incident(replace(spike, explained=("negative share",), earlier="before-1"))
    page = ana.get(f"/incidents/{spike.id}").text
    assert "Nobody is told of what it explains: negative share." in page
    assert 'href="/incidents/before-1"' in page


def test_a_brand_that_is_no_longer_configured_has_no_chart_and_keeps_its_arithmetic(
    desk: Desk, ana: Browser, spike: Incident
) -> None:
    desk.config = desk.config.model_copy(update={"brand": ()})
    assert watching.course(desk.store, desk.config, spike.finding, until=desk.clock()) == []


def test_the_list_names_the_rule(desk: Desk, ana: Browser, spike: Incident) -> None:
    assert spike.rule.replace('"', "&#34;") in ana.get("/incidents").text


def test_nothing_is_drawn_beyond_the_chart() -> None:
    drawn = charts.course([0, 4, 2], [1.0, 1.0, 1.0], [3.0, 3.0, 3.0], [(-1, "before"), (1.5, "in"), (9, "after")])
    assert [mark.words for mark in drawn.marks] == ["in"]
    assert (drawn.top, drawn.width, [bar.height for bar in drawn.bars]) == (4, 12, [0.0, 96.0, 48.0])
    assert drawn.usual.split()[0] == "2.0,72.0"


def test_an_empty_course_is_drawn_without_a_division_by_zero() -> None:
    assert charts.course([0], [0.0], [0.0], []).top == 1.0


def test_a_chart_ends_half_a_day_after_the_incident(desk: Desk, ana: Browser, spike: Incident) -> None:
    desk.store.save_incident(replace(spike, closed_at=spike.last_at + timedelta(minutes=30)))
    desk.clock.on(days=40)
    assert 'class="usual"' in ana.get(f"/incidents/{spike.id}").text
