"""What has been heard, in sentences: the same for the pages and the command line."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from pipeline.domain import Coverage, Cursor, Gap
from pipeline.hearing import STALE, Answer, Unheard, answer, stale, with_unread_pairs
from tests.factories import NOW

UTC = ZoneInfo("UTC")
PAIR = ("x", "kestrel")
WHERE = "x, query “kestrel”"


def heard(query="kestrel", *, minutes=2, cursor=None, **changes):
    read = {"source": "x", "query": query, "succeeded_at": NOW - timedelta(minutes=minutes)}
    return Coverage(cursor=Cursor(**read | (cursor or {})), received=3, **changes)


def gap():
    return Gap(
        id="g", source="x", query="kestrel", newer_than="1", older_than="9", opened_at=NOW,
        since=NOW - timedelta(hours=2), until=NOW - timedelta(hours=1), reason="page budget of 10 used",
    )  # fmt: skip


def said(*coverage, pairs=(PAIR,)):
    return answer(coverage, list(pairs), NOW, UTC)


def test_all_is_read_until_the_query_that_is_furthest_behind():
    found = said(heard(minutes=2), heard("nordwing", minutes=5), pairs=[PAIR, ("x", "nordwing")])
    assert found == Answer(until=NOW - timedelta(minutes=5))


def test_where_nothing_is_listened_to_nothing_is_said():
    assert said(pairs=[]) == Answer()


def test_an_open_gap_is_said_with_its_interval_and_reason():
    assert said(heard(open_gaps=(gap(),))).unheard == (
        Unheard(where=WHERE, what="08:00 to 09:00 unread: page budget of 10 used", then="the next runs read it"),
    )


def test_an_error_is_said_with_since_when_and_when_it_is_tried_again():
    trouble = {"error": "X answers 429", "retry_at": NOW + timedelta(minutes=9)}
    (missing,) = said(heard(minutes=30, cursor=trouble)).unheard
    assert (missing.what, missing.then) == ("nothing read for 30 min: X answers 429", "tried again in 9 min")


def test_silence_without_an_error_leads_to_the_schedule():
    late = STALE.total_seconds() // 60 + 1
    (missing,) = said(heard(minutes=late)).unheard
    assert (missing.what, missing.then) == (
        f"nothing read for {late:.0f} min",
        "see that the schedule runs (tocsin up)",
    )


def test_what_no_run_has_tried_is_not_called_read():
    new = ("x", "lumiva")
    (missing,) = said(heard(), pairs=[PAIR, new]).unheard
    assert missing == Unheard(where="x, query “lumiva”", what="never read", then="the next run reads it")
    assert [one.cursor.query for one in with_unread_pairs([heard()], [PAIR, new])] == ["kestrel", "lumiva"]


def test_an_import_neither_holds_the_sentence_back_nor_is_called_stale():
    assert said(heard(), heard("import", minutes=5000)) == said(heard())
    assert stale([heard("import", minutes=5000).cursor], [PAIR], NOW) == []


def test_what_waits_of_an_import_is_said_and_nothing_else_of_it():
    found = said(heard(), heard("import", minutes=5000, pending_batches=1))
    assert found.until == NOW - timedelta(minutes=2)
    assert [(one.where, one.what) for one in found.unheard] == [("x, query “import”", "1 landed batch not triaged yet")]


def test_lost_intervals_and_waiting_batches_are_never_silent():
    whats = [one.what for one in said(heard(lost_gaps=1, pending_batches=2)).unheard]
    assert whats == [
        "1 interval lost for good: the source no longer has the posts",
        "2 landed batches not triaged yet",
    ]


def test_one_reason_of_a_source_is_one_line_whichever_of_its_queries_it_hits():
    refused = {"error": "X answers 401"}
    cursors = [heard(f"q{n}", minutes=n, cursor=refused).cursor for n in range(5)]
    (line,) = stale(cursors, [("x", f"q{n}") for n in range(5)], NOW)
    assert line == Unheard(
        where="x (q0, q1, q2 and 2 more)",
        what="last collected 4 min ago: X answers 401",
        then="tried again at the next run",
    )
