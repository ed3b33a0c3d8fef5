"""A stop that a signal asks for."""

from __future__ import annotations

import signal
import threading
import time

LOOK_SECONDS = 0.25


class Asked(threading.Event):
    """An event that a signal's handler may set.

    The plain one's `set` takes a lock, which the very thread that is interrupted may hold in `wait`: a stop
    asked for in that moment would never come about, nor would any later one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def is_set(self) -> bool:
        return self._asked

    def set(self) -> None:
        self._asked = True

    def clear(self) -> None:
        self._asked = False

    def wait(self, timeout: float | None = None) -> bool:
        """As an event's; noticed within a quarter of a second."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self._asked:
            left = LOOK_SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(left, LOOK_SECONDS))
        return self._asked


def on_signals() -> Asked:
    """What SIGINT and SIGTERM set from now on; in the main thread."""
    stop = Asked()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
