"""Own labels teach a model without making it forget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import ArtefactError, artefact, own
from models.fit_own import fit_own, read_recipe, train_own
from models.outcome import CATEGORIES, Classified, Reason
from models.own import Words, log_odds, outcome
from models.own_report import OwnReport, OwnRow

FILLER = ["the", "parcel", "shop", "garden", "river", "window", "yellow", "train", "music", "paper", "winter", "bridge"]


class Base:
    """Takes every post for chatter, calm and harmless, and says that it knows by the first word."""

    version = "base-1"

    def classify_and_explain(
        self, texts: Sequence[str], languages: Sequence[str]
    ) -> tuple[Classified, list[tuple[Reason, ...]]]:
        count = len(texts)

        def sure(width: int, place: int) -> np.ndarray:
            row = np.full(width, 0.2 / (width - 1))
            row[place] = 0.8
            return np.tile(row, (count, 1))

        found = Classified(
            sentiment=sure(3, 1),
            category=sure(8, 6),
            urgency=sure(4, 3),
            crisis=np.full(count, 0.05),
            rules=((),) * count,
        )
        return found, [(Reason("category", "chatter", (text.split() or [""])[0], 0.5),) for text in texts]


def rows(count: int = 60) -> list[OwnRow]:
    """Posts that say "gluckert" are complaints to this team, all others are chatter."""
    found = []
    for n in range(count):
        about = [FILLER[(n * step + step) % len(FILLER)] for step in (1, 3, 5)]
        gurgles = n % 2 == 0
        words = [
            *about,
            "gluckert" if gurgles else "brummt",
            f"nr{n:03}x".translate(str.maketrans("0123456789", "abcdefghij")),
        ]
        found.append(
            OwnRow(
                id=f"x:{n:03}", text=" ".join(words), language="de", group=f"x:{n:03}",
                answers={"category": "complaint" if gurgles else "chatter"},
            )
        )  # fmt: skip
    return found


QUICK = replace(read_recipe(), strengths=(0.1,), folds=3)


def learned(given: Sequence[OwnRow]) -> tuple[Words, OwnReport]:
    return fit_own(Base(), given, [], version="own-1", progress=lambda step, share: None, recipe=QUICK)


@pytest.fixture(scope="module")
def gurgling() -> tuple[Words, OwnReport]:
    return learned(rows())


def test_a_word_of_the_team_is_learned_and_what_was_not_labelled_stays(gurgling: tuple[Words, OwnReport]) -> None:
    words, report = gurgling
    (category,) = [tally for tally in report.heads if tally.name == "category"]
    assert category.labels == 60
    assert category.own > category.base == 30
    assert set(report.strength) == {"category"}
    model = own.OwnModel(Base(), words, version="own-1")
    found, reasons = model.classify_and_explain(["garden gluckert the train", "a quiet day"], ["de", "en"])
    assert [CATEGORIES[place] for place in found.category.argmax(axis=1)] == ["complaint", "chatter"]
    assert [(reason.label, reason.words) for reason in reasons[0]] == [("complaint", "gluckert")]
    assert ("chatter", "a") in [(reason.label, reason.words) for reason in reasons[1]]
    np.testing.assert_allclose(found.crisis, 0.05)
    assert report.failures == ()


def test_what_a_candidate_says_of_labelled_posts_it_had_not_seen_is_reported(gurgling: tuple[Words, OwnReport]) -> None:
    _, report = gurgling
    said = [report.answers[row.id]["category"] for row in rows()]
    right = sum(answer == row.answers["category"] for answer, row in zip(said, rows(), strict=True))
    assert right == next(tally.own for tally in report.heads if tally.name == "category")


def test_too_few_labels_change_nothing() -> None:
    words, report = learned(rows(12))
    assert (len(words.known), report.strength) == (0, {})
    assert not words.bias.any()


def test_labels_without_a_pattern_change_nothing() -> None:
    """Answers by the parity of a hash that no word tells."""
    noise = [
        OwnRow(id=row.id, text=row.text, language="de", group=row.group, answers={"category": "complaint" if (n * 7 + n // 3) % 2 else "chatter"})
        for n, row in enumerate(rows(80))
    ]  # fmt: skip
    _, report = learned(noise)
    category = next(tally for tally in report.heads if tally.name == "category")
    assert category.own >= category.base
    assert report.failures == ()


def test_probabilities_survive_the_way_through_log_odds() -> None:
    found, _ = Base().classify_and_explain(["a"], ["en"])
    again = outcome(log_odds(found), found)
    np.testing.assert_allclose(again.category, found.category, atol=1e-9)
    np.testing.assert_allclose(again.crisis, found.crisis, atol=1e-9)


def test_a_model_without_words_is_its_base() -> None:
    none = Words(known=np.zeros(0, np.uint32), weights=np.zeros((0, 16)), bias=np.zeros(16))
    found, reasons = own.OwnModel(Base(), none, version="own").classify_and_explain(["hello there", ""], ["en", "und"])
    base, _ = Base().classify_and_explain(["hello there", "a"], ["en", "und"])
    np.testing.assert_allclose(found.sentiment, base.sentiment, atol=1e-9)
    assert reasons[0][0].words == "hello"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact on the shipped model."""
    folder = tmp_path_factory.mktemp("own") / "own-1"
    train_own(
        artefact.STARTER, Base(), rows(), [("nobody labelled this", "en")], folder,
        version="own-1", made_at="2026-11-25T10:00:00+00:00", progress=lambda step, share: None, recipe=QUICK,
    )  # fmt: skip
    return folder


def test_the_same_labels_make_the_same_artefact(trained: Path, tmp_path: Path) -> None:
    train_own(
        artefact.STARTER, Base(), list(reversed(rows())), [("nobody labelled this", "en")], tmp_path / "b",
        version="own-1", made_at="2026-11-25T10:00:00+00:00", progress=lambda step, share: None, recipe=QUICK,
    )  # fmt: skip
    assert artefact.digest(tmp_path / "b" / "manifest.json") == artefact.digest(trained / "manifest.json")


def test_an_artefact_brings_its_base_along_and_refuses_another(trained: Path, tmp_path: Path) -> None:
    import shutil

    model = own.load(trained)
    assert model.version == "own-1"
    assert model.classify_and_explain(["es gluckert"], ["de"])[1][0]
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    manifest = copy / "base" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format"', '"format" '))
    with pytest.raises(ArtefactError, match="trained on"):
        own.load(copy)


def test_a_manifest_says_what_was_learned_from(trained: Path) -> None:
    manifest = json.loads((trained / "manifest.json").read_text())
    assert (manifest["kind"], manifest["base"], manifest["rows"]) == ("own", "base-1", 60)
    assert "gluckert" not in json.dumps(manifest)  # no words of posts in it


def test_without_labels_there_is_nothing_to_train(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no labels"):
        train_own(
            artefact.STARTER, Base(), [], [], tmp_path, version="v", made_at="", progress=lambda step, share: None
        )
