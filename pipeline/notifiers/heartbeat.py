"""A sign of life to another service, which tells people when it stops: who watches the watch must stand elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from pipeline.errors import ChannelRefused, ChannelUnavailable
from pipeline.notifiers.posting import Post

TIMEOUT = 10.0  # seconds; the next minute's run says it again

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Posts "watch runs" to the address of a service such as Healthchecks or Dead Man's Snitch."""

    url: SecretStr
    clock: Callable[[], datetime]
    allow_private: bool = False

    def __call__(self) -> None:
        """Post once. A failure is logged: the other service is the one to tell of it."""
        post = Post(
            channel="heartbeat", url=self.url.get_secret_value(), timeout=TIMEOUT, allow_private=self.allow_private
        )
        try:
            post.send("watch runs", {"content-type": "text/plain"}, now=self.clock())
        except (ChannelRefused, ChannelUnavailable) as error:
            _log.warning("the sign of life was not taken: %s", error)
