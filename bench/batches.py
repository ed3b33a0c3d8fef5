"""A batch as its sender has it: taken in, every line checked, issued in the background, its requests erased.

Two processes, as two API processes would, do what `registry.batches` does; the first also takes the batch in.
Beside `bench.bulk`, which issues groups alone, this has the lines' reading, encryption, check and claims.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bench.bulk import GROUP, PATIENCE, WORKERS
from bench.row import Row, peak_mb
from registry.batches.lines import NDJSON
from registry.batches.receive import Upload, receive
from registry.batches.states import UNFINISHED, BatchState
from registry.batches.tables import Batch
from registry.batches.work import work
from registry.licences.issue_many import issue_many
from registry.licences.issued import Issued
from registry.samples import sample_requests
from registry.seals.tables import StandingAuthorisation
from tests.registry.issuing import ISSUED, food_number, ordered
from tests.registry.world import CHEAP, Ticker, World, make_world

COUNT = 10_000
POLL = 0.02  # seconds between looks at what is due


def run() -> list[Row]:
    """bulk.batch_10k_per_s: licences a second, from the first byte of a batch until it is done, on SQLite;
    bulk.batch_peak_mb: the most memory that one of the processes held.
    """
    return measured(COUNT)


def measured(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        world = make_world(Path(name), f"sqlite:///{name}/registry.db", Ticker())
        try:
            with world.ports.database.transaction() as session:
                session.execute(update(StandingAuthorisation).values(daily_limit=10_000_000))
            answers = _work(world, Path(name) / "batch.ndjson", count)
        finally:
            world.close()
    took = max(answer["end"] for answer in answers) - min(answer["begin"] for answer in answers)
    return [
        Row("bulk.batch_10k_per_s", count / took, "1/s"),
        Row("bulk.batch_peak_mb", max(answer["peak_mb"] for answer in answers), "MiB"),
    ]


def _body(world: World, number: int) -> dict[str, Any]:
    samples = [one for one in sample_requests(ISSUED) if one["type"] == world.type_code]
    return {
        "type": world.type_code, "seal": world.seal_code, "number": food_number(number),
        "fields": samples[number % len(samples)]["fields"], "matter_code": "000131001000",
        "case_number": "20261120-0001", "operator": "window-03",
    }  # fmt: skip


def _work(world: World, file: Path, count: int) -> list[dict[str, Any]]:
    first = WORKERS * GROUP
    lines = [json.dumps(_body(world, 1 + first + n), ensure_ascii=False) for n in range(count)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    actor = world.actor()
    workers = []
    for number in range(WORKERS):
        worker = subprocess.Popen(
            [sys.executable, "-m", "bench.batches"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        workers.append(worker)
        plan = {
            "data": str(world.ports.settings.data), "url": str(world.ports.settings.database_url),
            "now": world.ports.clock().isoformat(), "epoch": time.time(), "client": actor.client_id,
            "agency": actor.agency_code, "file": str(file) if number == 0 else None,
            "warm": [_body(world, 1 + number * GROUP + n) for n in range(GROUP)],
        }  # fmt: skip
        _say(worker, json.dumps(plan))
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        _say(worker, "go")
    return [json.loads(worker.communicate(timeout=PATIENCE)[0]) for worker in workers]


def _say(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


def _worker() -> None:
    from registry.actor import Actor
    from registry.composition import open_ports
    from registry.settings import Settings

    plan = json.loads(sys.stdin.readline())
    now = datetime.fromisoformat(plan["now"])
    settings = Settings(data=Path(plan["data"]), database_url=plan["url"], demo=True)
    ports = open_ports(
        settings, clock=lambda: now + timedelta(seconds=time.time() - plan["epoch"]), cost=CHEAP
    )
    actor = Actor(plan["client"], plan["agency"], frozenset({"licence"}))
    warm = issue_many(ports, actor, [ordered(body) for body in plan["warm"]])
    assert all(isinstance(one, Issued) for one in warm), warm
    print("ready", flush=True)
    assert sys.stdin.readline() == "go\n"
    begin = time.time()
    if plan["file"] is not None:
        with Path(plan["file"]).open("rb") as stream:
            upload = Upload(stream, Path(plan["file"]).stat().st_size, NDJSON)
            receive(ports, actor, upload, "bench", check_only=False)
    while not _done(ports.database.read):
        found = work(ports)
        assert not found, found
        time.sleep(POLL)
    json.dump({"begin": begin, "end": time.time(), "peak_mb": peak_mb()}, sys.stdout)


def _done(engine: Any) -> bool:
    with Session(engine) as session:
        states = session.scalars(select(Batch.state)).all()
    assert set(states) <= {*UNFINISHED, BatchState.DONE}, states
    return states == [BatchState.DONE]


if __name__ == "__main__":
    _worker()
