"""The one HTTP call of the network sources: a deadline for the whole of it, a size limit, plain errors of ours."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from ssl import SSLContext
from urllib.parse import urlsplit

import httpx

from pipeline.errors import RateLimited, SourceRefused, SourceUnavailable

LARGEST_BODY = 20 * 2**20  # bytes; a page of any source is far below 5 MiB, a stream without end is not
MOST_REDIRECTS = 5
LONGEST_WAIT = timedelta(days=1)  # a reset further ahead than a day is a broken clock, not a budget

# Their lines for each call print whole addresses (httpcore's those of redirects), which may hold a key. A filter, because
# levels are set anew by others.
for _chatty in ("httpx", "httpcore.http11"):
    logging.getLogger(_chatty).addFilter(lambda record: record.levelno >= logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said: status, headers by lower-case name, the whole body; ``where`` is its host, for messages."""

    where: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def get(
    url: str, *, timeout: float, headers: Mapping[str, str] | None = None, redirects: int = MOST_REDIRECTS
) -> Answer:
    """The answer to one GET, whatever its status, within ``timeout`` seconds from first to last byte.

    Raises ``SourceUnavailable`` (no, late or half an answer) or ``SourceRefused`` (bad address, too large, redirects
    without end). Messages name the host only.
    """
    where = host_of(url)
    call = _get(url, where=where, timeout=timeout, headers=headers or {}, redirects=redirects)
    try:
        # A thread of its own, because the caller's may already run an event loop. httpx bounds each read, so a server
        # that drips a byte a second would hold us for ever; cancelling a task bounds the whole.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(asyncio.run, call).result()
    except (TimeoutError, httpx.TimeoutException) as error:
        raise SourceUnavailable(f"{where} did not answer in full within {timeout:g} s; it is tried again") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise SourceRefused(f"the address of {where} is not valid ({error}); correct it in tocsin.toml") from error
    except httpx.TooManyRedirects as error:
        raise SourceRefused(f"{where} redirects more than {redirects} times; set the final address") from error
    except httpx.HTTPError as error:
        said = str(error) or type(error).__name__
        raise SourceUnavailable(f"{where} gave no whole answer ({said}); it is tried again") from error


async def _get(url: str, *, where: str, timeout: float, headers: Mapping[str, str], redirects: int) -> Answer:
    client = httpx.AsyncClient(
        timeout=timeout,
        follow_redirects=redirects > 0,
        max_redirects=redirects,
        verify=_trusted(),
        trust_env=not _loopback(url),  # a proxy cannot reach our own loopback
        headers={"user-agent": f"tocsin/{_version()}", **headers},
    )
    async with asyncio.timeout(timeout), client, client.stream("GET", url) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise SourceRefused(f"{where} sends more than {LARGEST_BODY // 2**20} MiB; check the address")
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(where=where, status=response.status_code, headers=names, body=bytes(body))


def judge(answer: Answer, *, now: datetime, advice: str, said: str = "") -> None:
    """Raise our error for a status that is no success; ``advice`` is the next step when a person must act."""
    status, reply = answer.status, f"{answer.where} answered {answer.status}{f' ({said})' if said else ''}"
    if status < 300 or status == 304:
        return
    if status == 429:
        retry_at = reset_of(answer.headers, now=now)
        until = f" until {retry_at:%Y-%m-%d %H:%M} UTC" if retry_at else ""
        raise RateLimited(f"{reply}: its rate limit is used up{until}; reading goes on after it", retry_at=retry_at)
    if status >= 500:
        raise SourceUnavailable(f"{reply}; it is tried again", retry_at=reset_of(answer.headers, now=now))
    meaning = {401: ": the key is not accepted", 403: ": no permission", 404: ": nothing is at this address"}
    raise SourceRefused(f"{reply}{meaning.get(status, '')}; {advice}")


def reset_of(headers: Mapping[str, str], *, now: datetime) -> datetime | None:
    """When to come back, by Retry-After (seconds or a date) or x-rate-limit-reset (epoch), never past a day ahead."""
    wait, reset = headers.get("retry-after", "").strip(), headers.get("x-rate-limit-reset", "").strip()
    found: datetime | None = None
    with suppress(ValueError, OverflowError, OSError):  # a header that says nothing we understand says nothing
        if wait.isdecimal():
            found = now + timedelta(seconds=int(wait))
        elif wait:
            found = parsedate_to_datetime(wait)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
        elif reset.isdecimal():
            found = datetime.fromtimestamp(int(reset), UTC)
    return None if found is None else min(max(found, now), now + LONGEST_WAIT)


def json_of(body: bytes, *, where: str, advice: str) -> dict[str, object]:
    """The JSON object in a body; raises ``SourceUnavailable`` for half of one, ``SourceRefused`` for anything else."""
    try:
        found = json.loads(body)
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are both
        if not body.strip() or body.lstrip()[:1] in (b"{", b"["):
            raise SourceUnavailable(f"{where} gave half an answer; it is tried again") from error
        raise SourceRefused(f"{where} answered with a page that is no JSON; {advice}") from error
    except RecursionError as error:
        raise SourceRefused(f"{where} answered with JSON nested without end; {advice}") from error
    if not isinstance(found, dict):
        raise SourceRefused(f"{where} answered with JSON of another shape; {advice}")
    return found


def host_of(url: str) -> str:
    """The host and port of an address: what of it may appear in messages."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "an address without a host"
    except ValueError:
        return "an address that is not valid"


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _trusted() -> SSLContext:
    """Reading the certificates takes longer than a call on a warm connection, so it is done once."""
    return httpx.create_ssl_context()


@cache
def _version() -> str:
    try:
        return version("tocsin")
    except PackageNotFoundError:
        return "0"
