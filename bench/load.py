"""Two small HTTP loads, both from a process of their own: a closed loop (keep-alive connections, each sending
its next request on its answer) for rates, and an open one (a fixed schedule, whatever comes back) for
latencies.

Loopback only, bounded in count.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

CONNECTIONS = 8
START_SECONDS = 0.2  # before the first of a schedule: the child is there by then
PATIENCE = 60  # seconds, with everything sent, for the next answer
_T = TypeVar("_T")


def rate(port: int, requests: Sequence[bytes], count: int) -> float:
    """Answers a second for `count` requests, driven from a process of its own.

    `requests` are whole HTTP/1.1 requests, sent in turn. Raises RuntimeError on any answer but 200.
    """
    result = _apart(lambda: _drive(port, requests, count))
    if result <= 0:
        raise RuntimeError("an answer was not 200")
    return result


@dataclass(frozen=True, slots=True)
class Paced:
    """What came of one request of a schedule; seconds."""

    latency: float  # from the moment that the schedule has for it to the last byte of its answer
    lag: float  # by how much the load itself sent it late
    answer: bytes


def paced(port: int, requests: Sequence[bytes], per_second: float) -> list[Paced]:
    """Send each request at its moment of a fixed schedule, and what came of each, in order.

    No request waits for another's answer, and each one's latency counts from when it was due: whoever comes
    while the service is busy waits, and that wait is counted. A request goes out on the connection that has
    been idle for the shortest time, a new one where none is idle.
    """
    return _apart(lambda: _pace(port, requests, per_second))


def _apart(work: Callable[[], _T]) -> _T:
    """What `work` returns in a child. Raises RuntimeError where it ends without a result."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(work()))
    process.start()
    sender.close()
    try:
        result: _T = receiver.recv()
    except EOFError:
        raise RuntimeError("the load did not come to its end") from None
    finally:
        process.join()
    return result


def _pace(port: int, requests: Sequence[bytes], per_second: float) -> list[Paced]:
    selector = selectors.DefaultSelector()
    idle: list[socket.socket] = []
    sent: dict[socket.socket, tuple[int, float, float, bytearray]] = {}
    results: dict[int, Paced] = {}
    begin = time.perf_counter() + START_SECONDS
    following = 0
    while len(results) < len(requests):
        now = time.perf_counter()
        while following < len(requests) and now >= (due := begin + following / per_second):
            if idle:
                connection = idle.pop()
            else:
                connection = _connected(port)
                selector.register(connection, selectors.EVENT_READ)
            sent[connection] = (following, due, time.perf_counter() - due, bytearray())
            connection.sendall(requests[following])
            following += 1
            now = time.perf_counter()
        wait = begin + following / per_second - now if following < len(requests) else PATIENCE
        events = selector.select(max(0.0, wait))
        if not events and following == len(requests):
            raise TimeoutError
        for key, _ in events:
            assert isinstance(key.fileobj, socket.socket)
            received = key.fileobj.recv(1 << 16)
            if key.fileobj in idle and not received:  # the server lets idle ones go
                idle.remove(key.fileobj)
                selector.unregister(key.fileobj)
                continue
            number, due, lag, buffer = sent[key.fileobj]
            if not received:
                raise ConnectionError
            buffer += received
            if _complete(buffer):
                results[number] = Paced(time.perf_counter() - due, lag, bytes(buffer))
                del sent[key.fileobj]
                idle.append(key.fileobj)
    return [results[number] for number in range(len(requests))]


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _drive(port: int, requests: Sequence[bytes], count: int) -> float:
    selector = selectors.DefaultSelector()
    sent = 0
    for _ in range(CONNECTIONS):
        selector.register(_connected(port), selectors.EVENT_READ, bytearray())
    begin = time.perf_counter()
    for key in list(selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.sendall(requests[sent % len(requests)])
        sent += 1
    done = 0
    while done < count:
        for key, _events in selector.select(10):
            sender, buffer = key.fileobj, key.data
            assert isinstance(sender, socket.socket)
            buffer += sender.recv(1 << 16)
            if not _complete(buffer):
                continue
            if not buffer.startswith(b"HTTP/1.1 200"):
                return -1.0
            buffer.clear()
            done += 1
            if sent < count:
                sender.sendall(requests[sent % len(requests)])
                sent += 1
    return count / (time.perf_counter() - begin)


def _complete(buffer: bytearray) -> bool:
    """Whether one answer with a Content-Length stands in the buffer."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(buffer[:end]).lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return len(buffer) >= end + 4 + length
