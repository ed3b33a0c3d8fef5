"""Requests that are sent by halves: they may take each other's turn, never a scan's."""

from __future__ import annotations

import contextlib
import socket

from registry.client import call, pdf_headers
from registry.processes import BLOCKING_THREADS, BODY_SLOTS
from tests.services.conftest import Running
from tests.services.running import line, until

HALF = (
    b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 8000000\r\n\r\n--b\r\n"
)


def test_half_sent_uploads_do_not_keep_a_scan_waiting(again: Running) -> None:
    place, link = again.place, line(again.command.out, "link")
    upload = f"{place.public}/api/v1/verifications"

    def busy() -> bool:
        answer = call("POST", upload, body=b"%PDF-1.7", headers=pdf_headers())
        if answer.status != 503:
            return False
        assert answer.json()["verdict"] == "cannot_check"
        assert answer.json()["checks"]["status"]["reason"] == "busy"
        assert "retry-after" in answer.headers
        return True

    with contextlib.ExitStack() as opened:
        for _ in range(2 * BLOCKING_THREADS):
            half = opened.enter_context(socket.create_connection(("127.0.0.1", place.public_port)))
            half.sendall(HALF)
        until(busy, "the uploads hold every slot")
        for _ in range(BLOCKING_THREADS - BODY_SLOTS + 1):
            assert place.verdict(link) == "valid"
    until(lambda: not busy(), "the slots are free again")
