"""Does a large batch go as fast as a small one? Ten times as many licences, on SQLite."""

from __future__ import annotations

from bench import bulk
from bench.row import Row


def run() -> list[Row]:
    """bulk.sqlite_100k_vs_10k: the rate of 100,000 licences over that of 10,000."""
    small, large = bulk.on_sqlite(bulk.COUNT), bulk.on_sqlite(10 * bulk.COUNT)
    return [Row("bulk.sqlite_100k_vs_10k", large.rate / small.rate, "times")]
