"""A finding's arithmetic as people read it: what was seen, what is usual, and how seldom that comes by chance."""

from __future__ import annotations

from pipeline.domain import Finding, Measure, SeriesKind
from pipeline.wording import counted

LONGEST_ODDS = 3650.0
"""Days: a model of eight weeks cannot say that something comes less than once in ten years."""

_KINDS = {Measure.ALL: "", Measure.NEGATIVE: "negative ", Measure.URGENT: "urgent "}


def arithmetic(finding: Finding) -> str:
    """The finding in one or two sentences, every number with its population."""
    hours = f"{finding.hours} h"
    people = counted(finding.people, "person", "people")
    kind = _KINDS[finding.series.measure]
    if finding.cause.startswith("spread"):
        return (
            f"{people} in {hours} in one conversation and its reposts ({counted(finding.observed, 'post')});"
            f" {finding.expected:g} people in the {hours} before, {finding.threshold:g} are enough."
        )
    if finding.series.kind is SeriesKind.SOURCE:
        seen = f"nothing from {finding.series.name} in {hours}, and collection is healthy"
    elif finding.whole is not None:
        seen = f"{finding.observed} of {counted(finding.whole, 'post')} in {hours} are negative, by {people}"
    else:
        seen = f"{counted(finding.observed, kind + 'post')} by {people} in {hours}"
    usual = f"{_number(finding.expected)} expected in these hours ({_history(finding.history_days)})"
    if finding.cause == "slow rise":
        usual = f"{_number(finding.expected)} expected at the level of a week before ({_history(finding.history_days)})"
    enough = f", {finding.threshold:.0f} are enough" if finding.threshold else ""
    return f"{seen[0].upper()}{seen[1:]}; {usual}{enough}. {odds(finding)}."


def odds(finding: Finding) -> str:
    """How seldom chance brings this, no more precisely than a model of some weeks can say."""
    days = finding.once_in_days
    if days >= LONGEST_ODDS:
        return "By chance less than once in ten years"
    return f"By chance less than once in {days:,.0f} days"


def _history(days: float) -> str:
    return f"from {counted(max(1, round(days)), 'day')}"


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
