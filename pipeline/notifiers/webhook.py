"""Notices by signed POST after the Standard Webhooks specification (webhook-id, webhook-timestamp, webhook-signature)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from pydantic import SecretStr
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from pipeline.config import WebhookChannel
from pipeline.domain import Notice
from pipeline.errors import ConfigError
from pipeline.notifiers.posting import Post

_AS_THEY_ARE = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"  # in a header; names of people may hold any letter


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
        _ = self._post

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.settings.name

    def notify(self, notice: Notice) -> None:
        """Deliver once; raises ``ChannelRefused`` or ``ChannelUnavailable`` without the key or the whole address."""
        body = json.dumps(
            {
                "type": str(notice.reason),
                "timestamp": notice.created_at.isoformat(),
                "data": {
                    "id": notice.id,
                    "group": notice.group,
                    "severity": notice.severity,
                    "person": notice.person,
                    "subject": notice.subject,
                    "body": notice.body,
                },
            },
            ensure_ascii=False,
        )
        now = self.clock()
        message_id = quote(notice.id, safe=_AS_THEY_ARE)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.key.get_secret_value()).sign(message_id, now, body),
        }
        self._post.send(body, headers, now=now)

    @property
    def _post(self) -> Post:
        settings = self.settings
        return Post(
            channel=settings.name, url=settings.url, timeout=settings.timeout, allow_private=settings.allow_private
        )
