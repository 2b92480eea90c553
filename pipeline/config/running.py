"""When and where Tocsin itself runs, what it keeps, and how it reaches its store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.config.base import Minutes, Settings


class Schedule(Settings):
    """When the DAGs run (cron)."""

    listen: str = "*/5 * * * *"
    watch: str = "* * * * *"
    keep: str = "17 3 * * *"
    learn: str = "41 4 * * 1"


class Keep(Settings):
    """How many whole calendar months of posts are kept besides the running one; without ``months``, all for good."""

    months: Annotated[int, Field(ge=1, le=1200)] | None = None


class Web(Settings):
    """Where the pages are served. ``address`` is what notices link to."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8600
    address: str = "http://127.0.0.1:8600"
    responders: tuple[str, ...] = ("Ana", "Ben")
    claim_minutes: Minutes = 15.0


class Elasticsearch(Settings):
    """How a store ``elasticsearch:https://HOST:9200`` is reached: the beginning of its indices' names, and whom to trust.

    ``ca`` is a file of certificates, ``fingerprint`` the sha256 of the cluster's own. The key is the secret
    ``elasticsearch_api_key``. ``allow_plain`` lets it and every post travel in the clear.
    """

    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")] = "tocsin"
    ca: Path | None = None
    fingerprint: Annotated[str, Field(pattern=r"^[0-9A-Fa-f:]{64,95}$")] | None = None
    allow_plain: bool = False
