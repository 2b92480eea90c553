"""The landing zone: whole or not at all, the same bytes again, and a damaged file is named."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import StoreRefused, StoreUnavailable
from pipeline.landing import LandingZone
from tests.factories import NOW

RECORDS = ({"id": "1", "text": 'Łódź 🔥\u2028\n"quoted"'}, {"id": "2", "deep": [{"a": None, "b": 1.5}]})


@pytest.fixture
def zone(tmp_path: Path) -> LandingZone:
    return LandingZone(str(tmp_path / "landing"))


def land(zone: LandingZone, *records: object, source: str = "x", query: str = "kestrel"):
    return zone.land(source, query, records or RECORDS, now=NOW)


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_records_come_back_as_they_were_and_in_order(zone):
    batch = land(zone)
    assert zone.read(batch) == list(RECORDS)
    assert (batch.source, batch.query, batch.count, batch.landed_at) == ("x", "kestrel", 2, NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(alphabet=st.characters()), json_values, max_size=4), min_size=1, max_size=4))
def test_whatever_json_can_hold_comes_back(tmp_path_factory, records):
    zone = LandingZone(str(tmp_path_factory.getbasetemp() / "any"))
    assert zone.read(land(zone, *records)) == records


def test_half_a_surrogate_comes_back_as_half_a_surrogate(zone):
    assert zone.read(land(zone, {"text": "\ud83d oh"})) == [{"text": "\ud83d oh"}]


def test_a_batch_lies_under_source_query_and_day_and_its_digest_is_its_files(zone, tmp_path):
    batch = land(zone)
    assert batch.path == f"x/kestrel/2026-11-25/{batch.id}.jsonl.gz"
    [path] = files(tmp_path)
    assert path == tmp_path / "landing" / batch.path
    assert batch.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()] == list(RECORDS)


def test_the_same_records_make_the_same_bytes(zone):
    assert land(zone).digest == land(zone).digest


def test_ids_are_unique_and_in_the_order_of_time(zone):
    ids = [zone.land("x", "q", RECORDS, now=NOW.replace(second=second)).id for second in range(30)]
    assert ids == sorted(ids)
    assert len({land(zone).id for _ in range(30)}) == 30


@pytest.mark.parametrize("name", ["Kestrel Bank", "../../etc", "a/b", "Łódź", ".", "CON", "q" * 300])
def test_a_name_never_leads_out_of_the_zone_and_two_names_never_share_a_folder(zone, tmp_path, name):
    batch = land(zone, query=name[:80])
    assert (tmp_path / "landing" / "x").resolve() in (tmp_path / "landing" / batch.path).resolve().parents
    assert len(Path(batch.path).parts) == 4
    other = land(zone, query=name[:80].lower() + "-")
    assert Path(batch.path).parent != Path(other.path).parent


# --- damage -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(path.read_bytes()[:20] + b"\x00" + path.read_bytes()[21:]),
        lambda path: path.write_bytes(gzip.compress(b'{"id": "9"}\n', mtime=0)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["gone", "empty", "cut", "a byte changed", "another's", "a folder"],
)
def test_a_damaged_batch_is_named_with_the_next_step_and_the_others_are_read(zone, tmp_path, damage):
    bad, good = land(zone), land(zone, {"id": "7"})
    damage(tmp_path / "landing" / bad.path)
    with pytest.raises(StoreRefused, match="backup") as caught:
        zone.read(bad)
    assert bad.path in str(caught.value)
    assert zone.read(good) == [{"id": "7"}]


def test_a_file_that_never_was_gzip_is_named(zone, tmp_path):
    batch = land(zone)
    path = tmp_path / "landing" / batch.path
    path.write_bytes(b"plain text")
    with pytest.raises(StoreRefused, match="no whole gzip file"):
        zone.read(replace(batch, digest=hashlib.sha256(b"plain text").hexdigest()))


def test_lines_that_are_no_objects_come_back_as_text(zone, tmp_path):
    batch = land(zone)
    content = gzip.compress(b'{"id": "1"}\nhalf {\n\n[1]\n')
    (tmp_path / "landing" / batch.path).write_bytes(content)
    found = zone.read(replace(batch, digest=hashlib.sha256(content).hexdigest()))
    assert found == [{"id": "1"}, "half {", "[1]"]


# --- disks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_leaves_no_half_file(zone, tmp_path, monkeypatch, step, number):
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os if step == "fsync" else Path, step, fail)
        with pytest.raises(StoreRefused, match="free space") as caught:
            land(zone)
    assert os.strerror(number) in str(caught.value)
    assert files(tmp_path) == []
    assert zone.read(land(zone)) == list(RECORDS)


def test_the_file_is_flushed_before_it_has_its_name_and_each_new_folder_after(zone, tmp_path, monkeypatch):
    done: list[str] = []
    flush, rename = os.fsync, Path.replace
    # Every path of this test lies under tmp_path; what a descriptor is of, Linux tells.
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (done.append(os.readlink(f"/proc/self/fd/{fd}").removeprefix(str(tmp_path))), flush(fd))[1],
    )
    monkeypatch.setattr(Path, "replace", lambda path, target: (done.append("named"), rename(path, target))[1])
    batch = land(zone)
    first, named, *folders = done
    assert first == f"/landing/{batch.path}".replace(".jsonl.gz", ".jsonl.part")
    assert named == "named"
    assert set(folders) == {"/landing/x/kestrel/2026-11-25", "/landing/x/kestrel", "/landing/x", "/landing", ""}


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "wall").write_text("a file where a folder should be")
    with pytest.raises(StoreRefused, match="wall"):
        land(LandingZone(str(tmp_path / "wall" / "landing")))


# --- elsewhere ----------------------------------------------------------------------------------------------------------


def test_any_fsspec_url_will_do():
    zone = LandingZone("memory://tocsin/landing/")
    batch = land(zone)
    assert zone.read(batch) == list(RECORDS)
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/tocsin/landing/{batch.path}", b"changed")
    with pytest.raises(StoreRefused, match=r"memory://tocsin/landing/x/.*digest differs"):
        zone.read(batch)
    memory.rm("/tocsin", recursive=True)
    with pytest.raises(StoreRefused, match="is gone"):
        zone.read(batch)


def test_a_zone_that_does_not_answer_is_tried_again(monkeypatch):
    def silent(*_: object, **__: object) -> None:
        raise TimeoutError("no answer")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", silent)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        land(LandingZone("memory://tocsin"))
