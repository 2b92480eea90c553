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


def test_posts_of_a_closed_incident_are_not_counted_into_the_open_one_of_its_cause():
    over = incident(id="over", closed_at=NOW, mentions=("x:1", "x:2"))
    now_open = incident(id="open", mentions=("x:3",))
    posts = [scored(str(n), given=BURNS, handle=f"p{n}") for n in range(1, 5)]
    (grown,) = found(posts, [over, now_open])
    assert (grown.id, grown.mentions, grown.people) == ("open", ("x:3", "x:4"), 2)


def test_people_are_counted_over_what_the_incident_holds_and_what_is_new():
    first, same, other = (scored(str(n), given=BURNS, handle=handle) for n, handle in enumerate("aab", 1))
    before = incident(mentions=("x:1", "x:2"), posts=2, people=1)
    held = {before.id: [first, same]}
    (grown,) = detect([other], [before], held=held, weights=WEIGHTS, now=NOW).incidents
    assert (grown.posts, grown.people, grown.mentions) == (3, 2, ("x:1", "x:2", "x:3"))


def test_an_incident_whose_posts_were_heard_late_stays_open_until_they_are_old_news():
    late = incident(last_at=NOW - timedelta(hours=8))
    post = scored("1", given=BURNS, posted_at=NOW - timedelta(hours=8), collected_at=NOW - timedelta(hours=5))
    held = {late.id: [post]}
    assert detect([], [late], held=held, weights=WEIGHTS, now=NOW).incidents == ()
    (closed,) = detect([], [late], held=held, weights=WEIGHTS, now=NOW + timedelta(hours=2)).incidents
    assert closed.closed_at == NOW + timedelta(hours=2)


def test_incidents_of_brands_in_any_script_have_ids_of_their_own():
    opened = found([scored("1", given=BURNS, brand="Яндекс"), scored("2", given=BURNS, brand="Билайн")])
    assert len({each.id for each in opened}) == 2
    assert all(each.id[0].isalnum() for each in opened)


def test_a_card_number_across_the_cut_of_a_title_is_masked():
    text = f"{'it broke ' * 6}my card 4111 1111 1111 1111 was charged"
    (opened,) = found([scored("1", text, given=score("complaint", "critical", 0.9))])
    assert "4111" not in opened.title
