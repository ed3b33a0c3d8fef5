"""Handed over with a signed list, received item by item, answered by a signed receipt: both ends are played."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import bagit
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import VermilionError
from keys.handover import Archive, Piece, Receipt, Signers, read_list, read_receipt, receipt_input
from registry.archive.audit import audit_due
from registry.archive.bag import bag, to_tar
from registry.archive.drill import restore_drill
from registry.archive.handover import (
    Answered,
    Choice,
    HandedOver,
    hand_over,
    handovers,
    take_receipt,
    withdraw,
)
from registry.archive.metadata import METADATA
from registry.archive.natures import described_by
from registry.archive.package import make_package
from registry.archive.partners import partners, state_signed
from registry.archive.receiving import Received, receive, returned_table
from registry.archive.stores import Stores
from registry.archive.tables import ArchivePackage
from registry.archive.transfer_tables import ArchiveArrival, ArchiveHandover
from registry.licences.fsck import fsck
from registry.ports import Ports
from registry.seals.tables import Certificate
from tests.archive.keeping import NAMES, OutStore, copies, file_of, packages, stores_of
from tests.archive.packages import ABOUT, ACTS, AGENTS, MADE_AT
from tests.archive.test_archiving import told
from tests.archive.test_arrivals import _items, brought
from tests.archive.test_audit import archived, damaged
from tests.archive.test_natures import PACKAGE
from tests.registry.world import GROUND, Ticker, World, make_world
from tests.tokens import resigned


@dataclass
class Ends:
    """Two registries: what the first hands over, the second receives for its agency `own`."""

    first: World
    second: World
    folder: Path

    @property
    def receiver(self) -> Archive:
        return Archive(self.second.codes["own"], "样本省档案馆")

    def knowing(self, world: World, other: World) -> Ports:
        """The ports of one who believes the other's statements."""
        path = self.folder / f"partners-{id(world)}" / f"{other.codes['own']}.pem"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(
            x509.load_der_x509_certificate(receipt_certificate(other)).public_bytes(Encoding.PEM)
        )
        settings = world.ports.settings.model_copy(update={"archive_partners": path.parent})
        return replace(world.ports, settings=settings)

    def handed_over(self, **choice: Any) -> HandedOver:
        return hand_over(
            self.first.ports,
            stores_of(self.first),
            self.first.system,
            GROUND,
            Choice(self.first.codes["own"], **choice),
            self.receiver,
            self.folder / "out",
        )

    def received(self, done: HandedOver, stores: Stores | None = None) -> Received:
        ports = self.knowing(self.second, self.first)
        return receive(
            ports,
            stores or stores_of(self.second),
            self.second.system,
            GROUND,
            done.folder,
            self.receiver.code,
        )

    def answered(self, receipt: str | bytes) -> Answered:
        ports = self.knowing(self.first, self.second)
        data = receipt.encode() if isinstance(receipt, str) else receipt
        with ports.database.transaction() as session:
            return take_receipt(ports, session, self.first.system, GROUND, data)


def receipt_certificate(world: World) -> bytes:
    with Session(world.ports.database.read) as session:
        found = session.scalars(
            select(Certificate.der).where(Certificate.profile == "receipt", Certificate.der.is_not(None))
        ).one()
    assert found is not None
    return found


def speaks(world: World) -> Signers:
    return {receipt_certificate(world): {world.codes["own"]}}


@pytest.fixture
def ends(world: World, clock: Ticker, tmp_path: Path) -> Iterator[Ends]:
    folder = tmp_path / "second"
    folder.mkdir()
    second = make_world(folder, f"sqlite:///{folder}/registry.db", clock)
    yield Ends(world, second, tmp_path)
    second.close()


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(VermilionError) as caught:
        call()
    assert caught.value.reason is not None
    return caught.value.reason


def test_packages_go_over_with_their_list_and_come_back_with_a_receipt(ends: Ends, tmp_path: Path) -> None:
    found = archived(ends.first, 3)
    done = ends.handed_over()
    assert done.folder.name == done.id
    assert bagit.Bag(str(done.folder)).validate(processes=1)
    listed = read_list((done.folder / "data/list.jws").read_bytes(), speaks(ends.first))
    assert (listed.packages, listed.receiver, listed.sender.code) == (
        3,
        ends.receiver,
        ends.first.codes["own"],
    )
    said = json.loads((done.folder / "data/list.json").read_bytes())
    by_id = {one.id: one for one in found}
    for one in said["packages"]:
        package = by_id[one["package"]]
        assert (one["number"], one["sha256"]) == (package.number, (package.sha256 or b"").hex())
        assert (done.folder / one["path"]).read_bytes() == file_of(ends.first, package, "first").read_bytes()
        assert all(detail == "" for _, _, detail in one["findings"])
    with (done.folder / "data/list.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["档号"] for row in table} == {one.number for one in found}
    assert {row[nature] for row in table for nature in ("真实性", "完整性", "可用性", "安全性")} == {"通过"}

    received = ends.received(done)
    assert received.refused == ()
    theirs = packages(ends.second)
    assert {(one.number, one.sha256) for one in theirs} == {(one.number, one.sha256) for one in found}
    assert {one.fonds for one in theirs} == {ends.first.codes["own"]}
    assert {one.agency_code for one in theirs} == {ends.second.codes["own"]}
    assert all(copies(ends.second, one.id) == dict.fromkeys(NAMES, "present") for one in theirs)
    assert fsck(ends.second.ports) == []

    answer = ends.answered(received.receipt)
    assert (set(answer.accepted), answer.refused) == ({one.number for one in found}, ())
    with Session(ends.first.ports.database.read) as session:
        row = session.get_one(ArchiveHandover, done.id)
        assert (row.state, row.accepted, row.receipt) == ("answered", 3, received.receipt.encode())
        assert {one["state"] for one in handovers(session, done.id)} == {"handed_over"}
        assert [one["handover"] for one in handovers(session)] == [done.id]
    events = told(ends.first, "package.handed_over")
    assert {event.subject for event in events} == set(by_id)
    assert {event.person_id for event in events} == {ends.first.system.person_id}
    assert {event.agency_code for event in events} == {ends.first.codes["own"]}
    assert ends.answered(received.receipt).again
    assert refused(ends.handed_over) == "handover_empty"
    assert fsck(ends.first.ports) == []


def test_what_was_received_is_kept_like_one_of_our_own(ends: Ends, tmp_path: Path) -> None:
    archived(ends.first, 2)
    ends.received(ends.handed_over())
    one = packages(ends.second)[0]
    damaged(file_of(ends.second, one, "second"))
    done = audit_due(ends.second.ports, stores_of(ends.second), rest=lambda _seconds: None)
    assert done.repaired == [(one.id, "second")]
    drill = restore_drill(ends.second.ports, stores_of(ends.second), "second", tmp_path / "drill", None)
    assert (drill.report["restored"], drill.faults) == (2, [])


def test_what_does_not_pass_is_returned_with_the_list(ends: Ends, tmp_path: Path) -> None:
    """One altered on the way: the others are accepted, its number and digest are named with what is wrong."""
    found = archived(ends.first, 3)
    done = ends.handed_over()
    path = done.folder / f"data/packages/{found[1].id}.tar"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    received = ends.received(done)
    (returned,) = received.refused
    assert {one.number for one in packages(ends.second)} == {found[0].number, found[2].number}
    wrong = [one.item for one in returned.findings if not one.passed]
    assert wrong[0] == "received_as_sent"
    rows = list(csv.reader(returned_table(received.arrived).decode("utf-8-sig").splitlines()))
    assert [row[2] for row in rows[1:]].count("退回") == 1
    assert [event.detail["items"] for event in told(ends.second, "package.returned")] == [wrong]
    answer = ends.answered(received.receipt)
    assert [(number, package) for number, package, _ in answer.refused] == [(found[1].number, found[1].id)]
    assert "received_as_sent" in answer.refused[0][2]
    again = ends.handed_over()  # what was refused goes again, and nothing else
    assert [one.package for one in again.listed.entries] == [found[1].id]
    assert ends.received(again).refused == ()
    assert fsck(ends.second.ports) == []


def test_a_handover_that_is_read_twice_is_received_once(ends: Ends) -> None:
    archived(ends.first, 2)
    done = ends.handed_over()
    half = Stores({**stores_of(ends.second).by_name, "second": OutStore()})
    assert refused(lambda: ends.received(done, half)) == "archive_copies"
    assert packages(ends.second) == []
    first, second = ends.received(done), ends.received(done)
    assert len(packages(ends.second)) == 2
    assert (first.refused, second.refused) == ((), ())
    assert ends.answered(second.receipt).refused == ()
    assert refused(lambda: ends.answered(first.receipt)) == "handover_answered"


def test_what_was_disposed_of_is_not_accepted_again(ends: Ends) -> None:
    """Who brings it keeps the only copy: it is told so, and why."""
    archived(ends.first, 2)
    done = ends.handed_over()
    ends.received(done)
    gone = done.listed.entries[0].number
    with ends.second.ports.database.transaction() as session:
        session.execute(update(ArchivePackage).where(ArchivePackage.number == gone).values(state="disposed"))
    again = ends.received(done)
    assert [(one.number, one.reason) for one in again.refused] == [(gone, "package_disposed")]
    ((number, _, reason),) = ends.answered(again.receipt).refused
    assert (number, reason) == (gone, "package_disposed: registrable")


def test_a_package_that_its_list_calls_otherwise_is_returned(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(ends.first, 1)
    monkeypatch.setattr(
        "registry.archive.handover.described_by", lambda opened: {**described_by(opened), "档号": "another"}
    )
    done = ends.handed_over()
    (returned,) = ends.received(done).refused
    assert returned.reason == "number_differs"
    assert packages(ends.second) == []


def test_what_has_a_number_of_ours_goes_on_as_it_calls_itself(ends: Ends) -> None:
    brought(ends.first, own_number=True)
    other = make_package(replace(ABOUT, id="cd" * 16), _items(), ACTS, AGENTS)
    brought(ends.first, other.tar, own_number=True)
    done = ends.handed_over()
    assert [one.number for one in done.listed.entries] == [ABOUT.number]
    assert [[one.item for one in found] for found in done.unsound.values()] == [["listed_once"]]
    received = ends.received(done)
    assert received.refused == ()
    assert [one.number for one in packages(ends.second)] == [ABOUT.number]
    assert ends.answered(received.receipt).accepted == (ABOUT.number,)
    assert [one.package for one in ends.handed_over().listed.entries] == list(done.unsound)


@pytest.mark.parametrize(
    ("description", "title"),
    [
        ("甲　乙 食品经营许可证", "甲 乙 食品经营许可证"),
        ("丙" * 400, "丙" * 300),
        ("甲\u2003\u2003乙", "甲 乙"),
    ],
)
def test_what_a_package_calls_itself_makes_no_list_unreadable(
    ends: Ends, description: str, title: str
) -> None:
    """A space of another width, a title that is long, a catalogue that is none: genuine packages have such."""
    payload = {
        path.removeprefix("data/"): data for path, data in PACKAGE.files.items() if path.startswith("data/")
    }
    named = re.sub(rb"(<[^/>]*\xe7\x9b\xae\xe5\xbd\x95\xe5\x8f\xb7>)[^<]*", rb"\1", payload[METADATA])
    assert named != payload[METADATA]
    info = [("External-Identifier", ABOUT.number), ("External-Description", description)]
    assert brought(ends.first, to_tar("bag", bag(payload | {METADATA: named}, info, {}), MADE_AT)).package_id
    done = ends.handed_over()
    assert [(one.title, one.catalogue) for one in done.listed.entries] == [(title, "-")]
    received = ends.received(done)
    assert received.refused == ()
    assert ends.answered(received.receipt).accepted == (ABOUT.number,)


def test_what_a_list_cannot_say_stays_behind(ends: Ends) -> None:
    strange, other = archived(ends.first, 2)
    with ends.first.ports.database.transaction() as session:
        of = ArchivePackage.id == strange.id
        session.execute(update(ArchivePackage).where(of).values(identifier="a\nb"))
    done = ends.handed_over()
    assert [one.package for one in done.listed.entries] == [other.id]
    assert [one.item for one in done.unsound[strange.id]] == ["listable"]
    assert ends.received(done).refused == ()


def test_a_handover_that_was_taken_back_goes_again(ends: Ends) -> None:
    archived(ends.first, 1)
    done = ends.handed_over()
    assert refused(ends.handed_over) == "handover_empty"
    received = ends.received(done)
    ports = ends.first.ports
    with ports.database.transaction() as session:
        withdraw(ports, session, ends.first.system, GROUND, done.id)
    assert refused(lambda: ends.answered(received.receipt)) == "handover_withdrawn"
    assert ends.handed_over().id != done.id


def test_what_is_chosen(ends: Ends, clock: Ticker) -> None:
    (one, *_) = archived(ends.first, 2)
    for nothing in ({"catalogue": "ZZ·1999·Y"}, {"year": 1999}, {"due": True}):
        assert refused(lambda: ends.handed_over(**nothing)) == "handover_empty"  # noqa: B023
    done = ends.handed_over(catalogue=one.catalogue, year=one.year)
    assert len(done.listed.entries) == 2


def test_what_no_store_has_whole_stays_behind(ends: Ends) -> None:
    lost, other = archived(ends.first, 2)
    for name in NAMES:
        damaged(file_of(ends.first, lost, name))
    done = ends.handed_over()
    assert [one.package for one in done.listed.entries] == [other.id]
    assert [one.item for one in done.unsound[lost.id]] == ["copy_whole"]
    assert any("(handover): copy_whole" in line for line in fsck(ends.first.ports))


def changed(receipt: Receipt, **changes: Any) -> Receipt:
    return replace(receipt, **changes)


def piece(receipt: Receipt, **changes: Any) -> Receipt:
    return replace(receipt, pieces=(replace(receipt.pieces[0], **changes), *receipt.pieces[1:]))


MISFITS: list[tuple[Callable[[Receipt], Receipt], str]] = [
    (lambda it: changed(it, list_sha256="0" * 64), "receipt_differs"),
    (lambda it: changed(it, handover="0" * 32), "handover_unknown"),
    (lambda it: changed(it, receiver=replace(it.receiver, name="另一档案馆")), "receipt_differs"),
    (lambda it: changed(it, receiver=Archive("X", "另一档案馆")), "signer_of_another"),
    (lambda it: changed(it, received_at=it.received_at - timedelta(days=1)), "certificate_expired"),
    (lambda it: changed(it, received_at=it.received_at + timedelta(days=1)), "receipt_differs"),
    (lambda it: changed(it, pieces=it.pieces[1:]), "receipt_differs"),
    (lambda it: changed(it, pieces=(*it.pieces, it.pieces[0])), "receipt_differs"),
    (lambda it: changed(it, pieces=(*it.pieces, Piece("1", "0" * 32, "0" * 64))), "receipt_differs"),
    (lambda it: piece(it, number="another"), "receipt_differs"),
    (lambda it: piece(it, sha256="0" * 64), "receipt_differs"),
    (lambda it: piece(it, reason=" "), "malformed"),
    (lambda it: piece(it, number=""), "malformed"),
]
"""What a receipt may say wrongly, and the reason for which it is refused."""


def test_a_receipt_that_does_not_fit_changes_nothing(ends: Ends) -> None:
    """Signed by whom it should be, but of something else."""
    archived(ends.first, 2)
    done = ends.handed_over()
    genuine = read_receipt(ends.received(done).receipt.encode(), speaks(ends.second))

    def signed(wrong: Receipt) -> str:
        return state_signed(
            ends.second.ports, "receipt", lambda suite, chain: receipt_input(wrong, suite, chain)
        )

    for number, (change, reason) in enumerate(MISFITS):
        if reason == "malformed":  # our own key signs nothing of another form
            with pytest.raises(VermilionError):
                signed(change(genuine))
            continue
        forged = signed(change(genuine))
        assert refused(lambda: ends.answered(forged)) == reason, number  # noqa: B023
        with Session(ends.first.ports.database.read) as session:
            assert session.get_one(ArchiveHandover, done.id).state == "waiting", number
    ends.answered(signed(genuine))


def test_nobody_else_s_receipt_is_believed(ends: Ends) -> None:
    archived(ends.first, 1)
    receipt = ends.received(ends.handed_over()).receipt.encode()
    ports = ends.first.ports  # knows nobody
    with pytest.raises(VermilionError) as caught, ports.database.transaction() as session:
        take_receipt(ports, session, ends.first.system, GROUND, receipt)
    assert caught.value.reason == "signer_unknown"
    header, payload, signature = receipt.split(b".")
    for wrong, reason in (
        (resigned(receipt), "bad_signature"),
        (b".".join((header, payload)), "malformed"),
        (b".".join((header, payload + b"A", signature)), "malformed"),
        (receipt + b".", "malformed"),
        (b"", "malformed"),
    ):
        assert refused(lambda: ends.answered(wrong)) == reason  # noqa: B023


def _link(folder: Path) -> None:
    path = next((folder / "data/packages").iterdir())
    aside = folder.parent / "aside.tar"
    path.rename(aside)
    path.symlink_to(aside)


def _fetch(folder: Path) -> None:
    (folder / "fetch.txt").write_text("http://localhost/x 1 data/x\n")


def _stray(folder: Path) -> None:
    (folder / "data/packages/stray.exe").write_bytes(b"MZ")


def _missing(folder: Path) -> None:
    next((folder / "data/packages").iterdir()).unlink()


def _longer(folder: Path) -> None:
    path = next((folder / "data/packages").iterdir())
    path.write_bytes(path.read_bytes() + bytes(512))


def _other_list(folder: Path) -> None:
    said = json.loads((folder / "data/list.json").read_bytes())
    said["packages"][0]["title"] = "另一件"
    (folder / "data/list.json").write_bytes(canonical_json(said))


def _other_table(folder: Path) -> None:
    (folder / "data/list.csv").write_bytes(b"1")


def _deep(folder: Path) -> None:
    (folder / "data/packages/a/b/c").mkdir(parents=True)


def test_a_folder_that_is_not_as_its_list_says_is_refused_whole(ends: Ends) -> None:
    archived(ends.first, 1)
    done = ends.handed_over()
    for spoil in (_link, _fetch, _stray, _missing, _longer, _other_list, _other_table, _deep):
        folder = ends.folder / spoil.__name__ / done.folder.name
        shutil.copytree(done.folder, folder)
        spoil(folder)
        spoiled = replace(done, folder=folder)
        assert refused(lambda: ends.received(spoiled)) == "handover_folder", spoil.__name__  # noqa: B023
        assert packages(ends.second) == []
        with Session(ends.second.ports.database.read) as session:
            assert session.scalars(select(ArchiveArrival)).all() == []
    assert ends.received(done).refused == ()


def test_a_handover_to_somebody_else_is_not_received(ends: Ends) -> None:
    archived(ends.first, 1)
    done = ends.handed_over()
    ports = ends.knowing(ends.second, ends.first)
    other = ends.second.codes["other"]
    assert (
        refused(
            lambda: receive(ports, stores_of(ends.second), ends.second.system, GROUND, done.folder, other)
        )
        == "handover_not_ours"
    )
    stranger = ends.second.ports
    assert (
        refused(
            lambda: receive(
                stranger, stores_of(ends.second), ends.second.system, GROUND, done.folder, ends.receiver.code
            )
        )
        == "signer_unknown"
    )


def test_certificates_of_partners_are_read(tmp_path: Path, world: World) -> None:
    pem = x509.load_der_x509_certificate(receipt_certificate(world)).public_bytes(Encoding.PEM)
    (tmp_path / "one.pem").write_bytes(pem)
    der = receipt_certificate(world)
    assert partners(None) == {}
    assert partners(tmp_path) == partners(tmp_path / "one.pem") == {der: {"one"}}
    (tmp_path / "another.pem").write_bytes(pem)
    assert partners(tmp_path) == {der: {"one", "another"}}
    (tmp_path / "two.pem").write_bytes(b"no certificate")
    assert refused(lambda: partners(tmp_path / "two.pem")) == "archive_partners"
    assert refused(lambda: partners(tmp_path / "three.pem")) == "archive_partners"
