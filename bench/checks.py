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
ROUNDS = 7
REQUESTS = 2000
PACED = 2000
CONNECTIONS = "200"
"""Of a server that two services share: each of their threads keeps one."""
BARE_APP = "bench.bare:application"
HTML, JSON, TEXT = "text/html", "application/json", "text/plain"


def run() -> list[Row]:
    """check.page_vs_bare, check.json_vs_bare: rate of /c/<id> over that of one indexed select as plain text;
    check.p99_ms: latency of the page at half its rate; all on SQLite, among a thousand. check.1m_vs_1k: rate
    of the JSON of a registry of a million licences over that of one of a thousand beside it, the worse of the
    databases; and of each.

    The site answers these before the framework (`verify_web.scan_road`); the bare handler stands in it.
    """
    with _registry(FEW) as few:
        with _bare(few) as bare:
            page, page_bare = few.rates(HTML, bare)
            answer, answer_bare = few.rates(JSON, bare)
            latencies = paced(few.port, few.requests(HTML, PACED), page / 2)
        with _registry(MANY) as many:
            ratios = {"sqlite": _ratio(many, few)}
    binaries = find_binaries()
    if binaries is None:
        print("check.1m_vs_1k_postgres: not measured, postgresql is not installed")
    else:
        server = PostgresServer(binaries, {**DURABLE, "max_connections": CONNECTIONS})
        try:
            with _registry(FEW, server) as few, _registry(MANY, server) as many:
                ratios["postgres"] = _ratio(many, few)
        finally:
            server.stop()
    slow = percentile([one.latency for one in latencies], 99)
    return [
        Row("check.page_vs_bare", page, "1/s", page_bare),
        Row("check.json_vs_bare", answer, "1/s", answer_bare),
        Row("check.p99_ms", slow * 1000, "ms"),
        Row("check.1m_vs_1k", min(ratios.values()), "times"),
        *(Row(f"check.1m_vs_1k_{name}", ratio, "times") for name, ratio in ratios.items()),
    ]


@dataclass(frozen=True, slots=True)
class _Registry:
    """A service that runs, and paths of licences, spread over its register."""

    settings: Settings
    site: Site
    paths: Sequence[str]

    @property
    def port(self) -> int:
        return self.settings.public_port

    def requests(self, accept: str, count: int = REQUESTS) -> list[bytes]:
        head = f"HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nAccept-Language: zh-CN\r\n\r\n"
        return [f"GET {self.paths[number % len(self.paths)]} {head}".encode() for number in range(count)]

    def rates(self, accept: str, bare: Service) -> tuple[float, float]:
        """Its own and that of a bare handler of its database."""
        first = f"http://localhost:{self.port}{self.paths[0]}"
        assert call("GET", first, headers={"Accept": accept}).status == 200
        return _alternating((self.port, self.requests(accept)), (bare.port, self.requests(TEXT)))


@contextmanager
def _registry(count: int, server: PostgresServer | None = None) -> Iterator[_Registry]:
    """One of its own of so many licences, on SQLite without a server."""
    with folder_for_another_user() as folder:
        settings = site_settings(
            folder, None if server is None else server.create(upgrade), processes=PROCESSES
        )
        with started(settings) as site:
            issue_one(settings, site)
            yield _Registry(settings, site, _filled(settings, count))


def _ratio(many: _Registry, few: _Registry) -> float:
    rates = _alternating((many.port, many.requests(JSON)), (few.port, few.requests(JSON)))
    return rates[0] / rates[1]


def _alternating(one: tuple[int, list[bytes]], other: tuple[int, list[bytes]]) -> tuple[float, float]:
    """Median rates of requests to a port and of others to another, in alternating rounds after one that warms
    them up: what else the machine does falls on both.
    """
    rounds = [
        [rate(port, requests, len(requests)) for port, requests in (one, other)] for _ in range(1 + ROUNDS)
    ]
    first, second = zip(*rounds[1:], strict=True)
    return statistics.median(first), statistics.median(second)


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
def _bare(registry: _Registry) -> Iterator[Service]:
    public = registry.site.services[-1]
    bare = Service(
        "bare handler", BARE_APP, "127.0.0.1", free_port(), public.user,
        {"VERMILION_DATABASE_URL": registry.settings.url}, workers=PROCESSES,
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
