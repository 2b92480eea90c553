"""The artefact on disk: ``model.skops`` with its arrays and ``manifest.json`` with what it is and where it comes from.

The file is plain skops. It is read here without skops, because that imports scikit-learn (seconds, 150 MB) and the
arrays need NumPy alone: the types inside are checked against ``TRUSTED`` and anything else is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FORMAT = 3
"""Layout of the artefact; a reader refuses a newer one."""
STARTER = Path(__file__).with_name("starter")
MODEL_FILE, MANIFEST_FILE = "model.skops", "manifest.json"
TRUSTED = frozenset({"builtins.dict", "builtins.str", "builtins.list", "numpy.ndarray"})
"""Types an artefact may hold: names and numbers, nothing that runs."""
LARGEST = 64 * 1024 * 1024
"""Bytes one array may unpack to: a file that claims more is no artefact of ours."""

Arrays = Mapping[str, NDArray[np.generic]]
Manifest = Mapping[str, object]


class ArtefactError(Exception):
    """An artefact that cannot be used; the message names the file and the next step."""


def digest(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(folder: Path, arrays: Arrays, manifest: Manifest) -> None:
    """Write the arrays and their manifest, the manifest last, so that a folder without one is not an artefact."""
    import skops.io  # noqa: PLC0415 - imports scikit-learn, which only training needs

    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(_settled(skops.io.dumps(dict(arrays))))
    files = {MODEL_FILE: digest(folder / MODEL_FILE)}
    content = {"format": FORMAT, **manifest, "files": files}
    (folder / MANIFEST_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _settled(dumped: bytes) -> bytes:
    """The same skops file, packed, with array names by order and no dates: equal arrays give equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(dumped)) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        schema = source.read("schema.json").decode()
        tree = json.loads(schema)
        renamed: dict[str, str] = {}
        _settle(tree, renamed)
        for old, new in renamed.items():
            target.writestr(_entry(new), source.read(old))
        target.writestr(_entry("schema.json"), json.dumps(tree, indent=1))
    return packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _settle(node: object, renamed: dict[str, str]) -> None:
    """Replace what differs from run to run in a schema: file names by their order, object ids by their place."""
    if isinstance(node, list):
        for item in node:
            _settle(item, renamed)
    elif isinstance(node, dict):
        if isinstance(node.get("file"), str):
            node["file"] = renamed.setdefault(node["file"], f"{len(renamed):03d}.npy")
        node.pop("__id__", None)
        for item in node.values():
            _settle(item, renamed)


def read(folder: Path) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
    """The arrays and the manifest of an artefact, its digest checked before anything in it is read.

    Raises ``ArtefactError`` where a file is missing, altered, of a newer format, or holds a type that is not trusted.
    """
    manifest = _manifest(folder / MANIFEST_FILE)
    path = folder / MODEL_FILE
    files = manifest.get("files")
    expected = files.get(MODEL_FILE) if isinstance(files, dict) else None
    if not path.is_file():
        raise ArtefactError(
            f"{path} is missing: copy the whole folder of the model, or train one with python -m models.train"
        )
    if digest(path) != expected:
        raise ArtefactError(
            f"{path} is not the file its manifest describes (sha256 differs): restore it, or train again"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return _arrays(archive, path), manifest
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"{path} is not a readable model ({error}): restore it, or train again") from error


def _manifest(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtefactError(
            f"{path} is missing: name a folder with a model, or train one with python -m models.train"
        ) from error
    except ValueError as error:
        raise ArtefactError(f"{path} is not JSON ({error}): restore it, or train again") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise ArtefactError(f"{path} names no format: it is not the manifest of a model; restore it, or train again")
    if content["format"] != FORMAT:
        raise ArtefactError(
            f"{path} has format {content['format']}, this version reads {FORMAT}: upgrade tocsin, or train again"
        )
    return content


def _arrays(archive: zipfile.ZipFile, path: Path) -> dict[str, NDArray[np.generic]]:
    tree = json.loads(archive.read("schema.json"))
    _refuse_strangers(tree, path)
    arrays = {}
    for name, node in tree["content"].items():
        if archive.getinfo(node["file"]).file_size > LARGEST:
            raise ArtefactError(
                f"{path} holds {name} of more than {LARGEST} bytes: it is no model of ours; restore it, or train again"
            )
        array = np.load(io.BytesIO(archive.read(node["file"])), allow_pickle=False)
        array.setflags(write=False)
        arrays[name] = array
    return arrays


def _refuse_strangers(node: object, path: Path) -> None:
    """Refuse any type outside ``TRUSTED``, wherever it stands in a schema."""
    if isinstance(node, list):
        for item in node:
            _refuse_strangers(item, path)
    elif isinstance(node, dict):
        if "__class__" in node:
            kind = f"{node.get('__module__')}.{node['__class__']}"
            if kind not in TRUSTED:
                raise ArtefactError(
                    f"{path} holds the type {kind}, which is not trusted: do not use it; restore it, or train again"
                )
        for item in node.values():
            _refuse_strangers(item, path)
