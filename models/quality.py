"""How a model does on public development sets nobody tuned it on: ``python -m models.quality --data ../shared/data``.

VADER alone stands beside it, and any other model named. Figures over our own labels are out-of-fold and stand in each
model's manifest; this command prints them again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score, recall_score

from models import artefact
from models.classifier import Model, load
from models.outcome import SENTIMENTS
from models.recipe import DEVELOPMENT_FILE

_FIGURES = {
    "sentiment_f1": "sentiment F1", "category_f1": "category F1", "urgency_f1": "urgency F1", "urgent_ap": "urgent AP",
    "urgent_recall": "urgent in first 30 %", "crisis_ap": "crisis AP", "crisis_recall": "crisis recall",
}  # fmt: skip
_VADER_NEUTRAL = 0.05
"""VADER's own bound between neutral and a mood (Hutto & Gilbert 2014)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Development:
    """Posts of one development set: texts, languages, and sentiments as numbers in the order of ``SENTIMENTS``."""

    name: str
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    sentiment: NDArray[np.intp]


def developments(data: Path) -> list[Development]:
    """The development sets under a data folder whose labels are our three sentiments, each by language where it has several."""
    found: list[Development] = []
    for path in sorted(data.glob(f"*/{DEVELOPMENT_FILE}")):
        names, *lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        rows = [dict(zip(names.split("\t"), line.split("\t"), strict=False)) for line in lines]
        rows = [row for row in rows if row.get("label") in SENTIMENTS]
        spoken = {row.get("lang") or _language(path.parent.name) for row in rows}
        for language in sorted(spoken):
            chosen = [row for row in rows if (row.get("lang") or _language(path.parent.name)) == language]
            found.append(
                Development(
                    name=path.parent.name,
                    texts=tuple(row["text"] for row in chosen),
                    languages=(language,) * len(chosen),
                    sentiment=np.array([SENTIMENTS.index(row["label"]) for row in chosen]),
                )
            )
    return found


def _language(name: str) -> str:
    """The language of a set that has one: its name ends with it, or it is English."""
    return name[-2:] if name[-3] == "_" else "en"


def moods(texts: Sequence[str]) -> NDArray[np.float64]:
    """VADER's mood of each text, -1 to 1."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - a second of start-up

    analyser = SentimentIntensityAnalyzer()
    return np.array([analyser.polarity_scores(text)["compound"] for text in texts], np.float64)


def vader(texts: Sequence[str]) -> NDArray[np.intp]:
    """VADER's sentiment of each text."""
    felt = moods(texts)
    found: NDArray[np.intp] = np.where(felt <= -_VADER_NEUTRAL, 0, np.where(felt >= _VADER_NEUTRAL, 2, 1))
    return found


def table(models: Sequence[Model], sets: Sequence[Development]) -> Table:
    """Macro-F1 and macro-recall of sentiment on each set, for VADER and each model."""
    shown = Table(title="Sentiment on development sets: macro-F1 / macro-recall")
    for title in ("set", "language", "posts", "VADER", *(model.version for model in models)):
        shown.add_column(title, justify="left" if title in {"set", "language"} else "right")
    means: list[list[float]] = []
    for each in sets:
        answers = [vader(each.texts)]
        answers += [model.classify(each.texts, each.languages).sentiment.argmax(axis=1) for model in models]
        figures = [
            (
                float(f1_score(each.sentiment, answer, average="macro")),
                float(recall_score(each.sentiment, answer, average="macro")),
            )
            for answer in answers
        ]
        if each.name == "xlmt_sentiment":
            means.append([f1 for f1, _ in figures])
        shown.add_row(
            each.name, each.languages[0], str(len(each.texts)), *(f"{f1:.3f} / {recall:.3f}" for f1, recall in figures)
        )
    if means:
        shown.add_row("xlmt_sentiment", "mean", "", *(f"{value:.3f}" for value in np.mean(means, axis=0)))
    return shown


def out_of_fold(folder: Path) -> Table:
    """What models that had not seen a row say of our labels, from a manifest: with the second opinion, and words alone."""
    manifest = artefact.read(folder)[1]
    shown = Table(title=f"{manifest['version']}: our labels, out-of-fold (words alone in brackets)")
    for title in ("slice", "posts", *_FIGURES.values()):
        shown.add_column(title, justify="left" if title == "slice" else "right")
    whole, alone = manifest["out_of_fold"], manifest["out_of_fold_words_alone"]
    assert isinstance(whole, dict)
    assert isinstance(alone, dict)
    for name, found in whole.items():
        cells = [f"{_figure(found, key):.3f} ({_figure(alone[name], key):.3f})" for key in _FIGURES]
        shown.add_row(name, str(found["posts"]), *cells)
    return shown


def _figure(measured: dict[str, float | list[float]], key: str) -> float:
    """One figure of a manifest; of the recalls, the one in the first 30 %."""
    value = measured[key]
    return value[-1] if isinstance(value, list) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m models.quality", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the public sets")
    parser.add_argument("--model", type=Path, action="append", help="a model's folder; may be given several times")
    chosen = parser.parse_args(arguments)
    console, errors = Console(width=180), Console(stderr=True)
    sets = developments(chosen.data)
    if not sets:
        errors.print(f"{chosen.data} holds no development sets: name the folder with --data", style="red")
        return 2
    try:
        models = [load(folder) for folder in chosen.model or [artefact.STARTER]]
    except artefact.ArtefactError as error:
        errors.print(str(error), style="red")
        return 2
    for folder in chosen.model or [artefact.STARTER]:
        console.print(out_of_fold(folder))
    console.print(table(models, sets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
