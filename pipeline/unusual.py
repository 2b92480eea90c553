"""Decides what becomes of findings: an incident a brand, which grows, is explained by another, cools and ends."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from pipeline.detection.words import arithmetic
from pipeline.domain import Finding, Incident, Measure, Part, ScoredMention, SeriesKind
from pipeline.redact import redact
from pipeline.text import fold
from pipeline.wording import counted

QUIET = timedelta(hours=6)
"""An incident that has been back to usual for so long is over; before, it would open and close by turns."""
BACK_WITHIN = timedelta(days=7)
"""What comes back later is an incident of its own."""
SEEN_AGAIN = timedelta(minutes=10)
"""How often an incident that only goes on is written: nothing else about it is new."""
HELD = 100
"""Posts that an incident of numbers holds as samples; all of them are found by its series and window."""
BIG_REACH = 100_000
SPREAD = "spread"
"""How the cause of a conversation that spreads begins; the rest of it names the conversation."""
BURSTS = ("volume", "negative share")
"""Causes that may be over while the longest window still holds them."""
MOSTLY = 0.5
"""Share of the posts beyond the usual that an incident must hold to explain them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding with sample posts of it, newest first."""

    finding: Finding
    posts: Sequence[ScoredMention] = ()


def changes(
    found: Sequence[Found],
    *,
    current: Sequence[Incident],
    closed: Sequence[Incident],
    still: Collection[str],
    now: datetime,
) -> list[Incident]:
    """Incidents to save: opened ones have version 1, the others the version they were read with.

    ``current`` are the open incidents, ``closed`` those that ended lately, ``still`` the ids of open ones whose series is
    above the usual yet. A finding whose window began before an incident of its kind was closed opens none: people, or the
    quiet, have ended what it counts.
    """
    changed: dict[str, Incident] = {}
    present = {incident.id: incident for incident in current}
    for each in sorted(found, key=lambda one: -one.finding.once_in_days):
        finding = each.finding
        holder = explaining(finding, list(present.values()))
        if holder is None:
            before = [one for one in closed if one.finding is not None and _alike(one.finding, finding)]
            if any(one.closed_at is not None and finding.since < one.closed_at for one in before):
                continue
            holder = _opened(each, earlier=_earlier(before, now), now=now)
        else:
            holder = _grown(holder, each, now=now)
        if holder != present.get(holder.id):
            present[holder.id] = changed[holder.id] = holder
    for incident in current:
        if incident.finding is None or incident.id in changed:
            continue
        if incident.id in still:
            if now - incident.last_at >= SEEN_AGAIN:
                changed[incident.id] = replace(incident, last_at=now)
        elif now - incident.last_at > QUIET:
            changed[incident.id] = replace(incident, closed_at=now)
    return list(changed.values())


def explaining(finding: Finding, current: Sequence[Incident]) -> Incident | None:
    """The open incident that accounts for a finding: one of numbers of the same brand, or one that holds most of its posts."""
    for incident in current:
        if incident.closed_at is None and incident.finding is not None and _alike(incident.finding, finding):
            return incident
    beyond = finding.observed - finding.expected
    for incident in current:
        recent = incident.brand == finding.brand and incident.closed_at is None and incident.last_at >= finding.since
        if recent and incident.finding is None and beyond > 0 and incident.posts >= MOSTLY * beyond:
            return incident
    return None


def severity_parts(finding: Finding, posts: Sequence[ScoredMention]) -> tuple[Part, ...]:
    """What the severity of an incident of numbers (their sum, 1..5) is made of."""
    parts = [Part(name="unusual", value=2, because=arithmetic(finding))]
    if finding.people >= 50:
        parts.append(Part(name="people", value=2, because=f"{finding.people:,} people"))
    elif finding.people >= 10:
        parts.append(Part(name="people", value=1, because=f"{finding.people} people"))
    negative = sum(item.score.sentiment_label == Measure.NEGATIVE.value for item in posts)
    if len(posts) >= 5 and negative * 2 >= len(posts):
        parts.append(Part(name="negative", value=1, because=f"{negative} of {counted(len(posts), 'post')} read"))
    reach = sum({item.mention.author.id: item.mention.author.followers or 0 for item in posts}.values())
    if reach >= BIG_REACH:
        parts.append(Part(name="reach", value=1, because=f"{reach:,} followers together"))
    return tuple(parts)


def _alike(one: Finding, other: Finding) -> bool:
    """Whether the first accounts for the second: a brand's numbers for all of its numbers, a conversation or a source for
    itself."""
    if one.brand != other.brand or one.series.kind is not other.series.kind:
        return False
    if one.series.kind is SeriesKind.SOURCE:
        return one.series.name == other.series.name
    return one.cause == other.cause or not one.cause.startswith(SPREAD)


def _earlier(before: Sequence[Incident], now: datetime) -> str | None:
    recent = [each for each in before if each.closed_at is not None and now - each.closed_at <= BACK_WITHIN]
    return max(recent, key=lambda each: each.closed_at or each.last_at).id if recent else None


def _opened(found: Found, *, earlier: str | None, now: datetime) -> Incident:
    finding = found.finding
    slug = re.sub(r"[^a-z0-9]+", "-", fold(f"{finding.brand} {finding.cause}")).strip("-")
    digest = sha256(f"{finding.brand}|{finding.cause}|{finding.series.name}|{now}".encode()).hexdigest()[:8]
    parts = severity_parts(finding, found.posts)
    return Incident(
        id=f"{slug}-{now:%Y%m%dT%H%M%S}-{digest}".lstrip("-"),
        brand=finding.brand,
        cause=finding.cause,
        title=_title(found),
        rule=f'rule "{finding.rule}"',
        severity=_severity(parts),
        parts=parts,
        opened_at=finding.since,
        last_at=max(now, finding.since),
        mentions=tuple(item.mention.id for item in found.posts[:HELD]),
        posts=finding.observed,
        people=finding.people,
        finding=finding,
        earlier=earlier,
    )


def _grown(incident: Incident, found: Found, *, now: datetime) -> Incident:
    """The incident with a finding that it explains: its own numbers at their most unlikely, lesser causes by name."""
    finding = found.finding
    explained = incident.explained
    if finding.cause != incident.cause and finding.cause not in explained:
        explained = (*explained, finding.cause)
    if incident.finding is None:  # a grave post opened it: its own arithmetic stays
        return replace(incident, explained=explained)
    worse = finding.cause == incident.cause and finding.observed > incident.posts
    # Windows of a day see a burst for a day: whether it goes on is said by ``still``, of what has no burst by its finding.
    goes_on = finding.cause not in BURSTS and now - incident.last_at >= SEEN_AGAIN
    last_at = max(now, incident.last_at) if worse or goes_on else incident.last_at
    if not worse:
        return replace(incident, explained=explained, last_at=last_at)
    parts = severity_parts(finding, found.posts)
    ids = dict.fromkeys((*incident.mentions, *(item.mention.id for item in found.posts)))
    return replace(
        incident,
        explained=explained,
        last_at=last_at,
        finding=finding,
        title=_title(found),
        parts=parts,
        severity=max(incident.severity, _severity(parts)),
        mentions=tuple(ids)[:HELD],
        posts=finding.observed,
        people=max(incident.people, finding.people),
    )


def _severity(parts: Sequence[Part]) -> int:
    return max(1, min(5, round(sum(part.value for part in parts))))


def _title(found: Found) -> str:
    """What is unusual, in the fewest words; whoever reads it knows the brand."""
    finding = found.finding
    hours = f"{finding.hours} h"
    if finding.cause == "silence":
        return f"{finding.series.name} is silent: nothing in {hours}, usually {finding.expected:.0f}"
    if finding.cause.startswith(SPREAD):
        words = next((item.mention.text for item in found.posts), "")
        return redact(f"{finding.people} people in one conversation in {hours}: {words}")[:120]
    if finding.whole is not None:
        return f"{finding.observed / finding.whole:.0%} of posts are negative, usually {finding.expected / finding.whole:.0%}"
    kind = "" if finding.series.measure is Measure.ALL else f"{finding.series.measure} "
    rising = "rising: " if finding.cause == "slow rise" else ""
    return f"{rising}{counted(finding.observed, kind + 'post')} in {hours}, usually {finding.expected:.0f}"
