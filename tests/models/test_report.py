"""The report on a model: what it reads, how it slices, what it calls better, and the page it makes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models import artefact, corpus
from models.outcome import HEADS, LABELS, Head, Reason
from models.report import making
from models.report.evaluation import Evaluation, Learning, evaluate, judge
from models.report.items import (
    UNLABELLED,
    Answered,
    Items,
    ItemsError,
    read_corpus,
    read_held_out,
    read_items,
    training_keys,
    write_held_out,
)
from models.report.learning import SHOWN, learning
from models.report.page import as_json, as_page, parts
from models.report.resample import compare, resamples

POSTS = 240


def some_items(posts: int = POSTS) -> Items:
    rng = np.random.default_rng(5)
    labels: dict[Head, NDArray[np.intp]] = {head: rng.integers(max(2, len(LABELS[head])), size=posts) for head in HEADS}
    return Items(
        ids=tuple(f"p{number}" for number in range(posts)),
        texts=tuple(
            f"post {number} @someone https://x.example " + "x" * (number * 13 % 340) for number in range(posts)
        ),
        languages=tuple(("en", "de", "tr")[number % 3] for number in range(posts)),
        sources=tuple("<b>shop</b>" if number % 4 else "rare" for number in range(posts)),
        labels=labels,
        natural=np.arange(posts) < 100,
        seen=np.arange(posts) < 60,
        files=(("items.tsv", "0" * 64, posts),),
    )


def answered(items: Items, *, skill: float, version: str, held_out: bool = False) -> Answered:
    """A model that gives each label its true answer with odds that grow with its skill."""
    rng = np.random.default_rng(11)
    answers: dict[Head, NDArray[np.float64]] = {}
    for head in HEADS:
        width = max(2, len(LABELS[head]))
        odds = np.exp(rng.normal(size=(len(items), width)) + skill * np.eye(width)[items.labels[head]])
        shares = odds / odds.sum(axis=1, keepdims=True)
        answers[head] = shares if head != "crisis" else shares[:, 1:]
    return Answered(version=version, answers=answers, held_out=held_out)


def explain(texts: Sequence[str], _languages: Sequence[str]) -> list[tuple[Reason, ...]]:
    return [tuple(Reason(head, LABELS[head][0], f"<{text[:6]}>", 1.0) for head in HEADS) for text in texts]


def evaluated(*, skill: float = 1.5, other: float | None = None, held_out: bool = False) -> Evaluation:
    items = some_items()
    return evaluate(
        items,
        answered(items, skill=skill, version="new", held_out=held_out),
        group=np.arange(len(items)),
        explain=explain,
        other=None if other is None else answered(items, skill=other, version="old"),
        count=60,
        moods=np.arange(len(items), dtype=float),
    )


# --- items ----------------------------------------------------------------------------------------------------------


def test_labels_are_read_by_name_or_by_the_guides_codes(tmp_path: Path) -> None:
    lines = [
        {
            "text": "it burns",
            "language": "EN",
            "sentiment": "neg",
            "urgency": 3,
            "crisis": True,
            "category": "complaint",
        },
        {"text": "danke", "lang": "de", "sentiment": "positive", "urgency": "low", "crisis": 0, "source": "mail"},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")
    found = read_items(path)
    assert found.languages == ("en", "de")
    assert found.sources == ("own", "mail")
    assert [found.labels[head].tolist() for head in HEADS] == [[0, 2], [0, UNLABELLED], [0, 3], [1, 0]]


def test_a_tab_separated_file_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text('text\turgency\tlanguage\r\nthe "thing" burns\t3\ten\r\nfine\t0\ten\r\n', encoding="utf-8")
    found = read_items(path)
    assert found.texts == ('the "thing" burns', "fine")
    assert found.labels["urgency"].tolist() == [0, 3]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"text": "x", "urgency": 9}', ":1: urgency '9' is none of critical, high"),
        ("a.jsonl", '{"text": "x"}', ":1 has no label"),
        ("a.jsonl", '{"text": "x", "urgency": 1}\n{"text": " ", "urgency": 1}', ":2 has no text"),
        ("a.jsonl", "text\turgency\nx\t1", "name the file .tsv"),
        ("a.jsonl", "[1]", "is no object"),
        ("a.tsv", "text\turgency\n", "holds no posts"),
        ("a.tsv", b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ItemsError, match=r".*") as caught:
        read_items(path)
    assert said in str(caught.value)


def test_posts_of_the_training_are_known_under_any_case_and_name(tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "train.tsv").write_text("id\ttext\n1\tMy charger burns!\n", encoding="utf-8")
    manifest = {"data": [{"file": "some/train.tsv"}, {"file": "authored/en.jsonl"}, {"file": "gone/train.tsv"}]}
    keys = training_keys(manifest, tmp_path)
    first = json.loads((corpus.AUTHORED / "en.jsonl").read_text(encoding="utf-8").splitlines()[0])["text"]
    renamed = corpus.read(None).rows[0].text
    path = tmp_path / "own.jsonl"
    texts = ["my CHARGER burns @shop", first, renamed, "something new"]
    path.write_text("\n".join(json.dumps({"text": text, "crisis": 1}) for text in texts), encoding="utf-8")
    assert read_items(path).marked(keys).seen.tolist() == [True, True, True, False]
    assert read_items(path).marked(training_keys(manifest, None)).seen.tolist() == [False, True, True, False]


def test_development_sets_bring_their_moods_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sb10k_de").mkdir()
    (tmp_path / "sb10k_de" / "dev.tsv").write_text("id\ttext\tlabel\n1\tgut\tpositive\n2\tx\tmixed\n", encoding="utf-8")
    found = read_corpus(tmp_path)
    assert found.sources.count("sb10k_de") == 1
    assert found.languages[-1] == "de"
    assert [int(found.labels[head][-1]) for head in HEADS] == [2, UNLABELLED, UNLABELLED, UNLABELLED]
    assert found.files[-1][0] == "sb10k_de/dev.tsv"


def test_held_out_answers_come_back_as_they_were_kept(tmp_path: Path) -> None:
    rows = corpus.read(None).rows[:20]
    items = read_corpus(None).chosen(range(20))
    kept = answered(items, skill=1.0, version="v9")
    write_held_out(tmp_path / "held.jsonl", rows, kept.answers, version="v9")
    found, again = read_held_out(tmp_path / "held.jsonl")
    assert (found.texts, found.ids, found.sources) == (items.texts, items.ids, items.sources)
    assert again.version == "v9"
    assert again.held_out
    for head in HEADS:
        np.testing.assert_array_equal(found.labels[head], items.labels[head])
        np.testing.assert_allclose(again.answers[head], kept.answers[head], atol=1e-5)


def test_a_file_that_holds_no_answers_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "held.jsonl").write_text('{"text": "x"}\n', encoding="utf-8")
    with pytest.raises(ItemsError, match="--out-of-fold"):
        read_held_out(tmp_path / "held.jsonl")


# --- slices and figures ---------------------------------------------------------------------------------------------


def test_slices_are_by_language_source_length_rate_and_training() -> None:
    found = evaluated()
    names = {(each.kind, each.name): each.posts for each in found.slices}
    assert names["all", "all posts"] == POSTS
    assert names["language", "de"] == 80
    assert names["source", "rare"] == 60
    assert names["training", "in the training"] == 60
    assert names["training", "new to the model"] == 180
    assert names["rate", "natural rate"] == 100
    assert [name for kind, name in names if kind == "length"] == ["up to 140", "up to 280", "over 280"]
    assert found.seen == 60


def test_slices_too_small_to_say_anything_are_joined_or_left_out() -> None:
    items = replace(some_items(), languages=tuple(["en"] * 190 + ["da"] * 30 + ["sv"] * 20))
    found = evaluate(items, answered(items, skill=1, version="v"), group=np.arange(POSTS), count=0)
    assert [(each.name, each.posts) for each in found.slices if each.kind == "language"] == [
        ("en", 190),
        ("other languages", 50),
    ]


def test_held_out_answers_are_never_called_in_sample() -> None:
    found = evaluated(held_out=True)
    assert found.seen == 0
    assert not [each for each in found.slices if each.kind == "training"]


def test_figures_stand_within_their_intervals() -> None:
    whole = evaluated().slices[0]
    for name, (low, high) in whole.intervals.items():
        if not name.endswith("_gap"):  # a resample repeats items, which only ever adds to a calibration error
            assert low <= whole.figures[name] <= high, name


def test_near_duplicates_are_drawn_together() -> None:
    group = np.repeat(np.arange(10), 3)
    for weight in resamples(group, 20):
        assert (weight.reshape(10, 3) == weight.reshape(10, 3)[:, :1]).all()
        assert weight.sum() == len(group)


# --- two models -----------------------------------------------------------------------------------------------------


def test_a_better_model_is_called_better_and_the_other_way_round() -> None:
    better, worse = evaluated(skill=3.0, other=0.5).comparison, evaluated(skill=0.5, other=3.0).comparison
    assert better is not None
    assert worse is not None
    for comparison, verdict in ((better, "better"), (worse, "worse")):
        of_all = {each.metric: each.verdict for each in comparison.differences if each.slice == "all posts"}
        assert {of_all[name] for name in ("sentiment_f1", "category_f1", "urgency_f1", "order_cost", "crisis_ap")} == {
            verdict
        }
    assert better.summary[0].startswith("new is better than old on")
    assert any(said.startswith("new is worse than old on") for said in worse.summary)


def test_a_model_beside_itself_shows_no_difference() -> None:
    items = some_items()
    same = judge(items, answered(items, skill=1, version="v"))
    found = compare({"all posts": (same, same, np.arange(POSTS))}, model="a", against="b", count=20)
    assert {each.verdict for each in found.differences} == {"no difference shown"}
    assert found.summary[0] == "No difference between a and b is shown on all posts."


def test_the_same_items_give_the_same_report() -> None:
    assert as_json(evaluated(other=1.0)) == as_json(evaluated(other=1.0))


# --- mistakes -------------------------------------------------------------------------------------------------------


def test_mistakes_are_the_worst_of_their_kind_with_the_reasons_of_their_head() -> None:
    found = evaluated()
    kinds = {each.kind for each in found.mistakes}
    assert {"urgent, but late in the queue", "crisis missed", "false crisis", "sentiment: sure and wrong"} <= kinds
    missed = [float(each.said.split()[-1]) for each in found.mistakes if each.kind == "crisis missed"]
    assert missed == sorted(missed)
    assert len(missed) <= 10
    assert all(each.label == "crisis" for each in found.mistakes if each.kind == "crisis missed")
    sentiment = next(each for each in found.mistakes if each.kind == "sentiment: sure and wrong")
    assert [reason.split(":")[0] for reason in sentiment.reasons] == ["for negative"]
    assert "@someone" not in sentiment.text
    assert "https" not in sentiment.text


# --- JSON and page --------------------------------------------------------------------------------------------------


def test_the_json_form_has_no_number_that_json_does_not_know() -> None:
    items = replace(some_items(), labels={head: np.full(POSTS, UNLABELLED) for head in HEADS})
    items = replace(items, labels={**items.labels, "sentiment": some_items().labels["sentiment"]})
    blind = answered(some_items(), skill=1, version="v")
    found = json.loads(as_json(evaluate(items, blind, group=np.arange(POSTS), count=5)), parse_constant=pytest.fail)
    assert found["schema"] == 1
    assert found["slices"][0]["figures"]["urgent_ap"] is None
    assert found["slices"][0]["populations"]["sentiment"] == POSTS
    assert [each["head"] for each in found["heads"]] == ["sentiment"]


class Page(HTMLParser):
    """Counts what a page is made of, and where it points."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]


def with_everything() -> Evaluation:
    curve = Learning(metric="urgent_ap", posts=(100, 200), figures=(0.5, 0.6), more=500, gain=0.1)
    return replace(evaluated(other=1.0), learning=(curve,))


def test_every_chart_has_a_table_and_the_page_points_nowhere() -> None:
    found = with_everything()
    text = as_page(found)
    page = Page()
    page.feed(text.split("<script>")[0])
    assert page.links == []
    assert page.tags.count("table") >= len(list(parts(found)))
    assert page.tags.count("table") == page.tags.count("caption")
    assert "<b>shop</b>" not in text.split("<script>")[0]
    assert "In-sample" in text


def test_a_post_cannot_leave_its_place_in_the_page() -> None:
    for part in parts(with_everything()):
        assert "<" not in part.drawing


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_from_a_file_without_a_network(tmp_path: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    from tests.web.test_browser import CHROMIUM

    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: install it, or set TOCSIN_CHROMIUM")

    found = with_everything()
    (tmp_path / "report.html").write_text(as_page(found), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(color_scheme=scheme, offline=True).new_page()
        page.set_default_timeout(120_000)  # four megabytes of script, on a machine that may be busy
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((tmp_path / "report.html").as_uri())
        page.wait_for_selector("[data-chart] .main-svg")
        assert page.locator("[data-chart]:not(:has(.main-svg))").count() == 0
        assert page.locator("[data-chart]").count() == sum(bool(part.traces) for part in parts(found))
        violations = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:120]) for each in violations] == []
        assert said == []
        browser.close()


# --- from files -----------------------------------------------------------------------------------------------------


def test_the_shipped_model_is_judged_on_a_file_of_ones_own(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (corpus.AUTHORED / "en.jsonl").read_text(encoding="utf-8").splitlines()[:30]]
    rows.append({"text": "the kettle works", "lang": "en", "crisis": 0, "urgency": 0})
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = making.make(making.Wanted(items=path, against=artefact.STARTER, resamples=3))
    assert found.posts == 31
    assert found.seen == 30
    assert found.comparison is not None
    assert found.comparison.summary[0].startswith("No difference")


def test_held_out_answers_are_only_compared_with_such(tmp_path: Path) -> None:
    rows = corpus.read(None).rows[:60]
    items = read_corpus(None).chosen(range(60))
    for name, skill in (("a", 3.0), ("b", 0.1)):
        write_held_out(tmp_path / name, rows, answered(items, skill=skill, version=name).answers, version=name)
    found = making.make(making.Wanted(held_out=tmp_path / "a", against=tmp_path / "b", resamples=20))
    assert found.held_out
    assert found.comparison is not None
    assert found.comparison.summary[0].startswith("a is better than b")
    with pytest.raises(ItemsError, match="saw these posts"):
        making.make(making.Wanted(held_out=tmp_path / "a", against=artefact.STARTER))
    with pytest.raises(ItemsError, match="no model's folder"):
        making.make(making.Wanted(against=tmp_path / "b"))


# --- what more labels would buy -------------------------------------------------------------------------------------


def test_the_learning_curve_grows_from_few_labels_to_all_and_prices_the_next_ones() -> None:
    steps: list[float] = []
    rows = [row for row in corpus.read(None).rows if row.language in {"en", "de"}][:300]
    found = learning(rows, lambda _step, share: steps.append(share))
    assert [each.metric for each in found] == list(SHOWN)
    for each in found:
        assert list(each.posts) == sorted(each.posts)
        assert len(each.figures) == len(each.posts)
    sentiment = found[0]
    assert sentiment.gain == pytest.approx(
        np.polyfit(np.log(sentiment.posts), sentiment.figures, 1)[0] * np.log1p(sentiment.more / sentiment.posts[-1])
    )
    assert steps[-1] == 1.0
