"""Links that acknowledge: signed, for one person and one telling, good for a day and for one use.

Whoever holds the link may press the button behind it, and nothing else. Opening it changes nothing: mail scanners do so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer

from pipeline.domain import Event, EventKind, Notice, Reason
from pipeline.errors import LinkRefused

LIFETIME = timedelta(hours=24)
"""A chain begins again after hours, with new links; a link in an old mail should do nothing."""

ACTIONABLE = frozenset(
    {
        Reason.INCIDENT_OPENED,
        Reason.INCIDENT_GREW,
        Reason.ESCALATED,
        Reason.REPEATED,
        Reason.HANDED_OVER,
        Reason.DRILL,
    }
)
"""Reasons for which somebody should say "I have it"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link acknowledges: an incident, for a person (``None``: whoever presses says who), as told at ``issued_at``."""

    incident: str
    person: str | None
    issued_at: datetime


class Links:
    """Makes and reads links; ``key`` signs, ``address`` is where the pages are."""

    def __init__(self, key: str, address: str) -> None:
        self._serializer = URLSafeSerializer(
            key, salt="acknowledge", signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        )
        self._address = address.rstrip("/")

    def of(self, notice: Notice) -> str | None:
        """The link of a notice, the same at every try; ``None`` where nothing is to be acknowledged."""
        if notice.reason not in ACTIONABLE:
            return None
        issued = int(notice.created_at.timestamp())
        token = self._serializer.dumps([notice.group, notice.person, issued])
        return f"{self._address}/ack/{token if isinstance(token, str) else token.decode()}"

    def read(self, token: str, *, now: datetime) -> Link:
        """What a link says; raises ``LinkRefused`` when it is not ours or too old."""
        try:
            said = self._serializer.loads(token)
        except BadData as error:
            raise LinkRefused("this link is not from Tocsin, or not all of it was copied") from error
        match said:
            case [str(incident), (str() | None) as person, int(issued)]:
                link = Link(incident=incident, person=person, issued_at=datetime.fromtimestamp(issued, UTC))
            case _:
                raise LinkRefused("this link is from another version of Tocsin; open the incident's page instead")
        if now - link.issued_at > LIFETIME:
            raise LinkRefused(
                "this link is older than a day and does nothing any more; open the incident's page instead"
            )
        return link


def used_at(link: Link, person: str, events: Iterable[Event]) -> datetime | None:
    """When a person acknowledged what a link is about; ``None`` while the link is fresh for them."""
    said = (
        event.at
        for event in events
        if event.kind is EventKind.ACKNOWLEDGED and event.actor == person and event.at >= link.issued_at
    )
    return min(said, default=None)
