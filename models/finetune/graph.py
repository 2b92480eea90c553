"""The layers as an ONNX graph: weights in eight bits with a scale per column, which cost no quality, unfolded when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]
Layer = Mapping[str, Floats]
OPSET, IR = 20, 9
TINY = 1e-12
_HIDDEN = -1e9  # what padding is worth to attention


class _Graph:
    """Nodes and constants under construction; a node is named by its output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, inputs: str, name: str, layer: Layer, part: str) -> str:
        weights = layer[part]
        scale = np.maximum(np.abs(weights).max(axis=0), TINY).astype(np.float32) / np.float32(127)
        levels = self.constant(f"{name}_{part}", np.round(weights / scale).astype(np.int8))
        unfolded = self.add("DequantizeLinear", levels, self.constant(f"{name}_{part}_scale", scale), axis=1)
        bias = self.constant(f"{name}_{part}_bias", layer[f"{part}_bias"])
        return self.add("Add", self.add("MatMul", inputs, unfolded), bias)

    def norm(self, inputs: str, name: str, layer: Layer, part: str) -> str:
        scale = self.constant(f"{name}_{part}", layer[part])
        bias = self.constant(f"{name}_{part}_bias", layer[f"{part}_bias"])
        return self.add("LayerNormalization", inputs, scale, bias, axis=-1, epsilon=TINY)


def model(start: Layer, layers: Sequence[Layer], last: Layer, *, heads: int) -> ModelProto:
    """The graph from vectors ``x`` (n, l, d) and ``mask`` (n, l) to ``scores`` (n, k): ``start`` has the norm of the input
    (``norm``), ``last`` the heads over the mean vector (``heads``)."""
    width = len(start["norm"])
    made = _Graph()
    apart = made.constant("apart", np.array([0, 0, heads, width // heads], np.int64))
    together = made.constant("together", np.array([0, 0, width], np.int64))
    scale = made.constant("scale", np.array(1 / np.sqrt(width // heads), np.float32))
    rest = made.add("Sub", made.constant("one", np.array(1, np.float32)), "mask")
    hidden = made.add("Mul", rest, made.constant("hidden", np.array(_HIDDEN, np.float32)))
    unseen = made.add("Unsqueeze", hidden, made.constant("over_heads", np.array([1, 2], np.int64)))
    inputs = made.norm("x", "start", start, "norm")
    for number, layer in enumerate(layers):
        name = f"layer{number}"

        def split(part: str, order: list[int], inputs: str = inputs, name: str = name, layer: Layer = layer) -> str:
            return made.add("Transpose", made.add("Reshape", made.linear(inputs, name, layer, part), apart), perm=order)

        query, key, value = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
        likeness = made.add("Add", made.add("Mul", made.add("MatMul", query, key), scale), unseen)
        seen = made.add("MatMul", made.add("Softmax", likeness, axis=-1), value)
        seen = made.add("Reshape", made.add("Transpose", seen, perm=[0, 2, 1, 3]), together)
        inputs = made.norm(
            made.add("Add", inputs, made.linear(seen, name, layer, "mixed")), name, layer, "after_attention"
        )
        wide = made.add("Gelu", made.linear(inputs, name, layer, "wide"), approximate="tanh")
        inputs = made.norm(made.add("Add", inputs, made.linear(wide, name, layer, "narrow")), name, layer, "after_wide")
    mask = made.add("Unsqueeze", "mask", made.constant("over_width", np.array([2], np.int64)))
    places = made.constant("places", np.array([1], np.int64))
    summed = made.add("ReduceSum", made.add("Mul", inputs, mask), places, keepdims=0)
    mean = made.add("Div", summed, made.add("ReduceSum", "mask", places, keepdims=1))
    scores = made.add("MatMul", mean, made.constant("heads", last["heads"]))
    made.nodes.append(helper.make_node("Add", [scores, made.constant("heads_bias", last["heads_bias"])], ["scores"]))
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        made.nodes,
        "encoder",
        [
            helper.make_tensor_value_info("x", floats, ["n", "l", width]),
            helper.make_tensor_value_info("mask", floats, ["n", "l"]),
        ],
        [helper.make_tensor_value_info("scores", floats, ["n", last["heads"].shape[1]])],
        made.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
