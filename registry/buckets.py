"""Leaky buckets: each attempt adds to one and time drains it, so there is no lock to wait out and nothing to
reset.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` attempts at once; one more becomes free every `seconds_each`."""

    burst: int
    seconds_each: float

    @property
    def size(self) -> float:
        return self.burst * self.seconds_each


def per_minute(count: int) -> Rate:
    """So many at once, and as many a minute after that."""
    return Rate(burst=count, seconds_each=60.0 / count)


class Counted(NamedTuple):
    """An attempt that was counted (`wait` 0), or after how many seconds there is room for it."""

    wait: int
    left: int  # further attempts for which there is room now
    drained_in: int  # seconds until the whole burst is free again


class Buckets:
    """A bucket for each key, in this process's memory. Of many keys those longest silent are forgotten. Safe
    between threads.
    """

    def __init__(self, rate: Rate, *, monotonic: Callable[[], float], most: int = 10_000) -> None:
        self._each, self._size = rate.seconds_each, rate.size
        self._monotonic = monotonic
        self._most = most
        self._lock = threading.Lock()
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def enter(self, key: str) -> Counted:
        """Count an attempt."""
        each, size = self._each, self._size
        with self._lock:
            now = self._monotonic()
            held = max(self._empty_at.get(key, now), now) - now
            over = held + each - size
            if over > _TOLERANCE:
                return Counted(max(1, math.ceil(over)), 0, math.ceil(held))
            self._empty_at[key] = now + held + each
            self._empty_at.move_to_end(key)
            while len(self._empty_at) > self._most:
                self._empty_at.popitem(last=False)
        left = max(0.0, size - held - each)
        return Counted(0, int(left / each + _TOLERANCE), math.ceil(held + each))


_TOLERANCE = 1e-6  # sums of fractions
