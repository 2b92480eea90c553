"""The signed webhook against a real local server that answers every way."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from pipeline.config import WebhookChannel
from pipeline.domain import Notice, Reason
from pipeline.errors import ChannelRefused, ChannelUnavailable, ConfigError
from pipeline.notifiers.webhook import WebhookNotifier
from tests.factories import NOW

HEAD = b"HTTP/1.1 200 OK\r\n" + b"x-more: yes\r\n" * 1000
KEY = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, sharp").decode()
NOTICE = Notice(
    id="incident opened|brightly-fire|severity 3|ops",
    reason=Reason.INCIDENT_OPENED,
    group="brightly-fire",
    channel="ops",
    subject="Severity 3 · Brightly",
    body="ładowarka się pali",
    severity=3,
    created_at=NOW,
)


class Receiver(ThreadingHTTPServer):
    """Answers with a status and headers, or hangs; keeps what it was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.headers, self.hang = 204, {}, threading.Event()
        self.hang.set()
        self.drips: bytes | None = None
        self.got: list[tuple[dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.server.hang.wait(5)
        if self.server.drips == HEAD:
            return self.drip()
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.drip()

    def drip(self):
        """A byte at a time, for ever."""
        for byte in cycle(self.server.drips or b""):
            if self.server.drips is None:
                break
            try:
                self.wfile.write(bytes([byte]))
            except OSError:  # whom it was for has left
                break
            time.sleep(0.01)

    def log_message(self, *_):
        """Keep the test output clean."""


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.hang.set()
    server.drips = None
    server.shutdown()
    server.server_close()


def notifier(receiver, **settings):
    values = {"kind": "webhook", "name": "ops", "url": receiver.url, "allow_private": True, "timeout": 0.5} | settings
    return WebhookNotifier(WebhookChannel(**values), SecretStr(KEY), lambda: datetime.now(UTC))


def test_a_notice_arrives_signed_and_a_receiver_can_verify_it(receiver):
    notifier(receiver).notify(NOTICE)
    ((headers, body),) = receiver.got
    assert Webhook(KEY).verify(body, headers)["data"]["body"] == "ładowarka się pali"
    assert headers["webhook-id"] == NOTICE.id
    assert json.loads(body)["type"] == "incident opened"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_needs_a_person(receiver, status):
    receiver.status = status
    with pytest.raises(ChannelRefused, match=str(status)):
        notifier(receiver).notify(NOTICE)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_other_failures_are_tried_again(receiver, status):
    receiver.status = status
    with pytest.raises(ChannelUnavailable, match=str(status)):
        notifier(receiver).notify(NOTICE)


def test_retry_after_is_obeyed_within_reason(receiver):
    receiver.status, receiver.headers = 429, {"retry-after": "999999"}
    channel = WebhookNotifier(notifier(receiver).settings, SecretStr(KEY), lambda: NOW)
    with pytest.raises(ChannelUnavailable) as caught:
        channel.notify(NOTICE)
    assert caught.value.retry_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("wait", ["9" * 20, "\u00b2", "-5", "", "Wed, 25 Nov 2026 11:00:00 GMT"])
def test_a_retry_after_that_is_no_sane_number_leaves_the_pace_to_us(receiver, wait):
    receiver.status, receiver.headers = 503, {"retry-after": wait}
    with pytest.raises(ChannelUnavailable) as caught:
        notifier(receiver).notify(NOTICE)
    assert caught.value.retry_at is None


@pytest.mark.timeout(20)
def test_an_answer_whose_body_never_ends_is_not_waited_for(receiver):
    receiver.status, receiver.drips = 200, b"."
    notifier(receiver, timeout=60).notify(NOTICE)
    assert len(receiver.got) == 1


@pytest.mark.timeout(20)
def test_an_answer_whose_headers_never_end_is_given_up_at_the_deadline_and_tried_again(receiver):
    receiver.drips = HEAD
    with pytest.raises(ChannelUnavailable, match=r"did not answer within 0\.5 s"):
        notifier(receiver).notify(NOTICE)


def test_a_notice_leaves_from_within_an_event_loop_too(receiver):
    async def inside():
        notifier(receiver).notify(NOTICE)

    asyncio.run(inside())
    assert len(receiver.got) == 1


def test_a_redirect_is_not_followed(receiver):
    receiver.status, receiver.headers = 302, {"location": "http://127.0.0.1:1/"}
    with pytest.raises(ChannelRefused, match="redirect"):
        notifier(receiver).notify(NOTICE)


def test_a_receiver_that_hangs_or_is_gone_is_tried_again(receiver):
    receiver.hang.clear()
    with pytest.raises(ChannelUnavailable, match="did not answer"):
        notifier(receiver).notify(NOTICE)
    receiver.hang.set()
    with pytest.raises(ChannelUnavailable, match="ConnectError"):
        notifier(receiver, url="http://127.0.0.1:1/").notify(NOTICE)


def test_a_private_address_is_refused_unless_allowed(receiver):
    with pytest.raises(ChannelRefused, match="allow_private"):
        notifier(receiver, allow_private=False).notify(NOTICE)
    assert receiver.got == []


def test_no_error_and_no_repr_shows_the_key_or_the_path(receiver):
    receiver.status = 500
    channel = notifier(receiver, url=receiver.url + "?token=hidden")
    with pytest.raises(ChannelUnavailable) as caught:
        channel.notify(NOTICE)
    shown = f"{caught.value!r} {channel!r}"
    assert KEY not in shown
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_a", "not base64 at all!"])
def test_a_key_that_cannot_sign_is_refused_at_the_start(key):
    settings = WebhookChannel(kind="webhook", name="ops", url="https://example.com/hook")
    with pytest.raises(ConfigError, match="Standard Webhooks secret"):
        WebhookNotifier(settings, SecretStr(key), lambda: NOW)


def test_a_person_with_letters_of_their_own_has_an_id_of_their_own(receiver):
    for person in ("Łukasz", "Žukasz"):
        notifier(receiver).notify(replace(NOTICE, id=f"escalated|fire|{person}", person=person))
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
    assert [json.loads(body)["data"]["person"] for _, body in receiver.got] == ["Łukasz", "Žukasz"]
    for headers, body in receiver.got:
        Webhook(KEY).verify(body, headers)
