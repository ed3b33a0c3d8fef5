"""Checks under load, by the same supervisor, server and database as `vermilion run`: the live answer of
/c/<id> as page and as JSON, among a thousand licences and among a million.

Two processes answer, here and in the baseline; they, the load and the rest of the service share the machine.
Each licence is asked for once in a round, so that nothing is measured that only a second look finds.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.issuing import food_number, percentile
from bench.load import paced, rate
from bench.many import fill, link_id
from bench.row import Row
from registry.cli.run import Site, started
from registry.client import call
from registry.database import Database
from registry.processes import Service, free_port
from registry.sample_registry import People, licence_request, open_seal
from registry.schema import upgrade
from registry.settings import Settings
from signing.credential import link_text
from tests.postgres import DURABLE, PostgresServer, find_binaries

FEW, MANY = 1_000, 1_000_000
PROCESSES = 2
ROUNDS = 5
REQUESTS = 2000
PACED = 2000
BARE_APP = "bench.bare:application"
HTML, JSON, TEXT = "text/html", "application/json", "text/plain"


def run() -> list[Row]:
    """check.page_vs_bare, check.json_vs_bare: rate of /c/<id> over that of one indexed select as plain text;
    check.p99_ms: latency of the page at half its rate; all on SQLite, among a thousand. check.1m_vs_1k: rate
    of the JSON among a million licences over that among a thousand, the worse of the databases; and of each.

    The site answers these before the framework (`verify_web.scan_road`); the bare handler stands in it.
    """
    with folder_for_another_user() as folder:
        settings = site_settings(folder, processes=PROCESSES)
        with started(settings) as site, _bare(settings, site) as bare:
            issue_one(settings, site)
            few = _filled(settings, FEW)
            page, page_bare = _rates(settings.public_port, HTML, bare.port, few)
            answer, answer_bare = _rates(settings.public_port, JSON, bare.port, few)
            latencies = paced(settings.public_port, _requests(few, HTML, PACED), page / 2)
            ratios = {"sqlite": _ratio(settings, few)}
    binaries = find_binaries()
    if binaries is None:
        print("check.1m_vs_1k_postgres: not measured, postgresql is not installed")
    else:
        server = PostgresServer(binaries, DURABLE)
        try:
            with folder_for_another_user() as folder:
                settings = site_settings(folder, server.create(upgrade), processes=PROCESSES)
                with started(settings) as site:
                    issue_one(settings, site)
                    ratios["postgres"] = _ratio(settings, _filled(settings, FEW))
        finally:
            server.stop()
    slow = percentile([one.latency for one in latencies], 99)
    return [
        Row("check.page_vs_bare", page, "1/s", page_bare),
        Row("check.json_vs_bare", answer, "1/s", answer_bare),
        Row("check.p99_ms", slow * 1000, "ms"),
        Row("check.1m_vs_1k", min(one.ratio for one in ratios.values()), "times"),
        *(Row(f"check.1m_vs_1k_{name}", one.ratio, "times") for name, one in ratios.items()),
    ]


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Rates among a million licences and among a thousand."""

    many: float
    few: float

    @property
    def ratio(self) -> float:
        return self.many / self.few


@contextmanager
def folder_for_another_user() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)  # the public site is another user
        yield Path(name)


def site_settings(
    folder: Path, url: str | None = None, *, processes: int = 1, trusted_proxies: int = 0
) -> Settings:
    values: dict[str, Any] = {name: free_port() for name in ("api_port", "authority_port", "public_port")}
    if url is not None:
        values["database_url"] = url
    values |= {"public_processes": processes, "trusted_proxies": trusted_proxies}
    return Settings(data=folder / "var", demo=True, **values)


@contextmanager
def _bare(settings: Settings, site: Site) -> Iterator[Service]:
    public = site.services[-1]
    bare = Service(
        "bare handler", BARE_APP, "127.0.0.1", free_port(), public.user,
        {"VERMILION_DATABASE_URL": settings.url}, workers=PROCESSES,
    )  # fmt: skip
    bare.start()
    try:
        bare.wait_ready()
        yield bare
    finally:
        bare.stop()


@dataclass(frozen=True, slots=True)
class First:
    """A first licence: its printed link, with the fragment, and its document."""

    link: str
    document: bytes


def issue_one(settings: Settings, site: Site) -> First:
    people = People.load(settings.data / "credentials", site.api)
    today = datetime.now(UTC).astimezone(settings.tz).date()
    seal = open_seal(people, today)[1].json()["seal"]
    wanted = licence_request(seal, today, 0) | {"number": food_number(0)}
    client = people["agency-system"]
    issued = client.post("/api/v1/licences", wanted, idempotency_key="bench").expect(201).json()
    return First(issued["link"], client.get(issued["document"]["href"]).expect(200).body)


def _filled(settings: Settings, count: int) -> list[str]:
    """Paths of licences, spread over the register, which is brought to `count`."""
    database = Database.open(settings.url)
    try:
        fill(database, count)
    finally:
        database.dispose()
    step = max(1, count // (2 * REQUESTS))
    paths = []
    for number in range(1, count, step):
        path = "/c/" + link_text(settings.public_origin, link_id(number)).rpartition("/c/")[2]
        paths.append(path)
    return paths


def _ratio(settings: Settings, few: Sequence[str]) -> _Ratio:
    before = _rate(settings.public_port, JSON, few)
    return _Ratio(_rate(settings.public_port, JSON, _filled(settings, MANY)), before)


def _rate(port: int, accept: str, paths: Sequence[str]) -> float:
    requests = _requests(paths, accept, REQUESTS)
    return statistics.median(rate(port, requests, REQUESTS) for _ in range(ROUNDS))


def _rates(port: int, accept: str, bare_port: int, paths: Sequence[str]) -> tuple[float, float]:
    """Medians of alternating rounds, so that what else the machine does falls on both."""
    assert call("GET", f"http://localhost:{port}{paths[0]}", headers={"Accept": accept}).status == 200
    wanted, bare = _requests(paths, accept, REQUESTS), _requests(paths, TEXT, REQUESTS)
    pairs = [(rate(port, wanted, REQUESTS), rate(bare_port, bare, REQUESTS)) for _ in range(ROUNDS)]
    return statistics.median(one for one, _ in pairs), statistics.median(one for _, one in pairs)


def _requests(paths: Sequence[str], accept: str, count: int) -> list[bytes]:
    return [
        (
            f"GET {paths[number % len(paths)]} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
            "Accept-Language: zh-CN\r\n\r\n"
        ).encode()
        for number in range(count)
    ]
