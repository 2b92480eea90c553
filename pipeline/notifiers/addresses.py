"""Where messages may go: to public addresses, unless the settings allow private ones.

A name is resolved once and what was checked is what is connected to: a name whose answer changes between the two (DNS
rebinding) leads nowhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from pipeline.errors import ChannelRefused, ChannelUnavailable

Resolve = Callable[[str, int], Sequence[str]]
"""From a host's name and a port to its addresses; raises ``OSError``."""

# IPv6 addresses that lead to an IPv4 address: what counts is where that is.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, each once, as the system orders them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an address is one of the open network; what is no address is not."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def checked(host: str, port: int, *, channel: str, resolve: Resolve = resolved) -> Sequence[str]:
    """The addresses of a host, all of them public; raises ``ChannelRefused`` or ``ChannelUnavailable``."""
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise ChannelUnavailable(f"channel {channel!r}: {host} cannot be resolved") from error
    if not found:
        raise ChannelUnavailable(f"channel {channel!r}: {host} cannot be resolved")
    if not all(map(is_public, found)):
        raise ChannelRefused(
            f"channel {channel!r}: {host} is a private address; set allow_private = true if that is meant"
        )
    return found
