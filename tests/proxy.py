"""A way to a node on which answers get lost: what is sent arrives, what comes back is dropped, cut short or replaced."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LOST, HALF = "lost", "half"


@dataclass
class Proxy:
    """``fault`` says of each request (method, path, body) what befalls it: ``LOST`` or ``HALF`` of its answer, a status
    given instead of asking the node, or ``None``."""

    target: str
    fault: Callable[[str, str, bytes], str | int | None] = lambda *_: None
    seen: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def once(self, what: str | int, path: str) -> None:
        """Let this befall the next request to a path, no other."""
        left = [what]
        self.fault = lambda _, asked, __: left.pop() if left and asked.startswith(path) else None

    def always(self, what: str | int) -> None:
        """Let this befall every request."""
        self.fault = lambda *_: what


@contextmanager
def proxy_to(target: str, *, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy on a port of its own, for as long as it is needed; spoken to over TLS where that is given."""
    proxy = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append((self.command, self.path))
            proxy.headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = proxy.fault(self.command, self.path.partition("?")[0], body)
            if isinstance(fault, int):
                self.answer(fault, b'{"error":{"type":"made_up","reason":"a proxy says so"}}')
                return
            status, content = self.forward(body)
            if fault == LOST:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            elif fault == HALF:
                self.answer(status, content[: len(content) // 2], length=len(content))
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self.answer(status, content)

        def forward(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(urlsplit(proxy.target).netloc, timeout=60)
            kept = {name: self.headers[name] for name in ("Content-Type", "Accept") if name in self.headers}
            try:
                connection.request(self.command, self.path, body or None, kept)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        def answer(self, status: int, content: bytes, *, length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Length", str(len(content) if length is None else length))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that went away

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()
