"""Once a day an authority outside stamps what was registered: by whoever answers, and provably before it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.outside_token import verify_outside_token
from keys.tsp import encode_request, read_response
from keys.tst_info import message_imprint
from registry.licences.fsck import fsck
from registry.licences.tables import Document
from registry.seals.anchor import GRACE, Day, anchor_due, day_content, outside_stamper
from registry.seals.outside_tsa import OutsideStamp
from registry.seals.tables import DayAnchor
from tests.keys.outside import Outside, make_outside
from tests.registry.issuing import issue_one
from tests.registry.test_seals_impact import cancel, listed
from tests.registry.world import Ticker, World, on_sqlite
from tests.tools import need

LATER = timedelta(days=3650)


class Asked:
    """openssl's authority, asked without a network; its clock is the machine's own."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.out = False

    def stamp(self, digest: bytes) -> OutsideStamp:
        if self.out:
            raise VermilionError(Kind.UNAVAILABLE, "out", reason="outside_tsa")
        token = read_response(
            self.outside.answer(encode_request(message_imprint(digest), b"\x02\x01\x07", None))
        )
        stamp = verify_outside_token(
            token, digest, nonce=7, policy=None, anchors=(self.outside.root.certificate,),
            at=datetime.now(UTC), tolerance=LATER,
        )  # fmt: skip
        return OutsideStamp("outside", token, stamp)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(make_outside(tmp_path / "outside"))


@pytest.fixture
def past(world: World, clock: Ticker) -> World:
    """The world some days before the present, which openssl's clock says."""
    clock.now = (datetime.now(UTC) - timedelta(days=5)).replace(hour=3, minute=0, second=0, microsecond=0)
    return world


def issued_in(world: World) -> str:
    """A licence whose documents the world registers now; certificates and list are of another time."""
    with world.ports.database.transaction() as session:
        document = Document(
            sha256=sha256(world.ports.random(8)).digest(), edition_id=_edition(world), kind="time_stamped",
            format="pdf", level="B-B", store_key="", size=1, stamped_at=None, stamped_by=None,
            registered_at=world.ports.clock(),
        )  # fmt: skip
        session.add(document)
        return document.sha256.hex()


_editions: dict[int, str] = {}


def _edition(world: World) -> str:
    key = id(world)
    if key not in _editions:
        clock = world.ports.clock
        assert isinstance(clock, Ticker)
        now, clock.now = clock.now, Ticker().now
        _editions[key] = issue_one(world).edition_id
        clock.now = now
        with world.ports.database.transaction() as session:
            session.execute(update(Document).values(registered_at=now - timedelta(days=1)))
    return _editions[key]


def anchors(world: World) -> list[DayAnchor]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(DayAnchor).order_by(DayAnchor.day)))


def test_each_finished_day_with_documents_is_stamped_once(past: World, clock: Ticker, asked: Asked) -> None:
    issued_in(past)
    assert anchor_due(past.ports, asked) == 1  # yesterday's; today is not over
    assert anchor_due(past.ports, asked) == 0
    issued_in(past)
    clock.advance(timedelta(days=2))  # a day without documents has no anchor
    issued_in(past)
    clock.advance(timedelta(days=1))
    assert anchor_due(past.ports, asked) == 2
    rows = anchors(past)
    assert [row.documents for row in rows] == [1, 2, 1]
    assert all(row.to_at - row.from_at == timedelta(days=1) for row in rows)
    assert all(row.from_at.astimezone(past.ports.settings.tz).hour == 0 for row in rows)


def test_a_day_is_stamped_only_when_nothing_can_join_it(past: World, clock: Ticker, asked: Asked) -> None:
    issued_in(past)
    anchor_due(past.ports, asked)
    (row,) = anchors(past)
    clock.now = row.to_at + timedelta(days=1) + GRACE - timedelta(seconds=1)
    assert anchor_due(past.ports, asked) == 0
    clock.advance(timedelta(seconds=1))
    assert anchor_due(past.ports, asked) == 1


def test_an_outage_is_made_up_for(past: World, clock: Ticker, asked: Asked) -> None:
    issued_in(past)
    clock.advance(timedelta(days=1))
    issued_in(past)
    clock.advance(timedelta(days=1))
    asked.out = True
    with pytest.raises(VermilionError):
        anchor_due(past.ports, asked)
    assert anchors(past) == []
    asked.out = False
    assert anchor_due(past.ports, asked) == 3


def test_openssl_verifies_the_list_that_anybody_can_make_again(
    past: World, clock: Ticker, asked: Asked, tmp_path: Path
) -> None:
    name = issued_in(past)
    clock.advance(timedelta(days=1))
    anchor_due(past.ports, asked)
    row = anchors(past)[-1]
    with Session(past.ports.database.read) as session:
        content, count = day_content(session, Day(row.day, row.from_at, row.to_at))
    assert count == 1
    assert name in content.decode().splitlines()
    (tmp_path / "day.txt").write_bytes(content)
    (tmp_path / "day.tst").write_bytes(row.token)
    (tmp_path / "root.pem").write_bytes(asked.outside.root.pem)
    (tmp_path / "between.pem").write_bytes(b"".join(one.pem for one in asked.outside.between))
    done = subprocess.run(
        [need("openssl"), "ts", "-verify", "-data", "day.txt", "-in", "day.tst", "-token_in", "-CAfile",
         "root.pem", "-untrusted", "between.pem"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "Verification: OK" in done.stdout + done.stderr


def test_an_anchor_is_independent_proof_in_the_impact_list(past: World, clock: Ticker, asked: Asked) -> None:
    issued_in(past)
    anchor_due(past.ports, asked)
    clock.now = datetime.now(UTC) + timedelta(minutes=1)  # the anchor came before this
    assert listed(past)["totals"] == {"proven": 1, "own_word": 0, "unproven": 0, "after": 0}
    (row,) = listed(past)["licences"]
    proofs = {(proof["kind"], proof["independent"]) for proof in row["proofs"]}
    assert ("day_anchor", True) in proofs
    gen_time = anchors(past)[0].gen_time
    cancel(past, gen_time.strftime("%Y-%m-%dT%H:%M:%SZ"))  # not before the anchor: it proves nothing
    assert listed(past)["totals"]["proven"] == 0


@on_sqlite
def test_fsck_sees_a_document_taken_out_of_an_anchored_day(past: World, clock: Ticker, asked: Asked) -> None:
    issued_in(past)
    issued_in(past)
    clock.advance(timedelta(days=1))
    anchor_due(past.ports, asked)
    with past.ports.database.transaction() as session:
        gone = session.scalars(select(Document).where(Document.level == "B-B")).first()
        session.delete(gone)
    clock.now = Ticker().now
    assert [finding for finding in fsck(past.ports) if finding.startswith("anchor ")]


@on_sqlite
def test_nobody_is_asked_unless_somebody_is_configured(world: World, tmp_path: Path) -> None:
    assert outside_stamper(world.ports) is None
    outside = make_outside(tmp_path / "o")
    (tmp_path / "ca.pem").write_bytes(outside.root.pem)
    config = tmp_path / "tsas.toml"
    config.write_text('[[tsa]]\nname = "a"\nurl = "http://127.0.0.1:9/"\nca = "ca.pem"\n')
    settings = world.ports.settings.model_copy(update={"outside_tsas": config})
    assert outside_stamper(replace(world.ports, settings=settings)) is not None
