"""The forms of applications over HTTP: drawn, confirmed by their digest, or signed."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import repeats, web
from registry.actor import Actor
from registry.described import ADDRESS, BINARY, IDEMPOTENCY_KEY, IF_NONE_MATCH, PDF, described, told
from registry.intake.application_form import (
    MAX_SIGNED,
    confirm_form,
    make_form,
    take_signed_form,
    to_sign,
)
from registry.intake.declarations import FORM, SIGNED_FORM, declared_by, is_current, latest_form
from registry.intake.finding import find_case
from registry.intake.material_answers import FormShown, form_json
from registry.intake.materials import find_version, signatures_of
from registry.intake.materials_api import OPERATOR, case_actor, operator_of_header
from registry.licences.duties import require_officer
from registry.licences.forms import Operator
from registry.licences.idempotency import Answered
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.shown import require_named
from registry.notices.kinds import Language

blueprint = Blueprint("case_forms", __name__, url_prefix="/api/v1/cases/<hex32:case_id>/form")

NO_STORE = {"Cache-Control": "no-store"}


class FormBody(web.Body):
    language: Language = "zh"
    operator: Operator | None = None


class ConfirmationBody(web.Body):
    """`sha256` names the form that the applicant has read and confirms, whom the agency has identified."""

    sha256: web.Hex64
    operator: Operator | None = None


@blueprint.post("")
@described(
    "makeForm", "Make the application's form",
    sends=FormBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={201: told("The form.", FormShown, Location=ADDRESS)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def make(case_id: str) -> Response:
    """A PDF of what the application says now, with the declaration of truth: to be confirmed by its digest,
    or signed. The same application has the same form.
    """
    body = web.parse_body(FormBody)
    actor = case_actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()

    def work() -> Answered:
        made, _new = make_form(ports, actor, case_id, body.language)
        return Answered(201, {"version": made.version})

    answered, replayed = repeats.once_apart(actor, body, work)
    told_now = _told(actor, case_id)
    headers = {"Location": told_now["href"]}
    return repeats.told(Answered(answered.status, {}), headers, replayed=replayed, **told_now)


@blueprint.get("")
@described(
    "readForm", "The application's form",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("The last one.", FormShown)},
)  # fmt: skip
def show(case_id: str) -> Response:
    """Whether it was confirmed or signed, and whether it says what the application says."""
    web.query()
    return web.shown(_told(case_actor(), case_id), NO_STORE)


@blueprint.post("/confirmation")
@described(
    "confirmForm", "Confirm the application's form",
    sends=ConfirmationBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={200: told("The form.", FormShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def confirm(case_id: str) -> Response:
    """By an applicant who has no signature tool. It stands for the declaration, as long as the application is
    not changed.
    """
    body = web.parse_body(ConfirmationBody)
    actor = case_actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        confirm_form(session, ports, actor, case_id, bytes.fromhex(body.sha256))
        return Answered(200, {})

    answered, replayed = repeats.once(actor, body, work)
    return repeats.told(answered, replayed=replayed, **_told(actor, case_id))


@blueprint.put("/signature")
@described(
    "signForm", "Bring the form, signed",
    sends={PDF: BINARY},
    parameters=(OPERATOR,),
    answers={
        200: told("The very file is on record already.", FormShown),
        201: told("It is kept, with what was found of the signature.", FormShown),
    },
    refuses=(Kind.CONFLICT, Kind.INVALID, Kind.MALFORMED),
)  # fmt: skip
def sign(case_id: str) -> Response:
    """The form as it was made, and behind it the applicant's signature. It stands for the declaration where
    that signature is the applicant's; whose it is, the answer says.
    """
    web.query()
    actor = case_actor(operator_of_header())
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        to_sign(session, actor, case_id)
    require_named(actor)
    ports.vault.ready()
    with web.state().uploads.one():
        data, _ = web.read_file({PDF}, max_bytes=MAX_SIGNED)
        _, new = take_signed_form(ports, actor, case_id, data)
    return web.answer(_told(actor, case_id), 201 if new else 200, NO_STORE)


def _told(actor: Actor, case_id: str) -> dict[str, Any]:
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        case = find_case(session, actor, case_id)
        form = latest_form(session, case.id)
        if form is None:
            raise VermilionError(Kind.NOT_FOUND, "no form was made of the application", reason="form_unknown")
        signed = None
        if form.signed_version is not None:
            row = find_version(session, case.id, SIGNED_FORM, form.signed_version)
            signed = row, signatures_of(ports, row)
        today = moment(ports).day
        return form_json(
            form,
            find_version(session, case.id, FORM, form.version),
            signed,
            current=is_current(session, ports, case, form, today),
            declared=declared_by(session, ports, case, today),
        )
