"""Uploads shown to a scanner for malware: a small server that speaks clamd's INSTREAM, and what it may say."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from keys.errors import Kind, VermilionError
from registry import web
from registry.intake.scanning import Scan, _answer, scan, scanner_address
from registry.settings import Settings
from tests.examining import plain_pdf
from tests.intake.casework import import_matters, put_material
from tests.intake.test_materials import a_draft
from tests.registry.world import World, on_sqlite

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The file that every scanner knows and that does nothing (EICAR, 2003)."""
MAX_STREAM = 1 << 20


def clamd(link: socket.socket) -> None:
    """As clamd does: the command, chunks until an empty one, and one answer."""
    file = link.makefile("rb")
    assert file.read(10) == b"zINSTREAM\0"
    data = b""
    while (length := struct.unpack(">I", file.read(4))[0]) > 0:
        data += file.read(length)
        if len(data) > MAX_STREAM:
            link.sendall(b"INSTREAM size limit exceeded. ERROR\0")
            return
    link.sendall(b"stream: Eicar-Test-Signature FOUND\0" if EICAR in data else b"stream: OK\0")


def saying(answer: bytes) -> Callable[[socket.socket], None]:
    def serve(link: socket.socket) -> None:
        while (came := link.recv(1 << 16)) and came[-4:] != b"\0\0\0\0":
            pass
        link.sendall(answer)

    return serve


def silent(link: socket.socket) -> None:
    while link.recv(1 << 16):
        pass


def hanging_up(link: socket.socket) -> None:
    link.recv(4)


def trickling(link: socket.socket) -> None:
    """An octet now and then, and never an end."""
    with pytest.raises(OSError):  # noqa: PT012
        while True:
            link.sendall(b"s")
            time.sleep(0.05)


@dataclass
class Server:
    """One connection at a time, each served as it is told."""

    where: str
    serve: Callable[[socket.socket], None] = clamd
    failed: list[BaseException] = field(default_factory=list)


@contextmanager
def serving(listener: socket.socket, where: str) -> Iterator[Server]:
    server = Server(where)

    def go_on() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                try:
                    server.serve(link)
                except OSError:
                    pass
                except Exception as error:  # noqa: BLE001
                    server.failed.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
    assert server.failed == []


@pytest.fixture(params=["unix", "tcp"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "unix":
        listener, where = socket.socket(socket.AF_UNIX), f"unix:{tmp_path}/s"
        listener.bind(f"{tmp_path}/s")
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        where = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    listener.listen()
    with serving(listener, where) as made:
        yield made


def settings(where: str, seconds: float = 10) -> Settings:
    return Settings(malware_scanner=where, malware_seconds=seconds)


def test_what_the_scanner_passes_is_clean_and_what_it_knows_is_refused(server: Server) -> None:
    assert scan(settings(server.where), plain_pdf()) is Scan.CLEAN
    assert scan(settings(server.where), bytes(300_000)) is Scan.CLEAN, "in several pieces"
    with pytest.raises(VermilionError) as refused:
        scan(settings(server.where), b"%PDF-1.7 " + EICAR)
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "malware")
    assert "Eicar-Test-Signature" in refused.value.detail
    assert scan(settings(""), EICAR) is Scan.NOT_SCANNED


@pytest.mark.parametrize(
    "serve",
    [
        silent, hanging_up, trickling, saying(b""), saying(b"stream: OK"), saying(b"stream: OK\0more"),
        saying(b"OK\0"), saying(b"\xff" * 5000), saying(b"stream:  FOUND\0"),
        saying(b"stream: a\nb FOUND\0"), saying(b"stream: nothing known ERROR\0"),
    ],
    ids=lambda one: one.__name__ if one.__name__ != "serve" else "",
)  # fmt: skip
def test_whatever_else_it_does_is_an_outage(server: Server, serve: Callable[[socket.socket], None]) -> None:
    server.serve = serve
    with pytest.raises(VermilionError) as out:
        scan(settings(server.where, 0.3 if serve in {silent, trickling} else 30), plain_pdf())
    assert (out.value.kind, out.value.reason) == (Kind.UNAVAILABLE, "scanner")


def test_what_is_too_long_for_it_is_taken_by_nobody(server: Server) -> None:
    with pytest.raises(VermilionError) as out:
        scan(settings(server.where), bytes(MAX_STREAM + 1))
    assert out.value.reason == "scanner"


@given(st.binary(max_size=60))
def test_only_the_very_words_are_understood(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        found = _answer(ours, time.monotonic() + 5)
        assert found in {b"", said.removesuffix(b"\0")}


def test_nobody_at_the_address_is_an_outage(tmp_path: Path) -> None:
    for where in (f"unix:{tmp_path}/none", "tcp://127.0.0.1:1"):
        with pytest.raises(VermilionError) as out:
            scan(settings(where, 1), b"x")
        assert out.value.reason == "scanner"


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("unix:/run/clamav/clamd.ctl", "/run/clamav/clamd.ctl"),
        ("tcp://scanner:3310", ("scanner", 3310)),
        ("tcp://[fd00::1]:3310", ("fd00::1", 3310)),
        ("tcp://scanner", None), ("tcp://scanner:0", None), ("tcp://scanner:99999", None),
        ("unix:clamd.ctl", None), ("http://scanner:3310", None), ("tcp://a b:1", None), ("tcp://a:1/x", None),
    ],
)  # fmt: skip
def test_an_address_is_read_strictly(value: str, address: object) -> None:
    if address is not None:
        assert scanner_address(value) == address
        assert settings(value).malware_scanner == value
        return
    with pytest.raises(ValidationError):
        settings(value)


@on_sqlite
def test_an_upload_is_on_record_as_scanned_or_is_not_taken(world: World, server: Server) -> None:
    import_matters(world)
    changed = world.ports.settings.model_copy(update={"malware_scanner": server.where, "malware_seconds": 3})
    world.ports = replace(world.ports, settings=changed)
    state = world.app.extensions[web.EXTENSION]
    world.app.extensions[web.EXTENSION] = replace(state, ports=world.ports)
    case_id = a_draft(world)
    told = put_material(world, case_id, "layout", plain_pdf())
    assert (told.status_code, told.get_json()["scan"]) == (201, "clean")
    server.serve = saying(b"stream: Win.Test FOUND\0")
    refused = put_material(world, case_id, "safety_rules", plain_pdf("other"))
    assert (refused.status_code, refused.get_json()["reason"]) == (422, "malware")
    server.serve = silent
    out = put_material(world, case_id, "safety_rules", plain_pdf("other"))
    assert (out.status_code, out.get_json()["reason"]) == (503, "scanner")
