"""Chains: whom they call at every moment, and what holds them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.config import Config, parse
from pipeline.domain import ChainRun, Event, EventKind, Incident, Notice, Reason
from pipeline.errors import ConfigError
from pipeline.escalate import Alarm, chain_notices
from pipeline.escalation.chains import (
    acknowledged_by,
    chosen,
    current,
    due,
    next_telling,
    run_of,
    snapshot,
    tellings,
    to_start,
)
from pipeline.escalation.texts import told_next
from tests.factories import NOW, incident

WEB = "http://127.0.0.1:8600"
LADDER = [{"rotas": ["ops"]}, {"wait": 10, "people": ["Maria"]}, {"wait": 20, "teams": ["legal"], "needs": 2}]


def config(*steps: dict[str, Any], **chain: Any) -> Config:
    return parse(
        {
            "brand": [{"name": "Brightly", "markets": ["DE"]}, {"name": "Lumiva"}],
            "market": {"DE": {"timezone": "Europe/Berlin"}},
            "channel": [{"kind": "console", "name": name} for name in ("room", "phone", "mail", "pager")],
            "team": [{"name": "legal", "members": ["Lea", "Ben"]}],
            "person": [
                {"name": "Ana", "channels": ["phone", "mail"]},
                {"name": "Ben", "channels": ["phone"]},
                {"name": "Lea", "channels": ["mail"]},
                {"name": "Maria", "channels": ["pager"], "timezone": "Europe/Berlin", "quiet_from": "22:00", "quiet_until": "07:00"},
            ],
            "rota": [{"name": "ops", "people": ["Ana", "Ben"], "first_day": "2026-11-23"}],
            "chain": [{"name": "crisis", "step": steps or LADDER, **chain}],
        }
    )  # fmt: skip


def started(*steps: dict[str, Any], at: datetime = NOW, **chain: Any) -> ChainRun:
    settings = config(*steps, **chain)
    return run_of(snapshot(settings.chain[0], settings, "Brightly"), incident(), now=at)


def said(who: str, minutes: float = 0, kind: EventKind = EventKind.ACKNOWLEDGED, note: str = "") -> Event:
    return Event(
        id=int(minutes * 60) + 1, at=NOW + timedelta(minutes=minutes), actor=who, kind=kind, subject="i", note=note
    )


def heard(run: ChainRun, minutes: float, *, events: tuple[Event, ...] = (), told: tuple[Notice, ...] = (), **about: Any) -> list[Notice]:  # fmt: skip
    """What is due so many minutes after the start."""
    alarm = Alarm(incident=incident(**about), run=run, events=events, told=told)
    return chain_notices(alarm, address=WEB, now=NOW + timedelta(minutes=minutes))


def whom(notices: list[Notice]) -> list[str]:
    return [f"{each.person or '-'} {each.channel}: {each.reason}" for each in notices]


def play(run: ChainRun, minutes: int, **about: Any) -> dict[int, list[str]]:
    """Minute by minute, with a log that remembers."""
    told: tuple[Notice, ...] = ()
    story: dict[int, list[str]] = {}
    for minute in range(minutes):
        found = heard(run, minute, told=told, **about)
        told += tuple(found)
        if found:
            story[minute] = whom(found)
    return story


def test_each_step_comes_in_its_time_and_once() -> None:
    assert play(started(), 60) == {
        0: ["Ana phone: incident opened", "Ana mail: incident opened"],
        10: ["Maria pager: escalated"],
        30: ["Ben phone: escalated", "Lea mail: escalated"],
    }


def test_an_acknowledgement_stops_the_steps_that_need_no_more() -> None:
    assert whom(heard(started(), 10, events=(said("Ana", 5),), told=tuple(heard(started(), 0)))) == []
    late = heard(started(), 30, events=(said("Ana", 5),))
    assert whom(late) == ["Ben phone: escalated", "Lea mail: escalated"]  # this step needs two
    assert heard(started(), 30, events=(said("Ana", 5), said("Maria", 6))) == []


def test_who_acknowledged_is_not_called_by_a_step_that_needs_more() -> None:
    assert whom(heard(started(), 30, events=(said("Ben", 5),))) == ["Lea mail: escalated"]


def test_a_closed_incident_calls_nobody() -> None:
    assert heard(started(), 30, closed_at=NOW) == []


def test_steps_repeat_and_the_chain_begins_again_after_hours() -> None:
    story = play(started({"people": ["Ben"], "repeat": 2, "every": 5}, repeat_hours=1), 80)
    assert story == {
        0: ["Ben phone: incident opened"],
        5: ["Ben phone: repeat"],
        10: ["Ben phone: repeat"],
        60: ["Ben phone: repeat"],
        65: ["Ben phone: repeat"],
        70: ["Ben phone: repeat"],
    }
    once = play(started({"people": ["Ben"]}), 60 * 9)
    assert list(once) == [0, 240, 480]


def test_of_tellings_that_nothing_ran_for_the_newest_alone_is_made() -> None:
    run = started({"people": ["Ben"], "repeat": 5, "every": 5})
    assert whom(heard(run, 23)) == ["Ben phone: repeat"]
    assert whom(heard(run, 600)) == ["Ben phone: repeat"]


def test_a_clock_that_jumps_back_calls_nobody_again_and_one_that_jumps_ahead_skips_nobody() -> None:
    first = heard(started(), 12)
    assert whom(first) == ["Ana phone: incident opened", "Ana mail: incident opened", "Maria pager: escalated"]
    assert heard(started(), -500, told=tuple(first)) == []
    assert heard(started(), 1, told=tuple(first)) == []


@pytest.mark.parametrize(
    ("start", "severity", "first"),
    [
        ("2026-11-25T22:30", 3, "2026-11-26T06:00"),  # Maria sleeps until 7:00 in Berlin
        ("2026-11-25T22:30", 4, "2026-11-25T22:30"),
        ("2026-03-28T23:30", 3, "2026-03-29T05:00"),  # an hour short
        ("2026-10-24T23:30", 3, "2026-10-25T06:00"),  # an hour long
        ("2028-02-28T23:30", 3, "2028-02-29T06:00"),  # a leap day
    ],
)
def test_quiet_hours_hold_what_is_not_severe_until_they_end(start: str, severity: int, first: str) -> None:
    begins, wanted = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, first))
    run = started({"people": ["Maria"]}, at=begins)
    about = incident(severity=severity)
    calls = [
        at
        for minute in range(600)
        if due(run, about, acknowledged=(), told=(), now=(at := begins + timedelta(minutes=minute)))
    ]
    assert calls[0] == wanted


def test_a_severity_that_rises_in_the_night_wakes() -> None:
    night = datetime(2026, 11, 25, 23, tzinfo=UTC)
    run = started({"people": ["Maria"]}, at=night)
    for severity, calls in ((3, 0), (4, 1)):
        assert len(due(run, incident(severity=severity), acknowledged=(), told=(), now=night)) == calls


def test_a_step_for_office_hours_waits_until_they_begin() -> None:
    friday = datetime(2026, 11, 27, 17, 30, tzinfo=UTC)  # 18:30 in Berlin
    run = started({"people": ["Ben"], "in_hours": True}, at=friday, repeat_hours=None)
    assert [each.at for each in tellings(run, until=friday + timedelta(days=9))] == [
        datetime(2026, 11, 30, 8, tzinfo=UTC)
    ]


def test_whose_turn_it_was_when_a_step_was_due_is_called_however_late_it_is_made() -> None:
    before_hand_over = datetime(2026, 11, 30, 8, 59, tzinfo=UTC)
    run = started({"rotas": ["ops"]}, at=before_hand_over)
    late = due(run, incident(), acknowledged=(), told=(), now=before_hand_over + timedelta(minutes=30))
    assert {call.recipient.person for call in late} == {"Ana"}


def test_a_step_tells_channels_or_people_through_some_of_theirs() -> None:
    run = started({"channels": ["room"]}, {"people": ["Ana"], "channels": ["mail"], "wait": 1})
    assert whom(heard(run, 1)) == ["- room: incident opened", "Ana mail: escalated"]


def test_growth_is_told_to_those_who_knew_of_less_and_not_twice_in_five_minutes() -> None:
    run = started({"people": ["Ben"]})
    first = tuple(heard(run, 0))
    assert heard(run, 4, told=first, severity=4) == []
    grown = heard(run, 5, told=first, severity=4)
    assert whom(grown) == ["Ben phone: incident grew"]
    assert heard(run, 9, told=(*first, *grown), severity=5) == []
    assert whom(heard(run, 10, told=(*first, *grown), severity=5)) == ["Ben phone: incident grew"]


def test_the_others_hear_who_has_it() -> None:
    run = started({"people": ["Ana", "Ben"]}, {"wait": 9, "channels": ["room"]})
    first = tuple(heard(run, 0))
    news = heard(run, 2, events=(said("Ben", 1),), told=first)
    assert whom(news) == ["Ana mail: acknowledged", "Ana phone: acknowledged"]
    assert news[0].subject == 'Ben has it · Brightly · "fire: caught fire"'
    assert heard(run, 3, events=(said("Ben", 1),), told=(*first, *news)) == []


def test_a_hand_over_is_told_to_whom_it_is_handed() -> None:
    run = started({"people": ["Ben"]})
    first = tuple(heard(run, 0))
    events = (said("Ben", 1), said("Ben", 2, EventKind.HANDED_OVER, note="Lea"))
    after = incident(acknowledged_by="Lea", acknowledged_at=NOW + timedelta(minutes=2))
    notices = chain_notices(
        Alarm(incident=after, run=run, events=events, told=first), address=WEB, now=NOW + timedelta(minutes=2)
    )
    assert whom(notices) == ["Ben phone: acknowledged", "Lea mail: handed over"]
    assert "Ben handed it to you." in notices[1].body


def test_a_notice_says_where_one_stands_and_who_is_next() -> None:
    run = started()
    first, second, third = tellings(run, until=NOW + timedelta(minutes=30))
    assert told_next(run, first, acknowledged=(), now=NOW) == (
        "You are told first; Maria in 10 min unless somebody acknowledges."
    )
    assert told_next(run, second, acknowledged=(), now=second.at) == (
        "Nobody who was told before you has acknowledged; Ben and Lea in 20 min unless somebody acknowledges."
    )
    assert "2 people must acknowledge, 1 did" in told_next(run, third, acknowledged=("Ana",), now=third.at)
    assert next_telling(run, after=NOW, acknowledged=("Ana", "Ben")) is None


def test_a_drill_says_so_in_everything() -> None:
    (notice,) = heard(started({"people": ["Ben"]}), 0, cause="drill", brand="Brightly")
    assert notice.reason is Reason.DRILL
    assert notice.subject.startswith("DRILL · ")
    assert "nothing burns" in notice.body


def test_an_incident_takes_the_first_chain_that_fits() -> None:
    settings = config()
    chain = settings.chain[0]
    chains = (
        chain.model_copy(update={"name": "fires", "causes": ("fire",), "severity": 4}),
        chain.model_copy(update={"name": "lumiva", "brands": ("Lumiva",)}),
        chain.model_copy(update={"name": "rest", "severity": 2}),
    )
    settings = settings.model_copy(update={"chain": chains})

    def name(**about: Any) -> str | None:
        found = chosen(settings, incident(**about))
        return found and found.name

    assert name(severity=4) == "fires"
    assert name(severity=3) == "rest"
    assert name(brand="Lumiva", severity=1) == "lumiva"
    assert name(severity=1) is None


def test_a_chain_starts_half_a_minute_after_the_first_post_and_is_followed_only_by_a_graver_one() -> None:
    settings = config(severity=2)
    young = incident(opened_at=NOW)
    assert to_start(settings, young, None, now=NOW + timedelta(seconds=29)) is None
    run = to_start(settings, young, None, now=NOW + timedelta(seconds=30))
    assert run is not None
    assert to_start(settings, young, run, now=NOW + timedelta(hours=1)) is None
    renamed = settings.model_copy(update={"chain": (settings.chain[0].model_copy(update={"name": "other"}),)})
    assert to_start(renamed, young, run, now=NOW + timedelta(hours=1)) is None
    graver = settings.chain[0].model_copy(update={"name": "grave", "severity": 4})
    both = settings.model_copy(update={"chain": (graver, *settings.chain)})
    assert to_start(both, replace(young, severity=3), run, now=NOW + timedelta(hours=1)) is None
    second = to_start(both, replace(young, severity=4), run, now=NOW + timedelta(hours=1))
    assert second is not None
    assert current([second, run]) == second


def test_a_post_from_the_future_does_not_hold_the_alarm() -> None:
    assert to_start(config(), incident(opened_at=NOW + timedelta(hours=5)), None, now=NOW) is not None


def test_who_acknowledged_first_counts_from_then() -> None:
    about: Incident = incident(acknowledged_by="Ana", acknowledged_at=NOW)
    events = (said("Ben", 1), said("Ben", 9), said("Cem", 2, EventKind.CLOSED))
    assert acknowledged_by(about, events) == {"Ana": NOW, "Ben": NOW + timedelta(minutes=1)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chain": [{"name": "c", "step": [{"people": ["Anna"]}]}]}, r"person 'Anna'.*did you mean 'Ana'"),
        ({"chain": [{"name": "c", "step": [{"rotas": ["opps"]}]}]}, "rota 'opps'"),
        ({"chain": [{"name": "c", "step": [{"channels": ["x"]}]}]}, "channel 'x'"),
        ({"chain": [{"name": "c", "step": [{"wait": 3}]}]}, "tells somebody"),
        ({"chain": [{"name": "c", "step": []}]}, "at least 1"),
        ({"chain": [{"name": "c", "brands": ["Nobody"], "step": LADDER}]}, "brand 'Nobody'"),
        ({"chain": [{"name": "c", "repeat_hours": 0.5, "step": LADDER}]}, "begins again after 0.5 hours"),
        ({"chain": [{"name": "c", "stepp": [], "step": LADDER}]}, "unknown key; did you mean 'step'"),
        ({"person": [{"name": "Ana", "channels": ["room"], "quiet_from": "22:00"}]}, "both quiet_from"),
        ({"person": [{"name": "Ana", "channels": ["rooom"]}]}, "channel 'rooom'"),
        ({"person": [{"name": "Ana", "channels": ["room"], "timezone": "Mars"}]}, "no time zone 'Mars'"),
        ({"rota": [{"name": "r", "people": ["Zoe"], "first_day": "2026-01-01"}]}, "person 'Zoe'"),
    ],
)
def test_settings_that_would_tell_nobody_are_refused(change: dict[str, Any], words: str) -> None:
    base = {
        "brand": [{"name": "Brightly"}],
        "channel": [{"kind": "console", "name": "room"}],
        "team": [{"name": "legal", "members": ["Ana"]}],
        "person": [{"name": "Ana", "channels": ["room"]}, {"name": "Maria", "channels": ["room"]}],
        "rota": [{"name": "ops", "people": ["Ana"], "first_day": "2026-11-23"}],
    }
    with pytest.raises(ConfigError, match=words):
        parse(base | change)


def test_a_graver_chain_asks_those_again_who_acknowledged_less() -> None:
    run = started({"people": ["Ben"]})
    events = (said("Ben", -5),)
    assert heard(run, 0, events=events) == []
    alarm = Alarm(incident=incident(), run=run, events=events, since=run.started_at)
    assert whom(chain_notices(alarm, address=WEB, now=NOW)) == ["Ben phone: incident opened"]
