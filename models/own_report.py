"""What a training on own labels is given and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRow:
    """A post that people labelled: their answers by head (crisis: yes or no). ``group`` keeps what belongs together on
    one side of a split."""

    id: str
    text: str
    language: str
    answers: Mapping[str, str]
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Right answers to the same questions, of the base and of the candidate."""

    name: str
    labels: int
    base: int
    own: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnReport:
    """What a training on own labels made. ``heads`` and ``languages`` count labels held out, ``kept`` the authored corpus.

    ``strength`` is the ridge of each head that was touched and the share of it that was kept; ``answers`` are those of the
    candidate to labelled posts it had not seen, by post and head; ``failures`` say what it does worse than its base.
    """

    version: str
    base: str
    posts: int
    anchors: int
    heads: tuple[Tally, ...]
    languages: tuple[Tally, ...]
    kept: tuple[Tally, ...]
    strength: Mapping[str, tuple[float, float]]
    answers: Mapping[str, Mapping[str, str]]
    failures: tuple[str, ...]
