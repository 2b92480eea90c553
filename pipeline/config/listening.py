"""Whom and what is listened for, and where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.base import Name, Settings

IMPORT = "import"
"""The query of a batch that came from a file, and of its posts that no configured query matches."""


class Brand(Settings):
    """A name people talk about, and how they write it."""

    name: Name
    aliases: tuple[str, ...] = ()
    misspellings: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    own_accounts: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()


class QuerySettings(Settings):
    """What to listen for; empty ``any`` means the brand's names, aliases, misspellings and handles."""

    name: Name
    brand: str
    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class _SourceSettings(Settings):
    name: Name
    pages: Annotated[int, Field(ge=1, le=1000)] = 10
    timeout: Annotated[float, Field(gt=0, le=120)] = 20.0


class ReplaySource(_SourceSettings):
    """The bundled corpus, told again at ``speed`` times real time, with a crisis planted in it."""

    kind: Literal["replay"]
    path: Path | None = None
    speed: Annotated[float, Field(gt=0)] = 60.0


class FilesSource(_SourceSettings):
    """JSON Lines or CSV files; ``columns`` maps our field names to theirs."""

    kind: Literal["files"]
    paths: tuple[str, ...]
    columns: Mapping[str, str] = {}


class RssSource(_SourceSettings):
    """RSS and Atom feeds; ``{query}`` in a URL is replaced by the query's words."""

    kind: Literal["rss"]
    urls: tuple[str, ...]


class HackerNewsSource(_SourceSettings):
    """Hacker News stories and comments through Algolia's search API."""

    kind: Literal["hackernews"]
    base_url: str = "https://hn.algolia.com/api/v1"


class XSource(_SourceSettings):
    """X's recent search; the bearer token is the secret ``x_bearer_token``."""

    kind: Literal["x"]
    base_url: str = "https://api.x.com"
    query_length: Annotated[int, Field(ge=64)] = 512


SourceSettings = Annotated[
    ReplaySource | FilesSource | RssSource | HackerNewsSource | XSource, Field(discriminator="kind")
]
