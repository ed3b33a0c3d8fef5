"""HTTP with hosts that are not ours: bounded in size and time, and with that host alone.

No redirect is followed and no proxy of the environment asked. A time limit holds for a whole step, so a peer
that sends a byte now and then is cut off.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from keys.errors import Kind, VermilionError

TIMEOUT = 10.0  # seconds to connect, and again for the exchange
PORTS = {"http": 80, "https": 443}
Reach = Callable[[str, int, float], socket.socket]
"""Host, port and seconds -> a connected socket. Raises OSError, VermilionError."""


class UnreachedError(VermilionError):
    """No connection, or no whole answer in time: to ask the host again may take as long."""


def exchange(
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str],
    content_type: str | None,
    max_bytes: int,
    timeout: float = TIMEOUT,
) -> bytes:
    """A GET, or a POST where there is a `body`. The body of the response, of the content type where one is
    given.

    Raises VermilionError(UNAVAILABLE, reason "no_answer"), which is `UnreachedError` where it is of the host.
    """
    line = Line(urlsplit(url))
    try:
        line.open(timeout)
        reply = line.ask(url, body, headers, max_bytes=max_bytes, timeout=timeout)
    except (OSError, http.client.HTTPException) as error:
        raise _no_answer("cannot be reached, or does not answer in time", UnreachedError) from error
    finally:
        line.close()
    if reply.status != 200 or content_type not in (None, reply.headers.get_content_type()):
        raise _no_answer("answers with another status or content type")
    if not reply.whole:
        raise _no_answer("answers at too great a length")
    return reply.body


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, whatever its status."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    whole: bool  # False: there is more of it, and the connection serves no further exchange


def direct(host: str, port: int, timeout: float) -> socket.socket:
    """A connection to wherever the name leads: for hosts that an operator has chosen."""
    return socket.create_connection((host, port), timeout)


class Line:
    """A connection to the origin of an address, for one exchange after another."""

    def __init__(
        self, parts: SplitResult, *, reach: Reach = direct, tls: ssl.SSLContext | None = None
    ) -> None:
        assert parts.hostname is not None
        context = (tls or _default_tls()) if parts.scheme == "https" else None
        self._connection = _Connection(
            parts.hostname, parts.port or PORTS[parts.scheme], reach=reach, tls=context
        )

    def open(self, timeout: float) -> None:
        """Raises OSError, and what `reach` raises."""
        self._connection.until = time.monotonic() + timeout
        self._connection.connect()

    def ask(
        self, url: str, body: bytes | None, headers: Mapping[str, str], *, max_bytes: int, timeout: float
    ) -> Reply:
        """One exchange on the open connection. Raises OSError, http.client.HTTPException."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection.until = time.monotonic() + timeout
        self._connection.request("GET" if body is None else "POST", path, body, dict(headers))
        with self._connection.getresponse() as response:
            data = response.read(max_bytes + 1)
            whole = len(data) <= max_bytes
            if whole and response.length:  # so many bytes of its Content-Length are missing
                raise http.client.IncompleteRead(data, response.length)
            return Reply(response.status, response.headers, data[:max_bytes], whole)

    @property
    def usable(self) -> bool:
        """Whether the other side has left it open, as far as it has said."""
        return self._connection.sock is not None

    def close(self) -> None:
        self._connection.close()


@cache
def _default_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Connection(http.client.HTTPConnection):
    """One whose every wait ends at `until`."""

    auto_open = 0

    def __init__(self, host: str, port: int, *, reach: Reach, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        self.default_port = PORTS["http" if tls is None else "https"]  # which a Host header leaves out
        self.until = 0.0
        self.response_class = cast("Any", self._response)
        self._reach, self._tls = reach, tls

    def connect(self) -> None:
        sock = self._reach(self.host, self.port, self.left())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(self.left())
            self.sock = sock if self._tls is None else self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.left())
        super().send(data)

    def left(self) -> float:
        """Seconds. Raises TimeoutError where there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left

    def _response(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(sock, **options)
        raw = response.fp.detach()
        response.fp = io.BufferedReader(InTime(raw, sock, self.left))
        return response


class InTime(io.RawIOBase):
    """What comes from a socket, no read of which waits for longer than is left."""

    def __init__(self, inner: io.RawIOBase, sock: socket.socket, left: Callable[[], float]) -> None:
        self._inner, self._sock, self._left = inner, sock, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left())
        return cast("Any", self._inner).readinto(buffer)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._inner.close()
        super().close()


def _no_answer(detail: str, error: type[VermilionError] = VermilionError) -> VermilionError:
    return error(Kind.UNAVAILABLE, f"the authority {detail}", reason="no_answer")
