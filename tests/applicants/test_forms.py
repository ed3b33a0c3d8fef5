"""Applying at the public pages: drafts that survive, what is told beside each field, and one submission."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.agencies.rules import set_client_active
from registry.applicants import acts, links
from registry.applicants.tables import ApplicationLink
from registry.intake.applications import open_application
from registry.log.tables import Event
from registry.samples import sample_requests
from tests.applicants.applying import (
    GUIDE,
    TEACHER,
    WAY_IN,
    Applicant,
    applicant,
    cases_of,
    import_teacher,
    open_form,
    shown,
    token_of,
    typed_of,
)
from tests.intake.casework import MATTER, application, import_matters
from tests.registry.test_pick_ups import everything
from tests.registry.world import GROUND, Ticker, World, on_sqlite

FORM = f"{GUIDE}/application"


@pytest.fixture
def somebody(world: World) -> Applicant:
    """In a world whose agency takes applications for the food matter."""
    import_matters(world)
    open_form(world)
    return applicant(world)


def kept(world: World) -> Mapping[str, Any]:
    """The fields of the one application there is."""
    (case,) = cases_of(world)
    world.ports.vault.ready()
    return open_application(world.ports.vault, case.id, case.application).fields


def events(world: World) -> list[Event]:
    with Session(world.ports.database.read) as session:
        about = select(Event).where(Event.subject_kind == "case").order_by(Event.recorded_at)
        return list(session.scalars(about))


def test_from_the_guide_to_a_number_and_a_code(somebody: Applicant) -> None:
    """The applicant's act, through the agency's public form; the record says so, and no more of them."""
    world = somebody.world
    _, number, code = somebody.submitted()
    (case,) = cases_of(world)
    assert (case.number, case.state, case.agency_code) == (number, "submitted", world.codes["own"])
    assert code.replace(" ", "") not in str(everything(world))
    done = {one.kind: one for one in events(world)}
    assert set(done) == {"case.drafted", "case.form_made", "case.form_confirmed", "case.submitted"}
    for event in done.values():
        assert (event.client_id, event.person_id, event.operator) == (case.client_id, None, "applicant")
    assert done["case.submitted"].detail["part"] == "applicant"
    named = application(world)
    assert named.id_code not in str([one.detail for one in events(world)])


# --- what is typed -------------------------------------------------------------------------------------


def test_each_fault_is_told_beside_its_field_and_what_was_typed_stays(somebody: Applicant) -> None:
    typed = typed_of(
        application(somebody.world),
        name="",
        id_code="91990100MA1000017B",
        f_premises="x" * 91,
        f_contact_phone="call me",
        f_business_items="",
        f_operator_name="样本\u202e市",
    )
    answer = somebody.post(FORM, {**typed, "draft": somebody.blank()})
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "<title>Error: " in page
    for name, said in (
        ("name", "Please fill this in"),
        ("id_code", "There is a mistake in the number"),
        ("f_premises", "It is too long"),
        ("f_contact_phone", "It is no telephone number"),
        ("f_business_items", "Please fill this in"),
        ("f_operator_name", "It has characters that cannot be used"),
    ):
        (told,) = re.findall(rf'<p class="fault" id="{name}-fault">(.*?)</p>', page)
        assert said in told, name
        control = re.search(rf'<(?:input|textarea)[^>]* id="{name}"[^>]*>', page)
        control = control or re.search(rf'<(?:input|textarea) id="{name}"[^>]*>', page)
        assert control is not None
        assert 'aria-invalid="true"' in control[0]
        assert f"{name}-fault" in control[0]
        assert f'<a href="#{name}">' in page
    assert 'value="91990100MA1000017B"' in page
    assert 'value="call me"' in page
    assert "f_domicile-fault" not in page
    assert cases_of(somebody.world) == [], "a wrong form makes no draft of its own"


def test_what_is_meant_is_understood(somebody: Applicant) -> None:
    """Lines of a list, codes in small letters and with spaces, spaces around; and a code is typed once."""
    made = application(somebody.world)
    token = somebody.begun(
        id_code=f" {made.id_code[:9].lower()} {made.id_code[9:].lower()}",
        f_credit_code="",
        f_operator_name=f"  {made.name} ",
        f_business_items="\r\n  热食类食品制售 \r\n\r\n冷食类食品制售\r\n",
    )
    assert kept(somebody.world)["credit_code"] == made.id_code
    assert kept(somebody.world)["operator_name"] == made.name
    assert kept(somebody.world)["business_items"] == ["热食类食品制售", "冷食类食品制售"]
    again = somebody.get(f"{WAY_IN}{token}/details").get_data(as_text=True)
    assert "热食类食品制售\n冷食类食品制售</textarea>" in again


def test_an_e_mail_address_is_asked_for_where_e_mail_is_sent(somebody: Applicant) -> None:
    assert "E-mail address" not in shown(somebody.get(FORM))
    world = somebody.world
    settings = world.ports.settings.model_copy(update={"smtp_host": "mail.example"})
    object.__setattr__(world.ports, "settings", settings)
    assert "E-mail address" in shown(somebody.get(FORM))
    typed = typed_of(application(world), email="no address")
    wrong = somebody.post(FORM, {**typed, "draft": somebody.blank()})
    assert "It is no e-mail address" in shown(wrong)
    somebody.begun(email="applicant@example.org")
    (case,) = cases_of(world)
    contact = open_application(world.ports.vault, case.id, case.application).contact
    assert (contact.channel, contact.to, contact.language) == ("smtp", "applicant@example.org", "en")


# --- drafts --------------------------------------------------------------------------------------------


def test_a_draft_is_saved_as_it_is_and_gone_on_with_elsewhere(somebody: Applicant, clock: Ticker) -> None:
    """By its link, or what stands at its end; the registry keeps a digest."""
    world, token = somebody.world, somebody.blank()
    answer = somebody.post(FORM, {"draft": token, "name": "样本人", "f_premises": "x" * 200, "later": "yes"})
    assert (answer.status_code, token_of(answer)) == (303, token)
    page = shown(somebody.get(f"{WAY_IN}{token}"))
    assert "Saved until 18 February 2027, 10:30" in page
    assert f"http://localhost:8800/holder/applications/{token}" in page
    assert token not in str(everything(world))
    clock.advance(timedelta(days=89))
    elsewhere = applicant(world, address="198.51.100.7")
    for typed in (token, f"http://localhost:8800{WAY_IN}{token}?lang=es", f" {token} "):
        assert token_of(elsewhere.post(WAY_IN, {"draft": typed})) == token
    form = elsewhere.get(f"{WAY_IN}{token}/details").get_data(as_text=True)
    assert 'value="样本人"' in form
    wrong = elsewhere.get(f"{WAY_IN}{token}/submission")
    assert "It is too long" in shown(wrong)
    assert elsewhere.post(f"{WAY_IN}{token}/submission", {"declaration": "yes"}).status_code == 422
    right = typed_of(application(world), draft=token)
    assert elsewhere.post(f"{WAY_IN}{token}/details", right).status_code == 303
    assert "Saved until 18 May 2027" in shown(elsewhere.get(f"{WAY_IN}{token}"))
    assert [one.kind for one in events(world)] == ["case.drafted", "case.redrawn"]
    elsewhere.post(f"{WAY_IN}{token}/details", right)
    assert len(events(world)) == 2, "what changes nothing is no event"


def test_a_draft_that_nobody_came_back_to_is_opened_no_more(somebody: Applicant, clock: Ticker) -> None:
    token = somebody.begun()
    clock.advance(links.draft_life(somebody.world.ports))
    for path in ("", "/details", "/submission", "/correction", "/withdrawal"):
        answer = somebody.get(f"{WAY_IN}{token}{path}")
        assert answer.status_code == 404
        assert "This link is over" in shown(answer)
    typed = typed_of(application(somebody.world), draft=token)
    assert somebody.post(FORM, typed).status_code == 404, "nor begun once more"
    assert links.sweep(somebody.world.ports) == 1
    assert links.sweep(somebody.world.ports) == 0


def test_a_second_press_saves_and_submits_once(somebody: Applicant) -> None:
    token = somebody.blank()
    typed = typed_of(application(somebody.world), draft=token)
    for _ in range(2):
        assert token_of(somebody.post(FORM, typed)) == token
    assert len(cases_of(somebody.world)) == 1
    sent = {"declaration": "yes", "form": somebody.drawn(token)}
    for _ in range(2):
        answer = somebody.post(f"{WAY_IN}{token}/submission", sent)
        assert token_of(answer) == token
    (case,) = cases_of(somebody.world)
    assert case.moves == 1
    late = somebody.post(f"{WAY_IN}{token}/details", {**typed, "name": "other"})
    assert token_of(late) == token
    done = [one.kind for one in events(somebody.world)]
    assert sorted(done) == ["case.drafted", "case.form_confirmed", "case.form_made", "case.submitted"]
    assert somebody.post(FORM, typed | {"name": "other"}).status_code == 409


def test_without_a_declaration_nothing_is_submitted(somebody: Applicant) -> None:
    token = somebody.begun()
    digest = somebody.drawn(token)
    for typed in ({"form": digest}, {"declaration": "no", "form": digest}):
        answer = somebody.post(f"{WAY_IN}{token}/submission", typed)
        assert answer.status_code == 422
        assert "Please make the declaration of truth" in shown(answer)
    (case,) = cases_of(somebody.world)
    assert case.state == "draft"


def test_a_draft_is_of_one_matter(somebody: Applicant) -> None:
    world = somebody.world
    code = import_teacher(world)
    open_form(world, "other")
    token = somebody.begun()
    answer = somebody.post(f"/holder/services/{code}/application", {"draft": token, "later": "yes"})
    assert answer.status_code == 404
    (case,) = cases_of(world)
    assert case.matter_code == MATTER


def test_an_hour_after_submission_the_link_is_over(somebody: Applicant, clock: Ticker) -> None:
    """From then on it is number and code."""
    token, number, code = somebody.submitted()
    assert code in shown(somebody.get(f"{WAY_IN}{token}"))
    clock.advance(links.SEEN_LIFE)
    assert somebody.get(f"{WAY_IN}{token}").status_code == 404
    found = somebody.post(WAY_IN, {"number": number, "code": code})
    page = shown(somebody.get(f"{WAY_IN}{token_of(found)}"))
    assert number in page
    assert code not in page, "who typed it has it"


# --- so that nobody fills the store --------------------------------------------------------------------


@on_sqlite
def test_a_network_has_so_many_open_drafts_of_a_matter(
    somebody: Applicant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_DRAFTS", 2)
    first, _ = somebody.begun(), somebody.begun()
    typed = typed_of(application(somebody.world))
    full = somebody.post(FORM, {**typed, "draft": somebody.blank()})
    assert full.status_code == 409
    assert "too many drafts" in shown(full)
    assert somebody.post(f"{WAY_IN}{first}/details", typed | {"name": "other"}).status_code == 303
    applicant(somebody.world, address="198.51.100.7").begun()
    right = somebody.post(f"{WAY_IN}{first}/details", {**typed, "draft": first})
    assert right.status_code == 303
    assert somebody.submit(first).status_code == 303
    somebody.begun()


@on_sqlite
def test_a_network_begins_and_saves_so_many_in_an_hour(somebody: Applicant, clock: Ticker) -> None:
    for _ in range(links.MAX_DRAFTS):
        somebody.begun()
    clock.advance(timedelta(seconds=1))
    other = import_teacher(somebody.world)
    open_form(somebody.world, "other")
    token = links.new_token(somebody.world.ports.random)
    answer = somebody.post(f"/holder/services/{other}/application", {"draft": token, "later": "yes"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= acts.DRAWN.seconds_each
    clock.advance(timedelta(seconds=acts.DRAWN.seconds_each))
    answer = somebody.post(f"/holder/services/{other}/application", {"draft": token, "later": "yes"})
    assert answer.status_code == 303
    saved = 0
    while saved < 2 * acts.SAVED.burst:
        answer = somebody.post(f"{WAY_IN}{token}/details", {"name": f"样本{saved}", "later": "yes"})
        if answer.status_code == 429:
            break
        saved += 1
    assert saved < acts.SAVED.burst


@on_sqlite
def test_where_the_form_is_closed_nothing_more_is_done(somebody: Applicant) -> None:
    world = somebody.world
    token = somebody.begun()
    (case,) = cases_of(world)
    with world.ports.database.transaction() as session:
        set_client_active(
            session, world.ports, world.system, client_id=case.client_id, active=False, ground=GROUND
        )
    for path in ("/details", "/submission"):
        answer = somebody.get(f"{WAY_IN}{token}{path}")
        assert answer.status_code == 409
        assert "Please call 12345" in shown(answer)
    assert "takes no applications here now" in shown(somebody.get(f"{WAY_IN}{token}"))
    answer = somebody.post(f"{WAY_IN}{token}/submission", {"declaration": "yes"})
    assert answer.status_code == 409
    typed = typed_of(application(world), name="other")
    assert somebody.post(f"{WAY_IN}{token}/details", typed).status_code == 409
    (case,) = cases_of(world)
    assert case.state == "draft"


# --- a photo -------------------------------------------------------------------------------------------


def teacher(world: World) -> tuple[dict[str, str], bytes]:
    """What somebody types for the matter of teachers, and their photo."""
    import base64

    (asked, *_) = (one for one in sample_requests(slug="teacher-qualification"))
    fields = asked["fields"]
    photo = base64.b64decode(fields["photo"])
    typed = {
        "name": fields["holder_name"], "id_type": "111", "id_code": fields["citizen_id"], "f_holder_name": fields["holder_name"],
        "f_contact_phone": "0990-1234567",
    }  # fmt: skip
    for name, value in fields.items():
        if name != "photo":
            typed[f"f_{name}"] = str(value)
    return typed, photo


def test_a_photo_is_put_in_replaced_and_taken_out(world: World) -> None:
    code = import_teacher_alone(world)
    open_form(world, "other")
    somebody = applicant(world)
    path = f"/holder/services/{code}/application"
    blank = re.search(r'name="draft" value="(\S{43})"', somebody.get(path).get_data(as_text=True))
    assert blank is not None
    typed, photo = teacher(world)
    answer = somebody.post(path, {**typed, "draft": blank[1]})
    assert answer.status_code == 303, shown(answer)
    here = f"{WAY_IN}{blank[1]}"
    assert "A photo is wanted" in shown(somebody.get(f"{here}/materials"))
    assert "Please fill this in" in shown(somebody.get(f"{here}/submission"))
    for wrong in (b"no photo", b"\xff\xd8\xff" + bytes(100), photo + bytes(300_000)):
        sent = somebody.post(f"{here}/photos/photo", {"photo": (io.BytesIO(wrong), "a.jpg")})
        assert sent.status_code in {413, 422}
    sent = somebody.post(f"{here}/photos/photo", {"photo": (io.BytesIO(photo), "a.jpg")})
    assert sent.status_code == 303
    assert "The photo is saved" in shown(somebody.get(f"{here}/materials"))
    somebody.post(f"{here}/details", {**typed, "f_contact_phone": "0990-7654321"})
    assert "photo" in kept(world), "it stays when the form is saved again"
    somebody.post(f"{here}/photos/photo", {"remove": "yes"})
    assert "photo" not in kept(world)
    assert somebody.post(f"{here}/photos/name", {"remove": "yes"}).status_code == 404
    somebody.post(f"{here}/photos/photo", {"photo": (io.BytesIO(photo), "a.jpg")})
    assert somebody.submit(blank[1]).status_code == 303
    (case,) = cases_of(world)
    assert (case.state, case.matter_code) == ("submitted", TEACHER)


def import_teacher_alone(world: World) -> str:
    import_matters(world)
    return import_teacher(world)


# --- whoever they are ----------------------------------------------------------------------------------


@on_sqlite
def test_pages_with_a_link_let_nothing_out(somebody: Applicant) -> None:
    token, *_ = somebody.submitted()
    for path in (f"{WAY_IN}{token}", FORM, WAY_IN):
        answer = somebody.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers


@on_sqlite
def test_another_site_s_page_does_nothing(somebody: Applicant) -> None:
    token = somebody.begun()
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        answer = somebody.post(f"{WAY_IN}{token}/submission", {"declaration": "yes"}, headers=headers)
        assert answer.status_code == 403
    (case,) = cases_of(somebody.world)
    assert case.state == "draft"


@on_sqlite
def test_whatever_is_asked_is_no_defect(somebody: Applicant) -> None:
    token, other = somebody.begun(), "A" * 43
    typed = typed_of(application(somebody.world))
    asked = [
        (FORM, {"draft": "short"}, 400), (FORM, {}, 400), (FORM, typed | {"draft": "A" * 42 + "B"}, 400),
        (FORM, {"draft": other, "id_type": "<x>", "f_unknown": "x", "later": "1"}, 303),
        (FORM, {"draft": "B" * 42 + "A", "name": "\x00\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "later": "1"}, 303),
        (f"{WAY_IN}{'B' * 43}/submission", {"declaration": "yes"}, 404),
        (f"{WAY_IN}{token}/correction", {"declaration": "yes"}, 303),
        (f"{WAY_IN}{token}/withdrawal", {}, 303),
        (f"{WAY_IN}{token}/licence", {}, 404),
        (f"{WAY_IN}{token}/photos/operator_name", {"remove": "yes"}, 404),
        (WAY_IN, {"draft": "<script>"}, 422), (WAY_IN, {"number": "x"}, 422), (WAY_IN, {}, 422),
        (WAY_IN, {"number": "9" * 5000, "code": "7" * 5000}, 422),
        (FORM, {"draft": other, "name": "x" * 200_000}, 413),
    ]  # fmt: skip
    for path, sent, status in asked:
        answer = somebody.post(path, sent)
        assert answer.status_code == status, (path, sent, shown(answer))
        assert b"<script>" not in answer.data
    twice = somebody.http.post(FORM, data={"draft": [other, other]})
    assert twice.status_code == 400
    json = somebody.http.post(FORM, json={"draft": other})
    assert json.status_code == 415
    (case, *_) = (one for one in cases_of(somebody.world) if one.moves == 0)
    assert case.state == "draft"
    assert somebody.world.defects.last == []


@on_sqlite
def test_no_link_is_kept(somebody: Applicant) -> None:
    token = somebody.begun()
    with Session(somebody.world.ports.database.read) as session:
        row = session.scalars(select(ApplicationLink)).one()
        assert len(row.token_sha256) == 32
        assert session.scalar(select(func.count()).select_from(ApplicationLink)) == 1
    assert token not in str(everything(somebody.world))
