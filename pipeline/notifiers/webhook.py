"""Notices by signed POST after the Standard Webhooks specification (webhook-id, webhook-timestamp, webhook-signature)."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from pipeline.config import WebhookChannel
from pipeline.domain import Notice
from pipeline.errors import ChannelRefused, ChannelUnavailable, ConfigError

# The receiver's answers that another try cannot change; every other failure is tried again.
REFUSALS = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class WebhookNotifier:
    """Posts each notice as JSON; the notice's id is the ``webhook-id``, by which a receiver knows a repeat."""

    settings: WebhookChannel
    key: SecretStr
    clock: Callable[[], datetime]

    def __post_init__(self) -> None:
        """Refuse a key that cannot sign, and an address that is no HTTP address, before anything happens."""
        try:
            # The library itself skips letters that are not base64: a mistyped key would sign with another one.
            encoded = self.key.get_secret_value().removeprefix("whsec_")
            base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
            Webhook(self.key.get_secret_value())
        except (ValueError, EmptyWebhookSecretError):  # "from None": the library's error may quote the key
            raise ConfigError(
                f"the key of channel {self.name!r} is no Standard Webhooks secret (base64, with or without 'whsec_')"
            ) from None
        if urlsplit(self.settings.url).scheme not in {"http", "https"}:
            raise ConfigError(f"channel {self.name!r}: url must start with https:// or http://")

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.settings.name

    def notify(self, notice: Notice) -> None:
        """Deliver once; raises ``ChannelRefused`` or ``ChannelUnavailable`` without the key or the whole address."""
        self._check_address()
        body = json.dumps(
            {
                "type": str(notice.reason),
                "timestamp": notice.created_at.isoformat(),
                "data": {
                    "id": notice.id,
                    "group": notice.group,
                    "severity": notice.severity,
                    "subject": notice.subject,
                    "body": notice.body,
                },
            },
            ensure_ascii=False,
        )
        now = self.clock()
        message_id = notice.id.encode("ascii", "replace").decode()
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.key.get_secret_value()).sign(message_id, now, body),
        }
        try:
            # A thread of its own, because the caller's may already run an event loop. httpx bounds each read, so a
            # receiver that drips a byte a second would hold us for ever; cancelling a task bounds the whole.
            with ThreadPoolExecutor(max_workers=1) as thread:
                thread.submit(asyncio.run, self._post(body, headers, now)).result()
        except httpx.InvalidURL as error:
            raise ChannelRefused(f"channel {self.name!r}: its url is not valid") from error
        except TimeoutError as error:
            late = f"channel {self.name!r}: {self._host} did not answer within {self.settings.timeout:g} s"
            raise ChannelUnavailable(late) from error
        except httpx.HTTPError as error:
            raise ChannelUnavailable(f"channel {self.name!r}: {type(error).__name__} at {self._host}") from error

    async def _post(self, body: str, headers: Mapping[str, str], now: datetime) -> None:
        """Send, and judge the answer by its head alone: its body may have no end."""
        client = httpx.AsyncClient(
            timeout=None,  # noqa: S113 - the deadline is for the whole
            follow_redirects=False,  # the signed text goes to the address that was checked, or nowhere
            trust_env=not self.settings.allow_private,
        )
        content = body.encode()
        async with (
            asyncio.timeout(self.settings.timeout),
            client,
            client.stream("POST", self.settings.url, content=content, headers=headers) as answer,
        ):
            self._judge(answer, now)

    @property
    def _host(self) -> str:
        return urlsplit(self.settings.url).hostname or ""

    def _judge(self, answer: httpx.Response, now: datetime) -> None:
        if answer.is_success:
            return
        said = f"channel {self.name!r}: {self._host} answered {answer.status_code}"
        if answer.is_redirect:
            raise ChannelRefused(f"{said} (a redirect); set url to the final address")
        if answer.status_code in REFUSALS:
            raise ChannelRefused(f"{said}; check its url and key")
        raise ChannelUnavailable(said, retry_at=_retry_at(answer.headers.get("retry-after", ""), now))

    def _check_address(self) -> None:
        """Notices leave for public addresses only, unless ``allow_private`` says otherwise."""
        if self.settings.allow_private:
            return
        try:
            found = socket.getaddrinfo(self._host, None, proto=socket.IPPROTO_TCP)
        except OSError as error:
            raise ChannelUnavailable(f"channel {self.name!r}: {self._host} cannot be resolved") from error
        if not all(ipaddress.ip_address(entry[4][0]).is_global for entry in found):
            raise ChannelRefused(
                f"channel {self.name!r}: {self._host} is a private address; set allow_private = true if that is meant"
            )


def _retry_at(wait: str, now: datetime) -> datetime | None:
    """When a receiver wants the next try: seconds of a sane length, else (a date, nonsense) our own pace."""
    if not (wait.isdecimal() and len(wait) < 10):
        return None
    return now + min(timedelta(seconds=int(wait)), LONGEST_WAIT)
