"""Whose work a ticket is: rules, their order, what a person said, and the same asked of a store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config, parse
from pipeline.domain import Category, Share, Ticket, Urgency
from pipeline.errors import ConfigError
from pipeline.teams import colleagues, share_of, team_of, work_of
from tests.contracts.store.made import ticket


def config_of(*teams: dict[str, Any], **more: Any) -> Config:
    return parse(
        {
            "brand": [
                {"name": "Brightly", "markets": ["GB", "DE"]},
                {"name": "Kestrel Bank", "markets": ["TR"]},
                {"name": "Lumiva"},
            ],
            "team": list(teams),
            **more,
        }
    )


BILLING = {"name": "billing", "categories": ["complaint", "request"], "members": ["Ana"]}
GERMANY = {"name": "Germany", "markets": ["DE"], "members": ["Ben"]}
SAFETY = {"name": "safety", "urgencies": ["critical"], "categories": ["complaint"], "members": ["Ana", "Eva"]}
LEGAL = {"name": "legal", "members": ["Lea"]}
REST = {"name": "rest", "default": True}


def test_the_rule_with_more_conditions_wins_and_says_which() -> None:
    found = team_of(ticket(urgency=Urgency.CRITICAL), config_of(BILLING, SAFETY))
    assert found is not None
    assert (found.team, found.because) == ("safety", "category complaint, urgency critical")


def test_of_rules_with_as_many_conditions_the_first_in_the_file_wins() -> None:
    german = ticket(language="de")
    first, second = team_of(german, config_of(BILLING, GERMANY)), team_of(german, config_of(GERMANY, BILLING))
    assert first is not None
    assert second is not None
    assert (first.team, second.team) == ("billing", "Germany")
    assert second.because == "market DE"


def test_a_team_without_conditions_works_on_what_people_give_it_alone() -> None:
    config = config_of(LEGAL, BILLING)
    assert team_of(ticket(category=Category.PRAISE), config) is None
    given_by_hand = team_of(ticket(team="legal"), config)
    assert given_by_hand is not None
    assert (given_by_hand.team, given_by_hand.because) == ("legal", "a person gave it to this team")


def test_the_default_team_takes_what_no_rule_fits_wherever_it_stands_in_the_file() -> None:
    found = team_of(ticket(category=Category.PRAISE), config_of(REST, BILLING))
    assert found is not None
    assert (found.team, found.because) == ("rest", "no other team's rule fits")


def test_a_ticket_of_a_team_that_is_no_longer_configured_goes_by_the_rules_again() -> None:
    found = team_of(ticket(team="gone"), config_of(BILLING))
    assert found is not None
    assert found.team == "billing"


def test_a_post_in_a_language_of_no_market_belongs_to_the_brands_first_market() -> None:
    britain = config_of({"name": "Britain", "markets": ["GB"]})
    assert team_of(ticket(language="en"), britain) is not None
    assert team_of(ticket(language="pl"), britain) is not None
    assert team_of(ticket(language="de"), britain) is None
    assert team_of(ticket(language="en", brand="Kestrel Bank"), britain) is None
    assert team_of(ticket(language="en", brand="Lumiva"), britain) is None


TEAMS = st.fixed_dictionaries(
    {},
    optional={
        "brands": st.lists(st.sampled_from(["Brightly", "Kestrel Bank", "Lumiva"]), max_size=2, unique=True),
        "markets": st.lists(st.sampled_from(["GB", "DE", "TR"]), max_size=2, unique=True),
        "languages": st.lists(st.sampled_from(["en", "de", "tr", "pl", "und"]), max_size=3, unique=True),
        "categories": st.lists(st.sampled_from([*Category]), max_size=2, unique=True),
        "urgencies": st.lists(st.sampled_from([*Urgency]), max_size=2, unique=True),
    },
)
TICKETS = st.builds(
    ticket,
    brand=st.sampled_from(["Brightly", "Kestrel Bank", "Lumiva", "imported"]),
    language=st.sampled_from(["en", "de", "tr", "pl", "ja", "und"]),
    category=st.sampled_from(Category),
    urgency=st.sampled_from(Urgency),
    team=st.sampled_from([None, "team 0", "team 1", "gone"]),
)


def held_by(share: Share, one: Ticket) -> bool:
    """What a store makes of a share, in Python."""
    if one.team == share.team:
        return True
    fits = [
        any(
            scope.holds(brand=one.brand, language=one.language, category=one.category, urgency=one.urgency)
            for scope in scopes
        )
        for scopes in (share.scopes, share.before)
    ]
    return one.team not in share.known and fits == [True, False]


@given(st.lists(TEAMS, min_size=2, max_size=4), st.booleans(), TICKETS)
def test_a_teams_share_holds_the_tickets_that_are_its_and_no_others(
    drawn: list[dict[str, Any]], default: bool, one: Ticket
) -> None:
    teams = [{"name": f"team {n}", **team} for n, team in enumerate(drawn)]
    config = config_of(*teams, *([REST] if default else []))
    belonging = team_of(one, config)
    for team in config.team:
        assert held_by(share_of(team.name, config), one) == (belonging is not None and belonging.team == team.name)


def test_who_asks_for_a_team_that_is_not_there_is_told_the_ones_that_are() -> None:
    with pytest.raises(ConfigError, match="no team 'bilings'; known: billing, legal"):
        share_of("bilings", config_of(BILLING, LEGAL))
    with pytest.raises(ConfigError, match=r"none is configured, see \[\[team\]\]"):
        share_of("billing", config_of())


def test_a_responder_may_take_of_every_team_they_are_in_in_the_languages_they_have() -> None:
    config = config_of(BILLING, SAFETY, person=[{"name": "Ana", "channels": ["console"], "languages": ["en", "tr"]}])
    mine, anybodys = work_of("Ana", config), work_of("Zoe", config)
    assert [share.team for share in mine.shares] == ["billing", "safety"]
    assert mine.languages == ("en", "tr")
    assert mine.free
    assert (anybodys.shares, anybodys.languages) == ((), ())


def test_a_ticket_can_be_handed_to_responders_and_members_of_teams_each_named_once() -> None:
    assert colleagues(config_of(BILLING, LEGAL, web={"responders": ["Ana", "Ben"]})) == ("Ana", "Ben", "Lea")


@pytest.mark.parametrize(
    ("teams", "problem"),
    [
        ([BILLING, BILLING], r"two \[\[team\]\] are called 'billing'"),
        ([{"name": "a", "default": True}, {"name": "b", "default": True}], "a and b are both the default team"),
        ([{"name": "a", "default": True, "brands": ["Lumiva"]}], "it has no conditions"),
        ([{"name": "a", "brands": ["Lumeva"]}], "did you mean 'Lumiva'"),
        ([{"name": "a", "categories": ["complaints"]}], "categories"),
    ],
)
def test_teams_that_make_no_sense_are_refused(teams: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        config_of(*teams)
