"""The signer's side of the remote custodian: a socket, callers known by their user, any custodian behind it.

The kernel says who has connected (SO_PEERCRED); a list says which keys each user may have used, for which
kinds of bytes, and whether it may have keys made, wrapped or unwrapped. Whoever is not on it is told so and
shown out. Everything else, the order of signing and the registry's policy, is the custodian's own.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keys.certificates import public_key_der
from keys.custodian import PURPOSE_KINDS, Purpose
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.wire import (
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
    decode_request,
    encode_answer,
    encode_error,
    encode_ref,
    peer_of,
    receive_frame,
    send_frame,
)
from keys.wrapping import WrappingCustodian

MAX_CONNECTIONS = 64
KEPT_FOR_OTHERS = 16  # of them, from any one user: two processes of another with all that they open
IDLE_SECONDS = 300.0  # between requests
FRAME_SECONDS = 10.0  # for one frame, either way
STOP_SECONDS = 10.0  # for what is being signed
PAUSE_SECONDS = 0.5  # after a connection that could not be taken


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one caller may ask for. A public key is told to every caller."""

    uses: frozenset[tuple[Purpose, SignKind]]
    generates: frozenset[Purpose] = frozenset()
    wraps: bool = False  # may have data keys wrapped and unwrapped
    makes_wrapping_keys: bool = False


def entitled_to(purposes: frozenset[Purpose], *, generate: bool) -> Entitlement:
    """To every kind that keys of these purposes sign."""
    uses = frozenset((purpose, kind) for purpose in purposes for kind in PURPOSE_KINDS[purpose])
    return Entitlement(uses, purposes if generate else frozenset())


Pages = Callable[[AnswerPage], bytes]
"""Draws and signs the page of an answer. Raises VermilionError."""
Refused = Callable[[int, VermilionError], None]
Defect = Callable[[Exception], None]


class Signer:
    """Serves a listening Unix socket until it is stopped: a thread a connection, so many at most."""

    def __init__(
        self,
        custodian: WrappingCustodian,
        callers: Mapping[int, Entitlement],
        *,
        pages: Pages | None = None,
        on_refused: Refused = lambda _uid, _error: None,
        on_defect: Defect = lambda _error: None,
        max_connections: int = MAX_CONNECTIONS,
        kept_for_others: int = KEPT_FOR_OTHERS,
        idle_seconds: float = IDLE_SECONDS,
        frame_seconds: float = FRAME_SECONDS,
    ) -> None:
        """`callers` by user id, none of whom can have all connections. `pages`: who makes the page of an
        answer; without it there are none. `on_refused` is told which user was refused what; `on_defect` of an
        error that no input should bring about, which the caller hears of as an outage.
        """
        self._custodian = custodian
        self._callers = dict(callers)
        self._pages = pages
        self._on_refused = on_refused
        self._on_defect = on_defect
        self._max_connections = max_connections
        self._max_each = max_connections - kept_for_others
        self._idle_seconds = idle_seconds
        self._frame_seconds = frame_seconds
        self._open: dict[socket.socket, tuple[int, threading.Thread]] = {}  # by whom, attended by what
        self._lock = threading.Lock()
        self._stopping = False
        self._bell, self._ring = socket.socketpair()

    def serve(self, listener: socket.socket) -> None:
        """Until `stop`; then each connection ends after the request that it is serving. Once only."""
        with self._bell, self._ring:
            self._accept(listener)
            self._see_off()

    def _accept(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            while not self._stopping:
                selector.select()
                try:
                    self._welcome(listener.accept()[0])
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                except OSError as error:  # out of descriptors, as a rule: not to be asked again at once
                    self._on_defect(error)
                    select.select([self._bell], [], [], PAUSE_SECONDS)

    def stop(self) -> None:
        """End `serve`; may be called from a signal handler."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._ring.send(b"\0")

    def _welcome(self, connection: socket.socket) -> None:
        uid = peer_of(connection)
        refusal = None
        if uid not in self._callers:
            refusal = VermilionError(Kind.KEY_REFUSED, "this user may not ask the signer", reason="caller")
        elif self._is_full(uid):
            refusal = VermilionError(
                Kind.UNAVAILABLE, "the signer has too many callers", reason="signer", retry_after=2
            )
        if refusal is not None:
            self._on_refused(uid, refusal)
            with connection, contextlib.suppress(OSError):
                send_frame(connection, encode_error(refusal), seconds=0.1)  # it fits the socket's buffer
            return
        thread = threading.Thread(target=self._attend, args=(connection, uid), daemon=True)
        with self._lock:
            self._open[connection] = (uid, thread)
        thread.start()

    def _is_full(self, uid: int) -> bool:
        with self._lock:
            users = [user for user, _thread in self._open.values()]
        return len(users) >= self._max_connections or users.count(uid) >= self._max_each

    def _see_off(self) -> None:
        with self._lock:
            left = [(connection, thread) for connection, (_uid, thread) in self._open.items()]
        for connection, _thread in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # who waits for a request reads the end; answers still go
        until = time.monotonic() + STOP_SECONDS
        for _connection, thread in left:
            thread.join(max(0.0, until - time.monotonic()))

    def _attend(self, connection: socket.socket, uid: int) -> None:
        try:
            with contextlib.suppress(Closed, OSError):
                while not self._stopping:
                    body = self._receive(connection, uid)
                    if body is None:
                        return
                    send_frame(connection, self._answer(body, uid), seconds=self._frame_seconds)
        finally:
            with self._lock:
                del self._open[connection]
            connection.close()  # last: whoever sees it end finds its place free

    def _receive(self, connection: socket.socket, uid: int) -> bytes | None:
        """The next request; None where a stream lost its frames, which nothing can find again."""
        try:
            return receive_frame(
                connection, MAX_REQUEST_BYTES, idle=self._idle_seconds, seconds=self._frame_seconds
            )
        except VermilionError as error:
            self._on_refused(uid, error)
            send_frame(connection, encode_error(error), seconds=self._frame_seconds)
            return None

    def _answer(self, body: bytes, uid: int) -> bytes:
        try:
            request = decode_request(body)
            self._require_entitled(request, self._callers[uid])
            return self._serve(request)
        except VermilionError as error:
            if error.kind in (Kind.KEY_REFUSED, Kind.MALFORMED, Kind.UNAUTHENTICATED):
                self._on_refused(uid, error)
            return encode_error(error)
        except Exception as error:  # noqa: BLE001
            self._on_defect(error)
            return encode_error(VermilionError(Kind.UNAVAILABLE, "the signer failed", reason="signer"))

    def _serve(self, request: Request) -> bytes:
        if isinstance(request, Generate):
            return encode_answer(encode_ref(self._custodian.generate(request.purpose, request.suite)))
        if isinstance(request, AskPublicKey):
            return encode_answer(public_key_der(self._custodian.public_key(request.ref)))
        if isinstance(request, Sign):
            return encode_answer(self._custodian.sign(request.ref, request.requests))
        if isinstance(request, AnswerPage):
            if self._pages is None:
                raise VermilionError(Kind.UNAVAILABLE, "no pages are made here", reason="signer")
            return encode_answer(self._pages(request))
        if isinstance(request, MakeWrappingKey):
            return encode_answer(self._custodian.make_wrapping_key())
        if isinstance(request, Wrap):
            return encode_answer(self._custodian.wrap(request.key_id, request.data_key, request.record))
        return encode_answer(self._custodian.unwrap(request.key_id, request.wrapped, request.record))

    def _require_entitled(self, request: Request, caller: Entitlement) -> None:
        """A lie about a key's purpose gains nothing: the custodian knows what each was made for."""
        if isinstance(request, AskPublicKey):
            return
        if isinstance(request, Generate):
            allowed = request.purpose in caller.generates
        elif isinstance(request, AnswerPage):  # whoever may have answers signed
            allowed = (request.ref.purpose, SignKind.SIGNED_ANSWER) in caller.uses
        elif isinstance(request, MakeWrappingKey):
            allowed = caller.makes_wrapping_keys
        elif isinstance(request, Wrap | Unwrap):
            allowed = caller.wraps
        else:
            allowed = all(
                (request.ref.purpose, r.kind) in caller.uses and r.kind is not SignKind.PAGE_ATTRIBUTES
                for r in request.requests
            )  # what a page shows is drawn here, or it is not signed
        if not allowed:
            raise VermilionError(Kind.KEY_REFUSED, "this user may not ask for that", reason="caller")
