"""A small world for the command line: a configuration, a file of posts, and a classifier that knows four words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.domain import Category, Hit, Sentiment, Urgency
from tests import REPOSITORY

WIDE = {"COLUMNS": "200"}  # test runners say 80, which would cut what is asserted

POSTS = (
    {"id": "1", "author": "ana", "text": "my brightly lamp is broken, what now", "created_at": "2024-03-06T09:00:00Z"},
    {"id": "2", "author": "ben", "text": "HELP the brightly base caught fire", "created_at": "2024-03-06T09:10:00Z"},
    {"id": "3", "author": "eva", "text": "does brightly ship to Łódź?", "created_at": "2024-03-06T09:20:00Z"},
    {"id": "4", "author": "joe", "text": "nice weather today", "created_at": "2024-03-06T09:30:00Z"},
)


@dataclass(frozen=True)
class Classified:
    sentiment: NDArray[np.float64]
    category: NDArray[np.float64]
    urgency: NDArray[np.float64]
    crisis: NDArray[np.float64]
    rules: Sequence[Sequence[Hit]]


@dataclass(frozen=True)
class Reason:
    head: str
    label: str
    words: str
    weight: float


class WordClassifier:
    """'fire' is a crisis with a rule, 'broken' a complaint, '?' a question, all else chatter."""

    version = "words-1"

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Classified, Sequence[Sequence[Reason]]]:
        return self.classify(texts, languages), self.explain(texts, languages)

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> Classified:
        fire = np.array(["fire" in text for text in texts], dtype=bool)
        labels = [self._category(text) for text in texts]
        urgencies = ["critical" if hot else "normal" for hot in fire]
        return Classified(
            sentiment=_rows(Sentiment, ["negative" if label == "complaint" else "neutral" for label in labels]),
            category=_rows(Category, labels),
            urgency=_rows(Urgency, urgencies),
            crisis=np.where(fire, 0.9, 0.02),
            rules=tuple(
                (Hit(rule="fire", urgency=Urgency.CRITICAL, crisis=True, words="caught fire"),) if hot else ()
                for hot in fire
            ),
        )

    def explain(self, texts: Sequence[str], languages: Sequence[str]) -> Sequence[Sequence[Reason]]:
        return [
            tuple(
                Reason(head="category", label="complaint", words=word, weight=0.5)
                for word in ("fire", "broken")
                if word in text
            )
            for text in texts
        ]

    def _category(self, text: str) -> str:
        if "fire" in text or "broken" in text:
            return "complaint"
        return "question" if "?" in text else "chatter"


def _rows(kind: type[Category] | type[Sentiment] | type[Urgency], labels: Sequence[str]) -> NDArray[np.float64]:
    columns = [str(value) for value in kind]
    rows = np.full((len(labels), len(columns)), 0.1 / (len(columns) - 1))
    for row, label in enumerate(labels):
        rows[row, columns.index(label)] = 0.9
    return rows


def write_posts(path: Path, posts: Sequence[Mapping[str, object]] = POSTS) -> Path:
    path.write_text("".join(json.dumps(post, ensure_ascii=False) + "\n" for post in posts), encoding="utf-8")
    return path


def write_config(folder: Path, *, sources: str | None = None, more: str = "", top: str = "") -> Path:
    """A configuration that listens for Brightly in posts.jsonl, with its home beside it."""
    path = folder / "tocsin.toml"
    listened = sources or f'[[source]]\nname = "file"\nkind = "files"\npaths = ["{folder}/posts.jsonl"]\n'
    path.write_text(
        f'home = "{folder}/home"\n{top}\n[[brand]]\nname = "Brightly"\nmarkets = ["GB"]\n'
        f'[[query]]\nname = "brightly"\nbrand = "Brightly"\n{listened}\n{more}\n',
        encoding="utf-8",
    )
    return path


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


def call(*arguments: str | Path, stdin: str | bytes | None = None, environ: Mapping[str, str] | None = None) -> Answer:
    """The command in this process."""
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], input=stdin, env={**WIDE, **(environ or {})}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", *(str(argument) for argument in arguments)]


def start(
    *arguments: str | Path, environ: Mapping[str, str] | None = None, **options: object
) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen(
        command(*arguments),
        cwd=REPOSITORY,
        env={**os.environ, **WIDE, **(environ or {})},
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
    )


def spawn(*arguments: str | Path, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Answer:
    process = start(*arguments, environ=environ)
    out, err = process.communicate(stdin, timeout=120)
    return Answer(process.returncode, out.decode(), err.decode())
