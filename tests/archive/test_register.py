"""What the register tells, and what `fsck` finds wrong with it."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from registry.archive.checks import HANDOVER, note_checks
from registry.archive.figures import count_due, figures_of
from registry.archive.natures import Finding, Nature
from registry.archive.search import find, statistics
from registry.archive.tables import ArchiveCopy, ArchiveDue, ArchivePackage, ArchiveSerial
from registry.licences.fsck import fsck
from tests.archive.keeping import due, kept, packages
from tests.archive.test_archiving import end
from tests.registry.between import after_statement
from tests.registry.issuing import issue_one
from tests.registry.world import World, on_postgresql


def test_packages_are_found_and_counted(world: World) -> None:
    issued = issue_one(world)
    with Session(world.ports.database.read) as session:
        assert [one["waiting"] for one in statistics(session) if "waiting" in one] == [1]
    kept(world)
    (package,) = packages(world)
    with Session(world.ports.database.read) as session:
        (one,) = find(session, identifier=issued.printout.record.identifier)
        assert list(find(session, number=package.number)) == [one]
        assert list(find(session, agency_code=package.agency_code, year=package.year)) == [one]
        assert list(find(session, agency_code=package.agency_code, year=package.year + 1)) == []
        figures = list(statistics(session))
    assert one["copies"] == {"first": "present", "second": "present"}
    assert (one["number"], one["retention"], one["size"]) == (package.number, "permanent", package.size)
    assert figures == [
        {
            "fonds": package.fonds,
            "year": 2026,
            "retention": "permanent",
            "state": "kept",
            "packages": 1,
            "bytes": package.size,
        },
        {"store": "first", "state": "present", "copies": 1},
        {"store": "second", "state": "present", "copies": 1},
    ]


@pytest.mark.parametrize(("state", "counted"), [("kept", 1), ("erasing", 0), ("disposed", 0)])
def test_a_check_that_did_not_pass_counts_while_its_package_is_there(
    world: World, state: str, counted: int
) -> None:
    """Nobody can mend what was disposed of."""
    issue_one(world)
    kept(world)
    (package,) = packages(world)
    with world.ports.database.transaction() as session:
        finding = Finding(Nature.INTEGRITY, "copy_whole", "no store has it whole")
        note_checks(session, HANDOVER, {package.id: [finding]}, world.ports.clock())
        session.execute(update(ArchivePackage).values(state=state))
    count_due(world.ports, at_once=True)
    with Session(world.ports.database.read) as session:
        assert sum(one["failed"] for one in statistics(session) if "check" in one) == counted
        said = figures_of(session, package.agency_code).checks_failed
    assert sum(one["packages"] for one in said) == counted
    assert sum("four-nature check" in line for line in fsck(world.ports)) == counted


@on_postgresql
def test_two_processes_that_count_at_once_are_no_defect(world: World) -> None:
    def count() -> int:
        return count_due(world.ports, at_once=True)

    deleted = "DELETE FROM archive_figure"
    with after_statement(world.ports.database.write, lambda said: said.startswith(deleted), count) as other:
        assert [count()] == other


def test_what_waits_is_counted_by_what_it_is_about(world: World) -> None:
    """Two events of one licence make one package: both figures say one, whoever asks."""
    issued = issue_one(world)
    end(world, issued)
    assert due(world) == 2
    count_due(world.ports, at_once=True)
    with Session(world.ports.database.read) as session:
        assert [one["waiting"] for one in statistics(session) if "waiting" in one] == [1]
        assert figures_of(session, issued.printout.record.issuer_code).waiting == 1


def test_an_edition_that_would_never_be_archived_is_found(world: World) -> None:
    issued = issue_one(world)
    assert fsck(world.ports) == []
    with world.ports.database.transaction() as session:
        session.execute(delete(ArchiveDue))
    assert fsck(world.ports) == [f"edition {issued.edition_id} was never archived and does not wait to be"]


def test_what_the_register_says_holds_together(world: World) -> None:
    issue_one(world)
    kept(world)
    (package,) = packages(world)
    with world.ports.database.transaction() as session:
        session.execute(delete(ArchiveCopy).where(ArchiveCopy.store == "second"))
        session.execute(update(ArchiveSerial).values(next=ArchiveSerial.next + 1))
        session.execute(update(ArchivePackage).values(sha256=None))
    assert fsck(world.ports) == [
        f"package {package.id} is kept with 1 copies on record",
        f"package {package.id} is kept and nobody knows its digest",
        f"catalogue {package.catalogue} of fonds {package.fonds} has gaps in its numbers",
    ]
