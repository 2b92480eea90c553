"""Finds what must not wait for volume: one grave post is enough to open an incident."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from textwrap import shorten

from pipeline.config import Weights
from pipeline.domain import Incident, Part, ScoredMention
from pipeline.redact import redact
from pipeline.text import fold

FRESH = timedelta(hours=24)  # an archive that is imported wakes nobody
QUIET = timedelta(hours=6)  # an incident of which no grave post was heard this long is over
BIG_REACH = 100_000
TITLE_LENGTH = 70  # characters of a post in a title
_NOTHING_HELD: Mapping[str, Sequence[ScoredMention]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """Incidents to save: opened ones have version 1, the others the version they were read with."""

    incidents: tuple[Incident, ...] = ()


def detect(
    grave: Sequence[ScoredMention],
    incidents: Iterable[Incident],
    *,
    held: Mapping[str, Sequence[ScoredMention]] = _NOTHING_HELD,
    weights: Weights,
    now: datetime,
) -> Detected:
    """Open an incident per cause for grave posts, let open ones grow, and close those that have been quiet.

    A post belongs to the first of ``incidents`` that took it (closed ones may be given too) and never to another.
    ``held`` are the posts that incidents have already, by incident: people are counted over all of them, and quiet is
    measured from when they were heard, as a post that is found late is news all the same.
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
        new = [item for item in items if item.mention.id not in known]
        if not new:
            continue
        if (incident := current.pop(key, None)) is not None:
            own = [item for item in items if item.mention.id in incident.mentions]
            changed.append(_with_posts(incident, [*held.get(incident.id, ()), *own, *new]))
        else:
            changed.append(_opened(key, new))
    changed += [
        replace(old, closed_at=now) for old in current.values() if now - _heard_at(old, held.get(old.id, ())) > QUIET
    ]
    return Detected(incidents=tuple(changed))


def cause_of(item: ScoredMention, weights: Weights) -> str | None:
    """What an incident of this post would be about: its gravest rule, or its model's alarm; ``None`` if it is not grave."""
    rules = [hit for hit in item.score.rules if hit.grave]
    if rules:
        return rules[0].rule
    return "grave post" if item.score.crisis >= weights.grave else None


def _heard_at(incident: Incident, posts: Sequence[ScoredMention]) -> datetime:
    return max([incident.last_at, *(item.mention.collected_at for item in posts)])


def _opened(key: tuple[str, str], items: Sequence[ScoredMention]) -> Incident:
    brand, cause = key
    first = min(items, key=lambda item: (item.mention.posted_at, item.mention.id))
    slug = re.sub(r"[^a-z0-9]+", "-", fold(f"{brand} {cause}")).strip("-")
    # A slug may be empty (a name in another script), and a second may bring two: the digest tells them apart.
    digest = sha256(f"{brand}|{cause}|{first.mention.id}".encode()).hexdigest()[:8]
    draft = Incident(
        id=f"{slug}-{first.mention.posted_at:%Y%m%dT%H%M%S}-{digest}".lstrip("-"),
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
    """The incident with these posts in it; people and reach are counted over all posts given."""
    items = list({item.mention.id: item for item in items}.values())
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
    """The cause with the words behind it: the rule's, else how the post begins, personal data masked."""
    words = next((hit.words for hit in item.score.rules if hit.rule == cause), "")
    # Personal data is masked before the cut: half a card number has no checksum any more.
    return f"{cause}: {redact(words) or shorten(redact(item.mention.text), TITLE_LENGTH, placeholder=' …')}"
