"""``tocsin evaluate``: a table, a page or JSON, what was in the training said aloud, and mistakes named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models import corpus
from tests.cli_world import call


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty authored posts, which the shipped model was trained on, and one it has never met."""
    lines = (corpus.AUTHORED / "en.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    lines.append(json.dumps({"text": "the kettle works", "language": "en", "urgency": "low", "crisis": False}))
    path = tmp_path_factory.mktemp("posts") / "posts.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_model_is_judged_on_labelled_posts_and_what_it_had_seen_is_said(posts: Path) -> None:
    answer = call("evaluate", posts)
    assert answer.code == 0
    assert "on 61 labelled posts" in answer.out
    assert "urgent in the first 30 %" in answer.out
    assert "60 of 61 posts were in the model's training" in answer.err


def test_the_json_form_has_slices_heads_and_mistakes(posts: Path) -> None:
    [found] = call("evaluate", posts, "--json").objects
    assert found["schema"] == 1
    assert found["slices"][0]["posts"] == 61
    assert {each["head"] for each in found["heads"]} == {"sentiment", "category", "urgency", "crisis"}


def test_the_page_is_written_beside_the_table(posts: Path, tmp_path: Path) -> None:
    assert call("evaluate", posts, "--html", tmp_path / "report.html").code == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_model_beside_itself_is_told_to_be_no_different(posts: Path) -> None:
    from models.artefact import STARTER

    assert "No difference between" in call("evaluate", posts, "--against", STARTER).out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.jsonl"], 2, "nowhere.jsonl cannot be read"),
        (["--model", "nowhere"], 1, "nowhere"),
        (["x.jsonl", "--held-out", "y.jsonl"], 2, "bring their own posts"),
        (["--held-out", "nowhere.jsonl"], 2, "--out-of-fold"),
    ],
)
def test_what_is_not_there_is_named(arguments: list[str], code: int, said: str) -> None:
    answer = call("evaluate", *arguments)
    assert answer.code == code
    assert said in answer.err
