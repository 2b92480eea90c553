"""The third opinion: asked where there is doubt or danger, kept in the artefact, and refused in another shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models import artefact, encoder, third
from models.classifier import weights_of
from models.outcome import WIDTH, columns
from models.second import JOINED


def test_heads_are_compared_without_their_common_height() -> None:
    rng = np.random.default_rng(0)
    both, scores = rng.standard_normal((4, JOINED)), rng.standard_normal((4, encoder.OUTPUTS))
    before = third.joined(both, scores)
    scores[:, encoder.MOOD] -= 3
    scores[:, columns("urgency")] += 7
    np.testing.assert_allclose(third.joined(both, scores), before)


def test_the_artefact_keeps_its_layer_and_refuses_another_shape() -> None:
    arrays, _ = artefact.read(artefact.STARTER)
    rules = len(weights_of(arrays, artefact.STARTER).rule_names)
    found = third.layer_of(arrays, rules)
    again = third.layer_of(third.arrays_of(found), rules)
    np.testing.assert_array_equal(found.mix, again.mix)
    with pytest.raises(ValueError, match="third_mix"):
        third.layer_of(arrays | {"third_mix": np.zeros((3, WIDTH), np.float32)}, rules)
    with pytest.raises(KeyError, match="third_gate"):
        third.layer_of({name: array for name, array in arrays.items() if name != "third_gate"}, rules)


def odds(**heads: list[float]) -> np.ndarray:
    """The log odds (1, 16) of one post whose heads have these probabilities."""
    found = np.zeros((1, WIDTH))
    for head, shares in heads.items():
        found[0, columns(head)] = np.log(shares)  # type: ignore[arg-type]
    return found


SURE = {"sentiment": [0.02, 0.96, 0.02], "category": [0.01] * 6 + [0.93, 0.01], "urgency": [0.001, 0.009, 0.09, 0.9]}


@pytest.mark.parametrize(
    ("changed", "crisis", "asked"),
    [
        ({}, -6.0, False),
        ({}, -2.0, True),
        ({"urgency": [0.1, 0.2, 0.3, 0.4]}, -6.0, True),
        ({"category": [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]}, -6.0, True),
        ({"sentiment": [0.5, 0.4, 0.1]}, -6.0, True),
    ],
)
def test_the_encoder_is_asked_where_words_doubt_or_smell_danger(
    changed: dict[str, list[float]], crisis: float, *, asked: bool
) -> None:
    first = odds(**(SURE | changed))
    first[0, columns("crisis")] = crisis
    assert third.worth_asking(first).tolist() == [asked]


class Silent(encoder.Encoder):
    """An encoder that must not be asked."""

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        raise AssertionError(f"asked about {texts}")


def test_a_post_of_which_the_words_are_sure_costs_no_reading() -> None:
    arrays, _ = artefact.read(artefact.STARTER)
    rules = len(weights_of(arrays, artefact.STARTER).rule_names)
    opinion = third.Third(Silent.of_tokens(b""), third.layer_of(arrays, rules))
    first = odds(**SURE)
    first[0, columns("crisis")] = -6
    np.testing.assert_array_equal(
        opinion.add(first, np.zeros((1, JOINED)), ["nice day"], np.zeros((1, rules), np.float32)), first
    )


def test_a_later_opinion_raises_an_alarm_and_never_takes_one_back() -> None:
    so_far, found = np.zeros((2, WIDTH)), np.ones((2, WIDTH))
    so_far[0, columns("crisis")] = 3
    raised = third.graver(so_far, found)
    assert raised[:, columns("crisis").start].tolist() == [3, 1]
    assert (raised[:, : columns("crisis").start] == 1).all()
