"""What a case's package has of its materials, and what is left of them once it is disposed of."""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.archive.case_materials import erase_materials, material_items
from registry.archive.contents import FORMATS, Part
from registry.documents import document_key
from registry.intake.application_form import confirm_form, make_form
from registry.intake.cases import record_about
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.supplying import examine, keep
from registry.intake.tables import Case
from registry.licences.moment import moment
from tests.examining import plain_pdf, signed_pdf, signer
from tests.intake.casework import application, draft, open_desk
from tests.intake.test_materials import PDF, named
from tests.registry.conftest import clock, world
from tests.registry.world import World

__all__ = ["clock", "world"]


def test_every_file_its_report_and_how_it_came_are_in_the_package(world: World) -> None:
    desk = open_desk(world)
    ports, actor, case_id = desk.ports, named(world), draft(desk)
    made = application(world)
    for data in (plain_pdf(), signed_pdf(plain_pdf(), signer(made.name, made.id_code))):
        row, _ = keep(ports, actor, case_id, "layout", examine(ports, data, PDF))
    form, _ = make_form(ports, actor, case_id, "zh")
    with ports.database.transaction() as session:
        confirm_form(session, ports, actor, case_id, form.sha256)
    items = {one.path: one for one in material_items(ports, case_id)}
    assert set(items) == {
        "materials/application-form-1.pdf", "materials/layout-1.pdf", "materials/layout-1-signatures.json",
        "materials/layout-2.pdf", "materials/layout-2-signatures.json", "process/materials.json",
    }  # fmt: skip
    assert all(one.format in FORMATS for one in items.values())
    assert items["materials/layout-2.pdf"].data == data
    assert items["materials/layout-1.pdf"].part is Part.MATERIALS
    report = json.loads(items["materials/layout-2-signatures.json"].data)
    assert (report["match"], report["signatures"][0]["authority"]) == ("by_code", "licensed")
    told = json.loads(items["process/materials.json"].data)
    assert [(one["code"], one["version"]) for one in told["materials"]] == [
        ("application-form", 1), ("layout", 1), ("layout", 2),
    ]  # fmt: skip
    assert told["materials"][2]["sha256"] == row.sha256.hex()
    assert told["forms"][0]["confirmed_at"] is not None


def test_a_case_without_materials_has_none_of_it(world: World) -> None:
    desk = open_desk(world)
    assert list(material_items(desk.ports, draft(desk))) == []


def test_what_is_erased_leaves_when_it_came_and_names_its_documents(world: World) -> None:
    desk = open_desk(world)
    ports, actor, case_id = desk.ports, named(world), draft(desk)
    row, _ = keep(ports, actor, case_id, "layout", examine(ports, plain_pdf(), PDF))
    form, _ = make_form(ports, actor, case_id, "zh")
    with ports.database.transaction() as session:  # with the event that says so
        keys = list(erase_materials(session, case_id))
        record_about(session, ports, session.get_one(Case, case_id), None, "archived", moment(ports), {})
    assert sorted(keys) == sorted([document_key(row.id), document_key(form.id)])
    with Session(ports.database.read) as session:
        rows = session.scalars(select(CaseMaterial)).all()
        assert {(one.state, one.report) for one in rows} == {("erased", None)}
        assert session.scalars(select(CaseForm.application)).all() == [b""]
    assert list(material_items(ports, case_id)) == []
