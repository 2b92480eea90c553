"""How people are told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.base import Name, Settings


class ConsoleChannel(Settings):
    """Notices on the log of the ``watch`` process."""

    kind: Literal["console"]
    name: Name = "console"


class WebhookChannel(Settings):
    """Notices as signed JSON by POST (Standard Webhooks); the key is the secret ``webhook_<name>``."""

    kind: Literal["webhook"]
    name: Name = "webhook"
    url: str
    allow_private: bool = False
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0


ChannelSettings = Annotated[ConsoleChannel | WebhookChannel, Field(discriminator="kind")]
