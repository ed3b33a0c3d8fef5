"""Ports for what a test starts, or for where nobody is to listen."""

from __future__ import annotations

import os
import socket
from itertools import count

FIRST, LAST = 20_000, 32_000
"""Below what the kernel gives by itself to whoever binds to none or connects."""
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_each = (LAST - FIRST) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_next = count(os.getpid() % _each)  # runs beside each other begin elsewhere


def own_port() -> int:
    """A free loopback port that no other worker of this run is given, and this one for thousands of ports not
    again.
    """
    for at in _next:
        port = FIRST + _worker * _each + at % _each
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError
