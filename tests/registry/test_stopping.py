"""A stop that is asked for by signal comes about, whatever it interrupts."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from registry import stopping
from registry.stopping import Asked, on_signals


@pytest.fixture
def stop() -> Iterator[Asked]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield on_signals()
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupted(wait: Callable[[], object], at: int) -> bool:
    """Whether there is a line of that number, of those of Python that `wait` runs: the signal arrives there."""
    files = {threading.__file__, stopping.__file__}
    lines = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        if event == "line" and frame.f_code.co_filename in files:
            lines += 1
            if lines == at:
                signal.raise_signal(signal.SIGTERM)
        return trace

    sys.settrace(trace)
    try:
        wait()
    finally:
        sys.settrace(None)
    return lines >= at


def test_a_signal_at_any_line_of_the_wait_ends_it(stop: Asked) -> None:
    """The wait of a plain event would be the last thing that is heard of the process."""
    at = 1
    while interrupted(lambda: stop.wait(0.3), at):
        assert stop.is_set(), at
        stop.clear()
        at += 1
    assert at > 5


def test_it_is_an_event_otherwise() -> None:
    asked = Asked()
    assert asked.wait(0.01) is False
    threading.Timer(0.05, asked.set).start()
    assert asked.wait() is True
    asked.clear()
    assert asked.is_set() is False
