"""An agency's questions among a million licences: found by number, holder and identifier, over HTTP; and how
fast a licence is read, against one indexed select of the same server.

The copies hold no record (`bench.many`); those that are asked for get theirs first.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select, update

from bench.checks import BARE_APP, MANY, TEXT, First, folder_for_another_user, issue_one, site_settings
from bench.issuing import food_number, percentile
from bench.load import rate
from bench.many import fill, link_id, number_mark
from bench.row import Row
from registry.cli.run import Site, started
from registry.composition import open_ports
from registry.licences.digests import link_digest
from registry.licences.holdings import holder_mac
from registry.licences.numbers import number_mac
from registry.licences.records import close_record, open_record
from registry.licences.tables import Edition, Intent, Number
from registry.licences.types import type_version
from registry.ports import Ports
from registry.processes import Service, free_port
from registry.sample_registry import People
from registry.settings import Settings
from signing.credential import parse_link
from signing.licence_type import Role

ASKED = 300  # of each kind
WARM_UP = 30
ROUNDS, REQUESTS = 5, 1000


def run() -> list[Row]:
    """search.p95_ms: of the slowest of three kinds of question among a million licences, on SQLite, one after
    the other; and each kind's. api.read_vs_bare: licences read a second with a token, over one indexed select
    of the same server.
    """
    return measured(MANY)


def measured(count: int) -> list[Row]:
    with folder_for_another_user() as folder:
        settings = site_settings(folder)
        with started(settings) as site:
            first = issue_one(settings, site)
            ports = open_ports(settings)
            try:
                fill(ports.database, count)
                given = _give_records(ports, first, range(1, count, max(1, count // ASKED))[:ASKED])
            finally:
                ports.database.dispose()
            token = People.load(settings.data / "credentials", site.api)["agency-system"].token()
            slow = [
                percentile(_asked(settings.api_port, token, [f"/api/v1/licences{one}" for one in paths]), 95)
                for paths in (
                    [f"?number={one.number}" for one in given],
                    [f"?holder={one.holder}" for one in given],
                    [f"/{one.identifier}" for one in given],
                )
            ]
            read, bare = _rates(settings, site, token, given)
    return [
        Row("search.p95_ms", max(slow) * 1000, "ms"),
        Row("search.number_p95_ms", slow[0] * 1000, "ms"),
        Row("search.holder_p95_ms", slow[1] * 1000, "ms"),
        Row("search.identifier_p95_ms", slow[2] * 1000, "ms"),
        Row("api.read_vs_bare", read, "1/s", bare),
    ]


@dataclass(frozen=True, slots=True)
class _Given:
    """A licence by all that it is found by; its link's id is the bare handler's key."""

    identifier: str
    number: str
    holder: str
    link: str


def _give_records(ports: Ports, first: First, numbers: Sequence[int]) -> list[_Given]:
    """A record for each of these licences, and a number and a holder to be found by."""
    given = []
    ports.vault.ready()
    with ports.database.transaction() as session:
        issued = session.scalars(
            select(Edition).where(Edition.link_id_sha256 == link_digest(parse_link(first.link).id_bytes))
        ).one()
        whole = open_record(ports.vault, issued.id, session.get_one(Intent, issued.id).record)
        licence_type = type_version(session, whole.type_code, whole.type_version).type
        of_number, of_holder = licence_type.field(Role.NUMBER), licence_type.field(Role.HOLDER_CODE)
        assert of_number is not None
        assert of_holder is not None
        for number in numbers:
            edition = session.scalars(
                select(Edition).where(Edition.link_id_sha256 == link_digest(link_id(number)))
            ).one()
            told, holder = food_number(500_000 + number % 400_000), f"91990102MA{number:08}"
            record = replace(
                whole,
                identifier=edition.identifier,
                number=told,
                fields={
                    **whole.fields,
                    of_number.name: told,
                    of_holder.name: holder,
                },
            )
            session.execute(
                update(Intent)
                .where(Intent.id == edition.id)
                .values(
                    record=close_record(ports.vault, edition.id, record),
                    holder_mac=holder_mac(ports.vault, whole.type_code, holder),
                )
            )
            mac = number_mac(ports.vault, whole.type_code, whole.issuer_code, told)
            session.execute(
                update(Number).where(Number.number_mac == number_mark(number)).values(number_mac=mac)
            )
            given.append(_Given(edition.identifier, told, holder, link_id(number).hex()))
    return given


def _asked(port: int, token: str, paths: Sequence[str]) -> list[float]:
    """Seconds of each question, one after the other, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    taken = []
    for at, path in enumerate([*paths[:WARM_UP], *paths]):
        begin = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if at >= WARM_UP:
            taken.append(time.perf_counter() - begin)
        assert answer.status == 200, told
        assert len(told.get("licences", [1])) == 1
    return taken


def _rates(settings: Settings, site: Site, token: str, given: Sequence[_Given]) -> tuple[float, float]:
    """Medians of alternating rounds."""
    bare = Service(
        "bare handler", BARE_APP, "127.0.0.1", free_port(), site.services[-1].user,
        {"VERMILION_DATABASE_URL": settings.url},
    )  # fmt: skip
    bare.start()
    try:
        bare.wait_ready()

        def request(path: str, more: str = "") -> bytes:
            return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()

        header = f"Authorization: Bearer {token}\r\n"
        reads = [request(f"/api/v1/licences/{one.identifier}", header) for one in given]
        links = [urlsafe_b64encode(bytes.fromhex(one.link)).rstrip(b"=").decode() for one in given]
        selects = [request(f"/c/{one}", f"Accept: {TEXT}\r\n") for one in links]
        pairs = [
            (rate(settings.api_port, reads, REQUESTS), rate(bare.port, selects, REQUESTS))
            for _ in range(ROUNDS)
        ]
    finally:
        bare.stop()
    return statistics.median(one for one, _ in pairs), statistics.median(one for _, one in pairs)
