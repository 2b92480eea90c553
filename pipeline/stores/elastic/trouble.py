"""What can go wrong with a cluster, in our words: an error that says what to do, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from elasticsearch import ApiError, SerializationError, SSLError, TransportError, UnsupportedProductError

from pipeline.errors import ConfigError, StoreRefused, StoreUnavailable


class NotAllowed(StoreRefused):
    """The key lacks a privilege."""


class Blocked(StoreRefused):
    """An index takes no writes: a migration is about to put another in its place, or somebody must lift the block."""


TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a cluster that is busy, or electing a master: another try may find it well."""

_PORTS = {"http": 9200, "https": 443}


def ours(error: ApiError | TransportError, name: str) -> StoreRefused | StoreUnavailable:
    """The client's error as ours; ``name`` is the cluster's address."""
    if isinstance(error, UnsupportedProductError):
        return StoreRefused(f"{name} is no Elasticsearch; name one of version 9 for the store")
    if isinstance(error, ApiError):
        body = error.body if isinstance(error.body, Mapping) else {}
        told = body.get("error")
        return refusal(
            "the request", error.status_code, told if isinstance(told, Mapping) else {"reason": error.message}, name
        )
    if isinstance(error, SSLError):
        return StoreRefused(
            f"Elasticsearch at {name}: its certificate is not trusted; set the CA or its fingerprint ({_short(error.message)})"
        )
    if isinstance(error, SerializationError):
        return StoreUnavailable(f"Elasticsearch at {name} gave half an answer; try again")
    return StoreUnavailable(f"Elasticsearch at {name} cannot be reached: {_short(error.message)}; try again")


def refusal(what: str, status: int, error: Mapping[str, Any], name: str) -> StoreRefused | StoreUnavailable:
    """What the cluster says of a request or one item of it, as ours."""
    kind, reason = str(error.get("type", "")), _short(_cause(error))
    where = f"Elasticsearch at {name}"
    if kind == "cluster_block_exception" and status == 429:
        return StoreUnavailable(
            f"{where} is short of disk and takes no writes; free some space or add a node ({reason})"
        )
    if kind == "cluster_block_exception":
        return Blocked(
            f"{where} takes no writes; run `tocsin store migrate` if a migration was interrupted, else find out who blocked"
            f" it and lift the block ({reason})"
        )
    if status in {401, 403} or kind == "security_exception":  # of one document of several, no status is told
        return NotAllowed(f"{where} does not let this key do so; give it the privileges it needs ({reason})")
    if kind == "media_type_header_exception":
        return StoreRefused(f"{where} is older than version 9; upgrade it ({reason})")
    if status in TRANSIENT:
        return StoreUnavailable(f"{where} is busy ({status}: {reason}); try again")
    return StoreRefused(f"{where} refuses {_short(what)} ({status}: {reason}); run `tocsin store check`")


def gone(what: str, error: Mapping[str, Any], name: str) -> StoreUnavailable:
    """An index that was removed while it was asked: another has its name now."""
    return StoreUnavailable(
        f"Elasticsearch at {name} has just replaced what {what} asked ({_short(_cause(error))}); try again"
    )


def checked(host: str, *, allow_plain: bool) -> str:
    """An address with its port; raises ``ConfigError`` for one that would give the key or the posts away."""
    unusable = ConfigError(f"{_public(host)!r} is no address of Elasticsearch; use https://HOST:9200")
    try:
        parts = urlsplit(host)
        named = parts.port
    except ValueError:
        raise unusable from None  # which may quote a part of a password
    if parts.scheme not in _PORTS or not parts.hostname:
        raise unusable
    if parts.username or parts.password:
        raise ConfigError(
            f"the address of {parts.hostname} holds a password; leave it out and set the secret elasticsearch_api_key"
        )
    if parts.scheme == "http" and not allow_plain and not _is_loopback(parts.hostname):
        raise ConfigError(f"http to {parts.hostname} would send the key and every post in the clear; use https")
    port = "" if named else f":{_PORTS[parts.scheme]}"
    return f"{parts.scheme}://{parts.netloc}{port}{parts.path}"


def _public(address: str) -> str:
    """An address that cannot be used, without a name and a password that it may hold."""
    return address.rpartition("@")[2]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cause(error: Mapping[str, Any]) -> str:
    """The reason that says most: the innermost."""
    cause = error
    while isinstance(inner := cause.get("caused_by") or next(iter(cause.get("root_cause") or ()), None), Mapping):
        if inner.get("reason") is None and inner.get("caused_by") is None:
            break
        cause = inner
    return str(cause.get("reason") or cause.get("type") or "no reason given")


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
