"""What the API's process does beside answering, from its start until it is told to stop."""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.profiles import PROFILES, ProfileName
from registry.licences.fsck import fsck
from registry.licences.tables import Intent
from registry.seals.renewal import REMAINING
from registry.seals.tables import Key, PublishedTrustList
from registry.wsgi import start_background
from tests.registry.issuing import die
from tests.registry.world import Ticker, World
from tests.services.running import until


def test_a_start_settles_what_was_left_and_publishes_what_is_due(world: World, clock: Ticker) -> None:
    """A licence whose process died is adopted, and a trust list past a third of its life signed again."""
    die(world)
    before = latest(world)
    clock.advance(timedelta(days=3))
    stop = threading.Event()
    threads = start_background(world.ports, stop)
    try:
        until(lambda: states(world) == ["done"], "the intent is adopted")
        until(lambda: latest(world) == before + 1, "the trust list is published")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert [thread.name for thread in threads] == ["recovery", "trust-list"]
    assert not any(thread.is_alive() for thread in threads)
    assert fsck(world.ports) == []


def test_a_start_renews_what_is_due_and_lists_it(world: World, clock: Ticker) -> None:
    clock.advance(PROFILES[ProfileName.QR].life * (1 - REMAINING))
    stop = threading.Event()
    threads = start_background(world.ports, stop)
    try:
        until(lambda: listed(world) == 4, "the new QR keys are in the trust list")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def listed(world: World) -> int:
    with Session(world.ports.database.read) as session:
        keys = select(func.count()).select_from(Key).where(Key.purpose == "qr", Key.listed_at.is_not(None))
        return session.scalars(keys).one()


def states(world: World) -> list[str]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(Intent.state)))


def latest(world: World) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(func.max(PublishedTrustList.sequence))).one() or 0
