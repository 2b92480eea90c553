"""Learn from a team's own labels without forgetting: what their words add to a base model's answers.

The base's answers are the prior. Own labels pull towards what people said; a ridge holds the weights at zero, where the
model is the base; posts that nobody labelled, and the authored corpus in eight languages, hold its answers where they were
(their targets are the base's own probabilities, as in learning without forgetting, Li and Hoiem 2016). How strong the ridge
is, and whether a head is touched at all, is decided on labels held out. Then every head is drawn back towards the base
until it knows as much of the authored corpus as before, in every language.
"""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array

from models import artefact, corpus, encoder
from models.classifier import ENCODER
from models.outcome import HEADS, LABELS, WIDTH, Head, columns
from models.own import BASE, KIND, Answering, Feature, Floats, Words, design, features_of, log_odds
from models.own_report import OwnReport, OwnRow, Tally

RECIPE = Path(__file__).with_name("own.toml")
RARE = 2
"""Own labelled posts a word must stand in to be learned."""
BIAS_RIDGE = 1.0
"""Ridge of the offsets: about as strong as one label."""
DRAWN_BACK = (1.0, 0.5, 0.25, 0.0)
"""Shares of what was learned that are tried until nothing is forgotten; 0 is the base."""
FORGOTTEN = 0.01
"""Share of the authored corpus of a language that may be answered wrong where it was right: a post or two."""
LANE = 0.35
"""P(crisis) from which a post stands in the crisis lane."""
YES, NO = "yes", "no"

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How labels are weighed against what is known (own.toml)."""

    label: float
    anchor: float
    least: int
    strengths: tuple[float, ...]
    folds: int


@dataclass(frozen=True, slots=True)
class _Task:
    """One head: rows of the design with their targets (n, k), weights (n,) and the base's log odds (n, k)."""

    matrix: csr_array
    targets: Floats
    weights: Floats
    base: Floats

    def only(self, kept: NDArray[np.bool_]) -> _Task:
        return _Task(self.matrix[kept], self.targets[kept], self.weights[kept], self.base[kept])


def read_recipe(path: Path = RECIPE) -> Recipe:
    """The recipe in a file; raises ``ValueError``."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return Recipe(**{**table, "strengths": tuple(table["strengths"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no recipe for own labels: {error}") from error


def train_own(
    base_folder: Path,
    base: Answering,
    rows: Sequence[OwnRow],
    anchors: Sequence[tuple[str, str]],
    out: Path,
    *,
    version: str,
    made_at: str,
    progress: Progress,
    recipe: Recipe | None = None,
) -> OwnReport:
    """Train on labelled posts and write the artefact to ``out``, the base in it; ``anchors`` are (text, language) of posts
    that nobody labelled. The same input gives the same artefact. Raises ``ValueError`` without a label to learn from."""
    if not rows:
        raise ValueError(
            "there are no labels of your own yet: correct some posts first (a ticket's page, tocsin label)"
        )
    words, report = fit_own(base, rows, anchors, version=version, progress=progress, recipe=recipe or read_recipe())
    shutil.copytree(base_folder, out / BASE, dirs_exist_ok=True)
    if not (base_folder / ENCODER).is_dir():  # the version must answer the same when another encoder is shipped
        shutil.copytree(encoder.SHIPPED, out / BASE / ENCODER, dirs_exist_ok=True)
    manifest = {
        "version": version,
        "kind": KIND,
        "made_at": made_at,
        "base": base.version,
        "base_sha256": artefact.digest(out / BASE / artefact.MANIFEST_FILE),
        "rows": len(rows),
        "licences": {"own labels": "the team's own; nothing of their texts but hashed words is kept"},
        "report": asdict(report),
    }
    artefact.save(
        out, {"known": words.known, "weights": words.weights.astype(np.float32), "bias": words.bias}, manifest
    )
    progress("saved", 1.0)
    return report


def fit_own(
    base: Answering,
    rows: Sequence[OwnRow],
    anchors: Sequence[tuple[str, str]],
    *,
    version: str,
    progress: Progress,
    recipe: Recipe,
) -> tuple[Words, OwnReport]:
    """The words to add to a base, and what they are worth on labels held out."""
    rows = sorted(rows, key=lambda row: row.id)
    authored = corpus.read(None).rows
    texts = [row.text for row in rows] + [text for text, _ in anchors] + [row.text for row in authored]
    languages = (
        [row.language for row in rows] + [language for _, language in anchors] + [row.language for row in authored]
    )
    read = [features_of(text) for text in texts]
    known = _vocabulary(read[: len(rows)])
    progress("read", 0.1)
    odds = np.concatenate(
        [
            log_odds(base.classify_and_explain(texts[i : i + 1000], languages[i : i + 1000])[0])
            for i in range(0, len(texts), 1000)
        ]
    )
    progress("asked the base", 0.3)
    matrix = design(read, known)
    fold = _folds(rows, recipe.folds)
    weights, bias = np.zeros((len(known), WIDTH)), np.zeros(WIDTH)
    held = odds[: len(rows)].copy()
    strength: dict[str, tuple[float, float]] = {}
    for number, head in enumerate(HEADS):
        task, labelled = _task(head, rows, matrix, odds, recipe)
        chosen = _chosen(task, fold[labelled], recipe)
        if chosen is not None:
            ridge, out_of_fold = chosen
            place = columns(head)
            w, b = _fit(task, ridge)
            tail = len(odds) - len(authored)
            share = _share(head, authored, odds[tail:, place], matrix[tail:] @ w + b)
            weights[:, place], bias[place] = w * share, b * share
            held[labelled, place] += (out_of_fold - held[labelled, place]) * share
            strength[head] = (ridge, share)
        progress(head, 0.3 + 0.6 * (number + 1) / len(HEADS))
    used = np.flatnonzero(np.abs(weights).max(axis=1, initial=0.0) > 0)
    words = Words(known=known[used], weights=weights[used], bias=bias)
    heads, spoken = _tallies(rows, odds[: len(rows)], held)
    tail = len(odds) - len(authored)
    kept, failures = _kept(authored, odds[tail:], (matrix @ weights + bias)[tail:])
    return words, OwnReport(
        version=version,
        base=base.version,
        posts=len(rows),
        anchors=len(anchors),
        heads=heads,
        languages=spoken,
        kept=kept,
        strength=strength,
        answers={
            row.id: {head: _answer(head, after) for head in HEADS if head in row.answers}
            for row, after in zip(rows, held, strict=True)
        },
        failures=(*failures, *_worse((*heads, *spoken))),
    )


def _vocabulary(read: Sequence[Sequence[Feature]]) -> NDArray[np.uint32]:
    counts: Counter[int] = Counter()
    for features in read:
        counts.update({feature.number for feature in features})
    return np.array(sorted(number for number, posts in counts.items() if posts >= RARE), np.uint32)


def _folds(rows: Sequence[OwnRow], count: int) -> NDArray[np.intp]:
    """A fold for each row: near-duplicates and what belongs to one conversation stay together, large groups first."""
    near = corpus.groups([row.text for row in rows])
    parent: dict[object, object] = {}

    def root(item: object) -> object:
        while parent.setdefault(item, item) != item:
            item = parent[item]
        return item

    for row, group in zip(rows, near.tolist(), strict=True):
        parent[root(row.group)] = root(group)
    groups = [root(row.group) for row in rows]
    sizes = [0] * count
    place: dict[object, int] = {}
    for group, size in sorted(Counter(groups).items(), key=lambda pair: (-pair[1], str(pair[0]))):
        place[group] = sizes.index(min(sizes))
        sizes[place[group]] += size
    return np.array([place[group] for group in groups], np.intp)


def _task(
    head: Head, rows: Sequence[OwnRow], matrix: csr_array, odds: Floats, recipe: Recipe
) -> tuple[_Task, NDArray[np.intp]]:
    """The labelled rows of a head first, then all that anchors it; and the places of the labelled among ``rows``."""
    labelled = np.array([place for place, row in enumerate(rows) if head in row.answers], np.intp)
    others = np.setdiff1d(np.arange(len(odds)), labelled)
    order = np.concatenate([labelled, others])
    base = odds[order][:, columns(head)]
    targets = _shares(base)
    for at, place in enumerate(labelled.tolist()):
        targets[at] = _target(head, rows[place].answers[head])
    weights = np.concatenate([np.full(len(labelled), recipe.label), np.full(len(others), recipe.anchor)])
    return _Task(matrix[order], targets, weights, base), labelled


def _target(head: Head, answer: str) -> Floats:
    if head == "crisis":
        return np.array([float(answer == YES)])
    return np.array([float(answer == label) for label in LABELS[head]])


def _shares(odds: Floats) -> Floats:
    if odds.shape[1] == 1:
        return np.asarray(1 / (1 + np.exp(-odds)))
    raised = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _losses(odds: Floats, targets: Floats) -> Floats:
    """The cross-entropy of each row, nats."""
    if odds.shape[1] == 1:
        return np.asarray((np.logaddexp(0, odds) - targets * odds)[:, 0])
    top = odds.max(axis=1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(odds - top).sum(axis=1))
    return np.asarray(total - (targets * odds).sum(axis=1))


def _fit(task: _Task, ridge: float) -> tuple[Floats, Floats]:
    """Weights (v, k) and bias (k,) that lose least on a task."""
    v, k = task.matrix.shape[1], task.base.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        w, b = flat[: v * k].reshape(v, k), flat[v * k :]
        odds = task.base + task.matrix @ w + b
        value = task.weights @ _losses(odds, task.targets) + ridge / 2 * (w**2).sum() + BIAS_RIDGE / 2 * (b**2).sum()
        wrong = (_shares(odds) - task.targets) * task.weights[:, None]
        slope = np.concatenate([(task.matrix.T @ wrong + ridge * w).ravel(), wrong.sum(axis=0) + BIAS_RIDGE * b])
        return float(value), slope

    found = minimize(loss, np.zeros(v * k + k), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found[: v * k].reshape(v, k), found[v * k :]


def _chosen(task: _Task, fold: NDArray[np.intp], recipe: Recipe) -> tuple[float, Floats] | None:
    """The ridge that does best on labels held out, and its log odds of them; ``None`` where the base does as well.

    Better means more sure of the truth by more than one standard error, and right at least as often: a head is left alone
    unless labels say otherwise.
    """
    count = len(fold)
    if count < recipe.least or len(np.unique(fold)) < 2:
        return None
    base = _losses(task.base[:count], task.targets[:count])
    best: tuple[float, float, Floats] | None = None
    for ridge in recipe.strengths:
        held = np.zeros_like(task.base[:count])
        for number in np.unique(fold).tolist():
            out = fold == number
            seen = np.concatenate([~out, np.ones(len(task.weights) - count, np.bool_)])
            w, b = _fit(task.only(seen), ridge)
            held[out] = task.base[:count][out] + task.matrix[:count][out] @ w + b
        gain = base - _losses(held, task.targets[:count])
        sure = float(gain.mean() - gain.std(ddof=1) / np.sqrt(count))
        as_often = _hits(held, task.targets[:count]) >= _hits(task.base[:count], task.targets[:count])
        if sure > 0 and as_often and (best is None or gain.mean() > best[1]):
            best = ridge, float(gain.mean()), held
    return None if best is None else (best[0], best[2])


def _hits(odds: Floats, targets: Floats) -> int:
    """How many rows are answered right."""
    if odds.shape[1] == 1:
        return int(((_shares(odds) >= LANE) == (targets > 0.5)).sum())
    return int((odds.argmax(axis=1) == targets.argmax(axis=1)).sum())


def _share(head: Head, authored: Sequence[corpus.Row], odds: Floats, added: Floats) -> float:
    """How much of what was learned can be kept without forgetting the authored corpus, in any language."""
    before = _right(head, authored, odds)
    for share in DRAWN_BACK:
        after = _right(head, authored, odds + share * added)
        if not _forgotten(authored, before, after):
            return share
    return 0.0


def _right(head: Head, rows: Sequence[corpus.Row], odds: Floats) -> NDArray[np.bool_]:
    truth = np.array([getattr(row, head) for row in rows])
    if head == "crisis":
        return np.asarray((_shares(odds)[:, 0] >= LANE) == (truth == 1))
    return np.asarray(odds.argmax(axis=1) == truth)


def _forgotten(rows: Sequence[corpus.Row], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> list[str]:
    """The languages in which more than ``FORGOTTEN`` of the corpus is answered wrong that was right, by name."""
    language = np.array([row.language for row in rows])
    return [
        spoken
        for spoken in sorted(set(language.tolist()))
        if (before.sum(where=language == spoken) - after.sum(where=language == spoken))
        > FORGOTTEN * (language == spoken).sum()
    ]


def _tallies(rows: Sequence[OwnRow], old: Floats, new: Floats) -> tuple[tuple[Tally, ...], tuple[Tally, ...]]:
    """Right answers to own labels by head and by language; ``old`` and ``new`` are log odds (n, 16)."""
    heads: dict[str, Tally] = {head: Tally(name=head, labels=0, base=0, own=0) for head in HEADS}
    spoken: dict[str, Tally] = {}
    for row, before, after in zip(rows, old, new, strict=True):
        for head in HEADS:
            if (said := row.answers.get(head)) is not None:
                right = _answer(head, before) == said, _answer(head, after) == said
                heads[head] = _counted(heads[head], *right)
                known = spoken.get(row.language, Tally(name=row.language, labels=0, base=0, own=0))
                spoken[row.language] = _counted(known, *right)
    return tuple(heads.values()), tuple(spoken[name] for name in sorted(spoken))


def _kept(rows: Sequence[corpus.Row], odds: Floats, added: Floats) -> tuple[tuple[Tally, ...], list[str]]:
    """Right answers to the authored corpus by head, and what is forgotten of it."""
    kept, failures = [], []
    for head in HEADS:
        place = columns(head)
        before, after = _right(head, rows, odds[:, place]), _right(head, rows, (odds + added)[:, place])
        kept.append(Tally(name=head, labels=len(rows), base=int(before.sum()), own=int(after.sum())))
        failures += [
            f"{head} in {language}: forgets the authored corpus" for language in _forgotten(rows, before, after)
        ]
    return tuple(kept), failures


def _worse(tallies: Sequence[Tally]) -> list[str]:
    """What is answered worse than before on own labels, beyond one answer or one in a hundred."""
    return [
        f"{tally.name}: {tally.own} of {tally.labels} own labels right, {tally.base} before"
        for tally in tallies
        if tally.own < tally.base - max(1, FORGOTTEN * tally.labels)
    ]


def _counted(tally: Tally, base: bool, own: bool) -> Tally:  # noqa: FBT001 - the two halves of one comparison
    return replace(tally, labels=tally.labels + 1, base=tally.base + base, own=tally.own + own)


def _answer(head: Head, odds: Floats) -> str:
    if head == "crisis":
        return YES if float(_shares(odds[None, columns(head)])[0, 0]) >= LANE else NO
    return LABELS[head][int(odds[columns(head)].argmax())]
