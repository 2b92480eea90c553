"""What every source promises, run against a faithful world of each."""

from __future__ import annotations

import logging

import pytest

from pipeline.errors import RateLimited, SourceRefused, TocsinError
from tests.contracts.sources.drivers import OUTCOMES, SLOW, SPOILS, Networked
from tests.contracts.sources.world import Crash, World


def _backlog(world: World) -> None:
    if world.driver.no_backlog:
        pytest.skip(world.driver.no_backlog)


def _network(world: World) -> Networked:
    if world.driver.no_network:
        pytest.skip(world.driver.no_network)
    assert isinstance(world.driver, Networked)
    return world.driver


def test_everything_is_read_once(world: World) -> None:
    posts = world.posts(35)
    world.catch_up()
    heard = world.heard()
    assert set(heard.mentions) == world.ids(posts)
    assert not heard.dead_letters
    assert {mention.text for mention in heard.mentions.values()} >= {"Kestrel number 1 is broken"}


def test_a_second_run_reads_only_the_new(world: World) -> None:
    world.posts(8)  # one page: at the seam of two, a second is read twice where ids do not tell the order
    world.later(minutes=15)  # what is younger than ten minutes may be read twice where the network's index fills late
    assert world.run().records == 8
    assert world.run().records == 0
    new = world.posts(3, minutes=10)
    world.later(minutes=15)
    assert world.run().records == 3
    assert world.run().records == 0
    assert world.ids(new) <= set(world.heard().mentions)


def test_nothing_published_is_no_error(world: World) -> None:
    world.run()
    assert world.heard().records == 0
    assert world.cursor.error is None
    assert world.cursor.succeeded_at == world.now


def test_a_spike_of_fifty_budgets_loses_nothing(world: World) -> None:
    _backlog(world)
    posts = world.posts(50 * 2 * world.driver.page)
    world.run(pages=2)
    assert set(world.heard().mentions) < world.ids(posts), "the budget must not cover the spike in one run"
    world.catch_up(pages=2)
    assert set(world.heard().mentions) == world.ids(posts)
    assert not world.lost_gaps


def test_posts_that_arrive_during_the_walk_are_not_lost(world: World) -> None:
    posts = world.posts(35)

    def arrive(step: str) -> None:
        if step == "fetch" and len(posts) < 80:
            world.later(minutes=1)
            posts.extend(world.posts(2, minutes=0.4))

    world.steps.before = arrive
    world.run(pages=3)
    world.later(minutes=10)
    world.run(pages=3)
    world.later(minutes=10)
    world.catch_up(pages=3)
    assert len(posts) > 40
    assert set(world.heard().mentions) == world.ids(posts)


@pytest.mark.parametrize("half", [False, True], ids=["before the step", "after the step"])
def test_a_crash_at_any_step_repeats_and_loses_nothing(world: World, half: bool) -> None:
    posts = world.posts(35)
    crashes = 0
    for step in range(1, 200):
        world.steps.count, world.steps.dies_at, world.steps.half = 0, step, half
        try:
            world.run(pages=2)
        except Crash:
            crashes += 1
        else:
            if step > world.steps.count:
                break
        posts += world.posts(1, minutes=5)
        world.later(minutes=10)
    world.steps.dies_at = None
    world.later(minutes=10)
    world.catch_up(pages=2)
    assert crashes >= 3, "fetch, land and save must each have been interrupted"
    assert set(world.heard().mentions) == world.ids(posts)
    assert not world.lost_gaps


@pytest.mark.parametrize("fault", OUTCOMES)
def test_a_fault_ends_in_our_error_and_the_next_healthy_run_catches_up(world: World, fault: str) -> None:
    driver = _network(world)
    if fault in driver.unshown:
        pytest.skip(f"{driver.kind} does not show {fault!r}: see drivers.py")
    posts = world.posts(25)
    driver.fail(fault)
    with pytest.raises(OUTCOMES[fault]) as caught:
        world.run()
    assert type(caught.value) is OUTCOMES[fault]
    assert world.cursor.error == str(caught.value)
    assert world.cursor.succeeded_at is None
    driver.heal()
    world.later(minutes=60)
    world.catch_up()
    assert set(world.heard().mentions) == world.ids(posts)
    assert world.cursor.error is None


@pytest.mark.parametrize("fault", OUTCOMES)
def test_a_fault_in_the_middle_of_a_walk_keeps_what_was_read_and_a_gap(world: World, fault: str) -> None:
    driver = _network(world)
    _backlog(world)
    posts = world.posts(45)
    driver.timeout = 0.5 if fault in SLOW else 20.0
    driver.server.on_call = lambda number: driver.server.fail(fault) if number == 3 else None
    with pytest.raises(OUTCOMES[fault]) as caught:
        world.run()
    assert len(world.heard().mentions) >= 2 * driver.page - 2
    assert [gap.reason for gap in world.open_gaps] == [str(caught.value)]
    driver.server.on_call = lambda number: None
    driver.heal()
    world.later(minutes=60)
    posts += world.posts(5, minutes=10)
    world.later(minutes=20)
    world.catch_up()
    assert set(world.heard().mentions) == world.ids(posts)
    assert not world.lost_gaps


@pytest.mark.parametrize("fault", SPOILS)
def test_bad_records_become_dead_letters_and_the_rest_goes_on(world: World, fault: str) -> None:
    driver = _network(world)
    posts = world.posts(25)
    driver.fail(fault)
    world.run()
    driver.heal()
    world.later(minutes=60)
    posts += world.posts(5, minutes=20)
    world.later(minutes=20)
    world.catch_up()
    heard = world.heard()
    assert world.ids(posts) <= set(heard.mentions)
    assert all(letter.reason for letter in heard.dead_letters)
    if fault in driver.spoils_that_are_bad:
        assert heard.dead_letters
    if fault == "absurd dates":
        assert max(mention.posted_at for mention in heard.mentions.values()) < world.now


def test_a_rate_limit_is_obeyed(world: World) -> None:
    driver = _network(world)
    posts = world.posts(5)
    driver.server.reset_in = 900
    driver.fail("429")
    with pytest.raises(RateLimited):
        world.run()
    driver.heal()
    calls = len(driver.server.calls)
    world.later(minutes=14)
    world.run()
    assert len(driver.server.calls) == calls, "a source must be left alone until its limit is reset"
    world.later(minutes=16)
    world.catch_up()
    assert set(world.heard().mentions) == world.ids(posts)


def test_a_loop_of_pages_is_an_error_that_names_the_source(world: World) -> None:
    driver = _network(world)
    if driver.no_loop:
        pytest.skip(driver.no_loop)
    posts = world.posts(45)
    driver.fail(driver.loop)
    with pytest.raises(SourceRefused, match=driver.source().name):
        world.run(pages=50)
    assert len(driver.server.calls) < 10
    assert world.open_gaps
    driver.heal()
    world.later(minutes=30)
    world.catch_up()
    assert set(world.heard().mentions) == world.ids(posts)


def test_the_key_is_in_no_error_log_repr_or_saved_state(world: World, caplog: pytest.LogCaptureFixture) -> None:
    driver = _network(world)
    if not driver.secret:
        pytest.skip(f"{driver.kind} has no key")
    caplog.set_level(logging.DEBUG)
    for logger in ("tweepy", "httpx", "httpcore", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, logger=logger)
    said = [repr(driver.source())]
    world.posts(25)
    for fault in ["", *OUTCOMES]:
        driver.fail(fault)
        try:
            world.run(pages=2)
        except TocsinError as error:
            chain: BaseException | None = error
            while chain is not None:
                said += [str(chain), repr(chain)]
                chain = chain.__cause__ or chain.__context__
        world.later(minutes=60)
    driver.heal()
    world.later(minutes=24 * 60)
    world.posts(3)
    world.run()
    said += [repr(world.cursor), repr(world.ledger.gaps_by_id), caplog.text]
    said += [repr(world.zone.read(batch)) for batch in world.ledger.batches.values()]
    assert driver.secret not in "\n".join(said)
    assert any(driver.secret in str(call.headers) + str(call.params) for call in driver.server.calls), "it must be used"


def test_parsing_is_pure(world: World) -> None:
    world.posts(3)
    world.run()
    first, again = world.heard(), world.heard()
    assert first == again
