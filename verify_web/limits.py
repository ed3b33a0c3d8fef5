"""Limits on typed look-ups, by network and by identifier, with decay (design, section 6).

Leaky buckets: each attempt adds to two of them and time drains them, so there is no lock to wait out and
nothing to reset. The store is shared by all processes of the site. Scans are never limited: their ids
cannot be guessed.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from verify_web.store import Store


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` attempts at once; one more becomes free every `seconds_each`."""

    burst: int
    seconds_each: float

    @property
    def size(self) -> float:
        return self.burst * self.seconds_each


NETWORK = Rate(burst=10, seconds_each=6.0)  # ten a minute from one network
IDENTIFIER = Rate(burst=5, seconds_each=720.0)  # five failures an hour for one licence: 4e-8 hits a year


def network_of(address: str | None) -> str:
    """The network an attempt is counted for: IPv4 /24, IPv6 /56; whatever else shares one bucket."""
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 56}", strict=False))


@dataclass(frozen=True, slots=True)
class TypedLimits:
    """Counts typed look-ups in `store`."""

    store: Store
    network: Rate = NETWORK
    identifier: Rate = IDENTIFIER

    def enter(self, address: str | None, identifier: str) -> bool:
        """Count an attempt; False when it is one too many. The same statements run either way.

        A network that has used up its own share adds nothing to the licence's bucket: it cannot close
        a licence for others.
        """
        network_key = self.store.keyed_hash("network", network_of(address))
        identifier_key = self.store.keyed_hash("identifier", identifier)
        with self.store.begin() as connection:
            self.store.forget_empty(connection)
            welcome = self.store.pour(connection, network_key, self.network.seconds_each, self.network.size)
            cost = self.identifier.seconds_each if welcome else 0.0
            free = self.store.pour(connection, identifier_key, cost, self.identifier.size)
        return welcome and free

    def matched(self, identifier: str) -> None:
        """An attempt that found its licence is no failure: it does not count against the licence."""
        key = self.store.keyed_hash("identifier", identifier)
        with self.store.begin() as connection:
            self.store.give_back(connection, key, self.identifier.seconds_each)
