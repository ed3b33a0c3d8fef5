"""What the authority's process does beside answering: CRLs are made, and what is given out is shown to the linter."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import ocsp as asn1_ocsp
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.crl import RevocationReason
from keys.lint import lint_crl
from keys.ocsp import response_data
from registry.authority_wsgi import start_background
from registry.seals import revocation
from registry.seals.authority import give_ocsp_key, issuing_authority
from registry.seals.published_lint import WHOLE_EVERY, PublishedLint
from registry.seals.revocation_list import COALESCE, publish_due
from registry.seals.tables import RevocationList
from tests.registry.test_revocation import change, serial_of
from tests.registry.test_revocation_list import lists, newest
from tests.registry.world import Ticker, World, on_sqlite
from tests.services.running import until

FORMS = 2 * (
    2 + len(RevocationReason) + 1
)  # with a nonce and without: good, unknown, revoked for each reason or none
LISTS = 2  # the root's and the issuing CA's


def found(capsys: pytest.CaptureFixture[str]) -> str:
    return "\n".join(line for line in capsys.readouterr().err.splitlines() if "lint_found" in line)


def test_every_form_of_answer_and_each_new_list_is_linted_once(
    world: World, clock: Ticker, capsys: pytest.CaptureFixture[str]
) -> None:
    lint = PublishedLint(world.ports)
    assert lint.look() == FORMS + LISTS
    assert lint.look() == 0
    give_ocsp_key(world.ports)
    assert lint.look() == FORMS
    clock.advance(COALESCE)
    change(world, revocation.hold, serial_of(world))()
    assert publish_due(world.ports) == 1
    assert lint.look() == 0, "the linter takes long over a long list"
    clock.advance(WHOLE_EVERY)
    assert lint.look() == 1
    assert found(capsys) == ""


@on_sqlite
def test_what_the_linter_finds_is_told_and_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list that lies in the database otherwise than it was built, and answers of a shape gone wrong."""
    with Session(world.ports.database.read) as session:
        ca = issuing_authority(session).key.id
    with world.ports.database.transaction() as session:
        row = session.scalars(select(RevocationList).where(RevocationList.ca_key_id == ca)).one()
        assert row.der is not None
        number = b"\x55\x1d\x14\x04\x03\x02\x01\x01"  # cRLNumber 1
        assert row.der.count(number) == 1
        row.der = row.der.replace(number, number[:-1] + b"\xff")

    def ended_before_it_began(*arguments: Any, **options: Any) -> bytes:
        data = asn1_ocsp.ResponseData.load(response_data(*arguments, **options))
        for answer in data["responses"]:
            answer["next_update"] = answer["this_update"].native - timedelta(days=1)
        return bytes(data.dump(force=True))

    monkeypatch.setattr("registry.seals.published_lint.response_data", ended_before_it_began)
    lint = PublishedLint(world.ports)
    assert lint.look() == FORMS + LISTS
    told = found(capsys)
    assert f'"name": "{ca}:1"' in told
    assert '"object": "crl"' in told
    assert '"object": "ocsp"' in told
    assert lint.look() == 0


@on_sqlite
def test_a_running_authority_makes_lists_and_shows_them_to_the_linter(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()

    def seen(der: bytes) -> None:
        lint_crl(der)
        looked.set()

    monkeypatch.setattr("registry.seals.published_lint.lint_crl", seen)
    clock.advance(timedelta(minutes=1))
    change(world, revocation.hold, serial_of(world))()
    stop = threading.Event()
    threads = start_background(world.ports, stop)
    try:
        until(lambda: [row.der is not None for row in lists(world)] == [True, True], "the list is made")
        until(looked.is_set, "the linter has looked")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert len(newest(world)) == 1
    assert [thread.name for thread in threads] == ["revocation-lists", "published-lint"]
