"""The command line as a person or a program uses it, over a file of four posts."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass

import pytest

from pipeline import app as composition
from tests import REPOSITORY
from tests.cli_world import POSTS, WordClassifier, call, command, spawn, start, write_config, write_posts


@pytest.fixture(autouse=True)
def words(monkeypatch):
    monkeypatch.setattr(composition, "classifier", lambda path=None: WordClassifier())


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    write_posts(tmp_path / "posts.jsonl")
    return write_config(tmp_path)


@pytest.fixture
def heard(config):
    """The configuration after one run."""
    assert call("run", "--config", config).code == 0
    return config


def test_a_run_reads_every_source_and_says_what_came_of_it(config):
    answer = call("run", "--config", config)
    assert answer.code == 0
    assert answer.err == ""
    assert re.search(r"file +brightly +4 ", answer.out)
    assert "3 new mentions, 3 tickets touched, 1 not ours, 0 bad records" in answer.out


def test_a_second_run_adds_nothing(heard):
    [result] = call("run", "--json", "--config", heard).objects
    assert result["triaged"]["new"] == 0
    assert result["errors"] == {}


def test_the_queue_stands_in_order_of_cost_with_the_crisis_on_top(heard):
    answer = call("queue", "--config", heard)
    rows = answer.out.splitlines()
    assert answer.code == 0
    assert rows[0] == "3 waiting, 3 overdue, 1 in the crisis lane"
    assert [re.search(r"file:\d", row)[0] for row in rows[2:]] == ["file:2", "file:1", "file:3"]
    assert "P1!" in rows[2]
    assert 'fire (rule: "caught fire")' in rows[2]


QUEUE_KEYS = [
    "ticket", "mention", "source", "author", "language", "text", "category", "urgency", "sentiment", "crisis",
    "priority", "lane", "opened_at", "respond_by", "status", "claimed_by", "why", "team",
]  # fmt: skip


def test_the_queue_as_json_keeps_its_contract(heard):
    first, *rest = call("queue", "--json", "--config", heard).objects
    assert list(first) == QUEUE_KEYS
    assert first["ticket"] == first["mention"] == "file:2"
    assert (first["source"], first["author"], first["category"], first["lane"]) == (
        "file",
        "ben",
        "complaint",
        "crisis",
    )
    assert first["opened_at"] == "2024-03-06T09:10:00Z"
    assert first["respond_by"] == "2024-03-06T09:25:00Z"
    assert (first["status"], first["claimed_by"], first["priority"], first["urgency"]) == (
        "open",
        None,
        "P1",
        "critical",
    )
    assert [item["ticket"] for item in rest] == ["file:1", "file:3"]
    assert len(call("queue", "--json", "--limit", "1", "--config", heard).objects) == 1


def test_filters_narrow_the_queue(heard):
    assert [
        item["ticket"] for item in call("queue", "--json", "--category", "question", "--config", heard).objects
    ] == ["file:3"]
    assert call("queue", "--json", "--brand", "Nobody", "--config", heard).out == ""
    assert "Nothing waits here" in call("queue", "--brand", "Nobody", "--config", heard).out


def test_a_ticket_is_claimed_answered_resolved_reopened_and_undone(heard):
    def act(*arguments):
        return call(*arguments, "--as", "Ana", "--json", "--config", heard)

    assert act("claim", "file:1").objects[0]["status"] == "claimed"
    [mine] = call("queue", "--json", "--holder", "Ana", "--config", heard).objects
    assert (mine["ticket"], mine["claimed_by"]) == ("file:1", "Ana")
    assert act("answer", "file:1").objects[0]["status"] == "answered"
    assert act("resolve", "file:1", "--resolution", "not ours", "--note", "other").objects[0]["status"] == "resolved"
    assert act("reopen", "file:1").objects[0]["status"] == "answered"
    [shown] = call("show", "file:1", "--json", "--config", heard).objects
    kinds = [event["kind"] for event in shown["events"]]
    assert kinds[-4:] == ["claimed", "answered", "resolved", "reopened"]
    undone = act("undo", str(shown["events"][-1]["id"]))
    assert undone.objects[0]["status"] == "resolved"
    assert act("release", "file:3").objects[0]["status"] == "open"


def test_a_claim_of_somebody_else_is_a_conflict_that_names_them(heard):
    call("claim", "file:1", "--as", "Ana", "--config", heard)
    answer = call("claim", "file:1", "--as", "Ben", "--config", heard)
    assert answer.code == 1
    assert answer.out == ""
    assert re.fullmatch(r"tocsin: file:1 is claimed by Ana until \d\d:\d\d UTC\n", answer.err)


def test_who_acts_may_come_from_the_environment_but_must_come(heard):
    assert call("claim", "file:1", "--config", heard, environ={"TOCSIN_AS": "Ana"}).code == 0
    answer = call("claim", "file:1", "--config", heard)
    assert answer.code == 2
    assert "--as" in answer.err


def test_an_unknown_ticket_is_named_with_the_next_step(heard):
    answer = call("show", "file:99", "--config", heard)
    assert answer.code == 1
    assert "file:99" in answer.err
    assert "tocsin queue" in answer.err


def test_a_ticket_is_shown_with_conversation_and_history(heard):
    call("claim", "file:3", "--as", "Ana", "--config", heard)
    out = call("show", "file:3", "--config", heard).out
    assert "does brightly ship to Łódź?" in out
    assert "@eva" in out
    assert re.search(r"Ana claimed", out)


def test_an_explanation_can_be_recomputed_from_what_it_prints(heard):
    out = call("explain", "file:2", "--config", heard).out
    factors = [float(match) for match in re.findall(r"^  [x ] ([\d.]+) +[a-zA-Z]", out, re.MULTILINE)]
    total = float(re.search(r"= ([\d.]+) +W,", out)[1])
    product = 1.0
    for factor in factors:
        product *= factor
    assert product == pytest.approx(total, rel=2e-3)
    assert 'rule       "fire": at least critical, a danger, by the words "caught fire"' in out
    assert "model      words-1" in out
    [machine] = call("explain", "file:2", "--json", "--config", heard).objects
    assert machine["ticket"]["rank"]["cost"] == pytest.approx(total, rel=1e-3)


def test_the_facets_of_a_search_are_counts_for_people_and_one_object_for_machines(heard):
    out = call("search", "brightly", "--facets", "--config", heard).out
    assert out.startswith("3 mentions")
    assert re.search(r"category +complaint +\d", out)
    [found] = call("search", "brightly", "--facets", "--json", "--from", "2024-03-06", "--config", heard).objects
    assert (found["total"], found["more"], found["day"]) == (3, False, {"2024-03-06": 3})
    assert call("search", "brightly", "--to", "2024-03-05", "--facets", "--config", heard).out == "0 mentions\n"
    assert call("search", "brightly", "--from", "spring", "--config", heard).code == 2


def test_a_search_finds_words_in_any_form_and_leaves_exclusions_out(heard):
    found = call("search", "brightly -fire", "--json", "--config", heard).objects
    assert {item["mention"]["id"] for item in found} == {"file:1", "file:3"}
    assert "No mention" in call("search", "zebra", "--config", heard).out
    assert call("search", "--config", heard, "--", "-fire").code == 2


def test_coverage_begins_with_the_sentence(config):
    assert "file, query “brightly”: never read; the next run reads it." in call("coverage", "--config", config).out
    call("run", "--config", config)
    out = call("coverage", "--config", config).out
    assert re.match(r"Everything up to [\d: -]+ UTC has been read\.\n", out)
    [machine] = call("coverage", "--json", "--config", config).objects
    assert machine["cursor"]["query"] == "brightly"


def test_a_watch_without_fresh_danger_does_nothing_and_says_so(config, tmp_path):
    write_posts(
        tmp_path / "posts.jsonl",
        [{"id": "1", "author": "ana", "text": "brightly broken", "created_at": "2024-03-06T09:00:00Z"}],
    )
    call("run", "--config", config)
    answer = call("watch", "--config", config)
    assert (answer.code, answer.out) == (0, "0 incidents changed, 0 notices written, 0 sent, 0 not delivered\n")
    assert call("incidents", "--config", config).out == "No incident so far.\n"
    assert call("notices", "--config", config).out == "Nobody has been told anything so far.\n"


def test_one_grave_post_opens_an_incident_and_people_are_told_once(config, tmp_path):
    just_now = composition.now().isoformat()
    write_posts(tmp_path / "posts.jsonl", [{**post, "created_at": just_now} for post in POSTS])
    call("run", "--config", config)
    [watched] = call("watch", "--json", "--config", config).objects
    assert watched == {"incidents": 1, "notices": 1, "sent": 1, "unsent": 0}
    [again] = call("watch", "--json", "--config", config).objects
    assert again["notices"] == 0
    [incident] = call("incidents", "--json", "--config", config).objects
    out = call("incidents", str(incident["id"]), "--config", config).out
    assert "file:2" in out
    assert re.search(r"told console .*: sent", out)
    assert call("incidents", "--config", config).out.count("\n") == 2
    assert "sent" in call("notices", "--config", config).out


@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_the_configuration_is_named_before_or_after_the_command_or_in_the_environment(heard, place):
    answer = {
        "before": lambda: call("--config", heard, "queue", "--json"),
        "after": lambda: call("queue", "--json", "-c", heard),
        "environment": lambda: call("queue", "--json", environ={"TOCSIN_CONFIG": str(heard)}),
    }[place]()
    assert answer.code == 0
    assert len(answer.objects) == 3


def test_a_right_configuration_passes_the_check(config):
    answer = call("check", "--config", config)
    assert answer.code == 0
    assert "wrong" not in answer.out
    assert {finding["verdict"] for finding in call("check", "--json", "--config", config).objects} == {"ok"}


def test_the_doctor_looks_at_the_machine(config):
    answer = call("doctor", "--json", "--config", config)
    looked = {str(finding["what"]) for finding in answer.objects}
    assert {"Python", "clock", "disk", "landing zone", "model", "Airflow home", "scikit-learn"} <= looked


def test_versions_are_told(config):
    [versions] = call("version", "--json").objects
    assert list(versions) == ["tocsin", "model", "python"]
    assert "model words-1" in call("version").out


def test_a_training_reports_every_slice_and_says_when_it_had_no_labels(tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class Report:
        version: str
        rows: int = 1200
        complete: bool = False
        slices: tuple[tuple[str, dict[str, object]], ...] = (("all rows", {"posts": 1200, "crisis_ap": 0.5}),)

    def fit(data, out, *, version, progress):
        progress("halfway", 0.5)
        return Report(version=version)

    monkeypatch.setattr(composition, "train", fit)
    answer = call("train", "--data", tmp_path / "none", "--out", tmp_path / "mine")
    assert answer.code == 0
    assert re.match(r"mine-\d{4}-\d\d-\d\d from 1,200 rows, in .*/mine; out of fold:\n", answer.out)
    assert re.search(r"slice +posts +crisis ap\s+all rows +1,200 +0.50", answer.out)
    assert "knows the authored corpus alone" in answer.err


def test_a_training_may_not_replace_the_starter_by_a_weaker_model(tmp_path):
    answer = call("train", "--data", tmp_path / "none", "--out", REPOSITORY / "models" / "starter")
    assert answer.code == 2
    assert "may not replace it" in answer.err


def test_a_wrong_command_is_answered_with_the_nearest_right_one():
    answer = call("quue")
    assert answer.code == 2
    assert "Did you mean 'queue'?" in answer.err


def test_every_command_has_help_and_the_list_names_each_once():
    out = call("--help").out
    names = re.findall(r"^  ([a-z]+) {2,}[A-Z\"]", out, re.MULTILINE)
    assert len(names) == len(set(names)) >= 20
    for name in names:
        assert call(name, "--help").code == 0


# --- as a process -------------------------------------------------------------------------------------------------


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from pipeline.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('sklearn', 'airflow', 'numpy', 'pydantic', 'scipy', 'httpx') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([command()[0], "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_reader_that_stops_early_is_no_error(heard):
    process = start("queue", "--json", "--config", heard)
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
    process.stdin.close()


def test_every_script_is_written_as_utf_8_on_a_terminal_of_ascii(heard):
    answer = spawn("queue", "--config", heard, environ={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert answer.code == 0
    assert "Łódź" in answer.out


def test_an_error_is_one_line_and_a_traceback_only_when_asked_for(tmp_path):
    missing = tmp_path / "none.toml"
    answer = spawn("queue", "--config", missing)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    asked = spawn("queue", "--config", missing, environ={"TOCSIN_DEBUG": "1"})
    assert "Traceback" in asked.err


def test_json_output_is_one_object_a_line(heard):
    for arguments in (["queue"], ["search"], ["coverage"], ["show", "file:1"], ["explain", "file:1"], ["check"]):
        for line in call(*arguments, "--json", "--config", heard).out.splitlines():
            assert isinstance(json.loads(line), dict)


def test_of_a_long_conversation_the_newest_posts_are_shown_and_the_others_counted(config, tmp_path):
    asked = [
        {"id": str(n), "author": f"u{n}", "text": f"brightly reply {n}.", "created_at": f"2024-03-06T{9 + n // 60:02}:{n % 60:02}:00Z"}
        | ({"in_reply_to": "1"} if n > 1 else {})
        for n in range(1, 206)
    ]  # fmt: skip
    path = tmp_path / "storm.jsonl"
    path.write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    assert call("import", str(path), "--config", config).code == 0
    out = call("show", "storm:1", "--config", config).out
    assert "5 older posts" in out
    assert "reply 6." in out
    assert "reply 5." not in out
    [shown] = call("show", "storm:1", "--json", "--config", config).objects
    assert shown["older"] == 5
    assert len(shown["conversation"]) == 200


TEAMS = """
[[team]]
name = "safety"
urgencies = ["critical"]
members = ["Ana"]
[[team]]
name = "desk"
default = true
members = ["Ben"]
"""


def test_a_team_takes_the_next_ticket_and_hands_it_on(config, tmp_path):
    write_posts(tmp_path / "posts.jsonl")
    config = write_config(tmp_path, more=TEAMS)
    call("run", "--config", config)
    [first] = call("queue", "--json", "--team", "safety", "--breached", "--config", config).objects
    assert (first["ticket"], first["team"]) == ("file:2", "safety")
    assert "3 waiting" not in call("queue", "--team", "safety", "--config", config).out
    assert "(100.0% of what waits)" in call("queue", "--breached", "--config", config).out
    [taken] = call("next", "--as", "Ana", "--json", "--config", config).objects
    assert (taken["id"], taken["claimed_by"]) == ("file:2", "Ana")
    nothing = call("next", "--as", "Ana", "--config", config)
    assert (nothing.code, nothing.err) == (
        1,
        "tocsin: nothing that waits is free for Ana; `tocsin queue` shows all of it\n",
    )
    [given] = call(
        "assign", "file:2", "--to", "desk", "--note", "no fire", "--as", "Ana", "--json", "--config", config
    ).objects
    assert (given["team"], given["claimed_by"]) == ("desk", None)
    told = call("show", "file:2", "--config", config).out
    assert "team: desk (a person gave it to this team)" in told
    assert "Ana assigned: to desk: no fire" in told
    wrong = call("assign", "file:2", "--to", "dsk", "--as", "Ana", "--config", config)
    assert (wrong.code, "known: safety, desk, Ana, Ben" in wrong.err) == (2, True)
