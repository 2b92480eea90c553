"""The landing zone: raw batches as gzip JSON Lines, in a local folder or at any fsspec URL."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import secrets
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import fsspec

from pipeline.domain import Batch, Raw
from pipeline.errors import StoreRefused, StoreUnavailable
from pipeline.text import fold

LEVEL = 5  # of gzip: a tenth of the size at a third of the time of the best


class LandingZone:
    """Implements ``ports.Landing``; ``url`` is a folder or an fsspec URL."""

    def __init__(self, url: str) -> None:
        """Nothing is touched before the first batch."""
        self._url = url.rstrip("/") or "/"
        self._local = "://" not in url

    def land(self, source: str, query: str, records: Sequence[Raw], *, now: datetime) -> Batch:
        """Write the records durably: on a local disk they survive a power cut once this returns."""
        batch_id = f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(5)}"
        path = f"{_slug(source)}/{_slug(query)}/{now:%Y-%m-%d}/{batch_id}.jsonl.gz"
        lines = "".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)
        # A lone surrogate is no UTF-8; JSON's own escape keeps it as it came.
        content = gzip.compress(lines.encode("utf-8", "backslashreplace"), LEVEL, mtime=0)
        self._write(path, content)
        return Batch(
            id=batch_id,
            source=source,
            query=query,
            path=path,
            count=len(records),
            digest=hashlib.sha256(content).hexdigest(),
            landed_at=now,
        )

    def read(self, batch: Batch) -> list[Raw | str]:
        """The records again; raises ``StoreRefused`` when the file is not what was landed."""
        where = f"{self._url}/{batch.path}"
        advice = "put the file back from a backup, or let the next runs read its posts again"
        try:
            content = self._content(batch.path)
        except FileNotFoundError as error:
            raise StoreRefused(f"landing file {where} is gone; {advice}") from error
        except OSError as error:
            raise StoreRefused(f"landing file {where} cannot be read ({error.strerror or error}); {advice}") from error
        if hashlib.sha256(content).hexdigest() != batch.digest:
            raise StoreRefused(f"landing file {where} is not what was landed (its digest differs); {advice}")
        try:
            text = gzip.decompress(content).decode("utf-8", "replace")
        except (OSError, EOFError, zlib.error) as error:
            raise StoreRefused(f"landing file {where} is no whole gzip file; {advice}") from error
        return [_record(line) for line in text.split("\n") if line]

    def discard(self, batch: Batch) -> None:
        """Remove a batch's file for good, and its day's folder with the last one."""
        try:
            if self._local:
                _remove_local(Path(self._url) / batch.path)
                return
            filesystem, root = fsspec.core.url_to_fs(self._url)
            target = f"{root.rstrip('/')}/{batch.path}"
            if filesystem.exists(target):
                filesystem.rm_file(target)
        except OSError as error:
            where = f"{self._url}/{batch.path}"
            raise StoreRefused(
                f"landing file {where} cannot be removed: {error.strerror or error}; give access"
            ) from error

    def _write(self, path: str, content: bytes) -> None:
        try:
            if self._local:
                _write_local(Path(self._url) / path, content)
                return
            filesystem, root = fsspec.core.url_to_fs(self._url)
            target = f"{root.rstrip('/')}/{path}"
            filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
            filesystem.pipe_file(target, content)
        except OSError as error:
            if isinstance(error, TimeoutError | ConnectionError):
                raise StoreUnavailable(f"landing zone {self._url} does not answer: {error}") from error
            raise StoreRefused(
                f"landing zone {self._url}: {error.strerror or error}; free space or give access, then run again:"
                " nothing that was read is marked as read"
            ) from error

    def _content(self, path: str) -> bytes:
        if self._local:
            return (Path(self._url) / path).read_bytes()
        filesystem, root = fsspec.core.url_to_fs(self._url)
        return bytes(filesystem.cat_file(f"{root.rstrip('/')}/{path}"))


def _write_local(path: Path, content: bytes) -> None:
    """Whole or not at all: a temporary file, its bytes on the disk, then its name, then the folder's entry."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    for folder in (path.parent, *(folder.parent for folder in missing)):  # a new folder is an entry of the one above
        _flush_folder(folder)


def _remove_local(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent.exists() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _record(line: str) -> Raw | str:
    try:
        record = json.loads(line)
    except ValueError:
        return line
    return record if isinstance(record, dict) else line


def _slug(name: str) -> str:
    """A folder's name; what a slug drops is told by a digest, so two names never share a folder."""
    plain = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")
    return plain if plain == name else f"{plain or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
