"""Uploads shown to a scanner for malware, where the registry has one: clamd, by INSTREAM over a socket.

Without a scanner an upload is on record as not scanned. With one, nothing is taken that it has not passed:
that it is out, silent, or says what nobody understands is an outage.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from keys.errors import Kind, VermilionError

if TYPE_CHECKING:
    from registry.settings import Settings

PIECE = 64 * 1024
MAX_SAID = 1024
OUT = "scanner"
_LENGTH = struct.Struct(">I")
_FOUND = re.compile(rb"stream: ([\x21-\x7e]{1,200}) FOUND")
_CLEAN = b"stream: OK"
_ADDRESS = re.compile(r"tcp://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]):(?P<port>[0-9]{1,5})")


class Scan(StrEnum):
    """What is on record of an upload that was taken."""

    NOT_SCANNED = "not_scanned"  # the registry has no scanner
    CLEAN = "clean"
    OWN = "own"  # it was made here


def scan(settings: Settings, data: bytes) -> Scan:
    """Have the bytes scanned. Raises VermilionError: INVALID (`malware`) for what the scanner knows;
    UNAVAILABLE (`scanner`).
    """
    if not settings.malware_scanner:
        return Scan.NOT_SCANNED
    try:
        said = _ask(settings.malware_scanner, data, settings.malware_seconds)
    except OSError as error:
        raise _out() from error
    if said == _CLEAN:
        return Scan.CLEAN
    if (found := _FOUND.fullmatch(said)) is not None:
        raise VermilionError(
            Kind.INVALID, f"the scanner for malware knows it as {found[1].decode('ascii')}", reason="malware"
        )
    raise _out()


def scanner(settings: Settings) -> Callable[[bytes], bool] | None:
    """Whether the scanner knows bytes as malware, for who lists it as a finding; None where there is none.
    What it gives raises VermilionError(UNAVAILABLE, `scanner`).
    """

    def known(data: bytes) -> bool:
        try:
            scan(settings, data)
        except VermilionError as error:
            if error.reason != "malware":
                raise
            return True
        return False

    return known if settings.malware_scanner else None


def scanner_address(value: str) -> tuple[str, int] | str:
    """Host and port of `tcp://host:port`, or the path of `unix:/path`. Raises ValueError."""
    if value.startswith("unix:/"):
        return value.removeprefix("unix:")
    found = _ADDRESS.fullmatch(value)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError(value)
    return found["host"].strip("[]"), int(found["port"])


def _ask(where: str, data: bytes, seconds: float) -> bytes:
    """What it answers, without the end mark. All of it takes at most so many seconds."""
    until = time.monotonic() + seconds
    with _connected(scanner_address(where), seconds) as link:
        pieces = (data[at : at + PIECE] for at in range(0, len(data), PIECE))
        try:
            _send(link, b"zINSTREAM\0", until)
            for piece in pieces:
                _send(link, _LENGTH.pack(len(piece)) + piece, until)
            _send(link, _LENGTH.pack(0), until)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may have answered before it had read all: that it is too long, or what it has found
        return _answer(link, until)


def _connected(address: tuple[str, int] | str, seconds: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=seconds)
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(seconds)
        link.connect(address)
    except BaseException:
        link.close()
        raise
    return link


def _send(link: socket.socket, data: bytes, until: float) -> None:
    link.settimeout(_left(until))
    link.sendall(data)


def _answer(link: socket.socket, until: float) -> bytes:
    said = b""
    while b"\0" not in said and len(said) <= MAX_SAID:
        link.settimeout(_left(until))
        piece = link.recv(MAX_SAID)
        if not piece:
            break
        said += piece
    answer, mark, rest = said.partition(b"\0")
    return answer if mark and not rest else b""


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _out() -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, "the scanner for malware does not answer as it should", reason=OUT
    )
