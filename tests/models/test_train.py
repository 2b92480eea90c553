"""Training: runs on little data, learns something, says what it lacks, and never harms the starter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import models
from models import artefact, corpus, encoder, fit, fit_second, fit_third, train
from models.evaluate import recall_at, waiting_cost

SMALL = 480


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sentence vectors are kept where no other training finds them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def small() -> corpus.Corpus:
    whole = corpus.read(None)
    return corpus.Corpus(rows=whole.rows[:: len(whole.rows) // SMALL], files=whole.files, complete=False)


@pytest.fixture(scope="module")
def trained(small: corpus.Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[train.Report, Path, list[str]]:
    out = tmp_path_factory.mktemp("trained")
    steps: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "read", lambda _data: small)
        report = train.train(None, out, progress=lambda step, _share: steps.append(step), version="small-1")
    return report, out, steps


def test_a_model_of_few_posts_beats_chance_on_posts_it_did_not_see(
    trained: tuple[train.Report, Path, list[str]],
) -> None:
    report, _, _ = trained
    measured = dict(report.slices)["all rows"]
    assert measured.sentiment_f1 > 1 / 3
    assert measured.category_f1 > 1 / 8
    assert measured.urgent_recall[-1] > 0.30


def test_sentence_vectors_are_read_once_for_all_trainings(
    trained: tuple[train.Report, Path, list[str]], small: corpus.Corpus, cache: Path
) -> None:
    steps: list[str] = []
    found = fit_second.vectors([row.text for row in small.rows], lambda step, _share: steps.append(step))
    assert any(np.array_equal(found, np.load(kept)) for kept in (cache / "tocsin").glob("vectors-*.npy"))
    assert steps == []
    assert "meanings" in trained[2]


def test_the_encoder_reads_a_post_once_for_all_trainings(small: corpus.Corpus, cache: Path) -> None:
    steps: list[str] = []
    reader = encoder.load()
    texts = [row.text for row in small.rows[:5]] + ["a post that nobody has read before"]
    found = [fit_third.scores(reader, texts, lambda step, _share: steps.append(step)) for _ in range(2)]
    np.testing.assert_array_equal(*found)
    assert steps == ["meanings"]
    assert list((cache / "tocsin").glob("scores-*.npy"))


def test_what_was_trained_loads_under_its_version(trained: tuple[train.Report, Path, list[str]]) -> None:
    report, out, steps = trained
    assert models.load(out).version == report.version == "small-1"
    assert steps[0] == "grouped"
    assert steps[-1] == "saved"


def test_the_trained_arrays_answer_as_the_design_did(small: corpus.Corpus) -> None:
    texts, languages = [row.text for row in small.rows], [row.language for row in small.rows]
    labels = fit.targets(small.rows)
    made, even = fit.design(texts, languages), np.ones(len(texts))
    layer = fit.first_layer(made.matrix, labels, even)
    stack = fit.second_layer(layer.scores(made.matrix), made.fired, labels, even)
    model = models.Model(fit.weights(made, layer, stack), version="same")
    expected = stack.final(layer.scores(made.matrix), made.fired)
    np.testing.assert_allclose(model.classify(texts, languages).crisis, 1 / (1 + np.exp(-expected[:, -1])), atol=0.02)


def test_the_same_rows_give_the_same_model(small: corpus.Corpus) -> None:
    some = corpus.Corpus(rows=small.rows[::3], files=small.files, complete=False)
    reader = encoder.load()
    first, second = (
        train.fitted(some, reader=reader, progress=lambda _step, _share: None, version="v").weights for _ in range(2)
    )
    np.testing.assert_array_equal(first.mix, second.mix)
    np.testing.assert_array_equal(first.word_weights, second.word_weights)


def test_without_the_labels_the_starter_is_not_replaced(tmp_path: Path) -> None:
    before = artefact.digest(artefact.STARTER / artefact.MODEL_FILE)
    with pytest.raises(ValueError, match=r"triage_labels/train.tsv.*may not replace it.*--out"):
        train.train(tmp_path, artefact.STARTER)
    assert artefact.digest(artefact.STARTER / artefact.MODEL_FILE) == before


def test_the_command_refuses_with_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--data", str(tmp_path)]) == 2
    assert "may not replace" in " ".join(capsys.readouterr().err.split())


def test_near_duplicates_share_a_fold() -> None:
    texts = [
        "RT @someone: the app is down again and nobody at the bank answers the phone https://t.co/abc",
        "the app is down again and nobody at the bank answers the phone https://t.co/xyz",
        "lovely hotel, would come back any time for the breakfast alone",
    ]
    group = corpus.groups(texts)
    assert group[0] == group[1] != group[2]
    fold = fit.folds_of(np.repeat(group, 50))
    assert len(set(fold[:100].tolist())) == 1


def test_strong_rules_of_rows_they_were_written_from_are_not_learned_from() -> None:
    rules = models.floor.lexicon().rules
    fired = np.ones((2, len(rules)))
    kept = fit.unseen_rules(fired, np.array([True, False]))
    assert kept[1].all()
    assert [bool(value) for value in kept[0]] == [rule.weak for rule in rules]


def test_the_queue_puts_a_likely_crisis_before_a_certain_question() -> None:
    def answers(crisis: float, category: str, urgency: tuple[float, ...]) -> dict[str, np.ndarray]:
        row = np.array([[float(category == name) for name in models.CATEGORIES]])
        return {"crisis": np.array([[crisis]]), "category": row, "urgency": np.array([urgency])}

    assert (
        waiting_cost(answers(0.3, "complaint", (0.3, 0.3, 0.3, 0.1)))[0]
        > waiting_cost(answers(0.0, "question", (0, 0, 1, 0)))[0]
    )


def test_recall_counts_the_wanted_among_the_first() -> None:
    order, wanted = np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, False, True])
    assert recall_at(order, wanted, 0.5) == 0.5
    assert np.isnan(recall_at(order, np.zeros(4, bool), 0.5))
