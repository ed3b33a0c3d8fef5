"""Requests that are sent by halves: they may take each other's turn, never a scan's."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from registry.body_slots import BATCH_SLOTS, BLOCKING_THREADS, BODY_SLOTS, TOKEN_SLOTS
from registry.client import ApiClient, Credential, call, pdf_headers
from tests.services.places import Running
from tests.services.running import PATIENCE, crowding, line, until

UPLOAD = (
    b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 8000000\r\n\r\n--b\r\n"
)

TOKEN = (
    b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 8000\r\n\r\ngrant_type="
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that no thread serves is not answered at all; one that is served late, on a busy machine, is."""
    monkeypatch.setattr("registry.client.TIMEOUT_S", PATIENCE * crowding())


@contextlib.contextmanager
def half_sent(request: bytes, port: int, busy: Callable[[], bool], what: str) -> Iterator[None]:
    """More of them than there are threads, until they have every slot: `busy` asks with a body of its own, and
    while that has a slot all others may be turned away, so another one follows.
    """
    with contextlib.ExitStack() as opened:

        def send() -> None:
            half = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            half.sendall(request)

        def filled() -> bool:
            if busy():
                return True
            send()
            return False

        for _ in range(2 * BLOCKING_THREADS):
            send()
        until(filled, f"{what} hold every slot")
        yield
    until(lambda: not busy(), "the slots are free again")


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

    with half_sent(UPLOAD, place.public_port, busy, "the uploads"):
        for _ in range(BLOCKING_THREADS - BODY_SLOTS + 1):
            assert place.verdict(link) == "valid"


def test_half_sent_token_requests_do_not_keep_a_client_waiting(again: Running) -> None:
    place = again.place
    client = ApiClient(Credential.load(place.data / "credentials" / "agency-system.json"))
    client = ApiClient(replace(client.credential, api=place.api))
    assert client.get("/api/v1/agencies/self").status == 200  # it holds a token now

    def busy() -> bool:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = call("POST", f"{place.api}/oauth2/token", body=b"grant_type=x", headers=form)
        assert answer.status in {400, 503}
        return answer.status == 503

    with half_sent(TOKEN, place.api_port, busy, "the token requests"):
        for _ in range(BLOCKING_THREADS - TOKEN_SLOTS + 1):
            assert client.get("/api/v1/agencies/self").status == 200


def test_half_sent_batches_do_not_keep_a_client_waiting(again: Running) -> None:
    """Nor does one whose sender goes away become a batch."""
    place = again.place
    client = ApiClient(Credential.load(place.data / "credentials" / "agency-system.json"))
    client = ApiClient(replace(client.credential, api=place.api))
    head = (
        f"POST /api/v1/batches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {client.token()}\r\n"
        "Content-Type: application/x-ndjson\r\nIdempotency-Key: half\r\nContent-Length: 8000\r\n\r\n{}\n"
    )

    def answered(key: str) -> int:
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        return client.request("POST", "/api/v1/batches", b"\n", headers).status

    def busy() -> bool:
        status = answered("another")
        assert status in {422, 503}  # it has no line
        return status == 503

    with half_sent(head.encode(), place.api_port, busy, "the batches"):
        for _ in range(BLOCKING_THREADS - BATCH_SLOTS + 1):
            assert client.get("/api/v1/agencies/self").status == 200
    until(lambda: answered("half") == 422, "the key is free again")
