"""The encoder: what a post means, whatever its language and words.

Six layers of multilingual E5 small (Wang et al. 2024), fine-tuned on our labels and public sets (``fit_encoder``). The word
pieces' vectors are looked up here; the layers run in ONNX Runtime, one thread, from eight-bit weights.
"""

from __future__ import annotations

import hashlib
import html
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import artefact
from models.outcome import LABELS, WIDTH

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from sentencepiece import SentencePieceProcessor

SHIPPED = Path(__file__).with_name("starter_encoder")
MOOD = slice(WIDTH, WIDTH + len(LABELS["sentiment"]))
RELEVANT, JUDGES = MOOD.stop, MOOD.stop + 1
OUTPUTS = JUDGES + 1
"""The encoder's raw numbers: our heads as in ``outcome``, the author's mood (3), whether the post is about what it was
collected for, and whether it judges a brand at all."""
LONGEST = 1200
"""Characters that are read."""
MOST_PIECES = 96
"""Word pieces that are read, with the two that begin and end every post: nine posts of ten are shorter, and cost grows with each."""
BATCH = 32
START, PADDING, END = 0, 1, 2
"""The numbers of the pieces that are no words."""
BLOCK = 32
"""Numbers of a piece's vector that share a scale."""
_LINK = re.compile(r"https?://\S+|www\.\S+|pic\.twitter\.com\S*")
_HANDLE = re.compile(r"@\w[\w.]*")
_STRETCHED = re.compile(r"(\D)\1{3,}")

Floats = NDArray[np.float32]


def plain(text: str) -> str:
    """The text as the encoder is given it: composed, links and handles masked, stretched letters shortened."""
    text = _HANDLE.sub("@user", _LINK.sub(" http ", html.unescape(text[: 4 * LONGEST]).replace("\\n", " ")))
    whole = text.encode("utf-8", "replace").decode()  # halves of characters, which no tokenizer takes
    shortened = " ".join(_STRETCHED.sub(r"\1\1\1", whole).split())[:LONGEST]
    return " ".join(unicodedata.normalize("NFKC", shortened).split()) or "."


def packed(vectors: Floats) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Vectors (v, d) in four bits a number, two numbers a byte (v, d / 2), and a scale (v, d / ``BLOCK``) per block."""
    blocks = vectors.reshape(len(vectors), -1, BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=2), 1e-6).astype(np.float16) / np.float16(7)
    levels = np.clip(np.round(blocks / scales[:, :, None].astype(np.float32)), -7, 7).astype(np.int8) + 8
    flat = levels.astype(np.uint8).reshape(len(vectors), -1)
    return flat[:, 0::2] | flat[:, 1::2] << 4, scales


@dataclass(frozen=True, slots=True)
class Pieces:
    """The word pieces: a sentencepiece ``model``, their packed vectors and scales, and the vectors of positions (p, d)."""

    model: NDArray[np.uint8]
    vectors: NDArray[np.uint8]
    scales: NDArray[np.float16]
    positions: NDArray[np.float16]

    def read(self, numbers: NDArray[np.intp]) -> Floats:
        """The vectors (n, l, d) of pieces (n, l) in their places."""
        halves, scales = self.vectors[numbers], self.scales[numbers].astype(np.float32)
        levels = np.empty((*numbers.shape, halves.shape[-1] * 2), np.float32)
        levels[..., 0::2], levels[..., 1::2] = halves & 15, halves >> 4
        levels -= 8
        blocks = levels.reshape(*numbers.shape, -1, BLOCK) * scales[..., None]
        found: Floats = blocks.reshape(levels.shape) + self.positions[: numbers.shape[1]].astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Unseen:
    """``taught`` (p,): the sorted marks of all posts that the encoder was trained on. It is surer of these than of any other
    post, so nothing may be fitted on or measured by its answers to them; of ``posts`` (m,) among them, sorted, ``scores``
    (m, k) are the answers of an encoder that had not seen the post.
    """

    posts: NDArray[np.uint64]
    scores: NDArray[np.float16]
    taught: NDArray[np.uint64]

    def knows(self, texts: Iterable[str]) -> NDArray[np.bool_]:
        """Which posts (their texts as ``recipe.same``) the encoder was trained on."""
        return np.isin(np.array([mark(text) for text in texts], np.uint64), self.taught)

    def recalled(self, texts: Iterable[str]) -> tuple[NDArray[np.bool_], Floats]:
        """Which posts (their texts as ``recipe.same``) have answers of an encoder that had not seen them, and these (known, k)."""
        marks = np.array([mark(text) for text in texts], np.uint64)
        if not len(self.posts):
            return np.zeros(len(marks), np.bool_), np.zeros((0, self.scores.shape[1]), np.float32)
        places = np.minimum(np.searchsorted(self.posts, marks), len(self.posts) - 1)
        known: NDArray[np.bool_] = self.posts[places] == marks
        return known, self.scores[places[known]].astype(np.float32)


def mark(text: str) -> int:
    """The number under which a post is known."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


@dataclass(slots=True)
class Encoder:
    """A loaded encoder. Its libraries are imported when the first post is read (half a second); safe to share between threads."""

    pieces: Pieces
    graph: bytes
    unseen: Unseen
    version: str
    _tokens: SentencePieceProcessor | None = None
    _session: InferenceSession | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of_tokens(cls, model: bytes) -> Encoder:
        """An encoder that can only tell pieces apart."""
        nothing = np.zeros((0, 0), np.uint8)
        pieces = Pieces(np.frombuffer(model, np.uint8), nothing, nothing.astype(np.float16), nothing.astype(np.float16))
        unseen = Unseen(np.zeros(0, np.uint64), np.zeros((0, OUTPUTS), np.float16), np.zeros(0, np.uint64))
        return cls(pieces, b"", unseen, "")

    def scores(self, texts: Sequence[str]) -> Floats:
        """The raw numbers (n, ``OUTPUTS``) of texts, in their order; a text's numbers do not depend on its batch."""
        found = np.zeros((len(texts), OUTPUTS), np.float32)
        for chosen, numbers in self.batches(texts):
            shown = (numbers != PADDING).astype(np.float32)
            found[chosen] = self._open().run(["scores"], {"x": self.pieces.read(numbers), "mask": shown})[0]
        return found

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], NDArray[np.intp]]]:
        """Posts by number and their padded pieces (b, l), posts of even length together."""
        read = self.numbers(texts)
        order = sorted(range(len(read)), key=lambda number: len(read[number]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            numbers = np.full((len(chosen), len(read[chosen[-1]])), PADDING, np.intp)
            for row, number in enumerate(chosen):
                numbers[row, : len(read[number])] = read[number]
            yield chosen, numbers

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of texts by number, with those that begin and end a post."""
        tokens = self._tokenizer()
        return [[START, *pieces[: MOST_PIECES - 2], END] for pieces in tokens.encode([plain(text) for text in texts])]

    def _tokenizer(self) -> SentencePieceProcessor:
        with self._lock:
            if self._tokens is None:
                from sentencepiece import SentencePieceProcessor  # noqa: PLC0415 - when a post first needs it

                self._tokens = SentencePieceProcessor(model_proto=self.pieces.model.tobytes())
            return self._tokens

    def _open(self) -> InferenceSession:
        with self._lock:
            if self._session is None:
                import onnxruntime  # noqa: PLC0415 - a third of a second, when a post first needs it

                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = options.inter_op_num_threads = 1  # a pass is one process among several
                options.log_severity_level = 3
                self._session = onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])
            return self._session


_PREFIX = "encoder_"
_KINDS = {
    "model": np.uint8, "vectors": np.uint8, "scales": np.float16, "positions": np.float16, "graph": np.uint8,
    "unseen_posts": np.uint64, "unseen_scores": np.float16, "unseen_taught": np.uint64,
}  # fmt: skip


def arrays_of(encoder: Encoder) -> dict[str, NDArray[np.generic]]:
    """The arrays of an artefact."""
    named: dict[str, NDArray[np.generic]] = {
        name: getattr(encoder.pieces, name) for name in Pieces.__dataclass_fields__
    }
    named["graph"] = np.frombuffer(encoder.graph, np.uint8)
    named |= {f"unseen_{name}": getattr(encoder.unseen, name) for name in Unseen.__dataclass_fields__}
    return {_PREFIX + name: array for name, array in named.items()}


def load(path: Path | None = None) -> Encoder:
    """The encoder in a folder, the shipped one by default; ``artefact.ArtefactError`` where it cannot be used."""
    folder = path or SHIPPED
    arrays, manifest = artefact.read(folder)
    try:
        return encoder_of(arrays, version=str(manifest.get("version", "unnamed")))
    except (KeyError, ValueError) as error:
        raise artefact.ArtefactError(
            f"{folder / artefact.MODEL_FILE} does not fit this version ({error}): restore it, or train again"
        ) from error


def encoder_of(arrays: Mapping[str, NDArray[np.generic]], *, version: str) -> Encoder:
    """The encoder among the arrays of an artefact; ``KeyError`` for a missing one, ``ValueError`` for a wrong shape or kind."""
    found: dict[str, NDArray[Any]] = {name: arrays[_PREFIX + name] for name in _KINDS}
    for name, kind in _KINDS.items():
        if found[name].dtype != kind:
            raise ValueError(f"{_PREFIX}{name} holds {found[name].dtype}, not {np.dtype(kind)}")
    unseen = Unseen(**{name: found.pop(f"unseen_{name}") for name in Unseen.__dataclass_fields__})
    graph = found.pop("graph").tobytes()
    pieces = Pieces(**found)
    width = pieces.vectors.shape[1] * 2
    expected = {
        "scales": (pieces.scales, (len(pieces.vectors), width // BLOCK)),
        "positions": (pieces.positions, (MOST_PIECES, width)),
        "unseen_scores": (unseen.scores, (len(unseen.posts), OUTPUTS)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise ValueError(f"{_PREFIX}{name} is {array.shape}, not {shape}")
    return Encoder(pieces, graph, unseen, version)
