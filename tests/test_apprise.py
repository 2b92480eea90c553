"""Apprise against local servers: a web service that answers every code, hangs, redirects and lies, and a mail server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from pipeline import app
from pipeline.config import AppriseChannel, parse, secrets_needed
from pipeline.errors import ChannelRefused, ChannelUnavailable, SecretMissing
from pipeline.notifiers.apprise import AppriseNotifier
from tests.contracts.store.made import notice
from tests.factories import NOW

KEY = "T0PS3CRET"
NOTICE = notice(
    subject="Severity 4 · Brightly", body="ładowarka się pali\nI have it: http://127.0.0.1/ack/x", severity=4
)


class Service(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.headers, self.body, self.hang = 200, {}, b"{}", False
        self.got: list[tuple[str, dict[str, object]]] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.server.got.append((self.path, json.loads(self.rfile.read(length) or b"{}")))
        if self.server.hang:
            time.sleep(30)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Keep the test output clean."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    yield server
    server.shutdown()
    server.server_close()


def notifier(url: str, **settings: object) -> AppriseNotifier:
    values = {"kind": "apprise", "name": "chat", "allow_private": True, "timeout": 10} | settings
    return AppriseNotifier(AppriseChannel.model_validate(values), SecretStr(url))


def test_a_notice_arrives_whole(service: Service) -> None:
    notifier(f"json://ana:{KEY}@{service.place}/hook").notify(NOTICE)
    ((path, got),) = service.got
    assert path == "/hook"
    assert (got["title"], got["type"]) == (NOTICE.subject, "failure")
    assert got["message"] == NOTICE.body


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ChannelRefused),
        (503, ChannelUnavailable),
    ],
)
def test_what_a_service_answers_decides_whether_a_person_must_act(
    service: Service, status: int, error: type[Exception]
) -> None:
    service.status, service.body = status, KEY.encode()
    with pytest.raises(error, match=f"answered {status}") as caught:
        notifier(f"json://ana:{KEY}@{service.place}/hook").notify(NOTICE)
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"


class Told(AppriseNotifier):
    """A channel whose sending process is told what to answer."""

    said: object = None

    def _sent(self, letter: str) -> object:
        return self.said


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_of_a_service_refuses_for_good_or_is_tried_again(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Told, "said", {"sent": False, "status": status, "why": ""})
    with pytest.raises((ChannelRefused, ChannelUnavailable), match=f"answered {status}") as caught:
        Told(notifier("json://x").settings, SecretStr("json://x")).notify(NOTICE)
    assert isinstance(caught.value, ChannelRefused) == (status in {400, 401, 403, 404, 405, 410, 413, 415, 422})


@pytest.mark.parametrize("said", [None, [], {}, {"sent": "yes"}, {"sent": False, "status": "500"}, 7])
def test_an_answer_that_is_none_is_tried_again(said: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Told, "said", said)
    with pytest.raises(ChannelUnavailable):
        Told(notifier("json://x").settings, SecretStr("json://x")).notify(NOTICE)


@pytest.mark.timeout(60)
def test_a_service_that_hangs_is_given_up_and_tried_again(service: Service) -> None:
    service.hang = True
    started = time.monotonic()
    with pytest.raises(ChannelUnavailable):
        notifier(f"json://{service.place}/{KEY}", timeout=1).notify(NOTICE)
    assert time.monotonic() - started < 25


def test_a_service_that_lies_about_its_length_has_taken_it_or_is_tried_again(service: Service) -> None:
    service.headers = {"content-length": "1000"}
    with pytest.raises(ChannelUnavailable):
        notifier(f"json://{service.place}/{KEY}").notify(NOTICE)


def test_a_service_that_is_gone_is_tried_again() -> None:
    with pytest.raises(ChannelUnavailable, match="could not be reached") as caught:
        notifier(f"json://127.0.0.1:1/{KEY}").notify(NOTICE)
    assert KEY not in str(caught.value)


def test_a_private_address_is_refused_before_anything_is_sent(service: Service) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(ChannelRefused, match="private address"):
            notifier(f"json://{host}:{service.server_address[1]}/{KEY}", allow_private=False).notify(NOTICE)
    assert service.got == []


GUARDED = """
import sys, requests
from pipeline.notifiers import addresses, sending
sending.is_public = lambda host: host == "127.0.0.1" and allowed.pop()  # the first place is public, where it leads is not
allowed = [False, True]
print(sending.send(sending.Letter(url=sys.argv[1], subject="s", body="b", severity=4, timeout=5)))
"""


def test_a_redirect_to_a_private_address_is_not_followed(service: Service) -> None:
    service.status, service.headers = 307, {"location": f"http://{service.place}/private", "content-length": "0"}
    url = f"json://{service.place}/hook?redirect=yes"
    done = subprocess.run([sys.executable, "-c", GUARDED, url], capture_output=True, text=True, check=True, timeout=60)
    assert "sent=False" in done.stdout
    assert [path for path, _ in service.got] == ["/hook"]


def test_an_address_that_turns_certificates_off_is_refused() -> None:
    with pytest.raises(ChannelRefused, match="certificates"):
        notifier(f"jsons://example.com/{KEY}?verify=no", allow_private=False).notify(NOTICE)


@pytest.mark.parametrize("url", ["", f"slack://{KEY}"])
def test_an_address_that_apprise_does_not_know_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ChannelRefused, match="none that Apprise knows") as caught:
        notifier(url).notify(NOTICE)
    assert KEY not in str(caught.value)


def test_no_repr_shows_the_address() -> None:
    assert KEY not in repr(notifier(f"json://ana:{KEY}@example.com"))


class Mail(threading.Thread):
    """A mail server that takes one letter."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.letter = b""

    def run(self) -> None:
        with self.socket:
            connection, _ = self.socket.accept()
        with connection, connection.makefile("rwb") as file:

            def say(line: str) -> None:
                file.write(line.encode() + b"\r\n")
                file.flush()

            say("220 mail")
            while line := file.readline():
                match line[:4].upper():
                    case b"EHLO" | b"HELO":
                        say("250 mail")
                    case b"DATA":
                        say("354 go on")
                        while (part := file.readline()) not in {b".\r\n", b""}:
                            self.letter += part
                        say("250 taken")
                    case b"QUIT":
                        say("221 bye")
                        return
                    case _:
                        say("250 well")


def test_mail_is_a_channel_too() -> None:
    server = Mail()
    server.start()
    port = server.socket.getsockname()[1]
    notifier(f"mailto://127.0.0.1:{port}?from=tocsin@example.com&to=ana@example.com&mode=insecure").notify(
        replace(NOTICE, body="it burns")
    )
    server.join(timeout=20)
    assert b"to: ana@example.com" in server.letter.lower()
    assert b"it burns" in server.letter or b"aXQgYnVybnM" in server.letter


def test_the_address_is_a_secret_of_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse({"channel": [{"kind": "apprise", "name": "chat"}], "silence": {"heartbeat": True}})
    assert set(secrets_needed(config)) == {"apprise_chat", "heartbeat"}
    with pytest.raises(SecretMissing, match="TOCSIN_APPRISE_CHAT"):
        app.notifier_of(config.channel[0], lambda: NOW)
    monkeypatch.setenv("TOCSIN_APPRISE_CHAT", f"slack://{KEY}")
    made = app.notifier_of(config.channel[0], lambda: NOW)
    assert made.name == "chat"
    assert KEY not in repr(made)
