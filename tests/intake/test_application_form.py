"""The form that the registry draws of an application: what it says, confirmed or signed, and what that stands for."""

from __future__ import annotations

from typing import Any

import pypdfium2
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.intake.material_tables import CaseForm
from registry.log.tables import Event
from tests.examining import examiner, plain_pdf, signed_pdf, signer
from tests.intake.casework import BASIS, application, case_body, import_matters, supply_all
from tests.intake.test_materials import CASES, PDF, a_draft
from tests.registry.world import World, on_sqlite

WINDOW = {"operator": "window-03"}
SIGNATURE = {"Operator": "window-03"}


@pytest.fixture
def office(world: World) -> World:
    import_matters(world)
    return world


def form(world: World, case_id: str, status: int = 201, **more: Any) -> dict[str, Any]:
    return asked(world, f"{CASES}/{case_id}/form", status, **more)


def asked(world: World, path: str, status: int, **body: Any) -> dict[str, Any]:
    answer = world.post(path, {**WINDOW, **body})
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def confirm(world: World, case_id: str, digest: str, status: int = 200) -> dict[str, Any]:
    return asked(world, f"{CASES}/{case_id}/form/confirmation", status, sha256=digest)


def sign(world: World, case_id: str, data: bytes, status: int = 201) -> dict[str, Any]:
    headers = {**world.headers("system"), **SIGNATURE}
    path = f"{CASES}/{case_id}/form/signature"
    answer = world.http.put(path, data=data, content_type=PDF, headers=headers)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def submit(world: World, case_id: str, status: int = 200, **more: Any) -> dict[str, Any]:
    return asked(world, f"{CASES}/{case_id}/steps", status, action="submit", **more)


def declared(world: World, kind: str = "case.submitted") -> str:
    """By what the last step of the kind was declared true."""
    with Session(world.ports.database.read) as session:
        events = session.scalars(select(Event).where(Event.kind == kind)).all()
    return str(events[-1].detail["declared"])


def change(world: World, case_id: str, **fields: Any) -> None:
    body = case_body(world)
    changed = {"applicant": body["applicant"], "fields": {**body["fields"], **fields}, **WINDOW}
    assert world.post(f"{CASES}/{case_id}/application", changed).status_code == 200


def text_of(data: bytes) -> str:
    document = pypdfium2.PdfDocument(data)
    return "".join("".join(page.get_textpage().get_text_range() for page in document).split())


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh", "申请人声明"), ("en", "Theapplicantdeclares"), ("es", "Elsolicitantedeclara")],
)
def test_the_form_says_what_the_application_says(office: World, language: str, words: str) -> None:
    case_id, made = a_draft(office), application(office)
    told = form(office, case_id, language=language)
    data = office.get(told["href"]).data
    examiner().require_harmless(data, PDF)
    said = text_of(data)
    assert words in said
    assert case_id in said
    for value in (made.name, made.id_code, made.fields["premises"], made.fields["contact_phone"]):
        assert "".join(str(value).split()) in said
    assert form(office, case_id, language=language) == told, "the same application has the same form"


def test_a_confirmed_form_stands_for_the_declaration_until_the_application_is_changed(office: World) -> None:
    case_id = a_draft(office)
    first = form(office, case_id)
    assert (first["current"], first["confirmed_at"], first["declared_by"]) == (True, None, None)
    assert submit(office, case_id, 422)["reason"] == "move_needs"
    told = confirm(office, case_id, first["sha256"])
    assert told["declared_by"] == "confirmed_form"
    assert confirm(office, case_id, first["sha256"]) == told, "again it is as it was"
    change(office, case_id, premises="新址1号")
    stale = office.get(f"{CASES}/{case_id}/form").get_json()
    assert (stale["current"], stale["declared_by"]) == (False, None)
    assert submit(office, case_id, 422)["reason"] == "move_needs"
    assert confirm(office, case_id, first["sha256"], 409)["reason"] == "form_stale"
    second = form(office, case_id)
    assert (second["version"], second["confirmed_at"]) == (2, None)
    assert confirm(office, case_id, first["sha256"], 404)["reason"] == "form_unknown"
    confirm(office, case_id, second["sha256"])
    assert submit(office, case_id)["state"] == "submitted"
    assert declared(office) == "confirmed_form"
    assert form(office, case_id, 409)["reason"] == "case_state"
    with Session(office.ports.database.read) as session:
        made = session.scalars(select(Event).where(Event.kind == "case.form_confirmed")).all()
        row = session.get_one(CaseForm, (case_id, 2))
    one, two = sorted(made, key=lambda event: str(event.detail["version"]))
    assert (one.detail["sha256"], two.detail["sha256"]) == (first["sha256"], second["sha256"])
    assert (row.event_id, row.operator) == (two.id, "window-03")


def test_the_applicant_s_signature_on_it_stands_for_the_declaration_and_nobody_else_s(office: World) -> None:
    case_id, made = a_draft(office), application(office)
    told = form(office, case_id)
    data = office.get(told["href"]).data
    assert sign(office, case_id, plain_pdf(), 422)["reason"] == "form_other"
    assert sign(office, case_id, data, 422)["reason"] == "form_other"
    another = sign(office, case_id, signed_pdf(data, signer("别的公司")))
    assert (another["signed"]["report"]["match"], another["declared_by"]) == ("another", None)
    assert submit(office, case_id, 422)["reason"] == "move_needs"
    theirs = signed_pdf(data, signer(made.name, made.id_code))
    told = sign(office, case_id, theirs)
    assert (told["signed"]["report"]["match"], told["declared_by"]) == ("by_code", "signed_form")
    assert sign(office, case_id, theirs, 200) == told
    assert office.get(told["signed"]["href"]).data == theirs
    (step,) = submit(office, case_id)["steps"]
    assert (declared(office), step["declared"]) == ("signed_form", "signed_form")


def test_the_declaration_that_is_passed_on_is_enough(office: World) -> None:
    case_id = a_draft(office)
    submit(office, case_id, declaration=True)
    assert declared(office) == "declaration"
    assert office.get(f"{CASES}/{case_id}/form").get_json()["reason"] == "form_unknown"


def test_a_correction_is_declared_true_by_its_own_form(office: World) -> None:
    case_id = a_draft(office)
    confirm(office, case_id, form(office, case_id)["sha256"])
    submit(office, case_id)
    steps = f"{CASES}/{case_id}/steps"
    asked(office, steps, 200, action="receive")
    supply_all(office.ports, office.actor("system"), case_id, {"layout"})
    asked(office, steps, 200, action="ask_correction", items=[{"code": "layout", "why": "缺"}], **BASIS)
    refused = asked(office, steps, 422, action="correct", fields={"premises": "新址1号"})
    assert refused["reason"] == "move_needs", "what is corrected the form has never said"
    again = asked(office, steps, 422, action="correct")
    assert again["reason"] == "move_needs", "nor what came since"
    confirm(office, case_id, form(office, case_id)["sha256"])
    assert asked(office, steps, 200, action="correct")["state"] == "received"
    assert declared(office, "case.corrected") == "confirmed_form"
    supply_all(office.ports, office.actor("system"), case_id)
    assert asked(office, steps, 200, action="accept")["state"] == "accepted"


@on_sqlite
def test_a_form_is_made_of_what_may_be_submitted_alone(office: World) -> None:
    case_id = a_draft(office, fields={"operator_name": "样本市云水间餐饮管理有限公司"})
    assert {one["pointer"] for one in form(office, case_id, 422)["errors"]} >= {"/fields/premises"}
    assert confirm(office, case_id, "0" * 64, 404)["reason"] == "form_unknown"
    assert sign(office, case_id, plain_pdf(), 404)["reason"] == "form_unknown"
    assert sign(office, "0" * 32, plain_pdf(), 404)["reason"] == "case_unknown"


@on_sqlite
def test_what_no_font_can_write_is_named_by_its_code_point(office: World) -> None:
    case_id = a_draft(office)
    change(office, case_id, premises="\U0001f3e0号")
    said = text_of(office.get(form(office, case_id)["href"]).data)
    assert "[U+1F3E0]号" in said


@on_sqlite
def test_a_form_has_no_word_of_what_its_mac_covers(office: World) -> None:
    case_id = a_draft(office)
    form(office, case_id)
    with Session(office.ports.database.read) as session:
        row = session.get_one(CaseForm, (case_id, 1))
        details = str([one.detail for one in session.scalars(select(Event))])
    assert len(row.application) == 32
    made = application(office)
    assert made.name not in details
    assert made.id_code not in details
