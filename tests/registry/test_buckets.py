"""Buckets in memory: a share a minute, what is left of it, no more than so many remembered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.buckets import Buckets, Counted, per_minute


def test_a_share_at_once_and_then_one_after_another() -> None:
    now = [100.0]
    buckets = Buckets(per_minute(6), monotonic=lambda: now[0])
    assert [buckets.enter("a").wait for _ in range(8)] == [0] * 6 + [10, 10]
    assert buckets.enter("b") == Counted(wait=0, left=5, drained_in=10)
    now[0] += 10
    assert [buckets.enter("a").wait, buckets.enter("a").wait] == [0, 10]
    now[0] += 3600
    assert [buckets.enter("a").wait for _ in range(7)] == [0] * 6 + [10]


def test_memory_is_bounded() -> None:
    buckets = Buckets(per_minute(1), monotonic=lambda: 0.0, most=3)
    assert [buckets.enter(name).wait for name in "abcd"] == [0, 0, 0, 0]
    assert buckets.enter("d").wait == 60
    assert buckets.enter("a").wait == 0  # forgotten: the longest silent of four


@given(st.integers(1, 5000), st.lists(st.floats(0, 90), max_size=40))
def test_what_is_said_to_be_left_may_be_asked_and_a_wait_is_long_enough(
    share: int, pauses: list[float]
) -> None:
    now = [1e6]
    buckets = Buckets(per_minute(share), monotonic=lambda: now[0])
    for pause in pauses:
        now[0] += pause
        said = buckets.enter("a")
        if said.wait:
            now[0] += said.wait
            said = buckets.enter("a")
            assert said.wait == 0
        while said.left:
            left, said = said.left, buckets.enter("a")
            assert said.left == left - 1
            if left > 3:
                break
        now[0] += said.drained_in
        assert buckets.enter("a").left == share - 1
