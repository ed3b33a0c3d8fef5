"""The remote custodian: keys are another process's, asked for over a Unix socket (`keys.signer`).

The socket is trusted for its place: its directory can be written in by nobody but the process that listens,
or root, and the kernel says who that is. So nobody else's keys are taken for the registry's.

A request that was sent is never sent again: whether it was served, if its answer is lost, nobody knows. Only
one that did not arrive whole, on a connection that the signer had closed meanwhile, goes out once more.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from keys.custodian import MAX_REQUESTS, KeyRef, Purpose, SignRequest, require_suite
from keys.errors import Kind, VermilionError
from keys.suite import PublicKey, SuiteName
from keys.wire import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    AnswerPage,
    AskPublicKey,
    Closed,
    Generate,
    MakeWrappingKey,
    Request,
    Sign,
    Unwrap,
    Wrap,
    decode_answer,
    decode_key_id,
    decode_octets,
    decode_page,
    decode_public_key,
    decode_ref,
    decode_signatures,
    encode_request,
    peer_of,
    receive_frame,
    send_frame,
)
from keys.wrapping import KEY_BYTES, WRAPPED_BYTES

CONNECTIONS = 8
CONNECT_SECONDS = 3.0
SEND_SECONDS = 10.0
WAIT_SECONDS = 10.0  # for a connection, where all are in use
ANSWER_SECONDS = 60.0  # a signer that opens its first key stretches a passphrase
_T = TypeVar("_T")


class RemoteCustodian:
    """Asks the signer at `path`. Safe between threads, and after a fork."""

    def __init__(self, path: Path, *, connections: int = CONNECTIONS) -> None:
        """Nothing is asked of the signer yet."""
        self._path = path
        self._room = threading.BoundedSemaphore(connections)
        self._idle: list[socket.socket] = []
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._public: dict[KeyRef, PublicKey] = {}

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        """See `keys.custodian.Custodian.generate`."""
        require_suite(purpose, suite)
        ref = _read(decode_ref, self._ask(Generate(purpose, suite)))
        if (ref.purpose, ref.suite) != (purpose, suite):
            raise _lost("the signer made another key than it was asked for")
        return ref

    def public_key(self, ref: KeyRef) -> PublicKey:
        """See `keys.custodian.Custodian.public_key`. Public keys do not change, and are asked for once."""
        found = self._public.get(ref)
        if found is None:
            answer = self._ask(AskPublicKey(ref))
            found = _read(lambda value: decode_public_key(value, ref.suite), answer)
            self._public[ref] = found
        return found

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        """See `keys.custodian.Custodian.sign`. UNAVAILABLE (`signer`) also where the answer is lost: the
        records may be used up then.
        """
        if not requests:
            return []
        if len(requests) > MAX_REQUESTS:
            raise VermilionError(
                Kind.KEY_REFUSED, f"at most {MAX_REQUESTS} requests a call", reason="too_many"
            )
        answer = self._ask(Sign(ref, tuple(requests)))
        return _read(lambda value: decode_signatures(value, len(requests)), answer)

    def answer_page(self, ref: KeyRef, answer: bytes, language: str) -> bytes:
        """The page (PDF) of an answer that this key has signed, signed by it as well: see
        `registry.seals.answer_pages`. Raises as `sign`.
        """
        return _read(decode_page, self._ask(AnswerPage(ref, answer, language)))

    def make_wrapping_key(self) -> str:
        """See `keys.wrapping.KeyWrapper`."""
        return _read(decode_key_id, self._ask(MakeWrappingKey()))

    def wrap(self, key_id: str, data_key: bytes, record: str) -> bytes:
        """See `keys.wrapping.KeyWrapper`."""
        answer = self._ask(Wrap(key_id, data_key, record))
        return _read(lambda value: decode_octets(value, WRAPPED_BYTES), answer)

    def unwrap(self, key_id: str, wrapped: bytes, record: str) -> bytes:
        """See `keys.wrapping.KeyWrapper`."""
        answer = self._ask(Unwrap(key_id, wrapped, record))
        return _read(lambda value: decode_octets(value, KEY_BYTES), answer)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask(self, request: Request) -> object:
        body = encode_request(request)
        if len(body) > MAX_REQUEST_BYTES:
            raise VermilionError(Kind.KEY_REFUSED, "the call is too long", reason="too_many")
        if not self._room.acquire(timeout=WAIT_SECONDS):
            raise _lost("all connections to the signer are in use")
        try:
            connection = self._idle_connection()
            if connection is not None:
                try:
                    return self._exchange(connection, body)
                except _NotSentError:
                    pass
            try:
                return self._exchange(self._connect(), body)
            except _NotSentError:
                raise _lost("the signer closed the connection") from None
        finally:
            self._room.release()

    def _exchange(self, connection: socket.socket, body: bytes) -> object:
        """The answer to one request. Raises _NotSentError where the signer cannot have had it whole."""
        keep = sent = False
        try:
            try:
                send_frame(connection, body, seconds=SEND_SECONDS)
                sent = True
            except (BrokenPipeError, ConnectionResetError):
                pass  # it may have said why before it closed
            answer = receive_frame(connection, MAX_ANSWER_BYTES, idle=ANSWER_SECONDS, seconds=SEND_SECONDS)
            keep = sent
        except ConnectionResetError as error:
            # unix(7): it closed with octets unread, which are this request's; so it never had it whole.
            raise _NotSentError from error
        except (Closed, OSError, VermilionError) as error:
            if sent or isinstance(error, TimeoutError):
                raise _lost("the signer's answer is lost") from error
            raise _NotSentError from error
        finally:
            if keep:
                self._put_back(connection)
            else:
                connection.close()
        try:
            value = decode_answer(answer)
        except VermilionError as error:
            if error.reason == "protocol":
                raise _lost("the signer does not speak this protocol") from error
            raise
        if not sent:
            raise _lost("the signer answered what it was not asked")
        return value

    def _idle_connection(self) -> socket.socket | None:
        """One that is open still: what can be read between requests is the signer's farewell."""
        with self._lock:
            if self._process != os.getpid():  # they are the parent's
                self._process = os.getpid()
                self._idle = []
            while self._idle:
                connection = self._idle.pop()
                waiting = select.poll()
                waiting.register(connection, select.POLLIN)
                if not waiting.poll(0):
                    return connection
                connection.close()
        return None

    def _put_back(self, connection: socket.socket) -> None:
        with self._lock:
            self._idle.append(connection)

    def _connect(self) -> socket.socket:
        """Raises VermilionError(UNAVAILABLE) where nobody listens, or not the one who should."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_SECONDS)
            directory = self._path.parent.stat()
            connection.connect(str(self._path))
            listener = peer_of(connection)
        except OSError as error:
            connection.close()
            raise _lost("the signer does not answer") from error
        if directory.st_uid not in (0, listener) or directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            connection.close()
            raise _lost("the signer's socket lies where others than the signer could have put it")
        return connection


class _NotSentError(Exception):
    """The signer cannot have served it."""


def _read(read: Callable[[object], _T], value: object) -> _T:
    try:
        return read(value)
    except VermilionError as error:
        raise _lost("the signer's answer is not one to the request") from error


def _lost(detail: str) -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, detail, reason="signer", retry_after=2)
