"""The JSON form of a request for a licence, alone or as a line of a batch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from registry import web
from registry.licences.examine import IssueRequest
from registry.licences.operations import Decision, NextEdition
from registry.licences.succession import Succeeding
from signing.document import MAX_SEALS

MAX_REQUEST = 512 * 1024  # bytes of JSON: a photo in base64 and the rest


def _printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("no control characters, no white space at the ends")
    return value


Text40 = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_printable)]
Operator = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]


SealCode = Annotated[str, Field(pattern=r"^[0-9]{14}\Z")]


class IssueBody(web.Body):
    type: web.TypeCode
    seal: SealCode
    co_seals: Annotated[list[SealCode], Field(max_length=MAX_SEALS - 1)] | None = None
    number: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    fields: Annotated[dict[str, Any], Field(max_length=100)]
    valid_from: web.Day | None = None
    matter_code: Text40
    case_number: Text40
    operator: Operator


class NextEditionBody(web.Body):
    """What every request for a next edition says: which seal it gets, for which case, and who decided why."""

    seal: SealCode
    co_seals: Annotated[list[SealCode], Field(max_length=MAX_SEALS - 1)] | None = None
    matter_code: Text40
    case_number: Text40
    operator: Operator
    legal_basis: web.Basis
    reason_code: web.ReasonCode
    effective_from: web.Day | None = None
    status_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class ChangedFieldsBody(NextEditionBody):
    """`fields` holds what is to differ, and null for what goes; the rest is taken over."""

    fields: Annotated[dict[str, Any], Field(min_length=1, max_length=100)]
    valid_from: web.Day | None = None


def next_edition_request(operation: NextEdition, identifier: str, value: object) -> IssueRequest:
    """As `issue_request`, for the next edition of a licence. A replacement says what the edition before
    said.
    """
    body: NextEditionBody
    fields: dict[str, Any] = {}
    valid_from = None
    if operation == "replace":
        body = web.parse(NextEditionBody, value)
    else:
        body = web.parse(ChangedFieldsBody, value)
        fields, valid_from = body.fields, body.valid_from
    decision = Decision(body.legal_basis, body.reason_code, body.effective_from, body.status_version)
    return IssueRequest(
        type_code="",  # the licence's own
        seal_code=body.seal,
        co_seals=tuple(body.co_seals or ()),
        fields=fields,
        valid_from=valid_from,
        matter_code=body.matter_code,
        case_number=body.case_number,
        operator=body.operator,
        succeeding=Succeeding(operation, identifier, decision),
    )


def issue_request(value: object) -> IssueRequest:
    """What a JSON value asks for. Raises VermilionError(INVALID) with one fault for each thing wrong."""
    body = web.parse(IssueBody, value)
    return IssueRequest(
        type_code=body.type,
        seal_code=body.seal,
        co_seals=tuple(body.co_seals or ()),
        fields=body.fields,
        number=body.number,
        valid_from=body.valid_from,
        matter_code=body.matter_code,
        case_number=body.case_number,
        operator=body.operator,
    )
