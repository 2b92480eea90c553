"""What is wrong with the cluster and the indices, each with its next step."""

from __future__ import annotations

import time

from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.indices import NOUNS, indices, mapping, missing
from pipeline.stores.elastic.remaking import outstanding
from pipeline.stores.elastic.wire import Document

_LOOKS, _LOOK = 6, 0.5  # seconds between two looks at shards that have no node
_FULL = 85.0  # per cent of a disk: at 85 Elasticsearch places no further shards there, at 95 it stops writes


def check(connection: Connection) -> list[str]:
    """What is wrong with the cluster and the indices, each with its next step."""
    wrong: list[str] = []
    health = _settled(connection)
    if health["status"] == "red" or health["unassigned_shards"]:
        wrong.append(
            f"shards without a node: {health['unassigned_shards']} (the cluster is {health['status']}); bring the missing"
            " node back, or ask GET _cluster/allocation/explain why"
        )
    nodes = connection.request("GET", "/_nodes/stats/fs", params={"filter_path": "nodes.*.name,nodes.*.fs.total"})
    for node in nodes["nodes"].values():
        disk = node["fs"]["total"]
        used = 100 * (1 - disk["available_in_bytes"] / disk["total_in_bytes"])
        if used > _FULL:
            wrong.append(f"the disk of node {node['name']} is {used:.0f} % full; free some space or add a node")
    there = {name: (noun, found) for noun in NOUNS for name, found in indices(connection, noun).items()}
    for name, (noun, found) in there.items():
        wrong += _drift(name, found["mappings"], mapping(noun))
    wrong += [f"{each}; run `tocsin store migrate`" for each in outstanding(connection)]
    wrong += [
        f"the index {each} is gone; restore a backup (`tocsin store restore`), or begin an empty one"
        " (`tocsin store migrate`)"
        for each in missing(connection)
    ]
    settings_of = (
        connection.request("GET", f"/{','.join(there)}/_settings", params={"flat_settings": "true"}) if there else {}
    )
    for name, settings in settings_of.items():
        blocks = [each for each, value in settings["settings"].items() if ".blocks." in each and value == "true"]
        wrong += [f"index {name} has {each} set; find out why, then set it to null" for each in blocks]
    return wrong


def _drift(name: str, there: Document, ours: Document) -> list[str]:
    """How the mapping of an index differs from what this version writes."""
    version, wanted = there.get("_meta", {}).get("version"), ours["_meta"]["version"]
    if version != wanted or there.get("dynamic") != "strict":
        return [f"index {name} has mappings of version {version}, not {wanted}; run `tocsin store migrate`"]
    missing = sorted(set(ours["properties"]) - set(there.get("properties", {})))
    if missing:
        return [f"index {name} lacks the fields {', '.join(missing)}; run `tocsin store migrate`"]
    return []


def _settled(connection: Connection) -> Document:
    """How our indices are; one that was made a moment ago has no node yet."""
    for _ in range(_LOOKS):
        health = connection.request("GET", f"/_cluster/health/{connection.prefix}-*")
        if not health["unassigned_shards"]:
            break
        time.sleep(_LOOK)
    return health
