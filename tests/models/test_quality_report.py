"""The report on development sets: it reads what is there, stands VADER beside, and says when nothing is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import quality


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


def test_the_command_prints_both_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "xlmt_sentiment").mkdir()
    rows = "id\ttext\tlabel\tlang\n1\tlove it\tpositive\ten\n2\thate it\tnegative\ten\n"
    (tmp_path / "xlmt_sentiment" / "dev.tsv").write_text(rows, encoding="utf-8")
    assert quality.main(["--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "natural rate" in shown
    assert "VADER" in shown


@pytest.mark.parametrize(("given", "said"), [([], "--data"), (["--model", "nowhere"], "nowhere")])
def test_what_is_not_there_is_named(
    tmp_path: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if given:
        (tmp_path / "sb10k_de").mkdir()
        (tmp_path / "sb10k_de" / "dev.tsv").write_text("id\ttext\tlabel\n1\tnaja\tneutral\n", encoding="utf-8")
    assert quality.main(["--data", str(tmp_path), *given]) == 2
    assert said in capsys.readouterr().err
