"""The materials of applications over HTTP: files as they are, one request each."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_to_bytes

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_CASE
from registry.described import ADDRESS, BINARY, IF_NONE_MATCH, Answer, Parameter, described, told
from registry.intake.finding import find_case
from registry.intake.material_answers import MaterialVersionList, MaterialVersionShown, version_json
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import SUFFIXES, find_version, read_material, signatures_of, versions
from registry.intake.matters import MEDIA
from registry.intake.supplying import supply, to_supply
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.shown import file_answer, require_named

blueprint = Blueprint("case_materials", __name__, url_prefix="/api/v1/cases/<hex32:case_id>/materials")

NO_STORE = {"Cache-Control": "no-store"}
MAX_OPERATOR = 80
OPERATOR = Parameter(
    "Operator",
    "Who acts at the agency, where its own system calls: at most 80 characters, in UTF-8 with everything but "
    "letters, digits and `-._~` percent-encoded.",
    {"type": "string", "maxLength": 960, "pattern": "^[!-~]+$"},
    where="header",
)


@blueprint.put("/<material_code>")
@described(
    "supplyMaterial", "Supply a material",
    sends=dict.fromkeys(MEDIA, BINARY),
    parameters=(OPERATOR,),
    answers={
        200: told("The very file is the latest already.", MaterialVersionShown),
        201: told("It is kept, as the next version.", MaterialVersionShown, Location=ADDRESS),
    },
    refuses=(Kind.CONFLICT, Kind.INVALID, Kind.MALFORMED),
)  # fmt: skip
def put(case_id: str, material_code: str) -> Response:
    """While the application is a draft or is being corrected. The file is examined at once: what is no such
    file, is encrypted, or does more than show itself is refused; the answer tells who signed a PDF, and
    whether that is the applicant. What it takes the place of stays on record.
    """
    web.query()
    actor = case_actor(operator_of_header())
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        material = to_supply(session, actor, case_id, material_code, moment(ports).day)
    require_named(actor)
    ports.vault.ready()
    with web.state().uploads.one():
        data, media = web.read_file(material.media, max_bytes=material.max_bytes)
        row, new = supply(ports, actor, case_id, material_code, data, media)
    body = version_json(row, signatures_of(ports, row))
    headers = {"Location": body["href"], **NO_STORE} if new else NO_STORE
    return web.answer(body, 201 if new else 200, headers)


@blueprint.get("")
@described(
    "listMaterials", "The materials of a case",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("Every version.", MaterialVersionList)},
)  # fmt: skip
def index(case_id: str) -> Response:
    """Every file that was supplied, those that were replaced too."""
    web.query()
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        case = find_case(session, case_actor(), case_id)
        found = [version_json(row, signatures_of(ports, row)) for row in versions(session, case.id)]
    return web.shown({"materials": found}, NO_STORE)


@blueprint.get("/<material_code>/<edition_number:version>")
@described(
    "readMaterial", "A material's file",
    parameters=(IF_NONE_MATCH,),
    answers={200: Answer("The file.", dict.fromkeys(MEDIA, BINARY))},
)  # fmt: skip
def show(case_id: str, material_code: str, version: int) -> Response:
    """As it was supplied."""
    web.query()
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        case = find_case(session, case_actor(), case_id)
        row = find_version(session, case.id, material_code, version)
        session.expunge(row)
    return file_answer(material_file(row), row.media, row.sha256, lambda: read_material(ports, row))


def material_file(row: CaseMaterial) -> str:
    """The name that a file is saved under."""
    return f"{row.code}-{row.version}.{SUFFIXES[row.media]}"


def case_actor(operator: str | None = None) -> Actor:
    """Who calls, within the scope of cases. Raises VermilionError(FORBIDDEN)."""
    actor = web.actor()
    actor.require_scope(SCOPE_CASE)
    return actor if operator is None else replace(actor, operator=operator)


def operator_of_header() -> str:
    """Who acts at the agency, of a request whose body is a file. Raises VermilionError(INVALID)."""
    try:
        text = unquote_to_bytes(request.headers.get("Operator", "")).decode("utf-8")
    except UnicodeDecodeError:
        text = "\n"
    if len(text) > MAX_OPERATOR or not text.isprintable():
        fault = Fault("Operator", "operator", f"at most {MAX_OPERATOR} printable characters, in UTF-8")
        raise VermilionError(Kind.INVALID, fault.detail, reason="operator", faults=(fault,))
    return text
