"""Workers that are processes of their own: killed between sending and putting down, and two at once."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

from registry.licences.fsck import fsck
from registry.webhooks.claims import LEASE
from tests import warm
from tests.registry.hooking import endpoint, permitting, receiver, rows, sent
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World

ENDPOINTS, LICENCES = 4, 10


def worked(world: World, count: int, kill_after: int = 0) -> list[int]:
    """So many workers at once, each with claims of its own before either sends anything; how they ended."""
    settings, now = world.ports.settings, world.ports.clock().isoformat()
    order = (str(settings.data), settings.database_url, now, str(kill_after))
    with ExitStack() as stack:
        running = [
            stack.enter_context(warm.talking("tests.registry.webhook_process", *order)) for _ in range(count)
        ]
        for process in running:
            assert process.said.readline() == "claimed\n"
        for process in running:
            print(file=process.told, flush=True)
        return [int(process.said.read()) for process in running]


def test_what_a_killed_worker_had_sent_is_sent_again_under_the_same_id(world: World, clock: Ticker) -> None:
    permitting(world)
    with receiver() as hook:
        endpoint(world, hook.url)
        for _ in range(3):
            issue_one(world)
        assert worked(world, 1, kill_after=2) == [-signal.SIGKILL]
        before = Counter(hook.ids)
        assert sum(before.values()) >= 2
        assert not sent(world), "its leases hold"
        clock.advance(LEASE)
        assert sent(world).delivered == 3
        again = Counter(hook.ids)
    assert set(again) == {row.event_id for row in rows(world)}
    assert {event_id for event_id, count in again.items() if count == 2} == set(before)
    assert {row.state for row in rows(world)} == {"delivered"}
    assert fsck(world.ports) == []


def test_two_workers_send_each_event_once(world: World, clock: Ticker) -> None:
    permitting(world)
    with receiver() as hook:
        for number in range(ENDPOINTS):
            endpoint(world, f"{hook.url}/{number}")
        for _ in range(LICENCES):
            issue_one(world)
        clock.advance(timedelta(seconds=1))
        assert worked(world, 2) == [0, 0]
    told = Counter((call.path, call.id) for call in hook.calls)
    assert set(told.values()) == {1}
    assert len(told) == ENDPOINTS * LICENCES
    assert {row.state for row in rows(world)} == {"delivered"}
