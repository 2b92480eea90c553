"""How the command line says things: times in words, one line an item, hostile text made harmless."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pipeline.cli.explaining import arithmetic, probabilities
from pipeline.cli.listening import outcome, sentence, sparkline
from pipeline.cli.render import ago, due, iso, one_line, plain, print_table, shown, span
from pipeline.cli.running import columns_of
from pipeline.cli.scoring import parse
from pipeline.cli.tickets import state_of
from pipeline.domain import Notice, Reason, Resolution, Urgency
from pipeline.errors import ConfigError
from pipeline.hearing import Answer, Unheard
from pipeline.prioritise import prioritise
from pipeline.wording import counted
from tests.factories import FIRE, NOW, scored
from tests.factories import score as a_score


def test_terminal_and_bidi_controls_are_shown_and_not_obeyed():
    assert shown("\x1b[2J\x07 a\u202eb \x9b31m") == "<1b>[2J<07> a<202e>b <9b>31m"
    assert one_line(" a\n\tb\x00 ") == "a b<00>"


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=42), "42 s"),
        (timedelta(minutes=4, seconds=59), "4 min"),
        (timedelta(hours=3, minutes=5), "3 h 05"),
        (timedelta(days=3), "3 d"),
        (timedelta(minutes=-4), "4 min"),
    ],
)
def test_a_duration_is_said_as_people_say_it(length, words):
    assert span(length) == words


def test_deadlines_count_down_and_then_up():
    assert due(NOW + timedelta(minutes=11), NOW) == "in 11 min"
    assert due(NOW - timedelta(minutes=4), NOW) == "4 min late"
    assert ago(None, NOW) == "never"
    assert iso(NOW) == "2026-11-25T10:00:00Z"
    assert counted(1, "batch", "batches") == "1 batch"
    assert counted(1200, "batch", "batches") == "1,200 batches"


def test_a_table_cuts_wide_columns_and_keeps_one_line_an_item(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    print_table(["ticket", "text"], [["x:123456789", "word " * 40], ["x:2", "[red]short[/red]"]], wide=["text"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].startswith("x:123456789")
    assert "…" in lines[1]
    assert "[red]short[/red]" in lines[2]


def test_a_column_without_anything_in_it_leaves_its_room_to_the_others(capsys):
    print_table(["ticket", "claimed by", "text"], [["x:1", "", "a"], ["x:2", "", "b"]])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["ticket", "text"], ["x:1", "a"], ["x:2", "b"]]


def test_a_domain_object_is_plain_json():
    item = scored("1", "my brightly broke")
    assert json.loads(json.dumps(plain(item)))["mention"]["posted_at"] == "2026-11-25T10:00:00Z"


# --- score's input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text", "given", "language"),
    [
        (b"hello", "hello", "7", None),
        (b"", "", "7", None),
        (b"hello\r", "hello", "7", None),
        (b'{"text": "a", "id": "p1", "language": "TR"}', "a", "p1", "tr"),
        (b'{"text": "a", "id": 5}', "a", "5", None),
        (b'{"text": "a", "id": null, "language": ""}', "a", "7", None),
        (b'{"text": "a", "language": 3}', "a", "7", None),
        (b'{"text": 5}', '{"text": 5}', "7", None),
        (b'{"body": "a"}', '{"body": "a"}', "7", None),
        (b"{not json", "{not json", "7", None),
        (b'["a"]', '["a"]', "7", None),
        (b'"a"', '"a"', "7", None),
        (b"[" * 20 + b'{"a":' * 50_000, None, "7", None),
        (b"\xff\xfebad", "\ufffd\ufffdbad", "7", None),
    ],
)
def test_a_line_is_json_only_when_it_is_an_object_with_a_text(line, text, given, language):
    parsed = parse(line, 7)
    assert parsed.id == given
    assert parsed.language == language
    assert text is None or parsed.text == text


def test_a_deeply_nested_line_is_text():
    line = b'{"text":' * 100_000
    assert parse(line, 1).text == line.decode()


def test_a_byte_order_mark_is_no_text():
    assert parse("\ufeffhello".encode(), 1).text == "hello"


def test_columns_are_given_one_by_one_or_with_commas():
    assert columns_of(["text=body,author=user", "id = no"]) == {"text": "body", "author": "user", "id": "no"}
    assert columns_of([]) == {}
    with pytest.raises(ConfigError, match="OURS=THEIRS"):
        columns_of(["text"])


# --- coverage -----------------------------------------------------------------------------------------------------


def test_the_sentence_of_coverage_is_one_line_when_all_is_read():
    assert sentence(Answer(until=NOW), NOW) == "Everything up to 10:00 UTC has been read."


def test_the_sentence_of_coverage_names_what_is_not_read():
    missing = Unheard(where="x, query “kestrel”", what="never read", then="the next run reads it")
    lines = sentence(Answer(until=NOW, unheard=(missing,)), NOW).splitlines()
    assert lines == [
        "Everything up to 10:00 UTC has been read, except (times in UTC):",
        "  x, query “kestrel”: never read; the next run reads it.",
    ]
    lost = Unheard(where="x", what="1 interval lost for good")
    assert sentence(Answer(unheard=(lost,)), NOW) == ("Not everything has been read:\n  x: 1 interval lost for good.")


def test_a_long_list_of_what_is_not_read_is_cut_and_counted():
    lines = sentence(Answer(unheard=(Unheard(where="x", what="never read"),) * 13), NOW).splitlines()
    assert (len(lines), lines[-1]) == (12, "  … and 3 more, in the table")


def test_a_sparkline_is_full_at_its_highest():
    assert sparkline([0, 1, 4, 8]) == "·▁▄█"
    assert sparkline([0, 0]) == "··"


def test_the_outcome_of_a_notice_is_said_in_words():
    def notice(**changes):
        values = {
            "id": "1",
            "reason": Reason.INCIDENT_OPENED,
            "group": "g",
            "channel": "c",
            "subject": "s",
            "body": "b",
        }
        return Notice(**values | {"severity": 3, "created_at": NOW} | changes)

    assert outcome(notice(), NOW) == "not sent yet"
    assert outcome(notice(sent_at=NOW - timedelta(minutes=3)), NOW) == "sent 3 min ago"
    assert outcome(notice(failed_at=NOW, error="wrong key"), NOW) == "failed for good: wrong key"
    again = notice(attempts=2, retry_at=NOW + timedelta(minutes=5), error="timeout")
    assert outcome(again, NOW) == "2 tries, again in 5 min: timeout"


# --- tickets ------------------------------------------------------------------------------------------------------


def _ticket(config, **changes):
    item = scored("1", "my brightly caught fire", given=a_score(crisis=0.6, rules=(FIRE,)), followers=50_000, **changes)
    ticket = prioritise([item], config=config, context=_context())
    assert ticket is not None
    return ticket, item


def _context():
    from pipeline.prioritise import Context

    return Context(contacts=3)


@pytest.fixture
def config():
    from pipeline.config import parse as parse_config

    return parse_config({"brand": [{"name": "Brightly"}], "query": [{"name": "brightly", "brand": "Brightly"}]})


def test_the_arithmetic_of_a_rank_can_be_recomputed(config):
    import math
    import re

    ticket, _ = _ticket(config)
    lines = arithmetic(ticket.rank, NOW)
    factors = [float(match[1]) for line in lines if (match := re.match(r"  [x ] ([\d.]+) +\w", line))]
    assert len(factors) == len(ticket.rank.parts) >= 4
    assert math.prod(factors) == pytest.approx(ticket.rank.cost, rel=1e-3)
    text = "\n".join(lines)
    assert f"in steps of 0.05: {ticket.rank.level}" in text
    assert "respond by  2026-11-25 10:15 UTC, the target of P1" in text
    assert "due at      2026-11-25 10:09 UTC" in text
    assert "above the queue" in text


def test_an_explanation_names_rules_words_probabilities_and_the_model(config):
    _, item = _ticket(config)
    lines = probabilities(item.score)
    assert any('rule       "fire": at least critical, a danger, by the words "caught fire"' in line for line in lines)
    assert any(line.startswith("category   complaint") and "complaint 0.900" in line for line in lines)
    assert any(line.startswith("urgency    critical") for line in lines)  # as the rule has raised it
    assert item.score.urgency_label is Urgency.CRITICAL
    assert lines[-1] == "model      test-1"


def test_the_state_of_a_ticket_is_said_in_words(config):
    from dataclasses import replace

    ticket, _ = _ticket(config)
    assert state_of(ticket, NOW) == "open; respond in 15 min"
    held = replace(ticket, claimed_by="Ana", claimed_until=NOW + timedelta(minutes=15))
    assert state_of(held, NOW) == "claimed by Ana until 10:15 UTC; respond in 15 min"
    assert state_of(replace(ticket, waiting_since=None), NOW) == "answered; nothing waits"
    over = replace(ticket, resolved_at=NOW - timedelta(minutes=1), resolution=Resolution.NOT_OURS)
    assert state_of(over, NOW) == "resolved (not ours) 1 min ago"
