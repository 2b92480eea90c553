"""Incidents and the notification log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline import respond
from pipeline.domain import Event, EventKind, Part
from pipeline.errors import Conflict, NotFound
from pipeline.ports import Store
from tests.contracts.store.made import ago, ahead, ids, notice
from tests.factories import NOW, incident, score, scored


def test_an_incident_comes_back_as_it_was_saved(store: Store) -> None:
    given = incident(
        parts=(Part(name="grave post", value=3, because='fire "caught fire"'),), mentions=("x:1", "x:2"),
        acknowledged_by="Ana", acknowledged_at=ago(1),
    )  # fmt: skip
    assert store.save_incident(given) == given
    assert store.incident(given.id) == given
    assert store.save_incident(given) == given
    with pytest.raises(NotFound, match="no-such"):
        store.incident("no-such")


def test_open_incidents_come_worst_first_and_all_of_them_newest_first(store: Store) -> None:
    store.save_incident(incident(id="mild", cause="a", severity=2, opened_at=ago(1)))
    store.save_incident(incident(id="worst", cause="b", severity=5, opened_at=ago(9)))
    store.save_incident(incident(id="over", cause="c", severity=5, opened_at=ago(5), closed_at=NOW))
    assert ids(store.open_incidents()) == ["worst", "mild"]
    assert ids(store.incidents()) == ["mild", "over", "worst"]
    assert ids(store.incidents(limit=1)) == ["mild"]


def test_an_incident_is_changed_by_who_read_it_last(store: Store) -> None:
    opened = store.save_incident(incident())
    acknowledged = store.save_incident(replace(opened, acknowledged_by="Ana", acknowledged_at=NOW))
    assert acknowledged.version == 2
    before = store.change_count()
    with pytest.raises(Conflict, match="read it again"):
        store.save_incident(replace(opened, posts=7))
    with pytest.raises(Conflict):
        store.save_incident(incident(id="gone", cause="other", version=3))
    assert (store.incident(opened.id), store.change_count()) == (acknowledged, before)


def test_there_is_one_open_incident_per_brand_and_cause(store: Store) -> None:
    first = store.save_incident(incident())
    with pytest.raises(Conflict, match=first.id):
        store.save_incident(incident(id="another"))
    store.save_incident(incident(id="other brand", brand="Lumiva"))
    closed = store.save_incident(replace(first, closed_at=NOW))
    assert store.save_incident(incident(id="another")).version == 1
    with pytest.raises(Conflict, match="another"):
        store.save_incident(replace(closed, closed_at=None))


def test_what_a_person_does_to_an_incident_and_its_line_of_history_are_one_write(store: Store) -> None:
    opened = store.save_incident(incident())
    acknowledged = respond.acknowledge(store, opened.id, " Ana ", now=NOW)
    assert (acknowledged.acknowledged_by, acknowledged.acknowledged_at) == ("Ana", NOW)
    said = Event(id=0, at=NOW, actor="Ben", kind=EventKind.CLOSED, subject=opened.id)
    with pytest.raises(Conflict):
        store.save_incident(replace(opened, closed_at=NOW), event=said)  # read before Ana's
    respond.close(store, opened.id, "Ben", note="a drill", now=NOW)
    respond.close(store, opened.id, "Cem", now=NOW)
    assert [(each.kind, each.actor, each.note) for each in store.events(opened.id)] == [
        (EventKind.ACKNOWLEDGED, "Ana", ""),
        (EventKind.CLOSED, "Ben", "a drill"),
    ]


def test_an_incident_never_takes_the_place_of_another_brands_or_causes(store: Store) -> None:
    kept = store.save_incident(incident(id="20261125T100000", brand="Яндекс"))
    for changes in ({"brand": "Билайн"}, {"cause": "shock"}):
        with pytest.raises(Conflict, match="Яндекс"):
            store.save_incident(replace(kept, **changes))
    assert store.incidents() == [kept]


def test_incidents_posts_come_by_incident_and_oldest_first(store: Store) -> None:
    store.add_mentions([scored(str(n), posted_at=ago(n)) for n in range(4)], {})
    store.save_incident(incident(id="one", cause="a", mentions=("x:1", "x:2", "x:gone")))
    store.save_incident(incident(id="two", cause="b", mentions=("x:0",)))
    held = store.incident_posts(["one", "none"])
    assert {incident_id: ids(posts) for incident_id, posts in held.items()} == {"one": ["x:2", "x:1"]}
    assert store.incident_posts([]) == {}


def test_grave_mentions_that_an_incident_holds_are_not_asked_for_again_and_the_first_heard_come_first(
    store: Store,
) -> None:
    grave = score(crisis=0.9)
    heard = {"late": 1, "early": 9, "held": 20, "over": 20}
    store.add_mentions(
        [scored(native, given=grave, collected_at=ago(minutes)) for native, minutes in heard.items()]
        + [scored("archive", given=grave, posted_at=ago(61), collected_at=ago(30))],
        {},
    )
    store.save_incident(incident(id="open", mentions=("x:held",)))
    store.save_incident(incident(id="closed", cause="a", mentions=("x:over",), closed_at=NOW))
    assert ids(store.grave_mentions(since=ago(60), crisis=0.8)) == ["x:early", "x:late"]
    assert ids(store.grave_mentions(since=ago(60), crisis=0.8, limit=1)) == ["x:early"]


def test_a_notice_is_recorded_once_however_often_it_is_called_for(store: Store) -> None:
    assert store.add_notice(notice()) is True
    before = store.change_count()
    assert store.add_notice(notice(body="said otherwise")) is False
    assert store.notices() == [notice()]
    assert store.change_count() == before


def test_due_notices_are_those_neither_sent_nor_failed_nor_put_off(store: Store) -> None:
    for each in (
        notice("sent", sent_at=NOW),
        notice("failed", failed_at=NOW, error="no such channel"),
        notice("later", retry_at=ahead(1), attempts=2, error="timed out"),
        notice("now", retry_at=NOW, created_at=ago(1)),
        notice("first", created_at=ago(9)),
    ):
        store.add_notice(each)
    assert ids(store.due_notices(NOW)) == ["first", "now"]
    assert ids(store.due_notices(NOW, limit=1)) == ["first"]
    assert ids(store.due_notices(ahead(1))) == ["first", "later", "now"]


def test_due_notices_are_limited_by_channel_so_that_one_that_is_down_hides_no_other(store: Store) -> None:
    for number in range(3):
        store.add_notice(notice(f"down {number}", channel="ops", created_at=ago(9 - number)))
    store.add_notice(notice("up", channel="console", created_at=ago(1)))
    assert ids(store.due_notices(NOW, limit=2)) == ["down 0", "down 1", "up"]


def test_a_notice_is_taken_by_one_alone(store: Store) -> None:
    store.add_notice(notice())
    taken = store.take_notice(notice(), retry_at=ahead(2))
    assert taken == notice(attempts=1, retry_at=ahead(2))
    assert store.notices() == [taken]
    before = store.change_count()
    assert store.take_notice(notice(), retry_at=ahead(2)) is None
    assert store.take_notice(notice("unknown"), retry_at=ahead(2)) is None
    assert store.change_count() == before


def test_a_notice_that_was_sent_or_has_failed_cannot_be_taken(store: Store) -> None:
    for each in (notice("sent", sent_at=NOW), notice("failed", failed_at=NOW)):
        store.add_notice(each)
        assert store.take_notice(each, retry_at=ahead(2)) is None


def test_the_outcome_of_a_try_is_recorded(store: Store) -> None:
    store.add_notice(notice())
    taken = store.take_notice(notice(), retry_at=ahead(2))
    assert taken
    store.save_notice(replace(taken, error="the channel answered 503"))
    assert store.notices() == [replace(taken, error="the channel answered 503")]
    store.save_notice(replace(taken, sent_at=ahead(2), retry_at=None))
    assert store.due_notices(ahead(9)) == []


def test_the_outcome_of_a_try_that_others_have_overtaken_is_dropped_and_sent_stays_sent(store: Store) -> None:
    store.add_notice(notice())
    slow = store.take_notice(notice(), retry_at=ahead(2))
    assert slow
    second = store.take_notice(slow, retry_at=ahead(4))
    assert second
    store.save_notice(replace(slow, failed_at=NOW, retry_at=None, error="gone"))
    assert store.notices() == [second]
    sent = replace(second, sent_at=NOW, retry_at=None)
    store.save_notice(sent)
    store.save_notice(replace(second, error="timed out"))
    assert store.notices() == [sent]


def test_the_log_is_read_by_group_newest_first(store: Store) -> None:
    store.add_notice(notice("1", created_at=ago(3)))
    store.add_notice(notice("2", created_at=ago(1), group="incident-2"))
    store.add_notice(notice("3", created_at=ago(2)))
    assert ids(store.notices()) == ["2", "3", "1"]
    assert ids(store.notices("incident-1")) == ["3", "1"]
    assert ids(store.notices(limit=1)) == ["2"]


def test_incidents_and_notices_count_as_changes(store: Store) -> None:
    counts = [store.change_count()]
    opened = store.save_incident(incident())
    counts.append(store.change_count())
    store.save_incident(replace(opened, closed_at=NOW))
    counts.append(store.change_count())
    store.add_notice(notice())
    counts.append(store.change_count())
    store.save_notice(notice(sent_at=NOW))
    counts.append(store.change_count())
    assert counts == sorted(set(counts))
