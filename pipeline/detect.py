"""Finds what must not wait for volume: one grave post is enough to open an incident."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from textwrap import shorten

from pipeline.config import Weights
from pipeline.domain import Incident, Part, ScoredMention, Urgency
from pipeline.text import fold

FRESH = timedelta(hours=24)  # an archive that is imported wakes nobody
QUIET = timedelta(hours=6)  # an incident without a new grave post this long is over
BIG_REACH = 100_000
TITLE_LENGTH = 70  # characters of a post in a title


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """Incidents to save: opened ones have version 1, the others the version they were read with."""

    incidents: tuple[Incident, ...] = ()


def detect(
    grave: Sequence[ScoredMention], incidents: Iterable[Incident], *, weights: Weights, now: datetime
) -> Detected:
    """Open an incident per cause for grave posts, let open ones grow, and close those that have been quiet.

    ``incidents`` are the latest, closed ones too: a post that belongs to one never opens another.
    """
    listed = list(incidents)
    current = {(incident.brand, incident.cause): incident for incident in listed if incident.closed_at is None}
    known = {mention for incident in listed for mention in incident.mentions}
    posts: dict[tuple[str, str], list[ScoredMention]] = {}
    for item in grave:
        fresh = not item.mention.own and now - item.mention.posted_at <= FRESH
        if fresh and (cause := cause_of(item, weights)):
            posts.setdefault((item.mention.brand, cause), []).append(item)
    changed: list[Incident] = []
    for key, items in posts.items():
        if all(item.mention.id in known for item in items):
            continue
        if (incident := current.pop(key, None)) is not None:
            changed.append(_with_posts(incident, items))
        else:
            changed.append(_opened(key, [item for item in items if item.mention.id not in known]))
    changed += [replace(old, closed_at=now) for old in current.values() if now - old.last_at > QUIET]
    return Detected(incidents=tuple(changed))


def cause_of(item: ScoredMention, weights: Weights) -> str | None:
    """What an incident of this post would be about: its gravest rule, or its model's alarm; ``None`` if it is not grave."""
    rules = [hit for hit in item.score.rules if hit.crisis and hit.urgency is Urgency.CRITICAL]
    if rules:
        return rules[0].rule
    return "grave post" if item.score.crisis >= weights.grave else None


def _opened(key: tuple[str, str], items: Sequence[ScoredMention]) -> Incident:
    brand, cause = key
    first = min(items, key=lambda item: item.mention.posted_at)
    slug = re.sub(r"[^a-z0-9]+", "-", fold(f"{brand} {cause}")).strip("-")
    draft = Incident(
        id=f"{slug}-{first.mention.posted_at:%Y%m%dT%H%M%S}",
        brand=brand,
        cause=cause,
        title=_title(first, cause),
        rule=f'rule "{cause}"' if first.score.rules else f"P(crisis) {first.score.crisis:.2f}",
        severity=1,
        parts=(),
        opened_at=first.mention.posted_at,
        last_at=first.mention.posted_at,
        mentions=(),
        posts=0,
        people=0,
    )
    return _with_posts(draft, items)


def _with_posts(incident: Incident, items: Sequence[ScoredMention]) -> Incident:
    """The incident with these posts in it; people and reach are counted over all posts given (the window holds them)."""
    ids = tuple(dict.fromkeys((*incident.mentions, *(item.mention.id for item in items))))
    people = max(incident.people, len({item.mention.author.id for item in items}))
    parts = severity_parts(items, posts=len(ids), people=people)
    return replace(
        incident,
        mentions=ids,
        posts=len(ids),
        people=people,
        last_at=max(incident.last_at, *(item.mention.posted_at for item in items)),
        parts=parts,
        severity=max(incident.severity, min(5, round(sum(part.value for part in parts)))),
    )


def severity_parts(items: Sequence[ScoredMention], *, posts: int, people: int) -> tuple[Part, ...]:
    """What an incident's severity (their sum, 1..5) is made of."""
    gravest = max(items, key=lambda item: item.score.crisis)
    rules = sorted({hit.rule for item in items for hit in item.score.rules if hit.crisis})
    words = next((f'"{hit.words}"' for item in items for hit in item.score.rules if hit.crisis), "")
    because = f"{', '.join(rules)} {words}".strip() if rules else f"P(crisis) {gravest.score.crisis:.2f}"
    parts = [Part(name="grave post", value=3, because=because)]
    reach = sum(item.mention.author.followers or 0 for item in items)
    if people >= 10:
        parts.append(Part(name="people", value=2, because=f"{posts} posts by {people} people"))
    elif people >= 3:
        parts.append(Part(name="people", value=1, because=f"{posts} posts by {people} people"))
    if reach >= BIG_REACH:
        parts.append(Part(name="reach", value=1, because=f"{reach:,} followers together"))
    return tuple(parts)


def _title(item: ScoredMention, cause: str) -> str:
    """The cause with the words behind it: the rule's, else how the post begins."""
    words = next((hit.words for hit in item.score.rules if hit.rule == cause), "")
    return f"{cause}: {words or shorten(item.mention.text, TITLE_LENGTH, placeholder=' …')}"
