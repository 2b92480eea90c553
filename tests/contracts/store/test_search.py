"""Search: words in any form, phrases, exclusions, filters; and whatever people paste into the box."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain import Category, Filters
from pipeline.errors import ConfigError
from pipeline.ports import Store
from tests.contracts.store.made import ALL, ago, ids
from tests.factories import score, scored


def fill(store: Store, *texts: str, language: str = "en") -> None:
    """Posts x:0, x:1, ... of these texts, the last one newest."""
    store.add_mentions(
        [scored(str(n), text, posted_at=ago(100 - n), language=language) for n, text in enumerate(texts)], {}
    )


def test_an_empty_search_lists_all_newest_first_by_pages(store: Store) -> None:
    fill(store, *"abcde")
    assert ids(store.search("", ALL)) == ["x:4", "x:3", "x:2", "x:1", "x:0"]
    assert ids(store.search("  ", ALL, limit=2, offset=1)) == ["x:3", "x:2"]


def test_posts_come_newest_first_whatever_the_order_they_were_collected_in(store: Store) -> None:
    store.add_mentions([scored("new", posted_at=ago(1)), scored("oldest", posted_at=ago(9))], {})
    store.add_mentions([scored("middle", posted_at=ago(5))], {})
    assert ids(store.search("brightly", ALL)) == ["x:new", "x:middle", "x:oldest"]


def test_every_word_must_be_there(store: Store) -> None:
    fill(store, "charger broke", "charger works", "it broke")
    assert ids(store.search("charger broke", ALL)) == ["x:0"]


@pytest.mark.parametrize(
    ("language", "written", "searched"),
    [
        ("en", "waiting for a refund", "waited refunds"),
        ("de", "Die Straßen sind gesperrt", "strasse"),
        ("tr", "Kartımdan para çekildi", "kartim"),
        ("pl", "Ładowarki z ŁODZI", "ladowarka"),
        ("es", "los cargadores fallan", "cargador"),
        ("fr", "les chargeurs cassés", "chargeur"),
        ("pt", "os carregadores", "carregador"),
        ("it", "i caricatori rotti", "caricatore"),
        ("ja", "充電器 broke", "充電器"),
        ("und", "CAFÉ", "cafe"),
    ],
)
def test_a_word_is_found_in_any_form_and_with_or_without_its_accents(
    store: Store, language: str, written: str, searched: str
) -> None:
    fill(store, written, "something else", language=language)
    assert ids(store.search(searched, ALL)) == ["x:0"]


def test_a_phrase_is_found_word_for_word(store: Store) -> None:
    fill(store, "charged TWICE!", "twice charged", "charged me twice", "charging twice")
    assert ids(store.search('"Charged twice"', ALL)) == ["x:0"]


def test_a_phrase_that_is_not_closed_reaches_to_the_end(store: Store) -> None:
    fill(store, "charged twice", "twice charged")
    assert ids(store.search('"charged twice', ALL)) == ["x:0"]


def test_words_and_phrases_can_be_excluded(store: Store) -> None:
    fill(store, "charger broke", "charger broke again", "charger is on fire", "charger caught fire")
    assert ids(store.search("charger -again", ALL)) == ["x:3", "x:2", "x:0"]
    assert ids(store.search('charger -"on fire"', ALL)) == ["x:3", "x:1", "x:0"]
    assert ids(store.search("-fire charger -again", ALL)) == ["x:0"]


@pytest.mark.parametrize("text", ["-again", '-"on fire" -x'])
def test_a_search_that_only_excludes_is_refused_with_advice(store: Store, text: str) -> None:
    with pytest.raises(ConfigError, match="add a word"):
        store.search(text, ALL)


def test_what_is_written_without_a_blank_is_searched_as_it_is_written(store: Store) -> None:
    fill(store, "send an e-mail", "e is a letter, mail is not", "ask @brightly_help #LumivaFail")
    assert ids(store.search("e-mail", ALL)) == ["x:0"]
    assert ids(store.search("@brightly_help", ALL)) == ["x:2"]
    assert ids(store.search("#lumivafail", ALL)) == ["x:2"]


def test_nothing_is_found_by_signs_alone(store: Store) -> None:
    fill(store, "?! -- 😡")
    assert store.search("?!", ALL) == []
    assert store.search("😡", ALL) == []


@pytest.mark.parametrize(
    "text",
    [
        "AND", "OR NOT", "NEAR(a b)", "a AND", "NOT a", "(", ")", "((a)", "a*", "*", "^a", "a:b", "stems:a", "{stems}:a", '"',
        '""', '"""', 'a"b', "a'b", "';--", "\0", "a\0b", '"a\0b"', "-", "--", '-"', '-"" a', "\\", "%", "_", "a_b", "+", "a+b",
        "\ud800", "İ", "ß", "ﷺ", "a" * 5000, "a " * 5000, "-a " * 500 + "b", "\u202e", "columnsize", "rank", "-- a",
    ],
)  # fmt: skip
def test_no_text_breaks_the_search(store: Store, text: str) -> None:
    fill(store, "a b charger")
    with suppress(ConfigError):  # it only excludes
        assert store.search(text, Filters(brand=text[:9])) == []
    with suppress(ConfigError):
        assert ids(store.search(text, ALL)) in ([], ["x:0"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("ab \"'()*:^-+{}\\ANDORT\0ıİß.") | st.characters(), max_size=30))
def test_no_text_that_can_be_made_up_breaks_the_search(store: Store, text: str) -> None:
    with suppress(ConfigError):  # it only excludes
        assert store.search(text, ALL) == []


def test_filters_narrow_a_search_and_a_list(store: Store) -> None:
    store.add_mentions(
        [
            scored("1", "charger", posted_at=ago(4)),
            scored("2", "charger", posted_at=ago(3), brand="Kestrel Bank"),
            scored("3", "charger", posted_at=ago(2), language="de"),
            scored("4", "charger", posted_at=ago(1), source="rss", given=score("praise")),
        ],
        {},
    )
    for text in ("charger", ""):
        assert ids(store.search(text, Filters(brand="Kestrel Bank"))) == ["x:2"]
        assert ids(store.search(text, Filters(language="de"))) == ["x:3"]
        assert ids(store.search(text, Filters(source="rss"))) == ["rss:4"]
        assert ids(store.search(text, Filters(category=Category.PRAISE))) == ["rss:4"]
        assert ids(store.search(text, Filters(brand="Brightly", language="en", source="x"))) == ["x:1"]
        assert store.search(text, Filters(brand="Nobody")) == []


def test_filters_are_no_words_that_can_be_searched(store: Store) -> None:
    fill(store, "charger")
    assert store.search("brand_4272696768746c79", ALL) == []
    assert store.search("x", ALL) == []
