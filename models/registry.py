"""The models a team has: versions beside its store, and which of them answers.

A version is a folder that never changes; which one is live is the newest line of ``promotions.json``, replaced as a whole in
one step: whoever reads it sees the old line or the new one. The registry may be a local folder or a URL that fsspec knows.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

import fsspec

from models import artefact, own
from models.artefact import MANIFEST_FILE, ArtefactError

POINTER = "promotions.json"
SHADOW = "shadow.json"
"""What a version would have said of live posts, beside it: it is found out after the version was made."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One model of a team: what it is called, when it was made, and its manifest."""

    name: str
    manifest: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """When somebody made a version the live one, and why; ``override`` is why they did so though the gate had failed."""

    version: str
    who: str
    why: str
    at: datetime
    override: str = ""


class Registry:
    """The versions under ``url``; those of another machine are kept in the folder ``cache`` once they were loaded.

    ``shipped`` is the folder of the model that answers where nothing was promoted; it is a version too, by its own name.
    Raises ``ArtefactError`` for what is not there, broken, or cannot be read or written.
    """

    def __init__(self, url: str, *, cache: Path, shipped: Path = artefact.STARTER) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self._local = Path(self._root) if "file" in _protocols(self._fs) else None
        self._cache = cache
        self._shipped = shipped

    @property
    def shipped(self) -> Version:
        """The model that came with the product."""
        return _version(self._shipped)

    def versions(self) -> list[Version]:
        """All versions, the shipped one first, then by name."""
        try:
            found = self._fs.ls(self._at("versions"), detail=False) if self._fs.isdir(self._at("versions")) else []
            names = sorted(PurePosixPath(path).name for path in found)
            made = [self.version(name) for name in names if self._fs.exists(self._at("versions", name, MANIFEST_FILE))]
        except OSError as error:
            raise self._trouble("read", error) from error
        return [self.shipped, *(each for each in made if each.name != self.shipped.name)]

    def version(self, name: str) -> Version:
        """One version by its name."""
        if name == self.shipped.name:
            return self.shipped
        content = self._read_json(self._at("versions", _safe(name), MANIFEST_FILE))
        if not isinstance(content, dict):
            raise ArtefactError(f"there is no model {name!r} here; `tocsin models` lists those there are")
        return Version(name=name, manifest=content)

    def add(self, folder: Path) -> Version:
        """Keep the artefact in a folder as a version of the name its manifest gives; it is loaded once to see that it can be.

        A name that is taken is refused: a version never changes. The manifest comes last, so that half a copy is none.
        """
        name = _safe(own.load(folder).version)
        if any(each.name == name for each in self.versions()):
            raise ArtefactError(f"there is a model {name!r} already; give the new one another name")
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        files.sort(key=lambda file: file == MANIFEST_FILE)
        try:
            for file in files:
                target = self._at("versions", name, file)
                self._fs.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
                self._fs.put_file(str(folder / file), target)
                if self._local is not None:
                    _flush(Path(target))
        except OSError as error:
            raise self._trouble("written", error) from error
        return self.version(name)

    def folder(self, name: str) -> Path:
        """Where a version lies on this machine; it is fetched if it does not yet."""
        if name == self.shipped.name:
            return self._shipped
        self.version(name)
        if self._local is not None:
            return self._local / "versions" / name
        target = self._cache / name
        if not (target / MANIFEST_FILE).is_file():
            self._fetch(name, target)
        return target

    def load(self, name: str) -> own.Answering:
        """A version, its digests checked."""
        return own.load(self.folder(name))

    def promotions(self) -> tuple[Promotion, ...]:
        """Who made which version live and why, oldest first."""
        content = self._read_json(self._at(POINTER))
        if content is None:
            return ()
        try:
            lines: list[dict[str, str]] = content["promotions"] if isinstance(content, dict) else []
            return tuple(
                Promotion(
                    version=line["version"],
                    who=line["who"],
                    why=line["why"],
                    at=datetime.fromisoformat(line["at"]),
                    override=line["override"],
                )
                for line in lines
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"{self._at(POINTER)} is not a list of promotions ({error}): restore it") from error

    @property
    def live(self) -> str:
        """The name of the version that answers."""
        promotions = self.promotions()
        return promotions[-1].version if promotions else self.shipped.name

    @property
    def previous(self) -> str | None:
        """The version that answered before the live one; ``None`` where there was no other."""
        promotions = self.promotions()
        earlier = [self.shipped.name, *(each.version for each in promotions)]
        return next((name for name in reversed(earlier) if name != self.live), None)

    def promote(self, name: str, *, who: str, why: str, at: datetime, override: str = "") -> Promotion:
        """Make a version the live one, in one step; one that cannot be loaded is refused, and the live one stays."""
        self.load(name)
        made = Promotion(version=name, who=who, why=why, at=at, override=override)
        lines = [{**asdict(each), "at": each.at.isoformat()} for each in (*self.promotions(), made)]
        self._replace(self._at(POINTER), json.dumps({"promotions": lines}, indent=1, ensure_ascii=False))
        return made

    def keep_shadow(self, name: str, content: Mapping[str, object]) -> None:
        """Keep what a version would have said of live posts."""
        self.version(name)
        self._replace(self._at("shadows", f"{_safe(name)}.json"), json.dumps(content, ensure_ascii=False))

    def shadow(self, name: str) -> Mapping[str, object] | None:
        """What a version would have said of live posts, if that was looked at."""
        content = self._read_json(self._at("shadows", f"{_safe(name)}.json"))
        return content if isinstance(content, dict) else None

    def _at(self, *parts: str) -> str:
        return str(PurePosixPath(self._root, *parts))

    def _read_json(self, path: str) -> object:
        try:
            return json.loads(self._fs.cat_file(path))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ArtefactError(f"{path} is not JSON ({error}): restore it") from error
        except OSError as error:
            raise self._trouble("read", error) from error

    def _replace(self, path: str, text: str) -> None:
        """Put a small file in the place of another, whole or not at all; a single object of a bucket is so by itself."""
        try:
            if self._local is None:
                self._fs.pipe_file(path, text.encode())
            else:
                _replace_locally(Path(path), text)
        except OSError as error:
            raise self._trouble("written", error) from error

    def _fetch(self, name: str, target: Path) -> None:
        """Bring a version to this machine, so that nobody sees half of it."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache) as partly:
            try:
                for path in self._fs.find(self._at("versions", name)):
                    place = Path(partly, name, PurePosixPath(path).relative_to(self._at("versions", name)))
                    place.parent.mkdir(parents=True, exist_ok=True)
                    self._fs.get_file(path, str(place))
            except OSError as error:
                raise self._trouble("read", error) from error
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(Path(partly, name), target)

    def _trouble(self, done: str, error: OSError) -> ArtefactError:
        return ArtefactError(
            f"the models in {self._root} cannot be {done}: {error}; see that the folder is there and yours"
        )


def _replace_locally(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _flush(path.parent)


def _flush(path: Path) -> None:
    """See a file or folder to the disk: a promotion must not outlive its version when the power goes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _version(folder: Path) -> Version:
    content = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    return Version(name=str(content["version"]), manifest=content)


def _safe(name: str) -> str:
    """A name that can be a folder's; raises ``ArtefactError``."""
    if not _NAME.fullmatch(name):
        raise ArtefactError(f"a model cannot be called {name!r}: letters, digits, dots and hyphens, at most 80")
    return name


def _protocols(fs: fsspec.AbstractFileSystem) -> Sequence[str]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
