"""What can go wrong, grouped by what the caller does about it."""

from __future__ import annotations

from datetime import datetime


class TocsinError(Exception):
    """Every error of ours: its text names the thing and the next step."""


class Permanent(TocsinError):
    """A person must act; trying again by itself cannot help."""


class ConfigError(Permanent):
    """The configuration, a file or an argument is wrong."""


class SecretMissing(ConfigError):
    """A secret that a source or channel needs is neither in the environment nor in a file."""


class SourceRefused(Permanent):
    """A source rejects us: bad key, no permission, a query it does not accept, or an endless page loop."""


class StoreRefused(Permanent):
    """The store cannot be used as it is: newer schema, corrupt file, disk full, read-only."""


class ModelRefused(Permanent):
    """A model artefact is missing, of another format, or does not match its manifest."""


class ChannelRefused(Permanent):
    """A notice channel rejects us for good (unknown address, bad key): it is disabled and shown."""


class LinkRefused(Permanent):
    """A link that acknowledges is not from us, too old, or was used."""


class GateFailed(Permanent):
    """A candidate model is below its floors."""


class Transient(TocsinError):
    """Worth another try at ``retry_at`` (aware UTC), or at the caller's own pace when that is ``None``."""

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class RateLimited(Transient):
    """A source's budget is used up until ``retry_at``."""


class SourceUnavailable(Transient):
    """A source timed out, cut the connection, answered 5xx or with half an answer."""


class StoreUnavailable(Transient):
    """The store is busy or unreachable right now."""


class ChannelUnavailable(Transient):
    """A notice could not be delivered this time."""


class Skippable(TocsinError):
    """One item is bad; it is counted, kept as a dead letter, and the rest goes on."""


class BadRecord(Skippable):
    """A raw record that cannot be made a mention; ``reason`` says why in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Conflict(TocsinError):
    """Somebody else was faster: read again, then decide."""


class AlreadyClaimed(Conflict):
    """Another responder holds the ticket until ``until``."""

    def __init__(self, ticket: str, holder: str, until: datetime) -> None:
        super().__init__(f"{ticket} is claimed by {holder} until {until:%H:%M} UTC")
        self.ticket = ticket
        self.holder = holder
        self.until = until


class NotFound(TocsinError):
    """There is no such mention, ticket, incident or event."""
