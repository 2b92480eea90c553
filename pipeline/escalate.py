"""Decides who is told what and why, and delivers it: written, once per reason, group, step, person and channel, then sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.domain import ChainRun, Event, EventKind, Incident, Notice, Outage, Reason, ScoredMention
from pipeline.errors import ChannelRefused, ChannelUnavailable, ConfigError
from pipeline.escalation.chains import Recipient, acknowledged_by, due, key_of, sleeps
from pipeline.escalation.texts import message, taken, told_next
from pipeline.ports import Escalation, Notices, Notifier

SENDING = timedelta(minutes=2)  # a try that has not reported back after this long died: it is made again
PATIENCE = timedelta(minutes=1)  # of one run with one channel: the next minute's run goes on with a slow one
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
GROWS_AGAIN = timedelta(minutes=5)  # between two notices to one recipient that an incident of a chain grew
WHOLE_LOG = 10_000  # notices of one incident: more than any chain makes while one lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one delivery did."""

    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """All that decides who must hear of one incident: its posts, its chain as it started, what people did and were told.

    An acknowledgement counts from ``since`` on, where a graver chain asks anew.
    """

    incident: Incident
    posts: Sequence[ScoredMention] = ()
    run: ChainRun
    events: Sequence[Event] = ()
    told: Sequence[Notice] = ()
    since: datetime | None = None


class Log(Notices, Escalation, Protocol):
    """The notification log, and which channels refuse."""


# --- without a chain --------------------------------------------------------------------------------------------------


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
    """The notices that are due for one incident without a chain, one a channel that has not heard of it at this severity."""
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


# --- by a chain -------------------------------------------------------------------------------------------------------


def chain_notices(alarm: Alarm, *, address: str, now: datetime) -> list[Notice]:
    """The notices that are due for one incident by its chain, and that log has not: its steps, then what became news.

    Growth for those who were told of less, "Ben has it" for those who need not act, a hand-over for whom it is for.
    """
    if alarm.incident.closed_at is not None:
        return []
    called = _called(alarm, address=address, now=now)
    hearing = {Recipient(person=each.person, channel=each.channel) for each in called}
    found = [*called, *_grew(alarm, besides=hearing, address=address, now=now), *_news(alarm, address=address, now=now)]
    known = {each.id for each in alarm.told}
    return [each for each in found if each.id not in known]


def _called(alarm: Alarm, *, address: str, now: datetime) -> list[Notice]:
    incident, run = alarm.incident, alarm.run
    acknowledged = acknowledged_by(incident, alarm.events, since=alarm.since)
    known = {each.id for each in alarm.told}
    notices = []
    for call in due(run, incident, acknowledged=acknowledged, told=known, now=now):
        then = told_next(run, call.telling, acknowledged=acknowledged, now=now)
        text = message(incident, alarm.posts, reason=call.reason, address=address, then=then)
        notice = _notice(alarm, call.reason, call.recipient, id_=key_of(run, call), text=text, now=now)
        notices.append(replace(notice, step=f"{run.chain.name} {call.telling.key}"))
    return notices


def _grew(alarm: Alarm, *, besides: Collection[Recipient], address: str, now: datetime) -> list[Notice]:
    incident = alarm.incident
    text = message(incident, alarm.posts, reason=Reason.INCIDENT_GREW, address=address)
    notices = []
    for recipient, told in _by_recipient(alarm.told).items():
        knows = max(each.severity for each in told) >= incident.severity
        lately = now - max(each.created_at for each in told) < GROWS_AGAIN
        if knows or lately or recipient in besides or sleeps(alarm.run.chain, recipient, incident.severity, now):
            continue
        id_ = f"{Reason.INCIDENT_GREW}|{incident.id}|severity {incident.severity}|{_name(recipient)}"
        notices.append(_notice(alarm, Reason.INCIDENT_GREW, recipient, id_=id_, text=text, now=now))
    return notices


def _news(alarm: Alarm, *, address: str, now: datetime) -> list[Notice]:
    """Who has it, for the others; and that it is yours now, for whom it was handed to."""
    incident, chain = alarm.incident, alarm.run.chain
    notices = []
    for who, at in acknowledged_by(incident, alarm.events, since=alarm.since).items():
        text = taken(incident, who, at, address=address)
        for recipient in _by_recipient(each for each in alarm.told if each.created_at <= at):
            if recipient.person != who and not sleeps(chain, recipient, incident.severity, now):
                id_ = f"{Reason.ACKNOWLEDGED}|{incident.id}|{who} {at:%Y%m%dT%H%M%S}|{_name(recipient)}"
                notices.append(_notice(alarm, Reason.ACKNOWLEDGED, recipient, id_=id_, text=text, now=now))
    for event in alarm.events:
        if event.kind is EventKind.HANDED_OVER:
            text = message(
                incident,
                alarm.posts,
                reason=Reason.HANDED_OVER,
                address=address,
                then=f"{event.actor} handed it to you.",
            )
            for channel in next((each.channels for each in chain.people if each.name == event.note), ()):
                recipient = Recipient(person=event.note, channel=channel)
                id_ = f"{Reason.HANDED_OVER}|{incident.id}|{event.id}|{_name(recipient)}"
                notices.append(_notice(alarm, Reason.HANDED_OVER, recipient, id_=id_, text=text, now=now))
    return notices


def _notice(
    alarm: Alarm, reason: Reason, recipient: Recipient, *, id_: str, text: tuple[str, str], now: datetime
) -> Notice:
    return Notice(
        id=id_,
        reason=reason,
        group=alarm.incident.id,
        channel=recipient.channel,
        person=recipient.person,
        subject=text[0],
        body=text[1],
        severity=alarm.incident.severity,
        created_at=now,
    )


def _by_recipient(told: Iterable[Notice]) -> dict[Recipient, list[Notice]]:
    found: dict[Recipient, list[Notice]] = {}
    for each in sorted(told, key=lambda notice: (notice.created_at, notice.id)):
        found.setdefault(Recipient(person=each.person, channel=each.channel), []).append(each)
    return found


def _name(recipient: Recipient) -> str:
    return f"{recipient.person or '-'}|{recipient.channel}"


# --- delivery ---------------------------------------------------------------------------------------------------------


def deliver(
    notifiers: Mapping[str, Notifier],
    *,
    store: Log,
    clock: Callable[[], datetime],
    limit: int = 100,
    people: Mapping[str, Sequence[str]] | None = None,
    link_of: Callable[[Notice], str | None] = lambda _: None,
) -> Delivered:
    """Send what is due, at most ``limit`` a channel. A try is recorded before it is made, so a crash in it is seen and
    made again: at least once, with the same id, by which a receiver knows a repeat. A channel that is down or slow is
    not asked again in this run: its time limits must not add up while others wait.

    A channel that refuses for good is not used until a person enables it; others carry what it should have: the other
    channels of the person (``people`` gives them by name), else every channel that works. ``link_of`` gives the link that
    acknowledges a notice: it is in what is sent, and nowhere else.
    """
    sent = failed = 0
    down: set[str] = set()
    spent: defaultdict[str, timedelta] = defaultdict(timedelta)
    outages = {outage.id: outage for outage in store.outages()}
    for notice in store.due_notices(clock(), limit=limit):
        if notice.channel in down:
            continue
        now = clock()
        taken = store.take_notice(notice, retry_at=now + SENDING)
        if taken is None:  # another process delivers it
            continue
        if notice.channel in outages:
            outcome = replace(taken, failed_at=now, retry_at=None, error=_out(outages[notice.channel]))
        else:
            outcome, outage = _attempt(taken, notifiers, now, link_of)
            if outage is not None:
                outages[notice.channel] = store.save_outage(outage)
        if outcome.failed_at is not None:  # written before the failure is: a crash between the two carries it again
            told = store.notices(notice.group, limit=WHOLE_LOG)
            for carrier in carriers(outcome, told, channels=notifiers, out=outages, people=people or {}):
                store.add_notice(carrier)
        store.save_notice(outcome)
        spent[notice.channel] += clock() - now
        if outcome.retry_at is not None or spent[notice.channel] > PATIENCE:
            down.add(notice.channel)
        sent += outcome.sent_at is not None
        failed += outcome.sent_at is None
    return Delivered(sent=sent, failed=failed)


def carriers(
    failed: Notice,
    told: Iterable[Notice],
    *,
    channels: Iterable[str],
    out: Collection[str],
    people: Mapping[str, Sequence[str]],
) -> list[Notice]:
    """The notices that go out instead of one that a channel refused; none where the same was written for a working one."""
    working = [channel for channel in channels if channel not in out and channel != failed.channel]
    same = [each for each in told if _same(each, failed) and each.channel in working and each.failed_at is None]
    own = [channel for channel in people.get(failed.person or "", ()) if channel in working]
    if same or not working:
        return []
    whom = failed.person or "whoever reads it"
    note = f"(By this way because channel {failed.channel!r} refuses; it was for {whom}.)"
    return [
        replace(
            failed,
            id=f"{failed.id} instead by {channel}",
            channel=channel,
            body=f"{failed.body}\n{note}",
            attempts=0,
            error=None,
            failed_at=None,
            retry_at=None,
        )
        for channel in own or working
    ]


def _same(one: Notice, other: Notice) -> bool:
    return (one.reason, one.severity, one.step, one.person) == (other.reason, other.severity, other.step, other.person)


def _out(outage: Outage) -> str:
    return (
        f"channel {outage.id!r} is off since {outage.since:%Y-%m-%d %H:%M} UTC ({outage.error});"
        f" put it right, then `tocsin channels enable {outage.id}`"
    )


def _attempt(
    notice: Notice, notifiers: Mapping[str, Notifier], now: datetime, link_of: Callable[[Notice], str | None]
) -> tuple[Notice, Outage | None]:
    """What became of one try, and the outage of a channel that refuses for good."""
    wait = BACKOFF[min(notice.attempts, len(BACKOFF)) - 1]
    notifier = notifiers.get(notice.channel)
    if notifier is None:
        gone = f"channel {notice.channel!r} is no longer configured"
        return replace(notice, failed_at=now, retry_at=None, error=gone), None
    link = link_of(notice)
    letter = replace(notice, body=f"{notice.body}\nI have it: {link}") if link else notice
    try:
        notifier.notify(letter)
    except ChannelRefused as error:
        outage = Outage(id=notice.channel, since=now, error=str(error))
        return replace(notice, failed_at=now, retry_at=None, error=str(error)), outage
    except ChannelUnavailable as error:
        return replace(notice, retry_at=error.retry_at or now + wait, error=str(error)), None
    except ConfigError as error:  # a secret that is missing is put right without a new notice
        return replace(notice, retry_at=now + wait, error=str(error)), None
    return replace(notice, sent_at=now, retry_at=None, error=None), None
