"""Files as a source: what is appended is read later, half a line never, and strange files are named."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.domain import Page, Query, Raw, Window
from pipeline.errors import BadRecord, ConfigError, SourceRefused
from pipeline.sources import files
from pipeline.sources.files import FilesSource

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
QUERY = Query(name="brightly", brand="Brightly", any=("brightly",))
ROW = {"id": "1", "author": "ana", "text": "brightly broke", "created_at": "2026-11-25T09:00:00Z"}


def line(**changes: object) -> str:
    return json.dumps(ROW | changes, ensure_ascii=False)


def touched(path: Path, content: str | bytes, *, ago: timedelta = timedelta()) -> Path:
    """A file with this content, last written ``ago`` before NOW."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    stamp = (NOW - ago).timestamp()
    os.utime(path, (stamp, stamp))
    return path


def source(*paths: Path | str, **columns: str) -> FilesSource:
    return FilesSource("exports", tuple(map(str, paths)), columns)


def read(files: FilesSource, position: str | None = None) -> tuple[list[Raw], str | None, list[str]]:
    """All that is there now, as the engine reads it: records, the new position, what was told as lost."""
    records: list[Raw] = []
    lost: list[str] = []
    while True:
        page = files.fetch(QUERY, Window(newer_than=position), now=NOW)
        records += page.records
        lost += [page.lost] if page.lost else []
        position = page.newest or position
        if page.next_token is None:
            return records, position, lost


def texts(records: list[Raw]) -> list[object]:
    return [record.get("text") for record in records]


# --- reading on -------------------------------------------------------------------------------------------------------


def test_what_is_appended_is_read_later_and_nothing_twice(tmp_path):
    path = touched(tmp_path / "posts.jsonl", line(text="one") + "\n")
    exports = source(path)
    first, position, _ = read(exports)
    with path.open("a") as file:
        file.write(line(text="two") + "\n\n" + line(text="three") + "\n")
    second, position, lost = read(source(path), position)
    assert (texts(first), texts(second), lost) == (["one"], ["two", "three"], [])
    assert source(path).fetch(QUERY, Window(newer_than=position), now=NOW) == Page()


@pytest.mark.parametrize("cut", range(1, len(line(text="later"))))
def test_half_a_line_waits_until_it_is_whole(tmp_path, cut):
    whole = line(text="later")
    path = touched(tmp_path / "posts.jsonl", line() + "\n" + whole[:cut])
    first, position, _ = read(source(path))
    touched(path, line() + "\n" + whole + "\n")
    second, _, lost = read(source(path), position)
    assert (texts(first), texts(second), lost) == (["brightly broke"], ["later"], [])


@pytest.mark.parametrize("cut", range(1, len('2,ben,"brightly, again\nand again",2026-11-25')))
def test_half_a_row_waits_until_it_is_whole(tmp_path, cut):
    head = "id,author,text,created_at\n1,ana,brightly broke,2026-11-25\n"
    whole = '2,ben,"brightly, again\nand again",2026-11-25'
    path = touched(tmp_path / "posts.csv", head + whole[:cut])
    first, position, _ = read(source(path))
    touched(path, head + whole + "\n")
    second, _, lost = read(source(path), position)
    assert (texts(first), texts(second), lost) == (["brightly broke"], ["brightly, again\nand again"], [])


def test_a_last_line_without_an_end_is_read_once_the_file_has_lain_quiet_or_is_said_to_be_whole(tmp_path):
    content = "id,text,created_at\n1,brightly broke,2026-11-25"
    growing = touched(tmp_path / "growing.csv", content)
    quiet = touched(tmp_path / "quiet.csv", content, ago=timedelta(hours=1))
    assert texts(read(source(growing))[0]) == []
    assert texts(read(source(quiet))[0]) == ["brightly broke"]
    assert texts(read(FilesSource("exports", (str(growing),), {}, whole=True))[0]) == ["brightly broke"]


def test_pages_end_in_the_middle_of_files_and_go_on_there(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PAGE", 3)
    for name in ("b", "a", "c"):
        touched(tmp_path / f"{name}.jsonl", "".join(line(text=f"{name}{n}") + "\n" for n in range(4)))
    records, _, _ = read(source(tmp_path / "*.jsonl"))
    assert texts(records) == [f"{name}{n}" for name in "abc" for n in range(4)]


def test_a_new_file_that_fits_the_pattern_is_read(tmp_path):
    touched(tmp_path / "a.jsonl", line(text="a") + "\n")
    _, position, _ = read(source(tmp_path / "*.jsonl"))
    touched(tmp_path / "b.jsonl", line(text="b") + "\n")
    assert texts(read(source(tmp_path / "*.jsonl"), position)[0]) == ["b"]


@pytest.mark.parametrize(
    "after",
    [line(text="x") + "\n", line(text="another") + "\n" + line(text="file") + "\n" + line(text="here") + "\n"],
    ids=["shorter", "longer"],
)
def test_a_replaced_file_is_told_and_read_from_its_start(tmp_path, after):
    path = touched(tmp_path / "posts.jsonl", line(text="one") + "\n" + line(text="two") + "\n")
    _, position, _ = read(source(path))
    touched(path, after)
    records, position, lost = read(source(path), position)
    assert texts(records) == [json.loads(row)["text"] for row in after.splitlines()]
    assert len(lost) == 1
    assert "posts.jsonl was cut or replaced" in lost[0]
    assert read(source(path), position) == ([], position, [])


# --- strange files ----------------------------------------------------------------------------------------------------


def test_a_missing_file_and_an_empty_pattern_are_named(tmp_path):
    for name in ("no.jsonl", "*.csv"):
        with pytest.raises(ConfigError, match="is not there"):
            read(source(tmp_path / name))


def test_a_folder_utf_16_and_an_endless_line_are_refused_by_name(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    touched(tmp_path / "wide.csv", "id,text\n1,brightly\n".encode("utf-16"))
    touched(tmp_path / "endless.jsonl", b"[" + b"1," * (5 << 20))
    for name, words in (("folder.jsonl", "cannot be read"), ("wide.csv", "UTF-16"), ("endless.jsonl", "JSON Lines")):
        with pytest.raises(SourceRefused, match=words) as caught:
            read(source(tmp_path / name))
        assert name in str(caught.value)


def test_a_watermark_of_another_kind_of_source_is_refused(tmp_path):
    path = touched(tmp_path / "posts.jsonl", line() + "\n")
    for position in ("1234567890", "[]", '{"a": 1}', "2026|3"):
        with pytest.raises(SourceRefused, match="exports"):
            read(source(path), position)


def test_a_column_of_ours_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="no column 'autor'"):
        FilesSource("exports", (), {"autor": "user"})


@pytest.mark.parametrize("bad", ["not json", "[1, 2]", '"text"', "{", "\x00", "[" * 100_000])
def test_a_line_that_is_no_record_is_kept_as_it_came_and_the_rest_goes_on(tmp_path, bad):
    path = touched(tmp_path / "posts.jsonl", f"{bad}\n{line()}\n")
    records, _, _ = read(source(path))
    assert records == [{"unreadable": bad.strip()}, ROW]
    with pytest.raises(BadRecord, match="no record"):
        source(path).parse(records[0], QUERY, collected_at=NOW)


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path):
    rows = "".join(f"{n},post {n},2026-11-25\n" for n in range(300))
    path = touched(tmp_path / "posts.csv", 'id,text,created_at\n"x,oh no,2026-11-25\n' + rows, ago=timedelta(days=1))
    records, _, _ = read(source(path))
    assert records[0] == {"unreadable": '"x,oh no,2026-11-25\n'}
    assert texts(records[1:]) == [f"post {n}" for n in range(300)]


def test_a_row_with_too_many_cells_is_no_record_and_one_with_too_few_has_fewer(tmp_path):
    path = touched(tmp_path / "posts.csv", "id,text,created_at\n1,a,b,c\n2,short\n")
    assert read(source(path))[0] == [{"unreadable": "1,a,b,c\n"}, {"id": "2", "text": "short"}]


def test_csv_as_spreadsheets_write_it(tmp_path):
    content = (
        b'\xef\xbb\xbfid;text;date\r\n1;"Brightly ""smokes""; a lot\r\n\xc5\x81\xc3\xb3d\xc5\xba";2026-11-25\r\n\r\n'
    )
    [record], _, _ = read(source(touched(tmp_path / "posts.csv", content)))
    found = source().parse(record, QUERY, collected_at=NOW)
    assert (found.id, found.text) == ("exports:1", 'Brightly "smokes"; a lot\r\nŁódź')
    assert found.posted_at == datetime(2026, 11, 25, tzinfo=UTC)


# --- records ----------------------------------------------------------------------------------------------------------


def parsed(raw: Raw, **columns: str):
    return source(**columns).parse(raw, QUERY, collected_at=NOW)


def test_a_record_with_everything_becomes_a_whole_mention():
    found = parsed(
        ROW | {
            "author": "@ana", "author_name": "Ana B.", "followers": "1200", "url": "https://example.com/1",
            "in_reply_to": 7, "conversation": "5", "inbound": False, "language": "pt-BR", "likes": 3.0, "reposts": "",
        }
    )  # fmt: skip
    assert (found.id, found.author.id, found.author.handle) == ("exports:1", "exports:ana", "ana")
    assert (found.author.name, found.author.followers, found.url) == ("Ana B.", 1200, "https://example.com/1")
    assert (found.in_reply_to, found.conversation, found.own) == ("exports:7", "exports:5", True)
    assert (found.language, found.likes, found.reposts) == ("pt", 3, 0)


def test_columns_are_found_by_their_usual_names_and_by_the_names_a_person_gives():
    usual = {
        "Tweet ID": 9,
        "Body": "brightly!",
        "Screen-Name": "ana",
        "Date": "2026-11-25",
        "in_response_to_tweet_id": "",
    }
    assert (parsed(usual).id, parsed(usual).text, parsed(usual).in_reply_to) == ("exports:9", "brightly!", None)
    given = {"nr": "4", "was": "brightly?", "wer": "ben", "wann": "2026-11-25", "text": "not this"}
    found = parsed(given, id="nr", text="was", author="wer", created_at="wann")
    assert (found.id, found.text, found.author.handle) == ("exports:4", "brightly?", "ben")


@pytest.mark.parametrize(
    "when",
    [
        "2026-11-25T09:00:00Z", "2026-11-25 09:00:00", "2026-11-25T10:00:00+01:00", 1795597200, "1795597200",
        1795597200000, "1795597200.0", "Wed Nov 25 09:00:00 +0000 2026", "Wed, 25 Nov 2026 09:00:00 +0000",
    ],
)  # fmt: skip
def test_times_are_read_as_files_give_them(when):
    assert parsed(ROW | {"created_at": when}).posted_at == datetime(2026, 11, 25, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", ""), ("text", None), ("text", 5), ("text", ["brightly"]), ("created_at", None), ("created_at", ""),
        ("created_at", "yesterday"), ("created_at", True), ("created_at", "9" * 400), ("created_at", {}),
        ("id", 1.5), ("id", ["1"]), ("id", True), ("author", {"name": "ana"}), ("followers", "many"),
        ("followers", -1), ("followers", 1.5), ("followers", "1e999"), ("likes", True), ("inbound", "perhaps"),
        ("in_reply_to", {}), ("url", 3), ("language", 3), ("author_name", []),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_record_is_said_and_crashes_nothing(field, value):
    with pytest.raises(BadRecord) as caught:
        parsed(ROW | {field: value})
    assert caught.value.reason


def test_a_record_without_an_id_gets_the_same_one_at_every_reading():
    raw = {key: value for key, value in ROW.items() if key != "id"}
    assert parsed(raw).id == parsed(dict(raw)).id
    assert parsed(raw).id != parsed(raw | {"text": "brightly broke again"}).id


def test_posts_without_an_author_are_not_all_by_one():
    anonymous = {key: value for key, value in ROW.items() if key != "author"}
    assert parsed(anonymous).author.id != parsed(anonymous | {"id": "2"}).author.id


def test_only_links_become_links_and_a_post_whose_side_is_unsaid_is_a_customers():
    found = parsed(ROW | {"url": "javascript:alert(1)", "inbound": None, "followers": "NaN"})
    assert (found.url, found.own, found.author.followers) == (None, False, None)
