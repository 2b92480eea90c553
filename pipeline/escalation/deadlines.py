"""Tickets that come near their respond-by or pass it, gathered: one message for five minutes' worth, not one a ticket.

Which message a ticket belongs to follows from its respond-by alone, so nothing is told twice and nothing need be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pipeline.config import Deadlines
from pipeline.domain import Notice, QueueItem, Reason
from pipeline.redact import redact
from pipeline.wording import counted

SLOT = timedelta(minutes=5)
LATE = timedelta(hours=1)
"""What ended longer ago, because nothing ran, the queue's page shows better than a row of messages."""

LISTED = 10
QUOTE_LENGTH = 100
SEVERITY = 3
GROUP = "deadlines"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def horizon(settings: Deadlines, now: datetime) -> datetime:
    """Up to which respond-by tickets are asked for."""
    return now + timedelta(minutes=settings.soon_minutes)


def deadline_notices(waiting: Iterable[QueueItem], settings: Deadlines, *, address: str, now: datetime) -> list[Notice]:
    """The notices of tickets that wait unanswered, in the order of the queue: one a reason, five minutes and channel."""
    slots: dict[tuple[Reason, datetime], list[QueueItem]] = {}
    for item in waiting:
        rank = item.ticket.rank
        if rank.priority not in settings.priorities:
            continue
        soon = rank.respond_by - timedelta(minutes=settings.soon_minutes)
        for reason, at in ((Reason.RESPOND_SOON, soon), (Reason.BREACHED, rank.respond_by)):
            start = _EPOCH + (at - _EPOCH) // SLOT * SLOT
            if start + SLOT <= now < start + SLOT + LATE and not (
                reason is Reason.RESPOND_SOON and rank.respond_by <= now
            ):
                slots.setdefault((reason, start), []).append(item)
    return [
        _notice(reason, start, items, channel=channel, address=address.rstrip("/"), now=now)
        for (reason, start), items in sorted(slots.items(), key=lambda slot: (slot[0][1], slot[0][0]))
        for channel in settings.channels
    ]


def _notice(
    reason: Reason, start: datetime, items: list[QueueItem], *, channel: str, address: str, now: datetime
) -> Notice:
    what = counted(len(items), "ticket")
    subject = f"{what} past respond-by" if reason is Reason.BREACHED else f"{what} to answer soon"
    lines = [_line(item, now) for item in items[:LISTED]]
    if len(items) > LISTED:
        lines.append(f"and {len(items) - LISTED} more")
    lines.append(f"{reason} · in the queue: {address}/")
    return Notice(
        id=f"{reason}|{start:%Y%m%dT%H%M}|{channel}",
        reason=reason,
        group=GROUP,
        channel=channel,
        subject=subject,
        body="\n".join(lines),
        severity=SEVERITY,
        created_at=now,
    )


def _line(item: QueueItem, now: datetime) -> str:
    ticket = item.ticket
    text = redact(" ".join(item.mention.text.split()))
    quote = text if len(text) <= QUOTE_LENGTH else f"{text[: QUOTE_LENGTH - 1]}…"
    has_it = ticket.holder(now) or "nobody"
    return f'{ticket.rank.priority} {ticket.brand}, by {ticket.rank.respond_by:%H:%M} UTC, {has_it} has it: "{quote}"'
