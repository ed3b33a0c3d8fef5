"""Licences over HTTP: issue, read, download. Parses, calls one rule, serialises."""

from __future__ import annotations

from flask import Blueprint, Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import web
from registry.actor import Actor
from registry.described import (
    BINARY,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    PDF,
    Answer,
    described,
    told,
)
from registry.licences import rules
from registry.licences.answers import NEW_EDITION, LicenceShown
from registry.licences.forms import IssueBody, issue_request
from registry.licences.issued import newest_form, read_document
from registry.licences.outage import database_errors
from registry.licences.reading import read
from registry.licences.shown import (
    day_or_none,
    document_json,
    issuing,
    known_form,
    licence_actor,
    pdf_answer,
    planned_json,
    seals_json,
    status_json,
)
from registry.licences.tables import Document
from registry.uses import rules as uses
from registry.uses.rules import Used, UseKind
from signing.record import fields_to_json
from signing.verdict import instant

blueprint = Blueprint("licences", __name__)


@blueprint.post("/api/v1/licences")
@described(
    "issueLicence", "Issue a licence",
    sends=IssueBody,
    parameters=(DRY_RUN, IDEMPOTENCY_KEY),
    answers=NEW_EDITION,
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND, Kind.KEY_REFUSED),
)  # fmt: skip
def create() -> Response:
    """201 with the licence, on a replay too, which says `Idempotency-Replayed: true`; 200 for a dry run."""
    return issuing(licence_actor(), issue_request)


@blueprint.get("/api/v1/licences/<identifier>")
@described(
    "readLicence", "A licence's status and record",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it stands now.", LicenceShown)},
)  # fmt: skip
def show(identifier: str) -> Response:
    """Status and record; link and look-up code are the holder's and are not told again."""
    web.query()
    with database_errors():
        found = read(web.ports(), licence_actor(), known_form(identifier))
    edition, record, document = found.edition, found.record, found.document
    body = {
        **status_json(found.status),
        "shown_in": found.shown_in,
        "type": record.type_code,
        "issuer": record.issuer_code,
        "number": record.number,
        "edition": record.edition,
        "made_by": edition.operation or "issue",
        "previous": edition.previous,
        "next": edition.next,
        "scheduled": [planned_json(one) for one in found.scheduled],
        "issue_date": record.issue_date.isoformat(),
        "valid_from": record.valid_from.isoformat(),
        "valid_to": day_or_none(record.valid_to),
        "fields": fields_to_json(record.fields),
        **seals_json(record),
        "specimen": record.specimen,
        "matter_code": edition.matter_code,
        "case_number": edition.case_number,
        "sealed_at": instant(edition.sealed_at),
        "document": document_json(record.identifier, document.sha256, document.size, document.level),
    }
    return web.shown(body)


@blueprint.get("/api/v1/licences/<identifier>/document")
@described(
    "readDocument", "A licence's document",
    parameters=(IF_NONE_MATCH,),
    answers={200: Answer("The document.", {PDF: BINARY})},
)  # fmt: skip
def document(identifier: str) -> Response:
    """The registered bytes; the newest form where archival time-stamps were appended. The holder sees that
    the document was downloaded.
    """
    web.query()
    return document_answer(licence_actor(), identifier)


def document_answer(actor: Actor, identifier: str) -> Response:
    """What `document` answers to whoever acts within the scope of licences."""
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        edition = rules.own_for(session, actor, known_form(identifier))
        used = Used(edition.id, edition.licence_id)
        found = newest_form(session.scalars(select(Document).where(Document.edition_id == edition.id)))
        key, digest = found.store_key, found.sha256
    answer = pdf_answer(identifier, digest, lambda: read_document(ports.documents, key, digest))
    if answer.status_code == 200 and request.method == "GET":
        with database_errors(), ports.database.transaction() as session:
            uses.record(session, ports, used, UseKind.DOWNLOADED, actor)
    return answer
