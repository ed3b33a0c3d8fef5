"""Workers that are processes of their own: killed between sending and putting down, and two at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from registry.licences.fsck import fsck
from registry.webhooks.claims import LEASE, Claimed, Outcome
from tests.registry.hooking import LOOPBACK, endpoint, permitting, receiver, rows, sent
from tests.registry.issuing import issue_one
from tests.registry.world import CHEAP, Ticker, World

ENDPOINTS, LICENCES, WINDOW = 4, 10, 5


def run(world: World, count: int, kill_after: int = 0) -> list[int]:
    """So many workers at once, each killed once it has sent so many (0: never); how they ended."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(count)
    settings = world.ports.settings
    processes = [
        context.Process(
            target=_worker,
            args=(
                settings.data,
                settings.database_url,
                world.ports.clock().isoformat(),
                kill_after,
                together,
            ),
        )
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [process.exitcode or 0 for process in processes]


def _worker(data: Path, url: str, now: str, kill_after: int, together: Barrier) -> None:
    from registry.composition import open_ports
    from registry.settings import Settings
    from registry.webhooks import claims, work
    from registry.webhooks.sending import Sender

    at = datetime.fromisoformat(now)
    settings = Settings(data=data, database_url=url, demo=True, webhook_networks=LOOPBACK)
    ports = open_ports(settings, clock=lambda: at, cost=CHEAP)
    sender = Sender(settings.webhook_permitted, ports.clock)
    posted: list[int] = []
    met: list[int] = []

    def post(one: Claimed) -> Outcome:
        outcome = sender(one)
        posted.append(1)
        if kill_after and len(posted) >= kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    def claim(*arguments: Any) -> list[Claimed]:
        claimed = claims.claim(*arguments)
        if not met:
            met.append(together.wait(60))
        return claimed

    patch = pytest.MonkeyPatch()  # for the life of this process
    patch.setattr(work, "claim", claim)
    patch.setattr(work, "WINDOW", WINDOW)
    round_ = work.deliver(ports, post)
    sender.close()
    ports.database.dispose()
    assert not round_.defects


def issued(world: World, count: int) -> None:
    for _ in range(count):
        issue_one(world)


def test_what_a_killed_worker_had_sent_is_sent_again_under_the_same_id(world: World, clock: Ticker) -> None:
    permitting(world)
    with receiver() as hook:
        endpoint(world, hook.url)
        issued(world, 3)
        assert run(world, 1, kill_after=2) == [-signal.SIGKILL]
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
    """Each has claims of its own before either has sent anything."""
    permitting(world)
    with receiver() as hook:
        for number in range(ENDPOINTS):
            endpoint(world, f"{hook.url}/{number}")
        issued(world, LICENCES)
        clock.advance(timedelta(seconds=1))
        ended: Any = run(world, 2)
    told = Counter((call.path, call.id) for call in hook.calls)
    assert set(told.values()) == {1}
    assert len(told) == ENDPOINTS * LICENCES
    assert {row.state for row in rows(world)} == {"delivered"}
    assert set(ended) == {0}
