"""The network in JAX: the encoder's layers and heads as trees of arrays, and the loss of rows that know only some answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import jax
import jax.numpy as jnp
import numpy as np

from models.encoder import JUDGES, MOOD, OUTPUTS, RELEVANT
from models.finetune.e5 import E5
from models.outcome import columns

Arrays = Mapping[str, jax.Array]
TINY = 1e-12
CRISIS_WEIGHT, RELEVANT_WEIGHT, JUDGES_WEIGHT = 1.5, 0.5, 0.3
"""How much the yes-or-no heads count beside sentiment, category and urgency."""


class Parameters(TypedDict):
    """All that is trained, and what of it is held fast (positions and the norm of the input)."""

    fixed: dict[str, jax.Array]
    layers: list[dict[str, jax.Array]]
    last: dict[str, jax.Array]


class Batch(TypedDict):
    """Posts as vectors ``x`` (n, l, d) with ``mask`` (n, l), ``weight`` (n,), and what they say of each head: ``sentiment``,
    ``mood`` (n, 3), ``category`` (n, 8) and ``urgency`` (n, 4) mark what is possible, the yes-or-no heads (n,) are -1 where
    nothing is known."""

    x: jax.Array
    mask: jax.Array
    weight: jax.Array
    sentiment: jax.Array
    mood: jax.Array
    category: jax.Array
    urgency: jax.Array
    crisis: jax.Array
    relevant: jax.Array
    judges: jax.Array


def parameters(pretrained: E5, layers: int, positions: int, seed: int) -> Parameters:
    """The first ``layers`` layers of the pretrained network under heads that know nothing yet."""
    rng = np.random.default_rng(seed)
    places = (
        pretrained.floats("emb.pos").reshape(-1, pretrained.width)[:positions]
        + pretrained.floats("emb.type")[: pretrained.width]
    )
    heads = rng.normal(0, 0.02, (pretrained.width, OUTPUTS)).astype(np.float32)
    made: Parameters = {
        "fixed": {
            "positions": places,
            "norm": pretrained.floats("emb.ln.w"),
            "norm_bias": pretrained.floats("emb.ln.b"),
        },
        "layers": [pretrained.layer(number) for number in range(layers)],
        "last": {"heads": heads, "heads_bias": np.zeros(OUTPUTS, np.float32)},
    }
    ready: Parameters = jax.tree.map(jnp.asarray, made)
    return ready


def _norm(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    middle = x.mean(-1, keepdims=True)
    spread = ((x - middle) ** 2).mean(-1, keepdims=True)
    return (x - middle) * jax.lax.rsqrt(spread + TINY) * scale + bias


def scores(all_of: Parameters, x: jax.Array, mask: jax.Array, heads: int) -> jax.Array:
    """The raw numbers (n, 21): attention, wide layers and norms as in BERT (Devlin et al. 2019), the mean over pieces, heads."""
    count, length, width = x.shape
    fixed = all_of["fixed"]
    x = _norm(x + fixed["positions"][:length], fixed["norm"], fixed["norm_bias"])
    hidden = jnp.where(mask[:, None, None, :] > 0, 0.0, -1e9)
    for layer in all_of["layers"]:

        def part(name: str, x: jax.Array = x, layer: Arrays = layer) -> jax.Array:
            return (x @ layer[name] + layer[f"{name}_bias"]).reshape(count, length, heads, width // heads)

        likeness = jnp.einsum("nlhd,nmhd->nhlm", part("query"), part("key")) / np.sqrt(width // heads)
        seen = jnp.einsum("nhlm,nmhd->nlhd", jax.nn.softmax(likeness + hidden, -1), part("value"))
        mixed = seen.reshape(count, length, width) @ layer["mixed"] + layer["mixed_bias"]
        x = _norm(x + mixed, layer["after_attention"], layer["after_attention_bias"])
        wide = jax.nn.gelu(x @ layer["wide"] + layer["wide_bias"], approximate=True)
        x = _norm(x + wide @ layer["narrow"] + layer["narrow_bias"], layer["after_wide"], layer["after_wide_bias"])
    mean = (x * mask[..., None]).sum(1) / mask.sum(1)[:, None]
    return mean @ all_of["last"]["heads"] + all_of["last"]["heads_bias"]


def _one_of(found: jax.Array, possible: jax.Array) -> jax.Array:
    """Minus the log of the probability of all that a row leaves possible; nothing where that is everything."""
    return -jax.scipy.special.logsumexp(jnp.where(possible > 0, jax.nn.log_softmax(found), -1e9), -1)


def _yes_or_no(found: jax.Array, wanted: jax.Array) -> jax.Array:
    """The cross-entropy of a yes or no; nothing where it is not known (-1)."""
    error = jnp.maximum(found, 0) - found * wanted + jnp.log1p(jnp.exp(-jnp.abs(found)))
    return jnp.where(wanted >= 0, error, 0.0)


def loss(all_of: Parameters, batch: Batch, heads: int) -> jax.Array:
    """The mean loss of a batch's rows over all heads."""
    found = scores(all_of, batch["x"], batch["mask"], heads)
    error = (
        _one_of(found[:, columns("sentiment")], batch["sentiment"])
        + _one_of(found[:, MOOD], batch["mood"])
        + _one_of(found[:, columns("category")], batch["category"])
        + _one_of(found[:, columns("urgency")], batch["urgency"])
        + CRISIS_WEIGHT * _yes_or_no(found[:, columns("crisis").start], batch["crisis"])
        + RELEVANT_WEIGHT * _yes_or_no(found[:, RELEVANT], batch["relevant"])
        + JUDGES_WEIGHT * _yes_or_no(found[:, JUDGES], batch["judges"])
    )
    return (error * batch["weight"]).sum() / jnp.maximum(batch["weight"].sum(), 1)
