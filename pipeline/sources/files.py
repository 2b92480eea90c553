"""Posts from JSON Lines and CSV files: exports, archives, what other programs append. Also read by ``tocsin import``.

A file is a log: a position is the byte up to which each file has been read, so lines appended later are read later.
"""

from __future__ import annotations

import email.utils
import glob
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pipeline.domain import Author, Mention, Page, Query, Raw, Window
from pipeline.errors import BadRecord, ConfigError, SourceRefused
from pipeline.sources.rows import UNREADABLE, Place, read_rows

PAGE = 250  # records: what a crash makes us read again at most; landing so many costs little more than one
# What others call our fields, likeliest first; compared without case, blanks and hyphens.
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "tweet_id", "post_id", "status_id", "comment_id", "id_str", "uuid"),
    "text": ("text", "body", "content", "full_text", "message", "comment", "review"),
    "author": ("author", "author_id", "user", "username", "user_name", "screen_name", "handle"),
    "author_name": ("author_name", "display_name", "name"),
    "followers": ("followers", "followers_count", "author_followers"),
    "created_at": ("created_at", "date", "timestamp", "posted_at", "published", "datetime", "time"),
    "url": ("url", "link", "permalink"),
    "in_reply_to": ("in_reply_to", "in_reply_to_status_id", "in_response_to_tweet_id", "reply_to", "parent_id"),
    "conversation": ("conversation", "conversation_id", "thread", "thread_id"),
    "inbound": ("inbound",),
    "language": ("language", "lang"),
    "likes": ("likes", "like_count", "favorite_count"),
    "reposts": ("reposts", "repost_count", "retweets", "retweet_count"),
}
_TRUE, _FALSE = frozenset({"true", "1", "yes", "t"}), frozenset({"false", "0", "no", "f"})
_NOTHING = frozenset({"", "null", "none", "nan", "n/a"})
_MILLISECONDS = 1e11  # seconds of the year 5138: a number as large counts milliseconds


class FilesSource:
    """Implements ``ports.Source``; ``inbound: false`` marks what the brand itself has written."""

    kind: ClassVar[str] = "files"
    order: ClassVar[Literal["newest first", "oldest first"]] = "oldest first"

    def __init__(self, name: str, paths: Sequence[str], columns: Mapping[str, str], *, whole: bool = False) -> None:
        """``paths`` may be patterns, ``columns`` maps our names to the files'. ``whole``: nobody appends to them.

        Raises ``ConfigError`` for a column of ours that there is not.
        """
        unknown = sorted(set(columns) - set(NAMES))
        if unknown:
            raise ConfigError(f"source {name!r}: there is no column {unknown[0]!r} to map; known: {', '.join(NAMES)}")
        self.name = name
        self._paths = tuple(paths)
        self._columns = dict(columns)
        self._whole = whole

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        """The next records of all files in the order of their names; every query sees every record.

        A file that was cut or replaced is read from its start, and told as ``lost``, as the old one's end may be unread.
        """
        places = self._places(window.newer_than)
        records: list[Raw] = []
        lost: list[str] = []
        more = False
        for path in self._files():
            if len(records) == PAGE:
                more = True
                break
            place = places.get(str(path), Place())
            stretch = read_rows(path, place, limit=PAGE - len(records), whole=self._whole, now=now)
            if stretch.replaced:
                lost.append(f"{path} was cut or replaced after byte {place.byte}; it is read again from its start")
            records += stretch.records
            places[str(path)] = stretch.place
            more = more or stretch.more
        position = json.dumps({path: [place.byte, place.witness] for path, place in places.items()})
        if not records and position == window.newer_than:
            return Page()
        last = _moment(self._value(records[-1], "created_at")) if records else None
        return Page(
            records=tuple(records),
            newest=position,
            oldest=position,
            newest_at=last,
            next_token=position if more else None,
            lost="; ".join(lost) or None,
        )

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        """The mention of one record; one without an id gets that of its words. Raises ``BadRecord``."""
        if UNREADABLE in raw and len(raw) == 1:
            raise BadRecord("no record: a line that is neither a JSON object nor a row with the file's columns")
        text = self._text(raw, "text")
        if not text:
            raise BadRecord("no text")
        said = self._value(raw, "created_at")
        posted_at = _moment(said)
        if posted_at is None:
            raise BadRecord("no created_at" if said in (None, "") else f"created_at is {str(said)[:40]!r}, no time")
        handle = (self._native(raw, "author") or "").lstrip("@")
        native = self._native(raw, "id") or _digest(handle, posted_at.isoformat(), text)
        url = self._text(raw, "url")
        return Mention(
            id=f"{self.name}:{native}",
            source=self.name,
            query=query.name,
            brand=query.brand,
            # Posts without an author are not all by one.
            author=Author(
                id=f"{self.name}:{handle or f'author of {native}'}",
                handle=handle,
                name=self._text(raw, "author_name"),
                followers=self._count(raw, "followers"),
            ),
            text=text,
            posted_at=posted_at,
            collected_at=collected_at,
            language=_language(self._text(raw, "language")),
            url=url if url.startswith(("https://", "http://")) else None,
            conversation=self._prefixed(raw, "conversation") or "",
            in_reply_to=self._prefixed(raw, "in_reply_to"),
            own=self._inbound(raw) is False,
            likes=self._count(raw, "likes") or 0,
            reposts=self._count(raw, "reposts") or 0,
        )

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self) -> list[Path]:
        found: dict[str, None] = {}
        for pattern in self._paths:
            matching = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))
            if not matching:
                raise ConfigError(f"{pattern} is not there; correct paths in tocsin.toml, or put the file there")
            found |= dict.fromkeys(matching)
        return [Path(path) for path in found]

    def _places(self, position: str | None) -> dict[str, Place]:
        try:
            stored = json.loads(position or "{}")
            return {path: Place(byte=int(byte), witness=str(witness)) for path, (byte, witness) in stored.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise SourceRefused(
                f"source {self.name!r} did not read files before (its watermark is {str(position)[:40]!r}); give it"
                " another name"
            ) from error

    # --- fields -------------------------------------------------------------------------------------------------------

    def _value(self, raw: Raw, field: str) -> object:
        """A field by our own name, the mapped name, or one of those it usually has."""
        mapped = self._columns.get(field)
        if mapped is not None and mapped in raw:
            return raw[mapped]
        if field in raw:
            return raw[field]
        if mapped is not None:
            return None
        theirs = {_plain(key): value for key, value in raw.items()}
        return next((theirs[name] for name in NAMES[field] if name in theirs), None)

    def _text(self, raw: Raw, field: str) -> str:
        value = self._value(raw, field)
        if value is not None and not isinstance(value, str):
            raise BadRecord(f"{field} is no text")
        return (value or "").strip()

    def _native(self, raw: Raw, field: str) -> str | None:
        """An id, a text or a whole number."""
        value = self._value(raw, field)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise BadRecord(f"{field} is neither text nor a whole number")
        text = "" if value is None else str(value).strip()
        return None if text.lower() in _NOTHING else text

    def _prefixed(self, raw: Raw, field: str) -> str | None:
        native = self._native(raw, field)
        return f"{self.name}:{native}" if native else None

    def _count(self, raw: Raw, field: str) -> int | None:
        value = self._value(raw, field)
        if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
            return None
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else -1.0
        except (ValueError, OverflowError):
            number = -1.0
        if not (number >= 0 and number.is_integer()):
            raise BadRecord(f"{field} is {str(value)[:40]!r}, no count")
        return int(number)

    def _inbound(self, raw: Raw) -> bool | None:
        value = self._value(raw, "inbound")
        said = str(value).strip().lower()
        if value is None or said in _NOTHING:
            return None
        if said not in _TRUE | _FALSE:
            raise BadRecord(f"inbound is {str(value)[:40]!r}, neither true nor false")
        return said in _TRUE


@lru_cache(maxsize=1000)
def _plain(key: str) -> str:
    return re.sub(r"\W+", "_", key.strip().lower())


def _moment(value: object) -> datetime | None:
    """A time as files give it: ISO 8601, seconds or milliseconds since 1970, as in mails or old Twitter; UTC if unsaid."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    try:
        if re.fullmatch(r"\d{9,13}(?:\.\d*)?", text):
            seconds = float(text)
            return datetime.fromtimestamp(seconds / 1000 if seconds >= _MILLISECONDS else seconds, UTC)
        found = _iso(text) or _spelt(text)
        return None if found is None else found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _spelt(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %z %Y")  # Twitter's first API, in many archives
    except ValueError:
        return email.utils.parsedate_to_datetime(text)


def _language(code: str) -> str:
    found = re.match(r"[a-zA-Z]{2,3}(?![a-zA-Z])", code)
    return found[0].lower() if found else "und"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]
