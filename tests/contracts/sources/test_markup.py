"""HTML made plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.markup import text_of


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("Hi &amp; bye", "Hi & bye"),
        ("one<p>two<br>three", "one\ntwo\nthree"),
        ("<ul><li>a</li><li>b</li></ul>", "a\n\nb"),
        ("<script>track()</script>seen<style>b{}</style>", "seen"),
        ('<a href="https://a.example/long/way">https://a.example/lo...</a>', "https://a.example/long/way"),
        ('<a href="https://evil.example/">https://a.example/lo...</a>', "https://a.example/lo..."),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
        ("a   b\t c", "a b c"),
        ("Kartımdan &#252;&#231; kez", "Kartımdan üç kez"),
        ("<b>unclosed", "unclosed"),
        ("", ""),
    ],
)
def test_html_becomes_what_a_reader_sees(markup: str, text: str) -> None:
    assert text_of(markup) == text


@given(st.text(max_size=200))
def test_no_text_makes_it_fail_or_comes_out_padded(markup: str) -> None:
    text = text_of(markup)
    assert text == text.strip()
