"""What counts as the same text said again, and what must never be hidden under another post."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import folds as folding
from pipeline.domain import Mention
from pipeline.folds import BANDS, VERIFIED, fold, sketch
from tests import REPOSITORY
from tests.factories import NOW, mention

SHARED = Path(os.environ.get("TOCSIN_SHARED", REPOSITORY.parent / "shared"))
LAMP = "my brightly lamp started to smoke on the bedside table last night and nobody answers the phone"


def post(native: str, text: str = LAMP, *, minute: int | None = None, **changes: object) -> Mention:
    """A post by its own author, a minute later than the one before it in the order of ids."""
    at = NOW + timedelta(minutes=int(native) if minute is None else minute)
    return mention(native, text, handle=f"user{native}", posted_at=at, **changes)


def folds(posts: Sequence[Mention], stored: Sequence[Mention] = ()) -> dict[str, str | None]:
    """Fold the posts against what is stored, and say where each went by its native id."""
    sketches, kept = sketch(posts), sketch(stored)
    candidates = {
        band: [(other.id, other.text) for other in stored if band in kept[other.id]]
        for band in {band for bands in sketches.values() for band in bands}
    }
    found = fold(posts, sketches=sketches, candidates={band: those for band, those in candidates.items() if those})
    assert [item.id for item in found] == [item.id for item in posts]
    return {item.id.removeprefix("x:"): item.fold and item.fold.removeprefix("x:") for item in found}


COPIES = {
    "as it was": LAMP,
    "reposted by hand": f"RT @ana: {LAMP}",
    "reposted and cut": f"RT @ana: {LAMP}"[:75] + "…",
    "reposted, cut, with a link": f"RT @ana: {LAMP}"[:75] + "… https://t.co/aB3",
    "with tags at the end": f"{LAMP} #brightly #fail2026",
    "with a link": f"{LAMP} https://t.co/aB3",
    "to another account": f"@brightlycare {LAMP}",
    "with emoji": f"{LAMP} 😡😡",
    "shouted": LAMP.upper(),
    "with one word changed": LAMP.replace("nobody", "no-one"),
    "with a typo": LAMP.replace("started", "satrted"),
    "with invisible characters": LAMP.replace("lamp", "la\u200bmp"),
}


@pytest.mark.parametrize("text", COPIES.values(), ids=COPIES)
def test_a_copy_folds_under_the_original_in_the_batch_and_in_the_store(text: str) -> None:
    assert folds([post("1"), post("2", text)]) == {"1": None, "2": "1"}
    assert folds([post("2", text)], stored=[post("1")]) == {"2": "1"}


STRANGERS = {
    "another post on the subject": "the brightly lamp on my desk smokes since yesterday, is there a recall, who do i call",
    "the opposite beginning": "my brightly lamp started to work again after i called, thank you all, what a great service",
    "another person's words with the same first ones": LAMP[:40] + " but i guess that is what you get for nine pounds",
}


@pytest.mark.parametrize("text", STRANGERS.values(), ids=STRANGERS)
def test_different_posts_on_one_subject_stay_apart(text: str) -> None:
    assert folds([post("1"), post("2", text)]) == {"1": None, "2": None}


def test_the_earliest_is_the_original_whatever_order_a_batch_has() -> None:
    posts = [post("1", minute=3), post("2", minute=1), post("3", minute=2)]
    for order in itertools.permutations(posts):
        assert folds(order) == {"1": "2", "2": None, "3": "2"}


def test_a_stored_original_stays_the_original_of_an_earlier_post_heard_later() -> None:
    assert folds([post("1", minute=0)], stored=[post("9")]) == {"1": "9"}


def test_folding_a_batch_again_changes_nothing() -> None:
    first, second = post("1"), post("2")
    assert folds([first, second], stored=[first]) == {"1": None, "2": "1"}


def test_copies_of_copies_fold_under_the_first() -> None:
    words = LAMP.split()
    drifting = [post(str(step), " ".join(words[:12] + ["again"] * step)) for step in range(1, 4)]
    assert set(folds(drifting).values()) <= {None, "1"}


# --- never hide a person's need ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["worst service ever", "my card was charged twice", "thanks!", "😡", ""])
def test_the_same_short_words_of_two_people_are_two_posts(text: str) -> None:
    assert folds([post("1", text), post("2", text)]) == {"1": None, "2": None}


def test_short_texts_fold_when_they_pass_something_on() -> None:
    assert (
        folds([post("1", "Brightly recalls lamps https://t.co/a"), post("2", "Brightly recalls lamps https://t.co/b")])[
            "2"
        ]
        == "1"
    )
    assert folds([post("1", "worst service ever"), post("2", "RT @user1: worst service ever")])["2"] == "1"
    assert folds([post("1", "worst service ever"), post("2", "worst service, ever!", repost_of="x:0")])["2"] == "1"


def test_a_reply_stays_in_its_conversation_though_others_wrote_the_same() -> None:
    text = "i have sent you my details in a private message three hours ago, please have a look"
    posts = [post("1", text), post("2", text, in_reply_to="x:90"), post("3", text, in_reply_to="x:91")]
    assert folds(posts) == {"1": None, "2": None, "3": None}


def test_texts_about_two_order_numbers_are_two_posts() -> None:
    text = "order {} from brightly has not arrived and your chat closes on me every single time"
    posts = [post("1", text.format("4711")), post("2", text.format("4712")), post("3", f"RT @a: {text.format('4711')}")]
    assert folds(posts) == {"1": None, "2": None, "3": "1"}


def test_own_posts_neither_fold_nor_are_folded_under_but_by_their_reposts() -> None:
    posts = [post("1", own=True), post("2"), post("3", own=True), post("4", repost_of="x:1")]
    assert folds(posts) == {"1": None, "2": None, "3": None, "4": "1"}
    assert sketch(posts[:1]) == {"x:1": ()}


def test_the_same_words_about_two_brands_are_two_posts() -> None:
    posts = [post("1"), post("2", brand="Kestrel Bank")]
    assert folds(posts) == {"1": None, "2": None}
    assert not set(sketch(posts)["x:1"]) & set(sketch(posts)["x:2"])


# --- reposts ----------------------------------------------------------------------------------------------------------


def test_a_repost_folds_under_what_it_repeats_even_if_its_text_says_nothing_alike() -> None:
    assert folds([post("1"), post("2", "", repost_of="x:1")]) == {"1": None, "2": "1"}
    assert folds([post("2", "look at this", repost_of="x:1", minute=-5), post("1")]) == {"1": None, "2": "1"}


def test_a_repost_of_a_copy_folds_under_the_original() -> None:
    assert folds([post("1"), post("2"), post("3", repost_of="x:2")]) == {"1": None, "2": "1", "3": "1"}


def test_a_repost_of_a_reply_folds_though_replies_do_not() -> None:
    assert folds([post("1", in_reply_to="x:0"), post("2", repost_of="x:1", in_reply_to="x:0")])["2"] == "1"


def test_the_first_repost_stands_in_for_an_original_that_was_never_heard() -> None:
    posts = [post("2", repost_of="x:1"), post("3", "", repost_of="x:1"), post("4", repost_of="x:1")]
    assert folds(posts) == {"2": None, "3": "2", "4": "2"}
    assert folds([post("5", repost_of="x:1")], stored=[post("2", repost_of="x:1")]) == {"5": "2"}


# --- bands ------------------------------------------------------------------------------------------------------------


def test_bands_are_the_same_in_every_process_and_fit_a_signed_integer() -> None:
    bands = sketch([mention("1", "the quick brown fox jumps over the lazy dog")])["x:1"]
    assert len(bands) == 1 + BANDS
    assert all(-(2**63) <= band < 2**63 for band in bands)
    assert bands[:2] == (-7002996138942293142, -1238528510601693560)


def test_a_sketch_does_not_depend_on_the_batch_around_it() -> None:
    texts = [LAMP, "short one", "", *STRANGERS.values(), "日本語のとても長い文章です。アプリがまた落ちています"]
    posts = [post(str(place), text) for place, text in enumerate(texts)]
    together = sketch(posts)
    assert together == {one.id: sketch([one])[one.id] for one in posts}
    assert sketch([]) == {}


@given(texts=st.lists(st.text(max_size=80), max_size=6))
def test_any_text_can_be_sketched_and_folded(texts: list[str]) -> None:
    posts = [post(str(place), text) for place, text in enumerate(texts)]
    found = folds(posts)
    originals = {place for place, at in found.items() if at is None}
    assert all(at in originals for at in found.values() if at)


def test_a_flood_from_one_template_is_compared_with_a_bounded_number_of_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    verify = folding._copies

    def counted(*texts: folding._Essence, passed_on: bool) -> bool:
        compared.append(texts)
        return verify(*texts, passed_on=passed_on)

    monkeypatch.setattr(folding, "_copies", counted)
    text = "order {:05} from brightly is late again and nobody at all can tell me why"
    assert set(folds([post(str(n), text.format(n)) for n in range(500)]).values()) == {None}
    assert 500 < len(compared) <= VERIFIED * 500


@pytest.mark.shared
def test_real_posts_are_not_folded_by_mistake() -> None:
    path = SHARED / "data" / "triage_labels" / "train.tsv"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    rows = [line.split("\t")[3] for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    posts = [post(str(place), text) for place, text in enumerate(rows)]
    assert sum(at is not None for at in folds(posts).values()) <= 8  # 6 of 8,069: four reposts, two of one template
