"""The agency's licences: found, read, and stopped at once. Each page asks the rule that the API asks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.agencies.tables import Client, Person
from registry.console.browser import at, blueprint, form, fresh, go, on, page, staff, words
from registry.console.grounds import fault_of, filled, number_or_none
from registry.console.rendering import language_of
from registry.licences import rules
from registry.licences.api import document_answer
from registry.licences.duties import require_officer
from registry.licences.history import history_of
from registry.licences.life_api import ChangeBody, SuspensionBody
from registry.licences.operations import Decision
from registry.licences.outage import database_errors
from registry.licences.reading import Read, read
from registry.licences.schedule import Planned
from registry.licences.search import Found, Question, Status, search, types_of
from registry.licences.shown import known_form
from registry.licences.types import known_type, licence_type_of
from signing.licence_type import FieldKind, LicenceType, Role
from signing.record import LIST_JOIN, Record

LICENCES = "/console/licences"
SHOWN = 25
MAX_ASKED = 100  # characters, as the API's search has it
_ASKED = ("number", "holder", "status", "type", "after")
_GROUND = ("legal_basis", "reason_code")


@blueprint.get("/licences")
def licences() -> Response:
    """The newest, and the form that looks for others."""
    return _licences_page({})


@blueprint.post("/licences", endpoint="find_licences")
def find_licences() -> Response:
    """A number or a holder's code may be a citizen's: it is sent, and stands in no address."""
    asked = filled(*_ASKED)
    try:
        return _licences_page(asked)
    except VermilionError as error:
        if error.kind not in {Kind.INVALID, Kind.FORBIDDEN} or error.reason in {"duty", "scope", "role"}:
            raise
        return _licences_page({}, kept=asked, error=error)


def _licences_page(
    asked: dict[str, str], *, kept: dict[str, str] | None = None, error: VermilionError | None = None
) -> Response:
    actor, told = staff(SCOPE_LICENCE), words()
    for name, text in asked.items():
        if len(text) > MAX_ASKED or not text.isprintable():
            raise field_fault(f"/{name}", "invalid_fields", "1 to 100 printable characters")
    if asked.get("status") not in {None, "in_force", "suspended", "ended"}:
        raise field_fault("/status", "invalid_fields", "a status of the list")
    question = Question(
        type_code=asked.get("type"),
        number=asked.get("number"),
        holder=asked.get("holder"),
        status=cast("Status | None", asked.get("status")),
        limit=SHOWN,
        after=asked.get("after"),
    )
    with database_errors(), Session(web.ports().database.read) as session:
        found = search(session, web.ports(), actor, question)
        names = _type_names(session, types_of(session, actor))
        types = [(code, name) for code, name in names.items()]
        rows = [_row(session, one, names) for one in found.found]
    fault, wrong = fault_of(error, _ASKED)
    return page(
        "licences.html",
        error=error,
        asked={name: (kept or asked).get(name, "") for name in _ASKED},
        searching=bool(asked),
        types=types,
        statuses=[(code, told[f"status_{code}"]) for code in ("in_force", "suspended", "ended")],
        rows=rows,
        after=found.after,
        fault=fault,
        wrong=wrong,
    )


def _type_names(session: Session, codes: Collection[str]) -> dict[str, str]:
    lang = _lang()
    known = {code: known_type(session, code) for code in codes}
    return {code: found.name[lang] if found is not None else code for code, found in known.items()}


def _lang() -> str:
    return language_of(request)


def _row(session: Session, found: Found, names: dict[str, str]) -> dict[str, Any]:
    row, record = found.edition, found.record
    return {
        "identifier": row.identifier,
        "number": record.number,
        "holder": _holder(licence_type_of(session, record.type_code, record.type_version), record),
        "type": names[row.type_code],
        "edition": row.number,
        "status": status_words(row),
        "tone": row.status,
        "valid_to": on(row.valid_to),
    }


def _holder(licence_type: LicenceType, record: Record) -> str:
    field = licence_type.field(Role.HOLDER_NAME)
    return "" if field is None else _text(record.fields.get(field.name, ""))


def _text(value: object) -> str:
    return LIST_JOIN.join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)


def status_words(row: Any) -> str:
    """The status of an edition, with its ground or how it ended."""
    told = words()
    if row.status == "suspended":
        return told[f"ground_{row.ground}"]
    if row.status == "ended":
        return told[f"how_{row.how}"]
    return told["status_in_force"]


# --- one licence ---------------------------------------------------------------------------------------


@blueprint.get("/licences/<identifier>")
def licence(identifier: str) -> Response:
    actor = staff(SCOPE_LICENCE)
    with database_errors(), Session(web.ports().database.read) as session:
        found = read(web.ports(), actor, known_form(identifier))
        licence_type = licence_type_of(session, found.record.type_code, found.record.type_version)
    return page("licence.html", **_told(found, licence_type), done=_done())


def _done() -> str | None:
    did = request.args.get("done")
    return words()[f"done_{did}"] if did in {"suspend", "resume", "planned"} else None


def _told(found: Read, licence_type: LicenceType) -> dict[str, Any]:
    edition, record, told, lang = found.edition, found.record, words(), _lang()
    fields = [
        (field.label[lang], _text(record.fields[field.name]))
        for field in licence_type.fields
        if field.kind is not FieldKind.PHOTO and field.name in record.fields
    ]
    return {
        "identifier": edition.identifier,
        "number": record.number,
        "type": licence_type.name[lang],
        "edition": record.edition,
        "standing": status_words(edition),
        "tone": edition.status,
        "since": on(edition.since),
        "until": on(edition.suspended_until),
        "removed": on(edition.removed_on),
        "valid_from": on(record.valid_from),
        "valid_to": on(record.valid_to),
        "issued": on(record.issue_date),
        "sealed": at(edition.sealed_at),
        "made_by": told[f"operation_{edition.operation or 'issue'}"],
        "previous": edition.previous,
        "following": edition.next,
        "matter": edition.matter_code,
        "case": edition.case_number,
        "fields": fields,
        "scheduled": [_planned(one) for one in found.scheduled],
        "sha256": found.document.sha256.hex(),
        "kilobytes": -(-found.document.size // 1024),
        "listed": told[f"listed_{found.shown_in['status_list']}"]
        if "status_list" in found.shown_in
        else None,
        "may_suspend": edition.status == "in_force",
        "may_resume": edition.status == "suspended",
    }


def _planned(planned: Planned) -> dict[str, Any]:
    return {
        "operation": words()[f"operation_{planned.operation}"],
        "due": on(planned.due),
        "legal_basis": planned.legal_basis,
    }


@blueprint.get("/licences/<identifier>/document")
def licence_document(identifier: str) -> Response:
    """The registered file, as the API gives it."""
    return document_answer(staff(SCOPE_LICENCE), identifier)


@blueprint.get("/licences/<identifier>/history")
def licence_history(identifier: str) -> Response:
    actor = staff(SCOPE_LICENCE)
    with database_errors(), Session(web.ports().database.read) as session:
        edition = rules.own_for(session, actor, known_form(identifier))
        events = history_of(session, edition.licence_id)
        people = _names(session, Person, {one["person"] for one in events})
        clients = _names(session, Client, {one["client"] for one in events})
    return page(
        "licence_history.html",
        identifier=identifier,
        events=[_event(one, people, clients) for one in events],
    )


def _names(session: Session, table: type[Person | Client], ids: Collection[Any]) -> dict[str, str]:
    found = session.execute(select(table.id, table.name).where(table.id.in_([one for one in ids if one])))
    return {row.id: row.name for row in found}


def _event(told: dict[str, Any], people: dict[str, str], clients: dict[str, str]) -> dict[str, Any]:
    kind = str(told["kind"])
    return {
        "kind": words().get(f"event_{kind.replace('.', '_')}", kind),
        "edition": told["identifier"],
        "effective": on(date.fromisoformat(told["effective_from"])),
        "recorded": at(datetime.fromisoformat(told["recorded_at"])),
        "legal_basis": told["legal_basis"],
        "reason": told["reason_code"],
        "who": [
            name
            for name in (people.get(told["person"]), clients.get(told["client"]), told["operator"])
            if name
        ],
    }


# --- stopped at once, and resumed ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """A change of status that a page asks for: what it is called, and which fields it has."""

    name: str
    wanted: str  # the status that it starts from
    fields: tuple[str, ...]


SUSPEND = Change("suspend", "in_force", ("ground", *_GROUND, "until"))
RESUME = Change("resume", "suspended", _GROUND)


@blueprint.get("/licences/<identifier>/suspension")
def suspending(identifier: str) -> Response:
    fresh()
    return _change_page(SUSPEND, identifier)


@blueprint.post("/licences/<identifier>/suspension")
def suspend(identifier: str) -> Response:
    def work(session: Session, actor: Actor) -> object:
        body = web.parse(SuspensionBody, _decided(SUSPEND))
        ground, until = body.ground, body.until
        return rules.suspend(session, web.ports(), actor, identifier, _decision(body), ground, until)

    return _changed(SUSPEND, identifier, work)


@blueprint.get("/licences/<identifier>/resumption")
def resuming(identifier: str) -> Response:
    fresh()
    return _change_page(RESUME, identifier)


@blueprint.post("/licences/<identifier>/resumption")
def resume(identifier: str) -> Response:
    def work(session: Session, actor: Actor) -> object:
        body = web.parse(ChangeBody, _decided(RESUME))
        return rules.resume(session, web.ports(), actor, identifier, _decision(body))

    return _changed(RESUME, identifier, work)


def _decided(change: Change) -> dict[str, object]:
    """The form as the API's body. The status that was shown is what is decided on: a second press finds
    another one.
    """
    version = number_or_none(form().get("status_version"))
    if version is None:
        raise VermilionError(Kind.MALFORMED, "the form lacks its status version", reason="request")
    return {**filled(*change.fields), "status_version": version}


def _decision(body: ChangeBody) -> Decision:
    return Decision(body.legal_basis, body.reason_code, body.effective_from, body.status_version)


def _changed(change: Change, identifier: str, work: Callable[[Session, Actor], object]) -> Response:
    fresh()
    actor, ports = staff(SCOPE_LICENCE), web.ports()
    require_officer(actor)  # before anything is said of the form
    known_form(identifier)
    try:
        with database_errors(), ports.database.transaction() as session:
            work(session, actor)
    except VermilionError as error:
        if error.kind not in {Kind.INVALID, Kind.CONFLICT}:
            raise
        return _change_page(change, identifier, error)
    return go(f"{LICENCES}/{identifier}?done={change.name}")


def _change_page(change: Change, identifier: str, error: VermilionError | None = None) -> Response:
    actor = staff(SCOPE_LICENCE)
    with database_errors(), Session(web.ports().database.read) as session:
        found = read(web.ports(), actor, known_form(identifier))
        licence_type = licence_type_of(session, found.record.type_code, found.record.type_version)
    kept = {"legal_basis": licence_type.legal_basis} if error is None else filled(*change.fields)
    fault, wrong = fault_of(error, change.fields)
    return page(
        "licence_change.html",
        error=error,
        change=change.name,
        possible=found.edition.status == change.wanted,
        told=_told(found, licence_type),
        holder=_holder(licence_type, found.record),
        version=found.edition.status_version,
        kept={name: kept.get(name, "") for name in change.fields},
        fault=fault,
        wrong=wrong,
    )
