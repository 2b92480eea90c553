"""Documents made again in a new layout, while others read and write: a copy takes the place of each index in one step.

What is done so far can be seen in the cluster alone, so another process goes on where one was killed:

1. The copy is an index without an alias. Its sequence numbers are raised above those of the old index: what somebody read
   there is never taken for what stands here, and versions made of sequence numbers keep growing.
2. Documents are copied in the order of their sequence numbers, round by round, each up to what all shards had acknowledged
   when it began; what was written meanwhile is the next round. How far it has come is noted in the mapping of the copy.
3. Once a round was short, the old index takes no writes, for some hundred milliseconds in which writers try again. What is
   left is copied, what was removed meanwhile is removed, and one request gives the copy the aliases and removes the old.

One process at a time: a second one that copies beside it does the work twice and may bring back what was just deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from pipeline.errors import StoreRefused
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.documents import mention_document, scored_mention
from pipeline.stores.elastic.indices import NOUNS, indices, layout, mapping
from pipeline.stores.elastic.wire import Document, Found, Write, packed

_PAGE = 1_000  # documents read and written at once
_NOTED = 50  # pages after which it is noted how far the copy has come
_SHORT = 1_000  # documents of a round after which the rest is copied with writers waiting
_RAISED = 20_000  # sequence numbers used up in one request
_VERSIONED = frozenset({"changes", "progress"})  # their documents' versions say something, and go along


def outstanding(connection: Connection) -> list[str]:
    """What ``remake`` would do, a line each."""
    return [
        f"the index {name}: its documents are made again, layout {made} to {layout(noun)}"
        for noun, name, made in _old(connection)
    ]


def remake(connection: Connection) -> None:
    """Put a copy in the new layout in the place of each index of an older one; may be interrupted and called again."""
    for noun, name, _ in _old(connection):
        _Copy(connection, noun, name).run()


def _old(connection: Connection) -> Iterator[tuple[str, str, int]]:
    """The indices of an older layout: noun, name, layout."""
    for noun in NOUNS:
        for name, found in indices(connection, noun).items():
            made = int(found["mappings"].get("_meta", {}).get("layout", 1))
            if made < layout(noun):
                yield noun, name, made


class _Copy:
    """One index on its way into another."""

    def __init__(self, connection: Connection, noun: str, old: str) -> None:
        self._connection = connection
        self._noun = noun
        self._old = old
        self._new = f"{old.rpartition('-')[0]}-copy{layout(noun)}"
        self._copied = -1

    def run(self) -> None:
        """Copy, and take the place of the old one."""
        self._begin()
        while self._round(self._numbers("global_checkpoint")) > _SHORT:
            pass
        self._remove_removed()  # what is left of it is little, with writers waiting
        try:
            self._connection.request("PUT", f"/{self._old}/_block/write")
            last = self._numbers("max_seq_no")
            self._raise_above(last)
            self._round(last)
            self._remove_removed()
            if (left := self._count(self._new) - self._count(self._old)) != 0:
                raise StoreRefused(
                    f"{self._new} holds {left:+,} documents beside those of {self._old}; run `tocsin store migrate` again"
                )
            self._swap()
        finally:  # where another has taken its place, there is none to unblock
            lifted = packed({"index.blocks.write": None})
            self._connection.request("PUT", f"/{self._old}/_settings", lifted, missing={})

    def _begin(self) -> None:
        """Make the copy, or find out how far it has come."""
        body = packed({"mappings": mapping(self._noun)})
        self._connection.request("PUT", f"/{self._new}", body, present={})
        found = self._connection.request("GET", f"/{self._new}/_mapping")[self._new]["mappings"]
        self._copied = int(found["_meta"].get("copied", -1))
        self._raise_above(self._numbers("max_seq_no"))

    def _round(self, last: int) -> int:
        """Copy what was written after the last copied document, up to a sequence number; how many that were."""
        count = pages = 0
        self._connection.refresh([self._old])
        while page := self._page(last):
            self._connection.bulk([self._write(each) for each in page])
            self._copied = page[-1].seq_no
            count += len(page)
            pages += 1
            if pages % _NOTED == 0:
                self._note()
        self._copied = max(self._copied, last)
        self._note()
        return count

    def _page(self, last: int) -> list[Found]:
        numbers: Document = {"range": {"_seq_no": {"gt": self._copied, "lte": last}}}
        body: Document = {"query": numbers, "sort": [{"_seq_no": "asc"}], "version": True}
        return list(self._connection.hits(self._old, body, limit=_PAGE))

    def _write(self, found: Found) -> Write:
        document = dict(found.document)
        writer = document.pop("write", None)
        if self._noun == "mentions":
            bands = [int(band) for band in document.get("bands", ())]
            document = mention_document(scored_mention(document), bands)
        version = found.version if self._noun in _VERSIONED else None
        # A mention's id may be too long for a document's: then its digest stands for both.
        return Write(
            action="put", index=self._new, id=found.id, document=document, version=version, writer=writer, alias=False
        )

    def _note(self) -> None:
        noted = mapping(self._noun)
        noted["_meta"] = noted["_meta"] | {"copied": self._copied}
        self._connection.request("PUT", f"/{self._new}/_mapping", packed(noted))

    def _numbers(self, which: str, *, of: str = "") -> int:
        """A sequence number of the one primary shard of an index, the old one's."""
        name = of or self._old
        answer = self._connection.request("GET", f"/{name}/_stats", params={"level": "shards"})
        shards = answer["indices"][name]["shards"]
        if len(shards) != 1:
            raise StoreRefused(
                f"the index {name} has {len(shards)} shards, and can be copied with one; shrink it first"
            )
        (primary,) = (each["seq_no"] for copies in shards.values() for each in copies if each["routing"]["primary"])
        return int(primary[which])

    def _raise_above(self, last: int) -> None:
        """Use up sequence numbers of the copy until they are above one: each removal of what is not there takes one."""
        while (missing := last - self._numbers("max_seq_no", of=self._new)) > 0:
            gone = Write(action="delete", index=self._new, id="nothing", alias=False)
            self._connection.bulk([gone] * min(missing, _RAISED))

    def _remove_removed(self) -> None:
        """Remove from the copy what was removed from the old index after it was copied."""
        self._connection.refresh([self._new])
        if self._count(self._old) == self._count(self._new):
            return  # with every document of the old one in the copy, they are the same
        gone = Write(action="delete", index=self._new, id="", alias=False)
        copied = self._connection.hits(self._new, {"sort": [{"_seq_no": "asc"}], "_source": False})
        while page := [each.id for each in islice(copied, _PAGE)]:
            query: Document = {"query": {"ids": {"values": page}}, "sort": [{"_seq_no": "asc"}], "_source": False}
            there = {each.id for each in self._connection.hits(self._old, query, limit=_PAGE)}
            self._connection.bulk([replace(gone, id=each) for each in page if each not in there])
        self._connection.refresh([self._new])

    def _count(self, name: str) -> int:
        body: Document = {"size": 0, "track_total_hits": True}
        return int(self._connection.search(name, body)["hits"]["total"]["value"])

    def _swap(self) -> None:
        answer = self._connection.request("GET", f"/{self._old}/_alias")
        names = list(answer[self._old]["aliases"])
        actions: list[Document] = [{"add": {"index": self._new, "alias": name}} for name in names]
        actions.append({"remove_index": {"index": self._old}})
        self._connection.request("POST", "/_aliases", packed({"actions": actions}))
