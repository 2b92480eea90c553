"""The versions of the models for the product: made from people's labels, kept beside the store, one of them live."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock

from pydantic import TypeAdapter, ValidationError

import models
from models import artefact, floors, gate, own
from models.fit_own import train_own
from models.own_report import OwnRow
from models.registry import Registry, Version
from pipeline.domain import Labelled, ModelVersion, Promotion, Shadow, Trial
from pipeline.errors import ConfigError, ModelRefused
from pipeline.ports import Classifier

_log = logging.getLogger(__name__)
_TRIAL = TypeAdapter(Trial)
_SHADOW = TypeAdapter(Shadow)


class OwnModels:
    """``ports.Models`` over a registry. ``base`` is the folder of the model that answers until another is promoted.

    A process that runs for long notices a promotion with the next batch: ``classifier`` asks which version is live.
    """

    def __init__(self, url: str, *, cache: Path, base: Path | None = None) -> None:
        self._base = base or artefact.STARTER
        self._registry = Registry(url, cache=cache, shipped=self._base)
        self._lock = Lock()
        self._loaded: tuple[str, Classifier] | None = None

    def versions(self) -> list[ModelVersion]:
        """All versions, the shipped one first, then by name."""
        with _refusing():
            return [_version(each) for each in self._registry.versions()]

    def version(self, name: str) -> ModelVersion:
        """One version by its name."""
        with _refusing():
            return _version(self._registry.version(name))

    def add(self, folder: Path) -> ModelVersion:
        """Keep the model in a folder as a version; raises ``ModelRefused`` for a name that is taken."""
        with _refusing():
            return _version(self._registry.add(folder))

    def refusals(self, name: str) -> tuple[str, ...]:
        """Why a version may not go live by itself, a line each.

        One from own labels was held to its base when it was made; any other is held to the floors, and to the model that
        answers until another is promoted, now (some seconds).
        """
        version = self.version(name)
        if version.trial is not None:
            return version.trial.failures
        with _refusing():
            folder = self._registry.folder(name)
            if folder == self._base:
                return ()
            found = gate.gate(folder, floors.read(floors.FLOORS), current=self._base)
        return tuple(f"{floors.written(each.key)}: {each.because}" for each in found)

    def live(self) -> str:
        """The name of the version that answers."""
        with _refusing():
            return self._registry.live

    def previous(self) -> str | None:
        """The version that answered before the live one; ``None`` where there was no other."""
        with _refusing():
            return self._registry.previous

    def promotions(self) -> Sequence[Promotion]:
        """Who made which version live and why, oldest first."""
        with _refusing():
            return [Promotion(**asdict(each)) for each in self._registry.promotions()]

    def promote(self, name: str, *, who: str, why: str, at: datetime, override: str = "") -> Promotion:
        """Make a version the live one in one step; one that cannot be loaded is refused, and the live one stays."""
        with _refusing():
            return Promotion(**asdict(self._registry.promote(name, who=who, why=why, at=at, override=override)))

    def load(self, name: str) -> Classifier:
        """A version, its digests checked."""
        with _refusing():
            folder = self._registry.folder(name)
            return _loaded(folder, artefact.digest(folder / artefact.MANIFEST_FILE))

    def classifier(self) -> Classifier:
        """The live version, loaded once; a version that cannot be loaded does not take the place of one that is."""
        with self._lock:
            try:
                name = self.live()
                if self._loaded is None or self._loaded[0] != name:
                    self._loaded = name, self.load(name)
            except ModelRefused as error:
                if self._loaded is None:
                    raise ModelRefused(
                        f"{error} (`tocsin models rollback` makes the version before it live)"
                    ) from error
                _log.warning("the model %s goes on answering: %s", self._loaded[0], error)
            return self._loaded[1]

    def train(
        self,
        labelled: Sequence[Labelled],
        anchors: Sequence[tuple[str, str]],
        *,
        name: str,
        at: datetime,
        progress: Callable[[str, float], None],
    ) -> ModelVersion:
        """A new version from own labels, on the base; raises ``ConfigError`` where there is nothing to learn from."""
        rows = [
            OwnRow(
                id=each.mention,
                text=each.text,
                language=each.language,
                answers={str(head): value for head, value in each.answers.items()},
                group=each.conversation,
            )
            for each in labelled
        ]
        with _refusing(), tempfile.TemporaryDirectory(prefix="tocsin-train-") as folder:
            out = Path(folder, name)
            try:
                train_own(
                    self._base,
                    own.load(self._base),
                    rows,
                    anchors,
                    out,
                    version=name,
                    made_at=at.isoformat(),
                    progress=progress,
                )
            except ValueError as error:
                raise ConfigError(str(error)) from error
            return _version(self._registry.add(out))

    def keep_shadow(self, shadow: Shadow) -> None:
        """Keep what a candidate would have said of live posts, in place of what was found before."""
        with _refusing():
            self._registry.keep_shadow(shadow.candidate, _SHADOW.dump_python(shadow, mode="json"))

    def shadow(self, name: str) -> Shadow | None:
        """What a version would have said of live posts, if that was looked at."""
        with _refusing():
            found = self._registry.shadow(name)
            return None if found is None else _SHADOW.validate_python(found)


@lru_cache(maxsize=2)
def _loaded(folder: Path, _digest: str) -> Classifier:
    """The model in a folder, once a process, whatever stores it works for."""
    return own.load(folder)


@contextmanager
def _refusing() -> Iterator[None]:
    """What the models' package refuses, as an error of ours."""
    try:
        yield
    except (models.ArtefactError, floors.FloorsError, ValidationError, FileNotFoundError) as error:
        raise ModelRefused(str(error)) from error


def _version(found: Version) -> ModelVersion:
    manifest: Mapping[str, object] = found.manifest
    made_at, base, rows = manifest.get("made_at"), manifest.get("base"), manifest.get("rows")
    report = manifest.get("report")
    return ModelVersion(
        name=found.name,
        base=base if isinstance(base, str) else None,
        made_at=datetime.fromisoformat(made_at) if isinstance(made_at, str) else None,
        rows=rows if isinstance(rows, int) else 0,
        trial=None if report is None else _TRIAL.validate_python(report),
    )
