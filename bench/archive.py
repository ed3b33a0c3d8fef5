"""The archive: packages made, written to two folders, synced and read back; and every copy read again.

Licences are issued first, by two processes as `bench.bulk` does, which is not measured. Then one process
archives them all. Everything is real: SQLite and stores on the disk, documents decrypted, level B-LT, with
evidence.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from sqlalchemy import update

from bench.bulk import work
from bench.row import Row
from registry.archive.audit import audit_due
from registry.archive.keep import keep_due
from registry.archive.stores import open_stores
from registry.seals.tables import StandingAuthorisation
from tests.registry.world import Ticker, make_world

COUNT = 10_000


def run() -> list[Row]:
    """archive.packages_per_s: editions archived in two stores, a second; archive.audit_vs_hash: megabytes
    that an audit reads of both stores a second, unthrottled; baseline: that reading and hashing the same
    files takes.
    """
    return measured(COUNT)


def measured(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/registry.db"
        world = make_world(Path(name), url, Ticker())
        try:
            with world.ports.database.transaction() as session:
                session.execute(update(StandingAuthorisation).values(daily_limit=10_000_000))
            work(world, url, count)
            settings = world.ports.settings.model_copy(update={"archive_audit_mb": 0})
            ports, stores = replace(world.ports, settings=settings), open_stores(world.ports.settings)
            begin = perf_counter()
            done = keep_due(ports, stores)
            took = perf_counter() - begin
            assert not done.deferred
            assert not done.defects
            files = sorted((settings.data / "archive").rglob("*.tar"))
            assert len(files) == 2 * len(done.kept) >= 2 * count
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            begin = perf_counter()
            for path in files:
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    sha256(file.read()).digest()
            bare = perf_counter() - begin
            begin = perf_counter()
            found = audit_due(ports, stores, rest=lambda _seconds: None)
            audited = perf_counter() - begin
            assert not found
            assert sum(found.read.values()) == len(files)
        finally:
            world.close()
    return [
        Row("archive.packages_per_s", len(done.kept) / took, "1/s"),
        Row("archive.audit_vs_hash", megabytes / audited, "MB/s", megabytes / bare),
    ]


if __name__ == "__main__":
    for row in measured(int(sys.argv[1])):
        print(row, row.ratio)
