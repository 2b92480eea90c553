"""Deadlines of tickets, told in time, together, and once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.alarms import Telling, record_deadlines
from pipeline.config import Config, Deadlines, parse
from pipeline.domain import Notice, Priority, QueueItem, Reason
from pipeline.errors import ConfigError
from pipeline.escalation.deadlines import deadline_notices
from pipeline.stores.sqlite import SqliteStore
from tests.contracts.store.made import put, ticket
from tests.factories import NOW, scored
from tests.fakes import Clock

SETTINGS = Deadlines(channels=("room", "desk"))


def waiting(
    minutes: float, *, priority: Priority = Priority.P1, text: str = "my brightly broke", **about: Any
) -> QueueItem:
    """A ticket whose respond-by is so many minutes from now."""
    made = ticket(str(minutes), **about)
    rank = replace(made.rank, respond_by=NOW + timedelta(minutes=minutes), priority=priority)
    item = scored(str(minutes), text)
    return QueueItem(ticket=replace(made, rank=rank), mention=item.mention, score=item.score)


def told(*items: QueueItem, minutes: float = 0, settings: Deadlines = SETTINGS) -> list[Notice]:
    return deadline_notices(items, settings, address="http://x/", now=NOW + timedelta(minutes=minutes))


def test_tickets_of_five_minutes_are_one_message_a_channel() -> None:
    late = told(waiting(-9), waiting(-6), waiting(-7))
    assert [(each.channel, each.subject) for each in late] == [
        ("room", "3 tickets past respond-by"),
        ("desk", "3 tickets past respond-by"),
    ]


def test_a_ticket_is_told_of_before_its_deadline_and_after_it_and_each_once() -> None:
    item = waiting(20)
    seen: dict[str, int] = {}
    for minute in range(90):
        for notice in told(item, minutes=minute):
            if notice.channel == "room":
                seen.setdefault(notice.id, minute)
    assert [(id_.partition("|")[0], minute) for id_, minute in seen.items()] == [("respond soon", 10), ("breached", 25)]


def test_what_ended_long_ago_and_what_matters_less_is_not_told() -> None:
    assert told(waiting(-61), waiting(-30, priority=Priority.P3)) == []
    assert [each.reason for each in told(waiting(-58))] == [Reason.BREACHED] * 2


def test_the_message_names_the_first_ten_masks_personal_data_and_says_who_has_it() -> None:
    many = [waiting(-6 - n / 100, text="call me on +44 20 7946 0958") for n in range(12)]
    held = replace(many[0], ticket=replace(many[0].ticket, claimed_by="Ana", claimed_until=NOW + timedelta(hours=1)))
    body = told(held, *many[1:])[0].body
    assert "7946" not in body
    assert body.count("nobody has it") == 9
    assert "Ana has it" in body
    assert "and 2 more" in body


@pytest.mark.parametrize("channels", [[], ["console"]])
def test_watch_records_them_once_where_somebody_is_to_be_told(channels: list[str]) -> None:
    config: Config = parse({"deadlines": {"channels": channels}})
    store = SqliteStore(":memory:")
    put(store, ticket("1", due=-15), ticket("2", due=500))
    telling = Telling(store=store, config=config, notifiers={}, clock=Clock())
    assert record_deadlines(telling, now=NOW) == len(channels)
    assert record_deadlines(telling, now=NOW) == 0
    assert [each.subject for each in store.notices()] == ["1 ticket past respond-by"] * len(channels)
    store.close()


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[deadlines\] names the channel 'rom'"):
        parse({"deadlines": {"channels": ["rom"]}})
