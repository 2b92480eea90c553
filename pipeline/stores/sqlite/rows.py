"""Domain objects as rows and back: microseconds for times, JSON for what is never searched."""

# ruff: noqa: S608 - SQL is put together from our own column lists, values are always parameters
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, from_json, to_json

from pipeline.domain import (
    Author,
    Category,
    Event,
    EventKind,
    Finding,
    Hit,
    Incident,
    Lane,
    Mention,
    Part,
    Priority,
    Rank,
    Resolution,
    Score,
    ScoredMention,
    Sentiment,
    Signal,
    Ticket,
    Urgency,
)

Row = Sequence[Any]
"""Values in the order of a column list below; never leaves this package."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NUMBERS = 1024
"""Mentions that one microsecond of ``posted_at`` has numbers for; more spill into the next."""

LARGEST = 2**63 - 1  # a hostile counter must not stop its batch

# Probabilities and signals are kept to four digits, as whole numbers: they are shown with two, and this halves the row.
_DIGITS = 10_000
_UNSCORED = -1.0
_SENTIMENTS = [label.value for label in Sentiment]
_CATEGORIES = [label.value for label in Category]
_URGENCIES = [label.value for label in Urgency]
_LANES = (Lane.CRISIS, Lane.QUEUE)

MENTION_COLUMNS = (
    "id", "source", "query", "brand", "author", "handle", "name", "followers", "verified", "text",
    "posted_at", "collected_at", "language", "url", "conversation", "tagged", "own", "likes", "reposts", "replies",
    "probabilities", "rules", "signals", "crisis", "model", "degraded", "category", "critical",
    "sentiment", "urgency", "in_reply_to", "repost_of", "fold",
)  # fmt: skip
TICKET_COLUMNS = (
    "id", "lane", "level", "due_at", "respond_by", "cost", "priority", "why", "parts", "handling_minutes",
    "brand", "source", "query", "mention", "author", "language", "category", "urgency", "sentiment", "crisis",
    "opened_at", "last_at", "waiting_since", "posts", "people", "folded", "version",
    "responded_at", "answered_at", "resolved_at", "resolution", "reopened_at", "claimed_by", "claimed_until",
    "team", "merged_into", "merged_at", "merged", "unsettled",
)  # fmt: skip
# The last columns of both say something of few: most rows are written without them, as binding a null takes half a
# microsecond (sqlite3 looks for an adapter of None).
MENTION_RARE = 3
TICKET_RARE = 12
EVENT_COLUMNS = ("id", "at", "actor", "kind", "subject", "note", "before", "undone")
INCIDENT_COLUMNS = (
    "id", "brand", "cause", "title", "rule", "severity", "parts", "opened_at", "last_at", "mentions", "posts", "people",
    "closed_at", "acknowledged_by", "acknowledged_at", "version", "finding", "explained", "earlier",
)  # fmt: skip


def columns(names: Sequence[str], table: str = "") -> str:
    """A column list for SQL, each name quoted and with its table."""
    prefix = f"{table}." if table else ""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def values(names: Sequence[str]) -> str:
    """As many placeholders as names."""
    return ", ".join("?" * len(names))


def insert_rows(
    connection: sqlite3.Connection, table: str, names: Sequence[str], rows: Sequence[Row], *, rare: int
) -> None:
    """Insert rows, those whose ``rare`` last columns are null without them."""
    nulls = (None,) * rare
    for kept, chosen in (
        (len(names), [row for row in rows if row[-rare:] != nulls]),
        (len(names) - rare, [row[:-rare] for row in rows if row[-rare:] == nulls]),
    ):
        connection.executemany(f"INSERT INTO {table} ({columns(names[:kept])}) VALUES ({values(names[:kept])})", chosen)


SELECT_MENTIONS = f"SELECT {columns(MENTION_COLUMNS, 'mentions')} FROM mentions"

LISTED = "(SELECT value FROM json_each(?))"
"""A list of any length in one statement; its parameter is made by ``listed``."""


def listed(ids: Iterable[str]) -> str:
    """Ids for ``LISTED``."""
    return json.dumps(list(ids))


def stamp(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def stamp_or_none(moment: datetime | None) -> int | None:
    """As ``stamp``; what has not happened stays ``None``."""
    return None if moment is None else (moment - EPOCH) // MICROSECOND


def moment(stamp: int) -> datetime:
    """The aware UTC time of a stamp."""
    return EPOCH + timedelta(microseconds=stamp)


def moment_or_none(stamp: int | None) -> datetime | None:
    """As ``moment``; what has not happened stays ``None``."""
    return None if stamp is None else EPOCH + timedelta(microseconds=stamp)


# --- mentions -------------------------------------------------------------------------------------------------------


def mention_row(item: ScoredMention) -> Row:
    """The row of a mention in the order of ``MENTION_COLUMNS``; its number is given when it is written."""
    mention, score, author = item.mention, item.score, item.mention.author
    return (
        mention.id, mention.source, mention.query, mention.brand, author.id, text_of(author.handle),
        text_of(author.name), None if author.followers is None else _whole(author.followers), int(author.verified),
        text_of(mention.text), stamp(mention.posted_at), stamp(mention.collected_at), mention.language, mention.url,
        mention.conversation, int(mention.tagged), int(mention.own),
        _whole(mention.likes), _whole(mention.reposts), _whole(mention.replies),
        _probabilities(score), _rules_json(score.rules), _signals_json(score.signals), score.crisis, score.model,
        int(score.degraded), score.category_label.value, 1 if any(hit.grave for hit in score.rules) else 0,
        score.sentiment_label.value, score.urgency_label.value, mention.in_reply_to, mention.repost_of, mention.fold,
    )  # fmt: skip


def scored_mention(row: Row) -> ScoredMention:
    """The mention of a row in the order of ``MENTION_COLUMNS``."""
    (id_, source, query, brand, author, handle, name, followers, verified, text, posted_at, collected_at, language,
     url, conversation, tagged, own, likes, reposts, replies, probabilities, rules, signals, crisis, model, degraded,
     *_, in_reply_to, repost_of, fold) = row  # fmt: skip
    mention = Mention(
        id=id_, source=source, query=query, brand=brand,
        author=Author(id=author, handle=handle, name=name, followers=followers, verified=bool(verified)),
        text=text, posted_at=moment(posted_at), collected_at=moment(collected_at), language=language, url=url,
        conversation=conversation, in_reply_to=in_reply_to, repost_of=repost_of, tagged=bool(tagged), own=bool(own),
        fold=fold, likes=likes, reposts=reposts, replies=replies,
    )  # fmt: skip
    sentiments, categories, urgencies = _by_label(probabilities)
    score = Score(
        sentiment=sentiments, category=categories, urgency=urgencies, crisis=crisis,
        rules=tuple(Hit(rule=r, urgency=Urgency(u), crisis=c, words=w) for r, u, c, w in from_json(rules)),
        signals=tuple(Signal(name=n, value=v / _DIGITS, because=b) for n, v, b in from_json(signals)),
        model=model, degraded=bool(degraded),
    )  # fmt: skip
    return ScoredMention(mention=mention, score=score)


def _probabilities(score: Score) -> str:
    """Sentiment, category, urgency as one JSON list in the enums' order; -1 stands for a label that was not scored."""
    shares = [
        int(heads.get(label, _UNSCORED) * _DIGITS + 0.5)
        for heads, labels in (
            (score.sentiment, _SENTIMENTS),
            (score.category, _CATEGORIES),
            (score.urgency, _URGENCIES),
        )
        for label in labels
    ]
    return str(shares)


def _by_label(packed: str) -> Iterator[dict[str, float]]:
    shares = iter(from_json(packed))
    for labels in (_SENTIMENTS, _CATEGORIES, _URGENCIES):
        yield {
            label: share / _DIGITS
            for label, share in zip(labels, islice(shares, len(labels)), strict=True)
            if share >= 0
        }


def _rules_json(rules: Sequence[Hit]) -> str:
    return _packed([(hit.rule, hit.urgency.value, hit.crisis, hit.words) for hit in rules]) if rules else "[]"


def _signals_json(signals: Sequence[Signal]) -> str:
    return _packed([(signal.name, int(signal.value * _DIGITS + 0.5), signal.because) for signal in signals])


def _packed(values: Sequence[object]) -> str:
    """Values as JSON."""
    try:
        return to_json(values).decode()  # half the time of the standard library's
    except PydanticSerializationError:  # half of a surrogate pair
        return text_of(json.dumps(values, ensure_ascii=False, separators=(",", ":")))


def text_of(text: str) -> str:
    """Half of a surrogate pair cannot be stored: it becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _whole(number: int) -> int:
    return min(number, LARGEST)


# --- tickets --------------------------------------------------------------------------------------------------------


def ticket_row(ticket: Ticket) -> Row:
    """The row of a ticket in the order of ``TICKET_COLUMNS``."""
    rank = ticket.rank
    return (
        ticket.id, _LANES.index(rank.lane), rank.level, stamp(rank.due_at), stamp(rank.respond_by), rank.cost,
        rank.priority.value, text_of(rank.why), parts_json(rank.parts), rank.handling_minutes,
        ticket.brand, ticket.source, ticket.query, ticket.mention, ticket.author, ticket.language,
        ticket.category.value, ticket.urgency.value, ticket.sentiment.value, ticket.crisis,
        stamp(ticket.opened_at), stamp(ticket.last_at), stamp_or_none(ticket.waiting_since),
        ticket.posts, ticket.people, ticket.folded, ticket.version,
        stamp_or_none(ticket.responded_at), stamp_or_none(ticket.answered_at), stamp_or_none(ticket.resolved_at),
        None if ticket.resolution is None else ticket.resolution.value, stamp_or_none(ticket.reopened_at),
        ticket.claimed_by, stamp_or_none(ticket.claimed_until), ticket.team,
        ticket.merged_into, stamp_or_none(ticket.merged_at), _packed(ticket.merged) if ticket.merged else None,
        ticket.unsettled,
    )  # fmt: skip


def ticket(row: Row) -> Ticket:
    """The ticket of a row in the order of ``TICKET_COLUMNS``."""
    (id_, lane, level, due_at, respond_by, cost, priority, why, parts, handling_minutes, brand, source, query, mention,
     author, language, category, urgency, sentiment, crisis, opened_at, last_at, waiting_since, posts, people,
     folded, version, responded_at, answered_at, resolved_at, resolution, reopened_at, claimed_by, claimed_until,
     team, merged_into, merged_at, merged, unsettled) = row  # fmt: skip
    rank = Rank(
        cost=cost, level=level, due_at=moment(due_at), respond_by=moment(respond_by), lane=_LANES[lane],
        priority=Priority(priority), why=why, parts=parts_of(parts), handling_minutes=handling_minutes,
    )  # fmt: skip
    return Ticket(
        id=id_, brand=brand, source=source, query=query, mention=mention, author=author, language=language,
        category=Category(category), urgency=Urgency(urgency), sentiment=Sentiment(sentiment), crisis=crisis, rank=rank,
        opened_at=moment(opened_at), last_at=moment(last_at), waiting_since=moment_or_none(waiting_since),
        responded_at=moment_or_none(responded_at), answered_at=moment_or_none(answered_at),
        resolved_at=moment_or_none(resolved_at), resolution=Resolution(resolution) if resolution else None,
        reopened_at=moment_or_none(reopened_at), claimed_by=claimed_by, claimed_until=moment_or_none(claimed_until), team=team,
        merged_into=merged_into, merged_at=moment_or_none(merged_at), merged=tuple(from_json(merged)) if merged else (),
        unsettled=unsettled,
        posts=posts, people=people, folded=folded, version=version,
    )  # fmt: skip


def parts_json(parts: Sequence[Part]) -> str:
    """The factors of a rank or a severity."""
    return _packed([(part.name, part.value, part.because) for part in parts])


def parts_of(packed: str) -> tuple[Part, ...]:
    """The factors again."""
    return tuple(Part(name=name, value=value, because=because) for name, value, because in from_json(packed))


_FINDING = TypeAdapter(Finding)


def finding_json(finding: Finding | None) -> str | None:
    """The arithmetic of an incident."""
    return None if finding is None else text_of(_FINDING.dump_json(finding).decode())


def finding_of(packed: str | None) -> Finding | None:
    """The arithmetic again."""
    return None if packed is None else _FINDING.validate_json(packed)


# --- events and incidents -------------------------------------------------------------------------------------------


def event(row: Row) -> Event:
    """The event of a row in the order of ``EVENT_COLUMNS``."""
    id_, at, actor, kind, subject, note, before, undone = row
    return Event(
        id=id_, at=moment(at), actor=actor, kind=EventKind(kind), subject=subject, note=note, before=before,
        undone=bool(undone),
    )  # fmt: skip


def event_row(event: Event) -> Row:
    """The row of an event in the order of ``EVENT_COLUMNS``."""
    return (
        event.id, stamp(event.at), event.actor, event.kind.value, event.subject, event.note, event.before, event.undone
    )  # fmt: skip


def incident_row(incident: Incident) -> Row:
    """The row of an incident in the order of ``INCIDENT_COLUMNS``."""
    return (
        incident.id, incident.brand, incident.cause, text_of(incident.title), text_of(incident.rule), incident.severity,
        parts_json(incident.parts), stamp(incident.opened_at), stamp(incident.last_at), _packed(incident.mentions),
        incident.posts, incident.people, stamp_or_none(incident.closed_at), incident.acknowledged_by,
        stamp_or_none(incident.acknowledged_at), incident.version, finding_json(incident.finding),
        _packed(incident.explained), incident.earlier,
    )  # fmt: skip


def incident(row: Row) -> Incident:
    """The incident of a row in the order of ``INCIDENT_COLUMNS``."""
    (id_, brand, cause, title, rule, severity, parts, opened_at, last_at, mentions, posts, people, closed_at,
     acknowledged_by, acknowledged_at, version, finding, explained, earlier) = row  # fmt: skip
    return Incident(
        id=id_, brand=brand, cause=cause, title=title, rule=rule, severity=severity, parts=parts_of(parts),
        opened_at=moment(opened_at), last_at=moment(last_at), mentions=tuple(from_json(mentions)), posts=posts,
        people=people, closed_at=moment_or_none(closed_at), acknowledged_by=acknowledged_by,
        acknowledged_at=moment_or_none(acknowledged_at), version=version, finding=finding_of(finding),
        explained=tuple(from_json(explained)), earlier=earlier,
    )  # fmt: skip
