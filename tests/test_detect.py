"""Detect: one grave post is enough, one incident a cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.config import Weights
from pipeline.detect import detect
from pipeline.domain import IncidentState
from tests.factories import FIRE, NOW, incident, score, scored

BURNS = score("complaint", "critical", 0.6, rules=(FIRE,))
WEIGHTS = Weights()


def found(posts, incidents=(), now=NOW):
    return detect(posts, incidents, weights=WEIGHTS, now=now).incidents


def test_one_grave_post_opens_an_incident_with_its_rule_and_severity_in_parts():
    (opened,) = found([scored("1", "it caught fire", given=BURNS)])
    assert (opened.brand, opened.cause, opened.mentions, opened.version) == ("Brightly", "fire", ("x:1",), 1)
    assert opened.severity == round(sum(part.value for part in opened.parts)) == 3
    assert '"caught fire"' in opened.parts[0].because


def test_a_high_crisis_probability_is_enough_without_a_rule():
    (opened,) = found([scored(given=score("complaint", "critical", 0.85))])
    assert opened.cause == "grave post"
    assert opened.title == "grave post: my brightly broke"
    assert "0.85" in opened.rule


def test_posts_below_the_threshold_open_nothing():
    assert found([scored(given=score("complaint", "critical", 0.79))]) == ()


def test_a_second_cause_is_a_second_incident_and_another_brand_too():
    other = scored("2", given=score("complaint", "critical", 0.9))
    third = scored("3", given=BURNS, brand="Lumiva")
    assert {(i.brand, i.cause) for i in found([scored(given=BURNS), other, third])} == {
        ("Brightly", "fire"),
        ("Brightly", "grave post"),
        ("Lumiva", "fire"),
    }


def test_an_open_incident_takes_the_new_posts_of_its_cause_and_grows():
    posts = [scored(str(n), given=BURNS, handle=f"p{n}") for n in range(1, 12)]
    (grown,) = found(posts, [incident()])
    assert grown.id == incident().id
    assert (grown.posts, grown.people, grown.severity) == (11, 11, 5)
    assert grown.state(NOW) is IncidentState.GROWING


def test_known_posts_change_nothing():
    assert found([scored("1", given=BURNS)], [incident()]) == ()


def test_the_same_post_opens_the_same_incident_after_a_crash():
    posts = [scored("1", given=BURNS)]
    assert found(posts, now=NOW)[0].id == found(posts, now=NOW + timedelta(minutes=3))[0].id


def test_an_archive_wakes_nobody():
    assert found([scored(given=BURNS, posted_at=NOW - timedelta(hours=25))]) == ()


def test_own_posts_are_no_alarm():
    assert found([scored(given=BURNS, own=True)]) == ()


def test_a_quiet_incident_closes_by_itself():
    quiet = incident(last_at=NOW - timedelta(hours=7))
    (closed,) = found([], [quiet])
    assert closed == replace(quiet, closed_at=NOW)
    assert found([], [incident(last_at=NOW - timedelta(hours=5))]) == ()


def test_a_closed_incident_keeps_its_posts_and_a_new_one_opens_the_next():
    over = incident(closed_at=NOW)
    assert found([scored("1", given=BURNS)], [over]) == ()
    (following,) = found([scored("1", given=BURNS), scored("2", given=BURNS)], [over])
    assert following.mentions == ("x:2",)
