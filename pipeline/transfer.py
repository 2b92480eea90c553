"""From one store into another: every record as it is, and both sides compared at the end.

Stores name and order their records alike, so two are read side by side, like the pages of two books. What the target
holds already is not written again: an interrupted copy goes on where it was, without a file that says where.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime

from pipeline.domain import RECORDS, ChainRun, DeadLetter, Record, Score, ScoredMention, key_of
from pipeline.errors import StoreRefused
from pipeline.folds import sketch
from pipeline.ports import Archive

PAGE = 1000  # records read and written at once: large enough for a bulk, small enough for memory

_DIGITS = 10_000  # stores keep probabilities and signals to four digits, or to more
_NAMES: Mapping[type[Record], str] = {ScoredMention: "mention", ChainRun: "chain", DeadLetter: "dead letter"}


Step = Callable[[type[Record], int], None]
"""Told how far a walk over one kind of record is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One kind of record after a copy: how many there are, how many were written now, the digest of all of them."""

    kind: str
    records: int
    written: int
    digest: str


def copy(source: Archive, target: Archive, *, progress: Step = lambda kind, done: None) -> list[Copied]:
    """Make ``target`` hold what ``source`` holds, and prove it; returns each kind in the order of copying.

    Raises ``StoreRefused`` naming the first record that only the target holds, or that differs when all is written: so
    it does where somebody writes to either meanwhile.
    """
    written = {kind: _copy_kind(kind, source, target, progress) for kind in RECORDS}
    return [
        Copied(kind=name_of(kind), records=records, written=written[kind], digest=digest)
        for kind in RECORDS
        for records, digest in [_compare(kind, source, target, progress)]
    ]


def name_of(kind: type[Record]) -> str:
    """A kind of record in a person's words."""
    return _NAMES.get(kind, kind.__name__.lower())


def _copy_kind(kind: type[Record], source: Archive, target: Archive, progress: Step) -> int:
    written = 0
    missing: list[Record] = []

    def write() -> None:
        mentions = [record.mention for record in missing if isinstance(record, ScoredMention)]
        target.load(missing, sketches=sketch(mentions))
        missing.clear()

    for done, (ours, theirs) in enumerate(_side_by_side(kind, source, target)):
        if done % PAGE == 0:
            progress(kind, done)
        if ours is None:
            assert theirs is not None  # or there would be no pair
            raise StoreRefused(
                f"the target holds the {name_of(kind)} {key_of(theirs)}, which the source does not: it is no copy of it;"
                " copy into an empty store"
            )
        if theirs is None or _said(ours) != _said(theirs):
            missing.append(ours)
            written += 1
        if len(missing) == PAGE:
            write()
    if missing:
        write()
    return written


def _compare(kind: type[Record], source: Archive, target: Archive, progress: Step) -> tuple[int, str]:
    """How many records of a kind there are, and their digest; raises ``StoreRefused`` for the first that differs."""
    records = 0
    digest = hashlib.sha256()
    for ours, theirs in _side_by_side(kind, source, target):
        if records % PAGE == 0:
            progress(kind, records)
        said = _said(ours)
        if said != _said(theirs):
            where = "only in the target" if ours is None else "only in the source" if theirs is None else "not the same"
            record = ours or theirs
            assert record is not None  # or there would be no pair
            raise StoreRefused(
                f"after the copy, the {name_of(kind)} {key_of(record)} is {where}; stop what writes to either store, and"
                " copy again: what is equal is not written twice"
            )
        records += 1
        digest.update(said.encode())
    return records, digest.hexdigest()


def _side_by_side(
    kind: type[Record], source: Archive, target: Archive
) -> Iterator[tuple[Record | None, Record | None]]:
    """The records of both by key; ``None`` where one has none of that key.

    The target is always read ahead of the source, so what is written of pairs that were given is not met again.
    """
    left, right = _records(kind, source), _records(kind, target)
    ours, theirs = next(left, None), next(right, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and key_of(ours) < key_of(theirs)):
            yield ours, None
            ours = next(left, None)
        elif ours is None or key_of(theirs) < key_of(ours):
            yield None, theirs
            theirs = next(right, None)
        else:
            before, after = ours, theirs
            ours, theirs = next(left, None), next(right, None)
            yield before, after


def _records(kind: type[Record], archive: Archive) -> Iterator[Record]:
    last = ""
    while page := archive.dump(kind, after=last, limit=PAGE):
        yield from page
        last = key_of(page[-1])


def _said(record: Record | None) -> str:
    """A record as text that is the same for equal records, whichever store they come from."""
    if isinstance(record, ScoredMention):
        record = replace(record, score=_rounded(record.score))
    return json.dumps(record, default=_plain, sort_keys=True, ensure_ascii=True)


def _rounded(score: Score) -> Score:
    signals = tuple(replace(signal, value=_digits(signal.value)) for signal in score.signals)
    heads = (score.sentiment, score.category, score.urgency)
    sentiment, category, urgency = ({label: _digits(p) for label, p in head.items()} for head in heads)
    return replace(score, sentiment=sentiment, category=category, urgency=urgency, signals=signals)


def _digits(share: float) -> float:
    return int(share * _DIGITS + 0.5) / _DIGITS


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value)} is no part of a record")
