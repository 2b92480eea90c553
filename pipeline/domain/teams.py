"""Whose work a ticket is: by rules that are worked out when they are asked, or because a person said so."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.domain.understanding import Category, Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Tickets by what they are about: those whose values stand in each list that is not empty; ``other_than`` are
    languages that they are not in."""

    brands: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    other_than: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    urgencies: tuple[Urgency, ...] = ()

    def holds(self, *, brand: str, language: str, category: Category, urgency: Urgency) -> bool:
        """Whether a ticket of these values is in the scope."""
        return (
            (not self.brands or brand in self.brands)
            and (not self.languages or language in self.languages)
            and language not in self.other_than
            and (not self.categories or category in self.categories)
            and (not self.urgencies or urgency in self.urgencies)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The tickets of one team, as a store finds them without asking each.

    Those a person gave it, and of those that nobody gave to one of the ``known`` teams, what is in one of its ``scopes``
    and in none of ``before``, which are those of teams that go first.
    """

    team: str
    scopes: tuple[Scope, ...]
    before: tuple[Scope, ...] = ()
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """Which team a ticket belongs to, and why, in a person's words."""

    team: str
    because: str
