"""A process that runs for long notices a promotion, and goes on with what it has when the new version is broken."""

from __future__ import annotations

import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import artefact
from pipeline.domain import Change, Head, Labelled, Shadow
from pipeline.errors import ConfigError, ModelRefused
from pipeline.learn import OwnModels

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.fixture
def models(tmp_path: Path) -> OwnModels:
    return OwnModels(str(tmp_path / "models"), cache=tmp_path / "cache")


def version(folder: Path, name: str) -> Path:
    """The shipped model under another name, in its place in the registry."""
    target = folder / "models" / "versions" / name
    shutil.copytree(artefact.STARTER, target)
    manifest = json.loads((target / "manifest.json").read_text())
    (target / "manifest.json").write_text(json.dumps({**manifest, "version": name}))
    return target


def test_the_next_batch_is_answered_by_what_was_promoted_meanwhile(models: OwnModels, tmp_path: Path) -> None:
    assert models.classifier().version == models.live()
    version(tmp_path, "own-1")
    elsewhere = OwnModels(str(tmp_path / "models"), cache=tmp_path / "other")
    elsewhere.promote("own-1", who="Ana", why="better", at=NOW)
    assert models.classifier().version == "own-1"
    assert models.classifier() is models.classifier()


def test_a_live_version_that_broke_does_not_take_the_place_of_one_that_answers(
    models: OwnModels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = models.classifier().version
    folder = version(tmp_path, "own-2")
    models.promote("own-2", who="Ana", why="better", at=NOW)
    (folder / "model.skops").write_bytes(b"broken")
    with caplog.at_level(logging.WARNING):
        assert models.classifier().version == shipped
    assert "goes on answering" in caplog.text
    fresh = OwnModels(str(tmp_path / "models"), cache=tmp_path / "other")
    with pytest.raises(ModelRefused, match="tocsin models rollback"):
        fresh.classifier()
    fresh.promote(shipped, who="Ben", why="broken", at=NOW)
    assert fresh.classifier().version == shipped


def test_what_is_not_there_is_refused_as_an_error_of_ours(models: OwnModels) -> None:
    for act in (lambda: models.version("own-9"), lambda: models.load("own-9"), lambda: models.load("../x")):
        with pytest.raises(ModelRefused):
            act()
    with pytest.raises(ConfigError, match="no labels"):
        models.train([], [], name="own-1", at=NOW, progress=lambda step, share: None)


def test_a_training_becomes_a_version_with_its_trial(models: OwnModels) -> None:
    posts = [
        Labelled(
            mention=f"x:{n}", text=f"gluckert {n}", language="de", conversation=f"x:{n}", answers={Head.CRISIS: "no"}
        )
        for n in range(3)
    ]
    steps: list[str] = []
    made = models.train(posts, [], name="own-1", at=NOW, progress=lambda step, share: steps.append(step))
    assert [each.name for each in models.versions()] == [models.live(), "own-1"]
    assert (made.base, made.made_at, made.rows) == (models.live(), NOW, 3)
    assert made.trial is not None
    assert (made.trial.posts, made.trial.failures) == (3, ())
    assert set(made.trial.answers) == {"x:0", "x:1", "x:2"}
    assert steps[-1] == "saved"
    models.promote("own-1", who="Ana", why="try", at=NOW)
    assert models.classifier().version == "own-1"
    found = Shadow(
        candidate="own-1", live="own-1", at=NOW, posts=1, changes=(Change(mention="x:1", head=Head.CRISIS, live="yes", candidate="no"),)
    )  # fmt: skip
    models.keep_shadow(found)
    assert models.shadow("own-1") == found
