"""``tocsin import``: whose a post is, one ticket a thread, answers counted, and nothing doubled or lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline import app as composition
from pipeline import imports
from pipeline.config import IMPORT
from pipeline.errors import StoreUnavailable
from pipeline.imported import Claims, Owner, owners
from tests import REPOSITORY
from tests.cli_world import WordClassifier, call, write_config, write_posts
from tests.factories import mention

THREADS = (
    {"id": "1", "author": "ana", "inbound": True, "in_reply_to": None, "created_at": "2024-03-06T09:00:00Z", "text": "@AirHelp my bag is broken"},
    {"id": "2", "author": "AirHelp", "inbound": False, "in_reply_to": "1", "created_at": "2024-03-06T09:10:00Z", "text": "@ana so sorry, which flight?"},
    {"id": "3", "author": "ana", "inbound": True, "in_reply_to": "2", "created_at": "2024-03-06T09:20:00Z", "text": "@AirHelp AH12, still broken"},
    {"id": "4", "author": "ben", "inbound": True, "in_reply_to": None, "created_at": "2024-03-06T09:30:00Z", "text": "@airhelp are you there?"},
    {"id": "5", "author": "eva", "inbound": True, "in_reply_to": None, "created_at": "2024-03-06T09:40:00Z", "text": "my brightly lamp is broken"},
    {"id": "6", "author": "joe", "inbound": True, "in_reply_to": None, "created_at": "2024-03-06T09:50:00Z", "text": "is anybody out there?"},
)  # fmt: skip


@pytest.fixture(autouse=True)
def words(request, monkeypatch):
    if "shared_data" not in request.fixturenames:
        monkeypatch.setattr(composition, "classifier", lambda path=None: WordClassifier())


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("TOCSIN_HOME", raising=False)
    return write_config(tmp_path)


@pytest.fixture
def threads(tmp_path):
    return write_posts(tmp_path / "threads.jsonl", THREADS)


def test_a_post_belongs_to_the_query_that_matches_else_to_the_account_of_its_thread(config, threads):
    [done] = call("import", threads, "--json", "--config", config).objects
    assert done["brands"] == {"AirHelp": 3, "Brightly": 1, "imported": 1}


def test_a_thread_is_one_ticket_and_answers_give_response_times(config, threads):
    [done] = call("import", threads, "--json", "--config", config).objects
    assert (done["triaged"]["mentions"], done["triaged"]["new"]) == (6, 6)
    assert (done["tickets"], done["answered"], done["median_first_response"]) == (4, 1, 600.0)
    waiting = {item["ticket"] for item in call("queue", "--json", "--config", config).objects}
    assert waiting == {"threads:1", "threads:4", "threads:5", "threads:6"}
    [shown] = call("show", "threads:3", "--json", "--config", config).objects
    assert shown["id"] == "threads:1"
    assert shown["waiting_since"] == "2024-03-06T09:20:00Z"
    assert [item["mention"]["own"] for item in shown["conversation"]] == [False, True, False]


def test_importing_twice_adds_nothing(config, threads):
    call("import", threads, "--config", config)
    before = call("queue", "--json", "--config", config).objects
    [again] = call("import", threads, "--json", "--config", config).objects
    assert (again["triaged"]["mentions"], again["triaged"]["new"]) == (6, 0)
    assert call("queue", "--json", "--config", config).objects == before


def test_a_crash_between_landing_and_triage_is_made_good_by_the_next_run(config, threads, monkeypatch, tmp_path):
    def crash(*_, **__):
        raise StoreUnavailable("the machine went down")

    with monkeypatch.context() as broken:
        broken.setattr(imports, "triage_batch", crash)
        assert call("import", threads, "--config", config).code == 1
    assert call("queue", "--json", "--config", config).out == ""
    write_posts(tmp_path / "posts.jsonl")
    threads.unlink()
    assert call("run", "--config", config).code == 0
    found = {
        item["ticket"]: item for item in call("queue", "--json", "--source", "threads", "--config", config).objects
    }
    assert set(found) == {"threads:1", "threads:4", "threads:5", "threads:6"}


def test_a_named_brand_owns_every_post(config, threads):
    [done] = call("import", threads, "--brand", "Air", "--json", "--config", config).objects
    assert done["brands"] == {"Air": 5}


def test_a_named_query_keeps_the_threads_it_matches_and_counts_the_rest(config, threads):
    [done] = call("import", threads, "--query", "brightly", "--json", "--config", config).objects
    assert done["brands"] == {"Brightly": 1}
    assert (done["triaged"]["mentions"], done["triaged"]["unmatched"]) == (1, 5)


def test_a_csv_with_other_column_names_under_another_source_name(config, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text('nr,who,body,day\n1,ana,"my brightly, it is\nbroken",2024-03-06\n', encoding="utf-8")
    columns = ["--columns", "id=nr,author=who,text=body", "--columns", "created_at=day"]
    answer = call("import", path, *columns, "--source", "shop", "--json", "--config", config)
    assert answer.code == 0
    [item] = call("queue", "--json", "--config", config).objects
    assert (item["ticket"], item["author"], item["text"]) == ("shop:1", "ana", "my brightly, it is\nbroken")


def test_bad_records_are_kept_with_their_reason_and_the_rest_goes_on(config, tmp_path):
    path = tmp_path / "bad.jsonl"
    rows = [json.dumps(THREADS[4]), "{not json", json.dumps({"id": "9", "text": 5}), json.dumps(THREADS[5])]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    answer = call("import", path, "--config", config)
    assert answer.code == 0
    assert "2 bad records kept as dead letters" in answer.out
    assert len(call("queue", "--json", "--config", config).objects) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl is not there"),
        (["{threads}", "--query", "nosuch"], "--query 'nosuch' is not configured; known: brightly"),
        (["{threads}", "--query", "brightly", "--brand", "Air"], "listens for 'Brightly', not for 'Air'"),
        (["{threads}", "--columns", "text"], "write OURS=THEIRS"),
        (["{threads}", "--source", "a:b"], "without a colon"),
    ],
)
def test_a_wrong_order_is_refused_before_anything_is_done(config, threads, tmp_path, arguments, words):
    answer = call("import", *(argument.format(threads=threads) for argument in arguments), "--config", config)
    assert answer.code == 2
    assert words in answer.err
    assert call("queue", "--json", "--config", config).out == ""


def test_the_summary_for_people_names_the_numbers(config, threads):
    out = call("import", threads, "--config", config).out
    assert "6 mentions, 6 of them new" in out
    assert "1 of 4 tickets answered, first response after 10 min (median)" in out
    assert "AirHelp" in out


# --- whose a post is ------------------------------------------------------------------------------------------------


def _post(native, text="", *, author="ana", reply=None, own=False):
    return mention(native, text, handle=author, in_reply_to=reply and f"x:{reply}", own=own)


def test_the_account_that_answers_most_owns_the_thread():
    posts = [
        _post("1", "@Shop @Bank hello"),
        _post("2", author="Bank", reply="1", own=True),
        _post("3", author="Shop", reply="1", own=True),
        _post("4", author="Bank", reply="3", own=True),
    ]
    assert {owner.brand for owner in owners(posts, Claims()).values()} == {"Bank"}


def test_without_an_answer_the_first_mentioned_own_account_owns_the_thread():
    posts = [_post("1", "@someone @SHOP hello"), _post("9", author="Shop", own=True)]
    assert owners(posts, Claims())["x:1"] == Owner(brand="Shop", query=IMPORT)


def test_a_configured_own_account_stands_for_its_brand(config):
    from pipeline.config import parse

    settings = parse(
        {"brand": [{"name": "Kestrel", "own_accounts": ["KestrelHelp"]}], "query": [{"name": "k", "brand": "Kestrel"}]}
    )
    posts = [_post("1", "hello"), _post("2", author="kestrelhelp", reply="1", own=True)]
    found = owners(posts, Claims(queries=settings.queries(), brands=settings.brand))
    assert found["x:1"] == Owner(brand="Kestrel", query="k")


def test_replies_in_a_circle_end_and_replies_to_the_unknown_share_a_thread():
    circle = [_post("1", reply="2"), _post("2", reply="1")]
    assert len(owners(circle, Claims())) == 2
    lost = [_post("5", "hello", reply="0"), _post("6", author="Bank", reply="0", own=True)]
    assert owners(lost, Claims())["x:5"].brand == "Bank"


# --- the real stream ------------------------------------------------------------------------------------------------


@pytest.fixture
def shared_data():
    path = Path(os.environ.get("TOCSIN_SHARED", REPOSITORY.parent / "shared")) / "streams" / "support_tweets.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not there; set TOCSIN_SHARED to the shared folder")
    return path


@pytest.mark.shared
def test_five_thousand_support_tweets_become_one_ticket_a_thread_and_a_second_import_adds_nothing(
    shared_data, config, tmp_path
):
    rows = [json.loads(line) for line in shared_data.read_text(encoding="utf-8").splitlines()]
    inbound = sum(row["inbound"] for row in rows)
    [done] = call("import", shared_data, "--json", "--config", config).objects
    assert done["triaged"]["mentions"] == done["triaged"]["new"] == len(rows) == 5092
    assert sum(done["brands"].values()) == inbound == 2827
    assert done["triaged"]["bad"] == done["triaged"]["unmatched"] == 0
    threads = 1338  # threads of the file in which a customer wrote
    assert threads * 0.97 <= done["tickets"] <= threads  # certain spam and repeats make no ticket of their own
    assert done["answered"] >= 0.97 * done["tickets"]
    assert 60 < done["median_first_response"] < 12 * 3600

    def waiting():
        rows = call("queue", "--json", "--limit", "2000", "--config", config).objects
        return {(row["ticket"], row["mention"], row["opened_at"], row["respond_by"]) for row in rows}

    before = waiting()
    some = write_posts(tmp_path / shared_data.name, rows[:1000])  # all of them would be scored again
    [again] = call("import", some, "--json", "--config", config).objects
    assert (again["triaged"]["mentions"], again["triaged"]["new"]) == (1000, 0)
    assert waiting() == before
