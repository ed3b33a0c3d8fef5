"""Webhooks: 10,000 events told to a receiver that fails one call in five, each until it is taken.

Events come on record as an issue's do, in groups; what is measured is what the API's background work does
with them: claim, sign, send over real connections, put down. The receiver is a process of its own. Rests
between attempts are skipped, by the registry's clock: they are chosen, not computed.
"""

from __future__ import annotations

import itertools
import multiprocessing
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.row import Row
from registry.batches.claims import SLICE
from registry.log.rules import Ground, Happening, record_events
from registry.log.tables import Event
from registry.webhooks.kinds import DeliveryState
from registry.webhooks.rules import Wanted, register
from registry.webhooks.sending import Sender
from registry.webhooks.tables import WebhookDelivery
from registry.webhooks.work import deliver
from registry.wsgi import WEBHOOKS_EVERY
from signing.codes import make_identifier
from tests.postgres import DURABLE, PostgresServer, find_binaries
from tests.registry.world import START, Ticker, World, make_world

COUNT = 10_000
FAILS = 5  # one call in so many


def run() -> list[Row]:
    """webhook.sqlite_per_s, webhook.postgres_per_s: events taken a second; webhook.per_s: the lesser.

    Raises RuntimeError where an event is lost, or sent under two ids.
    """
    with tempfile.TemporaryDirectory() as name:
        rates = {"sqlite": _measured(f"sqlite:///{name}/registry.db")}
    binaries = find_binaries()
    if binaries is None:
        print("webhook.postgres_per_s: not measured, postgresql is not installed")
    else:
        server = PostgresServer(binaries, DURABLE)
        try:
            rates["postgres"] = _measured(server.create())
        finally:
            server.stop()
    rows = [Row(f"webhook.{name}_per_s", rate, "1/s") for name, rate in rates.items()]
    return [*rows, Row("webhook.per_s", min(rates.values()), "1/s")]


def _measured(url: str) -> float:
    clock = Ticker()
    with tempfile.TemporaryDirectory() as name, _receiver() as (port, told):
        world = make_world(Path(name), url, clock, seal=False)
        try:
            settings = world.ports.settings.model_copy(update={"webhook_networks": "127.0.0.0/8"})
            world.ports = replace(world.ports, settings=settings)
            events = _on_record(world, f"http://127.0.0.1:{port}/")
            seconds = _sent(world, clock)
            states = _states(world)
        finally:
            world.close()
        told.send(None)
        taken, calls = told.recv()
    if states != {DeliveryState.DELIVERED: COUNT} or set(taken) != events:
        raise RuntimeError(f"events were lost: {states}, {len(taken)} taken")
    if max(calls.values()) < 2 or max(taken.values()) > 1:
        raise RuntimeError("what was taken once was sent again, or nothing was refused")
    return COUNT / seconds


def _on_record(world: World, url: str) -> set[str]:
    """So many events of an agency, which are to be told to one endpoint."""
    world.ports.vault.ready()
    ports, actor = world.ports, world.actor()
    with ports.database.transaction() as session:
        register(session, ports, replace(actor, operator="bench"), Wanted(url))
    for first in range(0, COUNT, SLICE):
        happenings = [
            Happening(
                subject=f"{number:032x}",
                ground=Ground("bench", "issued", START.date()),
                actor=actor,
                detail={"identifier": make_identifier(world.type_code, actor.agency_code, f"{number:09}", 1)},
            )
            for number in range(first, min(first + SLICE, COUNT))
        ]
        with ports.database.transaction() as session:
            record_events(
                session, kind="licence.issued", subject_kind="edition", happenings=happenings,
                now=ports.clock(), random=ports.random,
            )  # fmt: skip
    with Session(ports.database.read) as session:
        return set(session.scalars(select(Event.id).where(Event.kind == "licence.issued")))


def _sent(world: World, clock: Ticker) -> float:
    """Seconds of work until nothing waits."""
    sender = Sender(world.ports.settings.webhook_permitted, clock)
    waiting = select(func.min(WebhookDelivery.due_at)).where(WebhookDelivery.state == DeliveryState.WAITING)
    seconds = 0.0
    while True:
        begin = time.perf_counter()
        round_ = deliver(world.ports, sender)
        seconds += time.perf_counter() - begin
        if round_.defects:
            raise RuntimeError("a defect") from round_.defects[0][1]
        with Session(world.ports.database.read) as session:
            due = session.scalar(waiting)
        if due is None:
            sender.close()
            return seconds
        clock.now = max(due, clock.now + WEBHOOKS_EVERY)  # as often as a service looks


def _states(world: World) -> dict[str, int]:
    grouped = select(WebhookDelivery.state, func.count()).group_by(WebhookDelivery.state)
    with Session(world.ports.database.read) as session:
        return {str(state): int(count) for state, count in session.execute(grouped)}


@contextmanager
def _receiver() -> Iterator[tuple[int, Connection]]:
    """A receiver apart: its port, and a pipe that answers with how often each id was taken, and came."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_receive, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv(), here
    finally:
        process.terminate()
        process.join()


def _receive(told: Any) -> None:
    taken: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    numbers = itertools.count(1)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                good = next(numbers) % FAILS != 0
                calls[self.headers["webhook-id"]] += 1
                if good:
                    taken[self.headers["webhook-id"]] += 1
            self.wfile.write(b"HTTP/1.1 %d .\r\nContent-Length: 0\r\n\r\n" % (204 if good else 503))

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.send(server.server_address[1])
    told.recv()
    told.send((taken, calls))
