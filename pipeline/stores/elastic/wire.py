"""Documents on their way to Elasticsearch and back: what is read, what is written, ids and JSON that it accepts."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import islice
from threading import Lock
from typing import Any, Literal

Document = dict[str, Any]
"""A document, a query or an answer as Elasticsearch has it; never leaves this package."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
"""What times are counted in."""

BULK_BYTES = 5 << 20  # of one request: large enough to be fast, far below the 100 MB that a node accepts
BULK_WRITES = 2_000
LONGEST_ID = 512  # bytes, Elasticsearch's own limit
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A document as it was read: what a write that must not overwrite another's compares with."""

    index: str
    id: str
    document: Document
    seq_no: int
    term: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One document to write.

    ``create`` one that is not there; ``replace`` the one that was read (``over``); ``put`` whatever is there, but for a
    newer ``version`` when that is given; ``keep`` what is there, else create it; ``delete``. ``index`` is an alias, or an
    index itself where ``alias`` is not set; ``writer`` is that of a document which is copied.
    """

    action: Literal["create", "replace", "put", "keep", "delete"]
    index: str
    id: str
    document: Document | None = None
    over: Found | None = None
    version: int | None = None
    writer: str | None = None
    alias: bool = True

    def lines(self, writer: str) -> bytes:
        """The lines of a bulk request; ``writer`` is kept in the document, so that a write can be told from another's."""
        name = _ACTIONS.get(self.action, self.action)
        # An alias must be there, or a month that was forgotten would come back without its mapping.
        target: Document = {"_index": self.index, "_id": key(self.id), "require_alias": self.alias}
        if self.over is not None:
            target |= {"if_seq_no": self.over.seq_no, "if_primary_term": self.over.term}
        if self.version is not None:
            target |= {"version": self.version, "version_type": "external_gte"}
        lines = packed({name: target}) + b"\n"
        return (
            lines
            if self.document is None
            else lines + packed({**self.document, "write": self.writer or writer}) + b"\n"
        )

    @property
    def raced(self) -> bool:
        """Whether it matters that another's document stands there."""
        return self.action in {"create", "replace"}


_ACTIONS = {"replace": "index", "put": "index", "keep": "create"}


def over(found: Found | None, *, index: str, id_: str, document: Document) -> Write:
    """The write that changes what was read, or creates what was not there; neither overwrites another's."""
    if found is None:
        return Write(action="create", index=index, id=id_, document=document)
    return Write(action="replace", index=index, id=id_, document=document, over=found)


def packed(document: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; half of a surrogate pair cannot be sent: it becomes a question mark."""
    return _dumps(document).encode("utf-8", "replace")


def key(id_: str) -> str:
    """An id as Elasticsearch can hold it: itself, or a digest where it is too long."""
    encoded = id_.encode("utf-8", "replace")
    return encoded.decode() if len(encoded) <= LONGEST_ID else f"#{blake2b(encoded, digest_size=20).hexdigest()}"


def requests(writes: Sequence[Write], writer: str) -> Iterator[tuple[list[int], bytes]]:
    """The writes as bodies of at most ``BULK_BYTES``, each with their places."""
    places: list[int] = []
    body = bytearray()
    for place, write in enumerate(writes):
        lines = write.lines(writer)
        if places and (len(body) + len(lines) > BULK_BYTES or len(places) >= BULK_WRITES):
            yield places, bytes(body)
            places, body = [], bytearray()
        places.append(place)
        body += lines
    if places:
        yield places, bytes(body)


def portions(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """The different values in lists of at most ``size``: a query takes 65,536 terms."""
    distinct = iter(dict.fromkeys(values))
    while chunk := list(islice(distinct, size)):
        yield chunk


def found_of(item: Mapping[str, Any]) -> Found:
    """What was read, of one hit or answer."""
    return Found(
        index=item["_index"],
        id=item["_id"],
        document=item.get("_source", {}),
        seq_no=item.get("_seq_no", -1),
        term=item.get("_primary_term", 0),
        version=item.get("_version", 0),
    )


class Lately:
    """What this process has seen done, the newest only: it need not be done again, and doing it again does no harm."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._lock = Lock()
        self._seen: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, what: str) -> bool:
        return what in self._seen

    def add(self, *what: str) -> None:
        """Remember this, and forget the oldest."""
        with self._lock:
            self._seen.update(dict.fromkeys(what))
            while len(self._seen) > self._limit:
                self._seen.popitem(last=False)
