"""The report on development sets: it reads what is there, stands VADER beside, and says when nothing is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import artefact, quality


def test_sets_are_read_by_language_and_only_with_our_labels(tmp_path: Path) -> None:
    for name, rows in {
        "xlmt_sentiment": "id\ttext\tlabel\tlang\n1\tgut\tpositive\tde\n2\tbad\tnegative\ten\n3\todd\tmixed\ten\n",
        "sb10k_de": "id\ttext\tlabel\n1\tnaja\tneutral\n",
        "tweeteval_sentiment": "id\ttext\tlabel\n1\tfine\tpositive\n",
        "suggestions": "id\ttext\tlabel\n1\tadd a button\tsuggestion\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dev.tsv").write_text(rows, encoding="utf-8")
    found = {(each.name, each.languages, each.texts) for each in quality.developments(tmp_path)}
    assert found == {
        ("xlmt_sentiment", ("de",), ("gut",)),
        ("xlmt_sentiment", ("en",), ("bad",)),
        ("sb10k_de", ("de",), ("naja",)),
        ("tweeteval_sentiment", ("en",), ("fine",)),
    }


def test_vader_stands_beside_in_our_order_of_labels() -> None:
    np.testing.assert_array_equal(quality.vader(["this is awful", "a table", "this is wonderful"]), [0, 1, 2])


def test_the_command_prints_every_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "xlmt_sentiment").mkdir()
    rows = "id\ttext\tlabel\tlang\n1\tlove it\tpositive\ten\n2\thate it\tnegative\ten\n"
    (tmp_path / "xlmt_sentiment" / "dev.tsv").write_text(rows, encoding="utf-8")
    assert quality.main(["--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for said in ("natural rate", "VADER", "complaint F1", "calibration error of urgency", "beside English"):
        assert said in shown


@pytest.mark.parametrize(("given", "said"), [([], "--data"), (["--model", "nowhere"], "nowhere")])
def test_what_is_not_there_is_named(
    tmp_path: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if given:
        (tmp_path / "sb10k_de").mkdir()
        (tmp_path / "sb10k_de" / "dev.tsv").write_text("id\ttext\tlabel\n1\tnaja\tneutral\n", encoding="utf-8")
    assert quality.main(["--data", str(tmp_path), *given]) == 2
    assert said in capsys.readouterr().err


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "xlmt_sentiment").mkdir(parents=True)
    rows = "id\ttext\tlabel\tlang\n1\tlove it\tpositive\ten\n2\thate it\tnegative\ten\n3\tx\tneutral\thi\n"
    (tmp_path / "data" / "xlmt_sentiment" / "dev.tsv").write_text(rows, encoding="utf-8")
    return tmp_path / "data"


def test_figures_are_written_between_their_marks_and_nothing_else_changes(tmp_path: Path, data: Path) -> None:
    document = tmp_path / "quality.md"
    document.write_text("before\n<!-- figures: development -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    for _ in range(2):
        assert quality.main(["--data", str(data), "--write", str(document)]) == 0
        written = document.read_text(encoding="utf-8")
        assert written.startswith("before\n<!-- figures: development -->\n\n| set | language |")
        assert written.endswith("|\n\n<!-- end -->\nafter\n")
        assert "old" not in written
        assert written.count("| xlmt_sentiment | mean without ar hi |") == 1


def test_a_document_without_a_place_for_figures_is_left_alone(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "quality.md"
    document.write_text("nothing here\n", encoding="utf-8")
    assert quality.main(["--data", str(data), "--write", str(document)]) == 2
    assert document.read_text(encoding="utf-8") == "nothing here\n"
    assert "no place for figures" in capsys.readouterr().err


def test_what_a_training_did_not_measure_is_a_dash(tmp_path: Path) -> None:
    measured = {"posts": 60, "sentiment_f1": 0.5, "urgent_recall": [0.1, 0.2, 0.3, 0.4]}
    manifest = {
        "version": "v",
        "out_of_fold": {"all rows": measured},
        "out_of_fold_words_alone": {"all rows": measured},
    }
    artefact.save(tmp_path, {}, manifest)
    slices, calibration, gaps = quality.held_out(tmp_path)
    assert slices.rows[0][:4] == ("all rows", "60", ".500 (.500)", "– (–)")
    assert slices.rows[0][slices.columns.index("urgent in first 30 %")] == ".400 (.400)"
    assert calibration.rows == (("all rows", "60", "–", "–", "–", "–"),)
    assert gaps.rows == ()
    assert quality.aims(tmp_path).rows[1] == ("urgent in the first 30 % at least .82", ".400", "–", "not yet")


def test_the_quality_page_shows_the_shipped_model() -> None:
    page = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    for grid in (*quality.held_out(artefact.STARTER), quality.aims(artefact.STARTER)):
        assert grid.written() in page, f"python -m models.quality --write docs/quality.md was not run: {grid.name}"
