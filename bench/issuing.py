"""Single licences over HTTP: `POST /api/v1/licences` at a fixed pace, against services that run.

Measured twice: as `vermilion run` serves (SQLite, keys in the API's process), and as docker-compose.yml
deploys (PostgreSQL that syncs, keys with `vermilion signer` in a process of its own). Everything is real:
granian, tokens, documents and database on the disk, level B-LT.

The load sends by a schedule and counts from it (`bench.load.paced`). It runs on the same machine, as does all
of the service: with two cores they wait for each other now and then, so a slow answer may be the load's own
doing. The baseline has the same disturbance in it: the same bodies at the same pace, in the same run, to a
handler of the same server that commits one row durably and answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import update
from stdnum.iso7064 import mod_11_10

from bench.load import Paced, paced
from bench.row import Row
from registry.cli.run import Site, started
from registry.database import Database
from registry.processes import Service, free_port
from registry.sample_registry import People, licence_request, open_seal
from registry.schema import upgrade
from registry.seals.tables import StandingAuthorisation
from registry.settings import Settings
from tests.postgres import DURABLE, PostgresServer, find_binaries

PER_SECOND = 50.0
WARM_UP = 250  # requests at that pace, not counted
COUNTED = 1250  # 25 s
LEVEL = "B-LT"
SIGNER_SECONDS = 60
BARE_APP = "bench.bare:writing"


def run() -> list[Row]:
    """issue.http_p50_ms and issue.http_p99_ms: latency of POST /api/v1/licences at 50 a second as `vermilion
    run` serves; baseline: of one committed row at the same pace. issue.http_cpu_ms: processor time of all
    services for one of them. issue.http_deployed_…: the same on PostgreSQL with the signer.
    """
    rows = []
    with _folder() as folder:
        rows += _rows("issue.http", folder, Settings(data=folder / "var", **_ports()))
    binaries = find_binaries()
    if binaries is None:
        print("issue.http_deployed_p50_ms: not measured, postgresql is not installed")
        return rows
    server = PostgresServer(binaries, DURABLE)
    try:
        with _folder() as folder:
            settings = Settings(
                data=folder / "var",
                database_url=server.create(upgrade),
                signer_socket=folder / "run" / "socket",
                **_ports(),
            )
            with _signer(settings, folder / "signer") as signer:
                rows += _rows("issue.http_deployed", folder, settings, signer, server)
    finally:
        server.stop()
    return rows


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)  # the public site is another user
        yield Path(name)


def _ports() -> dict[str, Any]:
    ports = {name: free_port() for name in ("api_port", "public_port", "authority_port")}
    return {**ports, "demo": True}


@contextlib.contextmanager
def _signer(settings: Settings, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    assert settings.signer_socket is not None
    own = {
        "VERMILION_DATA": str(data),
        "VERMILION_DATABASE_URL": settings.url,
        "VERMILION_SIGNER_SOCKET": str(settings.signer_socket),
        "VERMILION_SIGNER_CALLERS": f"{os.geteuid()}=*,generate",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "registry", "signer"],
        env={**os.environ, **own},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + SIGNER_SECONDS
        while not settings.signer_socket.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the signer did not start")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def _rows(
    name: str,
    folder: Path,
    settings: Settings,
    signer: subprocess.Popen[bytes] | None = None,
    server: PostgresServer | None = None,
) -> list[Row]:
    with started(settings, logs=folder) as site:
        own = [service.process.pid for service in site.services] + ([signer.pid] if signer else [])

        def cpu() -> float:
            return sum(map(_cpu_seconds, own)) + (server.cpu_seconds() if server else 0.0)

        requests = _requests(settings, site)
        paced(settings.api_port, requests[:WARM_UP], PER_SECOND)
        before = cpu()
        answers = paced(settings.api_port, requests[WARM_UP:], PER_SECOND)
        used = cpu() - before
        for one in answers:
            _require_issued(one)
        bare = _bare(settings, folder, requests, server)
    (p50, p99), (bare_p50, bare_p99) = (
        [percentile([one.latency * 1000 for one in some], percent) for percent in (50, 99)]
        for some in (answers, bare)
    )
    late = sum(one.lag > 1e-3 for one in answers)
    print(f"{name}_p50_ms: {len(answers)} requests; the load sent {late} of them over 1 ms late")
    return [
        Row(f"{name}_p50_ms", p50, "ms", bare_p50),
        Row(f"{name}_p99_ms", p99, "ms", bare_p99),
        Row(f"{name}_cpu_ms", used * 1000 / len(answers), "ms"),
    ]


def _requests(settings: Settings, site: Site) -> list[bytes]:
    """Whole requests, each for another licence of the sample agency under its own key; the seal is in use."""
    people = People.load(settings.data / "credentials", site.api)
    today = datetime.now(UTC).astimezone(settings.tz).date()
    seal = str(open_seal(people, today)[1].json()["seal"])
    database = Database.open(settings.url)
    with database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(daily_limit=1_000_000))
    database.dispose()
    token = people["agency-system"].token()
    return [_request(settings.api_port, token, seal, today, n) for n in range(WARM_UP + COUNTED)]


def _request(port: int, token: str, seal: str, today: date, number: int) -> bytes:
    wanted = licence_request(seal, today, number) | {"number": food_number(number)}
    body = json.dumps(wanted, ensure_ascii=False).encode()
    head = (
        f"POST /api/v1/licences HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: bench-{number}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def food_number(serial: int) -> str:
    """A food business licence number with its check digit, clear of the samples' own."""
    digits = f"2990102{900000 + serial:06d}"
    return f"JY{digits}{mod_11_10.calc_check_digit(digits)}"


def _require_issued(one: Paced) -> None:
    head, _, body = one.answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(f"a licence was not issued: {body.decode()}")
    level = json.loads(body)["document"]["level"]
    if level != LEVEL:
        raise RuntimeError(f"a licence is at {level}")


def _bare(
    settings: Settings, folder: Path, requests: Sequence[bytes], server: PostgresServer | None
) -> list[Paced]:
    url = server.create() if server else f"sqlite:///{folder}/bare.db"
    environment = {"VERMILION_DATABASE_URL": url, "VERMILION_DATA": str(settings.data)}
    bare = Service("bare handler", BARE_APP, "127.0.0.1", free_port(), environment=environment)
    bare.start()
    try:
        bare.wait_ready()
        paced(bare.port, requests[:WARM_UP], PER_SECOND)
        answers = paced(bare.port, requests[WARM_UP:], PER_SECOND)
    finally:
        bare.stop()
    if not all(one.answer.startswith(b"HTTP/1.1 201") for one in answers):
        raise RuntimeError("the bare handler did not write")
    return answers


def percentile(figures: Sequence[float], percent: int) -> float:
    """The smallest figure that so many of a hundred do not exceed."""
    return sorted(figures)[-(-len(figures) * percent // 100) - 1]


def _cpu_seconds(pid: int) -> float:
    """What a process and those below it have used so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    ticks = sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK") + sum(map(_cpu_seconds, map(int, children.read_text().split())))
