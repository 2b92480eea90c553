"""Where messages may go, and that what was checked is what is connected to."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import timedelta

import httpx
import pytest

from pipeline.errors import ChannelRefused, ChannelUnavailable, ConfigError
from pipeline.notifiers.addresses import checked, is_public
from pipeline.notifiers.posting import Post
from tests.factories import NOW

PRIVATE = (
    "127.0.0.1", "10.0.0.8", "172.16.3.4", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
    "not an address", "",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_in_every_spelling_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_addresses_of_the_open_network_are_public(address: str) -> None:
    assert is_public(address)


def test_a_host_is_refused_when_any_of_its_addresses_is_private() -> None:
    with pytest.raises(ChannelRefused, match="allow_private"):
        checked("example.com", 443, channel="ops", resolve=lambda *_: ["93.184.216.34", "10.0.0.1"])


def test_a_host_without_an_address_is_tried_again_later() -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(f"{host} is unknown")

    for resolve in (unknown, lambda *_: []):
        with pytest.raises(ChannelUnavailable, match="cannot be resolved"):
            checked("example.com", 443, channel="ops", resolve=resolve)


class Asked(httpx.AsyncBaseTransport):
    """The network: answers as it is told, and keeps where each request went."""

    def __init__(self, *answers: int | Exception, headers: dict[str, str] | None = None) -> None:
        self.answers, self.headers = [*answers], headers or {}
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, headers=self.headers)


def post(network: Asked, *addresses: Sequence[str], url: str = "https://hooks.example.com/T0K3N?key=s3cret") -> Post:
    """To a host that resolves otherwise each time it is asked."""
    answers = iter(addresses)
    return Post(channel="ops", url=url, timeout=5, resolve=lambda *_: next(answers), transport=network)


def test_what_was_checked_is_what_is_connected_to_and_the_name_is_asked_for_once() -> None:
    network = Asked(204)
    post(network, ["93.184.216.34"], ["127.0.0.1"]).send("{}", {"x": "y"}, now=NOW)
    (request,) = network.requests
    assert str(request.url) == "https://93.184.216.34/T0K3N?key=s3cret"
    assert request.headers["host"] == "hooks.example.com"
    assert request.extensions["sni_hostname"] == "hooks.example.com"  # whose certificate is asked for


def test_another_address_of_the_host_is_tried_when_one_cannot_be_reached() -> None:
    network = Asked(httpx.ConnectError("unreachable"), 204)
    post(network, ["2606:2800:220:1::1", "93.184.216.34"]).send("{}", {}, now=NOW)
    assert [request.url.host for request in network.requests] == ["2606:2800:220:1::1", "93.184.216.34"]


def test_a_request_that_may_have_arrived_is_not_sent_to_another_address() -> None:
    network = Asked(httpx.ReadError("cut"), 204)
    with pytest.raises(ChannelUnavailable, match="ReadError"):
        post(network, ["93.184.216.34", "93.184.216.35"]).send("{}", {}, now=NOW)
    assert len(network.requests) == 1


@pytest.mark.parametrize("status", range(300, 400, 7))
def test_no_redirect_is_followed(status: int) -> None:
    network = Asked(status, headers={"location": "http://169.254.169.254/latest"})
    with pytest.raises((ChannelRefused, ChannelUnavailable)):
        post(network, ["93.184.216.34"]).send("{}", {}, now=NOW)
    assert len(network.requests) == 1


@pytest.mark.parametrize("status", [*range(200, 227), *range(300, 309), *range(400, 452), *range(500, 512), 599, 999])
def test_every_answer_is_delivered_refused_or_tried_again_and_shows_no_secret(status: int) -> None:
    network = Asked(status, headers={"location": "https://hooks.example.com/", "retry-after": "60"})
    if 200 <= status < 300:
        post(network, ["93.184.216.34"]).send("{}", {}, now=NOW)
        return
    with pytest.raises((ChannelRefused, ChannelUnavailable), match=str(status)) as caught:
        post(network, ["93.184.216.34"]).send("{}", {}, now=NOW)
    assert "T0K3N" not in f"{caught.value!r}"
    assert "s3cret" not in f"{caught.value!r}"
    if isinstance(caught.value, ChannelUnavailable):
        assert caught.value.retry_at == NOW + timedelta(minutes=1)


def test_a_name_and_a_password_in_an_address_are_sent_and_not_shown() -> None:
    network = Asked(204)
    to = post(network, ["93.184.216.34"], url="https://ana:s3cret@hooks.example.com:8443/x")
    to.send("{}", {}, now=NOW)
    assert network.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"ana:s3cret").decode()
    assert network.requests[0].headers["host"] == "hooks.example.com:8443"
    assert "s3cret" not in repr(to)


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com", "http://", "file:///etc/passwd", "https://[::1"])
def test_what_is_no_http_address_is_refused_at_the_start_without_being_quoted(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Post(channel="ops", url=f"{url}?s3cret", timeout=5)
    assert "s3cret" not in str(caught.value)
