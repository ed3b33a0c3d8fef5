"""No test talks to the network: connections leave this machine's loopback neither by mistake nor by default."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any


class OutsideConnectionError(AssertionError):
    """A test tried to reach beyond loopback and Unix sockets."""


def is_inside(family: int, address: Any) -> bool:
    """True for a Unix socket and for a loopback address, given as number or as `localhost`."""
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    host = str(address[0]).partition("%")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _guard(name: str) -> None:
    plain = getattr(socket.socket, name)

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        address = arguments[-1]
        if arguments and not is_inside(self.family, address):
            raise OutsideConnectionError(f"{name} to {address!r}: tests stay on loopback")
        return plain(self, *arguments)

    setattr(socket.socket, name, guarded)


def pytest_configure() -> None:
    if not hasattr(socket.socket.connect, "__wrapped_by_tests__"):
        for name in ("connect", "connect_ex", "sendto"):
            _guard(name)
        socket.socket.connect.__wrapped_by_tests__ = True  # type: ignore[attr-defined]
