"""The registry's share of issuing in groups: everything but drawing and sealing the document.

A whole registry issues groups through `issue_many`. What the document's own steps cost (laying out, checking
the signature, splicing, the strict check of the file) is taken off by a stopwatch around each of them; what
is left is examining, reserving, QR credentials, the custodian's policy, ledger and signatures, time-stamps,
encrypting and storing, registering, events and leaves.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from time import process_time
from typing import Any

from sqlalchemy import update

from bench.row import Row
from registry.licences import printing
from registry.licences.issue_many import Ordered, issue_many
from registry.licences.issued import Issued
from registry.seals.tables import StandingAuthorisation
from tests.postgres import DURABLE, PostgresServer, find_binaries
from tests.registry.issuing import ordered, request_body
from tests.registry.world import Ticker, World, make_world

GROUP = 100
GROUPS = 3
DOCUMENTS_OWN = ("lay_out", "checked_signature", "splice", "strict_check")


@dataclass
class Stopwatch:
    """CPU seconds of this process within the functions that it stands around."""

    seconds: float = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            begin = process_time()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += process_time() - begin

        return timed


@contextmanager
def documents_own(stopwatch: Stopwatch) -> Iterator[None]:
    """The steps of `registry.licences.printing` that are the document's, under the stopwatch."""
    before = {name: getattr(printing, name) for name in DOCUMENTS_OWN}
    try:
        for name, function in before.items():
            setattr(printing, name, stopwatch.around(function))
        yield
    finally:
        for name, function in before.items():
            setattr(printing, name, function)


def registry_at(folder: Path, url: str) -> World:
    world = make_world(folder, url, Ticker())
    with world.ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(daily_limit=1_000_000))
    return world


def orders_of(world: World, count: int) -> list[Ordered]:
    return [ordered(request_body(world)) for _ in range(count)]


def milliseconds(world: World, size: int = GROUP, groups: int = GROUPS) -> float:
    """Median over groups of the registry's CPU for one licence."""
    actor, samples = world.actor(), []
    issue_many(world.ports, actor, orders_of(world, 2))  # keys, glyphs, artwork and statements once
    for _ in range(groups):
        orders, stopwatch = orders_of(world, size), Stopwatch()
        with documents_own(stopwatch):
            begin = process_time()
            outcomes = issue_many(world.ports, actor, orders)
            took = process_time() - begin
        assert all(isinstance(one, Issued) for one in outcomes)
        samples.append((took - stopwatch.seconds) * 1000 / size)
    return statistics.median(samples)


def run() -> list[Row]:
    """group.registry_ms_sqlite and _postgres: CPU of this process for one licence of a group of 100;
    baseline: of a group of one. group.postgres_server_ms: the server's own beside it.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        world = registry_at(Path(name), f"sqlite:///{name}/registry.db")
        rows.append(Row("group.registry_ms_sqlite", milliseconds(world), "ms", milliseconds(world, 1, 20)))
        world.close()
    binaries = find_binaries()
    if binaries is None:
        print("group.registry_ms_postgres: not measured, postgresql is not installed")
        return rows
    server = PostgresServer(binaries, DURABLE)
    try:
        with tempfile.TemporaryDirectory() as name:
            world = registry_at(Path(name), server.create())
            single = milliseconds(world, 1, 20)
            before = server.cpu_seconds()
            group = milliseconds(world)
            served = (server.cpu_seconds() - before) * 1000 / (GROUP * GROUPS + 2)
            world.close()
    finally:
        server.stop()
    rows.append(Row("group.registry_ms_postgres", group, "ms", single))
    rows.append(Row("group.postgres_server_ms", served, "ms"))
    return rows
