"""Learn: how right the models are on people's posts, the candidate beside the live one, and who decides."""

from __future__ import annotations

import pytest

from pipeline import lessons
from pipeline.domain import Head
from tests.factories import score
from tests.web.conftest import Browser, browser
from tests.web.world import Desk


@pytest.fixture
def candidate(desk: Desk) -> str:
    """A desk with two labels, a candidate that learned from them, and one post that it would judge otherwise."""
    desk.add(desk.post("is it <b>open</b>?", given=score("question", "normal")), desk.post("the lid broke"))
    return desk.candidate()


def test_without_labels_the_page_says_how_to_begin(ana: Browser) -> None:
    page = ana.get("/learn").text
    assert "<strong>starter</strong> answers" in page
    assert "one click on a ticket’s page" in page
    assert "tocsin train --own" in page


def test_the_page_says_how_right_the_models_were_and_the_candidate_beside_them(candidate: str, ana: Browser) -> None:
    page = ana.get("/learn").text
    assert "the models said what people say in 1 of 2 labels (50 %)" in page
    assert f"Candidate: {candidate}" in page
    assert "The gate lets it pass." in page
    assert "2 of 2" in page


def test_posts_that_change_are_shown_as_text(candidate: str, ana: Browser) -> None:
    page = ana.get("/learn").text
    assert "1 post of the newest 2, beside starter" in page
    assert "is it &lt;b&gt;open&lt;/b&gt;?" in page
    assert "crisis: no → <strong>yes</strong>" in page


def test_a_person_makes_the_candidate_live_and_goes_back(
    desk: Desk, candidate: str, ana: Browser, ben: Browser
) -> None:
    page = ana.post("/learn", do="promote", model=candidate, why="more right on refunds").text
    assert f"{candidate} is live from the next batch on." in page
    assert "more right on refunds" in page
    assert (desk.models.live(), desk.models.log[-1].who) == (candidate, "Ana")
    assert "starter is live again." in ben.post("/learn", do="rollback", why="worse").text
    assert (desk.models.live(), desk.models.log[-1].who) == ("starter", "Ben")


def test_a_promotion_needs_a_reason_and_a_name(desk: Desk, candidate: str, ana: Browser) -> None:
    assert ana.post("/learn", do="promote", model=candidate, why=" ").status_code == 400
    assert "Who are you?" in browser(desk).post("/learn", do="promote", model=candidate, why="x").text
    assert ana.post("/learn", do="erase", model=candidate, why="x").status_code == 400
    assert desk.models.live() == "starter"


def test_what_the_gate_refuses_needs_a_reason_against_it(desk: Desk, ana: Browser) -> None:
    desk.models.failures = ("crisis in tr: forgets the authored corpus",)
    desk.add(desk.post("one"), desk.post("two"))
    name = desk.candidate()
    page = ana.get("/learn").text
    assert "The gate refuses it:" in page
    assert "crisis in tr: forgets the authored corpus" in page
    refused = ana.post("/learn", do="promote", model=name, why="x")
    assert "crisis in tr" in refused.text
    assert desk.models.live() == "starter"
    shown = ana.post("/learn", do="promote", model=name, why="x", override="the corpus errs").text
    assert "against the gate: the corpus errs" in shown
    assert desk.models.live() == name


def test_a_shadow_run_is_one_click_and_without_effect(desk: Desk, candidate: str, ana: Browser) -> None:
    desk.models.shadows.clear()
    assert "Not tried on live posts yet" in ana.get("/learn").text
    page = ana.post("/learn", do="shadow", model=candidate, back="/learn").text
    assert "Tried on the newest 2 posts" in page
    assert "What would change" in page
    assert desk.models.live() == "starter"


def test_an_older_candidate_can_be_looked_at(desk: Desk, candidate: str, ana: Browser) -> None:
    desk.clock.on(hours=1)
    lessons.correct(desk.store, desk.config, "x:1", {Head.URGENCY: "high"}, who="Ana", now=desk.clock())
    newer = lessons.train_own(desk.store, desk.models, now=desk.clock()).name
    assert f"Candidate: {newer}" in ana.get("/learn").text
    page = ana.get(f"/learn?candidate={candidate}").text
    assert f"Candidate: {candidate}" in page
    assert newer in page


def test_forged_decisions_are_refused(desk: Desk, candidate: str, ana: Browser) -> None:
    assert ana.post("/learn", csrf="forged", do="promote", model=candidate, why="x").status_code == 403
    assert desk.models.live() == "starter"
