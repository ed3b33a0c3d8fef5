"""Tests stay on this machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.loopback import OutsideConnectionError

OUTSIDE = ("192.0.2.1", 9)  # TEST-NET-1, RFC 5737


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_an_outside_address_is_refused_before_a_packet_leaves(call: str) -> None:
    with socket.socket() as probe, pytest.raises(OutsideConnectionError):
        getattr(probe, call)(OUTSIDE)


def test_a_datagram_to_the_outside_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe, pytest.raises(OutsideConnectionError):
        probe.sendto(b"x", OUTSIDE)


def test_an_outside_name_is_refused_unresolved() -> None:
    with socket.socket() as probe, pytest.raises(OutsideConnectionError):
        probe.connect(("registry.invalid", 443))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection((host, server.getsockname()[1]), timeout=10) as client:
        accepted, peer = server.accept()
        accepted.close()
        assert peer == client.getsockname()


def test_unix_sockets_are_open(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))
