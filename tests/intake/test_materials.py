"""Materials of an application: supplied, replaced, shown, read again; what is refused; what an application lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.documents import document_key
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import MaterialState, require_enough, supplied, wants
from registry.intake.matter_lists import matter_version
from registry.intake.moves import Action, Who
from registry.intake.supplying import MAX_VERSIONS, keep, supply
from registry.intake.tables import Case
from registry.intake.work import work
from registry.log.tables import Event
from tests.examining import plain_pdf, signed_pdf, signer
from tests.intake.casework import (
    BASIS,
    a_material,
    application,
    case_body,
    draft,
    found,
    import_matters,
    open_desk,
    put_material,
    step,
)
from tests.registry.issuing import issue_one
from tests.registry.test_seals_races import at_once
from tests.registry.world import Ticker, World, on_sqlite

CASES = "/api/v1/cases"
PDF = "application/pdf"


@pytest.fixture
def office(world: World) -> World:
    import_matters(world)
    return world


def a_draft(world: World, key: str = "one", **changes: Any) -> str:
    answer = world.post(CASES, case_body(world, declaration=False, **changes), **{"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["id"])


def put(world: World, case_id: str, code: str, data: bytes, status: int = 201, **more: Any) -> dict[str, Any]:
    answer = put_material(world, case_id, code, data, **more)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def named(world: World) -> Actor:
    """The agency's system, by one of its operators."""
    return replace(world.actor("system"), operator="window-03")


def stands(world: World, case_id: str) -> dict[str, tuple[str | None, int | None]]:
    """Of each material what is wanted, and which version there is."""
    told = world.get(f"{CASES}/{case_id}").get_json()["materials"]
    return {one["code"]: (one["wanted"], (one["supplied"] or {}).get("version")) for one in told}


def test_a_material_is_supplied_replaced_and_read_again(office: World) -> None:
    case_id = a_draft(office)
    first = put(office, case_id, "layout", plain_pdf())
    assert (first["version"], first["sha256"]) == (1, sha256(plain_pdf()).hexdigest())
    assert (first["scan"], first["operator"], first["report"]["match"]) == (
        "not_scanned",
        "window-03",
        "unsigned",
    )
    assert put(office, case_id, "layout", plain_pdf(), 200) == first, "the very file again is no new version"
    second = put(office, case_id, "layout", plain_pdf("better"), operator="%E7%AA%97%E5%8F%A3")
    assert (second["version"], second["operator"]) == (2, "窗口")
    listed = office.get(f"{CASES}/{case_id}/materials").get_json()["materials"]
    assert listed == [first, second], "what was replaced stays on record"
    for one, data in ((first, plain_pdf()), (second, plain_pdf("better"))):
        answer = office.get(one["href"])
        assert (answer.data, answer.mimetype) == (data, PDF)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="layout-{one["version"]}.pdf"'
    assert stands(office, case_id)["layout"] == (None, 2)
    with Session(office.ports.database.read) as session:
        events = session.scalars(select(Event).where(Event.kind == "case.material_added")).all()
        rows = session.scalars(select(CaseMaterial).order_by(CaseMaterial.version)).all()
    assert sorted(one.detail["sha256"] for one in events) == sorted([first["sha256"], second["sha256"]])
    assert [one.event_id for one in rows] == [
        one.id for one in sorted(events, key=lambda one: one.detail["version"])
    ]
    kept = office.ports.settings.documents_directory / document_key(rows[0].id)
    assert plain_pdf()[:40] not in kept.read_bytes(), "it lies encrypted"


def test_all_that_an_application_lacks_is_told_at_once_and_keeps_it_from_being_accepted(
    office: World,
) -> None:
    case_id = a_draft(office)
    lacking = ["business_licence", "layout", "safety_rules"]
    assert [code for code, (want, _) in stands(office, case_id).items() if want == "missing"] == lacking
    put(office, case_id, "layout", plain_pdf())

    def steps(action: str, status: int, **more: Any) -> dict[str, Any]:
        body = {"action": action, "operator": "window-03", **more}
        answer = office.post(f"{CASES}/{case_id}/steps", body)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.get_json()
        return told

    filed = steps("submit", 200, declaration=True)
    assert [one["code"] for one in filed["materials"] if one["wanted"]] == [
        "business_licence",
        "safety_rules",
    ]
    steps("receive", 200)
    refused = steps("accept", 409)
    assert refused["reason"] == "materials_missing"
    assert [(one["pointer"], one["reason"]) for one in refused["errors"]] == [
        ("/materials/business_licence", "missing"), ("/materials/safety_rules", "missing"),
    ]  # fmt: skip
    assert put(office, case_id, "safety_rules", plain_pdf(), 409)["reason"] == "case_state"
    items = [{"code": code, "why": "缺"} for code in ("business_licence", "safety_rules")]
    steps("ask_correction", 200, items=items, **BASIS)
    for code in ("business_licence", "safety_rules"):
        put(office, case_id, code, plain_pdf())
    steps("correct", 200, declaration=True)
    assert steps("accept", 200)["state"] == "accepted"


def test_silence_accepts_whatever_is_lacking(office: World, clock: Ticker) -> None:
    desk = open_desk(office)
    case_id = draft(desk)
    step(desk, case_id, Action.SUBMIT)
    clock.now = clock.now.replace(month=12, day=20)
    assert work(desk.ports).silent == 1
    assert found(desk, case_id).state == "accepted"


def test_who_signed_is_told_with_the_answer_and_kept_with_the_case(office: World) -> None:
    case_id = a_draft(office)
    made = application(office)
    told = put(office, case_id, "layout", signed_pdf(plain_pdf(), signer(made.name, made.id_code)))
    report = told["report"]
    assert (report["match"], report["signatures"][0]["authority"]) == ("by_code", "licensed")
    assert report["signatures"][0]["integrity"] == "intact"
    assert set(report["match_says"]) == {"zh", "en", "es"}
    other = put(office, case_id, "safety_rules", signed_pdf(plain_pdf(), signer("别的公司")))
    assert other["report"]["match"] == "another", "told, and taken all the same"
    shown = office.get(f"{CASES}/{case_id}").get_json()["materials"]
    assert [one["supplied"] for one in shown if one["code"] == "layout"] == [told]
    with Session(office.ports.database.read) as session:
        for row in supplied(session, case_id).values():
            assert row.report is not None
            assert made.id_code.encode() not in row.report
        details = [str(one.detail) for one in session.scalars(select(Event))]
    assert not [one for one in details if made.name in one or made.id_code in one]


def test_a_licence_of_ours_is_known_as_such(office: World) -> None:
    """With the file that it carries, and without the general validator."""
    case_id = a_draft(office)
    issued = issue_one(office)
    licence = office.get(f"/api/v1/licences/{issued.printout.record.identifier}/document").data
    report = put(office, case_id, "business_licence", licence)["report"]
    assert (report["explained"], report["indication"], report["level"]) == ("known", "TOTAL_PASSED", "B-LT")
    assert report["signer"]
    assert report["match"] == "unsigned", "the agency's seal is nobody's signature of an application"


def test_another_applicant_is_compared_anew(office: World) -> None:
    case_id = a_draft(office)
    made = application(office)
    put(office, case_id, "layout", signed_pdf(plain_pdf(), signer(made.name, made.id_code)))
    body = case_body(office)
    applicant = {
        **body["applicant"],
        "name": "云溪省样本市另一家餐饮有限公司",
        "id_type": "999",
        "id_code": "1",
    }
    change = {"applicant": applicant, "fields": body["fields"], "operator": "window-03"}
    assert office.post(f"{CASES}/{case_id}/application", change).status_code == 200
    (layout,) = office.get(f"{CASES}/{case_id}/materials").get_json()["materials"]
    assert layout["report"]["match"] == "another"


def test_a_matter_may_want_the_applicant_s_signature(office: World) -> None:
    case_id = a_draft(office)
    made = application(office)
    with Session(office.ports.database.read) as session:
        case = session.get_one(Case, case_id)
        matter = matter_version(session, case.matter_code, case.matter_version)
    signed = replace(
        matter, materials=tuple(replace(one, signed=True) for one in matter.materials if one.code == "layout")
    )
    for data, want in (
        (plain_pdf(), "unsigned"),
        (signed_pdf(plain_pdf(), signer("别的公司")), "unsigned"),
        (signed_pdf(plain_pdf(), signer(made.name)), None),
    ):
        put(office, case_id, "layout", data)
        with Session(office.ports.database.read) as session:
            assert wants(session, case_id, signed).get("layout") == want
            if want is not None:
                with pytest.raises(VermilionError) as refused:
                    require_enough(session, case_id, signed)
                assert [one.reason for one in refused.value.faults] == ["unsigned"]


REFUSED = {
    "another media type": ("layout", plain_pdf(), "text/plain", 415, "unsupported-media-type"),
    "no pdf": ("layout", b"%PDF-1.7 nothing", PDF, 422, "material_format"),
    "empty": ("layout", b"", PDF, 400, "no_length"),
    "no material of the matter": ("lay_out", plain_pdf(), PDF, 404, "material_unknown"),
    "a name that is none": ("..", plain_pdf(), PDF, 404, None),
}


@on_sqlite
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_nothing(office: World, case: str) -> None:
    code, data, media, status, reason = REFUSED[case]
    case_id = a_draft(office)
    told = put(office, case_id, code, data, status, media=media)
    assert reason in {None, told["reason"]}, told
    with Session(office.ports.database.read) as session:
        assert session.scalars(select(CaseMaterial)).all() == []


@on_sqlite
def test_a_file_is_no_larger_than_the_matter_has_it(office: World) -> None:
    case_id = a_draft(office)
    most = 10 * 1024 * 1024
    assert put(office, case_id, "layout", bytes(most + 1), 413)["status"] == 413
    for data, kind in ((bytes(most + 1), Kind.TOO_LARGE), (b"", Kind.INVALID)):
        with pytest.raises(VermilionError) as refused:
            supply(office.ports, named(office), case_id, "layout", data, PDF)
        assert refused.value.kind is kind


@on_sqlite
def test_whoever_acts_is_named(office: World) -> None:
    case_id = a_draft(office)
    for operator in ("", "%0A", "%FF", "x" * 81):
        assert put(office, case_id, "layout", plain_pdf(), 422, operator=operator)["reason"] == "operator"
    path = f"{CASES}/{case_id}/materials/layout"
    headers = office.headers("system", "officer")
    told = office.http.put(path, data=plain_pdf(), content_type=PDF, headers=headers)
    assert (told.status_code, told.get_json()["person"]) == (201, office.people["officer"].id)


@on_sqlite
def test_versions_have_an_end(office: World) -> None:
    case_id = a_draft(office)
    actor = named(office)
    for number in range(MAX_VERSIONS):
        keep(
            office.ports,
            actor,
            case_id,
            "layout",
            replace(a_material(), sha256=sha256(b"%d" % number).digest()),
        )
    assert put(office, case_id, "layout", plain_pdf(), 409)["reason"] == "too_many_versions"


def test_a_store_that_is_out_leaves_a_row_that_does_not_count(
    office: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = a_draft(office)

    def out(_key: str, _data: bytes) -> None:
        raise VermilionError(Kind.UNAVAILABLE, "out", reason="documents")

    monkeypatch.setattr(office.ports.documents, "put_new", out)
    assert put(office, case_id, "layout", plain_pdf(), 503)["reason"] == "documents"
    monkeypatch.undo()
    with Session(office.ports.database.read) as session:
        (row,) = session.scalars(select(CaseMaterial)).all()
        assert (row.state, supplied(session, case_id)) == (MaterialState.TAKEN, {})
    assert office.get(f"{CASES}/{case_id}/materials/layout/1").status_code == 404
    assert put(office, case_id, "layout", plain_pdf())["version"] == 2


def test_a_case_that_moved_on_meanwhile_takes_nothing(office: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = open_desk(office)
    case_id = draft(desk)
    documents = office.ports.documents
    store = documents.put_new

    def slow(key: str, data: bytes) -> None:
        step(desk, case_id, Action.SUBMIT)
        store(key, data)

    monkeypatch.setattr(documents, "put_new", slow)
    with pytest.raises(VermilionError) as refused:
        keep(office.ports, desk.actors[Who.APPLICANT], case_id, "layout", a_material())
    assert refused.value.reason == "case_state"
    with Session(office.ports.database.read) as session:
        assert supplied(session, case_id) == {}


def test_those_that_come_at_once_are_versions_of_their_own(office: World) -> None:
    case_id, actor = a_draft(office), named(office)

    def bring(number: int) -> Callable[[], object]:
        examined = replace(a_material(), sha256=sha256(b"%d" % number).digest())
        return lambda: keep(office.ports, actor, case_id, "layout", examined)

    assert at_once(*map(bring, range(4))) == ["done"] * 4
    with Session(office.ports.database.read) as session:
        rows = session.scalars(select(CaseMaterial).order_by(CaseMaterial.version)).all()
    assert [(row.version, row.state) for row in rows] == [(n, "kept") for n in range(1, 5)]
