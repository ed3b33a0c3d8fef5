"""A bound on the request bodies that are read at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keys.errors import Kind, VermilionError

BLOCKING_THREADS = 12
"""Threads of a service: each request has one, until it is answered."""

BODY_SLOTS = 6
"""Bodies of strangers that the public site reads at once."""

TOKEN_SLOTS = 4
"""Bodies of strangers that the agency API reads at once: requests for a token."""

BATCH_SLOTS = 3
"""Batches that the agency API receives, or hands out as archives, at once: either may take minutes."""

UPLOAD_SLOTS = 3
"""Materials of applications that the agency API receives and examines at once."""

PUBLIC_UPLOAD_SLOTS = 2
"""The same of whoever applies at the public pages: strangers who send slowly keep no agency waiting."""

RETRY_SECONDS = 5


class BodySlots:
    """A WSGI server lends a request one of its few threads until the last byte of the body is there, however
    slowly that comes. At most `count` bodies are read at once, fewer than there are threads, so that
    half-sent ones cannot keep a request without a body from being answered. Safe between threads.
    """

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot while a body is read. Raises VermilionError(UNAVAILABLE, reason "busy") at once where
        none is free: waiting for one would take the very thread that is to be kept free.
        """
        if not self._free.acquire(blocking=False):
            raise VermilionError(
                Kind.UNAVAILABLE,
                "too many requests are being received",
                reason="busy",
                retry_after=RETRY_SECONDS,
            )
        try:
            yield
        finally:
            self._free.release()
