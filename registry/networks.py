"""From which network a request comes."""

from __future__ import annotations

import ipaddress
import re

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
