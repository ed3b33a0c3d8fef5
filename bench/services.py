"""The live page under load, by the same supervisor, server and database as `vermilion run`."""

from __future__ import annotations

import statistics
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

from bench.issuing import food_number
from bench.load import rate
from bench.row import Row
from registry.cli.run import started
from registry.client import call
from registry.processes import Account, Service, free_port
from registry.sample_registry import People, licence_request, open_seal
from registry.settings import Settings

ISSUES = 20
ROUNDS = 5
REQUESTS = 2000
BARE_APP = "bench.bare:application"


def run() -> list[Row]:
    """check.page_vs_bare: rate of /c/<id> as page over the rate of one indexed select as plain text."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        settings = Settings(data=Path(name) / "var", api_port=free_port(), public_port=free_port(), demo=True)
        with started(settings) as site:
            people = People.load(settings.data / "credentials", site.api)
            today = datetime.now(UTC).astimezone(settings.tz).date()
            seal = open_seal(people, today)[1].json()["seal"]
            links = [link.partition("#")[0] for link in issue(people, seal, today, ISSUES)]
            user = site.services[1].user
            page, bare = _rates(settings, user, links)
    return [Row("check.page_vs_bare", page, "1/s", bare)]


def issue(people: People, seal: str, today: date, count: int) -> list[str]:
    """The printed links of so many licences, fragments included."""
    links = []
    for number in range(count):
        wanted = licence_request(seal, today, number) | {"number": food_number(number)}
        answer = people["agency-system"].post("/api/v1/licences", wanted, idempotency_key=f"bench-{number}")
        links.append(answer.expect(201).json()["link"])
    return links


def _rates(settings: Settings, user: Account | None, links: list[str]) -> tuple[float, float]:
    """Medians of alternating rounds, so that what else the machine does falls on both."""
    environment = {
        "VERMILION_DATABASE_URL": settings.url,
        "BENCH_PATHS": ",".join(link.rpartition("/c/")[2] for link in links),
    }
    bare = Service("bare handler", BARE_APP, "127.0.0.1", free_port(), user, environment)
    bare.start()
    try:
        bare.wait_ready()
        ids = [link.rpartition("/c/")[2] for link in links]
        pages = [_request(settings.public_port, f"/c/{i}", "text/html") for i in ids]
        selects = [_request(bare.port, f"/c/{i}", "text/plain") for i in ids]
        assert call("GET", links[0], headers={"Accept": "text/html"}).status == 200
        page_rates, bare_rates = [], []
        for _ in range(ROUNDS):
            page_rates.append(rate(settings.public_port, pages, REQUESTS))
            bare_rates.append(rate(bare.port, selects, REQUESTS))
        return statistics.median(page_rates), statistics.median(bare_rates)
    finally:
        bare.stop()


def _request(port: int, path: str, accept: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: {accept}\r\nAccept-Language: zh-CN\r\n\r\n"
    ).encode()
