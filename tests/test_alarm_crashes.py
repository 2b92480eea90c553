"""A process that tells people is killed between any two of its writes and in the middle of any message, a thousand times.

What is promised, as it is: every notice that is due is recorded, and sent at least once; a notice is sent again, under the
same id, only where a process died after the message had left and before that was recorded. None is written twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline import respond
from pipeline.alarms import Telling, audited, tell
from pipeline.domain import Notice, Reason
from pipeline.errors import ChannelRefused, ChannelUnavailable, Conflict
from pipeline.escalation.audit import WRONG, Verdict
from pipeline.stores.sqlite import SqliteStore
from tests.factories import NOW, incident
from tests.fakes import Clock
from tests.test_chains import config

WRITES = {"add_notice", "take_notice", "save_notice", "start_chain", "save_outage", "beat", "save_incident", "record"}
STORMS, KILLS_A_STORM = 20, 50


class Killed(BaseException):
    """kill -9: nothing catches it."""


class Perilous:
    """A store that dies before or after one of its writes, the change done or not done, never half."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.left: int | None = None
        self.kills = 0

    def __getattr__(self, name: str) -> Any:
        act = getattr(self.store, name)
        if name not in WRITES:
            return act

        def dangerous(*arguments: Any, **options: Any) -> Any:
            self.step()
            done = act(*arguments, **options)
            self.step()
            return done

        return dangerous

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    @contextmanager
    def killed_after(self, steps: int) -> Iterator[None]:
        self.left = steps
        try:
            yield
        except Killed:
            self.kills += 1
        finally:
            self.left = None


class Channel:
    """Dies before a message leaves or after; now and then it is down, and one refuses for good."""

    def __init__(self, name: str, peril: Perilous, dice: random.Random) -> None:
        self.name, self.peril, self.dice = name, peril, dice
        self.refuses, self.shaky = False, True
        self.arrived: Counter[str] = Counter()

    def notify(self, notice: Notice) -> None:
        self.peril.step()
        if self.refuses:
            raise ChannelRefused(f"{self.name} answered 410")
        if self.shaky and self.dice.random() < 0.1:
            raise ChannelUnavailable(f"{self.name} answered 503")
        self.arrived[notice.id] += 1
        self.peril.step()


@pytest.mark.parametrize("seed", range(STORMS))
def test_every_notice_is_recorded_and_sent_at_least_once_wherever_the_process_is_killed(seed: int) -> None:
    dice = random.Random(seed)
    store = SqliteStore(":memory:")
    peril, clock = Perilous(store), Clock()
    channels = {name: Channel(name, peril, dice) for name in ("room", "phone", "mail", "pager")}
    settings = config(
        {"rotas": ["ops"], "repeat": 1, "every": 7},
        {"wait": 10, "people": ["Maria"], "needs": 2},
        {"wait": 20, "channels": ["room"]},
        repeat_hours=2,
    )
    telling = Telling(store=peril, config=settings, notifiers=channels, clock=clock)  # type: ignore[arg-type]
    store.save_incident(incident(opened_at=NOW - timedelta(minutes=1)))
    while peril.kills < KILLS_A_STORM:
        with peril.killed_after(dice.randrange(10)):
            _something_happens(peril, clock, channels, dice)
            tell(telling)
        clock.later(seconds=dice.choice([1, 20, 60, 400]))
    for channel in channels.values():  # then it is left in peace
        channel.shaky = False
    for minutes in (1, 1, 5, 61, 1):
        tell(telling)
        clock.later(minutes=minutes)
    respond.close(store, incident().id, "Ana", now=clock())
    for minutes in (1, 61, 1, 1):
        tell(telling)
        clock.later(minutes=minutes)
    _hold(store, channels, clock)
    store.close()


def _something_happens(store: Any, clock: Clock, channels: dict[str, Channel], dice: random.Random) -> None:
    current = store.incident(incident().id)
    match dice.randrange(30):
        case 0:
            respond.acknowledge(store, current.id, dice.choice(["Ana", "Ben"]), now=clock())
        case 1 if current.severity < 5:
            with suppress(Conflict):
                store.save_incident(replace(current, severity=current.severity + 1))
        case 2:
            channels[dice.choice(["phone", "mail"])].refuses = True


def _hold(store: SqliteStore, channels: dict[str, Channel], clock: Clock) -> None:
    written = store.notices(limit=10_000)
    arrived: Counter[str] = sum((each.arrived for each in channels.values()), Counter())
    sent = {each.id for each in written if each.sent_at is not None}
    assert set(arrived) <= {each.id for each in written}, "something was sent that nobody recorded"
    assert sent <= set(arrived), "something is recorded as sent that was not"
    refusing = {name for name, each in channels.items() if each.refuses}
    for notice in written:
        if notice.channel not in refusing:
            assert arrived[notice.id] >= 1, f"never sent: {notice.id}"
        if arrived[notice.id] > 1:  # each time but the last, the process died before it could say so
            assert notice.attempts >= arrived[notice.id]
    same = Counter((each.person, each.channel, each.reason, each.step, each.severity, _of(each)) for each in written)
    assert [each for each, count in same.items() if count > 1] == [], "written twice for one reason"
    current = store.incident(incident().id)
    for _, findings in audited(current, store=store, now=clock()):
        wrong = [each for each in findings if each.verdict in WRONG]
        # A process that died again and again for minutes may come too late for a telling: the auditor says so.
        assert [each for each in wrong if each.verdict is not Verdict.MISSED] == []


def _of(notice: Notice) -> str:
    """What tells two notices of one reason and step apart: who acknowledged, or whose notice it carries."""
    return notice.id if notice.reason is Reason.ACKNOWLEDGED or notice.reason is Reason.SILENT or " instead by " in notice.id else ""  # fmt: skip
