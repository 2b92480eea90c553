"""Training a network over many steps, so that an interruption costs minutes: what was reached is kept and gone on from."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from models.finetune import network
from models.finetune.rows import Taught, batches, padded

KEPT_EVERY = 200
"""Steps between two files to go on from: some ten minutes."""
WARM, COLD = 1 / 15, 0.05
"""Share of steps that warm up, and of the rate that is left at the end of the cosine."""
DECAY, STEEPEST, HEADS_RATE = 0.01, 1.0, 5.0
"""Decoupled weight decay, the norm gradients are cut to, and how much faster the heads learn than the layers below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One training: its name, the highest rate, passes over the rows, and how many of the lowest layers are held fast."""

    name: str
    rate: float
    epochs: int
    frozen: int = 0


Tree = TypeVar("Tree")
Progress = Callable[[str, float], None]


def trained(
    start: network.Parameters,
    rows: Sequence[Taught],
    table: NDArray[np.float32],
    stage: Stage,
    *,
    heads: int,
    folder: Path,
    progress: Progress,
) -> network.Parameters:
    """The network after a stage; from the file of the finished stage, or on from the last one kept, where there is one."""
    done = folder / f"{stage.name}.npz"
    if done.is_file():
        return _restored(done, start)
    order = [batch for epoch in range(stage.epochs) for batch in batches(rows, epoch)]
    steps = _steps(stage, len(order), start)
    state = steps.init(start)
    partial = folder / f"{stage.name}.partial.npz"
    reached = 0
    if partial.is_file():
        (start, state), reached = _restored(partial, (start, state)), int(np.load(partial)["reached"])

    def stepped(
        found: network.Parameters, state: optax.OptState, batch: network.Batch
    ) -> tuple[network.Parameters, optax.OptState]:
        slope = jax.grad(network.loss)(found, batch, heads)
        changes, state = steps.update(slope, state, found)
        return optax.apply_updates(found, changes), state

    step = jax.jit(stepped)
    for number in range(reached, len(order)):
        pieces, told = padded(*order[number])
        start, state = step(start, state, {"x": table[pieces], **told})
        if number % KEPT_EVERY == KEPT_EVERY - 1:
            _keep(partial, (start, state), reached=number + 1)
        progress(stage.name, (number + 1) / len(order))
    _keep(done, start, reached=len(order))
    partial.unlink(missing_ok=True)
    return start


def _steps(stage: Stage, count: int, start: network.Parameters) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter 2019) with a warm start and a cosine; the heads learn faster, what is frozen not at all."""
    warm = max(1, round(count * WARM))
    rate = optax.join_schedules(
        [
            optax.linear_schedule(0, stage.rate, warm),
            optax.cosine_decay_schedule(stage.rate, max(1, count - warm), alpha=COLD),
        ],
        [warm],
    )
    kinds = {
        "fixed": jax.tree.map(lambda _: "held", start["fixed"]),
        "layers": [
            jax.tree.map(lambda _, held=number < stage.frozen: "held" if held else "layer", layer)
            for number, layer in enumerate(start["layers"])
        ],
        "last": jax.tree.map(lambda _: "head", start["last"]),
    }
    return optax.multi_transform(
        {
            "layer": optax.chain(optax.clip_by_global_norm(STEEPEST), optax.adamw(rate, weight_decay=DECAY)),
            "head": optax.adamw(lambda step: rate(step) * HEADS_RATE, weight_decay=DECAY),
            "held": optax.set_to_zero(),
        },
        kinds,
    )


def _keep(path: Path, tree: object, *, reached: int) -> None:
    leaves = {f"leaf{number}": np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(tree))}
    partial = path.with_suffix(f".{os.getpid()}")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, reached=np.array(reached), **leaves)
    partial.replace(path)


def _restored(path: Path, like: Tree) -> Tree:
    with np.load(path, allow_pickle=False) as kept:
        leaves = [jnp.asarray(kept[f"leaf{number}"]) for number in range(len(jax.tree.leaves(like)))]
    restored: Tree = jax.tree.unflatten(jax.tree.structure(like), leaves)
    return restored
