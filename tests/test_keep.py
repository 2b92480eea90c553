"""Retention: what is told first and then forgotten, in the store and in the landing zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import flows
from pipeline.app import from_config
from pipeline.config import parse
from pipeline.domain import Batch, Month, Resolution, ScoredMention, Ticket
from pipeline.errors import ConfigError, StoreRefused
from pipeline.flows import Outlived, Tocsin
from tests.cli_world import call, write_config
from tests.contracts.store.made import cursor, ticket
from tests.factories import NOW, scored
from tests.fakes import Clock

OLD = datetime(2026, 8, 31, 23, tzinfo=UTC)
KEPT = datetime(2026, 9, 1, tzinfo=UTC)  # with two months besides November


@dataclass
class World:
    tocsin: Tocsin
    clock: Clock

    def landed(self, at: datetime, *, triaged: bool = True) -> Batch:
        """A batch in the landing zone that the store knows."""
        batch = self.tocsin.landing.land("x", "brightly", [{"id": "1"}], now=at)
        self.tocsin.store.save_progress(cursor(), batch=batch)
        if triaged:
            self.tocsin.store.batch_triaged(replace(batch, triaged_at=at))
        return batch

    def posted(self, native: str, at: datetime) -> None:
        """A post of then with a ticket that was resolved at once."""
        store = self.tocsin.store
        store.load([scored(native, posted_at=at, collected_at=at)], sketches={})
        done = ticket(native, opened_at=at, last_at=at, waiting_since=None, answered_at=at, resolved_at=at, resolution=Resolution.ANSWERED)  # fmt: skip
        store.load([done], sketches={})

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.tocsin.config.home / "landing").rglob("*.gz"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = Clock()
    made = from_config(parse({"home": tmp_path, "keep": {"months": 2}}), clock=clock)
    yield World(tocsin=made, clock=clock)
    made.store.close()


@pytest.mark.parametrize(
    ("now", "months", "kept"),
    [
        (NOW, 2, KEPT),
        (datetime(2026, 3, 31, 23, 59, tzinfo=UTC), 1, datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), 1, datetime(2025, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 5, tzinfo=UTC), 12, datetime(2025, 12, 1, tzinfo=UTC)),
        (NOW, 13, datetime(2025, 10, 1, tzinfo=UTC)),
    ],
)
def test_whole_months_are_kept_besides_the_running_one(
    world: World, now: datetime, months: int, kept: datetime
) -> None:
    config = world.tocsin.config.model_copy(update={"keep": parse({"keep": {"months": months}}).keep})
    assert flows.kept_from(replace(world.tocsin, config=config, clock=lambda: now)) == kept


def test_everything_is_kept_until_somebody_says_otherwise(world: World) -> None:
    everything = replace(world.tocsin, config=parse({"home": world.tocsin.config.home}))
    world.posted("1", OLD)
    world.landed(OLD)
    assert flows.outlived(everything) == flows.keep(everything) == Outlived()
    assert Outlived().told() == {"kept": "everything, as [keep] months is not set"}
    assert (world.tocsin.store.count(ScoredMention), len(world.files)) == (1, 1)


def test_a_look_tells_what_would_go_and_changes_nothing_then_it_goes(world: World) -> None:
    store = world.tocsin.store
    world.posted("old", OLD)
    world.posted("new", KEPT)
    spent, kept = world.landed(OLD), world.landed(KEPT)
    pending = world.landed(OLD - timedelta(days=9), triaged=False)
    look = flows.outlived(world.tocsin)
    assert look == Outlived(
        before=KEPT, months=(Month(first=date(2026, 8, 1), mentions=1, needed=0, tickets=1),), batches=1
    )
    assert look.told() == {
        "kept": "everything from 2026-09-01 on, and what is needed",
        "2026-08": "1 mention, 1 ticket",
        "landing zone": "1 batch",
    }
    assert (store.count(ScoredMention), store.count(Batch), len(world.files)) == (2, 3, 3)
    assert flows.keep(world.tocsin) == look
    assert [each.id for each in store.dump(Ticket)] == ["x:new"]
    assert world.files == sorted(Path(batch.path).name for batch in (kept, pending))
    assert not (world.tocsin.config.home / "landing" / spent.path).parent.exists()
    assert flows.keep(world.tocsin) == Outlived(before=KEPT)


def test_what_is_needed_is_counted_and_stays(world: World) -> None:
    world.posted("1", OLD)
    world.tocsin.store.reopen("x:1", "Ana", now=NOW)
    told = flows.keep(world.tocsin).told()
    assert told["2026-08"] == "0 mentions (1 more still needed), 0 tickets"
    assert world.tocsin.store.count(Ticket) == 1


def test_a_crash_between_a_file_and_its_record_is_made_good_by_the_next_run(world: World) -> None:
    first, second = world.landed(OLD - timedelta(days=1)), world.landed(OLD)
    world.tocsin.landing.discard(first)
    assert flows.keep(world.tocsin).batches == 2
    assert (world.files, world.tocsin.store.count(Batch)) == ([], 0)
    world.tocsin.landing.discard(second)  # once more is no error


def test_a_file_that_cannot_be_removed_keeps_its_record(world: World) -> None:
    batch = world.landed(OLD)
    path = world.tocsin.config.home / "landing" / batch.path
    path.unlink()
    path.mkdir()  # stands in for one that we may not remove: tests run as root
    with pytest.raises(StoreRefused, match="cannot be removed"):
        flows.keep(world.tocsin)
    assert world.tocsin.store.count(Batch) == 1


def test_months_that_cannot_be_are_refused() -> None:
    for wrong in ({"months": 0}, {"months": 1.5}, {"month": 3}):
        with pytest.raises(ConfigError, match="keep"):
            parse({"keep": wrong})


def test_the_command_says_what_would_go_and_then_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    config = write_config(tmp_path, more="[keep]\nmonths = 12\n")
    with_store = from_config(parse({"home": tmp_path / "home"}))
    World(tocsin=with_store, clock=Clock()).posted("1", datetime(2020, 5, 5, tzinfo=UTC))
    with_store.store.close()
    look = call("store", "forget", "--dry-run", "--config", config)
    assert look.out.splitlines()[1:] == ["2020-05: 1 mention, 1 ticket"]
    [told] = call("store", "forget", "--json", "--config", config).objects
    assert told["removed"] is True
    assert told["months"] == [{"first": "2020-05-01", "mentions": 1, "needed": 0, "tickets": 1}]
    assert call("store", "forget", "--config", config).out.count("\n") == 1
