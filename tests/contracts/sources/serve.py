"""The command line of the fake servers: prints the address, serves until it is stopped."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.contracts.sources.fake_server import HTTP_FAULTS, FakeServer, Post


def main(fake: type[FakeServer]) -> None:
    """Serve one fake with posts from a file, a spike of made-up ones, or both."""
    parser = argparse.ArgumentParser(description=fake.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--posts", type=Path, help='JSON Lines: {"text", "at" (ISO), "author"}')
    parser.add_argument("--spike", type=int, default=0, help="so many made-up posts over the last hour")
    parser.add_argument("--text", default="Kestrel keeps crashing, number {number}", help="text of the made-up posts")
    parser.add_argument("--fault", default="", help=f"misbehave: {', '.join(HTTP_FAULTS)}, or one of the records'")
    options = parser.parse_args()
    with fake(port=options.port) as server:
        if options.posts:
            server.publish(_read(options.posts))
        server.publish(spike(options.spike, now=datetime.now(UTC), text=options.text))
        if options.fault:
            server.fail(options.fault)
        print(server.url, flush=True)
        threading.Event().wait()


def spike(count: int, *, now: datetime, text: str) -> list[Post]:
    """Made-up posts by many people, evenly over the hour that ends a minute ago."""
    first = now - timedelta(minutes=61)
    return [
        Post(
            number=number,
            text=text.format(number=number),
            at=first + timedelta(hours=1) * number / max(1, count),
            author=f"person{number % 97}",
        )
        for number in range(count)
    ]


def _read(path: Path) -> Iterator[Post]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        yield Post(
            number=row.get("number", number),
            text=row["text"],
            at=datetime.fromisoformat(row["at"]),
            author=row.get("author", "ada"),
        )
