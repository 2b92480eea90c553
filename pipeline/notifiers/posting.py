"""One POST to somebody else's server: bounded in time, to the address that was checked, judged by the head of its answer."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from pipeline.errors import ChannelRefused, ChannelUnavailable, ConfigError
from pipeline.notifiers.addresses import Resolve, checked, resolved

# The receiver's answers that another try cannot change; every other failure is tried again.
REFUSALS = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})
LONGEST_WAIT = timedelta(hours=1)
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where to: a server's address, which may hold keys and is never shown whole, and how long it may take in seconds."""

    channel: str
    url: str = field(repr=False)
    timeout: float
    allow_private: bool = False
    resolve: Resolve = resolved
    transport: httpx.AsyncBaseTransport | None = None

    def __post_init__(self) -> None:
        """Refuse what is no HTTP address before anything happens."""
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL:  # "from None": the library's error may quote the address
            raise ConfigError(f"channel {self.channel!r}: its url is not valid") from None
        if url.scheme not in PORTS or not url.host:
            raise ConfigError(f"channel {self.channel!r}: url must start with https:// or http://")

    @property
    def host(self) -> str:
        """The server's name."""
        return httpx.URL(self.url).host

    def send(self, body: str, headers: Mapping[str, str], *, now: datetime) -> None:
        """Post once; raises ``ChannelRefused`` or ``ChannelUnavailable`` without keys or the whole address."""
        addresses = [self.host]
        if not self.allow_private:
            port = httpx.URL(self.url).port or PORTS[httpx.URL(self.url).scheme]
            found = checked(self.host, port, channel=self.channel, resolve=self.resolve)
            addresses = [self.host] if self._by_proxy else list(found)
        try:
            # A thread of its own, because the caller's may already run an event loop. httpx bounds each read, so a
            # receiver that drips a byte a second would hold us for ever; cancelling a task bounds the whole.
            with ThreadPoolExecutor(max_workers=1) as thread:
                thread.submit(asyncio.run, self._post(addresses, body.encode(), headers, now)).result()
        except TimeoutError as error:
            late = f"channel {self.channel!r}: {self.host} did not answer within {self.timeout:g} s"
            raise ChannelUnavailable(late) from error
        except httpx.HTTPError as error:
            raise ChannelUnavailable(f"channel {self.channel!r}: {type(error).__name__} at {self.host}") from error

    @property
    def _by_proxy(self) -> bool:
        """Whether a proxy of this machine's settings resolves the name for us."""
        scheme = httpx.URL(self.url).scheme
        return scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(self.host)

    async def _post(self, addresses: list[str], body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Send to the first address that can be reached, and judge the answer by its head alone: its body may have no end."""
        client = httpx.AsyncClient(
            timeout=None,  # noqa: S113 - the deadline is for the whole
            follow_redirects=False,  # what is sent goes to the address that was checked, or nowhere
            trust_env=not self.allow_private,
            transport=self.transport,
        )
        async with asyncio.timeout(self.timeout), client:
            for place, address in enumerate(addresses):
                try:
                    answer = await client.send(self._request(client, address, body, headers), stream=True)
                    try:
                        self._judge(answer, now)
                        return
                    finally:
                        await answer.aclose()
                except httpx.ConnectError:
                    if place == len(addresses) - 1:
                        raise

    def _request(
        self, client: httpx.AsyncClient, address: str, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Request:
        """The request to one address of the host: TLS and the receiver still see the host's name."""
        url = httpx.URL(self.url)
        if address == self.host:
            return client.build_request("POST", url, headers=headers, content=body)
        named = {**headers, "host": url.netloc.decode("ascii")}
        there = url.copy_with(host=address)
        return client.build_request(
            "POST", there, headers=named, content=body, extensions={"sni_hostname": url.raw_host.decode("ascii")}
        )

    def _judge(self, answer: httpx.Response, now: datetime) -> None:
        if answer.is_success:
            return
        said = f"channel {self.channel!r}: {self.host} answered {answer.status_code}"
        if answer.is_redirect:
            raise ChannelRefused(f"{said} (a redirect); set url to the final address")
        if answer.status_code in REFUSALS:
            raise ChannelRefused(f"{said}; check its url and key")
        raise ChannelUnavailable(said, retry_at=_retry_at(answer.headers.get("retry-after", ""), now))


def _retry_at(wait: str, now: datetime) -> datetime | None:
    """When a receiver wants the next try: seconds of a sane length, else (a date, nonsense) our own pace."""
    if not (wait.isdecimal() and len(wait) < 10):
        return None
    return now + min(timedelta(seconds=int(wait)), LONGEST_WAIT)
