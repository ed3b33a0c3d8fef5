"""What was supplied, what was retrieved and what other agencies said is in the case's package, and goes with it."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import bagit
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.documents import document_key, open_store
from registry.intake.exchange_tables import CaseRetrieval
from registry.intake.joint_moves import Opinion
from registry.intake.joint_tables import SubCaseMove
from registry.intake.material_tables import CaseMaterial
from registry.intake.moves import Action, CaseState
from registry.intake.opinions import begin, give
from registry.intake.retrieving import retrieve_due
from registry.licences.fsck import fsck
from registry.log.tables import Event, Leaf
from tests.archive.disposing import approved, carried_out, term_over
from tests.archive.keeping import file_of, files, kept
from tests.archive.packages import unpacked
from tests.archive.test_cases import package_of
from tests.intake.casework import TO_HANDLING, found, open_desk, step, taken
from tests.intake.exchanging import import_own, own_application, own_case
from tests.intake.joint_casework import open_joint_desk, sub_case
from tests.registry.issuing import issue_one
from tests.registry.world import World


def unpacked_case(world: World, case_id: str, folder: Path) -> Path:
    bag = unpacked(file_of(world, package_of(world, case_id), "second").read_bytes(), folder)
    assert bagit.Bag(str(bag)).validate(processes=1)
    return bag / "data"


def test_materials_are_there_and_go_with_it(world: World, tmp_path: Path) -> None:
    desk = open_desk(world)
    case_id = taken(desk, *TO_HANDLING)
    step(desk, case_id, Action.REFUSE)
    kept(world)
    data = unpacked_case(world, case_id, tmp_path)
    told = json.loads((data / "process/materials.json").read_text())["materials"]
    assert told
    for one in told:
        file = data / f"materials/{one['code']}-{one['version']}.pdf"
        assert sha256(file.read_bytes()).hexdigest() == one["sha256"]
    with Session(world.ports.database.read) as session:
        ids = session.scalars(select(CaseMaterial.id)).all()
    store = open_store(world.ports.settings.documents_directory)
    assert all(store.read_again(document_key(one)) is not None for one in ids)
    package = package_of(world, case_id)
    term_over(world, package.number)
    approved(world, package.number)
    assert carried_out(world).disposed == [package.number]
    assert all(store.read_again(document_key(one)) is None for one in ids)
    with Session(world.ports.database.read) as session:
        assert {one or b"" for one in session.scalars(select(CaseMaterial.report))} == {b""}
    assert files(world) == set()
    assert fsck(world.ports) == []


def test_what_was_retrieved_is_there_and_goes_with_it(world: World, tmp_path: Path) -> None:
    desk = open_desk(world)
    import_own(world)
    record = issue_one(world).printout.record
    case_id = own_case(desk, own_application(record), Action.SUBMIT)
    retrieve_due(desk.ports)
    step(desk, case_id, Action.RECEIVE)
    step(desk, case_id, Action.RETURN)
    kept(world)
    data = unpacked_case(world, case_id, tmp_path)
    (search,) = json.loads((data / "process/retrievals.json").read_text())
    assert (search["state"], search["licence"]) == ("found", record.identifier)
    (answer,) = (data / "materials").glob("*-retrieved-*.json")
    assert str(record.fields["operator_name"]) in answer.read_text()
    metadata = (data / "metadata/metadata.xml").read_text()
    assert "<获取时间>" in metadata
    package = package_of(world, case_id)
    term_over(world, package.number)
    approved(world, package.number)
    assert carried_out(world).disposed == [package.number]
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(CaseRetrieval.content)).all() == [b""]
    assert fsck(world.ports) == []


def test_opinions_are_there_and_go_with_it(world: World, tmp_path: Path) -> None:
    table = open_joint_desk(world)
    desk = table.desk
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE, Action.ACCEPT)
    part = sub_case(desk, case_id).id
    with desk.ports.database.transaction() as session:
        begin(session, desk.ports, replace(table.officer, operator="window-09"), part)
    with desk.ports.database.transaction() as session:
        give(
            session, desk.ports, table.decider, part, Opinion.AGREES, words="消防条件符合要求",
            legal_basis="《样本法》第一条", reason_code="sample",
        )  # fmt: skip
    step(desk, case_id, Action.BEGIN)
    step(desk, case_id, Action.REFUSE)
    kept(world)
    data = unpacked_case(world, case_id, tmp_path)
    (told,) = json.loads((data / "process/sub-cases.json").read_text())
    assert (told["agency"]["code"], told["opinion"]) == (world.codes["other"], "agrees")
    assert "消防条件符合要求" in [one["words"] for one in told["steps"]]
    events = json.loads((data / "process/sub-case-events.json").read_text())
    assert {one["event"] for one in told["steps"]} <= {one["event"]["id"] for one in events}
    assert found(desk, case_id).state == CaseState.ARCHIVED
    package = package_of(world, case_id)
    term_over(world, package.number)
    approved(world, package.number)
    assert carried_out(world).disposed == [package.number]
    with Session(world.ports.database.read) as session:
        assert set(session.scalars(select(SubCaseMove.said))) == {None}
        salts = select(Leaf.salt).join(Event).where(Event.subject.in_((part, case_id)))
        assert set(session.scalars(salts)) == {b""}
    assert fsck(world.ports) == []
