"""Decides who is told what and why, and delivers it: written, once per reason, group, severity and channel, then sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.domain import Incident, Notice, Reason, ScoredMention
from pipeline.errors import ChannelRefused, ChannelUnavailable, ConfigError
from pipeline.ports import Notices, Notifier
from pipeline.redact import redact
from pipeline.wording import counted

SENDING = timedelta(minutes=2)  # a try that has not reported back after this long died: it is made again
PATIENCE = timedelta(minutes=1)  # of one run with one channel: the next minute's run goes on with a slow one
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
QUOTES = 3
QUOTE_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one delivery did."""

    sent: int = 0
    failed: int = 0


def reason_for(incident: Incident, told: Sequence[Notice]) -> Reason | None:
    """Why people must hear of an incident now, given what they were told of it; ``None`` when they know.

    Growth is told when the severity rose, not for every post: nobody is woken twice for the same news.
    """
    if incident.closed_at is not None:
        return None
    if not told:
        return Reason.INCIDENT_OPENED
    return Reason.INCIDENT_GREW if incident.severity > max(notice.severity for notice in told) else None


def reasons_for(incident: Incident, *, told: Sequence[Notice], channels: Sequence[str]) -> dict[str, Reason]:
    """As ``reason_for``, by channel; channels that know are left out."""
    reasons = {
        channel: reason_for(incident, [each for each in told if each.channel == channel]) for channel in channels
    }
    return {channel: reason for channel, reason in reasons.items() if reason is not None}


def notices_for(
    incident: Incident,
    posts: Sequence[ScoredMention],
    *,
    told: Sequence[Notice],
    channels: Sequence[str],
    address: str,
    now: datetime,
) -> list[Notice]:
    """The notices that are due for one incident, one a channel that has not heard of it at this severity."""
    notices = []
    for channel, reason in reasons_for(incident, told=told, channels=channels).items():
        subject, body = message(incident, posts, reason=reason, address=address)
        notices.append(
            Notice(
                id=f"{reason}|{incident.id}|severity {incident.severity}|{channel}",
                reason=reason,
                group=incident.id,
                channel=channel,
                subject=subject,
                body=body,
                severity=incident.severity,
                created_at=now,
            )
        )
    return notices


def message(incident: Incident, posts: Sequence[ScoredMention], *, reason: Reason, address: str) -> tuple[str, str]:
    """Subject and text of a notice, worst and newest posts first, personal data masked."""
    title = redact(incident.title)
    subject = f'Severity {incident.severity} · {incident.brand} · "{title}" · since {incident.opened_at:%H:%M} UTC'
    arithmetic = " + ".join(f"{part.value:g} {part.name} ({redact(part.because)})" for part in incident.parts)
    lines = [
        f"{counted(incident.posts, 'post')} by {counted(incident.people, 'person', 'people')}. One grave post is enough: {incident.rule}.",
        f"Severity {incident.severity} = {arithmetic}.",
    ]
    worst = sorted(posts, key=lambda item: (item.score.crisis, item.mention.posted_at), reverse=True)[:QUOTES]
    for item in worst:
        text = redact(" ".join(item.mention.text.split()))
        quote = text if len(text) <= QUOTE_LENGTH else f"{text[: QUOTE_LENGTH - 1]}…"
        lines.append(
            f'"{quote}" ({item.mention.source}, {item.mention.posted_at:%H:%M}, P(crisis) {item.score.crisis:.2f})'
        )
    model = worst[0].score.model if worst else ""
    lines.append(f"{reason} · model {model} · why: {address.rstrip('/')}/incidents/{incident.id}")
    return subject, "\n".join(lines)


def deliver(
    notifiers: Mapping[str, Notifier], *, store: Notices, clock: Callable[[], datetime], limit: int = 100
) -> Delivered:
    """Send what is due, at most ``limit`` a channel. A try is recorded before it is made, so a crash in it is seen and
    made again: at least once, with the same id, by which a receiver knows a repeat. A channel that is down or slow is
    not asked again in this run: its time limits must not add up while others wait."""
    sent = failed = 0
    down: set[str] = set()
    spent: defaultdict[str, timedelta] = defaultdict(timedelta)
    for notice in store.due_notices(clock(), limit=limit):
        if notice.channel in down:
            continue
        now = clock()
        taken = store.take_notice(notice, retry_at=now + SENDING)
        if taken is None:  # another process delivers it
            continue
        outcome = _attempt(taken, notifiers, now)
        store.save_notice(outcome)
        spent[notice.channel] += clock() - now
        if outcome.retry_at is not None or spent[notice.channel] > PATIENCE:
            down.add(notice.channel)
        sent += outcome.sent_at is not None
        failed += outcome.sent_at is None
    return Delivered(sent=sent, failed=failed)


def _attempt(notice: Notice, notifiers: Mapping[str, Notifier], now: datetime) -> Notice:
    wait = BACKOFF[min(notice.attempts, len(BACKOFF)) - 1]
    notifier = notifiers.get(notice.channel)
    if notifier is None:
        gone = f"channel {notice.channel!r} is no longer configured"
        return replace(notice, failed_at=now, retry_at=None, error=gone)
    try:
        notifier.notify(notice)
    except ChannelRefused as error:
        return replace(notice, failed_at=now, retry_at=None, error=str(error))
    except ChannelUnavailable as error:
        return replace(notice, retry_at=error.retry_at or now + wait, error=str(error))
    except ConfigError as error:  # a secret that is missing is put right without a new notice
        return replace(notice, retry_at=now + wait, error=str(error))
    return replace(notice, sent_at=now, retry_at=None, error=None)
