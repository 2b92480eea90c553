"""The auditor: of every telling that a chain owed, whether it was made, and why where it was not.

It trusts no record of what ``watch`` decided: it works out from the chain's snapshot what was due, and looks for it in the
notification log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.domain import ChainRun, Event, Incident, Notice
from pipeline.escalation.chains import (
    LOUD,
    Call,
    Recipient,
    Telling,
    acknowledged_by,
    key_of,
    reason_of,
    recipients,
    tellings,
)
from pipeline.escalation.rotas import quiet_until

GRACE = timedelta(minutes=3)
"""How late ``watch``, which runs every minute, may be while nothing is wrong."""


class Verdict(StrEnum):
    """What became of a telling to one recipient."""

    TOLD = "told"
    SENDING = "being sent"
    FAILED = "failed"
    STOPPED = "not needed"
    HELD = "held"
    OVERTAKEN = "overtaken"
    SOON = "due now"
    NOBODY = "nobody to tell"
    MISSED = "missed"


WRONG = frozenset({Verdict.FAILED, Verdict.NOBODY, Verdict.MISSED})
"""Verdicts after which a person should have been told and was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One telling to one recipient (``None``: the step has none), with its verdict and the words for it."""

    telling: Telling
    recipient: Recipient | None
    verdict: Verdict
    why: str


def audit(
    run: ChainRun,
    incident: Incident,
    *,
    events: Sequence[Event],
    told: Sequence[Notice],
    now: datetime,
    since: datetime | None = None,
    followed_at: datetime | None = None,
) -> list[Finding]:
    """What became of everything that a chain owed until now, in the order in which it was due.

    ``followed_at`` is when a graver chain took over; ``since`` as for ``acknowledged_by``.
    """
    ends = min(filter(None, (incident.closed_at, followed_at, now)))
    log = {notice.id: notice for notice in told}
    said = acknowledged_by(incident, events, since=since)
    owed = list(tellings(run, until=ends))
    findings = []
    for telling in owed:
        found = recipients(run.chain, telling)
        if not found:
            why = "no rota or person of this step has a channel that the step uses"
            findings.append(Finding(telling=telling, recipient=None, verdict=Verdict.NOBODY, why=why))
        for recipient in found:
            case = _Case(run=run, incident=incident, telling=telling, recipient=recipient, ends=ends, now=now)
            later = [each for each in owed if each.step == telling.step and each.time > telling.time]
            verdict, why = _made(case, log) or _not_made(case, said, later, log)
            findings.append(Finding(telling=telling, recipient=recipient, verdict=verdict, why=why))
    return findings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    run: ChainRun
    incident: Incident
    telling: Telling
    recipient: Recipient
    ends: datetime
    now: datetime

    def key(self, telling: Telling | None = None) -> str:
        telling = telling or self.telling
        call = Call(telling=telling, recipient=self.recipient, reason=reason_of(telling, self.incident))
        return key_of(self.run, call)


def _made(case: _Case, log: Mapping[str, Notice]) -> tuple[Verdict, str] | None:
    """The verdict on a telling that stands in the log; ``None`` for one that does not."""
    notice = log.get(case.key())
    if notice is None:
        return None
    if notice.sent_at is not None:
        return Verdict.TOLD, f"sent at {notice.sent_at:%H:%M} UTC"
    carried = [each for each in log.values() if each.id != notice.id and _tells_the_same(each, notice)]
    sent = [each.channel for each in carried if each.sent_at is not None]
    if notice.failed_at is not None and sent:
        return Verdict.TOLD, f"sent by {', '.join(sent)} ({notice.error})"
    if notice.failed_at is None or any(each.failed_at is None for each in carried):
        return Verdict.SENDING, notice.error or "written, the next delivery sends it"
    return Verdict.FAILED, notice.error or "refused"


def _tells_the_same(other: Notice, notice: Notice) -> bool:
    """Whether a notice is of the same telling to the same person, by another of their channels or instead of it."""
    return (other.reason, other.step, other.person) == (notice.reason, notice.step, notice.person)


def _not_made(
    case: _Case, said: Mapping[str, datetime], later: Sequence[Telling], log: Mapping[str, Notice]
) -> tuple[Verdict, str]:
    """Why a telling does not stand in the log."""
    at, needs = case.telling.at, case.run.chain.steps[case.telling.step].needs
    in_time = sorted(moment for moment in said.values() if moment <= at + GRACE)
    who = case.recipient.person
    if len(in_time) >= needs:
        names = ", ".join(sorted(name for name, moment in said.items() if moment <= at + GRACE))
        return Verdict.STOPPED, f"acknowledged by {names}"
    if who is not None and who in said and said[who] <= at + GRACE:
        return Verdict.STOPPED, f"{who} had acknowledged"
    person = next((each for each in case.run.chain.people if each.name == who), None)
    until = quiet_until(person, at) if person is not None and case.incident.severity < LOUD else None
    if until is not None and (until > case.ends or (len(said) >= needs and sorted(said.values())[needs - 1] <= until)):
        return Verdict.HELD, f"quiet hours of {who} until {until:%H:%M} UTC"
    if any(case.key(each) in log for each in later):
        return Verdict.OVERTAKEN, "nothing ran in time, or it was quiet; the newest telling was made instead"
    if case.ends - at <= GRACE:
        done = case.ends < case.now
        return (Verdict.STOPPED, "it was over") if done else (Verdict.SOON, "the next run of watch makes it")
    return Verdict.MISSED, "watch has not made it: did it run?"
