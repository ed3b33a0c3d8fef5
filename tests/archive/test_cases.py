"""A case that is closed is archived, whatever it ended in, by the same road as a licence; then it is archived by
its last step.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import bagit
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from registry.archive.contents import Gathered
from registry.archive.drill import restore_drill
from registry.archive.keep import keep_due
from registry.archive.natures import four_natures
from registry.archive.numbering import LEASE, retention_of
from registry.archive.queue import OCCASIONS
from registry.archive.stores import Stores
from registry.archive.tables import ArchiveDue, ArchivePackage
from registry.intake.applications import Item, Said
from registry.intake.cases import EVENTS
from registry.intake.moves import CLOSED, PERMITTED, Action, CaseState
from registry.intake.tables import Case, CaseMove
from registry.intake.work import work
from registry.licences.fsck import fsck
from registry.seals.trust import publish_trust_list
from tests.archive.faulty_stores import FaultyStores
from tests.archive.keeping import NAMES, OutStore, copies, due, file_of, kept, packages, stores_of, whole
from tests.archive.packages import unpacked
from tests.archive.test_archiving import told
from tests.archive.test_audit import audited, damaged
from tests.intake.casework import TO_HANDLING, Desk, found, open_desk, step, taken
from tests.postgres import Backend
from tests.registry.faults import Faults, Point, by_turns, fail, faulty
from tests.registry.world import Ticker, World

CLOSINGS = {
    "permitted": (*TO_HANDLING, Action.PERMIT),
    "refused": (*TO_HANDLING, Action.REFUSE),
    "terminated": (*TO_HANDLING, Action.TERMINATE),
    "withdrawn": (*TO_HANDLING, Action.WITHDRAW),
    "not_accepted": (Action.SUBMIT, Action.RECEIVE, Action.REFUSE_ACCEPTANCE),
    "returned": (Action.SUBMIT, Action.RECEIVE, Action.ASK_CORRECTION, Action.RETURN),
}


def closed(desk: Desk, how: str) -> str:
    """A case that ended so; of one that was permitted the licence is there."""
    case_id = taken(desk, *CLOSINGS[how])
    work(desk.ports)
    return case_id


def package_of(world: World, case_id: str) -> ArchivePackage:
    (package,) = (one for one in packages(world) if one.subject == case_id)
    return package


def test_whatever_closes_a_case_has_it_archived() -> None:
    closing = {EVENTS[action] for (_, action), move in PERMITTED.items() if move.to in CLOSED}
    assert {kind for kind, what in OCCASIONS.items() if what == "case"} == {f"case.{one}" for one in closing}


@pytest.mark.parametrize("how", CLOSINGS)
def test_a_closed_case_is_archived_in_both_stores(world: World, tmp_path: Path, how: str) -> None:
    desk = open_desk(world)
    case_id = closed(desk, how)
    assert CaseState(found(desk, case_id).state) in CLOSED
    kept(world)
    package = package_of(world, case_id)
    assert (package.subject_kind, package.state, package.sequence) == ("case", "kept", 1)
    assert package.identifier == found(desk, case_id).number
    assert package.catalogue.startswith("BJ·2026·")
    assert copies(world, package.id) == dict.fromkeys(NAMES, "present")
    assert all(whole(world, package, name) for name in NAMES)
    tar = file_of(world, package, "second").read_bytes()
    assert [one for one in four_natures(tar, digest=package.sha256) if not one.passed] == []
    folder = unpacked(tar, tmp_path)
    assert bagit.Bag(str(folder)).validate(processes=1)
    assert (folder / "data/documents/licence.pdf").exists() == (how == "permitted")
    assert found(desk, case_id).state == CaseState.ARCHIVED
    with Session(world.ports.database.read) as session:
        last = session.scalars(
            select(CaseMove).where(CaseMove.case_id == case_id).order_by(CaseMove.number.desc()).limit(1)
        ).one()
    assert (last.action, last.who, last.person_id, last.client_id) == ("archive", "system", None, None)
    assert due(world) == 0
    assert not kept(world)  # nothing is archived twice
    kept_events = {one.subject: one for one in told(world, "package.kept")}
    assert kept_events[package.id].agency_code == world.codes["own"]
    assert fsck(world.ports) == []


def test_a_case_is_whole_in_its_package(world: World, tmp_path: Path) -> None:
    """Application, every step with who, when, why and what was told, and what commits to it."""
    desk = open_desk(world)
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE, Action.ASK_CORRECTION, Action.CORRECT)
    for action in (Action.ACCEPT, Action.BEGIN, Action.SUSPEND, Action.RESUME, Action.PERMIT):
        step(desk, case_id, action)
    work(desk.ports)
    kept(world)
    case, package = found(desk, case_id), package_of(world, case_id)
    data = unpacked(file_of(world, package, "first").read_bytes(), tmp_path) / "data"
    application = json.loads((data / "application/application.json").read_text())
    assert application["applicant"]["name"] == application["fields"]["operator_name"]
    steps = json.loads((data / "process/steps.json").read_text())
    assert [one["action"] for one in steps] == [
        "submit", "receive", "ask_correction", "correct", "accept", "begin", "suspend", "resume", "permit",
        "finish",
    ]  # fmt: skip
    asked, permitted = steps[2], steps[-2]
    assert (asked["words"], asked["items"][0]["code"]) == ("请补正", "layout")
    assert asked["told"]["channel"] == "smtp"
    assert permitted["person"]["name"] == "样本decider"
    assert (permitted["legal_basis"], permitted["at"][:4]) == ("《样本法》第一条", "2026")
    told_of = json.loads((data / "process/case.json").read_text())
    assert told_of["number"] == case.number
    (edition,) = (one for one in packages(world) if one.subject_kind == "edition")
    assert told_of["licence"]["identifier"] == edition.identifier
    events = json.loads((data / "process/events.json").read_text())
    assert {one["event"] for one in steps} <= {one["event"]["id"] for one in events}
    for one in events:
        commitment = sha256(bytes.fromhex(one["salt"]) + canonical_json(one["event"])).hexdigest()
        assert json.loads(one["leaf"])["commitment"] == commitment
    premis, metadata = ((data / f"metadata/{name}.xml").read_text() for name in ("premis", "metadata"))
    assert "case.permitted" in premis
    assert "请补正" in metadata
    for word in (
        f"<办件编号>{case.number}</办件编号>",
        "<受理日期>",
        "食品经营许可",
        application["applicant"]["name"],
    ):
        assert word in metadata


def test_what_people_wrote_keeps_no_case_from_the_archive(world: World, tmp_path: Path) -> None:
    """What XML cannot hold is not in the description; the very words are in the steps."""
    desk = open_desk(world)
    words = "一\r\n二\x0b三<四>"
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    step(desk, case_id, Action.ASK_CORRECTION, said=Said(words, (Item("layout", "缺"),)))
    step(desk, case_id, Action.RETURN)
    kept(world)
    data = unpacked(file_of(world, package_of(world, case_id), "first").read_bytes(), tmp_path) / "data"
    assert words in [one["words"] for one in json.loads((data / "process/steps.json").read_text())]


def test_an_open_case_is_not_archived(world: World) -> None:
    desk = open_desk(world)
    taken(desk, *TO_HANDLING)
    assert due(world) == 0
    assert not kept(world)


def test_one_store_archives_no_case(world: World, clock: Ticker) -> None:
    desk = open_desk(world)
    case_id = closed(desk, "refused")
    good = stores_of(world)
    half = Stores({"first": good.by_name["first"], "second": OutStore()})
    assert kept(world, half).kept == []
    assert found(desk, case_id).state == CaseState.DONE
    clock.advance(LEASE)
    assert len(kept(world).kept) == 1
    assert found(desk, case_id).state == CaseState.ARCHIVED


def test_fsck_asks_of_each_closed_case(world: World) -> None:
    desk = open_desk(world)
    case_id = closed(desk, "returned")
    assert fsck(world.ports) == []  # it waits
    with world.ports.database.transaction() as session:
        session.execute(delete(ArchiveDue))
    assert fsck(world.ports) == [f"case {case_id} was never archived and does not wait to be"]
    with world.ports.database.transaction() as session:
        session.execute(update(Case).values(state=CaseState.ARCHIVED))
    assert f"case {case_id} is archived and has no package that is kept" in fsck(world.ports)


def test_audit_and_drill_take_cases_as_any(world: World, tmp_path: Path) -> None:
    desk = open_desk(world)
    permitted, refused = closed(desk, "permitted"), closed(desk, "refused")
    kept(world)
    damaged(file_of(world, package_of(world, refused), "first"))
    done = audited(world)
    assert done.repaired == [(package_of(world, refused).id, "first")]
    drill = restore_drill(world.ports, stores_of(world), "second", tmp_path / "restored", None)
    assert (drill.faults, drill.report["restored"], drill.report["documents"]) == ([], 3, 2)
    assert (tmp_path / "restored" / package_of(world, permitted).id).is_dir()


def test_retention_is_the_schedule_s_then_the_matter_s() -> None:
    none = Gathered((), (), (), frozenset(), "", "", None, None, "T", "", "", "M", "", date(2026, 1, 1), None)
    own = replace(none, retention="10")
    assert retention_of("case", own, {}) == "10"
    assert retention_of("case", own, {("matter", "M"): "30", ("type", "T"): "permanent"}) == "30"
    assert retention_of("edition", none, {("type", "T"): "10", ("matter", "M"): "30"}) == "10"
    assert retention_of("edition", none, {}) == "permanent"


def test_a_case_is_kept_as_long_as_its_matter_says(world: World) -> None:
    desk = open_desk(world)
    refused = closed(desk, "refused")
    kept(world)
    package = package_of(world, refused)
    years = int(package.retention)
    assert package.retention_until == date(2026 + years, 12, 31)


def test_a_process_that_dies_archives_the_case_once(world: World, clock: Ticker) -> None:
    desk = open_desk(world)
    case_id = closed(desk, "refused")

    class _Died(BaseException):
        pass

    class Dies(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            super().write(name, some)
            raise _Died

    with pytest.raises(_Died):
        keep_due(world.ports, Dies(stores_of(world).by_name))
    assert found(desk, case_id).state == CaseState.DONE
    clock.advance(LEASE + timedelta(seconds=1))
    assert len(kept(world).kept) == 1
    with Session(world.ports.database.read) as session:
        steps = session.scalars(select(CaseMove.action).where(CaseMove.case_id == case_id)).all()
    assert steps.count("archive") == 1


def test_every_call_fails_once_in_turn(
    worlds: dict[Backend, World], clock: Ticker, tell: Callable[[str], None]
) -> None:
    """Each call to database and stores, on one of the databases, before it or after it: the case is archived
    once, whatever failed, and never said to be before its package is kept.
    """
    desks = {backend: open_desk(world) for backend, world in worlds.items()}
    calls: dict[Backend, list[str]] = {}
    for backend, desk in desks.items():
        closed(desk, "returned")
        counting = Faults()
        with faulty(desk.world.ports, counting) as watched:
            keep_due(watched, FaultyStores(stores_of(desk.world).by_name, counting))
        calls[backend] = counting.calls
    for backend, points in by_turns(calls).items():
        later = sum(_archived_though(desks[backend], clock, calls[backend], point) for point in points)
        tell(f"{backend}: {len(points)} of {len(calls[backend])} calls failed; {later} were archived later")
        assert later > 0
        assert fsck(worlds[backend].ports) == []


def _archived_though(desk: Desk, clock: Ticker, calls: list[str], point: Point) -> bool:
    """Whether it was archived in a later round alone."""
    world, (at, when) = desk.world, point
    case_id = closed(desk, "returned")
    faults = Faults(at=at, when=when, strike=fail)
    with faulty(world.ports, faults) as watched:
        try:
            done = keep_due(watched, FaultyStores(stores_of(world).by_name, faults))
            assert done.defects == {}, calls[at - 1]
        except VermilionError as error:
            assert error.kind is Kind.UNAVAILABLE, calls[at - 1]
    assert faults.struck, calls[at - 1]
    state = found(desk, case_id).state
    later = state != CaseState.ARCHIVED
    if later:
        clock.advance(LEASE)
        publish_trust_list(world.ports)
        assert kept(world).deferred == {}, calls[at - 1]
    package = package_of(world, case_id)
    assert (package.state, found(desk, case_id).state) == ("kept", CaseState.ARCHIVED), calls[at - 1]
    assert all(whole(world, package, name) for name in NAMES), calls[at - 1]
    assert [one.subject for one in told(world, "case.archived")].count(case_id) == 1
    assert due(world) == 0
    return later
