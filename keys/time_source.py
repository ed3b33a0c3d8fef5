"""Where a time-stamp's time comes from, and when there is none to be had (RFC 3161, `timeNotAvailable`).

A clock that has stepped back may still be ahead of every time given so far: so it is watched between two
stamps too, against a clock that nobody sets.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn, Protocol

from keys.clock import Clock, system_clock
from keys.errors import Kind, VermilionError

STEP = timedelta(milliseconds=500)  # two clocks read one after the other are never quite together
_STA_UNSYNC, _TIME_ERROR = 0x0040, 5  # <sys/timex.h>

Monotonic = Callable[[], float]  # seconds that only ever grow, at the pace of the clock itself


@dataclass(frozen=True, slots=True)
class Reading:
    """An instant, UTC, and how far from true time it may be."""

    at: datetime
    accuracy: timedelta


class TimeSource(Protocol):
    """A clock that knows how good it is."""

    def read(self) -> Reading:
        """The present instant. Raises VermilionError(UNAVAILABLE, reason "clock") where it is not known."""


class Synchronisation(Protocol):
    """What disciplines the clock; asked at each reading."""

    def __call__(self) -> timedelta | None:
        """The greatest error of the clock, or None while nothing keeps it right."""


class WatchedClock:
    """A clock that is refused once it steps back against a monotonic one, until it has caught up.

    The two run at one pace, because the kernel slews both and steps only one. Where `synchronisation` is
    given, the clock is refused too while that says nothing, and is as accurate as it says; else it is taken
    to be right to a second, on the operator's word. Safe between threads.
    """

    def __init__(
        self, clock: Clock, monotonic: Monotonic, *, synchronisation: Synchronisation | None = None
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._synchronisation = synchronisation
        self._lock = threading.Lock()
        self._at, self._elapsed = clock(), monotonic()

    def read(self) -> Reading:
        """See `TimeSource.read`."""
        accuracy = timedelta(seconds=1)
        if self._synchronisation is not None:
            error = self._synchronisation()
            if error is None:
                _unavailable("nothing keeps the clock right")
            accuracy = error
        with self._lock:
            # Whatever passes between two lines makes the step look smaller, never larger.
            before, at, after = self._monotonic(), self._clock(), self._monotonic()
            expected = self._at + timedelta(seconds=before - self._elapsed)
            if at < expected - STEP:
                _unavailable("the clock has stepped back")
            if at >= expected:
                self._at, self._elapsed = at, after
        return Reading(at, accuracy)


class GivenClock:
    """A clock that is taken at its word, to a second: one that is set by hand, for tests and ceremonies."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def read(self) -> Reading:
        """See `TimeSource.read`."""
        return Reading(self._clock(), timedelta(seconds=1))


def system_time(*, require_synchronisation: bool) -> TimeSource:
    """The machine's clock. With `require_synchronisation` it is refused unless the kernel says that something
    (NTP, PTP) keeps it right; a container or a machine without such a service then gives no time at all.
    """
    synchronisation = kernel_synchronisation if require_synchronisation else None
    return WatchedClock(system_clock, _monotonic(), synchronisation=synchronisation)


def _monotonic() -> Monotonic:
    """One that goes on while the machine sleeps, where there is one."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if boot_time is None else lambda: time.clock_gettime(boot_time)


class _Timex(ctypes.Structure):
    """`struct timex` of 64-bit Linux, <sys/timex.h>."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),  # the kernel writes no more than 160 bytes beyond
    )


def kernel_synchronisation() -> timedelta | None:
    """What the kernel says of its clock (`adjtimex`, which here sets nothing); None where it says that the
    clock is not synchronised, or cannot be asked.
    """
    if not sys.platform.startswith("linux") or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    found = _Timex()
    state = adjtimex(ctypes.byref(found))
    if state < 0 or state == _TIME_ERROR or found.status & _STA_UNSYNC:
        return None
    return timedelta(microseconds=found.maxerror)


def _unavailable(detail: str) -> NoReturn:
    raise VermilionError(Kind.UNAVAILABLE, detail, reason="clock")
