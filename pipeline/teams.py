"""Which team a ticket belongs to: what a person said, else the most specific rule of ``[[team]]``, else the default.

Nothing of it is stored but what a person said: a rule that is changed moves all that waits at once. A ticket asks
``team_of``; a store is asked for a team's tickets with ``share_of``, which says the same as conditions on a ticket's values.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from pipeline.config import Config, Team
from pipeline.domain import Belonging, Filters, Scope, Share, Ticket
from pipeline.errors import ConfigError
from pipeline.hours import MARKETS, Calendar

_CONDITIONS = ("brands", "markets", "languages", "categories", "urgencies")


def team_of(ticket: Ticket, config: Config) -> Belonging | None:
    """The team of a ticket with its reason; ``None`` where no rule fits and no team is the default."""
    if ticket.team is not None and any(team.name == ticket.team for team in config.team):
        return Belonging(team=ticket.team, because="a person gave it to this team")
    for team in _in_order(config):
        for scope in _scopes(team, config):
            if scope.holds(
                brand=ticket.brand, language=ticket.language, category=ticket.category, urgency=ticket.urgency
            ):
                return Belonging(team=team.name, because=_because(team, ticket, config))
    return None


def share_of(name: str, config: Config) -> Share:
    """The tickets of a team, for a store; raises ``ConfigError`` for a team that is not configured."""
    order = _in_order(config)
    team = next((each for each in config.team if each.name == name), None)
    if team is None:
        known = ", ".join(each.name for each in config.team) or "none is configured, see [[team]] in tocsin.toml"
        raise ConfigError(f"there is no team {name!r}; known: {known}")
    first = takewhile(lambda each: each is not team, order)
    return Share(
        team=name,
        scopes=_scopes(team, config) if team in order else (),
        before=tuple(scope for each in first for scope in _scopes(each, config)),
        known=tuple(each.name for each in config.team),
    )


def work_of(responder: str, config: Config) -> Filters:
    """What a responder may take: free, of one of the teams they are in, in a language they have where that is configured.

    Whoever is in no team may take of all.
    """
    mine = [team.name for team in config.team if responder in team.members]
    person = next((person for person in config.person if person.name == responder), None)
    shares = tuple(share_of(name, config) for name in mine)
    return Filters(free=True, shares=shares, languages=person.languages if person else ())


def colleagues(config: Config) -> tuple[str, ...]:
    """Everybody a ticket can be handed to, by name, in the order of the file."""
    members = (member for team in config.team for member in team.members)
    return tuple(dict.fromkeys((*config.web.responders, *members)))


def _in_order(config: Config) -> list[Team]:
    """The teams that have rules, the most specific first, of equals the first in the file; the default is last."""
    ruled = [team for team in config.team if team.default or _conditions(team)]
    return sorted(ruled, key=lambda team: (team.default, -len(_conditions(team))))


def _conditions(team: Team) -> list[str]:
    return [name for name in _CONDITIONS if getattr(team, name)]


def _scopes(team: Team, config: Config) -> tuple[Scope, ...]:
    """A team's rule as conditions on a ticket's own values: a market is a brand's, where the language is spoken."""
    if team.default:
        return (Scope(),)
    scope = Scope(brands=team.brands, languages=team.languages, categories=team.categories, urgencies=team.urgencies)
    if not team.markets:
        return (scope,)
    brands = team.brands or tuple(brand.name for brand in config.brand)
    return tuple(narrow for brand in brands for narrow in _of_brand(scope, brand, team, config))


def _of_brand(scope: Scope, brand: str, team: Team, config: Config) -> list[Scope]:
    languages = tuple(language for language in MARKETS if Calendar.of(config, brand, language).market in team.markets)
    wanted = tuple(each for each in languages if not scope.languages or each in scope.languages)
    narrow = replace(scope, brands=(brand,))
    found = [replace(narrow, languages=wanted)] if wanted else []
    if Calendar.of(config, brand, "").market in team.markets:  # a language of no market is the brand's first market's
        found.append(replace(narrow, other_than=tuple(MARKETS)))
    return found


def _because(team: Team, ticket: Ticket, config: Config) -> str:
    if team.default:
        return "no other team's rule fits"
    values = {
        "brands": ticket.brand,
        "markets": f"market {Calendar.of(config, ticket.brand, ticket.language).market}",
        "languages": f"language {ticket.language}",
        "categories": f"category {ticket.category}",
        "urgencies": f"urgency {ticket.urgency}",
    }
    return ", ".join(values[name] for name in _conditions(team))
