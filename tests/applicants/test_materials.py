"""Files that applicants send: what there is and what is wanted, what is refused and why, who signed; and the form that
is drawn of an application, confirmed or signed.
"""

from __future__ import annotations

import html
import re
from hashlib import sha256

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry.applicants import acts
from registry.intake.applications import Item, Said
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import supplied
from registry.intake.moves import Action
from registry.log.tables import Event
from tests.applicants.applying import (
    WAY_IN,
    Applicant,
    applicant,
    case_of,
    cases_of,
    open_form,
    shown,
    token_of,
    typed_of,
)
from tests.examining import plain_pdf, signed_pdf, signer
from tests.intake.casework import Desk, application, open_desk, step
from tests.registry.world import World, on_sqlite


@pytest.fixture
def desk(world: World) -> Desk:
    made = open_desk(world)
    open_form(world)
    return made


@pytest.fixture
def somebody(desk: Desk) -> Applicant:
    return applicant(desk.world)


def send(somebody: Applicant, token: str, code: str, data: bytes, name: str = "a.pdf") -> TestResponse:
    return somebody.send(f"{WAY_IN}{token}/materials/{code}", data, name)


def part_of(somebody: Applicant, token: str, code: str) -> str:
    """What the page says of one material."""
    page = somebody.get(f"{WAY_IN}{token}/materials").get_data(as_text=True)
    found = re.search(rf'<section class="card" id="material-{code}".*?</section>', page, re.DOTALL)
    assert found is not None
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


def there(world: World) -> dict[str, CaseMaterial]:
    (case,) = cases_of(world)
    with Session(world.ports.database.read) as session:
        return dict(supplied(session, case.id))


def test_a_material_is_sent_replaced_and_looked_at(somebody: Applicant) -> None:
    token = somebody.begun()
    assert "Looked up by the agency" in part_of(somebody, token, "business_licence")
    assert part_of(somebody, token, "layout").startswith("Not handed in")
    assert part_of(somebody, token, "authority_of_agent").startswith("Optional")
    for number, data in enumerate((plain_pdf(), plain_pdf("a better one")), 1):
        answer = send(somebody, token, "layout", data)
        assert (answer.status_code, token_of(answer)) == (303, token)
        row = there(somebody.world)["layout"]
        assert (row.version, row.sha256) == (number, sha256(data).digest())
        assert (row.operator, row.person_id) == ("applicant", None)
    part = part_of(somebody, token, "layout")
    assert part.startswith("Handed in")
    assert "was not scanned for malware" in part
    file = somebody.get(f"{WAY_IN}{token}/materials/layout/1")
    assert file.data == plain_pdf()
    assert file.headers["Cache-Control"] == "no-store"
    assert file.headers["Content-Disposition"] == 'attachment; filename="layout-1.pdf"'
    assert somebody.get(f"{WAY_IN}{token}/materials/layout/9").status_code == 404
    other = applicant(somebody.world).begun()
    assert somebody.get(f"{WAY_IN}{other}/materials/layout/1").status_code == 404


def test_who_signed_is_told_before_anything_is_submitted(somebody: Applicant) -> None:
    made, token = application(somebody.world), somebody.begun()
    send(somebody, token, "layout", signed_pdf(plain_pdf(), signer(made.name, made.id_code)))
    part = part_of(somebody, token, "layout")
    assert "The signer's certificate has the applicant's code." in part
    assert "样本电子认证服务有限公司" in part
    assert "a licensed authority" in part
    assert "intact" in part
    send(somebody, token, "layout", signed_pdf(plain_pdf(), signer("别的公司")))
    assert "names somebody else than the applicant" in part_of(somebody, token, "layout")
    assert "names somebody else than the applicant" in shown(somebody.get(f"{WAY_IN}{token}/submission"))
    send(somebody, token, "layout", plain_pdf())
    assert "bears no signature" in part_of(somebody, token, "layout")


@on_sqlite
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Please choose a file first."),
        (b"%PDF-1.7 nothing", "none of the formats listed, or damaged"),
        (b"MZ\x90 a program", "none of the formats listed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "none of the formats listed"),
        (plain_pdf() + bytes(11 * 1024 * 1024), "The file is too large"),
    ],
    ids=["empty", "no pdf", "a program", "no picture", "too large"],
)
def test_a_file_that_is_not_taken_says_why(somebody: Applicant, data: bytes, said: str) -> None:
    token = somebody.begun()
    answer = send(somebody, token, "layout", data)
    assert answer.status_code == 422
    assert said in shown(answer)
    assert there(somebody.world) == {}


@on_sqlite
def test_what_is_no_form_with_a_file_changes_nothing(somebody: Applicant) -> None:
    token = somebody.begun()
    path = f"{WAY_IN}{token}/materials"
    assert send(somebody, token, "lay_out", plain_pdf()).status_code == 404
    assert send(somebody, "A" * 43, "layout", plain_pdf()).status_code == 404
    for body, kind in (
        (b"x", "text/plain"),
        (b"file=x", "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file\r\n--x--\r\n', "multipart/form-data; boundary=x"),
    ):  # fmt: skip
        answer = somebody.http.post(f"{path}/layout?lang=en", data=body, content_type=kind)
        assert answer.status_code == 422, body
    assert there(somebody.world) == {}
    assert somebody.world.defects.last == []


@on_sqlite
def test_files_have_an_end(somebody: Applicant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one application together, and of one network in an hour."""
    token = somebody.begun()
    assert send(somebody, token, "layout", plain_pdf()).status_code == 303
    for room in (0, 1, len(plain_pdf()) - 1):  # some room is not enough: what came counts, before it is kept
        monkeypatch.setattr(acts, "MAX_FILES", len(plain_pdf()) + room)
        full = send(somebody, token, "safety_rules", plain_pdf())
        assert full.status_code == 409
        assert "as large as they may be together" in shown(full)
    assert set(there(somebody.world)) == {"layout"}
    monkeypatch.undo()
    for _ in range(acts.SENT.burst - 4):
        assert send(somebody, token, "layout", b"").status_code == 422
    late = send(somebody, token, "layout", plain_pdf())
    assert late.status_code == 429
    assert int(late.headers["Retry-After"]) <= acts.SENT.seconds_each


def test_materials_that_were_asked_for_come_with_the_correction(desk: Desk, somebody: Applicant) -> None:
    token, number, _ = somebody.submitted()
    assert somebody.get(f"{WAY_IN}{token}/materials").status_code == 303, "not before it is asked for"
    assert send(somebody, token, "layout", plain_pdf()).status_code == 409
    case_id = case_of(desk.world, number)
    step(desk, case_id, Action.RECEIVE)
    step(desk, case_id, Action.ASK_CORRECTION, said=Said("", (Item("layout", "缺少经营布局图"),)))
    assert "缺少经营布局图" in part_of(somebody, token, "layout")
    assert send(somebody, token, "layout", plain_pdf()).status_code == 303
    page = shown(somebody.get(f"{WAY_IN}{token}/correction"))
    assert "File sent 20 November 2026, 10:30" in page
    assert somebody.post(f"{WAY_IN}{token}/correction", {"declaration": "yes"}).status_code == 303
    (case,) = cases_of(desk.world)
    assert case.state == "received"
    assert set(there(desk.world)) >= {"layout"}


# --- the form that is drawn ----------------------------------------------------------------------------


def declared(world: World) -> str:
    """By what the application was declared true."""
    with Session(world.ports.database.read) as session:
        (event,) = session.scalars(select(Event).where(Event.kind == "case.submitted"))
    return str(event.detail["declared"])


def test_who_has_no_signature_tool_confirms_the_form(somebody: Applicant) -> None:
    """The very form that was read: after a change another one is drawn."""
    world, token = somebody.world, somebody.begun()
    here = f"{WAY_IN}{token}"
    digest = somebody.drawn(token)
    page = somebody.get(f"{here}/submission").get_data(as_text=True)
    (path,) = re.findall(rf'href="({here}/materials/application-form/1)"', page)
    drawn = somebody.get(path)
    assert drawn.data.startswith(b"%PDF")
    assert sha256(drawn.data).hexdigest() == digest
    changed = typed_of(application(world), f_contact_phone="0990-7654321")
    assert somebody.post(f"{here}/details", changed).status_code == 303
    stale = somebody.post(f"{here}/submission", {"declaration": "yes", "form": digest})
    assert stale.status_code == 422
    assert "please have the form made anew" in shown(stale)
    assert somebody.submit(token).status_code == 303
    assert declared(world) == "confirmed_form"


def test_who_has_one_signs_it_and_is_told_what_was_found(somebody: Applicant) -> None:
    world, token = somebody.world, somebody.begun()
    here, made = f"{WAY_IN}{token}", application(somebody.world)
    digest = somebody.drawn(token)
    form = somebody.get(f"{here}/materials/application-form/1").data
    for data, said in (
        (plain_pdf(), "This is not the form that was made"),
        (form, "This is not the form that was made"),
        (b"no pdf", "none of the formats listed"),
    ):
        answer = somebody.send(f"{here}/form/signature", data)
        assert answer.status_code == 422
        assert said in shown(answer)
    theirs = signed_pdf(form, signer(made.name, made.id_code))
    answer = somebody.send(f"{here}/form/signature", theirs)
    assert answer.status_code == 303
    page = shown(somebody.get(f"{here}/submission"))
    assert "The signer's certificate has the applicant's code." in page
    sent = somebody.post(f"{here}/submission", {"declaration": "yes", "form": digest})
    assert sent.status_code == 303
    assert declared(world) == "signed_form"


@on_sqlite
def test_an_application_that_is_not_complete_has_no_form(somebody: Applicant) -> None:
    token = somebody.blank()
    somebody.post(
        "/holder/services/99013100100011990100MB01010556/application", {"draft": token, "later": "yes"}
    )
    assert somebody.post(f"{WAY_IN}{token}/form").status_code == 303
    page = somebody.get(f"{WAY_IN}{token}/submission")
    assert page.status_code == 422
    assert 'name="form"' not in page.get_data(as_text=True)
