"""What more labels would buy, by the words alone: they learn in a minute what the second opinion learns in an hour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models import corpus, fit
from models.evaluate import probabilities
from models.report.evaluation import Learning
from models.report.figures import NAMED, Judged
from models.report.resample import Watch

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Parts of the labels learned from; each is twice the one before, as figures rise about evenly with the logarithm."""
HELD = 2
"""Folds that are held out in turn; more make the curve smoother and cost a minute each."""
MORE = 500
"""A week of a person's labelling."""
SHOWN = ("sentiment_f1", "category_f1", "urgent_ap", "crisis_ap")
_SEED = 7


def learning(rows: Sequence[corpus.Row], watch: Watch) -> tuple[Learning, ...]:
    """The figures of the words on held-out posts as the labels grow, near-duplicates kept together.

    What ``MORE`` labels would add is read off a straight line through the figures over the logarithm of the number of labels.
    """
    texts, labels = [row.text for row in rows], fit.targets(rows)
    fold = fit.folds_of(corpus.groups(texts))
    matrix = fit.design(texts, [row.language for row in rows]).matrix
    sizes: list[list[int]] = [[] for _ in SHARES]
    figures: dict[str, list[list[float]]] = {name: [[] for _ in SHARES] for name in SHOWN}
    for number in range(HELD):
        held, seen = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        seen = np.random.default_rng(_SEED + number).permutation(seen)
        for step, share in enumerate(SHARES):
            chosen = seen[: max(1, round(share * len(seen)))]
            layer = fit.first_layer(
                matrix[chosen], {head: label[chosen] for head, label in labels.items()}, np.ones(len(chosen))
            )
            told = Judged(
                {head: label[held] for head, label in labels.items()}, probabilities(layer.scores(matrix[held]))
            )
            sizes[step].append(len(chosen))
            for name in SHOWN:
                figures[name][step].append(NAMED[name].of(told, np.ones(len(held))))
            watch("learning curve", (number * len(SHARES) + step + 1) / (HELD * len(SHARES)))
    posts = tuple(round(float(np.mean(each))) for each in sizes)
    return tuple(_line(name, posts, tuple(float(np.mean(each)) for each in figures[name])) for name in SHOWN)


def _line(name: str, posts: tuple[int, ...], figures: tuple[float, ...]) -> Learning:
    defined = ~np.isnan(figures)
    gain = float("nan")
    if defined.sum() >= 2:
        slope = np.polyfit(np.log(np.array(posts)[defined]), np.array(figures)[defined], 1)[0]
        gain = float(slope * np.log1p(MORE / posts[-1]))
    return Learning(metric=name, posts=posts, figures=figures, more=MORE, gain=gain)
