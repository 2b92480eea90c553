"""Reads the golden files: a list of cases, each with a raw record and the mention it becomes, or why it is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from pipeline import config
from pipeline.domain import Query, Raw
from pipeline.errors import BadRecord
from pipeline.ports import Source
from pipeline.sources.files import FilesSource
from pipeline.sources.hackernews import HackerNewsSource
from pipeline.sources.replay import ReplaySource
from pipeline.sources.rss import RssSource
from pipeline.sources.x import XSource

FOLDER = Path(__file__).parent
COLLECTED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUERY = Query(name="kestrel", brand="Kestrel", any=("kestrel",))


def source_of(kind: str) -> Source:
    """A source of the kind that never fetches anything."""
    match kind:
        case "x":
            return XSource(config.XSource(kind="x", name="x"), SecretStr("unused"))
        case "hackernews":
            return HackerNewsSource(config.HackerNewsSource(kind="hackernews", name="hackernews"))
        case "rss":
            return RssSource(config.RssSource(kind="rss", name="rss", urls=("https://blog.example/feed",)))
        case "files":
            return FilesSource("files", ("posts.jsonl",), {"followers": "fans"})
        case "replay":
            return ReplaySource(config.ReplaySource(kind="replay", name="replay"), paths=())
    raise ValueError(f"no golden source of kind {kind}")


def said_of(source: Source, raw: Raw) -> dict[str, object]:
    """What a source makes of a raw record, as the golden files write it."""
    try:
        mention = source.parse(raw, QUERY, collected_at=COLLECTED_AT)
    except BadRecord as error:
        return {"refused": error.reason}
    return {"mention": json.loads(json.dumps(asdict(mention), default=datetime.isoformat))}


def cases(kind: str) -> list[dict[str, object]]:
    """The cases of one kind."""
    found: list[dict[str, object]] = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    return found
