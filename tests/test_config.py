"""The configuration: what is wrong is named, with the nearest right word; secrets never stand in it."""

from __future__ import annotations

import pytest

from pipeline.config import load, parse, printable, secret, secrets_needed
from pipeline.errors import ConfigError, SecretMissing
from tests import REPOSITORY

SAMPLE = REPOSITORY / "tocsin.toml"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"brandd": []}, "brandd: unknown key; did you mean 'brand'?"),
        ({"brand": [{"name": "A", "alias": []}]}, "brand.1.alias: unknown key; did you mean 'aliases'?"),
        ({"sla": {"P1": {"minute": 4, "minutes": 5}}}, "sla.P1.minute: unknown key; did you mean 'minutes'?"),
        ({"source": [{"name": "x", "kind": "x", "base_ur": "q"}]}, "did you mean 'base_url'?"),
        ({"source": [{"name": "x", "kind": "y"}]}, "'replay', 'files', 'rss', 'hackernews', 'x'"),
        ({"query": [{"name": "q", "brand": "B"}]}, "query 'q' names the brand 'B', which is not configured"),
        (
            {"brand": [{"name": "Kestrel"}], "query": [{"name": "q", "brand": "Kestral"}]},
            "did you mean 'Kestrel'?",
        ),
        ({"brand": [{"name": "A"}, {"name": "A"}]}, "two [[brand]] are called 'A'"),
        ({"hours": {"timezone": "Mars/Base"}}, "no time zone 'Mars/Base'"),
        ({"hours": {"opens": "18:00", "closes": "09:00"}}, "opens 18:00 is not before closes 09:00"),
        ({"hours": {"opens": "9"}}, "hours.opens"),
        ({"weights": {"crisis_lane": 2}}, "weights.crisis_lane"),
        ({"weights": {"low": 0}}, "weights.low"),
        ({"weights": {"crisis": float("nan")}}, "weights.crisis"),
        (
            {"brand": [{"name": "A"}], "query": [{"name": "import", "brand": "A"}]},
            "a query cannot be called 'import'",
        ),
        ({"priority": {"normal": "P9"}}, "priority.normal"),
    ],
)
def test_a_mistake_is_named_with_the_nearest_right_word(data, words):
    with pytest.raises(ConfigError) as caught:
        parse(data)
    assert words in str(caught.value)


def test_every_mistake_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        parse({"brandd": [], "queries": []})
    assert len(str(caught.value).splitlines()) == 2


def test_the_documented_sample_is_valid_and_needs_no_secret():
    config = load(SAMPLE)
    assert len(config.pairs()) == len(config.query)
    assert secrets_needed(config) == {}


def test_a_query_takes_its_brands_names_misspellings_handles_and_exclusions():
    kestrel = next(query for query in load(SAMPLE).queries() if query.name == "kestrel")
    assert kestrel.any[:2] == ("Kestrel Bank", "kestrel")
    assert "@kestrelbank" in kestrel.any
    assert "kestrel nest" in kestrel.none
    assert kestrel.own_accounts == ("kestrelbank", "kestrelhelp")


def test_a_query_listens_where_it_says_else_everywhere():
    source = [{"name": "a", "kind": "replay"}, {"name": "b", "kind": "replay"}]
    query = [{"name": "all", "brand": "B"}, {"name": "some", "brand": "B", "sources": ["b"]}]
    config = parse({"brand": [{"name": "B"}], "source": source, "query": query})
    assert config.pairs() == [("a", "all"), ("b", "all"), ("b", "some")]


@pytest.mark.parametrize("content", ["[[brand", "brand = 3", "\x00"])
def test_a_broken_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "tocsin.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"tocsin\.toml"):
        load(path)


def test_a_missing_file_says_where_to_start(tmp_path):
    with pytest.raises(ConfigError, match="start from the documented"):
        load(tmp_path / "none.toml")


def test_home_is_beside_the_file_unless_the_environment_says_otherwise(tmp_path, monkeypatch):
    path = tmp_path / "tocsin.toml"
    path.write_text('home = "data"')
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    assert load(path).home == tmp_path / "data"
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "elsewhere"))
    assert load(path).home == tmp_path / "elsewhere"


def test_a_secret_comes_from_the_environment_or_a_file_and_never_shows(tmp_path):
    path = tmp_path / "key"
    path.write_text("s3cret\n")
    for environ in ({"TOCSIN_X_BEARER_TOKEN": "s3cret"}, {"TOCSIN_X_BEARER_TOKEN_FILE": str(path)}):
        found = secret("x_bearer_token", environ=environ)
        assert found.get_secret_value() == "s3cret"
        assert "s3cret" not in repr(found)
        assert "s3cret" not in str(found)


def test_a_missing_secret_names_the_variable_and_no_value():
    with pytest.raises(SecretMissing, match="TOCSIN_WEBHOOK_OPS_TEAM"):
        secret("webhook_ops-team", environ={})
    with pytest.raises(SecretMissing, match="cannot be read"):
        secret("x_bearer_token", environ={"TOCSIN_X_BEARER_TOKEN_FILE": "/nowhere/key"})


def test_needed_secrets_are_listed_with_their_use():
    config = parse(
        {
            "source": [{"name": "twitter", "kind": "x"}],
            "channel": [{"kind": "webhook", "name": "ops", "url": "https://example.com"}],
        }
    )
    assert secrets_needed(config) == {"x_bearer_token": "source 'twitter'", "webhook_ops": "channel 'ops'"}


def test_a_password_in_the_store_s_address_is_not_printed():
    assert printable("elasticsearch:https://elastic:geheim@host:9200") == "elasticsearch:https://…@host:9200"
    assert printable("elastic:elastic:geheim@host") == "…@host"
    assert printable("sqlite:tocsin.db") == "sqlite:tocsin.db"
