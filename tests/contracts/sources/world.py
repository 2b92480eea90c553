"""One source, its world, a store and a landing zone, with a clock that tests move and a crash at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from pipeline.collect import Collected, collect, parse_batch
from pipeline.domain import Batch, Cursor, DeadLetter, Gap, Mention, Page, Query, Raw, Window
from pipeline.landing import LandingZone
from pipeline.ports import Source
from tests.contracts.sources.drivers import Driver
from tests.contracts.sources.fake_server import Post

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUERY = Query(name="kestrel", brand="Kestrel", any=("kestrel",))
T = TypeVar("T")


class Crash(BaseException):
    """The process dies here; no handler of ours may stop it."""


class Steps:
    """Counts the calls that reach the outside; the process dies at one of them, before or after its work is done."""

    def __init__(self) -> None:
        self.count = 0
        self.dies_at: int | None = None
        self.half = False  # whether the step's work is done before the process dies
        self.before: Callable[[str], None] = lambda step: None

    def take(self, step: str, work: Callable[[], T]) -> T:
        """Do one step."""
        self.before(step)
        self.count += 1
        if self.count != self.dies_at:
            return work()
        if self.half:
            work()
        raise Crash(step)


class Ledger:
    """Cursors, gaps and batches in memory, saved together or not at all."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.cursors_by_pair: dict[tuple[str, str], Cursor] = {}
        self.gaps_by_id: dict[str, Gap] = {}
        self.batches: dict[str, Batch] = {}

    def cursor(self, source: str, query: str) -> Cursor:
        return self.cursors_by_pair.get((source, query), Cursor(source=source, query=query))

    def gaps(self, source: str, query: str) -> list[Gap]:
        found = [gap for gap in self.gaps_by_id.values() if gap.open and (gap.source, gap.query) == (source, query)]
        return sorted(found, key=lambda gap: gap.opened_at)

    def save_progress(self, cursor: Cursor, *, gaps: Iterable[Gap] = (), batch: Batch | None = None) -> None:
        def save() -> None:
            self.cursors_by_pair[cursor.source, cursor.query] = cursor
            self.gaps_by_id.update({gap.id: gap for gap in gaps})
            if batch is not None:
                self.batches[batch.id] = batch

        self.steps.take("save", save)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"collect asks the store for {name}, which is not its business")


class Stepping:
    """A source whose fetches are steps."""

    def __init__(self, source: Source, steps: Steps) -> None:
        self._source, self._steps = source, steps
        self.name, self.kind = source.name, source.kind
        self.order: Literal["newest first", "oldest first"] = source.order

    def fetch(self, query: Query, window: Window, *, now: datetime) -> Page:
        return self._steps.take("fetch", lambda: self._source.fetch(query, window, now=now))

    def parse(self, raw: Raw, query: Query, *, collected_at: datetime) -> Mention:
        return self._source.parse(raw, query, collected_at=collected_at)


class SteppingZone:
    """A landing zone whose writes are steps."""

    def __init__(self, zone: LandingZone, steps: Steps) -> None:
        self._zone, self._steps = zone, steps

    def land(self, source: str, query: str, records: Sequence[Raw], *, now: datetime) -> Batch:
        return self._steps.take("land", lambda: self._zone.land(source, query, records, now=now))

    def read(self, batch: Batch) -> list[Raw | str]:
        return self._zone.read(batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came out of all landed batches."""

    mentions: dict[str, Mention]
    dead_letters: tuple[DeadLetter, ...]
    unmatched: int
    records: int


class World:
    """Everything a run of ``collect`` needs, and what came of it."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        self.driver = driver
        self.now = START
        self.steps = Steps()
        self.ledger = Ledger(self.steps)
        self.zone = LandingZone(str(folder / "landing"))
        self._published = 0
        driver.set_clock(lambda: self.now)

    def run(self, *, pages: int = 10, query: Query = QUERY) -> Collected:
        """One run, as a new process would make it."""
        return collect(
            Stepping(self.driver.source(), self.steps),
            query,
            store=self.ledger,
            landing=SteppingZone(self.zone, self.steps),
            pages=pages,
            now=lambda: self.now,
        )

    def catch_up(self, *, pages: int = 10, runs: int = 400) -> int:
        """Runs, ten minutes apart, until nothing new comes and no gap is open; how many it took."""
        for count in range(1, runs + 1):
            before = len(self.ledger.batches)
            self.run(pages=pages)
            if len(self.ledger.batches) == before and not self.open_gaps:
                return count
            self.later(minutes=10)
        raise AssertionError(f"after {runs} runs there is still something left: {self.open_gaps}")

    def later(self, *, minutes: float) -> None:
        """Let time pass."""
        self.now += timedelta(minutes=minutes)

    def posts(self, count: int, *, minutes: float = 60, text: str = "Kestrel number {number} is broken") -> list[Post]:
        """Publish posts, evenly over the minutes that ended a minute ago, and return them."""
        first = self.now - timedelta(minutes=1) - timedelta(minutes=minutes)
        posts = [
            Post(
                number=self._published + index + 1,
                text=text.format(number=self._published + index + 1),
                at=first + timedelta(minutes=minutes) * (index + 1) / count,
                author=f"person{index % 7}",
            )
            for index in range(count)
        ]
        self._published += count
        self.driver.publish(posts)
        return posts

    def ids(self, posts: Iterable[Post]) -> set[str]:
        """The mentions that posts become."""
        return {self.driver.id_of(post) for post in posts}

    @property
    def cursor(self) -> Cursor:
        """The cursor of the one query."""
        return self.ledger.cursor(self.driver.source().name, QUERY.name)

    @property
    def open_gaps(self) -> list[Gap]:
        """What is known to be unread."""
        return [gap for gap in self.ledger.gaps_by_id.values() if gap.open]

    @property
    def lost_gaps(self) -> list[Gap]:
        """What is known never to be read."""
        return [gap for gap in self.ledger.gaps_by_id.values() if gap.lost_at is not None]

    def heard(self) -> Heard:
        """Triage of every landed batch: parsed, checked, an id once."""
        source = self.driver.source()
        mentions: dict[str, Mention] = {}
        letters: list[DeadLetter] = []
        unmatched = records = 0
        for batch in self.ledger.batches.values():
            raws = self.zone.read(batch)
            parsed = parse_batch(source, QUERY, raws, batch=batch, now=self.now)
            for mention in parsed.mentions:
                mentions.setdefault(mention.id, mention)
            letters += parsed.dead_letters
            unmatched += parsed.unmatched
            records += len(raws)
        return Heard(mentions=mentions, dead_letters=tuple(letters), unmatched=unmatched, records=records)
