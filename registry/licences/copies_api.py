"""Annotated copies 加注件 over HTTP: made, listed, read, downloaded and withdrawn."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from flask import Blueprint, Response
from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import repeats, web
from registry.described import (
    ADDRESS,
    BINARY,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    PDF,
    Answer,
    Date,
    Id,
    Instant,
    Parameter,
    Reference,
    Told,
    described,
    told,
)
from registry.documents import document_key
from registry.licences.answers import DocumentShown, Identifier
from registry.licences.copies import Found, copies_of, copy_of, withdraw_copy
from registry.licences.copying import Copying, HolderWish
from registry.licences.examine import IssueRequest
from registry.licences.forms import Operator, SealCode, Text40
from registry.licences.idempotency import Answered
from registry.licences.issue import Preview
from registry.licences.issued import Issued, read_document
from registry.licences.outage import database_errors
from registry.licences.shown import (
    day_or_none,
    href,
    issuing,
    known_form,
    licence_actor,
    pdf_answer,
    require_named,
)
from signing.annotation import MAX_COUNT, MAX_PURPOSE, MAX_RECIPIENT, annotation_to_json
from signing.document import MAX_SEALS
from signing.field_values import is_plain_text
from signing.verdict import instant

blueprint = Blueprint("licence_copies", __name__)


def _plain(value: str) -> str:
    if not is_plain_text(value) or not value.isprintable() or value != value.strip():
        raise ValueError("plain text on one line, with no white space at the ends")
    return value


class CopyBody(web.Body):
    """What a copy is for, and how its holder asked for it; under which seal it is made, for which case."""

    purpose: Annotated[str, Field(min_length=1, max_length=MAX_PURPOSE), AfterValidator(_plain)]
    recipient: Annotated[str, Field(min_length=1, max_length=MAX_RECIPIENT), AfterValidator(_plain)]
    valid_to: web.Day
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1
    holder_wish: HolderWish
    seal: SealCode
    co_seals: Annotated[list[SealCode], Field(max_length=MAX_SEALS - 1)] | None = None
    matter_code: Text40
    case_number: Text40
    operator: Operator


class WithdrawalBody(web.Body):
    legal_basis: web.Basis
    reason_code: web.ReasonCode
    operator: Operator | None = None


class CopyAnnotation(Told):
    """What a copy is for."""

    licence: Annotated[Identifier, Field(description="Of what it is a copy.")]
    purpose: str
    recipient: str
    valid_to: Annotated[Date, Field(description="The copy's own last day.")]
    made_on: Date
    count: Annotated[int, Field(description="份数: how many times it is to be handed over.")]


class CopyPreview(CopyAnnotation):
    """What would be made; nothing is reserved."""

    dry_run: Literal[True]
    seal: str


class CopyMade(CopyAnnotation):
    """A new copy. Link and look-up code are its recipient's, and are told only here and on a replay."""

    id: Id
    link: Annotated[str, Field(description="What the printed code holds.")]
    lookup_code: str
    document: DocumentShown


class CopyShown(CopyAnnotation):
    """A copy on record. It holds while its licence does, until its own last day, unless it was withdrawn."""

    id: Id
    href: Reference
    withdrawn_on: Date | None
    holder_wish: HolderWish
    matter_code: str
    case_number: str
    sealed_at: Instant
    registered_at: Instant
    document: DocumentShown


class CopyPage(Told):
    copies: list[CopyShown]
    next: Annotated[Reference | None, Field(description="The next page.")]


@blueprint.post("/api/v1/licences/<identifier>/copies")
@described(
    "copyLicence", "Make an annotated copy 加注件",
    sends=CopyBody,
    parameters=(DRY_RUN, IDEMPOTENCY_KEY),
    answers={
        201: told("The copy.", CopyMade, Location=ADDRESS),
        200: told("What would be made, for a dry run.", CopyPreview),
    },
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND, Kind.KEY_REFUSED),
)  # fmt: skip
def create(identifier: str) -> Response:
    """A copy of a licence in force, for one purpose and recipient, until a day: a document of its own, with a
    watermark that names all three, sealed and checked by itself.
    """
    actor = licence_actor()
    known_form(identifier)
    return issuing(
        actor,
        lambda value: copy_request(identifier, web.parse(CopyBody, value)),
        tried=partial(_tried, identifier),
        made=partial(_made, identifier),
        operation="copy",
        of=identifier,
    )


def copy_request(identifier: str, body: CopyBody) -> IssueRequest:
    return IssueRequest(
        type_code="",  # the licence's own, as its fields
        seal_code=body.seal,
        co_seals=tuple(body.co_seals or ()),
        fields={},
        matter_code=body.matter_code,
        case_number=body.case_number,
        operator=body.operator,
        copying=Copying(
            identifier, body.purpose, body.recipient, body.valid_to, body.count, body.holder_wish
        ),
    )


def _tried(identifier: str, found: Preview) -> Response:
    body = {"dry_run": True, "seal": found.seal_code, "licence": identifier}
    assert found.record.copy is not None
    return web.answer({**body, **annotation_to_json(found.record.copy)})


def _made(identifier: str, issued: Issued) -> Response:
    address = _href(identifier, issued.edition_id)
    headers = {"Location": address, "Cache-Control": "no-store"}
    if issued.replayed:
        headers |= repeats.REPLAY
    annotation = issued.printout.record.copy
    assert annotation is not None
    body = {
        "id": issued.edition_id,
        "licence": identifier,
        **annotation_to_json(annotation),
        "link": issued.link,
        "lookup_code": issued.printout.lookup_code,
        "document": _document(address, issued.sha256, issued.size, issued.level),
    }
    return web.answer(body, 201, headers)


@blueprint.get("/api/v1/licences/<identifier>/copies")
@described(
    "findCopies", "Annotated copies of a licence",
    parameters=(
        Parameter("after", "As `next` of a full page says.", {"type": "string", "pattern": "^[0-9a-f]{32}$"}),
    ),
    answers={200: told("A page.", CopyPage)},
)  # fmt: skip
def index(identifier: str) -> Response:
    """The copies of an edition, the newest first, expired and withdrawn ones too."""
    arguments = web.query({"after"})
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    with database_errors(), Session(web.ports().database.read) as session:
        found, more = copies_of(session, licence_actor(), known_form(identifier), after)
    following = f"{href(identifier)}/copies?after={found[-1].copy.id}" if more else None
    body = {"copies": [_shown(one) for one in found], "next": following}
    return web.answer(body, 200, {"Cache-Control": "no-store"})


@blueprint.get("/api/v1/licences/<identifier>/copies/<hex32:copy_id>")
@described(
    "readCopy", "An annotated copy",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it stands now.", CopyShown)},
)  # fmt: skip
def show(identifier: str, copy_id: str) -> Response:
    """Link and look-up code are the recipient's and are not told again."""
    web.query()
    with database_errors(), Session(web.ports().database.read) as session:
        found = copy_of(session, licence_actor(), known_form(identifier), copy_id)
    return web.shown(_shown(found))


@blueprint.get("/api/v1/licences/<identifier>/copies/<hex32:copy_id>/document")
@described(
    "readCopyDocument", "An annotated copy's document",
    parameters=(IF_NONE_MATCH,),
    answers={200: Answer("The document.", {PDF: BINARY})},
)  # fmt: skip
def document(identifier: str, copy_id: str) -> Response:
    """The registered bytes, whatever became of the copy since."""
    web.query()
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        copy = copy_of(session, licence_actor(), known_form(identifier), copy_id).copy
        digest = copy.sha256
    return pdf_answer(
        f"{identifier}-{copy_id}",
        digest,
        lambda: read_document(ports.documents, document_key(copy_id), digest),
    )


@blueprint.post("/api/v1/licences/<identifier>/copies/<hex32:copy_id>/withdrawal")
@described(
    "withdrawCopy", "Withdraw an annotated copy",
    sends=WithdrawalBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={200: told("The copy, withdrawn.", CopyShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def withdrawal(identifier: str, copy_id: str) -> Response:
    """At once and for good: whoever checks the copy is told. The licence stays what it is."""
    body = web.parse_body(WithdrawalBody)
    ports, actor = web.ports(), licence_actor(body.operator)
    known_form(identifier)
    require_named(actor)

    def work(session: Session) -> Answered:
        found = withdraw_copy(session, ports, actor, identifier, copy_id, body.legal_basis, body.reason_code)
        return Answered(200, _shown(found))

    answered, replayed = repeats.once(actor, body, work)
    return repeats.told(answered, replayed=replayed)


def _href(identifier: str, copy_id: str) -> str:
    return f"{href(identifier)}/copies/{copy_id}"


def _document(address: str, digest: bytes, size: int, level: str) -> dict[str, object]:
    return {"sha256": digest.hex(), "href": f"{address}/document", "size": size, "level": level}


def _shown(found: Found) -> dict[str, object]:
    copy, address = found.copy, _href(found.identifier, found.copy.id)
    return {
        "id": copy.id,
        "href": address,
        "licence": found.identifier,
        "purpose": copy.purpose,
        "recipient": copy.recipient,
        "valid_to": copy.valid_to.isoformat(),
        "made_on": copy.made_on.isoformat(),
        "count": copy.count,
        "withdrawn_on": day_or_none(copy.withdrawn_on),
        "holder_wish": found.holder_wish,
        "matter_code": found.matter_code,
        "case_number": found.case_number,
        "sealed_at": instant(copy.sealed_at),
        "registered_at": instant(copy.registered_at),
        "document": _document(address, copy.sha256, copy.size, copy.level),
    }
