"""The form that the registry draws of an application: for whoever has no signature tool to confirm, by naming
its digest, and for whoever has one to sign.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.intake.applications import open_application
from registry.intake.cases import SUBMISSION, locked, record_about
from registry.intake.declarations import FORM, SIGNED_FORM, application_mac, files_of, is_current, latest_form
from registry.intake.finding import find_case
from registry.intake.form_drawing import draw_form
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.materials import find_version, read_material
from registry.intake.matter_lists import matter_of
from registry.intake.scanning import Scan
from registry.intake.supplying import PDF, Examined, examine, keep_as, require_open
from registry.intake.tables import Case
from registry.licences.duties import require_officer
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.ports import Ports
from signing.form_values import check_form

MAX_SIGNED = 8 * 1024 * 1024


def make_form(ports: Ports, actor: Actor, case_id: str, language: str) -> tuple[CaseMaterial, bool]:
    """The form of the application as it stands now, and whether it is a new one. The vault is ready, and no
    transaction is open.

    Raises VermilionError: FORBIDDEN; NOT_FOUND; CONFLICT (`case_state`, `too_many_versions`); INVALID with
    the faults of the application; UNAVAILABLE.
    """
    require_officer(actor)
    with database_errors(), Session(ports.database.read) as session:
        case = find_case(session, actor, case_id)
        require_open(case)
        matter = matter_of(session, case, moment(ports).day)
        agency = session.get_one(Agency, case.agency_code)
        names = {"zh": agency.name_zh, "en": agency.name_en}
        application = open_application(ports.vault, case.id, case.application)
        files = files_of(session, case_id)
    fields = check_form(matter.fields, application.fields, moment(ports).day)
    data = draw_form(case_id, matter, names, application, fields, files, language, ports.fonts)
    mac = application_mac(ports, case_id, application, fields, files)

    def also(session: Session, row: CaseMaterial) -> None:
        session.add(
            CaseForm(
                case_id=case_id,
                version=row.version,
                language=language,
                application=mac,
                confirmed_at=None,
                client_id=None,
                person_id=None,
                operator=None,
                event_id=None,
                signed_version=None,
            )
        )

    drawn = Examined(data, PDF, sha256(data).digest(), Scan.OWN, None)
    return keep_as(ports, actor, case_id, FORM, drawn, may=_may, event="form_made", also=also)


def confirm_form(session: Session, ports: Ports, actor: Actor, case_id: str, digest: bytes) -> CaseForm:
    """Put down that the applicant confirms the form of this SHA-256, which is that of the application as it
    stands. The vault is ready.

    Raises VermilionError: FORBIDDEN; NOT_FOUND (`case_unknown`, `form_unknown`); CONFLICT (`case_state`,
    `form_stale`); UNAVAILABLE.
    """
    require_officer(actor)
    case = locked(session, actor, case_id)
    require_open(case)
    at = moment(ports)
    form = latest_form(session, case.id)
    if form is None or find_version(session, case.id, FORM, form.version).sha256 != digest:
        raise _unknown()
    if not is_current(session, ports, case, form, at.day):
        raise _stale()
    if form.confirmed_at is None:
        detail = {"version": str(form.version), "sha256": digest.hex()}
        event_id = record_about(
            session, ports, case, actor, "form_confirmed", at, detail, rests_on=SUBMISSION
        )
        form.confirmed_at, form.event_id = at.now, event_id
        form.client_id, form.person_id, form.operator = actor.client_id, actor.person_id, actor.operator
        session.flush()
    return form


def to_sign(session: Session, actor: Actor, case_id: str) -> CaseMaterial:
    """The form that may be signed now. Raises VermilionError: FORBIDDEN; NOT_FOUND; CONFLICT."""
    require_officer(actor)
    case = find_case(session, actor, case_id)
    require_open(case)
    form = latest_form(session, case.id)
    if form is None:
        raise _unknown()
    return find_version(session, case.id, FORM, form.version)


def take_signed_form(ports: Ports, actor: Actor, case_id: str, data: bytes) -> tuple[CaseMaterial, bool]:
    """Keep the form with the applicant's signature behind it, and what was found of that; whether it is a new
    one. Whose signature it is refuses nothing here: it counts where it is the applicant's. The vault is
    ready, and no transaction is open.

    Raises VermilionError: as `to_sign`, `supplying.examine` and `supplying.keep`; INVALID (`form_other`) for
    what does not begin with the very form; CONFLICT (`form_stale`).
    """
    with database_errors(), Session(ports.database.read) as session:
        form = to_sign(session, actor, case_id)
        session.expunge(form)
    if len(data) > MAX_SIGNED:
        raise VermilionError(Kind.TOO_LARGE, f"more than {MAX_SIGNED} bytes")
    made = read_material(ports, form)
    if not data.startswith(made) or data == made:
        raise VermilionError(
            Kind.INVALID,
            "the file is not the form that was made, with something behind it",
            reason="form_other",
        )

    def may(session: Session, case: Case) -> None:
        _may(session, case)
        latest = latest_form(session, case.id)
        if latest is None or latest.version != form.version:
            raise _stale()

    def also(session: Session, row: CaseMaterial) -> None:
        session.get_one(CaseForm, (case_id, form.version), with_for_update=True).signed_version = row.version

    examined = examine(ports, data, PDF)
    return keep_as(ports, actor, case_id, SIGNED_FORM, examined, may=may, event="form_signed", also=also)


def _may(_session: Session, case: Case) -> None:
    require_open(case)


def _unknown() -> VermilionError:
    return VermilionError(Kind.NOT_FOUND, "no such form was made of the application", reason="form_unknown")


def _stale() -> VermilionError:
    detail = "the application was changed after the form was made: have another one made"
    return VermilionError(Kind.CONFLICT, detail, reason="form_stale")
