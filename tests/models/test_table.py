"""What is read at once is what is read one by one: tokens, their words, their features, and where they are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import artefact, features
from models.classifier import weights_of
from models.outcome import WIDTH
from models.table import BLOCK, Known, Table
from models.text import Beginnings, pieces, plain_words

TOKENS = [
    "Hello", "(hello),", "HELLO!!", "soooo", "dolllars,", "kr.", "l'euro", "don’t", "„Größe“", "Ümit.", "www.", "www.x.de",
    "https://t.co/x", "@acme:", "a@b.de", "#AllOfIt", "49,90€", "R$10", "🔥🔥", "...", "wait..what", "字字", "-", "'" * 99 + "x",
    "x" * 90, "\ud800", "great!!", "ungenügend:(",
]  # fmt: skip
ODD = st.text(alphabet="aAzZéÉßıİŁŉǆŀÆ'’‘´\"“„«.,;:!?()*-…wW@#/1٣०字🔥\u0301\u200b_€$", min_size=1, max_size=8)


@pytest.fixture(scope="module")
def known() -> tuple[Known, Known]:
    weights = weights_of(artefact.read(artefact.STARTER)[0], artefact.STARTER)
    return (
        Known(weights.words, weights.word_weights, weights.word_squares),
        Known(weights.letters, weights.letter_weights, weights.letter_squares),
    )


@settings(deadline=None)
@given(st.lists(ODD, max_size=6))
def test_a_plain_token_has_one_piece_and_others_are_told_apart(found: list[str]) -> None:
    tokens = [token for each in [*TOKENS, *found] for token in each.split()]
    for token, (word, piece) in zip(tokens, plain_words(tokens), strict=True):
        assert (word == "") == (piece == "")
        if piece:
            assert pieces(token) == (piece,)


def test_most_words_are_plain() -> None:
    assert [word for word, _ in plain_words(["Hello", "(Haaalo),", "don’t", "„Größe“", "bye!", "www."])] == [
        "hello", "haaalo", "don't", "grosse", "", "",
    ]  # fmt: skip


def test_a_word_with_a_thousand_marks_is_no_work() -> None:
    assert plain_words(["a" + "'" * 4000 + "!", "'" * 4000, "a'" * 2000 + "!"]) == [("", "")] * 3


@settings(deadline=None)
@given(st.sets(st.text(alphabet="abc", min_size=1, max_size=5), max_size=12), st.text(alphabet="abc", max_size=7))
def test_the_longest_known_beginning_of_a_word_is_found(starts: set[str], word: str) -> None:
    by_looking = max((start for start in starts if word.startswith(start)), key=len, default="")
    assert Beginnings(starts).longest(word) == by_looking


@settings(deadline=None)
@given(
    st.sets(st.integers(0, 2**32 - 1), max_size=60),
    st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 2**32 - 1]), max_size=20),
)
def test_a_feature_is_found_wherever_its_number_lies(numbers: set[int], others: list[int]) -> None:
    numbers -= {2**32 - 1}  # the one that stands for the end
    sorted_ = np.array(sorted(numbers), np.uint32)
    known = Known(sorted_, np.ones((len(sorted_), WIDTH)), np.ones(len(sorted_), np.float32))
    wanted = np.array([*numbers, *others], np.uint32)
    at, there = known.find(wanted)
    found = {int(wanted[place]): int(row) for row, place in zip(at, there, strict=True) if row < len(sorted_)}
    assert found == {int(number): int(sorted_.searchsorted(number)) for number in wanted if int(number) in numbers}


@settings(deadline=None, max_examples=30)
@given(st.lists(ODD, max_size=6))
def test_tokens_read_at_once_add_what_they_add_when_read_one_by_one(
    known: tuple[Known, Known], found: list[str]
) -> None:
    words, letters = known
    posts = [[token for each in [*TOKENS, *found] for token in each.split()]]
    sight = Table(words, letters).read(posts)
    for token, number in zip(posts[0], sight.reading.numbers[1:-1].tolist(), strict=True):
        alone = features.read(token)
        np.testing.assert_allclose(sight.counts[number], features.dense_row(alone), rtol=1e-6, err_msg=token)
        assert (sight.first[number], sight.last[number]) == (alone.first, alone.last)
        row = np.concatenate([
            words.rows[words.find(np.array(alone.words, np.uint32))[0]].sum(axis=0),
            letters.rows[letters.find(features.letters([alone.spelled])[0])[0]].sum(axis=0),
        ])  # fmt: skip
        np.testing.assert_allclose(sight.rows[number], row, rtol=1e-4, atol=1e-5, err_msg=token)
    assert sight.rows.shape[1] == 2 * BLOCK


def test_a_table_grows_with_the_tokens_it_meets(known: tuple[Known, Known]) -> None:
    table = Table(*known)
    before = table.read([["first", "words"]])
    later = table.read([[f"token{number}" for number in range(20_000)], ["first", "words"]])
    again = later.reading.numbers[-3:-1]
    np.testing.assert_array_equal(later.rows[again], before.rows[before.reading.numbers[1:-1]])
