"""The description of the public API (OpenAPI 3.1), made from its forms (`verify_web.forms`) and the table of
its operations here. `docs/openapi.json` is its output: `python -m verify_web.openapi > docs/openapi.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from keys.signed_answer import MEDIA_TYPE
from signing.answer_page import MEDIA_TYPE as _PDF
from verify_web import forms

VERSION = "1.0.0"
_JSON = "application/json"
_PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{model}"
_BINARY: dict[str, Any] = {"type": "string", "contentMediaType": _PDF}
_TOKEN: dict[str, Any] = {"type": "string", "description": "A compact JWS (RFC 7515)."}

Body = type[BaseModel] | Mapping[str, Any]
"""A form, or a schema of its own."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API. Where it needs no key, one may be sent all the same."""

    path: str
    operation_id: str
    summary: str
    description: str
    sends: Mapping[str, Body]  # by media type
    answers: Mapping[str, Body]
    needs_key: bool
    faults: tuple[int, ...]
    also: Mapping[int, tuple[str, Body]] = field(default_factory=dict)  # other statuses with an answer


def _single(form: type[forms.Form]) -> type[BaseModel]:
    """A form with the options that a single check may have beside."""
    return type(
        f"{form.__name__}Request", (form, forms.Options), {"__doc__": form.__doc__, "__module__": __name__}
    )


SINGLE = tuple(_single(form) for form in forms.ITEMS)
_ONE_OF: dict[str, Any] = {"oneOf": [{"$ref": _REF.format(model=form.__name__)} for form in SINGLE]}

OPERATIONS = (
    Operation(
        path="/api/v1/verifications",
        operation_id="verify",
        summary="One check",
        description=(
            "A link, the text of a scanned code, an id, typed details, a file or its SHA-256. Anybody "
            "may ask, and reads JSON. Relying parties that are on record send their key and may ask for "
            "a past moment (`as_of` with its `clock`) and, by `Accept: application/jwt`, for a signed "
            "answer; by `Accept: application/pdf` for its page, to be filed: a signed PDF in the language "
            "of `Accept-Language`, with the signed answer attached, that counts as ten checks.\n\n"
            "An unknown identifier, a wrong look-up code and too many attempts get one answer, "
            "`cannot_check`."
        ),
        sends={
            _JSON: _ONE_OF,
            _PDF: _BINARY,
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": _BINARY},
                "required": ["file"],
                "additionalProperties": False,
            },
        },
        answers={_JSON: forms.Answer, MEDIA_TYPE: _TOKEN, _PDF: _BINARY},
        needs_key=False,
        faults=(400, 401, 413, 415, 422, 429),
        also={503: ("The check cannot be made now, which says nothing about the licence.", forms.Answer)},
    ),
    Operation(
        path="/api/v1/verifications/bulk",
        operation_id="verifyMany",
        summary="Up to a thousand checks",
        description=(
            "Answered in order, all as of one moment. An item that cannot be checked as it stands has "
            "its faults in place of an answer; a signed answer is refused whole then. Each item counts "
            "as one check of the quota, and the limits on typed details are each licence's own."
        ),
        sends={_JSON: forms.BulkRequest},
        answers={_JSON: forms.BulkAnswer, MEDIA_TYPE: _TOKEN},
        needs_key=True,
        faults=(400, 401, 413, 415, 422, 429, 503),
    ),
    Operation(
        path="/api/v1/receipts/verify",
        operation_id="verifyReceipt",
        summary="A signed answer taken back",
        description=(
            "A token or its page. Whether this site gave it, when, by which key, and what the registry says "
            "to the same now. "
            "Answers to many checks are taken back from relying parties alone, and count as so many "
            "checks."
        ),
        sends={MEDIA_TYPE: _TOKEN, _PDF: _BINARY},
        answers={_JSON: forms.ReceiptAnswer},
        needs_key=False,
        faults=(401, 413, 415, 422, 429, 503),
    ),
)

_KEY: dict[str, list[str]] = {"key": []}
_SAID = {
    400: "The request cannot be read.",
    401: "A key is needed, or this one is not known.",
    413: "Too long.",
    415: "Another media type than those that are read.",
    422: "The request was read, and says something that cannot be: `errors` names what.",
    429: "A quota is used up: `Retry-After` says for how many seconds.",
    503: "Part of the service is out: come again.",
}
_INTRODUCTION = (
    "Checks of electronic licences. A licence is good only where `verdict` is `valid` and all three "
    "checks are `passed`; whoever reads `valid` with a check that is `not_done` compares the document "
    "by eye.\n\n"
    "A signed answer is a compact JWS (ES256, `typ` verification-answer+jwt) whose claims are "
    "`SignedAnswer`. Its key is named by `kid` in the signed trust list "
    "(`/.well-known/elicence/trust-list`), under the use `receipt`; `vermilion verify-answer` checks it "
    "without a network."
)


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    models: list[type[BaseModel]] = [forms.SignedAnswer, forms.Problem, *SINGLE]
    models += [
        body
        for operation in OPERATIONS
        for body in (
            *operation.sends.values(),
            *operation.answers.values(),
            *(one for _words, one in operation.also.values()),
        )
        if isinstance(body, type)
    ]
    _, schemas = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template=_REF
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vermilion: checks of licences", "version": VERSION, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "paths": {operation.path: {"post": _operation(operation)} for operation in OPERATIONS},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A relying party's key."}
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "200": {"description": "The answer.", "content": _content(operation.answers)}
    }
    for status in operation.faults:
        responses[str(status)] = {
            "description": _SAID[status],
            "content": _content({_PROBLEM: forms.Problem}),
        }
    for status, (words, body) in operation.also.items():
        responses[str(status)] = {
            "description": words,
            "content": _content({_JSON: body, _PROBLEM: forms.Problem}),
        }
    if 429 in operation.faults:
        responses["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    security = [_KEY] if operation.needs_key else [{}, _KEY]
    return {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": operation.description,
        "security": security,
        "requestBody": {"required": True, "content": _content(operation.sends)},
        "responses": dict(sorted(responses.items())),
    }


def _content(bodies: Mapping[str, Body]) -> dict[str, Any]:
    return {
        media: {
            "schema": {"$ref": _REF.format(model=body.__name__)} if isinstance(body, type) else dict(body)
        }
        for media, body in bodies.items()
    }


def text() -> str:
    """The document as it is served, and kept in `docs/openapi.json`."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201
