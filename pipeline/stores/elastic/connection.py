"""One Elasticsearch cluster: requests that are tried again while that may help.

Documents are read by id (then they are as they are now) or searched (then as they were at the last refresh), and written
in bulk. There are no transactions: each write is durable by itself.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError, TransportError

from pipeline.errors import ConfigError, StoreRefused, StoreUnavailable
from pipeline.stores.elastic.trouble import Blocked, checked, gone, ours, refusal
from pipeline.stores.elastic.wire import Document, Found, Write, found_of, key, packed, requests

TIMEOUT = 30.0  # seconds an answer may take: a bulk on a busy cluster takes some
WAITS = (0.05, 0.2, 0.8, 2.0)  # seconds before each further try: a master is elected in less than their sum
PAUSE = 5.0  # seconds in which a cluster that failed all tries is asked once only: whoever waits is told soon
POOLED = 32  # connections kept a node: as many threads serve pages
READ_IDS = 1_000  # documents asked for by id in one request
SEARCHES = 100  # searches in one request
WINDOW = 10_000  # hits of one search, Elasticsearch's own limit
CHUNK = 1_000  # hits read at a time where nobody says how many are wanted
_NOTHING: Document = {"hits": {"total": {"value": 0}, "hits": []}}  # what is found where there is no index yet


class Connection:
    """Requests to one cluster, whose indices begin with ``prefix``; for any number of threads.

    Raises ``StoreUnavailable`` when the cluster is busy or away for longer than a few tries, ``StoreRefused`` when a
    person must act, ``ConfigError`` for an address that cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        api_key: str | None = None,
        ca: Path | None = None,
        fingerprint: str | None = None,
        allow_plain: bool = False,
        read_only: bool = False,
    ) -> None:
        self.prefix = prefix
        self.read_only = read_only
        hosts = [checked(host.strip(), allow_plain=allow_plain) for host in url.split(",")]
        self.name = ", ".join(hosts)
        options: Document = {"api_key": api_key} if api_key else {}
        if ca is not None:
            if not ca.is_file():  # the client looks only once it has connected
                raise ConfigError(f"{ca}, the certificates to trust at {self.name}, is not there; set ca to their file")
            options["ca_certs"] = str(ca)
        if fingerprint is not None:
            options["ssl_assert_fingerprint"] = fingerprint
        try:
            self._client = Elasticsearch(
                hosts, request_timeout=TIMEOUT, max_retries=0, connections_per_node=POOLED, **options
            )
        except (ValueError, OSError) as error:
            raise ConfigError(f"Elasticsearch at {self.name} cannot be used: {error}") from error
        self._failed_at = float("-inf")
        self._closed = threading.Event()

    def writable(self) -> Connection:
        """This connection, for a write that changes no fact, whatever the store was opened for."""
        other = copy(self)
        other.read_only = False
        return other

    def index(self, noun: str) -> str:
        """The name of the index, or of the alias, of one noun."""
        return f"{self.prefix}-{noun}"

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, index: str, id_: str) -> Found | None:
        """One document as it is now; ``None`` when there is none."""
        return self.get_many([(index, id_)]).get((index, id_))

    def get_many(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Found]:
        """Documents as they are now, by index and id; those that are not there are left out."""
        places = list(dict.fromkeys(wanted))
        found: dict[tuple[str, str], Found] = {}
        for start in range(0, len(places), READ_IDS):
            chunk = places[start : start + READ_IDS]
            body = packed({"docs": [{"_index": index, "_id": key(id_)} for index, id_ in chunk]})
            waits = iter(WAITS)
            while failed := self._read(chunk, body, found):
                _pause(waits, failed)
        return found

    def _read(
        self, chunk: Sequence[tuple[str, str]], body: bytes, found: dict[tuple[str, str], Found]
    ) -> StoreRefused | StoreUnavailable | None:
        for place, item in zip(chunk, self.request("POST", "/_mget", body)["docs"], strict=True):
            if item.get("found"):
                found[place] = found_of(item)
            elif "error" in item and not _is_missing(item, place[0]):
                return refusal(place[1], 503, item["error"], self.name)
        return None

    def search(self, index: str, body: Document) -> Document:
        """The answer of one search, whole or not at all; an index that is not there yet holds nothing."""
        return self.searches([(index, body)])[0]

    def searches(self, wanted: Sequence[tuple[str, Document]]) -> list[Document]:
        """The answers of several searches, in their order."""
        answers: list[Document] = []
        for start in range(0, len(wanted), SEARCHES):
            lines = bytearray()
            for index, body in wanted[start : start + SEARCHES]:
                # Never ignore_unavailable: to a key that may not read, it would say that there is nothing.
                lines += packed({"index": index, "allow_partial_search_results": False})
                lines += b"\n" + packed({"track_total_hits": False, **body}) + b"\n"
            answers += self._searched([index for index, _ in wanted[start : start + SEARCHES]], bytes(lines))
        return answers

    def _searched(self, names: Sequence[str], lines: bytes) -> list[Document]:
        waits = iter(WAITS)
        while True:
            answered: list[Document] = self.request("POST", "/_msearch", lines)["responses"]
            named = zip(names, answered, strict=True)
            responses = [_NOTHING if _is_missing(each, name) else each for name, each in named]
            failed = next((each for each in responses if "error" in each), None)
            if failed is None:
                return responses
            if failed["status"] == 404:  # a copy has taken the place of the index while it was searched
                _pause(waits, gone("a search", failed["error"], self.name))
            else:
                _pause(waits, refusal("a search", failed["status"], failed["error"], self.name))

    def hits(
        self, index: str, body: Document, *, limit: int | None = None, offset: int = 0, chunk: int = CHUNK
    ) -> Iterator[Found]:
        """The hits of a search in its order, however many; its ``sort`` must tell any two of them apart.

        ``chunk`` are read at a time where no ``limit`` says how many are wanted.
        """
        after, left = None, limit
        if offset:
            after = self._behind(index, body, offset)
            if after is None:
                return
        while left is None or left > 0:
            size = chunk if left is None else min(WINDOW, left)
            more = {"search_after": after} if after else {}
            hits = self.search(index, {**body, "seq_no_primary_term": True, "size": size, **more})["hits"]["hits"]
            yield from map(found_of, hits)
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
            left = None if left is None else left - len(hits)

    def _behind(self, index: str, body: Document, offset: int) -> list[Any] | None:
        """The place behind the first ``offset`` hits, read without what they hold; ``None`` when there are not as many."""
        after: list[Any] | None = None
        while offset > 0:
            size = min(offset, WINDOW)
            more = {"search_after": after} if after else {}
            hits = self.search(index, {**body, "_source": False, "size": size, **more})["hits"]["hits"]
            if len(hits) < size:
                return None
            after, offset = hits[-1]["sort"], offset - size
        return after

    # --- writing ----------------------------------------------------------------------------------------------------

    def write(self, write: Write, *, refresh: bool = True) -> int | None:
        """Write one document; its sequence number where it stands, ``None`` when another was faster."""
        return self.bulk([write], refresh=refresh)[0]

    def bulk(self, writes: Sequence[Write], *, refresh: bool = False) -> list[int | None]:
        """Write documents; the sequence number of each that stands, ``None`` where another's stood already.

        ``refresh`` makes them searchable before it returns. Raises ``StoreRefused`` naming a document that Elasticsearch
        refuses, after all others have been written.
        """
        if self.read_only:
            raise StoreRefused(f"Elasticsearch at {self.name} was opened for reading only")
        writer = secrets.token_urlsafe(9)
        stand: list[int | None] = [None] * len(writes)
        refused: StoreRefused | None = None
        for places, body in requests(writes, writer):
            refused = self._written(writes, places, body, writer, stand, refresh=refresh) or refused
        if refused is not None:
            raise refused
        return stand

    def _written(
        self,
        writes: Sequence[Write],
        places: list[int],
        body: bytes,
        writer: str,
        stand: list[int | None],
        *,
        refresh: bool,
    ) -> StoreRefused | None:
        """Write one request's documents, those again that met a busy node; the first refusal."""
        met: list[int] = []
        refused: StoreRefused | None = None
        waits = iter(WAITS)
        while places:
            busy: dict[int, StoreRefused | StoreUnavailable] = {}
            answer = self.request("POST", "/_bulk", body, params={"refresh": "true"} if refresh else {})
            for place, item in zip(places, answer["items"], strict=True):
                (result,) = item.values()
                status = result["status"]
                if status < 300:
                    stand[place] = result["_seq_no"]
                elif status == 409:
                    met.append(place)
                elif status != 404 or writes[place].action != "delete":
                    error = refusal(writes[place].id, status, result["error"], self.name)
                    if isinstance(error, StoreRefused) and not isinstance(error, Blocked):
                        refused = refused or error
                    else:
                        busy[place] = error
            places = list(busy)
            if places:
                _pause(waits, busy[places[0]])
                body = b"".join(writes[place].lines(writer) for place in places)
        self._recognise(writes, met, writer, stand)
        return refused

    def _recognise(self, writes: Sequence[Write], met: Iterable[int], writer: str, stand: list[int | None]) -> None:
        """Of the writes that met another document, those that met themselves: their first answer was lost on its way.

        A cluster too writes twice when a node dies before it has answered.
        """
        raced = [place for place in met if writes[place].raced]
        there = self.get_many((writes[place].index, writes[place].id) for place in raced)
        for place in raced:
            found = there.get((writes[place].index, writes[place].id))
            if found is not None and found.document.get("write") == writer:
                stand[place] = found.seq_no

    def refresh(self, indices: Iterable[str]) -> None:
        """Make what has been written to these indices searchable."""
        if names := ",".join(sorted(set(indices))):
            self.request("POST", f"/{names}/_refresh", params={"ignore_unavailable": "true"})

    # --- changes ----------------------------------------------------------------------------------------------------

    def change(self) -> Write:
        """The write that counts a change which the pages show, for after it can be seen: each counts up a version."""
        return Write(action="put", index=self.index("changes"), id="changes", document={})

    def bump(self) -> None:
        """Count a change that can be seen."""
        self.write(self.change(), refresh=False)

    def changes(self) -> int:
        """How many changes have been counted."""
        found = self.get(self.index("changes"), "changes")
        return 0 if found is None else found.version

    # --- requests ---------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
        missing: Document | None = None,
        present: Document | None = None,
    ) -> Document:
        """The answer to one request, tried again while the cluster is busy or away.

        Where given, ``missing`` is the answer when there is no such thing, ``present`` when it is there already.
        """
        if self._closed.is_set():
            raise StoreRefused(f"the store {self.name} is closed; open it again")
        lines = path in {"/_bulk", "/_msearch"}
        headers = {
            "accept": "application/json",
            "content-type": "application/x-ndjson" if lines else "application/json",
        }
        waits = iter(WAITS if time.monotonic() - self._failed_at > PAUSE else ())
        while True:
            try:
                answer = self._client.perform_request(method, path, params=params, headers=headers, body=body)
            except (ApiError, TransportError) as error:
                if missing is not None and isinstance(error, NotFoundError):
                    return missing
                if present is not None and isinstance(error, BadRequestError) and "already_exists" in error.error:
                    return present
                failure = ours(error, self.name)
                wait = next(waits, None)
                if isinstance(failure, StoreRefused):
                    raise failure from error
                if wait is None:
                    self._failed_at = time.monotonic()
                    raise failure from error
                _sleep(wait)
            else:
                return dict(answer.body)

    def close(self) -> None:
        """Let go of the connections."""
        self._closed.set()
        self._client.close()


def _is_missing(item: Document, name: str) -> bool:
    """Whether there is no index of that name, which holds nothing then."""
    error = item.get("error", {})
    return bool(error.get("type") == "index_not_found_exception" and error.get("index", name) == name)


def _pause(waits: Iterator[float], failure: StoreRefused | StoreUnavailable) -> None:
    """Wait before another try; raises ``failure`` when none is left, or none can help.

    A block may be that of a migration, which takes less than a second.
    """
    wait = next(waits, None)
    if wait is None or (isinstance(failure, StoreRefused) and not isinstance(failure, Blocked)):
        raise failure
    _sleep(wait)


def _sleep(wait: float) -> None:
    time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - so that many do not come again at once
