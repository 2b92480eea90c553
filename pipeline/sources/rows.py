"""Reads records of a JSON Lines or CSV file from a byte on, and never half of one."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from pipeline.domain import Raw
from pipeline.errors import ConfigError, SourceRefused

UNREADABLE = "unreadable"
"""The key of a record that holds a line which is no record."""

LONGEST_LINE = 8 << 20  # bytes; with a longer one it is no file of posts
LONGEST_ROW = 200  # lines; a quote that is open for longer was never meant to be one
WITNESS = 256  # bytes at the start and before the place read to, by which a file is known again
QUIET = timedelta(minutes=10)  # after which nobody is in the middle of writing a line
DELIMITERS = ",;\t|"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_Rows = Iterator[tuple[Raw | None, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a file has been read, and a digest of what was there, so that another file of the same name is noticed."""

    byte: int = 0
    witness: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one reading gave: records, where it ended, whether more is left, and whether the file was another before."""

    records: tuple[Raw, ...]
    place: Place
    more: bool
    replaced: bool


def read_rows(path: Path, place: Place, *, limit: int, whole: bool, now: datetime) -> Stretch:
    """At most ``limit`` records after ``place``; from the start when the file has been cut or replaced.

    A last line without a line end waits until it is finished, unless ``whole`` says that nobody appends or the file has
    lain quiet. Raises ``ConfigError`` when the file is not there, ``SourceRefused`` when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _read(file, place, path=path, limit=limit, whole=whole, now=now)
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is not there; correct paths in tocsin.toml, or put the file there") from error
    except OSError as error:
        raise SourceRefused(f"{path} cannot be read: {error.strerror}; give this user read permission") from error


def _read(file: BinaryIO, place: Place, *, path: Path, limit: int, whole: bool, now: datetime) -> Stretch:
    status = os.fstat(file.fileno())
    finished = whole or now - datetime.fromtimestamp(status.st_mtime, UTC) > QUIET
    if file.read(2) in _UTF16_MARKS:
        raise SourceRefused(f"{path} is UTF-16; save it as UTF-8")
    replaced = place.byte > status.st_size or (place.byte > 0 and _witness(file, place.byte) != place.witness)
    reached = 0 if replaced else place.byte
    rows = _csv_rows if path.suffix.lower() in (".csv", ".tsv") else _json_rows
    records: list[Raw] = []
    more = False
    for record, end in rows(file, reached, finished=finished, path=path):
        if len(records) == limit:
            more = True
            break
        if record is not None:
            records.append(record)
        reached = end
    kept = Place(byte=reached, witness=_witness(file, reached))
    return Stretch(records=tuple(records), place=kept, more=more, replaced=replaced)


def _witness(file: BinaryIO, end: int) -> str:
    """A digest of the file's beginning and of what stands before ``end``."""
    file.seek(0)
    head = file.read(min(WITNESS, end))
    file.seek(max(0, end - WITNESS))
    return hashlib.sha256(head + file.read(min(WITNESS, end))).hexdigest()[:16]


def _lines(file: BinaryIO, start: int, *, path: Path) -> Iterator[tuple[str, int]]:
    """Each line with its end, and the byte after it."""
    file.seek(start)
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise SourceRefused(
                f"{path} has a line of more than {LONGEST_LINE >> 20} MB after byte {start}; it must be JSON Lines or CSV"
            )
        text = (line.removeprefix(_UTF8_MARK) if start == 0 else line).decode("utf-8", "replace")
        start += len(line)
        yield text, start


# --- JSON Lines -----------------------------------------------------------------------------------------------------


def _json_rows(file: BinaryIO, start: int, *, finished: bool, path: Path) -> _Rows:
    """Each record and the byte after it; ``None`` for a blank line. Half an object is no object, so it can be told."""
    for line, end in _lines(file, start, path=path):
        text = line.strip()
        record = _object(text)
        if record is None and text and not line.endswith("\n") and not finished:
            return
        yield ((record if record is not None else {UNREADABLE: text}) if text else None), end


def _object(text: str) -> Raw | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


# --- CSV ------------------------------------------------------------------------------------------------------------


class _QuoteOpen(Exception):
    """A row goes on in the next line."""


def _csv_rows(file: BinaryIO, start: int, *, finished: bool, path: Path) -> _Rows:
    """Each row by the names in the first one, and the byte after it; ``None`` for the names and for blank rows."""
    first, _ = next(_lines(file, 0, path=path), ("", 0))
    delimiter = max(DELIMITERS, key=first.count)
    header: list[str] = []
    for cells, _, body in _cells(file, 0, delimiter, finished=finished, path=path):
        header = [name.strip() for name in cells or ()]
        if start == 0:
            start = body
            yield None, body
        break
    if not header:
        return
    for cells, text, end in _cells(file, start, delimiter, finished=finished, path=path):
        if cells is None or len(cells) > len(header):
            yield {UNREADABLE: text}, end
        else:
            yield (dict(zip(header, cells, strict=False)) if any(cells) else None), end


def _cells(
    file: BinaryIO, start: int, delimiter: str, *, finished: bool, path: Path
) -> Iterator[tuple[list[str] | None, str, int]]:
    """Each row's cells (``None``: it is no row), its text, and the byte after it.

    A quote that is never closed would swallow the rest of the file: then its own line is given up, and no other.
    """
    while True:
        taken: list[str] = []
        line_end = start
        for line, end in _lines(file, start, path=path):
            line_end = line_end if taken else end
            taken.append(line)
            try:
                cells = _row(taken, delimiter)
            except _QuoteOpen:
                if len(taken) < LONGEST_ROW:
                    continue
                break
            if not line.endswith("\n") and not finished:
                return
            yield cells, "".join(taken), end
            taken, start = [], end
        else:
            if not taken or not finished:
                return
        yield None, taken[0], line_end
        start = line_end


def _row(lines: list[str], delimiter: str) -> list[str] | None:
    """The cells of a row; ``None`` when it is none (a cell longer than any post, a stray carriage return)."""
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise _QuoteOpen from error
    try:
        return next(csv.reader(lines, delimiter=delimiter))
    except csv.Error:  # counted and kept as a dead letter by whoever parses it
        return None
