"""How long until a list is signed again: one change among a million licences, and among a thousand."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.many import fill
from bench.row import Row
from registry.licences import rules
from registry.licences.operations import Decision
from registry.licences.status_lists import COALESCE, publish_due
from tests.postgres import DURABLE, PostgresServer, find_binaries
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World, make_world

MANY, FEW = 1_000_000, 1_000
ROUNDS = 7
DECISION = Decision("food safety law, article 132", "expired_food")


def run() -> list[Row]:
    """status.resign_s: seconds from looking what is due to a signed list, JWT and CWT, on record; the slower
    of the databases. status.resign_sqlite_s, status.resign_postgres_s: each, and the same among a thousand.
    """
    rows = [_row("status.resign_sqlite_s", None)]
    binaries = find_binaries()
    if binaries is None:
        print("status.resign_postgres_s: not measured, postgresql is not installed")
    else:
        server = PostgresServer(binaries, DURABLE)
        try:
            rows.append(_row("status.resign_postgres_s", server))
        finally:
            server.stop()
    return [Row("status.resign_s", max(row.value for row in rows), "s"), *rows]


def _row(name: str, server: PostgresServer | None) -> Row:
    with _world(server) as world:
        few = _resign(world, FEW)
    with _world(server) as world:
        return Row(name, _resign(world, MANY), "s", few)


@contextmanager
def _world(server: PostgresServer | None) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/registry.db" if server is None else server.create()
        world = make_world(Path(folder), url, Ticker())
        try:
            yield world
        finally:
            world.close()


def _resign(world: World, count: int) -> float:
    """Median seconds; the first list of all is derived from the record before, and is not measured."""
    issued = issue_one(world)
    fill(world.ports.database, count)
    publish_due(world.ports)
    took = []
    for number in range(ROUNDS):
        clock = world.ports.clock
        assert isinstance(clock, Ticker)
        clock.advance(COALESCE)
        _change(world, issued.printout.record.identifier, suspend=number % 2 == 0)
        begin = time.perf_counter()
        assert publish_due(world.ports) == 1
        took.append(time.perf_counter() - begin)
    return median(took)


def _change(world: World, identifier: str, *, suspend: bool) -> None:
    actor = world.actor("system", "officer")
    with world.ports.database.transaction() as session:
        if suspend:
            rules.suspend(session, world.ports, actor, identifier, DECISION, "other")
        else:
            rules.resume(session, world.ports, actor, identifier, DECISION)
