"""Who checks a replaced licence is told that it was replaced, and by nothing which edition took its place.

That would lead from an old paper, which anybody may have found, to the one that holds now.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session

import registry.cli.verify
from registry.cli.verify import verify
from registry.licences.issued import Issued, read_document
from registry.licences.status_lists import COALESCE, publish_due
from registry.licences.tables import Document
from registry.publication import publish_to
from signing.codes import parse_identifier
from tests.cli.test_verify_offline import clock_at
from tests.registry.issuing import issue_one
from tests.registry.next_editions import next_edition
from tests.registry.relying import API, BULK, SIGNED, Front, front
from tests.registry.world import Ticker, World
from tests.verify_web.test_api import form
from verify_web.language import LANGUAGES


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world) as made:
        yield made


def document_of(world: World, issued: Issued) -> bytes:
    with Session(world.ports.database.read) as session:
        row = session.scalars(select(Document).where(Document.sha256 == issued.sha256)).one()
    return read_document(world.ports.documents, row.store_key, row.sha256)


def marks_of(world: World, issued: Issued) -> set[str]:
    """Everything by which this edition can be found, or told from the one before it."""
    record, printout = issued.printout.record, issued.printout
    parts = parse_identifier(record.identifier)
    link = issued.link.partition("#")[0]
    return {
        record.identifier,
        f"{parts.edition:03}.{record.identifier[-1]}",
        link,
        link.rpartition("/")[2],
        printout.lookup_code,
        issued.sha256.hex(),
        issued.edition_id,
        str(record.fields["premises"]),
    }


def everything_public(site: Front, first: Issued, file: bytes) -> Iterator[tuple[str, bytes]]:
    """Each way to check it: what it is, and the whole answer, headers included."""

    def told(answer: Any) -> bytes:
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return bytes(str(answer.headers).encode() + answer.data)

    path = first.link.partition("#")[0].removeprefix(site.world.ports.settings.public_origin)
    identifier, code = first.printout.record.identifier, first.printout.lookup_code
    for lang in LANGUAGES:
        wanted = {"Accept-Language": lang, "Accept": "text/html"}
        yield f"page {lang}", told(site.http.get(path, headers=wanted))
        typed = {"identifier": identifier, "lookup_code": code}
        yield f"typed page {lang}", told(site.http.post("/check", data=typed, headers=wanted))
        yield f"upload page {lang}", told(site.http.post("/upload", headers=wanted, **form(file)))
    yield "page's JSON", told(site.http.get(path, headers={"Accept": "application/json"}))
    for body in (
        {"link": first.link.partition("#")[0]},
        {"qr": first.link},
        {"identifier": identifier, "lookup_code": code},
        {"sha256": first.sha256.hex()},
    ):
        for key in (None, site.key):
            yield f"API {sorted(body)} {bool(key)}", told(site.ask(body, key=key))
        payload = site.ask(body, **SIGNED).data.split(b".")[1]
        yield f"signed {sorted(body)}", urlsafe_b64decode(payload + b"==")
        past = {"as_of": site.world.today.isoformat(), "clock": "effective"}
        yield f"past {sorted(body)}", told(site.ask({**body, **past}))
    yield "file", told(site.http.post(API, data=file, content_type="application/pdf"))
    yield "bulk", told(site.ask({"items": [{"link": first.link.partition("#")[0]}]}, BULK))


def test_no_answer_names_the_edition_that_took_its_place(
    world: World, clock: Ticker, site: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = issue_one(world)
    file = document_of(world, first)
    second = next_edition(
        world, "amend", first.printout.record.identifier, fields={"premises": "云溪省样本市西湖路9号"}
    )
    clock.advance(COALESCE)
    publish_due(world.ports)
    marks = marks_of(world, second)
    assert not marks & marks_of(world, first)
    for what, answer in everything_public(site, first, file):
        assert b"replaced" in answer, what
        for mark in marks:
            assert mark.encode() not in answer, (what, mark)
        if b"Content-Type: application/json" in answer:
            assert b'"next"' not in answer, what

    publish_to(world.ports.database.read, tmp_path / "bundle", clock.now)
    (tmp_path / "licence.pdf").write_bytes(file)
    monkeypatch.setattr(registry.cli.verify, "datetime", clock_at(clock.now))
    for subject in (first.link, str(tmp_path / "licence.pdf")):
        for more in (["--json"], ["--report", "--json"], ["--lang", "zh"], []):
            asked = [subject, "--bundle", str(tmp_path / "bundle"), "--no-catch-all", *more]
            done = CliRunner().invoke(verify, asked)
            assert done.exit_code == 1, done.output
            if "--json" in more:
                assert json.loads(done.stdout)["verdict"] == "replaced"
            assert not [mark for mark in marks if mark in done.output], (more, done.output)


def test_another_agency_is_told_nothing_of_either(world: World) -> None:
    first = issue_one(world).printout.record.identifier
    second = next_edition(world, "amend", first, fields={"premises": "甲"}).printout.record.identifier
    assert world.get(f"/api/v1/licences/{first}").get_json()["next"] == second  # who issued it is
    for identifier in (first, second):
        for rest in ("", "/history", "/document"):
            answer = world.get(f"/api/v1/licences/{identifier}{rest}", client="other-system")
            assert answer.status_code == 404
            assert second not in answer.get_data(as_text=True)
