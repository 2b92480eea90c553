"""What the contract suite needs of each source: publish posts there, make it fail, look at its calls."""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from pipeline import config
from pipeline.errors import RateLimited, SourceRefused, SourceUnavailable, TocsinError
from pipeline.ports import Source
from pipeline.sources.files import FilesSource
from pipeline.sources.hackernews import HackerNewsSource
from pipeline.sources.rss import RssSource, digest
from pipeline.sources.x import XSource
from tests.contracts.sources.fake_hackernews import FakeHackerNews
from tests.contracts.sources.fake_rss import FakeRss
from tests.contracts.sources.fake_server import FakeServer, Post
from tests.contracts.sources.fake_x import TOKEN, FakeX, native_id

# Which error of ours each fault of a server must end in.
OUTCOMES: Mapping[str, type[TocsinError]] = {
    "400": SourceRefused, "401": SourceRefused, "403": SourceRefused, "404": SourceRefused, "429": RateLimited,
    "500": SourceUnavailable, "503": SourceUnavailable, "hang": SourceUnavailable, "drip headers": SourceUnavailable,
    "drip body": SourceUnavailable, "cut": SourceUnavailable, "half JSON": SourceUnavailable,
    "login page": SourceRefused, "empty body": SourceUnavailable, "list": SourceRefused, "too large": SourceRefused,
    "redirects": SourceRefused,
}  # fmt: skip
SPOILS = ("wrong types", "duplicate ids", "missing ids", "absurd dates")
SLOW = ("hang", "drip headers", "drip body")


class Driver(ABC):
    """One source and the world behind it."""

    kind: str
    page = 10  # posts
    unshown: Sequence[str] = ()  # faults that are none to this source
    spoils_that_are_bad: Sequence[str] = ("wrong types", "missing ids", "absurd dates")
    secret = ""
    # Reasons why a part of the contract is not for this source; empty: it is.
    no_backlog = ""
    no_network = ""
    no_loop = ""

    @abstractmethod
    def source(self) -> Source:
        """A new source, as a new process would make it."""

    @abstractmethod
    def publish(self, posts: Sequence[Post]) -> None:
        """Put posts there."""

    @abstractmethod
    def id_of(self, post: Post) -> str:
        """The id of the mention that a post becomes."""

    def set_clock(self, now: Callable[[], datetime]) -> None:  # noqa: B027 (most worlds need no clock)
        """Give the world the suite's clock."""

    def close(self) -> None:  # noqa: B027 (most leave nothing)
        """Leave nothing behind."""


class Networked(Driver):
    """A source behind a fake server."""

    server: FakeServer
    loop = ""
    timeout = 20.0

    def publish(self, posts: Sequence[Post]) -> None:
        self.server.publish(posts)

    def set_clock(self, now: Callable[[], datetime]) -> None:
        self.server.now = now

    def fail(self, fault: str) -> None:
        """Show a fault from now on; only one that dawdles is worth an impatient source."""
        self.timeout = 0.5 if fault in SLOW else 20.0
        self.server.fail(fault)

    def heal(self) -> None:
        """Be well, and have all the time there is."""
        self.timeout = 20.0
        self.server.heal()

    def close(self) -> None:
        self.server.__exit__(None, None, None)


class XDriver(Networked):
    """X."""

    kind = "x"
    secret = TOKEN
    loop = "repeated token"

    def __init__(self, folder: Path) -> None:
        self.server = FakeX(limit=100_000).__enter__()

    def source(self) -> Source:
        settings = config.XSource(kind="x", name="x", base_url=self.server.url, timeout=self.timeout)
        return XSource(settings, SecretStr(self.secret), results=self.page)

    def id_of(self, post: Post) -> str:
        return f"x:{native_id(post)}"


class HackerNewsDriver(Networked):
    """Hacker News."""

    kind = "hackernews"
    loop = "endless page"

    def __init__(self, folder: Path) -> None:
        self.server = FakeHackerNews().__enter__()

    def source(self) -> Source:
        url = f"{self.server.url}/api/v1"
        settings = config.HackerNewsSource(kind="hackernews", name="hn", base_url=url, timeout=self.timeout)
        return HackerNewsSource(settings, hits=self.page)

    def id_of(self, post: Post) -> str:
        return f"hn:{post.number}"


class RssDriver(Networked):
    """Feeds."""

    kind = "rss"
    secret = "a-key-in-a-feed-address"
    no_backlog = "a feed shows its newest entries only: it has no pages, and what rolled over is reported as lost"
    no_loop = "a feed has no pages that could repeat"
    # A document cut short still shows its first entries; they are used, and the rest comes with the next reading.
    spoils_that_are_bad = ("wrong types", "absurd dates")  # an entry without an id gets one of its words
    unshown = ("half JSON",)

    def __init__(self, folder: Path) -> None:
        self.server = FakeRss(entries=100_000).__enter__()

    def source(self) -> Source:
        urls = (f"{self.server.url}/feed/blog.xml?key={self.secret}",)
        return RssSource(config.RssSource(kind="rss", name="rss", urls=urls, timeout=self.timeout))

    def id_of(self, post: Post) -> str:
        return f"rss:{digest(f'https://blog.example/blog/{post.number}')}"


class FilesDriver(Driver):
    """JSON Lines or CSV files."""

    no_network = "files are read without a network"
    no_loop = "a file has no page tokens of its own"

    def __init__(self, folder: Path, *, ending: str) -> None:
        self.kind = f"files ({ending})"
        self.path = folder / f"posts.{ending}"
        self.path.touch()

    def source(self) -> Source:
        return FilesSource("files", (str(self.path),), {})

    def publish(self, posts: Sequence[Post]) -> None:
        rows = [
            {"id": str(post.number), "text": post.text, "author": post.author, "created_at": post.at.isoformat()}
            for post in posts
        ]
        with self.path.open("a", encoding="utf-8", newline="") as file:
            if self.path.suffix == ".jsonl":
                file.writelines(json.dumps(row) + "\n" for row in rows)
                return
            writer = csv.DictWriter(file, ["id", "text", "author", "created_at"])
            if file.tell() == 0:
                writer.writeheader()
            writer.writerows(rows)

    def id_of(self, post: Post) -> str:
        return f"files:{post.number}"


DRIVERS: Mapping[str, Callable[[Path], Driver]] = {
    "x": XDriver,
    "hackernews": HackerNewsDriver,
    "rss": RssDriver,
    "files (jsonl)": lambda folder: FilesDriver(folder, ending="jsonl"),
    "files (csv)": lambda folder: FilesDriver(folder, ending="csv"),
}
