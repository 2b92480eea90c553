"""The dead man's switch: silence is told as soon as anything runs, and a sign of life goes out while all is well."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from pipeline.alarms import Telling, tell
from pipeline.config import Config, Silence, parse
from pipeline.domain import Cursor, Reason
from pipeline.escalation.silence import silence_notices, silences
from pipeline.notifiers.heartbeat import Heartbeat
from pipeline.stores.sqlite import SqliteStore
from tests.contracts.store.made import ago, cursor
from tests.factories import NOW
from tests.fakes import Clock, RecordingNotifier
from tests.test_webhook import Receiver, receiver  # noqa: F401 - a fixture

PAIRS = [("x", "brightly")]
CONFIG: Config = parse(
    {
        "brand": [{"name": "Brightly"}],
        "query": [{"name": "brightly", "brand": "Brightly"}],
        "source": [{"name": "x", "kind": "x"}],
        "silence": {"listen_minutes": 30},
    }
)


def found(*cursors: Cursor, watch: datetime | None = None, limits: Silence = CONFIG.silence) -> list[tuple[str, datetime, bool]]:  # fmt: skip
    pulses = {} if watch is None else {"watch": watch}
    return [(each.part, each.since, each.over) for each in silences(limits, cursors=cursors, pairs=PAIRS, pulses=pulses, now=NOW)]  # fmt: skip


def test_what_ran_lately_or_never_is_not_silent() -> None:
    assert found() == []
    assert found(cursor()) == []
    assert found(cursor(tried_at=ago(30)), watch=ago(10)) == []


def test_listen_is_silent_when_no_source_was_tried_and_watch_when_it_did_not_end() -> None:
    assert found(cursor(tried_at=ago(31))) == [("listen", ago(31), False)]
    assert found(cursor(tried_at=ago(5)), watch=ago(11)) == [("watch", ago(11), True)]


def test_one_source_that_is_tried_is_enough_and_one_that_is_left_alone_is_not_silent() -> None:
    assert found(cursor(tried_at=ago(99)), replace(cursor(tried_at=ago(1)), query="brightly", source="x")) == []
    assert found(cursor(tried_at=ago(99), retry_at=ago(20))) == []
    assert found(replace(cursor(tried_at=ago(99)), query="removed")) == []


def test_a_clock_that_was_put_back_makes_nothing_silent() -> None:
    assert found(cursor(tried_at=NOW + timedelta(days=2)), watch=NOW + timedelta(days=2)) == []


def test_a_silence_is_told_once_a_channel_and_again_after_hours() -> None:
    silent = silences(CONFIG.silence, cursors=[cursor(tried_at=ago(31))], pairs=PAIRS, pulses={}, now=NOW)

    def ids(now: datetime) -> set[str]:
        return {each.id for each in silence_notices(silent, channels=("a", "b"), address="http://x", now=now)}

    assert len(ids(NOW)) == 2
    assert ids(NOW) == ids(NOW + timedelta(hours=3))
    assert not ids(NOW) & ids(NOW + timedelta(hours=4))


@pytest.fixture
def telling() -> Telling:
    store = SqliteStore(":memory:")
    clock = Clock()
    return Telling(store=store, config=CONFIG, notifiers={"console": RecordingNotifier()}, clock=clock)


def heard(telling: Telling) -> list[str]:
    recorder = telling.notifiers["console"]
    assert isinstance(recorder, RecordingNotifier)
    return [notice.subject for notice in recorder.heard]


def test_a_watch_that_comes_back_says_how_long_it_was_away_and_once(telling: Telling) -> None:
    clock = telling.clock
    assert isinstance(clock, Clock)
    for minutes in (1, 1, 45, 1, 1):
        tell(telling)
        clock.later(minutes=minutes)
    assert heard(telling) == ["Tocsin was silent: watch did not run for 45 min"]
    assert telling.store.notices()[0].reason is Reason.SILENT


def test_a_watch_that_hears_nothing_says_so_while_it_lasts(telling: Telling) -> None:
    clock = telling.clock
    assert isinstance(clock, Clock)
    telling.store.save_progress(cursor(tried_at=NOW))
    for _ in range(60):
        tell(telling)
        clock.later(minutes=5)
    assert heard(telling) == [
        "Tocsin is deaf: nothing has been listened to for 35 min",
        "Tocsin is deaf: nothing has been listened to for 4 h",
    ]


def test_a_sign_of_life_is_sent_after_everything_else(telling: Telling) -> None:
    order: list[str] = []

    class Sent(RecordingNotifier):
        def notify(self, notice: object) -> None:
            order.append("notice")

    telling.store.beat("watch", ago(99))
    tell(replace(telling, notifiers={"console": Sent()}, heartbeat=lambda: order.append("heartbeat")))
    assert order == ["notice", "heartbeat"]


def test_a_sign_of_life_reaches_another_service(receiver: Receiver) -> None:  # noqa: F811
    Heartbeat(SecretStr(receiver.url), lambda: NOW, allow_private=True)()
    assert [body for _, body in receiver.got] == [b"watch runs"]


def test_a_sign_of_life_that_is_not_taken_stops_nothing_and_shows_no_address(
    receiver: Receiver,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver.status = 404
    with caplog.at_level(logging.WARNING):
        Heartbeat(SecretStr(f"{receiver.url}/s3cret"), lambda: NOW, allow_private=True)()
        Heartbeat(SecretStr(f"{receiver.url}/s3cret"), lambda: NOW)()  # a private address
    assert "answered 404" in caplog.text
    assert "private address" in caplog.text
    assert "s3cret" not in caplog.text
