"""The second opinion: what a post means, the same in any company, and mixed by what kind of post it is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import models
from models import artefact, second, semantic
from models.classifier import WHOLE_POST, weights_of
from models.outcome import WIDTH, columns
from pipeline import domain

POSTS = (
    ("my charger caught fire next to my daughter's bed", "en"),
    ("Der Akku ist im Kinderzimmer in Flammen aufgegangen", "de"),
    ("love my new phone!", "en"),
    ("ok", "und"),
    ("Where is my parcel? It was due on Monday.", "en"),
)


@pytest.fixture(scope="module")
def model() -> models.Model:
    return models.load()


def test_near_meanings_are_near_in_other_languages_and_other_meanings_are_not() -> None:
    found = semantic.vectors(["my parcel never arrived", "paketim hiç gelmedi", "the weather is lovely today"])
    near, far = found[0] @ found[1], found[0] @ found[2]
    assert near > 2 * far


def test_a_vector_does_not_depend_on_its_batch() -> None:
    texts = [text for text, _ in POSTS]
    together = semantic.vectors(texts)
    for number, text in enumerate(texts):
        np.testing.assert_allclose(semantic.vectors([text])[0], together[number], atol=1e-4)


def test_an_answer_does_not_depend_on_who_else_is_asked(model: models.Model) -> None:
    alone = [model.classify([text], [language]).crisis[0] for text, language in POSTS]
    for order in list(permutations(range(len(POSTS))))[::17]:
        together = model.classify([POSTS[n][0] for n in order], [POSTS[n][1] for n in order]).crisis
        np.testing.assert_allclose(together, [alone[n] for n in order], atol=1e-4)


def test_experts_are_mixed_by_their_share() -> None:
    stance, mood = np.log([[0.7, 0.2, 0.1]] * 3), np.log([[0.1, 0.1, 0.8]] * 3)
    found = np.exp(second.mixed(stance, mood, np.array([1.0, 0.5, 0.0])))
    np.testing.assert_allclose(found, [[0.7, 0.2, 0.1], [0.4, 0.15, 0.45], [0.1, 0.1, 0.8]], atol=1e-6)


def test_where_no_brand_is_judged_the_mood_of_the_author_counts(model: models.Model) -> None:
    moods = model.classify(
        ["what a wonderful evening with my friends, so happy", "i hate mondays, so sad today"], ["en"] * 2
    )
    assert moods.sentiment.argmax(axis=1).tolist() == [2, 0]


def test_heads_are_compared_without_their_common_height() -> None:
    rng = np.random.default_rng(0)
    first, scores = rng.standard_normal((4, WIDTH)), rng.standard_normal((4, second.OUTPUTS))
    before = second.joined(first, scores)
    first[:, columns("urgency")] += 7
    scores[:, second.PUBLIC_CATEGORY] -= 3
    np.testing.assert_allclose(second.joined(first, scores), before)


def test_the_artefact_keeps_it_and_refuses_another_shape() -> None:
    arrays, _ = artefact.read(artefact.STARTER)
    rules = len(weights_of(arrays, artefact.STARTER).rule_names)
    found = second.second_of(arrays, rules)
    again = second.second_of(second.arrays_of(found), rules)
    np.testing.assert_array_equal(found.network.first, again.network.first)
    with pytest.raises(ValueError, match="second_mix"):
        second.second_of(arrays | {"second_mix": np.zeros((3, WIDTH), np.float32)}, rules)
    with pytest.raises(KeyError, match="second_first"):
        second.second_of({name: array for name, array in arrays.items() if name != "second_first"}, rules)


def test_models_and_product_say_it_in_the_same_words() -> None:
    assert WHOLE_POST == domain.WHOLE_POST


def test_where_no_word_is_the_reason_the_post_as_a_whole_is(model: models.Model) -> None:
    texts = [text for text, _ in POSTS] + ["they said it was safe. it was not. we are in the hospital now"]
    found = model.explain(texts, ["en"] * len(texts))
    assert any(reason.words == WHOLE_POST for reasons in found for reason in reasons)
    for reasons in found:
        assert [reason.weight for reason in reasons] == sorted((r.weight for r in reasons), reverse=True)
