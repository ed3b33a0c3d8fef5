"""What was restored, into an empty place and from one store alone, proves itself; and the drill is signed."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import bagit
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.canonical import strict_json
from keys.errors import VermilionError
from keys.time_stamp import verify_token
from registry.archive.checks import IN_STORE, INGEST, checks_of
from registry.archive.drill import restore_drill
from registry.archive.evidence import pack, stamp_night
from registry.archive.stores import Stores
from registry.archive.tables import ArchiveDrill, ArchiveEvidence
from registry.licences.trust import trust_now
from tests.archive.keeping import NAMES, OutStore, file_of, stores_of
from tests.archive.test_audit import archived, damaged
from tests.registry.world import World


@pytest.mark.parametrize("store", NAMES)
def test_all_is_restored_from_one_store(world: World, tmp_path: Path, store: str) -> None:
    found = archived(world, 3)
    good = stores_of(world).by_name[store]
    alone = Stores({name: good if name == store else OutStore() for name in NAMES})
    done = restore_drill(world.ports, alone, store, tmp_path / "restored", None)
    assert done.faults == []
    assert {path.name for path in (tmp_path / "restored").iterdir()} == {one.id for one in found}
    for one in found:
        assert bagit.Bag(str(tmp_path / "restored" / one.id)).validate(processes=1)
    told = done.report
    assert (told["registered"], told["copies"], told["restored"], told["documents"]) == (3, 3, 3, 3)
    assert told["bytes"] == sum(one.size or 0 for one in found)
    with Session(world.ports.database.read) as session:
        checks = {one.id: checks_of(session, one.id) for one in found}
    assert {one.occasion for some in checks.values() for one in some} == {INGEST, IN_STORE}
    assert all(item.passed for some in checks.values() for one in some for item in one.findings)


def test_evidence_is_verified_with_what_it_is_of(world: World, tmp_path: Path) -> None:
    found = archived(world, 2)
    stamp_night(world.ports, at_once=True)
    assert restore_drill(world.ports, stores_of(world), "first", tmp_path / "one", None).faults == []
    with world.ports.database.transaction() as session:
        session.execute(update(ArchiveEvidence).values(lists=pack(((b"\1" * 32,),))))
    done = restore_drill(world.ports, stores_of(world), "first", tmp_path / "two", None)
    assert {one["package"]: one["reason"] for one in done.faults} == {one.id: "evidence" for one in found}


def test_the_report_is_kept_and_nobody_alters_it(world: World, tmp_path: Path) -> None:
    archived(world, 1)
    done = restore_drill(world.ports, stores_of(world), "first", tmp_path / "restored", None)
    with Session(world.ports.database.read) as session:
        row = session.scalars(select(ArchiveDrill)).one()
    assert (row.report, row.token, row.packages, row.faults) == (done.signed, done.token, 1, 0)
    assert strict_json(row.report, max_bytes=10_000, max_depth=4) == done.report
    trust = trust_now(world.ports)
    assert verify_token(row.token, sha256(row.report).digest(), trust=trust).gen_time
    with pytest.raises(VermilionError):
        verify_token(row.token, sha256(row.report + b" ").digest(), trust=trust)


def test_a_sample_is_as_large_as_was_asked(world: World, tmp_path: Path) -> None:
    archived(world, 4)
    for number, (asked, restored) in enumerate([(1, 1), (3, 3), (9, 4)]):
        into = tmp_path / str(number)
        done = restore_drill(world.ports, stores_of(world), "second", into, asked)
        assert (done.report["restored"], len(list(into.iterdir())), done.faults) == (restored, restored, [])


def test_what_cannot_be_restored_is_named(world: World, tmp_path: Path) -> None:
    gone, altered, fine = archived(world, 3)
    file_of(world, gone, "first").unlink()
    damaged(file_of(world, altered, "first"))
    done = restore_drill(world.ports, stores_of(world), "first", tmp_path / "restored", None)
    assert {one["package"]: one["reason"] for one in done.faults} == {
        gone.id: "copy_missing",
        altered.id: "copy_damaged",
    }
    assert [path.name for path in (tmp_path / "restored").iterdir()] == [fine.id]


def test_a_scanner_that_is_out_is_no_package_s_fault(world: World, tmp_path: Path) -> None:
    archived(world, 1)
    settings = world.ports.settings.model_copy(update={"malware_scanner": f"unix:{tmp_path}/none"})
    with pytest.raises(VermilionError) as caught:
        restore_drill(
            replace(world.ports, settings=settings), stores_of(world), "first", tmp_path / "restored", None
        )
    assert caught.value.reason == "scanner"


def test_a_drill_wants_an_empty_place_and_a_store_that_it_knows(world: World, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for store, into, reason in (("first", "full", "restore_place"), ("fourth", "new", "archive_store")):
        with pytest.raises(VermilionError) as caught:
            restore_drill(world.ports, stores_of(world), store, tmp_path / into, None)
        assert caught.value.reason == reason
