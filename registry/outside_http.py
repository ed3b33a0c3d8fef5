"""One HTTP exchange with a host that is not ours: bounded in size and time, and with this host alone."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from keys.errors import Kind, VermilionError

TIMEOUT = 10.0  # seconds to connect, and again for the exchange


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
    """A GET, or a POST where there is a `body`: no redirect is followed, no proxy of the environment asked.
    The body of the response, of the content type where one is given. A peer that sends a byte now
    and then is cut off.

    Raises VermilionError(UNAVAILABLE, reason "no_answer"), which is `UnreachedError` where it is of the host.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    late = threading.Event()
    try:
        connection.connect()
        cut = threading.Timer(timeout, _cut, [connection.sock, late])
        cut.start()
        try:
            connection.request("GET" if body is None else "POST", path, body, dict(headers))
            with connection.getresponse() as response:
                data = _answer(response, content_type, max_bytes)
        finally:
            cut.cancel()
    except (OSError, http.client.HTTPException) as error:
        raise _no_answer("cannot be reached, or does not answer in time", UnreachedError) from error
    finally:
        connection.close()
    if late.is_set():  # what was read may end where it was cut
        raise _no_answer("does not answer in time", UnreachedError)
    return data


def _answer(response: http.client.HTTPResponse, content_type: str | None, max_bytes: int) -> bytes:
    if response.status != 200 or content_type not in (None, response.headers.get_content_type()):
        raise _no_answer("answers with another status or content type")
    data = response.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _no_answer("answers at too great a length")
    return data


def _cut(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _no_answer(detail: str, error: type[VermilionError] = VermilionError) -> VermilionError:
    return error(Kind.UNAVAILABLE, f"the authority {detail}", reason="no_answer")
