"""What the agency API says of itself beside its operations."""

from __future__ import annotations

from collections.abc import Collection

from werkzeug.routing import Rule

from keys.errors import Kind
from registry.agencies.auth import SCOPE_AUDIT
from registry.agencies.rules import SCOPE_CASE, SCOPE_LICENCE, SCOPE_SEAL, SCOPE_USE
from registry.described import EVERYBODY, IDEMPOTENCY_KEY, Access, Operation
from registry.notices.answers import NoticePayload
from registry.openapi_document import Api, Post
from registry.permissions import PEOPLE, TABLE, Caller
from registry.webhooks.answers import BatchPayload, LicencePayload

VERSION = "1.0.0"
OAUTH2 = "oauth2"
UNDESCRIBED = ("metrics", "docs.", "console.", "holder.", "applicant.")
"""Endpoints, or beginnings of them, that are no part of the API: the operator's on the machine itself, the
description, and pages for people.
"""

_INTRODUCTION = (
    "The registry as an agency's own systems use it: seals, licences, their delivery and use, batches, "
    "webhooks; the archive; the audit; and figures for oversight.\n\n"
    "Who calls has a bearer token of `/oauth2/token`: a client by itself, or a person who acts through it. "
    "Bodies are strict JSON (RFC 8259, no member twice, none that is not named here), dates are civil days "
    "of the registry's zone, instants UTC.\n\n"
    "A refusal is a problem document (RFC 9457), whose `type` is an address here that explains the kind and "
    "its reasons. `X-Request-Id` is in every answer: your own, where it is 32 hex digits or a UUID in lower "
    "case. Each client has a limit of requests a minute, which `RateLimit-Policy` and `RateLimit` tell.\n\n"
    "Members may be added to answers, and values to what they say: readers take no offence at either."
)


def _implied(operation: Operation, rule: Rule) -> Collection[Kind]:
    found = {Kind.INVALID, Kind.UNAVAILABLE}  # a query that is not accepted, a part that is out
    if rule.endpoint in {"livez", "readyz", "trust_list"}:
        found -= {Kind.INVALID}
    if not TABLE[rule.endpoint].public:
        found |= {Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.TOO_MANY}
    if rule.arguments and rule.endpoint != "audit.page":
        found |= {Kind.NOT_FOUND}
    if operation.sends:
        found |= {Kind.MALFORMED, Kind.TOO_LARGE, Kind.UNSUPPORTED_MEDIA}
    if any(one.name == IDEMPOTENCY_KEY.name for one in operation.parameters):
        found |= {Kind.IN_PROGRESS, Kind.IDEMPOTENCY_REUSED}
    return found


def _access(endpoint: str) -> Access:
    """In the words of OpenAPI, what the one table says (`registry.permissions`)."""
    permission = TABLE[endpoint]
    if permission.public:
        return EVERYBODY
    who = permission.who
    if who == {Caller.AUDITOR}:
        return Access(({OAUTH2: (SCOPE_AUDIT,)},), words="An auditor, by a token of their own.")
    security = ({OAUTH2: () if permission.scope is None else (permission.scope,)},)
    if who >= PEOPLE:
        return Access(security)
    words = []
    if Caller.SYSTEM in who:
        words.append("A client may act by itself, and names its `operator`.")
    if who & {Caller.APPROVER, Caller.MAKER}:
        words.append("Approvers and makers are people of a seal authority.")
    if Caller.AUTHORITY in who:
        words.append("Of a seal authority, anybody who acts as a person.")
    return Access(security, tuple(sorted(one.value for one in who & PEOPLE)), " ".join(words))


DESCRIPTION = Api(
    title="Vermilion: the agency API",
    version=VERSION,
    introduction=_INTRODUCTION,
    covers=lambda endpoint: not endpoint.startswith(UNDESCRIBED),
    access=_access,
    security={
        OAUTH2: {
            "type": "oauth2",
            "description": (
                "A client authenticates by private_key_jwt (RFC 7523, 2.2); a person acts through it by an "
                "assertion of their own (2.1), an auditor by that alone."
            ),
            "flows": {
                "clientCredentials": {
                    "tokenUrl": "/oauth2/token",
                    "scopes": {
                        SCOPE_LICENCE: "Issue, read and change licences.",
                        SCOPE_SEAL: "The life of seals, and their use.",
                        SCOPE_CASE: "Take applications in, handle and decide them.",
                        SCOPE_USE: "Use licences of any agency that their holders have shown.",
                        SCOPE_AUDIT: "Read the audit; an auditor's.",
                    },
                }
            },
        }
    },
    variables={
        "approval_id": "The request's id.",
        "authorisation_id": "The authorisation's id.",
        "batch_id": "The batch's id.",
        "case_id": "The case's id.",
        "task_id": "The difference's id.",
        "error_id": "The error's id.",
        "code": "The seal's 14 digits.",
        "endpoint_id": "The endpoint's id.",
        "event_id": "The event's id, which is its `webhook-id`.",
        "identifier": "The licence's identifier.",
        "ledger": "Which list.",
        "material_code": "The material's code, as the matter has it.",
        "matter_code": "The matter's code.",
        "number": "Of the seal's edition, from 1.",
        "copy_id": "The copy's id.",
        "package_id": "The package's id.",
        "pick_up_id": "The link's id.",
        "sub_case_id": "The sub-case's id.",
        "scheduled": "The waiting change's id.",
        "version": "Of the material, from 1.",
    },
    implied=_implied,
    posts=(
        Post("licence", "What happened to a licence", LicencePayload),
        Post("batch", "What happened to a batch", BatchPayload),
        Post("notice", "A message for somebody, to be passed on", NoticePayload),
    ),
    headers={
        "RateLimit-Policy": "The client's limit: `q` requests in `w` seconds.",
        "RateLimit": "What is left of it for certain: `r` requests; all of it after `t` seconds.",
    },
)
