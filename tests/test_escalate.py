"""Escalate: a reason or silence, recorded before it is sent, personal data masked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import StringIO

import pytest

from pipeline.domain import Notice, Part, Reason
from pipeline.errors import ChannelRefused, ChannelUnavailable
from pipeline.escalate import deliver, message, notices_for, reason_for
from pipeline.notifiers.console import ConsoleNotifier
from pipeline.stores.sqlite import SqliteStore
from tests.factories import FIRE, NOW, incident, score, scored
from tests.fakes import Clock

POST = scored(
    "1", "it caught fire, call me on +44 20 7946 0958", given=score("complaint", "critical", 0.9, rules=(FIRE,))
)


def due(told=(), channels=("console",), about=None):
    return notices_for(
        about or incident(), [POST], told=told, channels=channels, address="http://127.0.0.1:8600/", now=NOW
    )


@dataclass
class Recorder:
    """A channel that keeps what it was told, or fails as asked."""

    name: str = "console"
    failure: Exception | None = None
    heard: list[Notice] = field(default_factory=list)

    def notify(self, notice: Notice) -> None:
        if self.failure:
            raise self.failure
        self.heard.append(notice)


@pytest.fixture
def store():
    with_notices = SqliteStore(":memory:")
    for notice in due(channels=("console", "ops")):
        with_notices.add_notice(notice)
    yield with_notices
    with_notices.close()


def test_people_are_told_once_that_an_incident_opened():
    (first,) = due()
    assert first.reason is Reason.INCIDENT_OPENED
    assert due(told=[first]) == []


def test_growth_is_told_when_the_severity_rose_and_not_for_every_post():
    (first,) = due()
    assert reason_for(incident(posts=40), [first]) is None
    (second,) = due(told=[first], about=incident(severity=5))
    assert second.reason is Reason.INCIDENT_GREW
    assert second.id != first.id


def test_a_closed_incident_is_no_news():
    assert due(about=incident(closed_at=NOW)) == []


def test_each_channel_hears_by_itself():
    first, _ = due(channels=("console", "ops"))
    assert [notice.channel for notice in due(told=[first], channels=("console", "ops"))] == ["ops"]


def test_a_notice_says_what_how_bad_why_and_where_with_personal_data_masked():
    subject, body = message(
        incident(parts=(Part(name="grave post", value=3, because='fire "caught fire"'),)),
        [POST],
        reason=Reason.INCIDENT_OPENED,
        address="http://127.0.0.1:8600",
    )
    assert subject == 'Severity 3 · Brightly · "fire: caught fire" · since 10:00 UTC'
    assert "1 posts by 1 people" not in body
    assert "1 post by 1 person" in body
    assert 'Severity 3 = 3 grave post (fire "caught fire")' in body
    assert "7946" not in body
    assert "http://127.0.0.1:8600/incidents/brightly-fire-20261125T100000" in body


def test_delivery_sends_each_notice_once(store):
    console, ops = Recorder("console"), Recorder("ops")
    for _ in range(3):
        deliver({"console": console, "ops": ops}, store=store, clock=lambda: NOW)
    assert [len(channel.heard) for channel in (console, ops)] == [1, 1]
    assert all(notice.sent_at == NOW for notice in store.notices())


def test_a_transient_failure_is_tried_again_later_with_the_same_id(store):
    ops = Recorder("ops", ChannelUnavailable("ops answered 503"))
    assert deliver({"console": Recorder(), "ops": ops}, store=store, clock=lambda: NOW).failed == 1
    assert deliver({"ops": ops}, store=store, clock=lambda: NOW).failed == 0  # not before its time
    ops.failure = None
    assert deliver({"ops": ops}, store=store, clock=lambda: NOW + timedelta(minutes=1)).sent == 1
    assert ops.heard[0].attempts == 2


def test_a_refusal_is_shown_and_not_tried_again(store):
    ops = Recorder("ops", ChannelRefused("ops answered 410"))
    deliver({"console": Recorder(), "ops": ops}, store=store, clock=lambda: NOW)
    (failed,) = [notice for notice in store.notices() if notice.channel == "ops"]
    assert (failed.failed_at, failed.error) == (NOW, "ops answered 410")
    assert store.due_notices(NOW + timedelta(days=1)) == []


def test_a_crash_while_sending_is_seen_and_sent_again(store):
    class Dies(Recorder):
        def notify(self, notice):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver({"console": Dies(), "ops": Dies()}, store=store, clock=lambda: NOW)
    console = Recorder()
    assert deliver({"console": console, "ops": Recorder("ops")}, store=store, clock=lambda: NOW).sent == 1  # the other
    deliver({"console": console, "ops": Recorder("ops")}, store=store, clock=lambda: NOW + timedelta(minutes=2))
    assert all(notice.sent_at for notice in store.notices())


def test_a_channel_that_is_no_longer_configured_fails_in_plain_words(store):
    deliver({"console": Recorder()}, store=store, clock=lambda: NOW)
    (failed,) = [notice for notice in store.notices() if notice.failed_at]
    assert failed.error == "channel 'ops' is no longer configured"


def test_notices_are_idempotent_in_the_log(store):
    notice = store.notices()[0]
    assert store.add_notice(replace(notice, subject="again")) is False
    assert len(store.notices()) == 2


def test_a_console_that_is_gone_is_tried_again(monkeypatch):
    gone = StringIO()
    gone.close()
    monkeypatch.setattr("sys.stderr", gone)
    with pytest.raises(ChannelUnavailable, match="console is gone"):
        ConsoleNotifier().notify(due()[0])


def test_an_error_inside_a_channel_is_not_called_a_missing_channel(store):
    with pytest.raises(KeyError, match="its own"):
        deliver({"console": Recorder(failure=KeyError("its own"))}, store=store, clock=lambda: NOW)
    assert not any(notice.failed_at for notice in store.notices())


def test_a_channel_that_is_down_is_asked_once_a_run_and_keeps_no_other_waiting(store):
    for number in range(3):
        store.add_notice(replace(store.notices()[0], id=f"more {number}", channel="ops"))
    asked = []

    class Down(Recorder):
        def notify(self, notice):
            asked.append(notice.id)
            raise ChannelUnavailable("ops answered 503")

    console = Recorder()
    done = deliver({"console": console, "ops": Down("ops")}, store=store, clock=lambda: NOW, limit=1)
    assert (done.sent, done.failed, len(asked), len(console.heard)) == (1, 1, 1, 1)
    waiting = [notice for notice in store.notices() if notice.channel == "ops" and notice.attempts == 0]
    assert [notice.retry_at for notice in waiting] == [None] * 3


def test_a_channel_that_answers_slowly_is_left_for_the_next_run_and_keeps_no_other_waiting(store):
    for number in range(3):
        store.add_notice(replace(store.notices()[0], id=f"a more {number}", channel="ops"))
    clock = Clock()

    class Slow(Recorder):
        def notify(self, notice):
            super().notify(notice)
            clock.later(seconds=40)

    console, ops = Recorder(), Slow("ops")
    deliver({"console": console, "ops": ops}, store=store, clock=clock)
    assert (len(ops.heard), len(console.heard)) == (2, 1)
    deliver({"console": console, "ops": ops}, store=store, clock=clock)
    assert (len(ops.heard), len(console.heard)) == (4, 1)


def test_two_that_deliver_at_once_send_a_notice_once(store):
    console, ops = Recorder(), Recorder("ops")

    class Beside(Recorder):
        def notify(self, notice):
            deliver({"console": console, "ops": ops}, store=store, clock=lambda: NOW)
            super().notify(notice)

    beside = Beside()
    deliver({"console": beside, "ops": ops}, store=store, clock=lambda: NOW)
    assert (len(console.heard), len(beside.heard), len(ops.heard)) == (0, 1, 1)


def test_the_worst_posts_are_quoted_and_of_those_the_newest():
    posts = [
        scored(str(n), f"post {n}", given=score(crisis=0.9), posted_at=NOW + timedelta(minutes=n)) for n in range(5)
    ]
    worst = scored("w", "the worst", given=score(crisis=0.95), posted_at=NOW - timedelta(hours=1))
    _, body = message(incident(), [*posts, worst], reason=Reason.INCIDENT_OPENED, address="http://127.0.0.1:8600")
    assert [line.split('"')[1] for line in body.splitlines() if line.startswith('"')] == [
        "the worst", "post 4", "post 3",
    ]  # fmt: skip


# --- channels that refuse ---------------------------------------------------------------------------------------------


def refusing(name="ops", answer="ops answered 410"):
    return Recorder(name, ChannelRefused(answer))


def test_a_channel_that_refuses_is_off_and_not_asked_again_until_a_person_enables_it(store):
    ops = refusing()
    deliver({"console": Recorder(), "ops": ops}, store=store, clock=lambda: NOW)
    assert [(each.id, each.since, each.error) for each in store.outages()] == [("ops", NOW, "ops answered 410")]
    ops.failure = None
    store.add_notice(replace(due(channels=("ops",))[0], id="later"))
    deliver({"ops": ops}, store=store, clock=lambda: NOW)
    assert ops.heard == []
    (off,) = [each for each in store.notices() if each.id == "later"]
    assert "tocsin channels enable ops" in off.error
    store.end_outage("ops")
    store.add_notice(replace(off, id="after", failed_at=None, error=None))
    deliver({"ops": ops}, store=store, clock=lambda: NOW)
    assert [each.id for each in ops.heard] == ["after"]


def test_a_notice_that_another_channel_was_told_as_well_is_not_told_twice(store):
    console = Recorder()
    for _ in range(3):
        deliver({"console": console, "ops": refusing()}, store=store, clock=lambda: NOW)
    assert len(console.heard) == 1


def told_to(person="Ana", channel="phone", **changes):
    return replace(due()[0], id=f"to {person} by {channel}", person=person, channel=channel, **changes)


@pytest.mark.parametrize(
    ("own", "carried"),
    [(("phone", "mail"), ["mail"]), (("phone",), ["desk", "mail", "room"]), ((), ["desk", "mail", "room"])],
)
def test_what_a_channel_refuses_goes_by_the_persons_other_channels_else_by_all_that_work(empty, own, carried):
    others = {name: Recorder(name) for name in ("desk", "mail", "room")}
    empty.add_notice(told_to())
    for _ in range(3):
        deliver({"phone": refusing("phone"), **others}, store=empty, clock=lambda: NOW, people={"Ana": own})
    assert [name for name, each in others.items() for _ in each.heard] == carried
    assert all("it was for Ana" in notice.body for each in others.values() for notice in each.heard)


def test_a_carrier_that_is_refused_too_is_carried_on(empty):
    room = Recorder("room")
    empty.add_notice(told_to())
    for _ in range(4):
        notifiers = {"phone": refusing("phone"), "mail": refusing("mail"), "room": room}
        deliver(notifiers, store=empty, clock=lambda: NOW, people={"Ana": ("phone", "mail")})
    assert [notice.person for notice in room.heard] == ["Ana"]


def test_what_nobody_can_carry_has_failed_and_says_so(empty):
    empty.add_notice(told_to())
    for _ in range(4):
        deliver({name: refusing(name) for name in ("phone", "mail")}, store=empty, clock=lambda: NOW)
    assert [each.failed_at for each in empty.notices()] == [NOW, NOW]


def test_a_crash_after_the_refusal_carries_the_notice_once(empty):
    class Crashing(SqliteStore):
        def save_notice(self, notice):
            raise KeyboardInterrupt

    empty.close()
    crashing = Crashing(":memory:")
    crashing.add_notice(told_to())
    mail = Recorder("mail")
    with pytest.raises(KeyboardInterrupt):
        deliver({"phone": refusing("phone"), "mail": mail}, store=crashing, clock=lambda: NOW)
    crashing.__class__ = SqliteStore
    for minute in range(5):
        later = NOW + timedelta(minutes=minute)
        deliver({"phone": refusing("phone"), "mail": mail}, store=crashing, clock=lambda at=later: at)
    assert len(mail.heard) == 1
    assert all(each.sent_at or each.failed_at for each in crashing.notices())
    crashing.close()


def test_what_is_sent_carries_the_link_and_what_is_kept_does_not(store):
    console = Recorder()
    deliver(
        {"console": console, "ops": Recorder("ops")},
        store=store,
        clock=lambda: NOW,
        link_of=lambda _: "https://x/ack/t",
    )
    assert console.heard[0].body.endswith("\nI have it: https://x/ack/t")
    assert all("/ack/" not in each.body for each in store.notices())


@pytest.fixture
def empty():
    made = SqliteStore(":memory:")
    yield made
    made.close()
