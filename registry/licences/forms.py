"""The JSON form of a request for a licence, alone or as a line of a batch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from registry import web
from registry.licences.examine import IssueRequest
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
