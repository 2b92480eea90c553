"""What people say of mentions: a log that only grows."""

from __future__ import annotations

from dataclasses import replace

from pipeline.domain import Head, Label, label_id, labels_from
from pipeline.ports import Store
from tests.contracts.store.made import ago


def label(
    native: str = "1",
    head: str = "category",
    value: str | None = "complaint",
    *,
    who: str = "Ana",
    minutes: float = 5,
) -> Label:
    """What somebody said of ``x:<native>`` some minutes ago; the model had said otherwise."""
    return Label(
        id=label_id(f"x:{native}", Head(head), who, at=ago(minutes)),
        mention=f"x:{native}",
        head=Head(head),
        value=value,
        who=who,
        at=ago(minutes),
        model="starter-1",
        said="question",
        language="tr",
    )


def test_the_labels_of_a_mention_come_oldest_first_with_what_was_withdrawn(store: Store) -> None:
    said = [label(minutes=9), label(head="urgency", value="high", minutes=7), label(value=None, minutes=3)]
    store.add_labels(list(reversed(said)))
    store.add_labels([label("2", minutes=1)])
    assert store.labels_of(["x:1", "x:3"]) == {"x:1": said}


def test_saying_the_same_at_the_same_moment_is_saying_it_once(store: Store) -> None:
    first = label()
    store.add_labels([first])
    store.add_labels([first, replace(first, value="praise")])
    assert store.labels_of(["x:1"]) == {"x:1": [first]}


def test_two_people_may_say_different_things_at_one_moment(store: Store) -> None:
    store.add_labels([label(who="Ana"), label(who="Ben", value="praise")])
    assert {(each.who, each.value) for each in store.labels_of(["x:1"])["x:1"]} == {
        ("Ana", "complaint"),
        ("Ben", "praise"),
    }


def test_the_log_is_read_page_by_page_and_from_a_moment_on(store: Store) -> None:
    said = [label(str(n), minutes=30 - n) for n in range(5)]
    store.add_labels(said)
    assert store.labels(limit=2) == said[:2]
    assert store.labels(after=said[1].id, limit=2) == said[2:4]
    assert store.labels(after=labels_from(said[3].at)) == said[3:]
    assert store.labels(after=said[4].id) == []


def test_a_label_is_a_change_that_pages_show(store: Store) -> None:
    before = store.change_count()
    store.add_labels([label()])
    assert store.change_count() > before
    store.add_labels([])


def test_a_mention_may_have_an_id_longer_than_an_index_takes(store: Store) -> None:
    long = replace(label(), mention="x:" + "ł" * 400)
    store.add_labels([long])
    assert store.labels_of([long.mention]) == {long.mention: [long]}
    assert store.labels() == [long]
