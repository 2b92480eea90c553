"""The roles of docker/elasticsearch/roles.json: each key may do its own work and nothing else.

Needs a node with security: SECURED_ELASTICSEARCH=http://elastic:PASSWORD@127.0.0.1:PORT (what it holds is removed).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.domain import Event, Resolution
from pipeline.errors import TocsinError
from pipeline.ports import Store
from tests import REPOSITORY
from tests.contracts.store.made import ALL, ago, ahead, batch, cursor, dead_letter, gap, ids, notice, ticket
from tests.factories import NOW, incident, scored

ADDRESS = os.environ.get("SECURED_ELASTICSEARCH", "")
pytestmark = pytest.mark.skipif(not ADDRESS, reason="no node with security: set SECURED_ELASTICSEARCH")

ROLES = ("collect", "triage", "pages", "admin")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key for each role, made as an administrator makes them."""
    folder = tmp_path_factory.mktemp("keys")
    parts = urlsplit(ADDRESS)
    password = folder / "password"
    password.write_text(parts.password or "", encoding="utf-8")
    url = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    subprocess.run(
        [sys.executable, "docker/elasticsearch/keys.py", url, "-", str(password), str(folder)],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    return folder


def opened(keys: Path, role: str) -> Store:
    from pipeline.stores.elastic import ElasticStore

    parts = urlsplit(ADDRESS)
    key = (keys / f"elasticsearch_{role}").read_text(encoding="ascii")
    return ElasticStore(f"{parts.scheme}://{parts.hostname}:{parts.port}", prefix="tocsin", api_key=key)


@pytest.fixture
def stores(keys: Path) -> Iterator[Callable[[str], Store]]:
    """A store for each role over one set of indices that holds a mention and its ticket."""
    _remove_indices()
    held = {"admin": opened(keys, "admin")}
    held["admin"].migrate()
    held["admin"].add_mentions([scored("1")], {})
    held["admin"].save_tickets([ticket("1")])

    def store(role: str) -> Store:
        if role not in held:
            held[role] = opened(keys, role)
        return held[role]

    yield store
    for each in held.values():
        each.close()


def _remove_indices() -> None:
    for index in _ask("GET", "tocsin-*/_alias"):
        _ask("DELETE", index)


def _ask(method: str, path: str) -> Any:
    parts = urlsplit(ADDRESS)
    login = b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    request = urllib.request.Request(
        f"{parts.scheme}://{parts.hostname}:{parts.port}/{path}", method=method,
        headers={"authorization": f"Basic {login}"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def refused(act: Callable[[], object]) -> None:
    with pytest.raises(TocsinError, match="is unauthorized for API key"):
        act()


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_open_the_store(stores: Callable[[str], Store], role: str) -> None:
    assert stores(role).outdated() == []


def test_collect_creates_mentions_and_neither_changes_them_nor_reads_tickets(stores: Callable[[str], Store]) -> None:
    store = stores("collect")
    store.save_progress(cursor(watermark="7"), gaps=[gap()], batch=batch())
    assert ids(store.pending_batches()) == ["b1"]
    assert store.known(["x:1", "x:2"]) == {"x:1"}
    refused(lambda: store.load([scored("1", "changed")], sketches={}))
    refused(lambda: store.tickets(["x:1"]))
    refused(lambda: store.queue(NOW, ALL))  # an empty queue would be a lie
    refused(lambda: store.queue_counts(NOW, ALL))
    refused(store.notices)
    refused(lambda: store.claim("x:1", "Ana", until=ahead(9), now=NOW))
    refused(lambda: store.save_tickets([ticket("2")]))
    refused(lambda: store.save_incident(incident()))
    assert (
        stores("admin").mention("x:1") == scored("1") or stores("admin").mention("x:1").mention == scored("1").mention
    )


def test_triage_does_everything_from_a_batch_to_a_notice(stores: Callable[[str], Store]) -> None:
    store = stores("triage")
    store.save_progress(cursor(), batch=batch())
    assert store.add_mentions([scored("2"), scored("old", posted_at=ago(90 * 24 * 60))], {}) == ["x:2", "x:old"]
    store.move_conversation("x:2", "x:root")
    store.save_tickets([ticket("2")])
    store.batch_triaged(batch(triaged_at=NOW), dead_letters=[dead_letter()])
    store.save_incident(incident())
    assert store.add_notice(notice())
    taken = store.take_notice(notice(), retry_at=ahead(1))
    assert taken is not None
    store.save_notice(taken)
    assert [month.mentions for month in store.forget(ago(40 * 24 * 60).replace(day=1, hour=0, minute=0))] == [1]
    assert store.check() == []
    refused(store.migrate)


def test_pages_let_people_work_and_change_no_post(stores: Callable[[str], Store]) -> None:
    store = stores("pages")
    assert ids(store.queue(NOW, ALL)) == ["x:1"]
    assert ids(store.search("brightly", ALL)) == ["x:1"]
    store.claim("x:1", "Ana", until=ahead(9), now=NOW)
    store.resolve("x:1", "Ana", Resolution.NOT_OURS, now=NOW)
    done = store.events("x:1")[-1]
    assert isinstance(done, Event)
    store.undo(done.id, "Ana", now=NOW)
    stores("admin").save_incident(incident())
    store.save_incident(store.incident(incident().id))
    assert (store.notices(), store.coverage(NOW)) == ([], [])
    assert store.check() == []
    assert store.change_count() > 0
    refused(lambda: store.add_mentions([scored("3")], {}))
    refused(lambda: store.load([scored("1", "changed")], sketches={}))
    refused(lambda: store.move_conversation("x:1", "x:2"))
    refused(lambda: store.save_progress(cursor()))
    refused(lambda: store.add_notice(notice()))
    refused(store.migrate)
