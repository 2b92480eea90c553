"""Prioritise: the cost of waiting, the lane, the deadline and the line that explains."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Weights, parse
from pipeline.domain import QUEUE_STEP, WHOLE_POST, Category, Hit, Lane, Priority, Signal, Urgency
from pipeline.prioritise import MULTIPLIER_CAP, WHY_LENGTH, Context, cost_of, prioritise, rank, respond_by, why
from tests.factories import FIRE, NOW, mention, score, scored

CONFIG = parse({"brand": [{"name": "Brightly", "handles": ["brightly"]}], "weights": {"vip": ["@mayor"]}})


def placed(score_, *, mention_=None, config=CONFIG):
    about = mention_ or mention()
    return rank(about, score_, respond_by=respond_by(about, score_, config=config), config=config)


def ticket(*conversation, config=CONFIG, context=None):
    return prioritise(conversation, config=config, context=context or Context())


def test_the_printed_parts_multiply_to_the_cost():
    cost, parts = cost_of(
        score(crisis=0.3),
        Weights(),
        mention=mention(followers=50_000, reposts=40),
        context=Context(contacts=3),
        posts_waiting=2,
    )
    assert cost == pytest.approx(math.prod(part.value for part in parts))
    assert all(part.because for part in parts)


def test_a_thirty_percent_crisis_outranks_a_certain_question():
    doubtful = cost_of(score("complaint", "high", 0.3), Weights())[0]
    certain = cost_of(score("question", "normal", 0.0, p=0.99), Weights())[0]
    assert doubtful > 3 * certain


def test_a_floor_rule_raises_the_cost_and_never_lowers_it():
    calm = score("question", "low", 0.01)
    assert cost_of(score("question", "low", 0.01, rules=(FIRE,)), Weights())[0] > 10 * cost_of(calm, Weights())[0]
    grave = score("complaint", "critical", 0.9, p=0.97)
    weak = Hit(rule="double charge", urgency=Urgency.HIGH, crisis=False, words="charged twice")
    assert (
        cost_of(score("complaint", "critical", 0.9, p=0.97, rules=(weak,)), Weights())[0]
        == cost_of(grave, Weights())[0]
    )


def test_multipliers_are_capped_and_say_so():
    cost, parts = cost_of(
        score(),
        Weights(),
        mention=mention(followers=9_000_000, reposts=90_000),
        context=Context(contacts=9),
    )
    assert [part.name for part in parts][-1] == "cap"
    assert cost == pytest.approx(MULTIPLIER_CAP * parts[0].value * parts[1].value)


def test_a_crisis_probability_or_a_rule_of_danger_stands_in_the_crisis_lane_as_p1():
    for grave in (score(crisis=0.36), score("question", "low", 0.01, rules=(FIRE,))):
        given = placed(grave, config=CONFIG)
        assert (given.lane, given.priority) == (Lane.CRISIS, Priority.P1)
        assert given.respond_by == NOW + timedelta(minutes=15)
    assert placed(score(crisis=0.34), config=CONFIG).lane is Lane.QUEUE


def test_due_is_respond_by_less_the_handling_time_and_the_level_is_the_log_of_the_cost():
    given = placed(score("complaint", "high"), config=CONFIG)
    assert given.respond_by - given.due_at == timedelta(minutes=given.handling_minutes)
    assert given.level * QUEUE_STEP == pytest.approx(math.log(given.cost / given.handling_minutes), abs=QUEUE_STEP / 2)


def test_the_priority_table_is_the_configs():
    config = parse({"priority": {"normal": "P2", "category": {"praise": {"normal": "P4"}}}})
    assert placed(score("complaint", "normal"), config=config).priority is Priority.P2
    assert placed(score("praise", "normal"), config=config).priority is Priority.P4


def test_the_costliest_waiting_post_leads_the_conversation():
    first = scored("1", given=score("question", "normal"))
    worse = scored(
        "2", given=score("complaint", "critical", 0.6), conversation="x:1", posted_at=NOW + timedelta(minutes=9)
    )
    made = ticket(first, worse)
    assert (made.id, made.mention, made.posts, made.people) == ("x:1", "x:2", 2, 1)
    assert made.opened_at == made.waiting_since == NOW


def test_an_own_answer_closes_the_waiting_and_gives_the_first_response_time():
    asked = scored("1")
    answer = scored("2", handle="brightly", own=True, conversation="x:1", posted_at=NOW + timedelta(minutes=7))
    answered = ticket(asked, answer)
    assert answered.waiting_since is None
    assert answered.responded_at == NOW + timedelta(minutes=7)
    again = scored("3", conversation="x:1", posted_at=NOW + timedelta(minutes=30))
    reopened = ticket(asked, answer, again)
    assert reopened.waiting_since == NOW + timedelta(minutes=30)
    assert reopened.responded_at == NOW + timedelta(minutes=7)
    assert reopened.opened_at == NOW


def test_own_posts_alone_and_certain_spam_make_no_ticket():
    assert ticket(scored(own=True)) is None
    assert ticket(scored(given=score("spam", "low", p=0.95))) is None


def test_spam_that_smells_of_danger_keeps_its_ticket():
    assert ticket(scored(given=score("spam", "low", 0.3, p=0.95))) is not None
    assert ticket(scored(given=score("spam", "low", p=0.95, rules=(FIRE,)))) is not None


def test_a_vip_is_recognised_by_handle():
    parts = cost_of(score(), Weights(vip=("@Mayor",)), mention=mention(handle="mayor"), context=Context())[1]
    assert [part.name for part in parts][-1] == "VIP"


def test_the_line_that_explains_names_rules_words_and_repetition_in_the_order_of_weight():
    given = score(
        "complaint",
        "critical",
        0.9,
        rules=(FIRE,),
        signals=(Signal(name="urgency: critical", value=0.4, because="smoke everywhere"),),
    )
    _, parts = cost_of(given, Weights(), mention=mention(), context=Context(contacts=3))
    assert why(given, parts) == (
        'fire (rule: "caught fire"); P(crisis) 0.90; reads critical: "smoke everywhere"; contact 3 in 30 days'
    )


def test_the_line_says_nothing_of_a_danger_that_is_not_there():
    calm = score(
        "question",
        "normal",
        0.05,
        signals=(
            Signal(name="crisis: yes", value=0.9, because="Brightly"),
            Signal(name="category: question", value=0.5, because="when?"),
            Signal(name="urgency: normal", value=0.4, because="the"),
        ),
    )
    assert why(calm, ()) == 'question: "when?"'


def test_what_the_whole_post_says_is_said_without_a_quote_and_after_any_words():
    meant = score(
        "complaint",
        "critical",
        0.78,
        signals=(
            Signal(name="crisis: crisis", value=1.0, because=WHOLE_POST),
            Signal(name="urgency: critical", value=1.0, because=WHOLE_POST),
            Signal(name="urgency: critical", value=0.6, because="my child"),
            Signal(name="crisis: crisis", value=0.3, because="since"),
            Signal(name="category: complaint", value=0.4, because=WHOLE_POST),
        ),
    )
    assert why(meant, ()) == 'P(crisis) 0.78; reads critical: "my child"; complaint'


def test_without_words_the_line_still_says_what_it_is():
    assert why(score("question", "normal"), ()) == "question, normal urgency"


@given(
    st.sampled_from(list(Category)),
    st.sampled_from(list(Urgency)),
    st.floats(0, 1),
    st.text(max_size=300),
    st.integers(0, 10**9),
)
def test_any_score_has_a_positive_cost_and_a_short_line(category, urgency, crisis, words, followers):
    given = score(category, urgency, crisis, signals=(Signal(name=f"category: {category}", value=1, because=words),))
    made = placed(given, mention_=mention(followers=followers))
    assert made.cost > 0
    assert len(made.why) <= WHY_LENGTH


def test_what_people_did_before_a_post_was_heard_was_not_about_it():
    seen = scored("1")
    late = scored(
        "2", given=score("complaint", "critical", 0.95), conversation="x:1", collected_at=NOW + timedelta(minutes=13)
    )
    made = ticket(seen, late, context=Context(handled=NOW + timedelta(minutes=10)))
    assert (made.mention, made.waiting_since, made.rank.lane) == ("x:2", NOW, Lane.CRISIS)
    assert "posts unanswered" not in made.rank.why
    assert ticket(seen, context=Context(handled=NOW + timedelta(minutes=10))).waiting_since is None


def test_a_spam_reply_does_not_swallow_the_answer():
    asked = scored("1")
    answer = scored("2", handle="brightly", own=True, conversation="x:1", posted_at=NOW + timedelta(minutes=5))
    bot = scored(
        "3", handle="bot", given=score("spam", "low", p=0.95), conversation="x:1", posted_at=NOW + timedelta(minutes=6)
    )
    made = ticket(asked, answer, bot)
    assert (made.waiting_since, made.responded_at) == (None, NOW + timedelta(minutes=5))


def test_a_danger_after_an_old_harmless_post_is_due_from_its_own_time():
    mild = scored("1", given=score("praise", "low"), posted_at=NOW - timedelta(days=2))
    danger = scored("2", given=score("complaint", "critical", 0.95), conversation="x:1")
    assert ticket(mild, danger).rank.respond_by == NOW + timedelta(minutes=15)
