"""A small closed-loop HTTP load: keep-alive connections, each sending its next request on its answer.

Loopback only, bounded in count.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence

CONNECTIONS = 8


def rate(port: int, requests: Sequence[bytes], count: int) -> float:
    """Answers a second for `count` requests, driven from a process of its own.

    `requests` are whole HTTP/1.1 requests, sent in turn. Raises RuntimeError on any answer but 200.
    """
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(_drive(port, requests, count)))
    process.start()
    result: float = queue.get()
    process.join()
    if result <= 0:
        raise RuntimeError("an answer was not 200")
    return result


def _drive(port: int, requests: Sequence[bytes], count: int) -> float:
    selector = selectors.DefaultSelector()
    sent = 0
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ, bytearray())
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
