"""Packages that lie about their retention, take a number that was used up, or come twice at once; and
handovers whose list, receipt or packages are not what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.agencies.administrators import lock_administration
from registry.archive.arrivals import Arrived, Whence, arrive
from registry.archive.audit import audit_due
from registry.archive.handover import handovers, withdraw
from registry.archive.handover_list import Entry
from registry.archive.numbering import ERASING, LEASE
from registry.archive.package import make_package
from registry.archive.partners import state_signed
from registry.archive.stores import Stores
from registry.archive.sweep import sweep
from registry.archive.tables import ArchivePackage, ArchiveSerial
from registry.archive.transfer_tables import ArchiveHandover
from registry.licences.fsck import fsck
from registry.ports import Ports
from registry.rows import changed_rows
from tests.archive.keeping import NAMES, copies, file_of, files, kept, packages, stores_of
from tests.archive.packages import ABOUT, ACTS, AGENTS
from tests.archive.test_archiving import told
from tests.archive.test_arrivals import SENDER, _items, brought
from tests.archive.test_audit import archived, damaged
from tests.archive.test_handover import Ends, ends, refused
from tests.archive.test_natures import PACKAGE
from tests.archive.test_natures import rebagged as others
from tests.registry.between import after_statement
from tests.registry.issuing import issue_one
from tests.registry.world import GROUND, Ticker, World

__all__ = ["ends"]
META = "metadata/metadata.xml"


class Meeting(Stores):
    """Two that write at once: nobody registers before both have written."""

    def __init__(self, stores: Stores, barrier: Barrier) -> None:
        super().__init__(stores.by_name)
        object.__setattr__(self, "barrier", barrier)

    def write(self, name, some):  # type: ignore[no-untyped-def]
        done = super().write(name, some)
        if name == "second":
            self.barrier.wait(60)  # type: ignore[attr-defined]
        return done


def at_once(world: World, tars: list[bytes], handover: str | None) -> list[Arrived]:
    stores = Meeting(stores_of(world), Barrier(len(tars)))
    whence = Whence(SENDER, world.codes["own"], handover)

    def come(tar: bytes) -> Arrived:
        return arrive(world.ports, stores, world.system, GROUND, tar, whence)

    with ThreadPoolExecutor(len(tars)) as pool:
        return list(pool.map(come, tars))


def test_one_package_by_two_processes_at_once_is_kept_once_and_both_say_so(
    world: World, clock: Ticker
) -> None:
    """Else one of the two receipts of a handover would say that it was refused, while it is here."""
    first, second = at_once(world, [PACKAGE.tar, PACKAGE.tar], "ab" * 16)
    (row,) = packages(world)
    assert (first.package_id, second.package_id) == (row.id, row.id)
    assert (first.reason, second.reason, first.number) == (None, None, second.number)
    assert len(told(world, "package.received")) == 1
    assert told(world, "package.returned") == []
    clock.advance(LEASE + timedelta(seconds=1))
    assert sweep(world.ports, stores_of(world)).removed == dict.fromkeys(NAMES, 1)  # what was one too many
    assert (len(files(world)), copies(world, row.id)) == (2, dict.fromkeys(NAMES, "present"))
    assert fsck(world.ports) == []


def test_one_package_that_another_process_registers_as_it_is_asked_for_is_no_other(world: World) -> None:
    stores, whence = stores_of(world), Whence(SENDER, world.codes["own"], "ab" * 16)

    def come() -> Arrived:
        return arrive(world.ports, stores, world.system, GROUND, PACKAGE.tar, whence)

    def first_of_two(said: str) -> bool:
        """Whether the package, or its arrival, is there."""
        of_all = "archive_package.state IN" not in said and "archive_package.sha256 =" in said
        return of_all or "archive_arrival.sha256 =" in said

    with after_statement(world.ports.database.read, first_of_two, come) as other:
        mine = come()
    (row,) = packages(world)
    assert (mine.package_id, mine.reason, other[0].package_id) == (row.id, None, row.id)


def test_no_receipt_says_that_what_never_came_is_here(world: World) -> None:
    """The bytes of one package in place of another's, by the same handover: of another digest, or place."""
    whence = Whence(SENDER, world.codes["own"], "ab" * 16)

    def come(digest: bytes, sequence: int) -> Arrived:
        entry = Entry(
            number=ABOUT.number, fonds="A", catalogue="B", year=2026, retention="permanent", title="C",
            identifier="D", package="cd" * 16, sequence=sequence, items=1, size=len(PACKAGE.tar),
            sha256=digest.hex(), findings=(),
        )  # fmt: skip
        return arrive(world.ports, stores_of(world), world.system, GROUND, PACKAGE.tar, whence, digest, entry)

    first = come(PACKAGE.sha256, 1)
    assert first.package_id is not None
    assert come(PACKAGE.sha256, 1).package_id == first.package_id
    for digest, sequence in ((bytes(32), 1), (bytes(32), 2), (PACKAGE.sha256, 2)):
        assert come(digest, sequence).package_id is None


def test_one_package_by_two_that_do_not_belong_together_is_returned_as_known(world: World) -> None:
    done = at_once(world, [PACKAGE.tar, PACKAGE.tar], None)
    assert sorted(str(one.reason) for one in done) == ["None", "package_known"]
    assert len(packages(world)) == 1


def test_two_packages_of_one_number_at_once_are_one(world: World) -> None:
    other = make_package(replace(ABOUT, id="cd" * 16), _items(), ACTS, AGENTS)
    done = at_once(world, [PACKAGE.tar, other.tar], "ab" * 16)
    assert sorted(str(one.reason) for one in done) == ["None", "number_taken"]
    assert len(packages(world)) == 1
    assert fsck(world.ports) == []


@pytest.mark.parametrize(
    ("retention", "until"),
    [
        ("永久", "2056-12-31"),  # kept for good, and yet due one day
        ("永久", "1999-12-31"),
        ("定期30年", "2026-12-31"),
        ("定期30年", "2055-12-31"),
        ("定期30年", "1999-01-01"),
    ],
)
def test_no_package_makes_itself_due_before_its_term_is_over(
    world: World, retention: str, until: str
) -> None:
    said = PACKAGE.files[f"data/{META}"].decode()
    said = said.replace("<保管期限>定期30年<", f"<保管期限>{retention}<").replace("2056-12-31", until)
    done = brought(world, others(**{META: said.encode()}))
    assert (done.package_id, done.reason) == (None, "package_retention")
    assert files(world) == set()


def test_what_is_being_disposed_of_meanwhile_is_not_handed_over(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was chosen and written; then its erasing began, and no list may promise it any more."""
    one, _ = archived(ends.first, 2)

    def signed(ports: Ports, kind: str, lay_out: Any) -> str:
        said = state_signed(ports, kind, lay_out)
        with ports.database.transaction() as session:
            of = ArchivePackage.id == one.id
            changed_rows(session, update(ArchivePackage).where(of).values(state=ERASING))
        return said

    monkeypatch.setattr("registry.archive.handover.state_signed", signed)
    assert refused(ends.handed_over) == "handover_taken"
    assert list((ends.folder / "out").iterdir()) == []
    with Session(ends.first.ports.database.read) as session:
        assert session.scalars(select(ArchiveHandover)).all() == []


def both(calls: list[Callable[[], Any]]) -> list[Any]:
    """What each gives that is called at the same time; the reason where it refuses."""
    barrier = Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        barrier.wait(60)
        try:
            return call()
        except VermilionError as error:
            return error.reason

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_a_receipt_is_taken_once_by_whichever_process(ends: Ends) -> None:
    archived(ends.first, 2)
    done = ends.handed_over()
    first = ends.received(done).receipt
    answers = both([lambda: ends.answered(first)] * 2)
    assert sorted(one.again for one in answers) == [False, True]
    assert len(told(ends.first, "package.handed_over")) == 2
    assert len(told(ends.first, "handover.answered")) == 1


def test_of_two_receipts_at_once_one_counts(ends: Ends, clock: Ticker) -> None:
    archived(ends.first, 1)
    done = ends.handed_over()
    first = ends.received(done).receipt
    clock.advance(timedelta(seconds=2))
    second = ends.received(done).receipt
    answers = both([lambda: ends.answered(first), lambda: ends.answered(second)])
    assert [one for one in answers if isinstance(one, str)] == ["handover_answered"]
    assert len(told(ends.first, "package.handed_over")) == 1


def test_a_handover_is_answered_or_taken_back_and_never_both(ends: Ends) -> None:
    archived(ends.first, 1)
    done = ends.handed_over()
    receipt, ports = ends.received(done).receipt, ends.first.ports

    def back() -> None:
        with ports.database.transaction() as session:
            withdraw(ports, session, ends.first.system, GROUND, done.id)

    answers = both([lambda: ends.answered(receipt), back])
    (lost,) = [one for one in answers if isinstance(one, str)]
    assert lost in ("handover_answered", "handover_withdrawn")
    with Session(ports.database.read) as session:
        state = session.get_one(ArchiveHandover, done.id).state
        (item,) = handovers(session, done.id)
    assert (state, item["state"]) in (("answered", "handed_over"), ("withdrawn", "withdrawn"))


def test_one_package_goes_by_one_handover(ends: Ends) -> None:
    archived(ends.first, 2)
    made = both([ends.handed_over] * 2)
    assert sorted(isinstance(one, str) for one in made) == [False, True]
    assert {one for one in made if isinstance(one, str)} <= {"handover_taken", "handover_empty"}
    assert len(list((ends.folder / "out").iterdir())) == 1


def test_a_receipt_of_the_handover_before_says_nothing_of_the_next(ends: Ends) -> None:
    """After a refusal the package goes again; the old receipt does not answer for it."""
    archived(ends.first, 1)
    done = ends.handed_over()
    path = next((done.folder / "data/packages").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    old = ends.received(done).receipt
    assert len(ends.answered(old).refused) == 1
    again = ends.handed_over()
    assert ends.answered(old).again
    with Session(ends.first.ports.database.read) as session:
        assert [one["state"] for one in handovers(session, again.id)] == ["waiting"]
    assert ends.answered(ends.received(again).receipt).refused == ()


def test_no_number_of_ours_is_taken_under_another_catalogue_s_name(world: World) -> None:
    """The registry would meet the number when it comes to it, and archive no more."""
    issue_one(world)
    kept(world)
    (own,) = packages(world)
    number = f"{own.fonds}-{own.catalogue}-000002"
    about = replace(ABOUT, id="cd" * 16, fonds="elsewhere", catalogue="elsewhere", number=number)
    done = brought(world, make_package(about, _items(), ACTS, AGENTS).tar)
    assert (done.package_id, done.reason) == (None, "number_of_ours")


@pytest.mark.parametrize("as_it_says", ["ours", "of another"])
def test_a_number_that_came_from_elsewhere_first_is_passed_over(world: World, as_it_says: str) -> None:
    """Of a catalogue in which none was given here yet: ours goes on behind it, and has no gaps by that."""
    fonds, catalogue = world.codes["own"], f"ZZ·{world.today.year}·Y"
    said = {"fonds": fonds, "catalogue": catalogue} if as_it_says == "ours" else {"fonds": as_it_says}
    for serial, name in ((1, "ab"), (3, "cd"), (9, "ef")):
        number = f"{fonds}-{catalogue}-{serial:06}"
        about = replace(ABOUT, id=name * 16, number=number, **said)  # type: ignore[arg-type]
        assert brought(world, make_package(about, _items(), ACTS, AGENTS).tar).package_id is not None
    for _ in range(2):
        issue_one(world)
        kept(world)
    with Session(world.ports.database.read) as session:
        found = session.execute(
            select(ArchivePackage.subject_kind, ArchivePackage.number).order_by(ArchivePackage.number)
        ).all()
    assert [(kind, number[-6:]) for kind, number in found] == [
        ("foreign", "000001"), ("edition", "000002"), ("foreign", "000003"), ("edition", "000004"),
        ("foreign", "000009"),
    ]  # fmt: skip
    assert fsck(world.ports) == []
    with world.ports.database.transaction() as session:
        changed_rows(session, update(ArchiveSerial).values(next=ArchiveSerial.next + 1))
    assert fsck(world.ports) == [f"catalogue {catalogue} of fonds {fonds} has gaps in its numbers"]


@pytest.mark.parametrize("identifier", ["1.2.156.3005.2.sample", "1.2.156.3005.2.{type}.{other}.1.1.1"])
def test_what_happens_to_it_is_its_keeper_s_whatever_identifier_it_came_with(
    world: World, identifier: str
) -> None:
    """Else a stranger would have another agency told of it, or stop the audit by an identifier that is none."""
    said = identifier.format(type="11100000000013127D001", other=world.codes["other"])
    made = make_package(replace(ABOUT, identifier=said), _items(), ACTS, AGENTS)
    assert brought(world, made.tar).package_id is not None
    (row,) = packages(world)
    damaged(file_of(world, row, "second"))
    audit_due(world.ports, stores_of(world), rest=lambda _seconds: None)
    for kind in ("package.copy_lost", "package.copy_repaired"):
        assert [event.agency_code for event in told(world, kind)] == [world.codes["own"]]


@pytest.mark.parametrize("waits", ["for its stores", "for the database"])
def test_what_the_sweep_may_be_about_to_remove_is_not_registered(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch, waits: str
) -> None:
    """Its lease is looked at when nothing is waited for any more, and lasts until all is on record."""

    def slow(session: Session) -> None:
        lock_administration(session)
        clock.advance(LEASE)

    class Slow(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            clock.advance(LEASE / 2 - timedelta(seconds=10))
            return super().write(name, some)

    stores = stores_of(world)
    if waits == "for its stores":
        stores = Slow(stores.by_name)
    else:
        monkeypatch.setattr("registry.archive.arrivals.lock_administration", slow)
    done = brought(world, stores=stores)
    assert (done.package_id, done.reason, packages(world)) == (None, "package_lapsed", [])
    clock.advance(LEASE)
    assert sweep(world.ports, stores_of(world)).removed == dict.fromkeys(NAMES, 1)
    monkeypatch.undo()
    assert brought(world).package_id is not None
    assert fsck(world.ports) == []
