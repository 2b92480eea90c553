"""Domain objects as documents and back: the domain's own field names, microseconds since 1970 for times.

What is not there is left out. A field that a document lacks has its default again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pipeline.domain import Lane, Mention, Score, ScoredMention, Ticket
from pipeline.stores.elastic.wire import EPOCH, MICROSECOND, Document, key
from pipeline.stores.elastic.words import bag, line
from pipeline.tickets import STEP_TIME

Thing = TypeVar("Thing")
_Convert = Callable[[Any], Any] | None  # ``None``: as it is

LARGEST = 2**63 - 1  # of an Elasticsearch ``long``: a hostile counter must not stop its batch
STEP = STEP_TIME // MICROSECOND
_BEHIND = (
    2**60
)  # in microseconds 36,000 years: what stands in the queue lane is behind all that stands in the crisis lane
_DIGITS = 4  # of a probability: they are shown with two, and this halves the document


def stamp(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def moment(stamp: int) -> datetime:
    """The aware UTC time of a stamp."""
    return EPOCH + stamp * MICROSECOND


def encoded(thing: Any) -> Document:
    """A domain object as a document."""
    document: Document = {}
    for name, write, _, _ in _fields(type(thing)):
        value = getattr(thing, name)
        if value is not None:
            document[name] = value if write is None else write(value)
    return document


def decoded(kind: type[Thing], document: Mapping[str, Any]) -> Thing:
    """The domain object of a document; what else the document holds is passed over."""
    values: dict[str, Any] = {}
    for name, _, read, required in _fields(kind):
        value = document.get(name)
        if value is not None:
            values[name] = value if read is None else read(value)
        elif required:
            values[name] = None
    return kind(**values)


_Field = tuple[str, _Convert, _Convert, bool]
"""A field of a dataclass: its name, how it is written and read, and whether it has no default."""

_PLANS: dict[type, tuple[_Field, ...]] = {}


def _fields(kind: type) -> tuple[_Field, ...]:
    if kind not in _PLANS:
        _PLANS[kind] = _plan(kind)
    return _PLANS[kind]


def _plan(kind: Any) -> tuple[_Field, ...]:
    hints = get_type_hints(kind)
    return tuple(
        (field.name, *_converters(hints[field.name]), _is_required(field)) for field in dataclasses.fields(kind)
    )


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _converters(hint: Any) -> tuple[_Convert, _Convert]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return _converters(next(each for each in arguments if each is not NoneType))
    if origin is tuple:
        write, read = _converters(arguments[0])
        return _over(list, write), _over(tuple, read)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return lambda shares: {str(label): round(share, _DIGITS) for label, share in shares.items()}, None
    if hint is datetime:
        return stamp, moment
    if hint is int:
        return lambda number: min(number, LARGEST), None
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda member: member.value, {member.value: member for member in hint}.__getitem__
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return encoded, lambda document: decoded(hint, document)
    return None, None


def _over(sequence: Callable[[Any], Any], convert: _Convert) -> Callable[[Sequence[Any]], Any]:
    return sequence if convert is None else lambda values: sequence([convert(value) for value in values])


# --- mentions -------------------------------------------------------------------------------------------------------

# Ids that are looked for; where one is too long for an index, its digest stands for it and ``whole`` holds it.
_IDS = ("id", "conversation", "fold")


def mention_document(item: ScoredMention, bands: Sequence[int]) -> Document:
    """A mention as it is indexed: itself, its score, what it is found by."""
    mention, score = item.mention, item.score
    document = encoded(mention) | {
        "score": encoded(score),
        "crisis": score.crisis,
        "grave": any(hit.grave for hit in score.rules),
        "category": score.category_label.value,
        "sentiment": score.sentiment_label.value,
        "urgency": score.urgency_label.value,
        "lag": (mention.collected_at - mention.posted_at) // MICROSECOND,
        "stems": bag(mention.text, mention.language),
        "folded": line(mention.text),
    }
    if bands and mention.fold is None:
        document["bands"] = sorted({str(band) for band in bands})
    whole = {name: document[name] for name in _IDS if name in document and key(document[name]) != document[name]}
    document |= {name: key(document[name]) for name in whole}
    author = document["author"]
    if key(author["id"]) != author["id"]:
        whole["author"] = author["id"]
        author["id"] = key(author["id"])
    return document | {"whole": whole} if whole else document


def scored_mention(document: Document) -> ScoredMention:
    """The mention of a document."""
    if whole := document.get("whole"):
        document = document | {name: whole[name] for name in _IDS if name in whole}
        document["author"] = document["author"] | {"id": whole.get("author", document["author"]["id"])}
    return ScoredMention(mention=decoded(Mention, document), score=decoded(Score, document["score"]))


# --- tickets --------------------------------------------------------------------------------------------------------


def ticket_document(ticket: Ticket) -> Document:
    """A ticket as it is indexed: itself, and where it stands in the queue.

    Of two tickets that are due the one that costs more is first (``costly``), of two that are not the one whose cost has
    fallen less (``early``); both smallest first, the crisis lane before the other. ``urgent`` is the urgency to search by.
    """
    rank = ticket.rank
    behind = 0 if rank.lane is Lane.CRISIS else _BEHIND
    return encoded(ticket) | {
        "urgent": ticket.urgency.value,
        "lane": rank.lane.value,
        "due_at": stamp(rank.due_at),
        "respond_by": stamp(rank.respond_by),
        "costly": behind - rank.level * STEP,
        "early": behind + stamp(rank.due_at) - rank.level * STEP,
    }
