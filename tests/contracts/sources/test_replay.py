"""The replay keeps the contract as far as it goes: nobody can publish to it, its story is fixed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import config
from pipeline.domain import Window
from pipeline.ports import Source
from pipeline.sources.replay import ReplaySource
from tests.contracts.sources.drivers import Driver
from tests.contracts.sources.fake_server import Post
from tests.contracts.sources.world import QUERY, START, Crash, World

POSTS = 130


class ReplayDriver(Driver):
    """A story of our own."""

    kind = "replay"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "story.jsonl"
        rows = [
            {"text": f"Kestrel number {number} is broken", "brand": "Kestrel", "lang": "en"} for number in range(POSTS)
        ]
        self.path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def source(self) -> Source:
        return ReplaySource(config.ReplaySource(kind="replay", name="replay", path=self.path, speed=60), paths=())

    def publish(self, posts: Sequence[Post]) -> None:
        raise NotImplementedError("the replay tells a fixed story")

    def id_of(self, post: Post) -> str:
        raise NotImplementedError("the replay tells a fixed story")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(ReplayDriver(tmp_path), tmp_path)


def _story(world: World) -> set[str]:
    """All that will ever be told, with its echoes, by one source that is asked to the end."""
    source, window, seen = world.driver.source(), Window(newer_than=f"{START.isoformat()}|0"), set[str]()
    while True:
        page = source.fetch(QUERY, window, now=START + timedelta(days=9))
        seen |= {source.parse(raw, QUERY, collected_at=START).id for raw in page.records}
        if page.next_token is None:
            return seen
        window = Window(newer_than=page.newest)


def test_the_story_is_told_once_and_then_is_over(world: World) -> None:
    story = _story(world)
    world.run(pages=100)
    begun = set(world.heard().mentions)
    assert 30 < len(begun) < len(story)
    for _ in range(20):
        world.later(minutes=1)
        world.run(pages=100)
    heard = world.heard()
    assert set(heard.mentions) == story
    assert heard.records == len(story)
    assert len(story) >= POSTS


def test_it_goes_on_where_it_was_after_a_pause(world: World) -> None:
    world.run()
    world.later(minutes=24 * 60)
    world.catch_up(pages=2)
    assert set(world.heard().mentions) == _story(world)


@pytest.mark.parametrize("half", [False, True], ids=["before the step", "after the step"])
def test_a_crash_at_any_step_repeats_and_loses_nothing(world: World, half: bool) -> None:
    for step in range(1, 60):
        world.steps.count, world.steps.dies_at, world.steps.half = 0, step, half
        try:
            world.run(pages=2)
        except Crash:
            continue
    world.steps.dies_at = None
    for _ in range(20):
        world.later(minutes=60)
        world.run(pages=20)
    # The start is kept with the first page; a crash before that begins the story anew, under the same ids.
    assert set(world.heard().mentions) == _story(world)
