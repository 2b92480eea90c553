"""The bundled posts told again, as if they came in now, with a crisis planted in them: the demo, without key or network.

The script is the same at every start. Its first posts lie in the two hours before the start, the others follow at
``speed`` times real time. The start and the place in the script are the watermark, so a second start goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.config import ReplaySource as Settings
from pipeline.domain import Author, Mention, Page, Query, Raw, Window
from pipeline.errors import BadRecord, ConfigError, SourceRefused
from pipeline.sources import cast

PLANTED = Path(__file__).with_name("planted.jsonl")
PAGE = 100  # posts
BACKLOG = 60  # posts before the start, enough to fill a queue
BACKLOG_MINUTES = 120.0
APART_MINUTES = 4.0  # between two posts of all brands together: four seconds at speed 60
REPEATED = 0.12  # share of posts by somebody who has written to the brand before
ANSWERED = 0.22  # share of complaints, questions and requests that the brand has answered: the queue must not be empty
SHARED = 0.06  # share of posts that others repost or copy
_ASKING = frozenset({"complaint", "question", "request"})
_GRAVE = 3  # the corpus's highest urgency: left for people to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One post of the script. ``minute`` 0 is the start; before it minutes are real ones, after it they run faster."""

    minute: float
    id: str
    brand: str | None
    text: str
    author: Author
    own: bool = False
    in_reply_to: str | None = None
    repost_of: str | None = None

    def at(self, start: datetime, speed: float) -> datetime:
        return start + timedelta(minutes=self.minute if self.minute < 0 else self.minute / speed)


class ReplaySource:
    """Implements ``ports.Source``; a query gets the posts of its brand. A position is ``<start>|<posts told>``."""

    kind: ClassVar[str] = "replay"
    order: ClassVar[Literal["newest first", "oldest first"]] = "oldest first"

    def __init__(self, settings: Settings, *, paths: Sequence[Path]) -> None:
        """``paths`` are the bundled posts; those at the settings' own path are told instead, without the crisis."""
        self.name = settings.name
        self._speed = settings.speed
        self._path = settings.path
        self._bundled = tuple(paths)

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        """The posts that have been told since the watermark; the first fetch is the start of the replay.

        Raises ``ConfigError`` for a file that cannot be read, ``SourceRefused`` for a watermark of another kind.
        """
        start, told = self._place(window.newer_than, now=now)
        script = [line for line in self._script if line.brand in (None, query.brand)]
        due = [line for line in script[told : told + PAGE] if line.at(start, self._speed) <= now]
        reached = told + len(due)
        more = reached < len(script) and script[reached].at(start, self._speed) <= now
        if not due and window.newer_than is not None:
            return Page()
        own = next(iter(query.own_accounts[::-1]), None)
        return Page(
            records=tuple(self._record(line, start, own=own) for line in due),
            newest=f"{start.isoformat()}|{reached}",
            oldest=f"{start.isoformat()}|{told}",
            newest_at=due[-1].at(start, self._speed) if due else None,
            oldest_at=due[0].at(start, self._speed) if due else None,
            next_token=str(reached) if more else None,
        )

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        """The mention of one told post; raises ``BadRecord``."""
        native, text, handle = (_text(raw, key) for key in ("id", "text", "handle"))
        if not (native and text and handle):
            raise BadRecord("no id, text or author")
        followers, answered, original = raw.get("followers"), _text(raw, "in_reply_to"), _text(raw, "repost_of")
        return Mention(
            id=f"{self.name}:{native}",
            source=self.name,
            query=query.name,
            brand=query.brand,
            author=Author(
                id=f"{self.name}:{handle}",
                handle=handle,
                name=_text(raw, "name"),
                followers=followers if isinstance(followers, int) else None,
            ),
            text=text,
            posted_at=_time(_text(raw, "at")),
            collected_at=collected_at,
            in_reply_to=f"{self.name}:{answered}" if answered else None,
            repost_of=f"{self.name}:{original}" if original else None,
            own=raw.get("own") is True,
        )

    def _place(self, watermark: str | None, *, now: datetime) -> tuple[datetime, int]:
        if watermark is None:
            return now, 0
        start, _, told = watermark.partition("|")
        try:
            return datetime.fromisoformat(start), int(told)
        except ValueError as error:
            raise SourceRefused(
                f"source {self.name!r} was no replay before (its watermark is {watermark[:40]!r}); give it another name"
            ) from error

    def _record(self, line: _Line, start: datetime, *, own: str | None) -> Raw:
        handle = own if line.own and own else line.author.handle
        return {
            "id": line.id,
            "at": line.at(start, self._speed).isoformat(),
            "handle": handle,
            "name": line.author.name,
            "followers": line.author.followers,
            "text": line.text,
            "own": line.own,
            "in_reply_to": line.in_reply_to,
            "repost_of": line.repost_of,
        }

    @cached_property
    def _script(self) -> list[_Line]:
        """All posts with what follows them, in the order in which they are told."""
        if self._path is None:
            lines = [*_staged(_rows(self._bundled)), *map(_planted, _rows((PLANTED,)))]
        else:
            lines = _staged(_rows(sorted(self._path.glob("*.jsonl")) if self._path.is_dir() else (self._path,)))
        return sorted(lines, key=lambda line: (line.minute, line.id))


def _staged(rows: Sequence[Mapping[str, object]]) -> list[_Line]:
    """Posts of all languages and brands, mixed, each at its minute and with its author, answer, repost and copy."""
    mixed = sorted(rows, key=lambda row: cast.chance("order", str(row["id"])))
    lines: list[_Line] = []
    writers: dict[tuple[object, object], Author] = {}
    for place, row in enumerate(mixed):
        native = str(row["id"])
        circle = row.get("brand"), row.get("lang")
        again = circle in writers and cast.chance("again", native) < REPEATED
        author = writers[circle] if again else cast.author(native)
        writers[circle] = author
        brand = row.get("brand")
        line = _Line(
            minute=_minute(place, native),
            id=native,
            brand=None if brand is None else str(brand),
            text=str(row["text"]),
            author=author,
        )
        lines += [line, *_followed(line, row)]
    return lines


def _minute(place: int, native: str) -> float:
    drift = cast.chance("drift", native)  # people do not write by the clock
    if place < BACKLOG:
        return (place + drift - BACKLOG) * BACKLOG_MINUTES / BACKLOG
    return (place + drift - BACKLOG) * APART_MINUTES


def _followed(line: _Line, row: Mapping[str, object]) -> Iterator[_Line]:
    """What others make of a post: the brand's answer, a repost, a copy with a word more."""
    if row.get("category") in _ASKING and row.get("urgency") != _GRAVE and cast.chance("answered", line.id) < ANSWERED:
        yield replace(
            line,
            minute=line.minute + 3 + 40 * cast.chance("patience", line.id),
            id=f"{line.id}-answer",
            text=cast.answer(line.id, str(row.get("lang"))),
            author=Author(id="", handle=f"{line.brand or 'brand'} help".replace(" ", "").lower(), name="Help"),
            own=True,
            in_reply_to=line.id,
        )
    shared = cast.chance("shared", line.id)
    if shared < SHARED:
        copied = shared < SHARED / 3
        native = f"{line.id}-{'copy' if copied else 'repost'}"
        yield replace(
            line,
            minute=line.minute + 2 + 30 * cast.chance("echo", line.id),
            id=native,
            text=f"{line.text} 😳" if copied else line.text,
            author=cast.author(native),
            repost_of=None if copied else line.id,
        )


def _planted(row: Mapping[str, object]) -> _Line:
    return _Line(
        minute=float(str(row["minute"])),
        id=str(row["id"]),
        brand=str(row["brand"]),
        text=str(row["text"]),
        author=Author(id="", handle=str(row["handle"]), name=str(row["name"]), followers=int(str(row["followers"]))),
        in_reply_to=_text(row, "in_reply_to") or None,
        repost_of=_text(row, "repost_of") or None,
    )


def _rows(paths: Sequence[Path]) -> list[Mapping[str, object]]:
    """The posts in the files; raises ``ConfigError`` naming a file or line that cannot be read."""
    rows: list[Mapping[str, object]] = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be replayed: {error}") from error
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}, line {number} is no JSON: {error}") from error
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise ConfigError(f"{path}, line {number} has no text")
            rows.append({"id": f"{path.stem}-{number}", **row})
    if not rows:
        raise ConfigError("there is nothing to replay; leave path out for the bundled posts, or name a JSON Lines file")
    return rows


def _time(iso: str) -> datetime:
    try:
        return datetime.fromisoformat(iso)
    except ValueError as error:
        raise BadRecord(f"at is {iso!r}, no time") from error


def _text(raw: Mapping[str, object], key: str) -> str:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRecord(f"{key} is no text")
    return value or ""
