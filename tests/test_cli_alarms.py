"""Being told, from the command line: acknowledge, hand over, audit, drill, and look after channels."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import app
from pipeline.alarms import start_drill
from pipeline.domain import Outage
from pipeline.errors import Conflict
from tests.cli_world import Answer, call, write_config, write_posts
from tests.factories import NOW, incident

CHAIN = """
[[channel]]
kind = "console"
name = "desk"
[[channel]]
kind = "webhook"
name = "ops"
url = "http://127.0.0.1:1/"
[[person]]
name = "Ana"
channels = ["desk"]
[[person]]
name = "Ben"
channels = ["desk"]
[[rota]]
name = "night"
people = ["Ben"]
first_day = 2026-11-23
[[chain]]
name = "crisis"
severity = 2
[[chain.step]]
people = ["Ana"]
[[chain.step]]
wait = 10
rotas = ["night"]
"""


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    write_posts(tmp_path / "posts.jsonl")
    return write_config(tmp_path, more=CHAIN)


def tocsin(configured: Path, *arguments: str) -> Answer:
    return call(*arguments, "--config", configured)


def opened(configured: Path) -> app.Tocsin:
    return app.assemble(configured)


def test_an_incident_is_acknowledged_and_handed_over(configured: Path) -> None:
    opened(configured).store.save_incident(incident())
    assert tocsin(configured, "ack", incident().id, "--as", "Ana").out == f"{incident().id}: Ana has it\n"
    handed = tocsin(configured, "hand-over", incident().id, "--as", "Ana", "--to", "Ben", "--json")
    assert handed.objects[0]["acknowledged_by"] == "Ben"
    assert tocsin(configured, "ack", "no-such", "--as", "Ana").code == 1


def test_chains_say_who_is_told_when_and_who_that_is_now(configured: Path) -> None:
    first, second = tocsin(configured, "chains", "--json").objects
    assert first == {"chain": "crisis", "for": "any brand, severity 2 and more", "after": "0 min", "whom": "Ana", "now": "Ana by desk"}  # fmt: skip
    assert (second["after"], second["whom"], second["now"]) == ("10 min", "rota night", "Ben by desk")


def test_without_a_chain_it_says_so(tmp_path: Path) -> None:
    write_posts(tmp_path / "posts.jsonl")
    assert "every channel is told at once" in tocsin(write_config(tmp_path), "chains").out


def test_a_drill_is_told_audited_and_acknowledged(configured: Path) -> None:
    begun = tocsin(configured, "drill", "--as", "Ana", "--severity", "4", "--json").objects[0]
    told = tocsin(configured, "watch")
    assert told.code == 0
    assert "DRILL · Severity 4 · Brightly" in told.err
    assert "I have it: http://127.0.0.1:8600/ack/" in told.err
    audit = tocsin(configured, "chains", str(begun["incident"]))
    assert audit.code == 0
    assert "Ana by desk" in audit.out
    tocsin(configured, "ack", str(begun["incident"]), "--as", "Ben")
    assert "Ben has it" in tocsin(configured, "watch").err
    assert tocsin(configured, "drill", "--as", "Ana", "--chain", "no-such").code == 2


def test_one_drill_of_a_brand_goes_on_at_a_time(configured: Path) -> None:
    about = {"brand": "Brightly", "severity": 3, "chain": None, "who": "Ana"}
    product = opened(configured)
    start_drill(store=product.store, config=product.config, now=NOW, **about)
    with pytest.raises(Conflict, match="open incident of 'drill'"):
        start_drill(store=product.store, config=product.config, now=NOW + timedelta(hours=1), **about)


def test_no_link_is_in_the_log_that_the_command_line_shows(configured: Path) -> None:
    tocsin(configured, "drill", "--as", "Ana")
    tocsin(configured, "watch")
    shown = tocsin(configured, "notices", "--json")
    assert shown.objects
    assert "/ack/" not in shown.out


def test_an_audit_that_finds_a_step_that_was_not_told_ends_with_one(configured: Path) -> None:
    begun = str(tocsin(configured, "drill", "--as", "Ana", "--json").objects[0]["incident"])
    store = opened(configured).store
    (run,) = store.chain_runs([begun])[begun]
    store.load([replace(run, started_at=run.started_at - timedelta(hours=1))], sketches={})  # fmt: skip
    audit = tocsin(configured, "chains", begun)
    assert audit.code == 1
    assert "2 of 2 tellings did not reach anybody" in audit.err


def test_channels_show_what_refuses_and_are_used_again(configured: Path) -> None:
    assert tocsin(configured, "channels").code == 0
    store = opened(configured).store
    store.save_outage(Outage(id="ops", since=app.now(), error="channel 'ops': example.com answered 410"))
    listed = tocsin(configured, "channels", "--json")
    assert listed.code == 1
    works, off = (str(each["state"]) for each in listed.objects)
    assert works == "works"
    assert off.startswith("off for ")
    assert "answered 410" in tocsin(configured, "doctor").out
    assert tocsin(configured, "channels", "enable", "ops").out == "ops: is used again\n"
    assert tocsin(configured, "channels", "enable", "ops").out == "ops: was not off\n"
    assert tocsin(configured, "channels").code == 0
    assert tocsin(configured, "channels", "enable", "opps").code == 2


def test_a_channel_is_tried(configured: Path) -> None:
    tried = tocsin(configured, "channels", "test", "desk")
    assert (tried.code, tried.out) == (0, "desk: sent; look whether it arrived\n")
    assert "Nothing burns" in tried.err
    missing = tocsin(configured, "channels", "test", "ops")
    assert missing.code == 1
    assert "TOCSIN_WEBHOOK_OPS" in missing.err
