"""The stream of news: what it says, that it ends when the server stops, and that a store in trouble does not end it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.errors import StoreUnavailable
from tests import REPOSITORY
from tests.factories import FIRE, score
from tests.web.world import Desk

SERVER = """
import uvicorn
from pipeline.web import create_app
from tests.web.world import Desk
desk = Desk()
desk.ticket()
server = uvicorn.Server(uvicorn.Config(create_app(desk.store, desk.config, clock=desk.clock), port=0, log_level="warning"))
startup = server.startup
async def told(sockets=None):
    await startup(sockets)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
server.startup = told
server.run()
"""


class Stream:
    """Events one after the other, as a browser gets them."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.request("GET", "/events")
        self.answer = self.connection.getresponse()

    def next(self) -> tuple[str, Any]:
        """The next event's name and data; ``("", None)`` at the end of the stream."""
        name = ""
        while line := self.answer.readline():
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            if field == "data":
                return name, json.loads(value)
        return "", None


@contextmanager
def stream(address: str) -> Iterator[Stream]:
    found = Stream(int(address.rpartition(":")[2]))
    try:
        yield found
    finally:
        found.answer.close()
        found.connection.close()


def test_the_stream_tells_the_present_state_first_and_then_each_change(desk: Desk, address: str) -> None:
    desk.ticket()
    with stream(address) as events:
        assert events.answer.headers["content-type"].startswith("text/event-stream")
        name, news = events.next()
        assert (name, news["waiting"], news["crisis"], news["incidents"]) == ("news", 1, 0, 0)
        desk.ticket("it caught fire", given=score("complaint", "critical", 0.9, rules=(FIRE,)))
        desk.watch()
        while news["incidents"] == 0:
            later, news = events.next()
            assert later == "news"
        assert (news["waiting"], news["crisis"], news["incidents"]) == (2, 1, 1)
        assert news["change"] == desk.store.change_count()


def test_a_store_in_trouble_is_told_and_the_stream_goes_on(
    desk: Desk, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> int:
        raise StoreUnavailable("busy")

    with stream(address) as events:
        events.next()
        monkeypatch.setattr(desk.store, "change_count", away)
        assert events.next() == ("trouble", {"error": "busy"})
        monkeypatch.undo()
        assert events.next()[0] == "news"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_server_with_open_streams_stops_when_it_is_told_to(stop: signal.Signals) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, start_new_session=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with stream(f"http://127.0.0.1:{port}") as one, stream(f"http://127.0.0.1:{port}") as other:
            assert one.next()[0] == other.next()[0] == "news"
            server.send_signal(stop)
            assert one.next() == other.next() == ("", None)
        _, errors = server.communicate(timeout=20)
        assert stop is signal.SIGINT or "Traceback" not in errors, errors
    finally:
        server.kill()
        server.communicate()
