"""The finding half of ``watch``: grave posts and unusual numbers become incidents, which grow, are explained, and end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.alarms import record_notices
from pipeline.config import Config
from pipeline.detect import FRESH, cause_of, detect
from pipeline.detect import QUIET as GRAVE_QUIET
from pipeline.detection import rules
from pipeline.detection.baseline import Hours, hour_of, hours_of_week
from pipeline.detection.campaigns import factors
from pipeline.detection.looks import HISTORY, LAG, QUARTERS, Candidate, Counted, Heard, counted, quarter_of
from pipeline.detection.looks import worst_by_cause as worst
from pipeline.domain import (
    QUARTER,
    YES,
    Finding,
    Gap,
    Head,
    Incident,
    Measure,
    ScoredMention,
    Series,
    SeriesKind,
    Spread,
    labels_from,
)
from pipeline.errors import Conflict, NotFound
from pipeline.labels import with_labels
from pipeline.ports import Store
from pipeline.unusual import HELD, Found, changes

MOST_GRAVE = 10_000  # grave posts of one look: more than any minute brings, few enough for memory
HOUR = timedelta(hours=1)
DAYS = HISTORY + LAG + 2
"""Days of counts that a look needs: what the lagged baseline is learned from, and the day since."""
LATELY = 200
"""Incidents that are asked for, newest first, to know which hours teach nothing and what comes back."""
HEALTHY = timedelta(minutes=30)
"""A source whose last success is older may be silent because nobody listens."""
COURSE = 72
"""Hours of a series that are drawn: the days before show what is usual."""
SPREADS = timedelta(hours=3)
"""How long a conversation may take to be one that spreads."""
SPREAD_RATIO = 2.0
"""It spreads while the last hours bring so many times the people of the hours before."""


def detect_incidents(store: Store, config: Config, *, now: datetime) -> int:
    """Open, grow and close incidents; returns how many changed."""
    found = [*grave_incidents(store, config, now=now)]
    changed = _save(store, config, found, now=now)
    return changed + _save(store, config, unusual_incidents(store, config, now=now), now=now)


def grave_incidents(store: Store, config: Config, *, now: datetime) -> Sequence[Incident]:
    """Incidents of single grave posts that are new, or have changed."""
    weights = config.weights
    grave = store.grave_mentions(since=now - FRESH, crisis=weights.grave, limit=MOST_GRAVE)
    grave = with_labels(grave, store.labels_of(item.mention.id for item in grave))  # no alarm of what a person denied
    grave += _called_grave(store, {item.mention.id for item in grave}, now=now)
    incidents = [each for each in store.open_incidents() if each.finding is None]
    brands = {item.mention.brand for item in grave}
    touched = [each.id for each in incidents if each.brand in brands or now - each.last_at > GRAVE_QUIET]
    return detect(grave, incidents, held=store.incident_posts(touched), weights=weights, now=now).incidents


def _called_grave(store: Store, found: Collection[str], *, now: datetime) -> list[ScoredMention]:
    """Posts that a person lately called a crisis where no model or rule did, and that no incident has had."""
    lately = store.labels(after=labels_from(now - FRESH), limit=MOST_GRAVE)
    called = {label.mention for label in lately if label.head is Head.CRISIS and label.value == YES}.difference(found)
    if not called:
        return []
    called -= {mention for each in store.incidents(limit=LATELY) for mention in each.mentions}
    items = [store.mention(mention) for mention in sorted(store.known(sorted(called)))]
    return [item for item in with_labels(items, store.labels_of(called)) if item.mention.fold is None]


def unusual_incidents(store: Store, config: Config, *, now: datetime) -> Sequence[Incident]:
    """Incidents of numbers that are new, or have changed."""
    current, lately = store.open_incidents(), store.incidents(limit=LATELY)
    found: list[Found] = []
    still: set[str] = set()
    heard = _heard(store, config, SeriesKind.BRAND, lately, now=now)
    for brand, (series, last) in heard.items():
        for candidate in worst(series.look(now, last, config.detect)).values():
            if finding := confirmed(store, config, brand, candidate, now=now):
                found.append(_with_posts(store, config, finding))
        still |= {
            each.id
            for each in current
            if each.brand == brand
            and each.finding is not None
            and series.still_high(now, last, each.finding.series.measure)
        }
    found += [Found(finding=finding) for finding in _silences(store, config, lately, now=now)]
    found += _spreads(store, config, now=now)
    closed = [each for each in lately if each.closed_at is not None]
    return changes(found, current=current, closed=closed, still=still, now=now)


def confirmed(store: Store, config: Config, brand: str, candidate: Candidate, *, now: datetime) -> Finding | None:
    """The finding of a candidate, if people make it so and not a few accounts."""
    seen = candidate.seen
    end = quarter_of(now) + 1
    until = min(now, _at_quarter(end))
    since = _at_quarter(end - 4 * seen.hours)
    series = Series(kind=SeriesKind.BRAND, name=brand, measure=candidate.measure)
    people = store.people(series, since=since, until=_at_quarter(end))
    least = config.detect.minimum_people
    if seen.whole is not None:
        enough = people >= max(least, seen.observed / 2)
    else:
        enough = rules.enough_people(people, seen.expected, candidate.strays, minimum=least)
    if not enough:
        return None
    return Finding(
        rule=candidate.rule,
        cause=candidate.cause,
        brand=brand,
        series=series,
        since=since,
        until=until,
        observed=seen.observed,
        expected=seen.expected,
        threshold=seen.threshold,
        once_in_days=rules.once_in_days(seen.chance),
        people=people,
        whole=seen.whole,
        history_days=candidate.history_days,
    )


def apart(incidents: Sequence[Incident], brand: str, hours: Hours) -> NDArray[np.bool_]:
    """The hours in which a brand had an incident of numbers: they teach nothing."""
    found = np.zeros(len(hours), dtype=np.bool_)
    for each in incidents:
        if each.brand == brand and each.finding is not None:
            end = each.closed_at or each.last_at
            found |= (hours >= hour_of(each.opened_at)) & (hours <= hour_of(end))
    return found


def _heard(
    store: Store, config: Config, kind: SeriesKind, incidents: Sequence[Incident], *, now: datetime
) -> Mapping[str, tuple[Heard, Counted]]:
    """Each series of a kind with its history, and its last day by quarters."""
    first, last = hour_of(now) - DAYS * 24, quarter_of(now)
    hours = np.arange(first, hour_of(now) + 1)
    zone = ZoneInfo(config.hours.timezone)
    week = hours_of_week(hours, zone)
    until = _at_quarter(last + 1)
    by_hour = store.counts(kind, since=_at_quarter(first * 4), until=until, width=HOUR)
    by_quarter = store.counts(kind, since=_at_quarter(last - QUARTERS + 1), until=until)
    names = (
        [brand.name for brand in config.brand] if kind is SeriesKind.BRAND else [each.name for each in config.source]
    )
    found = {}
    for name in names:
        if name in by_hour:
            series = Heard(
                first,
                counted(by_hour[name], first, len(hours), HOUR),
                week=week,
                factors=factors(config.campaign, name, hours, zone),
                apart=apart(incidents, name, hours),
            )
            recent = counted(by_quarter.get(name, []), last - QUARTERS + 1, QUARTERS, QUARTER)
            found[name] = (series, recent)
    return found


def _silences(store: Store, config: Config, incidents: Sequence[Incident], *, now: datetime) -> list[Finding]:
    """Sources that usually speak and do not, though they are read."""
    queries = {query.name: query.brand for query in config.query}
    listened: dict[str, set[str]] = {}
    for source, query in config.pairs():
        listened.setdefault(source, set()).add(queries[query])
    found = []
    for name, (series, last) in _heard(store, config, SeriesKind.SOURCE, incidents, now=now).items():
        candidate = series.silence(now, last, config.detect)
        if candidate is None or not _healthy(store, name, now=now):
            continue
        brands = listened.get(name, set())
        end = quarter_of(now) + 1
        finding = Finding(
            rule=candidate.rule,
            cause="silence",
            brand=next(iter(brands)) if len(brands) == 1 else "all brands",
            series=Series(kind=SeriesKind.SOURCE, name=name),
            since=_at_quarter(end - 4 * candidate.seen.hours),
            until=now,
            observed=0,
            expected=candidate.seen.expected,
            threshold=0.0,
            once_in_days=rules.once_in_days(candidate.seen.chance),
            history_days=candidate.history_days,
        )
        found.append(finding)
    return found


def _healthy(store: Store, source: str, *, now: datetime) -> bool:
    """Whether everything of a source has been read lately, and nothing is left out."""
    cursors = [cursor for cursor in store.cursors() if cursor.source == source]
    gaps: list[Gap] = [gap for cursor in cursors for gap in store.gaps(source, cursor.query)]
    return (
        bool(cursors)
        and not gaps
        and all(
            cursor.error is None and cursor.succeeded_at is not None and now - cursor.succeeded_at <= HEALTHY
            for cursor in cursors
        )
    )


def _spreads(store: Store, config: Config, *, now: datetime) -> list[Found]:
    """Conversations that come to more and more people, unless they praise."""
    since = now - SPREADS
    wide = store.spreads(since=since, until=now, people=config.detect.spread_people)
    if not wide:
        return []
    before = {each.conversation: each.people for each in store.spreads(since=since - SPREADS, until=since, people=1)}
    found = []
    for spread in wide:
        earlier = before.get(spread.conversation, 0)
        brand = config.brand_named(spread.brand)
        if brand is None or spread.people < SPREAD_RATIO * earlier:
            continue
        try:
            start = store.mention(spread.conversation)
        except NotFound:  # it began before we listened, or elsewhere
            continue
        if start.mention.own or start.score.sentiment_label.value != Measure.NEGATIVE.value:
            continue
        found.append(Found(finding=_spread_finding(spread, earlier, config, since=since, now=now), posts=[start]))
    return found


def _spread_finding(spread: Spread, earlier: int, config: Config, *, since: datetime, now: datetime) -> Finding:
    return Finding(
        rule=f"spread/{SPREADS // HOUR} h",
        cause=f"spread of {spread.conversation}",
        brand=spread.brand,
        series=Series(kind=SeriesKind.BRAND, name=spread.brand),
        since=since,
        until=now,
        observed=spread.posts,
        expected=float(earlier),
        threshold=float(max(config.detect.spread_people, SPREAD_RATIO * earlier)),
        once_in_days=0.0,
        people=spread.people,
    )


def _with_posts(store: Store, config: Config, finding: Finding) -> Found:
    """A finding with sample posts; grave ones are left to incidents of their own."""
    posts = store.posts_of(finding.series, since=finding.since, until=finding.until, limit=HELD)
    return Found(finding=finding, posts=[each for each in posts if cause_of(each, config.weights) is None])


def _save(store: Store, config: Config, found: Sequence[Incident], *, now: datetime) -> int:
    # Before they close: where escalation was down all the while, nobody has heard of them.
    closing = [replace(each, closed_at=None) for each in found if each.closed_at is not None]
    record_notices(closing, store=store, config=config, now=now)
    changed = 0
    for incident in found:
        try:
            store.save_incident(incident)
            changed += 1
        except Conflict:  # a person acknowledged or closed it in this moment: the next minute sees both
            continue
    return changed


def _at_quarter(quarter: int) -> datetime:
    return datetime.fromtimestamp(quarter * QUARTER.total_seconds(), UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour of a series: what was counted, what was expected, and how many posts would have been unlikely."""

    start: datetime
    posts: int
    expected: float
    enough: float


def course(store: Store, config: Config, finding: Finding, *, until: datetime, hours: int = COURSE) -> list[Hour]:
    """The last hours up to ``until`` of the series that a finding is about; empty where it is no longer configured."""
    kind, name = finding.series.kind, finding.series.name
    heard = _heard(store, config, kind, store.incidents(limit=LATELY), now=until).get(name)
    if heard is None:
        return []
    series, _ = heard
    band = series.hourly_band(until, hours, finding.series.measure, rules.allowed(config.detect.sensitivity_days))
    first = hour_of(until) - len(band) + 1
    since = _at_quarter(first * 4)
    buckets = store.counts(kind, since=since, until=until + QUARTER, width=HOUR).get(name, [])
    posts = counted(buckets, first, len(band), HOUR).of(finding.series.measure)
    return [
        Hour(start=since + place * HOUR, posts=int(posts[place]), expected=expected, enough=enough)
        for place, (expected, enough) in enumerate(band)
    ]
