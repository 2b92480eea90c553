"""Backups: snapshots in a repository that an administrator has registered, and their way back."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from pipeline.errors import ConfigError, StoreRefused, StoreUnavailable
from pipeline.stores.elastic.archive import copy_all
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.events import History
from pipeline.stores.elastic.indices import NOUNS, VERSION, aliases_of, indices
from pipeline.stores.elastic.progress import empty_outboxes
from pipeline.stores.elastic.wire import Document, packed

_LOOK = 1.0  # seconds between two looks at work that takes minutes
_PATIENCE = 6 * 3600.0  # seconds a backup or a restore may take: a terabyte takes some

_KEPT = [
    noun for noun in NOUNS if noun != "changes"
]  # the count of changes goes on: pages that are open compare with it


class ElasticBackups:
    """``ports.Backups`` in Elasticsearch; ``where`` is 'repository/snapshot'."""

    _connection: Connection

    def backup(self, where: str, *, overwrite: bool = False) -> None:
        """Keep each index as it is at one moment while others write, and see that all of it was kept."""
        repository, snapshot = _named(where)
        there = self._snapshot(repository, snapshot)
        if there is not None and not overwrite:
            raise StoreRefused(f"{where} is there already; name another snapshot, or overwrite it")
        path = f"/_snapshot/{repository}/{snapshot}"
        if there is not None:
            self._connection.request("DELETE", path, missing={})
        names = [name for noun in _KEPT for name in indices(self._connection, noun)]
        body: Document = {"indices": names, "include_global_state": False, "metadata": {"tocsin": VERSION}}
        self._connection.request("PUT", path, packed(body))
        deadline = time.monotonic() + _PATIENCE
        while (found := self._snapshot(repository, snapshot)) is None or found["state"] == "IN_PROGRESS":
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"the backup {where} has not ended after hours; see GET {path}")
            time.sleep(_LOOK)
        if found["state"] != "SUCCESS":
            raise StoreRefused(f"the backup {where} is {found['state']}: {found.get('failures')}; see the node's log")

    def restore(self, where: str, *, overwrite: bool = False) -> None:
        """Put a backup in the place of all that the store holds: restored beside it, then taken over in one step."""
        repository, snapshot = _named(where)
        found = self._snapshot(repository, snapshot)
        if found is None:
            raise StoreRefused(f"there is no backup {where}")
        version = found.get("metadata", {}).get("tocsin")
        if found["state"] != "SUCCESS" or not isinstance(version, int):
            raise StoreRefused(f"{where} is no whole backup of a store ({found['state']}); take another")
        if version > VERSION:
            raise StoreRefused(
                f"{where} has version {version}, this Tocsin knows {VERSION}; install the newer Tocsin first"
            )
        old = [name for noun in _KEPT for name in indices(self._connection, noun)]
        if not overwrite and self._hold_anything(old):
            raise StoreRefused(
                f"the store {self._connection.name} is not empty; overwrite it, or restore to another prefix"
            )
        new = self._restored(f"/_snapshot/{repository}/{snapshot}", found["indices"])
        actions: list[Document] = [{"remove_index": {"index": name}} for name in old]
        for name, alias in new.items():
            actions += [{"add": {"index": name, "alias": each}} for each in aliases_of(self._connection, alias)]
        self._connection.request("POST", "/_aliases", packed({"actions": actions}))
        # Each index is of its own moment: what one carries for another may not have been there yet.
        copy_all(History(self._connection))
        empty_outboxes(self._connection)
        self._connection.bump()

    def _restored(self, path: str, names: list[str]) -> dict[str, str]:
        """The indices of a snapshot, restored under names of their own; the alias of each."""
        run = f"r{secrets.token_hex(4)}"
        new: dict[str, str] = {}
        for name in names:
            noun = re.fullmatch(rf".+-((?:{'|'.join(NOUNS)})(?:-\d{{4}}\.\d\d)?)-\w+", name)
            if noun is None:
                raise StoreRefused(f"the snapshot holds an index {name}, which is none of a store")
            new[f"{self._connection.index(noun[1])}-{run}"] = self._connection.index(noun[1])
            body: Document = {
                "indices": [name], "include_global_state": False, "include_aliases": False,
                "rename_pattern": "^.*$", "rename_replacement": f"{self._connection.index(noun[1])}-{run}",
            }  # fmt: skip
            self._connection.request("POST", f"{path}/_restore", packed(body), params={"wait_for_completion": "false"})
        self._wait(list(new))
        return new

    def _wait(self, names: list[str]) -> None:
        deadline = time.monotonic() + _PATIENCE
        params = {"wait_for_status": "yellow", "timeout": "10s"}
        while names:
            try:
                health = self._connection.request("GET", f"/_cluster/health/{','.join(names)}", params=params)
            except StoreUnavailable:  # 408: not yet
                health = {"timed_out": True}
            if not health["timed_out"]:
                return
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"the restore has not ended after hours; see GET /{names[0]}/_recovery")
            time.sleep(_LOOK)

    def _hold_anything(self, names: list[str]) -> bool:
        return bool(names) and self._connection.request("GET", f"/{','.join(names)}/_count")["count"] > 0

    def _snapshot(self, repository: str, snapshot: str) -> dict[str, Any] | None:
        answer = self._connection.request("GET", f"/_snapshot/{repository}/{snapshot}", missing={})
        if not answer and not self._connection.request("GET", f"/_snapshot/{repository}", missing={}):
            raise StoreRefused(
                f"there is no snapshot repository {repository}; an administrator registers one (PUT _snapshot/{repository})"
            )
        found: list[dict[str, Any]] = answer.get("snapshots", [])
        return found[0] if found else None


def _named(where: str) -> tuple[str, str]:
    found = re.fullmatch(r"([a-z0-9_.-]+)/([a-z0-9_.-]+)", where)
    if found is None:
        raise ConfigError(f"{where!r} is no backup of Elasticsearch: use REPOSITORY/SNAPSHOT, both in lower case")
    return found[1], found[2]
