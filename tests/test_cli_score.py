"""``tocsin score``: one line out for each line in, in order, whatever is in the line."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import app as composition
from pipeline.cli import scoring
from pipeline.domain import Category, Sentiment, Urgency
from tests.cli_world import WordClassifier, call, spawn, start

KEYS = ["id", "language", "sentiment", "category", "urgency", "crisis", "rules", "cost", "because", "model"]


@pytest.fixture
def words(monkeypatch):
    monkeypatch.setattr(composition, "classifier", lambda path=None: WordClassifier())


def test_a_score_keeps_its_contract(words):
    [answer] = call("score", "--json", stdin='{"id": "p1", "text": "the base caught fire"}\n').objects
    assert list(answer) == KEYS
    assert answer["id"] == "p1"
    assert answer["language"] == "en"
    for head, kind in (("sentiment", Sentiment), ("category", Category), ("urgency", Urgency)):
        assert list(answer[head]) == ["label", "p"]
        assert list(answer[head]["p"]) == [str(value) for value in kind]
        assert sum(answer[head]["p"].values()) == pytest.approx(1, abs=1e-3)
    assert answer["urgency"]["label"] == "critical"
    assert answer["rules"] == [{"rule": "fire", "urgency": "critical", "crisis": True, "words": "caught fire"}]
    assert answer["because"][0] == 'rule "fire": "caught fire"'
    assert answer["crisis"] == pytest.approx(0.9)
    assert answer["model"] == "words-1"
    assert answer["cost"] > 40


def test_the_cost_is_the_one_that_ranks_tickets(words):
    from pipeline.config import Weights
    from pipeline.prioritise import cost_of
    from tests.factories import score

    [answer] = call("score", "--json", stdin="it is broken").objects
    given_score = score(category="complaint", urgency="normal", crisis=0.02, sentiment="negative")
    assert answer["cost"] == pytest.approx(cost_of(given_score, Weights())[0], rel=1e-2)


@pytest.mark.parametrize(
    ("stdin", "ids"),
    [
        (b"", []),
        (b"\n", ["1"]),
        (b"a\n\nb", ["1", "2", "3"]),
        (b"a\nb\n", ["1", "2"]),
        (b'a\n{"text": "b", "id": "x"}\n{"id": 4}\n[1]\n', ["1", "x", "3", "4"]),
        ("a\u2028b\x0cc\x85d\n".encode(), ["1"]),
        (b"\xff\xfe\x00\n\xc3(\n", ["1", "2"]),
    ],
)
def test_one_line_out_for_each_line_in(words, stdin, ids):
    answer = call("score", "--json", stdin=stdin)
    assert answer.code == 0
    assert [line["id"] for line in answer.objects] == ids


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=12))
def test_any_bytes_are_answered_line_by_line(words, lines):
    answer = call("score", "--json", stdin=b"".join(line + b"\n" for line in lines))
    assert answer.code == 0
    assert len(answer.out.splitlines()) == len(lines)


def test_a_given_language_is_kept_and_a_missing_one_detected(words):
    stdin = '{"text": "Der Akku ist schon wieder leer und niemand antwortet mir", "language": "tr"}\nDer Akku ist schon wieder leer und niemand antwortet mir\n'
    given_language, detected = call("score", "--json", stdin=stdin).objects
    assert given_language["language"] == "tr"
    assert detected["language"] == "de"


def test_order_is_kept_over_many_chunks(words, tmp_path):
    path = tmp_path / "posts.txt"
    count = 2 * scoring.CHUNK + 7
    path.write_text("".join(f"post number {n}\n" for n in range(1, count + 1)))
    answers = call("score", "--json", path).objects
    assert [answer["id"] for answer in answers] == [str(n) for n in range(1, count + 1)]


def test_without_json_people_get_one_line_a_text(words):
    answer = call("score", stdin="the base caught fire\nhello \x1b[2J\n")
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 2
    assert "critical" in answer.out
    assert "\x1b" not in answer.out


def test_a_missing_file_is_a_wrong_usage(words, tmp_path):
    answer = call("score", tmp_path / "none.txt")
    assert answer.code == 2
    assert "none.txt" in answer.err


# --- as a process, with the shipped model ---------------------------------------------------------------------------


def test_a_line_is_answered_before_the_next_one_comes():
    process = start("score", "--json", stderr=subprocess.DEVNULL)
    for number in ("1", "2"):
        process.stdin.write(b"my brightly lamp broke\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == number
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()


def test_every_script_comes_out_as_valid_utf_8_and_scores_need_neither_store_nor_configuration(tmp_path):
    lines = ['{"text": "broken \\ud83d half", "id": "\\ud83d"}', "şüphe 漢字 العربية 🙂"]
    environ = {
        "PYTHONIOENCODING": "ascii",
        "TOCSIN_CONFIG": str(tmp_path / "none.toml"),
        "TOCSIN_HOME": str(tmp_path / "home"),
    }
    answer = spawn("score", "--json", stdin="\n".join(lines).encode(), environ=environ)
    assert answer.code == 0
    assert [item["id"] for item in answer.objects] == ["\ud83d", "2"]
    assert not (tmp_path / "home").exists()
