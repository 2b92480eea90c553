"""Fixtures of the pages: a desk, a browserless client that keeps cookies, and a real server for a real browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi.testclient import TestClient
from httpx2 import Response

from pipeline.web import create_app
from tests.web.world import Desk

ADDRESS = "http://127.0.0.1:8600"


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk()
    yield found
    found.store.close()


@dataclass
class Browser:
    """A person at the pages without a script: follows links, fills forms, keeps cookies."""

    client: TestClient

    def get(self, path: str, **headers: str) -> Response:
        return self.client.get(path, headers=headers)

    def token(self, path: str = "/help") -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def post(
        self, path: str, /, *, follow: bool = True, headers: dict[str, str] | None = None, **fields: object
    ) -> Response:
        data = {"csrf": self.token(), **fields}
        return self.client.post(path, data=data, headers=headers, follow_redirects=follow)

    def be(self, name: str) -> Browser:
        """Choose who one is."""
        assert self.post("/me", responder=name).status_code == 200
        return self


def browser(desk: Desk) -> Browser:
    return Browser(
        TestClient(create_app(desk.store, desk.config, clock=desk.clock, models=lambda: desk.models), base_url=ADDRESS)
    )


@pytest.fixture
def ana(desk: Desk) -> Browser:
    return browser(desk).be("Ana")


@pytest.fixture
def ben(desk: Desk) -> Browser:
    return browser(desk).be("Ben")


@pytest.fixture
def stranger(desk: Desk) -> Browser:
    """Somebody who has not chosen a name."""
    return browser(desk)


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    """The pages on a port of their own, served as in production."""
    app = create_app(desk.store, desk.config, clock=desk.clock, models=lambda: desk.models)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    app.state.live.close()
    server.should_exit = True
    thread.join(timeout=20)
    assert not thread.is_alive(), "the server does not stop"
