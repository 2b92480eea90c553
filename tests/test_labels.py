"""People's answers take the place of the model's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.config import Config
from pipeline.domain import Category, Head, Label, Lane, Sentiment, Urgency, label_id
from pipeline.errors import ConfigError
from pipeline.labels import answer_of, before, checked, corrected, standing, with_labels
from pipeline.prioritise import Context, prioritise
from tests.factories import FIRE, NOW, score, scored


def said(head: str, value: str | None, *, who: str = "Ana", minutes: float = 0, mention: str = "x:1") -> Label:
    at = NOW + timedelta(minutes=minutes)
    return Label(
        id=label_id(mention, Head(head), who, at=at), mention=mention, head=Head(head), value=value, who=who, at=at,
        model="test-1", said="question",
    )  # fmt: skip


def test_the_newest_label_of_a_head_stands() -> None:
    log = [said("category", "praise"), said("urgency", "low"), said("category", "complaint", who="Ben", minutes=1)]
    assert {head: label.value for head, label in standing(log).items()} == {"category": "complaint", "urgency": "low"}


def test_a_withdrawn_label_leaves_the_model_its_say() -> None:
    assert standing([said("category", "praise"), said("category", None, minutes=1)]) == {}


def test_an_undo_restores_what_stood_before() -> None:
    log = [said("category", "praise"), said("urgency", "low"), said("category", "spam", minutes=1)]
    assert before(log, log[2]) == "praise"
    assert before(log, log[0]) is None


def test_an_answer_is_certain_and_names_who_gave_it() -> None:
    found = corrected(
        score(), standing([said("category", "praise"), said("sentiment", "positive"), said("urgency", "low")])
    )
    assert (found.category_label, found.sentiment_label, found.urgency_label) == (
        Category.PRAISE, Sentiment.POSITIVE, Urgency.LOW,
    )  # fmt: skip
    assert sum(found.category.values()) == 1
    assert [(each.name, each.because) for each in found.signals] == [
        ("category: praise", "said by Ana"), ("sentiment: positive", "said by Ana"), ("urgency: low", "said by Ana"),
    ]  # fmt: skip
    assert found.model == "test-1"


def test_a_person_who_sees_no_danger_silences_the_rule_that_names_one() -> None:
    grave = score(crisis=0.9, rules=(FIRE,))
    found = corrected(grave, standing([said("crisis", "no")]))
    assert (found.crisis, found.rules) == (0.0, ())
    assert corrected(grave, standing([said("crisis", "yes")])).rules == (FIRE,)


def test_a_rule_does_not_raise_urgency_above_what_a_person_says() -> None:
    assert corrected(score(rules=(FIRE,)), standing([said("urgency", "normal")])).urgency_label is Urgency.NORMAL
    calm = replace(FIRE, urgency=Urgency.HIGH, crisis=False)
    assert corrected(score(rules=(calm,)), standing([said("urgency", "critical")])).rules == (calm,)


def test_what_nobody_has_labelled_is_left_as_it_is() -> None:
    item = scored("1")
    assert with_labels([item], {"x:2": [said("category", "spam", mention="x:2")]}) == [item]


def test_a_correction_moves_a_ticket_out_of_the_crisis_lane() -> None:
    item = scored("1", given=score(crisis=0.9, rules=(FIRE,)))
    labelled = with_labels([item], {"x:1": [said("crisis", "no"), said("urgency", "low")]})
    lanes = []
    for items in ([item], labelled):
        ticket = prioritise(items, config=Config(), context=Context())
        assert ticket is not None
        lanes.append(ticket.rank.lane)
    assert lanes == [Lane.CRISIS, Lane.QUEUE]


@pytest.mark.parametrize(
    ("head", "expected"),
    [("category", "complaint"), ("sentiment", "negative"), ("urgency", "normal"), ("crisis", "yes")],
)
def test_what_the_model_says_is_asked_without_the_rules(head: str, expected: str) -> None:
    assert answer_of(score(crisis=0.4, rules=(FIRE,)), Head(head), lane=0.35) == expected


@pytest.mark.parametrize(("head", "value"), [("mood", "good"), ("category", "rant"), ("crisis", "1")])
def test_an_answer_nobody_can_give_is_refused_with_those_one_can(head: str, value: str) -> None:
    with pytest.raises(ConfigError, match="one of"):
        checked(head, value)
