"""Versions of models beside the store: kept, promoted in one step, rolled back, refused when they are broken."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from models import ArtefactError, artefact, registry
from models.registry import Registry

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def folder(path: Path, name: str) -> Path:
    """The shipped model under another name."""
    shutil.copytree(artefact.STARTER, path / name)
    manifest = path / name / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": name}))
    return path / name


@pytest.fixture(params=["folder", "bucket"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    """A registry in a local folder, and one that is reached by fsspec alone."""
    url = str(tmp_path / "models") if request.param == "folder" else "memory://models"
    yield Registry(url, cache=tmp_path / "cache")
    if request.param == "bucket":
        fs = fsspec.filesystem("memory")
        fs.rm("/models", recursive=True) if fs.exists("/models") else None


def promote(models: Registry, name: str, *, override: str = "") -> None:
    models.promote(name, who="Ana", why="better on our posts", at=NOW, override=override)


def test_where_nothing_was_promoted_the_shipped_model_answers(models: Registry) -> None:
    assert models.live == models.shipped.name
    assert [version.name for version in models.versions()] == [models.shipped.name]
    assert (models.previous, models.promotions()) == (None, ())


def test_a_version_is_kept_promoted_and_rolled_back(models: Registry, tmp_path: Path) -> None:
    models.add(folder(tmp_path, "own-1"))
    assert models.live == models.shipped.name
    promote(models, "own-1", override="we know better")
    assert models.live == "own-1"
    assert models.load("own-1").version == "own-1"
    assert models.previous == models.shipped.name
    promote(models, models.shipped.name)
    assert (models.live, models.previous) == (models.shipped.name, "own-1")
    first, second = models.promotions()
    assert (first.version, first.who, first.why, first.at, first.override) == (
        "own-1", "Ana", "better on our posts", NOW, "we know better",
    )  # fmt: skip
    assert second.override == ""


def test_another_process_sees_a_promotion_at_once(tmp_path: Path) -> None:
    one, other = (Registry(str(tmp_path / "models"), cache=tmp_path / f"cache{n}") for n in (1, 2))
    one.add(folder(tmp_path, "own-1"))
    assert other.live != "own-1"
    promote(one, "own-1")
    assert other.live == "own-1"


def test_a_broken_candidate_is_refused_and_the_live_one_stays(models: Registry, tmp_path: Path) -> None:
    broken = folder(tmp_path, "own-1")
    (broken / "model.skops").write_bytes(b"not a model")
    with pytest.raises(ArtefactError, match="sha256"):
        models.add(broken)
    assert [version.name for version in models.versions()] == [models.shipped.name]


def test_a_version_that_broke_after_it_was_kept_cannot_be_promoted(tmp_path: Path) -> None:
    models = Registry(str(tmp_path / "models"), cache=tmp_path / "cache")
    models.add(folder(tmp_path, "own-1"))
    (tmp_path / "models" / "versions" / "own-1" / "model.skops").write_bytes(b"not a model")
    with pytest.raises(ArtefactError, match="sha256"):
        promote(models, "own-1")
    assert models.live == models.shipped.name


def test_a_version_never_changes(models: Registry, tmp_path: Path) -> None:
    models.add(folder(tmp_path, "own-1"))
    with pytest.raises(ArtefactError, match="already"):
        models.add(tmp_path / "own-1")


def test_half_a_copy_is_no_version(tmp_path: Path) -> None:
    models = Registry(str(tmp_path / "models"), cache=tmp_path / "cache")
    models.add(folder(tmp_path, "own-1"))
    (tmp_path / "models" / "versions" / "own-1" / "manifest.json").unlink()
    assert [version.name for version in models.versions()] == [models.shipped.name]
    with pytest.raises(ArtefactError, match="no model 'own-1'"):
        promote(models, "own-1")


def test_a_crash_while_promoting_leaves_the_old_model_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = Registry(str(tmp_path / "models"), cache=tmp_path / "cache")
    models.add(folder(tmp_path, "own-1"))

    def crash(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(registry.os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            promote(models, "own-1")
    assert models.live == models.shipped.name
    assert [name for name in os.listdir(tmp_path / "models") if name.startswith(".")] == []


@pytest.mark.parametrize("name", ["../own", "", "a/b", ".hidden", "a" * 81])
def test_a_name_that_is_no_folder_of_its_own_is_refused(models: Registry, name: str) -> None:
    with pytest.raises(ArtefactError):
        promote(models, name)


def test_what_a_version_would_have_said_is_kept_beside_it(models: Registry, tmp_path: Path) -> None:
    models.add(folder(tmp_path, "own-1"))
    assert models.shadow("own-1") is None
    models.keep_shadow("own-1", {"posts": 3})
    assert models.shadow("own-1") == {"posts": 3}
    with pytest.raises(ArtefactError, match="no model"):
        models.keep_shadow("own-2", {})


@pytest.mark.parametrize("spoil", [lambda text: text[:10], lambda text: '{"promotions": [{"version": 1}]}'])
def test_a_list_of_promotions_that_cannot_be_read_is_named(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    models = Registry(str(tmp_path / "models"), cache=tmp_path / "cache")
    promote(models, models.shipped.name)
    path = tmp_path / "models" / "promotions.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ArtefactError, match=r"promotions\.json"):
        _ = models.live
