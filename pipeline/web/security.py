"""What keeps other pages from acting through a responder's browser: headers, tokens, checked hosts and paths."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import Permanent

CSRF_COOKIE = "tocsin_csrf"
LOOPBACK = ("127.0.0.1", "localhost", "::1")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Forged(Permanent):
    """A form did not come from a page of ours, or that page is from another session."""


class SafeHeaders:
    """Adds the headers to every answer, and keeps pages with people's data out of shared caches."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; see the class."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


class KnownHosts:
    """Answers only under its own names: a foreign name that points here (DNS rebinding) would read as a foreign page."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it; see the class."""
        if scope["type"] == "http" and _host(Headers(scope=scope).get("host", "")) not in self.hosts:
            words = "Tocsin does not answer under this name; set [web] address in tocsin.toml to the one you use."
            await PlainTextResponse(words, status_code=400)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def allowed_hosts(address: str) -> frozenset[str]:
    """The host names under which the pages answer: loopback and that of the configured address."""
    return frozenset(filter(None, (*LOOPBACK, urlsplit(address).hostname)))


def _host(header: str) -> str | None:
    """The name in a Host header, without its port; ``None`` when it is not one."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:  # an unclosed bracket
        return None


def new_token() -> str:
    """A secret nobody can guess: 256 bits."""
    return secrets.token_urlsafe(32)


def check_form(request: Request, token: str) -> None:
    """Raise ``Forged`` unless a form was sent by a page of ours.

    Two independent checks: the browser's own word on where the request comes from (a page on another port of this host
    shares our cookies, but not our origin), and a token that stands in the form and in a cookie other sites cannot read.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")  # "null" is what browsers say under our own no-referrer policy
    elsewhere = origin != "null" and _place(origin) != request.headers.get("host", "")
    if elsewhere or site not in {None, "same-origin", "none"}:
        raise Forged("this form was sent from another site; nothing was done")
    cookie = request.cookies.get(CSRF_COOKIE, "")
    if not cookie or not hmac.compare_digest(cookie.encode(), token.encode()):
        raise Forged("this page is out of date, or cookies are off; reload it and try again: nothing was done")


def _place(origin: str) -> str | None:
    """Host and port of an Origin header; ``None``, which is nobody's, when it is not one."""
    try:
        return urlsplit(origin).netloc
    except ValueError:  # an unclosed bracket
        return None


def local_path(back: str) -> str:
    """A path of ours to go back to; anything that could lead elsewhere becomes the queue."""
    if not re.fullmatch(r"/(?![/\\])[^\x00-\x20\\\x7f]{0,2000}", back):
        return "/"
    parts = urlsplit(back)
    return back if not parts.scheme and not parts.netloc else "/"


class Seal:
    """Signs what a cookie carries from one page to the next, with a key that lives as long as the process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def close(self, value: object) -> str:
        """A JSON value as cookie text."""
        body = base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
        return f"{body}.{self._sign(body)}"

    def open(self, text: str) -> object:
        """The value again, or ``None`` when it is not from us."""
        body, _, sign = text.partition(".")
        if not hmac.compare_digest(sign.encode(), self._sign(body).encode()):
            return None
        value: object = json.loads(base64.urlsafe_b64decode(body))
        return value

    def _sign(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()
