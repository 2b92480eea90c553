"""Whom the Elasticsearch store trusts: a certificate of a named authority, one with a named fingerprint, nobody else."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, StoreRefused
from pipeline.stores.elastic import ElasticStore
from tests.contracts.store.made import ALL, ids
from tests.factories import scored
from tests.node import Node, elasticsearch  # noqa: F401 - a fixture
from tests.proxy import Proxy, proxy_to

KEY = "c2VjcmV0LWtleQ=="


def certificate(folder: Path, name: str) -> Path:
    """A certificate of 127.0.0.1 that vouches for itself, as a cluster makes one when it is set up; its key beside it."""
    made = folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made.with_suffix(".key")), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture
def secured(elasticsearch: Node, ours: Path) -> Iterator[Proxy]:  # noqa: F811
    """The way to a real node over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours, ours.with_suffix(".key"))
    elasticsearch.emptied()
    with proxy_to(elasticsearch.url, tls=context) as proxy:
        yield proxy


def fingerprint(path: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


@pytest.mark.parametrize("by", ["authority", "fingerprint"])
def test_a_cluster_that_is_named_is_trusted(secured: Proxy, elasticsearch: Node, ours: Path, by: str) -> None:  # noqa: F811
    trusted = {"ca": ours} if by == "authority" else {"fingerprint": fingerprint(ours)}
    with closing(ElasticStore(secured.url, prefix=elasticsearch.prefix, api_key=KEY, **trusted)) as store:  # type: ignore[arg-type]
        store.add_mentions([scored("1")], {})
        assert ids(store.search("", ALL)) == ["x:1"]
    assert secured.headers[-1]["authorization"] == f"ApiKey {KEY}"


@pytest.mark.parametrize("by", ["nothing", "another authority", "another fingerprint"])
def test_a_cluster_that_is_not_named_is_told_nothing(secured: Proxy, tmp_path: Path, by: str) -> None:
    another = certificate(tmp_path, "another")
    trusted: dict[str, object] = {
        "nothing": {}, "another authority": {"ca": another}, "another fingerprint": {"fingerprint": fingerprint(another)}
    }[by]  # fmt: skip
    with pytest.raises(StoreRefused, match="certificate is not trusted; set the CA or its fingerprint") as refused:
        ElasticStore(secured.url, prefix="nobody", api_key=KEY, **trusted)  # type: ignore[arg-type]
    assert KEY not in str(refused.value)
    assert secured.seen == []


def test_plain_http_to_another_machine_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigError, match="in the clear; use https"):
        ElasticStore("http://192.0.2.7:9200", api_key=KEY)


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the certificates to trust at .* is not there"):
        ElasticStore("https://127.0.0.1:9200", ca=tmp_path / "gone.pem")
