"""The one HTTP call: bounded in time and size, plain errors, nothing of the address but its host in messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pipeline.errors import RateLimited, SourceRefused, SourceUnavailable, TocsinError
from pipeline.sources.http import Answer, get, json_of, judge, reset_of
from tests.contracts.sources.fake_server import Call, FakeServer, Reply

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Echo(FakeServer):
    """Answers with what it was asked."""

    def answer(self, call: Call) -> Reply:
        if call.path == "/moved":
            return Reply(body=b"", status=301, headers={"location": "/here?moved=1"})
        return Reply.of_json({"path": call.path, "params": call.params, "agent": call.headers.get("user-agent")})


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as running:
        yield running


def _answer(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(where="api.example", status=status, headers=named, body=b"")


def test_a_call_says_who_we_are_and_follows_a_redirect(server: Echo) -> None:
    said = json_of(get(f"{server.url}/moved", timeout=5).body, where="here", advice="")
    assert said["params"] == {"moved": "1"}
    assert str(said["agent"]).startswith("tocsin/")


@pytest.mark.parametrize("fault", ["hang", "drip headers", "drip body"])
def test_a_server_that_dawdles_is_left_at_the_deadline(server: Echo, fault: str) -> None:
    server.fail(fault)
    with pytest.raises(SourceUnavailable, match=r"within 0\.2 s"):
        get(server.url, timeout=0.2)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("cut", SourceUnavailable, "no whole answer"),
        ("too large", SourceRefused, "more than 1 MiB"),
        ("redirects", SourceRefused, "redirects more than 5 times"),
    ],
)
def test_a_broken_answer_is_an_error_of_ours(server: Echo, fault: str, error: type[TocsinError], words: str) -> None:
    server.fail(fault)
    with pytest.raises(error, match=words):
        get(server.url, timeout=5)


def test_nobody_at_the_address_is_unavailable() -> None:
    with Echo() as gone:
        url = gone.url
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1"):
        get(url, timeout=2)


@pytest.mark.parametrize("url", ["ftp://h.example/x", "http://", "http://h.example:port/", "no address at all"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SourceRefused):
        get(url, timeout=2)


def test_messages_and_logs_name_the_host_and_nothing_else_of_the_address(
    server: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (None, "httpx", "httpcore"):
        caplog.set_level("DEBUG", logger=name)
    address = server.url.replace("http://", "http://someone:hidden1@") + "/feed/hidden2?key=hidden3"
    get(address, timeout=5)
    server.fail("cut")
    with pytest.raises(SourceUnavailable) as caught:
        get(address, timeout=5)
    assert "hidden" not in str(caught.value) + repr(caught.value) + caplog.text


def test_it_works_where_an_event_loop_is_running_already(server: Echo) -> None:
    import asyncio

    async def caller() -> int:
        return get(server.url, timeout=5).status

    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(caller())))
    thread.start()
    thread.join()
    assert found == [200]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, SourceRefused), (400, SourceRefused), (401, SourceRefused), (402, SourceRefused), (403, SourceRefused),
        (404, SourceRefused), (410, SourceRefused), (429, RateLimited), (500, SourceUnavailable), (503, SourceUnavailable),
    ],
)  # fmt: skip
def test_every_status_that_is_no_success_is_an_error_of_ours(status: int, error: type[TocsinError]) -> None:
    with pytest.raises(error, match=rf"api\.example answered {status}"):
        judge(_answer(status), now=NOW, advice="look here")


@pytest.mark.parametrize("status", [200, 204, 304])
def test_a_success_is_none(status: int) -> None:
    judge(_answer(status), now=NOW, advice="")


def test_what_a_person_must_mend_comes_with_the_next_step() -> None:
    with pytest.raises(SourceRefused, match="renew the key"):
        judge(_answer(401), now=NOW, advice="renew the key")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "90"}, NOW + timedelta(seconds=90)),
        ({"retry-after": format_datetime(NOW + timedelta(minutes=3), usegmt=True)}, NOW + timedelta(minutes=3)),
        ({"x-rate-limit-reset": str(int(NOW.timestamp()) + 600)}, NOW + timedelta(minutes=10)),
        ({"retry-after": "30", "x-rate-limit-reset": "1"}, NOW + timedelta(seconds=30)),
        ({"x-rate-limit-reset": "12"}, NOW),
        ({"retry-after": "99999999999"}, NOW + timedelta(days=1)),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"x-rate-limit-reset": "-5"}, None),
        ({}, None),
    ],
)
def test_the_time_to_come_back_is_read_and_bounded(headers: dict[str, str], expected: datetime | None) -> None:
    assert reset_of(headers, now=NOW) == expected


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"a": [1, 2', SourceUnavailable),
        (b"", SourceUnavailable),
        (b"<html>Sign in</html>", SourceRefused),
        (b"[1, 2]", SourceRefused),
        (b'"text"', SourceRefused),
        (b'{"a":' + b"[" * 100_000, SourceRefused),
        (b"\xff\xfe\x00", SourceRefused),
    ],
)
def test_a_body_that_is_no_json_object_is_half_an_answer_or_none(body: bytes, error: type[TocsinError]) -> None:
    with pytest.raises(error, match=r"api\.example"):
        json_of(body, where="api.example", advice="")
