"""From which network a request comes, and how much one network may ask of a process."""

from __future__ import annotations

import ipaddress
import re
import threading
from collections import OrderedDict
from collections.abc import Callable

_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


def network_of(address: str | None) -> str:
    """The network an attempt is counted for: IPv4 /24, IPv6 /56; whatever else shares one bucket.

    Some proxies write a port behind the address, and brackets around one of IPv6.
    """
    plain = address or ""
    if (written := _PORT.fullmatch(plain)) is not None:
        plain = written[1] or written[2]
    try:
        ip = ipaddress.ip_address(plain.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 56}", strict=False))


class NetworkBuckets:
    """Leaky buckets, one a network, in this process's memory: `per_minute` at once, and as many a minute
    after that. Of many networks those longest silent are forgotten. Safe between threads.
    """

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float], most: int = 10_000) -> None:
        self._size = 60.0
        self._each = self._size / per_minute
        self._monotonic = monotonic
        self._most = most
        self._lock = threading.Lock()
        self._full_until: OrderedDict[str, float] = OrderedDict()  # when the bucket will have drained

    def enter(self, network: str) -> int:
        """Count an attempt; 0, or after how many seconds there is room for it."""
        with self._lock:
            now = self._monotonic()
            drained = max(self._full_until.get(network, now), now) + self._each
            if drained - now > self._size:
                return max(1, round(drained - now - self._size))
            self._full_until[network] = drained
            self._full_until.move_to_end(network)
            while len(self._full_until) > self._most:
                self._full_until.popitem(last=False)
            return 0
