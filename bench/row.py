"""One measured figure."""

from __future__ import annotations

import resource
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import process_time


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is value over baseline, where there is a baseline."""

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.baseline is None else self.value / self.baseline


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """Median CPU milliseconds of this process over `rounds` calls."""
    samples = []
    for _ in range(rounds):
        begin = process_time()
        work()
        samples.append((process_time() - begin) * 1000)
    return statistics.median(samples)


def peak_mb() -> float:
    """The most memory this process ever held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
