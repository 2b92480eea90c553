"""From files to a report: items are read, models asked, near-duplicates found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import artefact, corpus
from models.classifier import Model, load
from models.outcome import HEADS, Head
from models.quality import moods
from models.report.evaluation import Evaluation, evaluate
from models.report.items import (
    Answered,
    Items,
    ItemsError,
    answers_of,
    read_corpus,
    read_held_out,
    read_items,
    training_keys,
)
from models.report.learning import learning
from models.report.resample import RESAMPLES, Watch

_BATCH = 256
"""Posts asked at once: enough to keep the model busy, few enough to show progress."""


def _quiet(_step: str, _share: float) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to report on: ``items`` (a file) or else the corpus and ``data``; ``held_out`` answers or else a ``model``; ``against``
    another folder, or another file of held-out answers; ``learning`` for the learning curve; ``resamples`` for intervals."""

    model: Path = artefact.STARTER
    items: Path | None = None
    data: Path | None = None
    held_out: Path | None = None
    against: Path | None = None
    learning: bool = False
    resamples: int = RESAMPLES


def make(wanted: Wanted, watch: Watch = _quiet) -> Evaluation:
    """The report; raises ``ItemsError`` and ``ArtefactError``."""
    model = load(wanted.model)
    if wanted.held_out is not None:
        items, answered = read_held_out(wanted.held_out)
        other = None
        if wanted.against is not None:
            items, answered, other = _paired(items, answered, wanted.against)
    else:
        items, answered, other = _asked(wanted, model, watch)
    watch("near-duplicates", 0.0)
    found = evaluate(
        items,
        answered,
        group=corpus.groups(items.texts),
        explain=model.explain,
        other=other,
        count=wanted.resamples,
        moods=-moods(items.texts),
        watch=watch,
    )
    if wanted.learning:
        return replace(found, learning=learning(corpus.read(wanted.data).rows, watch))
    return found


def _asked(wanted: Wanted, model: Model, watch: Watch) -> tuple[Items, Answered, Answered | None]:
    """The items with those a training had marked, and what the models say of them."""
    items = read_items(wanted.items) if wanted.items is not None else read_corpus(wanted.data)
    keys = training_keys(artefact.read(wanted.model)[1], wanted.data)
    if wanted.against is None:
        return items.marked(keys), ask(model, items, watch), None
    if not wanted.against.is_dir():
        raise ItemsError(
            f"{wanted.against} is no model's folder: compare a model with a model, or held-out answers with such"
        )
    other = load(wanted.against)
    keys |= training_keys(artefact.read(wanted.against)[1], wanted.data)
    return items.marked(keys), ask(model, items, watch), ask(other, items, watch)


def ask(model: Model, items: Items, watch: Watch = _quiet) -> Answered:
    """What a model says of items."""
    order = sorted(range(len(items)), key=lambda place: len(items.texts[place]))
    parts: list[dict[Head, NDArray[np.float64]]] = []
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        given = model.classify([items.texts[at] for at in chosen], [items.languages[at] for at in chosen])
        parts.append(answers_of(given))
        watch(f"{model.version} reads", min(1.0, (start + _BATCH) / len(order)))
    back = np.argsort(order, kind="stable")
    answers = {head: np.concatenate([part[head] for part in parts])[back] for head in HEADS}
    return Answered(version=model.version, answers=answers, held_out=False)


def _paired(items: Items, answered: Answered, against: Path) -> tuple[Items, Answered, Answered]:
    """Two files of held-out answers, of the posts that both have with the same labels."""
    if against.is_dir():
        raise ItemsError(f"{against} is a model that saw these posts: compare held-out answers with another such file")
    others, other = read_held_out(against)
    place = {key: at for at, key in enumerate(zip(others.ids, others.texts, strict=True))}
    pairs = [
        (at, place[key])
        for at, key in enumerate(zip(items.ids, items.texts, strict=True))
        if key in place and all(items.labels[head][at] == others.labels[head][place[key]] for head in HEADS)
    ]
    if not pairs:
        raise ItemsError(f"{against} has none of the same posts with the same labels: nothing can be compared")
    mine, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    return items.chosen(mine), _chosen(answered, mine), _chosen(other, theirs)


def _chosen(answered: Answered, places: Sequence[int]) -> Answered:
    return replace(answered, answers={head: answer[list(places)] for head, answer in answered.answers.items()})
