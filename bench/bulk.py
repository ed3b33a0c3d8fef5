"""The whole road in bulk: validated, drawn, sealed, stored, committed, events and leaves written.

Two processes, as two API processes would, issue groups through `issue_many` into one registry. Each is given
its requests, issues a first group and waits for a word, so that neither start-up nor the parent's work is
measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import update

from bench.row import Row, peak_mb
from registry.batches.claims import SLICE
from registry.documents import document_key
from registry.samples import sample_requests
from registry.seals.tables import StandingAuthorisation
from tests.postgres import DURABLE, PostgresServer, find_binaries
from tests.registry.issuing import ISSUED, food_number
from tests.registry.world import CHEAP, Ticker, World, make_world

COUNT = 10_000
WORKERS = 2
GROUP = SLICE
PATIENCE = 3600  # seconds for a run


def run() -> list[Row]:
    """bulk.sqlite_10k_per_s, bulk.postgres_10k_per_s: licences a second; bulk.sqlite_cpu_ms,
    bulk.postgres_cpu_ms: of the workers, for one licence; bulk.peak_mb: the most memory that a worker held;
    store.bytes_per_licence: of a document's own object, without what licences share.
    """
    sqlite = on_sqlite(COUNT)
    rows = [
        Row("bulk.sqlite_10k_per_s", sqlite.rate, "1/s"),
        Row("bulk.sqlite_cpu_ms", sqlite.cpu_ms, "ms"),
    ]
    peak = sqlite.peak
    with _postgres() as url:
        if url is not None:
            postgres = _measure(url, COUNT)
            rows.append(Row("bulk.postgres_10k_per_s", postgres.rate, "1/s"))
            rows.append(Row("bulk.postgres_cpu_ms", postgres.cpu_ms, "ms"))
            peak = max(peak, postgres.peak)
    return [
        *rows,
        Row("bulk.peak_mb", peak, "MiB"),
        Row("store.bytes_per_licence", sqlite.bytes_per_licence, "bytes"),
    ]


class Measured:
    """What came of one run."""

    def __init__(self, answers: list[dict[str, Any]], world: World) -> None:
        ids = [one for answer in answers for one in answer["ids"]]
        folder = world.ports.settings.documents_directory
        sizes = [(folder / document_key(one)).stat().st_size for one in ids]
        self.rate = len(ids) / (max(a["end"] for a in answers) - min(a["begin"] for a in answers))
        self.cpu_ms = 1000 * sum(answer["cpu"] for answer in answers) / len(ids)
        self.peak = max(answer["peak_mb"] for answer in answers)
        self.bytes_per_licence = sum(sizes) / len(sizes)


def on_sqlite(count: int) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        return _measure(f"sqlite:///{name}/registry.db", count)


@contextmanager
def _postgres() -> Iterator[str | None]:
    binaries = find_binaries()
    if binaries is None:
        print("bulk.postgres_10k_per_s: not measured, postgresql is not installed")
        yield None
        return
    server = PostgresServer(binaries, DURABLE)
    try:
        yield server.create()
    finally:
        server.stop()


def _measure(url: str, count: int) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        world = make_world(Path(name), url, Ticker())
        try:
            with world.ports.database.transaction() as session:
                session.execute(update(StandingAuthorisation).values(daily_limit=10_000_000))
            return Measured(work(world, url, count), world)
        finally:
            world.close()


def work(world: World, url: str, count: int) -> list[dict[str, Any]]:
    actor = world.actor()
    plan = {
        "data": str(world.ports.settings.data), "url": url, "now": world.ports.clock().isoformat(),
        "client": actor.client_id, "agency": actor.agency_code,
        "seal": world.seal_code, "type": world.type_code,
    }  # fmt: skip
    workers, each = [], GROUP + count // WORKERS
    for number in range(WORKERS):
        worker = subprocess.Popen(
            [sys.executable, "-m", "bench.bulk"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        workers.append(worker)
        share = range(1 + number * each, 1 + (number + 1) * each)
        assert worker.stdin is not None
        worker.stdin.write(json.dumps({**plan, "first": share.start, "stop": share.stop}) + "\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [json.loads(worker.communicate(timeout=PATIENCE)[0]) for worker in workers]


def _worker() -> None:
    from registry.actor import Actor
    from registry.composition import open_ports
    from registry.licences.issue_many import issue_many
    from registry.licences.issued import Issued
    from registry.settings import Settings
    from tests.registry.issuing import ordered

    plan = json.loads(sys.stdin.readline())
    now = datetime.fromisoformat(plan["now"])
    settings = Settings(data=Path(plan["data"]), database_url=plan["url"], demo=True)
    ports = open_ports(settings, clock=lambda: now, cost=CHEAP)
    actor = Actor(plan["client"], plan["agency"], frozenset({"licence"}))
    samples = [one for one in sample_requests(ISSUED) if one["type"] == plan["type"]]
    orders = [
        ordered(
            {
                "type": plan["type"], "seal": plan["seal"], "number": food_number(number),
                "fields": _own(samples[number % len(samples)]["fields"], number),
                "matter_code": "000131001000",
                "case_number": "20261120-0001", "operator": "window-03",
            }
        )
        for number in range(plan["first"], plan["stop"])
    ]  # fmt: skip
    first, orders = orders[:GROUP], orders[GROUP:]
    issued = [one.edition_id for one in issue_many(ports, actor, first) if isinstance(one, Issued)]
    assert len(issued) == len(first)  # statements, keys, glyphs and the compiled face are there
    print("ready", flush=True)
    assert sys.stdin.readline() == "go\n"
    begin, cpu, ids = time.time(), time.process_time(), []
    for at in range(0, len(orders), GROUP):
        for outcome in issue_many(ports, actor, orders[at : at + GROUP]):
            assert isinstance(outcome, Issued), outcome
            assert outcome.level == "B-LT"
            ids.append(outcome.edition_id)
    end, cpu = time.time(), time.process_time() - cpu
    json.dump({"begin": begin, "end": end, "cpu": cpu, "ids": ids, "peak_mb": peak_mb()}, sys.stdout)


def _own(fields: dict[str, Any], number: int) -> dict[str, Any]:
    """No two licences share a name or an address: what is remembered of a text must not flatter."""
    return fields | {
        "operator_name": f"{fields['operator_name'][:20]}{number}",
        "premises": f"{fields['premises'][:30]}{number}",
        "domicile": f"{fields['domicile'][:30]}{number}",
    }


if __name__ == "__main__":
    _worker()
