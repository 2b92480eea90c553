"""Labelled items to judge a model by, read from files, and answers that a training kept of posts it had held out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import corpus
from models.outcome import HEADS, LABELS, SENTIMENTS, Classified, Head
from models.recipe import DEVELOPMENT_FILE, same

Floats = NDArray[np.float64]
UNLABELLED = -1
"""Stands where an item has no label for a head."""
_SPELLINGS: dict[Head, Mapping[str, int]] = {
    "sentiment": {
        name: place for place, code in enumerate(corpus.SENTIMENT_CODES) for name in (code, SENTIMENTS[place])
    },
    "category": {name: place for place, name in enumerate(LABELS["category"])},
    "urgency": {name: place for place, name in enumerate(LABELS["urgency"])}
    | {str(3 - place): place for place in range(len(LABELS["urgency"]))},
    "crisis": {"0": 0, "1": 1, "false": 0, "true": 1},
}
"""How labels are written in files: by name, or as the labelling guide codes them (urgency 3 is critical)."""
_DECIMALS = 5


class ItemsError(ValueError):
    """Items that cannot be read; the message names the file, the line and what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """n labelled posts. ``labels`` of each head are numbers in the order of ``outcome`` or ``UNLABELLED``; ``natural`` rows
    have the rates of a live stream; ``seen`` rows were in the training of the model they judge."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    sources: tuple[str, ...]
    labels: Mapping[Head, NDArray[np.intp]]
    natural: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    files: tuple[tuple[str, str, int], ...]

    def __len__(self) -> int:
        return len(self.texts)

    def chosen(self, places: Sequence[int]) -> Items:
        """Some of the items, in the order of ``places``."""
        at = list(places)
        named = {
            name: tuple(getattr(self, name)[place] for place in at) for name in ("ids", "texts", "languages", "sources")
        }
        labels = {head: label[at] for head, label in self.labels.items()}
        return replace(self, **named, labels=labels, natural=self.natural[at], seen=self.seen[at])

    def marked(self, keys: frozenset[str]) -> Items:
        """The same items, those marked as seen whose text a training had (``recipe.same``)."""
        return replace(self, seen=np.array([same(text) in keys for text in self.texts], np.bool_))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a model says of items: per head the probabilities (n, labels), crisis (n, 1). ``held_out`` where each answer is of
    a model that had not seen the item."""

    version: str
    answers: Mapping[Head, Floats]
    held_out: bool


def answers_of(given: Classified) -> dict[Head, Floats]:
    """Probabilities of every head as columns."""
    return {head: np.asarray(getattr(given, head), np.float64).reshape(len(given.crisis), -1) for head in HEADS}


def read_items(path: Path) -> Items:
    """The items of a JSON Lines or, named ``.tsv``, a tab-separated file with a header; raises ``ItemsError``."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ItemsError(f"{path} cannot be read ({error}): name a UTF-8 file of labelled posts") from error
    lines = _tabbed(content) if path.suffix == ".tsv" else _json_lines(path, content)
    rows = [_row(path, number, fields) for number, fields in lines]
    if not rows:
        raise ItemsError(f"{path} holds no posts: a line each, with text and labels")
    return _items(rows, ((path.name, hashlib.sha256(content.encode()).hexdigest(), len(rows)),))


def read_corpus(data: Path | None) -> Items:
    """The authored corpus and, from a data folder, our labels and the public development sets (sentiment alone)."""
    found = corpus.read(data)
    rows = [_Row.of(row) for row in found.rows]
    files = list(found.files)
    for path in sorted(data.glob(f"*/{DEVELOPMENT_FILE}")) if data is not None else ():
        more = list(_development(path))
        if more:
            files.append((f"{path.parent.name}/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest(), len(more)))
        rows += more
    return _items(rows, tuple(files))


def language_of_set(name: str) -> str:
    """The language of a public set that has one: its name ends with it, or it is English."""
    return name[-2:] if name[-3] == "_" else "en"


def training_keys(manifest: Mapping[str, object], data: Path | None) -> frozenset[str]:
    """What identifies the posts of a model's training files (``recipe.same``), of those files that are here."""
    listed = manifest.get("data")
    named = [each.get("file") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    keys: set[str] = set()
    if any(str(name).startswith("authored/") for name in named):
        keys |= {same(row.text) for row in corpus.read(None).rows}
        for path in corpus.AUTHORED.glob("*.jsonl"):  # as written too, as well as under the names training gives them
            keys |= {same(json.loads(line)["text"]) for line in path.read_text(encoding="utf-8").splitlines() if line}
    for name in named:
        file = data / str(name) if data is not None else None
        if file is not None and file.suffix == ".tsv" and file.is_file():
            keys |= {same(fields.get("text", "")) for _, fields in _tabbed(file.read_text(encoding="utf-8"))}
    return frozenset(keys)


def write_held_out(path: Path, rows: Sequence[corpus.Row], answers: Mapping[Head, Floats], *, version: str) -> None:
    """Keep what models that had not seen a row said of it: JSON Lines, a row each, as ``read_held_out`` reads them."""
    with path.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(rows):
            said = {head: np.round(answers[head][number], _DECIMALS).tolist() for head in HEADS}
            labels = {head: int(getattr(row, head)) for head in HEADS}
            kept: dict[str, object] = {"id": row.id, "text": row.text, "language": row.language, "source": row.source}
            kept |= {"natural": row.natural, "labels": labels, "answers": said, "model": version}
            stream.write(json.dumps(kept, ensure_ascii=False) + "\n")


def read_held_out(path: Path) -> tuple[Items, Answered]:
    """What a training kept of the posts it had held out; raises ``ItemsError``."""
    try:
        content = path.read_text(encoding="utf-8")
        kept = [json.loads(line) for line in content.splitlines() if line]
        rows = [
            _Row(
                each["id"],
                each["text"],
                each["language"],
                each["source"],
                dict(each["labels"]),
                natural=each["natural"],
            )
            for each in kept
        ]
        answers = {head: np.array([each["answers"][head] for each in kept], np.float64) for head in HEADS}
        version = str(kept[0]["model"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ItemsError(
            f"{path} holds no held-out answers ({error!r}): make it with python -m models.train --out-of-fold FILE"
        ) from error
    items = _items(rows, ((path.name, hashlib.sha256(content.encode()).hexdigest(), len(rows)),))
    return items, Answered(version=version, answers=answers, held_out=True)


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    text: str
    language: str
    source: str
    labels: Mapping[Head, int]
    natural: bool = False

    @classmethod
    def of(cls, row: corpus.Row) -> _Row:
        labels: dict[Head, int] = {head: getattr(row, head) for head in HEADS}
        return cls(row.id, row.text, row.language, row.source, labels, natural=row.natural)


def _items(rows: Sequence[_Row], files: tuple[tuple[str, str, int], ...]) -> Items:
    return Items(
        ids=tuple(row.id for row in rows),
        texts=tuple(row.text for row in rows),
        languages=tuple(row.language for row in rows),
        sources=tuple(row.source for row in rows),
        labels={head: np.array([row.labels.get(head, UNLABELLED) for row in rows], np.intp) for head in HEADS},
        natural=np.array([row.natural for row in rows], np.bool_),
        seen=np.zeros(len(rows), np.bool_),
        files=files,
    )


def _tabbed(content: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows under a header, without quoting, with their line numbers."""
    header, *lines = content.rstrip("\n").split("\n")
    names = header.rstrip("\r").split("\t")
    for number, line in enumerate(lines, 2):
        yield number, dict(zip(names, line.rstrip("\r").split("\t"), strict=False))


def _json_lines(path: Path, content: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise ItemsError(
                f"{path}:{number} is not JSON ({error}): one object a line, or name the file .tsv"
            ) from error
        if not isinstance(fields, dict):
            raise ItemsError(f"{path}:{number} is no object: one object a line, with text and labels")
        yield number, {str(key): _spelled(value) for key, value in fields.items() if value is not None}


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(path: Path, number: int, fields: Mapping[str, str]) -> _Row:
    if not fields.get("text", "").strip():
        raise ItemsError(f"{path}:{number} has no text")
    labels: dict[Head, int] = {}
    for head in HEADS:
        said = fields.get(head, "").strip().lower()
        if said and said not in _SPELLINGS[head]:
            raise ItemsError(f"{path}:{number}: {head} {said!r} is none of {', '.join(_SPELLINGS[head])}")
        if said:
            labels[head] = _SPELLINGS[head][said]
    if not labels:
        raise ItemsError(f"{path}:{number} has no label: give one of {', '.join(HEADS)}")
    language = (fields.get("language") or fields.get("lang") or "und").strip().lower()
    return _Row(fields.get("id") or str(number), fields["text"], language, fields.get("source") or path.stem, labels)


def _development(path: Path) -> Iterator[_Row]:
    """The posts of a public development set whose label is one of our sentiments."""
    name = path.parent.name
    for number, fields in _tabbed(path.read_text(encoding="utf-8")):
        if fields.get("label") in SENTIMENTS and fields.get("text", "").strip():
            language = fields.get("lang") or language_of_set(name)
            yield _Row(
                f"{name}:{number}", fields["text"], language, name, {"sentiment": SENTIMENTS.index(fields["label"])}
            )
