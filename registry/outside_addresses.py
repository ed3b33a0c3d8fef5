"""Which addresses may be called on somebody else's word: public ones, and networks that an operator permits.

A name is resolved once, each of its addresses is judged, and the connection is made to an address that was
judged, never to the name: what a name leads to a moment later does not count.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence

from keys.errors import Kind, VermilionError
from registry.outside_http import Reach

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
Resolve = Callable[[str, int], Sequence[str]]
REFUSED = "address_refused"

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "::/96",  # IPv4-compatible (RFC 4291, 2.5.5.1)
            "64:ff9b:1::/48",  # translated by a network's own rules (RFC 8215)
            "2001::/32",  # Teredo
            "fec0::/10",  # site-local (RFC 3879)
        ),
    )
)


def networks(text: str) -> Networks:
    """Networks of a setting, with commas between. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, where it is only another way to write or reach that."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def is_public(address: Address) -> bool:
    """Whether it is somebody's on the internet: not private, loopback, link-local, multicast or reserved."""
    address = plain(address)
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    return address.is_global and not special and not _within(address, _NEVER)


def is_permitted(address: Address, permitted: Networks) -> bool:
    """Whether an operator permits it, public or not."""
    return _within(plain(address), permitted)


def _within(address: Address, among: Networks) -> bool:
    return any(address.version == network.version and address in network for network in among)


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host, as the system finds them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def reacher(permitted: Networks, *, secure: bool, lookup: Resolve = resolve) -> Reach:
    """A way that connects to public addresses alone, and to what is permitted; without
    TLS (`secure`) to the latter alone. One address of a host that may not be called refuses them all.

    It raises VermilionError(FORBIDDEN, reason "address_refused"), OSError.
    """

    def reach(host: str, port: int, timeout: float) -> socket.socket:
        until = time.monotonic() + timeout
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in lookup(host, port)]
        for address in addresses:
            if not (is_permitted(address, permitted) or (secure and is_public(address))):
                raise VermilionError(
                    Kind.FORBIDDEN, "the host leads to an address that may not be called", reason=REFUSED
                )
        failure: OSError = OSError("the host has no address")
        for address in addresses:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the time is over")
            try:
                return socket.create_connection((str(address), port), left)
            except OSError as error:
                failure = error
        raise failure

    return reach
