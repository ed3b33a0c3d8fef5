"""Licences over HTTP: issue, read, suspend, resume, end. Parses, calls one rule, serialises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Fault, Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.licences import rules
from registry.licences.forms import MAX_REQUEST, Operator, issue_request
from registry.licences.issue import Issued, issue_beside_others, preview
from registry.licences.issued import ORIGINAL, read_document
from registry.licences.outage import database_errors
from registry.licences.records import kept_record
from registry.licences.rules import Decision, How, LicenceStatus, SuspensionGround
from registry.licences.status_changes import shown_in
from registry.licences.tables import Document, Edition, Intent
from signing.codes import parse_identifier
from signing.record import Record, record_to_json
from signing.verdict import instant

blueprint = Blueprint("licences", __name__)


class ChangeBody(web.Body):
    """Every change of status names its ground; without `effective_from` it takes effect today."""

    legal_basis: web.Basis
    reason_code: web.ReasonCode
    effective_from: web.Day | None = None
    operator: Operator | None = None
    status_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class SuspensionBody(ChangeBody):
    ground: SuspensionGround


class EndingBody(ChangeBody):
    how: How


@blueprint.post("/api/v1/licences")
def create() -> Response:
    """201 with the licence, on a replay too, which says `Idempotency-Replayed: true`; 200 for a dry run."""
    ports, actor = web.ports(), _actor()
    dry_run = web.flag("dry_run", web.query({"dry_run"}))
    key = web.idempotency_key(required=not dry_run)
    value = web.read_json(max_bytes=MAX_REQUEST)
    wanted = issue_request(value)
    digest = sha256(canonical_json(value)).digest()
    if dry_run:
        found = preview(ports, actor, wanted)
        return web.answer({"dry_run": True, "seal": found.seal_code, **_preview(found.record)})
    result = issue_beside_others(ports, actor, wanted, key, digest)
    headers = {"Location": _href(result.printout.record.identifier), "Cache-Control": "no-store"}
    if result.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.answer(_issued(result), 201, headers)


@blueprint.get("/api/v1/licences/<identifier>")
def show(identifier: str) -> Response:
    """Status and record; link and look-up code are the holder's and are not told again."""
    web.query()
    vault = web.ports().vault
    with database_errors(), Session(web.ports().database.read) as session:
        status = rules.status_of(session, _actor(), _identifier(identifier))
        edition = session.get_one(Edition, status.edition_id)
        intent = session.get_one(Intent, status.edition_id)
        document = _newest(session, status.edition_id)
        record = kept_record(vault, intent.id, intent.record)
        body = {
            **_status(status),
            "shown_in": shown_in(session, status.edition_id),
            "type": record.type_code,
            "issuer": record.issuer_code,
            "number": record.number,
            "edition": record.edition,
            "valid_from": record.valid_from.isoformat(),
            "valid_to": _day(record.valid_to),
            "fields": record_to_json(record)["fields"],
            **_seals(record),
            "specimen": record.specimen,
            "matter_code": intent.matter_code,
            "case_number": intent.case_number,
            "sealed_at": instant(edition.sealed_at),
            "document": _document(record.identifier, document.sha256, document.size, document.level),
        }
    return web.answer(body, 200, {"Cache-Control": "no-store"})


@blueprint.get("/api/v1/licences/<identifier>/document")
def document(identifier: str) -> Response:
    """The registered bytes; the newest form where archival time-stamps were appended."""
    web.query()
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        status = rules.status_of(session, _actor(), _identifier(identifier))
        found = _newest(session, status.edition_id)
        key, digest = found.store_key, found.sha256
    headers = {
        "Content-Disposition": f'attachment; filename="{status.identifier}.pdf"',
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    answer = Response(b"", 200, headers, mimetype="application/pdf")
    answer.set_etag(digest.hex())
    if not request.if_none_match.contains(digest.hex()):
        answer.set_data(read_document(ports.documents, key, digest))
        return answer
    answer.status_code = 304
    return answer


@blueprint.post("/api/v1/licences/<identifier>/suspension")
def suspension(identifier: str) -> Response:
    body = web.parse_body(SuspensionBody)
    with _changing(identifier, body) as (session, actor, decision):
        status = rules.suspend(session, web.ports(), actor, identifier, decision, body.ground)
    return _changed(status)


@blueprint.post("/api/v1/licences/<identifier>/resumption")
def resumption(identifier: str) -> Response:
    body = web.parse_body(ChangeBody)
    with _changing(identifier, body) as (session, actor, decision):
        status = rules.resume(session, web.ports(), actor, identifier, decision)
    return _changed(status)


@blueprint.post("/api/v1/licences/<identifier>/ending")
def ending(identifier: str) -> Response:
    body = web.parse_body(EndingBody)
    with _changing(identifier, body) as (session, actor, decision):
        status = rules.end(session, web.ports(), actor, identifier, decision, body.how)
    return _changed(status)


@contextmanager
def _changing(identifier: str, body: ChangeBody) -> Iterator[tuple[Session, Actor, Decision]]:
    """A transaction for one change: who acts, and what was decided."""
    _identifier(identifier)
    actor = _actor(body.operator)
    if actor.person_id is None and body.operator is None:
        fault = Fault("/operator", "missing", "say who acts: a person's credential, or the operator")
        raise VermilionError(Kind.INVALID, fault.detail, reason="operator", faults=(fault,))
    decision = Decision(body.legal_basis, body.reason_code, body.effective_from, body.status_version)
    with database_errors(), web.ports().database.transaction() as session:
        yield session, actor, decision


def _changed(status: LicenceStatus) -> Response:
    """The change is made: where it shows already is left out when the database is out by now."""
    shown = {}
    with suppress(VermilionError), database_errors(), Session(web.ports().database.read) as session:
        shown = {"shown_in": shown_in(session, status.edition_id)}
    return web.answer({**_status(status), **shown}, 200, {"Cache-Control": "no-store"})


def _actor(operator: str | None = None) -> Actor:
    actor = web.actor()
    actor.require_scope(SCOPE_LICENCE)
    return actor if operator is None else replace(actor, operator=operator)


def _identifier(text: str) -> str:
    """Raises VermilionError(NOT_FOUND) for what can be no licence's identifier."""
    try:
        parse_identifier(text)
    except VermilionError:
        raise VermilionError(
            Kind.NOT_FOUND, "the agency has no such licence", reason="licence_unknown"
        ) from None
    return text


def _newest(session: Session, edition_id: str) -> Document:
    """The newest form with appended time-stamps, where there is one."""
    documents = session.scalars(select(Document).where(Document.edition_id == edition_id)).all()
    return max(documents, key=lambda document: (document.kind != ORIGINAL, document.registered_at))


def _href(identifier: str) -> str:
    return f"/api/v1/licences/{identifier}"


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _document(identifier: str, digest: bytes, size: int, level: str) -> dict[str, object]:
    return {"sha256": digest.hex(), "href": f"{_href(identifier)}/document", "size": size, "level": level}


def _issued(issued: Issued) -> dict[str, object]:
    record = issued.printout.record
    return {
        "identifier": record.identifier,
        "type": record.type_code,
        "number": record.number,
        "edition": record.edition,
        "status": issued.status,
        "valid_from": record.valid_from.isoformat(),
        "valid_to": _day(record.valid_to),
        "link": issued.link,
        "lookup_code": issued.printout.lookup_code,
        "document": _document(record.identifier, issued.sha256, issued.size, issued.level),
    }


def _preview(record: Record) -> dict[str, object]:
    return {
        "type": record.type_code,
        "type_version": record.type_version,
        "issuer": record.issuer_code,
        "number": record.number,
        "edition": record.edition,
        "valid_from": record.valid_from.isoformat(),
        "valid_to": _day(record.valid_to),
        "fields": record_to_json(record)["fields"],
        **_seals(record),
        "specimen": record.specimen,
    }


def _seals(record: Record) -> dict[str, object]:
    """The seals of a joint licence as its record names them; of others nothing is said."""
    return {"seals": record_to_json(record)["seals"]} if record.seals else {}


def _status(status: LicenceStatus) -> dict[str, object]:
    return {
        "identifier": status.identifier,
        "status": status.status,
        "status_version": status.status_version,
        "ground": status.ground,
        "how": status.how,
        "since": status.since.isoformat(),
        "removed_on": _day(status.removed_on),
    }
