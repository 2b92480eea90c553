"""An artefact is read only when it is whole, ours and of this format; every refusal names the file and the next step."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import models
from models import artefact


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(artefact.STARTER, tmp_path / "model")
    return tmp_path / "model"


def manifest_with(folder: Path, **changes: object) -> None:
    path = folder / artefact.MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_the_starter_loads_and_says_its_version() -> None:
    manifest = json.loads((artefact.STARTER / artefact.MANIFEST_FILE).read_text(encoding="utf-8"))
    assert models.load().version == manifest["version"]
    assert manifest["complete"] is True
    assert {entry["file"] for entry in manifest["data"]} >= {"triage_labels/train.tsv", "authored/en.jsonl"}


def test_the_starter_is_small() -> None:
    assert sum(path.stat().st_size for path in artefact.STARTER.iterdir()) < 20 * 1024 * 1024


def test_a_copy_loads_like_the_starter(copy: Path) -> None:
    text, language = ["where is my refund"], ["en"]
    np.testing.assert_array_equal(
        models.load(copy).classify(text, language).urgency, models.load().classify(text, language).urgency
    )


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(models.ArtefactError, match=r"nowhere.*manifest.json is missing.*models.train"):
        models.load(tmp_path / "nowhere")


def test_a_missing_model_file_is_named(copy: Path) -> None:
    (copy / artefact.MODEL_FILE).unlink()
    with pytest.raises(models.ArtefactError, match=r"model.skops is missing"):
        models.load(copy)


def test_an_altered_model_is_refused_before_it_is_read(copy: Path) -> None:
    path = copy / artefact.MODEL_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(models.ArtefactError, match=r"model.skops is not the file.*sha256.*restore"):
        models.load(copy)


def test_a_newer_format_is_refused(copy: Path) -> None:
    manifest_with(copy, format=artefact.FORMAT + 1)
    with pytest.raises(
        models.ArtefactError, match=rf"format {artefact.FORMAT + 1}, this version reads {artefact.FORMAT}: upgrade"
    ):
        models.load(copy)


def test_a_manifest_without_a_format_is_refused(copy: Path) -> None:
    (copy / artefact.MANIFEST_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(models.ArtefactError, match="names no format"):
        models.load(copy)


def test_a_broken_manifest_is_refused(copy: Path) -> None:
    (copy / artefact.MANIFEST_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(models.ArtefactError, match="is not JSON"):
        models.load(copy)


def test_a_type_that_is_not_trusted_is_refused(copy: Path) -> None:
    skops_io = pytest.importorskip("skops.io")
    from sklearn.linear_model import LogisticRegression

    (copy / artefact.MODEL_FILE).write_bytes(skops_io.dumps({"words": LogisticRegression()}))
    manifest_with(copy, files={artefact.MODEL_FILE: artefact.digest(copy / artefact.MODEL_FILE)})
    with pytest.raises(models.ArtefactError, match=r"LogisticRegression, which is not trusted"):
        models.load(copy)


def test_a_file_that_is_no_archive_is_refused(copy: Path) -> None:
    (copy / artefact.MODEL_FILE).write_bytes(b"nonsense")
    manifest_with(copy, files={artefact.MODEL_FILE: artefact.digest(copy / artefact.MODEL_FILE)})
    with pytest.raises(models.ArtefactError, match="is not a readable model"):
        models.load(copy)


def test_a_model_that_lacks_an_array_is_refused(copy: Path) -> None:
    artefact.save(copy, {"words": np.zeros(3, np.uint32)}, {"version": "half"})
    with pytest.raises(models.ArtefactError, match="lacks the array"):
        models.load(copy)


def test_a_model_with_other_shapes_is_refused(copy: Path) -> None:
    arrays, _ = artefact.read(artefact.STARTER)
    artefact.save(copy, arrays | {"mix": np.zeros((2, 2), np.float32)}, {"version": "other"})
    with pytest.raises(models.ArtefactError, match=r"does not fit this version \(mix is \(2, 2\)"):
        models.load(copy)


def test_a_model_of_other_cues_is_refused(copy: Path) -> None:
    arrays, _ = artefact.read(artefact.STARTER)
    artefact.save(copy, arrays | {"cues": arrays["cues"][::-1]}, {"version": "other"})
    with pytest.raises(models.ArtefactError, match="trained with other cues"):
        models.load(copy)


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    arrays, _ = artefact.read(artefact.STARTER)
    for name in ("one", "two"):
        artefact.save(tmp_path / name, arrays, {"version": "same"})
    assert (tmp_path / "one" / artefact.MODEL_FILE).read_bytes() == (
        tmp_path / "two" / artefact.MODEL_FILE
    ).read_bytes()


def test_skops_itself_reads_the_file_and_trusts_all_its_types() -> None:
    skops_io = pytest.importorskip("skops.io")
    path = artefact.STARTER / artefact.MODEL_FILE
    assert skops_io.get_untrusted_types(file=path) == []
    theirs, (ours, _) = skops_io.load(path, trusted=[]), artefact.read(artefact.STARTER)
    assert theirs.keys() == ours.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(theirs[name], array)


def test_loading_and_classifying_import_no_scikit_learn() -> None:
    code = "import sys, models; models.load().classify(['hi'], ['en']); sys.exit(any(m.split('.')[0] in ('sklearn', 'skops') for m in sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(models.__file__).parents[1]).returncode == 0
    )
