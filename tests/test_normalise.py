"""What becomes of a parsed mention: clean text, a language, its conversation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Mention
from pipeline.normalise import TEXT_LIMIT, Normalised, clean, normalise
from tests.factories import mention


def only(text: str, **changes: object) -> Mention:
    return normalise([mention("1", text, **changes)], known={}).mentions[0]


def reply(native: str, to: str, **changes: object) -> Mention:
    return mention(native, in_reply_to=f"x:{to}", conversation="", **changes)


def roots(mentions: Sequence[Mention], known: Mapping[str, str] | None = None) -> dict[str, str]:
    return {item.id: item.conversation for item in normalise(mentions, known=known or {}).mentions}


@pytest.mark.parametrize(
    ("posted", "kept"),
    [
        ("cafe\u0301", "café"),
        ("line\r\nline\rline\u2028end", "line\nline\nline\nend"),
        ("nul\x00 bell\x07 tab\t", "nul bell tab"),
        ("lone \ud83d half", "lone  half"),
        ("joined \ud83d\ude00 halves", "joined 😀 halves"),
        ("end \ude00", "end"),
        ("👩\u200d🔧 kes\u200btrel ❤️", "👩\u200d🔧 kes\u200btrel ❤️"),
        ("see https://t.co/aB3 &amp; @kestrel", "see https://t.co/aB3 &amp; @kestrel"),
        (" \n ", ""),
    ],
)
def test_text_is_kept_as_posted_but_for_what_no_store_can_hold(posted: str, kept: str) -> None:
    assert only(posted).text == kept


def test_an_endless_text_is_cut() -> None:
    assert len(only("ab " * TEXT_LIMIT).text) == TEXT_LIMIT


@given(text=st.text(alphabet=st.characters(exclude_categories=()), max_size=50))
def test_a_cleaned_text_can_be_stored_and_cleaning_it_again_changes_nothing(text: str) -> None:
    kept = clean(text)
    kept.encode("utf-8")
    assert clean(kept) == kept
    assert "\x00" not in kept
    assert "\r" not in kept


def test_names_that_no_store_can_hold_are_cleaned_and_ids_are_kept() -> None:
    dirty = mention("1", handle="an\x00a\ud800")
    kept = normalise([dirty], known={}).mentions[0].author
    assert kept.handle == "ana"
    assert kept.id == dirty.author.id


def test_the_language_is_detected_and_the_sources_tag_is_not_trusted_alone() -> None:
    assert only("kartımdan üç kez para çekildi", language="in").language == "tr"
    assert only("no problem", language="es").language == "es"
    assert only("😡😡", language="en").language == "und"


def test_the_brands_name_does_not_pass_for_a_language() -> None:
    assert only("Cepillos tipo brightly", brand="Other").language == "en"
    assert only("Cepillos tipo brightly", brand="Brightly").language == "es"
    assert only("Amo mi Brightly", brand="Brightly", language="und").language == "und"
    assert only("my lamp is broken", brand=" ").language == "en"


def test_order_and_every_other_field_are_kept() -> None:
    posts = [mention(str(number), f"post number {number} about brightly", likes=number) for number in range(5)]
    found = normalise(posts, known={})
    assert [item.id for item in found.mentions] == [item.id for item in posts]
    assert [item.likes for item in found.mentions] == [0, 1, 2, 3, 4]
    assert normalise([], known={}) == Normalised(mentions=(), moves={})


# --- conversations ----------------------------------------------------------------------------------------------------


def test_a_post_that_answers_nothing_begins_its_own_conversation() -> None:
    assert roots([mention("1", conversation="")]) == {"x:1": "x:1"}


def test_the_sources_conversation_is_used() -> None:
    assert roots([mention("2", in_reply_to="x:1", conversation="x:0")]) == {"x:2": "x:0"}
    assert roots([mention("2", conversation="thread 77")]) == {"x:2": "thread 77"}


def test_a_reply_joins_the_conversation_of_what_it_replies_to() -> None:
    assert roots([reply("3", "2")], {"x:2": "x:1", "x:1": "x:1"}) == {"x:3": "x:1"}


def test_a_reply_to_an_unknown_post_begins_that_posts_conversation() -> None:
    assert roots([reply("2", "1"), reply("3", "1")]) == {"x:2": "x:1", "x:3": "x:1"}


def test_a_reply_that_its_source_roots_at_itself_is_led_to_its_parent() -> None:
    assert roots([mention("2", in_reply_to="x:1", conversation="x:2")]) == {"x:2": "x:1"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_chain_ends_in_one_conversation_whatever_order_it_arrives_in(order: tuple[int, ...]) -> None:
    chain = [mention("1", conversation=""), reply("2", "1"), reply("3", "2"), reply("4", "3")]
    assert set(roots([chain[place] for place in order]).values()) == {"x:1"}


def test_a_reply_below_a_post_with_a_given_conversation_joins_it() -> None:
    posts = [reply("3", "2"), mention("2", in_reply_to="x:1", conversation="thread 77")]
    assert set(roots(posts).values()) == {"thread 77"}


def test_a_start_that_turns_out_to_be_a_reply_moves_its_conversation() -> None:
    found = normalise([reply("2", "1")], known={"x:1": "x:1"})
    assert found.moves == {"x:2": "x:1"}


def test_moves_lead_to_the_last_root_even_through_other_moves() -> None:
    # Indexed: 5, rooted at the unknown 4. Now 4 arrives, and with it 3 which it replies to, which replies to 2.
    found = normalise([reply("4", "3"), reply("3", "2"), reply("6", "5")], known={"x:5": "x:4"})
    assert found.moves == {"x:4": "x:2", "x:3": "x:2", "x:6": "x:2"}
    assert {item.conversation for item in found.mentions} == {"x:2"}


def test_posts_that_begin_conversations_and_given_conversations_move_nothing() -> None:
    posts = [mention("1", conversation=""), mention("2", in_reply_to="x:1", conversation="x:1")]
    assert normalise(posts, known={}).moves == {}


def test_a_mention_indexed_before_stays_where_it_was_moved() -> None:
    assert roots([reply("3", "2")], {"x:3": "x:1"}) == {"x:3": "x:1"}


def test_replies_in_a_circle_make_one_conversation() -> None:
    circle = [reply("1", "2"), reply("2", "3"), reply("3", "1"), reply("4", "2")]
    for posts in itertools.permutations(circle):
        assert set(roots(posts).values()) == {"x:1"}
    assert roots([reply("1", "1")]) == {"x:1": "x:1"}


def test_a_chain_of_ten_thousand_replies_is_followed() -> None:
    posts = [reply(str(number), str(number - 1)) for number in range(10_000, 0, -1)]
    assert set(roots(posts).values()) == {"x:0"}
