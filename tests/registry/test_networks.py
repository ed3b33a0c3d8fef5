"""Buckets of networks: a share a minute, no more than so many remembered."""

from __future__ import annotations

from registry.networks import NetworkBuckets


def test_a_share_at_once_and_then_one_after_another() -> None:
    now = [100.0]
    buckets = NetworkBuckets(6, monotonic=lambda: now[0])
    assert [buckets.enter("a") for _ in range(8)] == [0] * 6 + [10, 10]
    assert buckets.enter("b") == 0
    now[0] += 10
    assert [buckets.enter("a"), buckets.enter("a")] == [0, 10]
    now[0] += 3600
    assert [buckets.enter("a") for _ in range(7)] == [0] * 6 + [10]


def test_memory_is_bounded() -> None:
    buckets = NetworkBuckets(1, monotonic=lambda: 0.0, most=3)
    assert [buckets.enter(name) for name in "abcd"] == [0, 0, 0, 0]
    assert buckets.enter("d") == 60
    assert buckets.enter("a") == 0  # forgotten: the longest silent of four
