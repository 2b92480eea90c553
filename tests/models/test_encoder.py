"""The encoder: pieces and numbers of posts, the same in any company, and an artefact that is refused when it does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import artefact, encoder
from models.outcome import columns
from models.recipe import same

POSTS = (
    "my charger caught fire next to my daughter's bed",
    "Der Akku ist im Kinderzimmer in Flammen aufgegangen",
    "ok",
    "",
    "\ud83d half a character",
    "Paketim iki haftadır gelmedi, kimse telefonu açmıyor " * 40,
)


@pytest.fixture(scope="module")
def shipped() -> encoder.Encoder:
    return encoder.load()


def test_numbers_do_not_depend_on_the_batch(shipped: encoder.Encoder) -> None:
    together = shipped.scores(POSTS)
    assert together.shape == (len(POSTS), encoder.OUTPUTS)
    for number, text in enumerate(POSTS):
        np.testing.assert_allclose(shipped.scores([text])[0], together[number], atol=1e-3)


def test_the_same_danger_is_one_in_eight_languages(shipped: encoder.Encoder) -> None:
    dangers = [
        "the stove exploded and my son was burned",
        "der Herd ist explodiert und mein Sohn hat Verbrennungen",
        "ocak patladı, oğlum yandı",
        "kuchenka wybuchła i mój syn został poparzony",
        "la cocina explotó y mi hijo se quemó",
        "la cuisinière a explosé et mon fils a été brûlé",
        "o fogão explodiu e meu filho se queimou",
        "la cucina è esplosa e mio figlio si è ustionato",
    ]
    calm = [
        "the stove looks lovely in our kitchen",
        "der Herd passt wunderbar in unsere Küche",
        "ocak mutfağımıza çok yakıştı",
        "kuchenka świetnie wygląda w naszej kuchni",
        "la cocina queda preciosa en casa",
        "la cuisinière est superbe dans notre cuisine",
        "o fogão ficou lindo na nossa cozinha",
        "la cucina sta benissimo in casa nostra",
    ]
    crisis = shipped.scores([*dangers, *calm])[:, columns("crisis").start]
    assert crisis[: len(dangers)].min() > crisis[len(dangers) :].max()


def test_long_posts_are_cut_and_keep_their_end_mark(shipped: encoder.Encoder) -> None:
    pieces = shipped.numbers(POSTS)
    assert max(map(len, pieces)) == encoder.MOST_PIECES
    assert all(read[0] == encoder.START and read[-1] == encoder.END for read in pieces)


def test_links_handles_and_stretched_letters_are_plain() -> None:
    assert encoder.plain("@kestrel sooooo slow &amp; rude https://t.co/x") == "@user sooo slow & rude http"
    assert encoder.plain("") == "."


def test_packed_vectors_come_back_within_their_step() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 64)).astype(np.float32)
    packed, scales = encoder.packed(vectors)
    pieces = encoder.Pieces(np.zeros(0, np.uint8), packed, scales, np.zeros((9, 64), np.float16))
    read = pieces.read(np.arange(40)[:, None])[:, 0]
    assert np.abs(read - vectors).max() <= float(scales.max()) * 0.51


def test_posts_it_was_trained_on_get_the_numbers_of_one_that_had_not_seen_them() -> None:
    marks = np.array(sorted(encoder.mark(same(text)) for text in ("seen one", "seen two")), np.uint64)
    unseen = encoder.Unseen(marks, np.array([[1.0], [2.0]], np.float16), marks[:1])
    texts = ["Seen one!", "new", "seen two"]
    known, numbers = unseen.recalled(map(same, texts))
    assert known.tolist() == [True, False, True]
    assert sorted(numbers[:, 0].tolist()) == [1.0, 2.0]
    assert unseen.knows(map(same, texts)).sum() == 1


def test_an_encoder_that_does_not_fit_is_refused(shipped: encoder.Encoder, tmp_path: Path) -> None:
    arrays = encoder.arrays_of(shipped)
    artefact.save(tmp_path, arrays | {"encoder_scales": np.zeros((2, 3), np.float16)}, {"version": "odd"})
    with pytest.raises(artefact.ArtefactError, match=r"encoder_scales is \(2, 3\).*train again"):
        encoder.load(tmp_path)
    with pytest.raises(artefact.ArtefactError, match="missing"):
        encoder.load(tmp_path / "nowhere")
