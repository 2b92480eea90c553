"""The gate finds each kind of failure; floors rise by themselves and fall only with a reason that stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from models import artefact, corpus, floors, gate
from models.features import LANGUAGES
from models.floors import Floors, FloorsError, Key, Override
from models.gate import HELD_OUT, Taken, check, regressions
from models.outcome import HEADS, LABELS
from models.report.evaluation import ALL
from models.report.items import ItemsError, write_held_out

DAY = date(2026, 11, 25)
CORPUS = {"labels.tsv": "a" * 64}
F1: Key = (HELD_OUT, "de", "sentiment_f1")
GAP: Key = (HELD_OUT, ALL, "crisis_gap")
LABELS_AND_CORPUS = {HELD_OUT: CORPUS}


def taken(figures: Mapping[str, Mapping[str, float]], files: Mapping[str, str] = CORPUS) -> Taken:
    return Taken(set=HELD_OUT, corpus=files, figures=figures)


def pinned() -> Floors:
    nothing = Floors(values={}, corpora={})
    return nothing.raised({F1: 0.6, GAP: 0.03}, LABELS_AND_CORPUS, at=DAY, because="first")


GOOD = {"de": {"sentiment_f1": 0.61}, ALL: {"crisis_gap": 0.02}}


# --- what the gate finds --------------------------------------------------------------------------------------------


def test_a_model_at_its_floors_passes() -> None:
    assert check([taken({"de": {"sentiment_f1": 0.6}, ALL: {"crisis_gap": 0.03}})], pinned()) == []


@pytest.mark.parametrize(
    ("figures", "key", "said"),
    [
        ({**GOOD, "de": {"sentiment_f1": 0.599}}, F1, "0.599 is below its floor 0.600"),
        ({**GOOD, ALL: {"crisis_gap": 0.031}}, GAP, "0.031 is above its ceiling 0.030"),
        ({ALL: GOOD[ALL]}, F1, "not measured"),
        ({**GOOD, "de": {"sentiment_f1": float("nan")}}, F1, "not measured"),
    ],
)
def test_a_figure_below_its_floor_or_missing_is_a_failure(
    figures: Mapping[str, Mapping[str, float]], key: Key, said: str
) -> None:
    [failure] = check([taken(figures)], pinned())
    assert failure.key == key
    assert said in failure.because


@pytest.mark.parametrize("files", [{"labels.tsv": "b" * 64}, {}, {**CORPUS, "more.tsv": "c" * 64}])
def test_figures_on_other_posts_than_the_floors_are_a_failure(files: Mapping[str, str]) -> None:
    [failure] = check([taken(GOOD, files)], pinned())
    assert "not those the floors stand on" in failure.because


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_model_that_is_worse_in_a_first_class_language_fails_though_its_floors_hold(language: str) -> None:
    current = taken({language: {"sentiment_f1": 0.7}, ALL: {"sentiment_f1": 0.7}})
    [failure] = regressions(taken({language: {"sentiment_f1": 0.67}, ALL: {"sentiment_f1": 0.8}}), current)
    assert failure.key == (HELD_OUT, language, "sentiment_f1")
    assert regressions(taken({language: {"sentiment_f1": 0.69}, ALL: {"sentiment_f1": 0.8}}), current) == []


@pytest.mark.parametrize("part", [ALL, "natural rate", "de"])
def test_a_model_that_is_worse_in_crisis_recall_fails(part: str) -> None:
    [failure] = regressions(taken({part: {"crisis_recall": 0.5}}), taken({part: {"crisis_recall": 0.6}}))
    assert failure.key == (HELD_OUT, part, "crisis_recall")


def test_what_is_no_longer_measured_counts_as_worse() -> None:
    [failure] = regressions(taken({}), taken({"de": {"crisis_ap": 0.6}}))
    assert "not measured" in failure.because


# --- how floors move ------------------------------------------------------------------------------------------------


def test_raising_raises_and_never_lowers() -> None:
    found = pinned().raised({F1: 0.65, GAP: 0.05}, LABELS_AND_CORPUS, at=DAY, because="better")
    assert found.values == {F1: 0.65, GAP: 0.03}
    assert pinned().raised({F1: 0.5, GAP: 0.05}, LABELS_AND_CORPUS, at=DAY, because="worse") == pinned()


def test_figures_on_other_posts_cannot_raise_a_floor() -> None:
    with pytest.raises(FloorsError, match="pinned on other posts"):
        pinned().raised({F1: 0.9}, {HELD_OUT: {"labels.tsv": "b" * 64}}, at=DAY, because="easier posts")


def test_a_floor_falls_for_a_reason_that_stays() -> None:
    fallen = pinned().lowered([F1], {F1: 0.55}, {}, at=DAY, because="labels corrected")
    assert fallen.values[F1] == 0.55
    assert fallen.history[-1].because == "labels corrected"
    assert list(floors.broken(fallen)) == []
    for reason in ("", "  "):
        with pytest.raises(FloorsError, match="only for a reason"):
            pinned().lowered([F1], {F1: 0.55}, {}, at=DAY, because=reason)


@pytest.mark.parametrize("value", [0.55, 0.65])
def test_a_floor_changed_by_hand_is_found(value: float) -> None:
    [said] = floors.broken(replace(pinned(), values={F1: value, GAP: 0.03}))
    assert said == f"held_out/de/sentiment_f1: is {value}, its history says 0.6"


def test_a_floor_taken_away_by_hand_is_found() -> None:
    assert list(floors.broken(replace(pinned(), values={GAP: 0.03}))) == [
        "held_out/de/sentiment_f1: is None, its history says 0.6"
    ]


def test_a_history_rewritten_to_start_lower_is_found() -> None:
    twice = pinned().raised({F1: 0.7}, LABELS_AND_CORPUS, at=DAY, because="better")
    first, second = twice.history
    lower = replace(first, floors={F1: (None, 0.4), GAP: (None, 0.03)})
    assert "starts from 0.6, but it stood at 0.4" in next(floors.broken(replace(twice, history=(lower, second))))


def test_a_fall_whose_reason_was_rubbed_out_is_found() -> None:
    fallen = pinned().lowered([F1], {F1: 0.55}, {}, at=DAY, because="labels corrected")
    rubbed = replace(fallen, history=(fallen.history[0], replace(fallen.history[1], because="")))
    assert "without a reason" in next(floors.broken(rubbed))


def test_floors_come_back_from_a_file_as_they_were(tmp_path: Path) -> None:
    override = Override(at=DAY, model="m", failure=F1, who="Ana", because="labels of de are wrong")
    kept = pinned().lowered([GAP], {GAP: 0.04}, {}, at=DAY, because="ä").overridden(override)
    floors.write(tmp_path / "floors.json", kept)
    assert floors.read(tmp_path / "floors.json") == kept


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', '{"format": 2}'])
def test_a_file_that_holds_no_floors_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "floors.json").write_text(content, encoding="utf-8")
    with pytest.raises(FloorsError, match=r"floors\.json"):
        floors.read(tmp_path / "floors.json")


@pytest.mark.parametrize(("value", "floor"), [(0.7349, 0.714), (0.73, 0.71), (0.005, 0.0)])
def test_a_floor_is_earned_a_little_below_its_figure(value: float, floor: float) -> None:
    assert floors.floor_of(F1, value, 0.02) == floor


def test_a_ceiling_is_earned_a_little_above_its_figure() -> None:
    assert floors.floor_of(GAP, 0.0201, 0.01) == 0.031


# --- overrides ------------------------------------------------------------------------------------------------------


def test_an_override_lets_one_failure_of_one_model_pass() -> None:
    allowed = pinned().overridden(Override(at=DAY, model="m", failure=F1, who="Ana", because="de labels are wrong"))
    assert allowed.allows("m", F1)
    assert not allowed.allows("m", GAP)
    assert not allowed.allows("other", F1)


@pytest.mark.parametrize(("who", "because"), [("", "why"), ("Ana", "")])
def test_an_override_without_a_name_or_a_reason_is_refused(who: str, because: str) -> None:
    with pytest.raises(FloorsError, match="name and a reason"):
        pinned().overridden(Override(at=DAY, model="m", failure=F1, who=who, because=because))


# --- the shipped model and its floors -------------------------------------------------------------------------------


def test_the_floors_of_the_project_are_what_their_history_says() -> None:
    assert list(floors.broken(floors.read())) == []


def test_every_first_class_language_is_pinned_on_every_head() -> None:
    values = floors.read().values
    for language in LANGUAGES:
        for metric in ("sentiment_f1", "category_f1", "urgency_f1", "crisis_recall", "urgent_recall_30"):
            assert (HELD_OUT, language, metric) in values


def test_the_shipped_model_reaches_its_held_out_floors() -> None:
    manifest = artefact.read(artefact.STARTER)[1]
    allowed = [each for each in floors.read().overrides if each.model == manifest["version"]]
    failures = [each.key for each in check([gate.of_manifest(manifest)], floors.read())]
    assert set(failures) <= {each.failure for each in allowed}


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's floors in a file of their own, and a smoke run that costs nothing."""
    authored = {key[1]: {} for key in floors.read().values if key[0] == gate.AUTHORED}
    for (name, part, metric), value in floors.read().values.items():
        if name == gate.AUTHORED:
            authored[part][metric] = value
    files = {name: digest for name, digest, _ in corpus.read(None).files}
    monkeypatch.setattr(gate, "of_authored", lambda _model: Taken(set=gate.AUTHORED, corpus=files, figures=authored))
    path = tmp_path / "floors.json"
    floors.write(path, floors.read())
    return path


def test_the_shipped_model_passes_and_a_raised_floor_stops_it_until_a_person_lets_it_pass(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.main(["--floors", str(file)]) == 0
    kept = floors.read(file)
    figure = gate.of_manifest(artefact.read(artefact.STARTER)[1]).figures["de"]["sentiment_f1"]
    floors.write(file, kept.raised({F1: figure + 0.1}, {}, at=DAY, because="a better model"))
    assert gate.main(["--floors", str(file)]) == 1
    assert "held_out/de/sentiment_f1" in capsys.readouterr().out
    ask = ["--floors", str(file), "--override", "held_out/de/sentiment_f1"]
    assert gate.main(ask) == 2
    assert gate.main([*ask, "--who", "Ana", "--because", "until new labels come"]) == 0
    assert gate.main(["--floors", str(file)]) == 0
    assert floors.read(file).overrides[-1].who == "Ana"


def test_lowering_takes_the_figure_of_the_model_and_keeps_the_reason(file: Path) -> None:
    kept = floors.read(file)
    floors.write(file, kept.raised({F1: 0.99}, {}, at=DAY, because="too proud"))
    lower = ["--floors", str(file), "--lower", "held_out/de/sentiment_f1"]
    assert gate.main(lower) == 2
    assert floors.read(file).values[F1] == 0.99
    assert gate.main([*lower, "--because", "was never reached"]) == 0
    assert floors.read(file).values[F1] < 0.99
    assert floors.read(file).history[-1].because == "was never reached"


def test_floors_changed_by_hand_stop_the_gate(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    content["sets"][HELD_OUT]["floors"]["de"]["sentiment_f1"] = 0.1
    file.write_text(json.dumps(content), encoding="utf-8")
    assert gate.main(["--floors", str(file)]) == 2
    assert "changed by hand" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "nowhere"],
        ["--model", "nowhere"],
        ["--lower", "nonsense", "--because", "x"],
        ["--lower", "held_out/xx/sentiment_f1", "--because", "x"],
    ],
)
def test_what_is_asked_wrongly_changes_nothing(file: Path, arguments: list[str]) -> None:
    before = file.read_text(encoding="utf-8")
    assert gate.main(["--floors", str(file), *arguments]) == 2
    assert file.read_text(encoding="utf-8") == before


def test_held_out_answers_of_another_training_are_refused(tmp_path: Path) -> None:
    rows = corpus.read(None).rows[:5]
    answers = {head: np.full((5, len(LABELS[head])), 1 / len(LABELS[head])) for head in HEADS}
    write_held_out(tmp_path / "held.jsonl", rows, answers, version="another")
    with pytest.raises(ItemsError, match="its own training"):
        gate.of_held_out(tmp_path / "held.jsonl", artefact.read(artefact.STARTER)[1])


def test_development_sets_are_taken_by_set_and_language(tmp_path: Path) -> None:
    from models import load

    (tmp_path / "xlmt_sentiment").mkdir()
    rows = "id\ttext\tlabel\tlang\n1\tlove it\tpositive\ten\n2\thate it\tnegative\ten\n3\tich liebe es\tpositive\tde\n"
    (tmp_path / "xlmt_sentiment" / "dev.tsv").write_text(rows, encoding="utf-8")
    found = gate.of_development(load(), tmp_path)
    assert set(found.figures) == {"xlmt_sentiment de", "xlmt_sentiment en"}
    assert found.figures["xlmt_sentiment en"]["sentiment_f1"] > 0.9
    assert found.corpus == {"xlmt_sentiment/dev.tsv": artefact.digest(tmp_path / "xlmt_sentiment" / "dev.tsv")}
