"""The auditor finds what was not told, and says why what was not told need not be."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.domain import ChainRun, Event, Incident, Notice
from pipeline.escalate import Alarm, chain_notices
from pipeline.escalation.audit import WRONG, Verdict, audit
from tests.factories import NOW, incident
from tests.test_chains import WEB, said, started

MINUTE = timedelta(minutes=1)


def played(
    run: ChainRun, about: Incident, minutes: range, events: tuple[Event, ...] = (), told: tuple[Notice, ...] = ()
) -> tuple[Notice, ...]:
    """The log after a watch that ran at these minutes and delivered at once."""
    for minute in minutes:
        now = NOW + minute * MINUTE
        known = tuple(event for event in events if event.at <= now)
        fresh = chain_notices(Alarm(incident=about, run=run, events=known, told=told), address=WEB, now=now)
        told += tuple(replace(notice, sent_at=now, attempts=1) for notice in fresh)
    return told


def verdicts(run: ChainRun, told: tuple[Notice, ...], minutes: float, about: Incident | None = None, events: tuple[Event, ...] = (), **more: Any) -> list[str]:  # fmt: skip
    found = audit(run, about or incident(), events=events, told=told, now=NOW + minutes * MINUTE, **more)
    return [f"{each.telling.at - NOW} {each.recipient}: {each.verdict}" for each in found]


def test_every_due_step_that_ran_is_told() -> None:
    run = started()
    assert verdicts(run, played(run, incident(), range(12)), 11) == [
        "0:00:00 Ana by phone: told",
        "0:00:00 Ana by mail: told",
        "0:10:00 Maria by pager: told",
    ]


def test_a_step_that_did_not_run_is_missed() -> None:
    run = started()
    told = played(run, incident(), range(5))  # then nothing runs any more
    assert verdicts(run, told, 11)[-1] == "0:10:00 Maria by pager: due now"
    assert verdicts(run, told, 14)[-1] == "0:10:00 Maria by pager: missed"


def test_a_notice_that_is_gone_from_the_log_is_missed() -> None:
    run = started()
    told = played(run, incident(), range(12))
    assert [each for each in verdicts(run, told[:1] + told[2:], 15) if "missed" in each] == [
        "0:00:00 Ana by mail: missed"
    ]


def test_an_acknowledgement_makes_the_rest_unneeded() -> None:
    run, events = started(), (said("Ana", 5),)
    told = played(run, incident(), range(60), events)
    assert verdicts(run, told, 59, events=events)[2:] == [
        "0:10:00 Maria by pager: not needed",
        "0:30:00 Ben by phone: told",
        "0:30:00 Lea by mail: told",
    ]


def test_quiet_hours_hold_and_the_morning_overtakes() -> None:
    night = NOW.replace(hour=23)
    run = started({"people": ["Maria"], "repeat": 1, "every": 5}, at=night, repeat_hours=None)
    found = audit(run, incident(), events=(), told=(), now=night + timedelta(hours=2))
    assert [each.verdict for each in found] == [Verdict.HELD, Verdict.HELD]
    morning = night + timedelta(hours=8)
    told = tuple(chain_notices(Alarm(incident=incident(), run=run), address=WEB, now=morning))
    found = audit(run, incident(), events=(), told=told, now=morning)
    assert [each.verdict for each in found] == [Verdict.OVERTAKEN, Verdict.SENDING]


def test_what_failed_is_told_where_another_channel_carried_it() -> None:
    run = started({"people": ["Ben"]})
    (notice,) = chain_notices(Alarm(incident=incident(), run=run), address=WEB, now=NOW)
    failed = replace(notice, failed_at=NOW, error="410")
    carrier = replace(notice, id=f"{notice.id} instead by mail", channel="mail")  # or another of Ben's own channels
    assert verdicts(run, (failed,), 9) == ["0:00:00 Ben by phone: failed"]
    assert verdicts(run, (failed, carrier), 9) == ["0:00:00 Ben by phone: being sent"]
    assert verdicts(run, (failed, replace(carrier, sent_at=NOW)), 9) == ["0:00:00 Ben by phone: told"]
    assert verdicts(run, (failed, replace(carrier, failed_at=NOW)), 9) == ["0:00:00 Ben by phone: failed"]


def test_a_step_that_reaches_nobody_is_wrong() -> None:
    run = started({"people": ["Ben"], "channels": ["mail"]})  # Ben has only a phone
    assert verdicts(run, (), 9) == ["0:00:00 None: nobody to tell"]


def test_nothing_is_owed_after_the_end_or_after_a_graver_chain_took_over() -> None:
    run = started()
    over = incident(closed_at=NOW + 5 * MINUTE)
    assert len(verdicts(run, (), 60, about=over)) == 2
    assert len(verdicts(run, (), 60, followed_at=NOW + 5 * MINUTE)) == 2


@pytest.mark.parametrize("seed", range(40))
def test_whatever_people_do_a_watch_that_runs_every_minute_leaves_nothing_wrong(seed: int) -> None:
    dice = random.Random(seed)
    run = started(
        {"rotas": ["ops"], "repeat": dice.randrange(3), "every": dice.choice([1, 5])},
        {"wait": dice.randrange(20), "people": ["Maria"], "needs": dice.randint(1, 2)},
        {"wait": dice.randrange(20), "teams": ["legal"], "in_hours": dice.random() < 0.3},
        repeat_hours=dice.choice([None, 1.5, 4]),
    )
    events = tuple(said(who, dice.randrange(300)) for who in dice.sample(["Ana", "Ben", "Maria"], dice.randrange(4)))
    closed = NOW + dice.randrange(1, 600) * MINUTE
    about = incident(severity=dice.randint(1, 5))
    told = played(run, about, range(int((closed - NOW) / MINUTE)), events)
    found = audit(run, replace(about, closed_at=closed), events=events, told=told, now=NOW + timedelta(hours=12))
    assert [each for each in found if each.verdict in WRONG] == []
    steps = [each for each in told if each.step]
    for notice in dice.sample(steps, min(3, len(steps))):  # and it notices what is taken away
        less = tuple(each for each in told if each != notice)
        found = audit(run, replace(about, closed_at=closed), events=events, told=less, now=NOW + timedelta(hours=12))
        assert len([each for each in found if each.verdict is Verdict.TOLD]) == len(steps) - 1
