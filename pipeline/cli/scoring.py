"""``tocsin score``: what the model says of texts from a file or standard input, without store or configuration.

The JSON form is a contract with other programs (docs/cli.md): one line out for each line in, keys in a fixed order.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from pipeline.cli.frame import JsonOption
from pipeline.cli.render import one_line, progress
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.domain import Mention, Score
    from pipeline.ports import Classifier

CHUNK = 2000  # lines scored at once: enough to keep the model busy, little enough to hold and to wait for
BLOCK = 1 << 18  # bytes asked of a file at once; a pipe gives what it has, so a slow writer is answered line by line
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # a text alone has no date, and scores do not depend on one


@dataclass(frozen=True, slots=True)
class Line:
    """One line of input: its text, and the id and language it brought along."""

    id: str
    text: str
    language: str | None


def score(
    file: Annotated[Path | None, typer.Argument(help="Text lines or JSON Lines; default: standard input.")] = None,
    model: Annotated[Path | None, typer.Option("--model", help="Another model's folder; default: the shipped.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score texts from a file or standard input, one a line.

    A line is a text, or a JSON object with "text" and optionally "id" and "language". Order is kept, and there is one
    line out for each line in. Needs no store and no configuration.

    \b
    Examples:
      echo 'my charger caught fire' | tocsin score
      tocsin score --json posts.jsonl > scores.jsonl
    """
    from pipeline import app

    classifier = app.classifier(model)
    watched = sys.stderr.isatty() and not sys.stdout.isatty()
    done = 0
    with _opened(file) as stream, progress(quiet=not watched) as step:
        for lines in _chunks(_lines(stream)):
            written = "".join(_answers(lines, classifier, as_json=as_json))
            sys.stdout.write(written)
            sys.stdout.flush()
            done += len(lines)
            step(f"{done:,} lines", None)


def _opened(file: Path | None) -> BinaryIO | nullcontext[BinaryIO]:
    if file is None or str(file) == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error


def _lines(stream: BinaryIO) -> Iterator[list[Line]]:
    """The lines of each block as it arrives; only a line feed ends a line, and bytes that are no UTF-8 are replaced."""
    number, rest = 0, b""
    while block := stream.read1(BLOCK):  # type: ignore[attr-defined]
        *complete, rest = (rest + block).split(b"\n")
        yield [parse(line, number + offset) for offset, line in enumerate(complete, 1)]
        number += len(complete)
    if rest:
        yield [parse(rest, number + 1)]


def _chunks(blocks: Iterable[list[Line]]) -> Iterator[list[Line]]:
    for lines in blocks:
        for start in range(0, len(lines), CHUNK):
            yield lines[start : start + CHUNK]


def parse(line: bytes, number: int) -> Line:
    """A line as JSON if it is an object with a string ``text``, else as plain text."""
    text = line.decode("utf-8", "replace").removesuffix("\r")
    if number == 1:
        text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and isinstance(record.get("text"), str):
            given, language = record.get("id"), record.get("language")
            return Line(
                id=str(number) if given is None else given if isinstance(given, str) else json.dumps(given),
                text=record["text"],
                language=language.strip().lower() or None if isinstance(language, str) else None,
            )
    return Line(id=str(number), text=text, language=None)


def _answers(lines: Sequence[Line], classifier: Classifier, *, as_json: bool) -> Iterator[str]:
    """Each line's answer, through the same stages as a collected post."""
    from pipeline.config import Weights
    from pipeline.prioritise import cost_of
    from pipeline.score import score as score_stage

    mentions = _mentions(lines)
    weights = Weights()
    for line, mention, given in zip(lines, mentions, score_stage(mentions, classifier), strict=True):
        cost, _ = cost_of(given, weights)
        yield _json(line, mention.language, given, cost) if as_json else _row(line, mention.language, given, cost)


def _mentions(lines: Sequence[Line]) -> list[Mention]:
    from pipeline.domain import Author, Mention
    from pipeline.normalise import normalise

    nobody = Author(id="score:", handle="")
    bare = [
        Mention(
            id=f"score:{number}",
            source="score",
            query="",
            brand="",
            author=nobody,
            text=line.text,
            posted_at=_NO_TIME,
            collected_at=_NO_TIME,
            language=line.language or "und",
        )
        for number, line in enumerate(lines)
    ]
    detected = normalise(bare, known={}).mentions
    return [
        replace(mention, language=line.language) if line.language else mention
        for line, mention in zip(lines, detected, strict=True)
    ]


def _json(line: Line, language: str, given: Score, cost: float) -> str:
    answer = {
        "id": line.id,
        "language": language,
        "sentiment": {"label": given.sentiment_label, "p": dict(given.sentiment)},
        "category": {"label": given.category_label, "p": dict(given.category)},
        "urgency": {"label": given.urgency_label, "p": dict(given.urgency)},
        "crisis": given.crisis,
        "rules": [
            {"rule": hit.rule, "urgency": hit.urgency, "crisis": hit.crisis, "words": hit.words} for hit in given.rules
        ],
        "cost": round(cost, 4),
        "because": reasons(given),
        "model": given.model,
    }
    return _ENCODER.encode(answer) + "\n"


def reasons(given: Score) -> list[str]:
    """Why a score is as it is, rules first, then the words that weigh most."""
    rules = [f'rule "{hit.rule}": "{hit.words}"' for hit in given.rules]
    signals = sorted(given.signals, key=lambda signal: -signal.value)
    return rules + [f'{signal.name}: "{signal.because}"' for signal in signals]


def _row(line: Line, language: str, given: Score, cost: float) -> str:
    return (
        f"{one_line(line.id):>8}  {cost:7.2f}  {given.urgency_label:<8}  {given.category_label:<10}  "
        f"{given.sentiment_label:<8}  crisis {given.crisis:.2f}  {language}  {one_line(line.text)[:90]}\n"
    )
