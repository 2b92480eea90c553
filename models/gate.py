"""The gate a model must pass: ``python -m models.gate`` holds it to ``floors.json`` and to the model in use.

Without a data folder it takes the held-out figures of the model's manifest and a smoke run on the authored corpus; with
``--data`` also the public development sets. Floors are raised by ``--raise`` and fall only by ``--lower FLOOR --because REASON``.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from models import artefact, corpus, floors, quality
from models.classifier import Model, load
from models.features import LANGUAGES
from models.floors import Floors, FloorsError, Key, Override, floor_of, written
from models.outcome import Head
from models.recipe import DEVELOPMENT_FILE
from models.report.evaluation import ALL, judge, masks
from models.report.figures import NAMED, Judged
from models.report.items import ItemsError, read_corpus, read_held_out
from models.report.making import ask

HELD_OUT, DEVELOPMENT, AUTHORED = "held_out", "development", "authored"
_SLICES = {
    "all rows": ALL,
    "natural rate": "natural rate",
    "authored (hard)": AUTHORED,
    **{name: name for name in LANGUAGES},
}
"""Slices of a manifest and what they are called here."""
WHOLE = ("sentiment_f1", "category_f1", "complaint_f1", "urgency_f1", "urgent_ap", "urgent_recall_30", "crisis_ap",
         "crisis_recall", "sentiment_gap", "category_gap", "urgency_gap", "crisis_gap")  # fmt: skip
PER_LANGUAGE = (
    "sentiment_f1",
    "category_f1",
    "urgency_f1",
    "urgent_ap",
    "urgent_recall_30",
    "crisis_ap",
    "crisis_recall",
)
MOODS = ("sentiment_f1", "sentiment_recall")
SLACK = {HELD_OUT: 0.01, DEVELOPMENT: 0.01, AUTHORED: 0.1}
"""How far below its figure a floor is pinned: two trainings differ by less. The authored posts are in the training, so that
only damage shows there and height means nothing."""
LANGUAGE_SLACK = 0.02
"""The same for one language, which has fewer posts."""
_DIGITS = "{:.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Figures of one set of posts by slice and metric, and the digests of the files they were taken on."""

    set: str
    corpus: Mapping[str, str]
    figures: Mapping[str, Mapping[str, float]]

    def keyed(self) -> dict[Key, float]:
        """The figures that are defined, by key."""
        return {
            (self.set, part, metric): value
            for part, figures in self.figures.items()
            for metric, value in figures.items()
            if not math.isnan(value)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A floor that was not reached, or a figure that is worse than that of the model in use; ``because`` says which in words."""

    key: Key
    because: str


def check(taken: Sequence[Taken], pinned: Floors) -> list[Failure]:
    """What of the figures is below its floor, missing, or taken on other posts than the floors."""
    failures: list[Failure] = []
    for each in taken:
        found = each.keyed()
        expected = pinned.corpora.get(each.set, {})
        for name in sorted({*expected, *each.corpus}):
            if expected and expected.get(name) != each.corpus.get(name):
                failures.append(
                    Failure(key=(each.set, name, "corpus"), because="its posts are not those the floors stand on")
                )
        for key, floor in pinned.values.items():
            if key[0] != each.set:
                continue
            if key not in found:
                failures.append(Failure(key=key, because=f"not measured; the floor is {_DIGITS.format(floor)}"))
            elif floors.worse(key, found[key], floor):
                side = "below its floor" if NAMED[key[-1]].rises else "above its ceiling"
                failures.append(
                    Failure(key=key, because=f"{_DIGITS.format(found[key])} is {side} {_DIGITS.format(floor)}")
                )
    return failures


def regressions(ours: Taken, theirs: Taken) -> list[Failure]:
    """Where a candidate is worse than the model in use by more than two trainings differ: in a first-class language, or in
    crisis recall anywhere."""
    mine, other = ours.keyed(), theirs.keyed()
    failures: list[Failure] = []
    for key, value in other.items():
        _, part, metric = key
        guarded = metric == "crisis_recall" or (part in LANGUAGES and metric in PER_LANGUAGE)
        if not guarded:
            continue
        if key not in mine:
            failures.append(Failure(key=key, because="not measured, unlike for the model in use"))
        elif NAMED[metric].gain(mine[key], value) < -_slack(key):
            failures.append(
                Failure(
                    key=key,
                    because=f"{_DIGITS.format(mine[key])} is worse than {_DIGITS.format(value)} of the model in use",
                )
            )
    return failures


def gate(
    folder: Path, pinned: Floors, *, current: Path | None = None, data: Path | None = None, held_out: Path | None = None
) -> list[Failure]:
    """What keeps the model in a folder from passing, overridden failures left out; raises ``ArtefactError``, ``ItemsError``."""
    return _failures(take(folder, data=data, held_out=held_out), pinned, load(folder).version, current)


def _failures(taken: Sequence[Taken], pinned: Floors, version: str, current: Path | None) -> list[Failure]:
    found = check(taken, pinned)
    if current is not None:
        found += regressions(taken[0], of_manifest(artefact.read(current)[1]))
    return [each for each in found if not pinned.allows(version, each.key)]


def take(folder: Path, *, data: Path | None = None, held_out: Path | None = None) -> tuple[Taken, ...]:
    """The figures of a model: held-out ones (of its manifest, or of a file of answers), on the authored corpus, and with a
    data folder on the public development sets."""
    model = load(folder)
    manifest = artefact.read(folder)[1]
    found = [of_manifest(manifest) if held_out is None else of_held_out(held_out, manifest), of_authored(model)]
    if data is not None:
        found.append(of_development(model, data))
    return tuple(found)


def of_manifest(manifest: Mapping[str, object]) -> Taken:
    """The held-out figures a training wrote into a model's manifest."""
    slices, listed = manifest.get("out_of_fold"), manifest.get("data")
    files = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    figures: dict[str, dict[str, float]] = {}
    for name, measured in slices.items() if isinstance(slices, dict) else ():
        if name in _SLICES:
            kept = {metric: value for metric, value in measured.items() if metric in NAMED}
            *_, kept["urgent_recall_30"] = measured["urgent_recall"]
            figures[_SLICES[name]] = _wanted(_SLICES[name], kept)
    ours = {str(each["file"]): str(each["sha256"]) for each in files if _ours(str(each["file"]))}
    return Taken(set=HELD_OUT, corpus=ours, figures=figures)


def of_held_out(path: Path, manifest: Mapping[str, object]) -> Taken:
    """The same figures from the answers the training kept; raises ``ItemsError`` where they are another training's."""
    items, answered = read_held_out(path)
    if answered.version != manifest.get("version") or len(items) != manifest.get("rows"):
        raise ItemsError(
            f"{path} holds {len(items)} answers of {answered.version}, the model is {manifest.get('version')} from "
            f"{manifest.get('rows')} rows: name the file of its own training"
        )
    figures = {
        name: _wanted(name, _figures(judge(items, answered, mask), WHOLE))
        for _, name, mask in masks(items, held_out=True)
        if name in _SLICES.values()
    }
    return Taken(set=HELD_OUT, corpus=of_manifest(manifest).corpus, figures=figures)


def of_authored(model: Model) -> Taken:
    """The figures on the authored corpus, which models are trained on: a fall shows damage, no height shows quality."""
    items = read_corpus(None)
    answered = ask(model, items)
    language = np.array(items.languages)
    figures = {ALL: _figures(judge(items, answered), PER_LANGUAGE)}
    figures |= {name: _figures(judge(items, answered, language == name), PER_LANGUAGE) for name in LANGUAGES}
    return Taken(set=AUTHORED, corpus={name: digest for name, digest, _ in items.files}, figures=figures)


def of_development(model: Model, data: Path) -> Taken:
    """Sentiment on the public development sets, a slice per set and language."""
    figures: dict[str, dict[str, float]] = {}
    digests: dict[str, str] = {}
    for each in quality.developments(data):
        answers = model.classify(each.texts, each.languages).sentiment
        labels: dict[Head, np.ndarray[tuple[int, ...], np.dtype[np.intp]]] = {"sentiment": each.sentiment}
        judged = Judged(labels, {"sentiment": answers})
        figures[f"{each.name} {each.languages[0]}"] = {
            "sentiment_f1": judged.macro_f1("sentiment", np.ones(len(answers))),
            "sentiment_recall": judged.macro_recall("sentiment", np.ones(len(answers))),
        }
        digests[f"{each.name}/{DEVELOPMENT_FILE}"] = artefact.digest(data / each.name / DEVELOPMENT_FILE)
    return Taken(set=DEVELOPMENT, corpus=digests, figures=figures)


def earned(taken: Sequence[Taken]) -> dict[Key, float]:
    """The floors that figures would be pinned at."""
    return {key: floor_of(key, value, _slack(key)) for each in taken for key, value in each.keyed().items()}


def _slack(key: Key) -> float:
    return max(SLACK[key[0]], LANGUAGE_SLACK if key[1] in LANGUAGES else 0.0)


def _ours(name: str) -> bool:
    """Whether a file holds our labels: held-out figures are of its posts, public sets only teach."""
    return name == corpus.LABELS_FILE.as_posix() or name.startswith("authored/")


def _wanted(part: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figures[name] for name in (PER_LANGUAGE if part in LANGUAGES else WHOLE) if name in figures}


def _figures(judged: Judged, names: Sequence[str]) -> dict[str, float]:
    return {name: NAMED[name].of(judged, np.ones(len(judged))) for name in names}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when the model passes, 1 when it does not, 2 when it was asked wrongly."""
    parser = argparse.ArgumentParser(prog="python -m models.gate", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", type=Path, default=artefact.STARTER, help="the candidate's folder")
    parser.add_argument(
        "--current", type=Path, help="the folder of the model in use; it may not be better where it counts"
    )
    parser.add_argument("--data", type=Path, help="folder with the public sets: the gate in full")
    parser.add_argument(
        "--held-out", type=Path, help="answers kept by the training, in place of the manifest's figures"
    )
    parser.add_argument("--floors", type=Path, default=floors.FLOORS, help="the file of floors")
    parser.add_argument("--raise", dest="rise", action="store_true", help="raise the floors to what this model reaches")
    parser.add_argument(
        "--lower", action="append", default=[], metavar="FLOOR", help="set/slice/metric, or a whole set"
    )
    parser.add_argument(
        "--override", action="append", default=[], metavar="FLOOR", help="let this failure of this model pass"
    )
    parser.add_argument("--because", default="", help="the reason for what is lowered or overridden")
    parser.add_argument("--who", default="", help="who overrides")
    chosen = parser.parse_args(arguments)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        return _gated(chosen, datetime.now(UTC).date())
    except (FloorsError, ItemsError, artefact.ArtefactError) as error:
        errors.print(str(error), style="red", markup=False)
        return 2


def _gated(chosen: argparse.Namespace, today: date) -> int:
    console = Console(highlight=False, soft_wrap=True)
    if chosen.data is not None and not chosen.data.is_dir():
        raise FloorsError(f"{chosen.data} is no folder: name that of the public sets with --data, or leave it out")
    pinned = floors.read(chosen.floors)
    if damage := list(floors.broken(pinned)):
        raise FloorsError(f"{chosen.floors} was changed by hand:\n" + "\n".join(damage))
    version = load(chosen.model).version
    taken = take(chosen.model, data=chosen.data, held_out=chosen.held_out)
    if chosen.rise or chosen.lower:
        corpora, found = {each.set: each.corpus for each in taken}, earned(taken)
        if chosen.lower:
            keys = list(_named(chosen.lower, pinned, found))
            touched = {name: corpora[name] for name, _, _ in keys if name in corpora}
            pinned = pinned.lowered(keys, found, touched, at=today, because=chosen.because)
        if chosen.rise:
            pinned = pinned.raised(found, corpora, at=today, because=chosen.because or f"reached by {version}")
    for text in chosen.override:
        override = Override(
            at=today, model=version, failure=floors.read_key(text), who=chosen.who, because=chosen.because
        )
        pinned = pinned.overridden(override)
    if chosen.rise or chosen.lower or chosen.override:
        floors.write(chosen.floors, pinned)
    failures = _failures(taken, pinned, version, chosen.current)
    for failure in failures:
        console.print(f"{written(failure.key)}: {failure.because}", markup=False)
    parts = "in full" if chosen.data is not None else "held-out figures and smoke run (in full with --data)"
    console.print(f"{version}: {f'{len(failures)} failures' if failures else 'passed'}, {parts}", markup=False)
    return 1 if failures else 0


def _named(wanted: Sequence[str], pinned: Floors, found: Mapping[Key, float]) -> Iterator[Key]:
    """The floors that are named, one by one or a set as a whole."""
    for text in wanted:
        of_set = sorted(key for key in {*pinned.values, *found} if key[0] == text)
        key = None if of_set else floors.read_key(text)
        if key is not None and (key not in pinned.values or key not in found):
            raise FloorsError(f"{text} is not pinned or not measured here: nothing to lower (development needs --data)")
        yield from of_set or ([key] if key else [])


if __name__ == "__main__":
    sys.exit(main())
