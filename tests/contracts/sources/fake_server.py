"""A local HTTP server that can misbehave on demand: what the faithful fakes of the networks have in common."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

# Faults of the wire and the server, which every fake can show; each fake adds those of its own records.
HTTP_FAULTS = (
    "400", "401", "403", "404", "429", "500", "503",
    "hang", "drip headers", "drip body", "cut", "half JSON", "login page", "empty body", "list", "too large", "redirects",
)  # fmt: skip
BODY_FAULTS = ("wrong types", "duplicate ids", "missing ids", "absurd dates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post as every fake can publish it; ``number`` makes its native id."""

    number: int
    text: str
    at: datetime
    author: str = "ada"
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as the server saw it."""

    path: str
    params: Mapping[str, str]
    headers: Message


@dataclass(slots=True, kw_only=True)
class Reply:
    """What the server answers when it is well."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """A JSON answer."""
        named = {"content-type": "application/json; charset=utf-8", **(headers or {})}
        return cls(body=json.dumps(value, ensure_ascii=False).encode(), status=status, headers=named)


class FakeServer:
    """Serves ``answer`` on 127.0.0.1 at a free port; ``fail`` makes it misbehave, ``heal`` ends that.

    ``now`` is the server's clock (a test sets it); ``on_call`` is run before each answer, with the number of the call.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.posts: list[Post] = []
        self.calls: list[Call] = []
        self.lock = threading.RLock()
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.on_call: Callable[[int], None] = lambda number: None
        self.reset_in: float = 120.0  # seconds after which a 429 says to come back
        self._fault: str | None = None
        self._times: int | None = None
        self._path = ""
        self._closing = threading.Event()
        self._port = port

    def answer(self, call: Call) -> Reply:
        """What a healthy server answers."""
        raise NotImplementedError

    def complaint(self, status: int) -> object:
        """The JSON body that the network sends with a status."""
        return {"status": status, "message": f"failure {status}"}

    def publish(self, posts: Iterable[Post]) -> None:
        """Add posts."""
        with self.lock:
            self.posts.extend(posts)

    def fail(self, fault: str, *, times: int | None = None, path: str = "") -> None:
        """Show a fault for a number of calls (``None``: until ``heal``) at paths that begin with ``path``."""
        with self.lock:
            self._fault, self._times, self._path = fault, times, path

    def heal(self) -> None:
        """Be well again."""
        self.fail("", times=0)

    def fault_for(self, call: Call) -> str | None:
        """The fault to show now."""
        with self.lock:
            if not self._fault or self._times == 0 or not call.path.startswith(self._path):
                return None
            if self._times is not None:
                self._times -= 1
            return self._fault

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fake._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        call = Call(path=parts.path, params=dict(parse_qsl(parts.query)), headers=handler.headers)
        with self.lock:
            self.calls.append(call)
            number = len(self.calls)
        self.on_call(number)
        fault = self.fault_for(call)
        try:
            if fault in HTTP_FAULTS:
                self._misbehave(handler, call, fault or "")
            else:
                with self.lock:
                    reply = self.answer(call)
                    if fault:
                        reply = self.spoil(reply, fault)
                _send(handler, reply)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True  # the client has hung up, as some faults provoke

    def spoil(self, reply: Reply, fault: str) -> Reply:
        """The answer with records gone bad."""
        raise NotImplementedError(f"{type(self).__name__} cannot show {fault!r}")

    def _misbehave(self, handler: BaseHTTPRequestHandler, call: Call, fault: str) -> None:
        if fault.isdecimal():
            reset = self.now().timestamp() + self.reset_in
            headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(reset))} if fault == "429" else {}
            _send(handler, Reply.of_json(self.complaint(int(fault)), status=int(fault), headers=headers))
        elif fault == "login page":
            page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"
            _send(handler, Reply(body=page, headers={"content-type": "text/html"}))
        elif fault == "list":
            _send(handler, Reply.of_json([]))
        elif fault == "empty body":
            _send(handler, Reply(body=b""))
        elif fault == "redirects":
            _send(handler, Reply(body=b"", status=302, headers={"location": handler.path}))
        else:
            self._break_off(handler, call, fault)

    def _break_off(self, handler: BaseHTTPRequestHandler, call: Call, fault: str) -> None:
        """Faults that end, or never end, in the middle of an answer."""
        handler.close_connection = True
        if fault == "hang":
            self._closing.wait(60)
            return
        if fault == "drip headers":
            self._drip(handler, b"HTTP/1.1 200 OK\r\nx-filler: " + b"a" * 10_000)
            return
        reply = self.answer(call)
        if fault == "half JSON":  # a proxy that gives up counts what it sends
            _send(handler, Reply(body=reply.body[: len(reply.body) * 2 // 3], headers=reply.headers))
            return
        if fault == "too large":
            handler.send_response(200)
            handler.end_headers()
            while not self._closing.is_set():
                handler.wfile.write(b" " * 2**20)
            return
        handler.send_response(200)
        handler.send_header("content-length", str(len(reply.body) + 100))
        handler.end_headers()
        if fault == "cut":
            handler.wfile.write(reply.body[: len(reply.body) // 2])
            return
        self._drip(handler, reply.body + b" " * 10_000)

    def _drip(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        for place in range(len(content)):
            handler.wfile.write(content[place : place + 1])
            handler.wfile.flush()
            if self._closing.wait(0.05):
                return


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if reply.status != 304:
        handler.send_header("content-length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body)
