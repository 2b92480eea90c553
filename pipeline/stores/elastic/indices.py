"""The indices: what each holds and how it is searched, kept as composable templates, so that a new month has them too.

Every mapping is strict: a document with a field that is not named here is refused, never guessed at. What is read and
written are aliases, one an index, so that a restored index can take the place of another in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pipeline.errors import StoreRefused
from pipeline.stores.elastic.connection import Connection
from pipeline.stores.elastic.labels import LABELS
from pipeline.stores.elastic.trouble import NotAllowed
from pipeline.stores.elastic.wire import Document, packed

VERSION = 2
"""Of the mappings. A version may add fields to the one before it; what is there keeps its meaning."""

LAYOUTS: dict[str, int] = {}
"""By noun, the layout of its documents where it is not the first. One that is raised has them made again by a migration:
what is found by has changed (other stems, say), or a field that older documents lack is asked for."""

_KEYWORD: Document = {"type": "keyword"}  # looked for, sorted and counted
_FOUND: Document = {"type": "keyword", "doc_values": False}  # looked for only
_NUMBER: Document = {"type": "long"}
_TIME = _NUMBER  # microseconds since 1970: Elasticsearch's own dates are too coarse, or end in 2262
_SHARE: Document = {"type": "double"}
_FLAG: Document = {"type": "boolean"}
_KEPT: Document = {"type": "object", "enabled": False}  # of any shape, given back as it came

_SETTINGS: Document = {
    "number_of_shards": 1,  # a month of a busy brand is a few million posts, a shard takes tens of millions
    "auto_expand_replicas": "0-1",
    "refresh_interval": "1s",  # said, so that an index nobody searches is not left behind
}


def _kept(*names: str) -> Document:
    return dict.fromkeys(names, _KEPT)


_MENTIONS: Document = {
    "id": {"type": "keyword", "index": False},  # for its order: it is found as the document's own id
    **dict.fromkeys(("source", "query", "brand", "language", "category", "sentiment", "urgency"), _KEYWORD),
    "author": {"properties": {"id": _KEYWORD, **_kept("handle", "name", "followers", "verified")}},
    "conversation": _KEYWORD,
    "fold": _KEYWORD,
    "posted_at": _TIME, "collected_at": _TIME, "lag": _NUMBER,
    "own": _FLAG, "tagged": _FLAG, "grave": _FLAG, "crisis": _SHARE,
    "stems": _FOUND,
    "folded": {"type": "text", "analyzer": "whitespace", "norms": False},
    "bands": _FOUND,
    **_kept("text", "url", "in_reply_to", "repost_of", "likes", "reposts", "replies", "score", "whole"),
}  # fmt: skip

_TICKETS: Document = {
    "id": _KEYWORD,
    **dict.fromkeys(("brand", "source", "language", "category", "urgent", "lane", "claimed_by", "team", "merged_into", "unsettled"), _KEYWORD),
    **dict.fromkeys(
        ("due_at", "respond_by", "costly", "early", "waiting_since", "resolved_at", "claimed_until", "outbox_ids"),
        _NUMBER,
    ),
    "was": _FOUND, "moving_to": _FOUND,
    **_kept(
        "query", "mention", "author", "urgency", "sentiment", "crisis", "rank", "opened_at", "last_at", "responded_at",
        "answered_at", "resolution", "reopened_at", "posts", "people", "folded", "version", "heard_at", "outbox", "move", "joined", "merged", "merged_at",
    ),
}  # fmt: skip

_EVENTS: Document = {
    "id": _NUMBER, "subject": _KEYWORD, "at": _TIME, "kind": _KEYWORD, "actor": _KEYWORD,
    "undoes": _NUMBER, "loser": _FOUND,
    **_kept("note", "before", "undone"),
}  # fmt: skip

_INCIDENTS: Document = {
    "id": _KEYWORD, "brand": _KEYWORD, "cause": _KEYWORD, "severity": _NUMBER,
    "opened_at": _TIME, "last_at": _TIME, "closed_at": _TIME,
    **_kept("title", "rule", "parts", "mentions", "posts", "people", "acknowledged_by", "acknowledged_at", "version", "outbox"),
    **_kept("finding", "explained", "earlier"),
}  # fmt: skip

_NOTICES: Document = {
    "id": _KEYWORD, "group": _KEYWORD, "channel": _KEYWORD,
    "created_at": _TIME, "sent_at": _TIME, "failed_at": _TIME, "retry_at": _TIME,
    **_kept("reason", "subject", "body", "severity", "attempts", "error", "person", "step"),
}  # fmt: skip

_PROGRESS: Document = {
    "kind": _KEYWORD,  # cursor, gap, batch or (dead) letter
    "batch": _FOUND, "id": _KEYWORD, "source": _KEYWORD, "query": _KEYWORD,
    "opened_at": _TIME, "closed_at": _TIME, "lost_at": _TIME, "landed_at": _TIME, "triaged_at": _TIME, "at": _TIME,
    **_kept(
        "watermark", "watermark_at", "tried_at", "succeeded_at", "error", "retry_at", "calls_left", "calls_reset_at",
        "newer_than", "older_than", "since", "until", "reason", "path", "count", "digest", "kept", "unmatched", "bad",
        "raw", "outbox",
    ),
}  # fmt: skip

_ESCALATION: Document = {
    "kind": _KEYWORD,  # run (of a chain), outage (of a channel) or pulse
    "id": _KEYWORD, "incident": _KEYWORD, "started_at": _TIME, "since": _TIME, "at": _TIME,
    **_kept("chain", "error"),
}  # fmt: skip

NOUNS: dict[str, Document] = {
    "mentions": _MENTIONS,
    "tickets": _TICKETS,
    "events": _EVENTS,
    "labels": LABELS,
    "incidents": _INCIDENTS,
    "causes": {"incident": _KEPT},  # which incident of a brand and cause is open
    "notices": _NOTICES,
    "escalation": _ESCALATION,
    "progress": _PROGRESS,
    "changes": {},
}
"""The fields of each index."""


def month_of(connection: Connection, posted_at: datetime) -> str:
    """The alias of a mention's index: when it was posted never changes, so neither does where it lies."""
    return connection.index(f"mentions-{posted_at:%Y.%m}")


def layout(noun: str) -> int:
    """The layout in which documents of a noun are made now."""
    return LAYOUTS.get(noun, 1)


def mapping(noun: str, *, made: int | None = None) -> Document:
    """The strict mapping of one noun, with its version and the layout in which its documents are made."""
    source: Document = {"_source": {"excludes": ["stems", "folded"]}} if noun == "mentions" else {}
    properties = {**NOUNS[noun], "write": _KEPT}
    meta = {"version": VERSION, "layout": made or layout(noun)}
    return {"dynamic": "strict", "_meta": meta, "properties": properties, **source}


def template(prefix: str, noun: str) -> Document:
    """The composable template of one noun."""
    return {
        "index_patterns": [f"{prefix}-{noun}-*"],
        "composed_of": [f"{prefix}-settings"],
        "priority": 200,
        "template": {"mappings": mapping(noun)},
        "_meta": {"version": VERSION},
    }


def aliases_of(connection: Connection, alias: str) -> list[str]:
    """The aliases of an index: its own, and that of all mentions."""
    mentions = connection.index("mentions")
    return [alias, mentions] if alias.startswith(f"{mentions}-") else [alias]


def make(connection: Connection, aliases: Iterable[str]) -> None:
    """Make the indices of these aliases, where they are not there yet; several processes may do so at once."""
    wanted = sorted(set(aliases))
    if not wanted:
        return
    for alias in _without_index(connection, wanted):
        body: Document = {"aliases": {each: {} for each in aliases_of(connection, alias)}}
        connection.request("PUT", f"/{alias}-{layout(_noun(connection, alias))}", packed(body), present={})


def _without_index(connection: Connection, aliases: Sequence[str]) -> list[str]:
    """Those of the aliases that no index has."""
    there = connection.request("GET", f"/{','.join(aliases)}/_alias", params={"ignore_unavailable": "true"}, missing={})
    known = {alias for each in there.values() for alias in each["aliases"]}
    return [alias for alias in aliases if alias not in known]


def outdated(connection: Connection) -> list[str]:
    """What ``install`` would change, a line each; raises ``StoreRefused`` for indices of a newer version.

    A key that may not read templates is believed to meet indices that another has made.
    """
    try:
        answer = connection.request("GET", f"/_index_template/{connection.prefix}-*", missing={"index_templates": []})
    except NotAllowed:
        return []
    versions = {each["name"]: _version(each["index_template"]) for each in answer["index_templates"]}
    found = {noun: versions.get(connection.index(noun), 0) for noun in NOUNS}
    if (newest := max(found.values())) > VERSION:
        raise StoreRefused(
            f"the indices {connection.prefix}-* at {connection.name} have version {newest}, this Tocsin knows {VERSION};"
            " install the newer Tocsin again, or name another prefix"
        )
    steps = [
        f"the template of {noun}: version {version} to {VERSION}" if version else f"the template of {noun} is new"
        for noun, version in found.items()
        if version != VERSION
    ]
    return steps or [f"the index {each} is gone: an empty one" for each in missing(connection)]


def missing(connection: Connection) -> list[str]:
    """The indices that every store has and this one has not; a month of mentions comes with its first post."""
    return _without_index(connection, [connection.index(noun) for noun in NOUNS if noun != "mentions"])


def install(connection: Connection) -> None:
    """Bring templates and indices to this version; may be interrupted and called again, by several at once."""
    settings = packed({"template": {"settings": _SETTINGS}})
    connection.request("PUT", f"/_component_template/{connection.prefix}-settings", settings)
    for noun in NOUNS:
        for name, found in indices(connection, noun).items():
            made = int(found["mappings"].get("_meta", {}).get("layout", 1))
            connection.request("PUT", f"/{name}/_mapping", packed(mapping(noun, made=made)))
    for noun in reversed(NOUNS):  # that of mentions last: who finds it takes everything else to be done
        connection.request(
            "PUT", f"/_index_template/{connection.index(noun)}", packed(template(connection.prefix, noun))
        )
        if noun != "mentions":
            make(connection, [connection.index(noun)])


def indices(connection: Connection, noun: str) -> Document:
    """The indices of one noun that are in use, with their mappings; a copy that is being made has no alias yet."""
    wanted = {"features": "aliases,mappings"}
    found = connection.request("GET", f"/{connection.index(noun)}-*", params=wanted, missing={})
    return {name: each for name, each in found.items() if each["aliases"]}


def _noun(connection: Connection, alias: str) -> str:
    return alias.removeprefix(connection.index("")).partition("-")[0]


def _version(index_template: Document) -> int:
    return int(index_template.get("_meta", {}).get("version", 0))
