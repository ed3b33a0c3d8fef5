"""Batch workers that are processes of their own: killed at a call, or several at once.

Run as a module: it loads everything once, reads a job a line, forks its workers and says how each ended.
It never uses a store or keeps a connection itself, so that no worker inherits a thread's lock.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import VermilionError
from tests import warm
from tests.registry.faults import Faults, NoStore, faulty, kill
from tests.registry.issuing import request_body, to_request
from tests.registry.world import World


@dataclass(frozen=True)
class Workers:
    """The parent of the workers, spoken to a line at a time."""

    parent: warm.Talk

    def __call__(self, now: datetime, count: int = 1, at: int = 0, when: str = "before") -> list[int]:
        """Let so many workers do what is due, a line a slice, each killed at its call `at` (0: never); how they
        ended: -9, or the lines that they issued. Several wait, each with its first line to issue in hand, until all
        have one.
        """
        job = {"now": now.isoformat(), "count": count, "at": at, "when": when}
        print(json.dumps(job), file=self.parent.told, flush=True)
        answer: list[int] = json.loads(self.parent.said.readline())
        return answer


@contextlib.contextmanager
def workers(world: World) -> Iterator[Workers]:
    settings = world.ports.settings
    plan = {
        "now": world.ports.clock().isoformat(), "data": str(settings.data), "url": settings.database_url,
        "client": world.clients["system"].id, "agency": world.codes["own"], "warm": request_body(world),
    }  # fmt: skip
    with warm.talking("tests.registry.batch_process", json.dumps(plan)) as parent:
        yield Workers(parent)


def main(plan: dict[str, Any], jobs: IO[str], answers: IO[str]) -> None:
    from keys.envelope import ScryptCost
    from registry.actor import Actor
    from registry.batches import work as work_module
    from registry.batches.tables import Batch
    from registry.batches.work import work
    from registry.composition import open_ports
    from registry.licences.issue import issue
    from registry.licences.issue_many import issue_many
    from registry.settings import Settings

    now = datetime.fromisoformat(plan["now"])
    settings = Settings(data=Path(plan["data"]), database_url=plan["url"], demo=True)
    ports = open_ports(settings, clock=lambda: now, cost=ScryptCost(n=2**10))
    with contextlib.suppress(VermilionError):  # keys, glyphs and artwork once; the intent is abandoned
        actor = Actor(plan["client"], plan["agency"], frozenset({"licence"}))
        digest = sha256(canonical_json(plan["warm"])).digest()
        issue(replace(ports, documents=NoStore()), actor, to_request(plan["warm"]), "warm", digest)
    ports.database.dispose()

    def unfinished() -> bool:
        with Session(ports.database.read) as session:
            return session.scalar(select(Batch.id).where(Batch.due_at.is_not(None)).limit(1)) is not None

    def worker(job: dict[str, Any], together: Barrier) -> int:
        at = datetime.fromisoformat(job["now"])
        issued: list[int] = []
        settle = work_module._settle

        def noted(*arguments: Any, **options: Any) -> None:
            settle(*arguments, **options)
            issued.extend([1] * len(arguments[6] if len(arguments) > 6 else ()))

        def first_together(*arguments: Any) -> list[Any]:
            if not issued and not met:
                met.append(together.wait(60))
            return issue_many(*arguments)

        met: list[int] = []
        patch = pytest.MonkeyPatch()  # for the life of this process
        patch.setattr(work_module, "_settle", noted)
        patch.setattr(work_module, "issue_many", first_together)
        faults = Faults(at=job["at"], when=job["when"], strike=kill)
        with faulty(replace(ports, clock=lambda: at), faults) as watched:
            round_ = work(watched, size=1)
            while job["count"] > 1 and unfinished() and not round_.defects:
                round_ = work(watched, size=1)
        return 99 if round_.defects else len(issued)

    for line in jobs:
        job = json.loads(line)
        children = []
        together = multiprocessing.get_context("fork").Barrier(job["count"])
        for _ in range(job["count"]):
            process = os.fork()
            if process == 0:
                code = 70
                try:
                    code = worker(job, together)
                finally:
                    os._exit(code)
            children.append(process)
        ended = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children]
        answers.write(json.dumps(ended) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.stdin, sys.stdout)
