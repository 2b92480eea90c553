"""The figures of docs/quality.md: ``python -m models.quality --data ../shared/data`` prints them, ``--write FILE`` puts them there.

Sentiment is taken on public development sets, VADER alone and any other model named beside it. Figures over our own labels
are out-of-fold and stand in each model's manifest; this command prints them again.
"""

from __future__ import annotations

import argparse
import re
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
from models.features import LANGUAGES
from models.outcome import HEADS, SENTIMENTS
from models.recipe import DEVELOPMENT_FILE

_FIGURES = {
    "sentiment_f1": "sentiment F1", "category_f1": "category F1", "complaint_f1": "complaint F1", "urgency_f1": "urgency F1",
    "urgent_ap": "urgent AP", "urgent_recall": "urgent in first 30 %", "crisis_ap": "crisis AP",
    "crisis_recall": "crisis recall at .35",
}  # fmt: skip
_FAR = ("ar", "hi")
"""Languages of XLM-T that are not ours."""
_VADER_NEUTRAL = 0.05
"""VADER's own bound between neutral and a mood (Hutto & Gilbert 2014)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Development:
    """Posts of one development set: texts, languages, and sentiments as numbers in the order of ``SENTIMENTS``."""

    name: str
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    sentiment: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of figures as people read them; ``name`` is that of its place in a document, the first columns ``words`` are text."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def shown(self) -> Table:
        """For a terminal."""
        table = Table(title=self.title)
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="left" if place < self.words else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def written(self) -> str:
        """For a document."""
        lines = [
            self.columns,
            tuple("---" if place < self.words else "---:" for place in range(len(self.columns))),
            *self.rows,
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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


def development(models: Sequence[Model], sets: Sequence[Development]) -> Grid:
    """Macro-F1 and macro-recall of sentiment on each set, for VADER and each model, and the means over XLM-T."""
    rows: list[tuple[str, ...]] = []
    by_language: dict[str, list[float]] = {}
    for each in sets:
        known = np.unique(each.sentiment)
        answers = [vader(each.texts)]
        answers += [model.classify(each.texts, each.languages).sentiment.argmax(axis=1) for model in models]
        figures = [
            (
                float(f1_score(each.sentiment, answer, labels=known, average="macro")),
                float(recall_score(each.sentiment, answer, labels=known, average="macro")),
            )
            for answer in answers
        ]
        if each.name == "xlmt_sentiment":
            by_language[each.languages[0]] = [f1 for f1, _ in figures]
        cells = (f"{_short(f1)} ({_short(recall)})" for f1, recall in figures)
        rows.append((each.name, each.languages[0], f"{len(each.texts):,}", *cells))
    for name, chosen in {
        "mean": [*by_language.values()],
        f"mean without {' '.join(_FAR)}": [found for language, found in by_language.items() if language not in _FAR],
    }.items():
        if chosen:
            rows.append(("xlmt_sentiment", name, "", *(_short(float(value)) for value in np.mean(chosen, axis=0))))
    return Grid(
        name="development",
        title="Sentiment on public development sets: macro-F1 (macro-recall)",
        columns=("set", "language", "posts", "VADER", *(model.version for model in models)),
        rows=tuple(rows),
        words=2,
    )


def held_out(folder: Path) -> list[Grid]:
    """What models that had not seen a row say of our labels, from a manifest: by slice (words alone in brackets), the
    calibration of each head, and the languages beside English."""
    manifest = artefact.read(folder)[1]
    whole, alone = manifest["out_of_fold"], manifest["out_of_fold_words_alone"]
    assert isinstance(whole, dict)
    assert isinstance(alone, dict)
    version = str(manifest["version"])
    slices = Grid(
        name="held-out",
        title=f"{version}: our labels, out-of-fold (words alone in brackets)",
        columns=("slice", "posts", *_FIGURES.values()),
        rows=tuple(
            (name, f"{found['posts']:,}", *(f"{_figure(found, key)} ({_figure(alone[name], key)})" for key in _FIGURES))
            for name, found in whole.items()
        ),
    )
    calibration = Grid(
        name="calibration",
        title=f"{version}: expected calibration error, out-of-fold",
        columns=("slice", "posts", *HEADS),
        rows=tuple(
            (name, f"{found['posts']:,}", *(_figure(found, f"{head}_gap") for head in HEADS))
            for name, found in whole.items()
        ),
    )
    spoken = {name: whole[name]["sentiment_f1"] for name in LANGUAGES if name in whole}
    gaps = Grid(
        name="languages",
        title=f"{version}: sentiment macro-F1 beside English, out-of-fold (points)",
        columns=("language", "posts", "sentiment F1", "beside English"),
        rows=tuple(
            (name, f"{whole[name]['posts']:,}", _short(value), f"{100 * (value - spoken['en']):+.1f}")
            for name, value in spoken.items()
            if "en" in spoken
        ),
    )
    return [slices, calibration, gaps]


def aims(folder: Path) -> Grid:
    """What the product promised of our labels, and what the manifest's held-out figures reach, drawn as labelled and at the
    natural rate."""
    slices = artefact.read(folder)[1]["out_of_fold"]
    assert isinstance(slices, dict)
    whole, natural = slices["all rows"], slices.get("natural rate")

    def reached(key: str, aim: float) -> tuple[str, str, str]:
        cells = _figure(whole, key), _figure(natural, key) if natural else "–"
        good = [cell != "–" and (float(cell) <= aim if key.endswith("_gap") else float(cell) >= aim) for cell in cells]
        return *cells, "yes" if all(good) else "all rows only" if good[0] else "not yet"

    promised = {
        "urgent AP at least .80": ("urgent_ap", 0.80),
        "urgent in the first 30 % at least .82": ("urgent_recall", 0.82),
        "crisis AP at least .55": ("crisis_ap", 0.55),
        "category macro-F1 at least .68": ("category_f1", 0.68),
        "complaint F1 at least .85": ("complaint_f1", 0.85),
        **{f"calibration error of {head} at most .05": (f"{head}_gap", 0.05) for head in HEADS},
    }
    return Grid(
        name="aims",
        title="Aims on our labels, out-of-fold",
        columns=("aim", "all rows", "natural rate", "reached"),
        rows=tuple((aim, *reached(*bound)) for aim, bound in promised.items()),
    )


def _figure(measured: dict[str, float | list[float]], key: str) -> str:
    """One figure of a manifest; of the recalls, the one in the first 30 %; a dash where a training did not measure it."""
    value = measured.get(key)
    value = value[-1] if isinstance(value, list) else value
    return "–" if value is None or np.isnan(value) else _short(value)


def _short(value: float) -> str:
    """A share without its leading nought."""
    return f"{value:.3f}".removeprefix("0")


def rewritten(document: str, grids: Sequence[Grid]) -> str:
    """A document with each grid between its marks ``<!-- figures: NAME -->`` and ``<!-- end -->``; ``ValueError`` without any."""
    found = 0
    for grid in grids:
        marks = re.compile(rf"(<!-- figures: {re.escape(grid.name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = grid.written().replace("\\", r"\\")
        document, count = marks.subn(rf"\1\n{text}\n\n\2", document)
        found += count
    if not found:
        raise ValueError(f"no place for figures: write <!-- figures: NAME --> and <!-- end -->, NAME one of "
                         f"{', '.join(grid.name for grid in grids)}")  # fmt: skip
    return document


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m models.quality", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the public sets")
    parser.add_argument("--model", type=Path, action="append", help="a model's folder; may be given several times")
    parser.add_argument(
        "--write", type=Path, action="append", default=[], help="a document that has marked places for figures"
    )
    chosen = parser.parse_args(arguments)
    console, errors = Console(width=180), Console(stderr=True)
    folders = chosen.model or [artefact.STARTER]
    try:
        models = [load(folder) for folder in folders]
        grids = [grid for folder in folders for grid in (*held_out(folder), aims(folder))]
        sets = developments(chosen.data)
        if sets:
            grids.append(development(models, sets))
        for document in chosen.write if sets else ():
            # A document is about the first model; the others stand beside it on the development sets alone.
            of_first = {grid.name: grid for grid in reversed(grids)}
            document.write_text(
                rewritten(document.read_text(encoding="utf-8"), list(of_first.values())), encoding="utf-8"
            )
    except (artefact.ArtefactError, OSError, ValueError) as error:
        errors.print(str(error), style="red")
        return 2
    for grid in grids:
        console.print(grid.shown())
    if not sets:
        errors.print(f"{chosen.data} holds no development sets: name the folder with --data", style="red")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
