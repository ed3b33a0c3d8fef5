"""The count of unexpected failures (design, section 10): a test asserts 0, an operator is alarmed by 1."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry, Counter


class Defects:
    """Counts, and remembers the kinds of the last few; never their messages, which may be secret."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "vermilion_defects_total", "Failures that no rule expected.", ["where"], registry=registry
        )
        self._lock = threading.Lock()
        self.total = 0
        self.last: list[str] = []

    def count(self, where: str, error: BaseException | None = None) -> None:
        """`where` is an endpoint's name, never a path."""
        with self._lock:
            self.total += 1
            self.last = [*self.last[-9:], f"{where}: {type(error).__name__}"]
        self._counter.labels(where=where).inc()
