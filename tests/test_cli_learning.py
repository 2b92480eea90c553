"""``tocsin label``, ``labels``, ``models`` and ``train --own``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models import artefact
from pipeline import app as composition
from tests.cli_world import WordClassifier, call, write_config, write_posts


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "classifier", lambda path=None: WordClassifier())


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration after one run."""
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    write_posts(tmp_path / "posts.jsonl")
    config = write_config(tmp_path)
    assert call("run", "--config", config).code == 0
    return config


@pytest.fixture
def versions(heard: Path, tmp_path: Path) -> Path:
    """The same with a version of our own, which is the shipped model under another name."""
    folder = tmp_path / "home" / "models" / "versions" / "own-1"
    shutil.copytree(artefact.STARTER, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": "own-1"}))
    return heard


def test_a_label_moves_its_ticket_and_says_what_the_model_had_said(heard: Path) -> None:
    assert next(line["ticket"] for line in call("queue", "--json", "-c", heard).objects) == "file:2"
    answer = call(
        "label", "file:2", "--no-crisis", "--urgency", "low", "--category", "chatter", "--as", "Ana", "-c", heard
    )
    assert answer.code == 0
    assert "file:2: crisis is no (the model said yes)" in answer.out
    assert "file:2: category is chatter (the model said complaint)" in answer.out
    assert next(line["ticket"] for line in call("queue", "--json", "-c", heard).objects) == "file:1"
    assert "said already" in call("label", "file:2", "--no-crisis", "--as", "Ana", "-c", heard).out


def test_labels_are_listed_and_exported_as_they_stand(heard: Path) -> None:
    call("label", "file:3", "--category", "request", "--sentiment", "positive", "--as", "Ana", "-c", heard)
    call("label", "file:3", "--withdraw", "sentiment", "--as", "Ben", "-c", heard)
    log = call("labels", "--json", "-c", heard).objects
    assert [(line["head"], line["value"], line["who"]) for line in (*sorted(log[:2], key=lambda each: str(each["head"])), log[2])] == [
        ("category", "request", "Ana"), ("sentiment", "positive", "Ana"), ("sentiment", None, "Ben"),
    ]  # fmt: skip
    (post,) = call("labels", "--training", "--json", "-c", heard).objects
    assert (post["mention"], post["text"], post["answers"]) == (
        "file:3",
        "does brightly ship to Łódź?",
        {"category": "request"},
    )
    listed = call("labels", "-c", heard).out.splitlines()
    assert "(withdrawn)" in listed[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("label", "file:1", "--as", "Ana"), "say what it is"),
        (("label", "file:1", "--as", " ", "--crisis"), "name"),
        (("label", "file:1", "--category", "rant", "--as", "Ana"), "rant"),
    ],
)
def test_a_label_that_says_nothing_is_wrong_usage(heard: Path, arguments: tuple[str, ...], words: str) -> None:
    answer = call(*arguments, "-c", heard)
    assert answer.code == 2
    assert words in answer.err


def test_models_are_listed_promoted_and_rolled_back(versions: Path) -> None:
    shipped, own = call("models", "--json", "-c", versions).objects
    assert (shipped["live"], own["live"], own["name"]) == (True, False, "own-1")
    answer = call("models", "promote", "own-1", "--why", "ours", "--override", "a copy", "--as", "Ana", "-c", versions)
    assert answer.code == 0
    assert answer.out.startswith("own-1 is live")
    shown = call("models", "show", "own-1", "-c", versions).out
    assert "own-1: live; held to the floors" in shown
    assert "by Ana: ours" in shown
    assert "is live again" in call("models", "rollback", "--as", "Ben", "-c", versions).out
    assert call("models", "--json", "-c", versions).objects[0]["live"]


def test_a_version_that_is_not_there_is_named(versions: Path) -> None:
    answer = call("models", "promote", "own-9", "--why", "x", "--as", "Ana", "-c", versions)
    assert answer.code == 1
    assert "no model 'own-9'" in answer.err


def test_a_candidate_says_what_it_changes_of_live_posts(versions: Path) -> None:
    seen = call("models", "shadow", "own-1", "--json", "-c", versions).objects[0]
    assert (seen["candidate"], seen["posts"], seen["changes"]) == ("own-1", 3, [])
    assert "of the newest 3 posts it changes 0" in call("models", "compare", "own-1", "-c", versions).out


def test_training_without_labels_says_what_to_do_first(heard: Path) -> None:
    answer = call("train", "--own", "-c", heard)
    assert answer.code == 2
    assert "correct some posts first" in answer.err


def test_training_on_own_labels_makes_a_version(heard: Path) -> None:
    call("label", "file:3", "--category", "request", "--as", "Ana", "-c", heard)
    answer = call("train", "--own", "-c", heard)
    assert answer.code == 0
    name = answer.out.split(":")[0]
    assert "passed" in answer.out
    assert [line["name"] for line in call("models", "--json", "-c", heard).objects][1] == name
    compared = call("models", "compare", name, "--json", "-c", heard).objects[0]
    assert compared["labels"][0]["labels"] == 1


def test_a_model_trained_elsewhere_is_kept_as_a_version(versions: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    shutil.copytree(artefact.STARTER, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": "ours-2"}))
    assert call("models", "add", folder, "-c", versions).out.startswith("ours-2 is kept")
    assert "ours-2" in [line["name"] for line in call("models", "--json", "-c", versions).objects]
    taken = call("models", "add", folder, "-c", versions)
    assert taken.code == 1
    assert "already" in taken.err
