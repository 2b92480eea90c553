"""Links that acknowledge, and the key they are signed with."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import app
from pipeline.config import Config, parse
from pipeline.domain import Notice, Reason
from pipeline.errors import ConfigError, LinkRefused
from tests.contracts.store.made import notice
from tests.factories import NOW

OPENED: Notice = notice(reason=Reason.INCIDENT_OPENED, person="Łukasz", group="iñcident|1", created_at=NOW)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse({"home": tmp_path, "web": {"address": "https://tocsin.example/"}})


def token(config: Config) -> str:
    link = app.links_of(config).of(OPENED)
    assert link is not None
    assert link.startswith("https://tocsin.example/ack/")
    return link.rpartition("/")[2]


def test_the_key_is_made_once_and_only_its_owner_reads_it(config: Config) -> None:
    first = token(config)
    assert token(config) == first
    file = config.home / "link_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in config.home.iterdir()] == ["link_key"]
    assert len(file.read_text()) >= 43


def test_two_that_start_at_once_have_one_key(config: Config) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: token(config), range(32)))) == 1


def test_a_key_that_is_given_is_used_and_none_is_made(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    own = token(config)
    monkeypatch.setenv("TOCSIN_LINK_KEY", "given by a person")
    (config.home / "link_key").unlink()
    assert token(config) != own
    assert list(config.home.iterdir()) == []


def test_a_home_that_cannot_be_written_names_the_way_out(config: Config) -> None:
    (config.home / "link_key").mkdir()
    with pytest.raises(ConfigError, match="set the secret link_key"):
        app.links_of(config)


def test_a_link_says_what_it_is_for_and_for_how_long(config: Config) -> None:
    links = app.links_of(config)
    link = links.read(token(config), now=NOW + timedelta(hours=24))
    assert (link.incident, link.person, link.issued_at) == ("iñcident|1", "Łukasz", NOW)
    with pytest.raises(LinkRefused, match="older than a day"):
        links.read(token(config), now=NOW + timedelta(hours=24, seconds=1))


def test_no_link_shows_the_key(config: Config) -> None:
    key = (app.links_of(config), (config.home / "link_key").read_text())[1]
    assert key not in token(config)
    assert key not in repr(app.links_of(config))
