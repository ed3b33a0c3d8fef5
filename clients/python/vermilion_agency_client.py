"""A client of the agency API of Vermilion, version 1.0.0: licences, seals, batches, webhooks.

Made from its OpenAPI description; do not edit. It needs Python 3.11, and `cryptography` where it signs by a
key that it is given.

    client = Client("https://api.example", Credential.load("agency-system.json"))
    licence = client.issue_licence({"type": ..., "seal": ..., ...}).body

A request that may be repeated is repeated: where no answer came, where the service asks to wait (429, 503),
and while the same request is being served (409); after the time that the service names, and under one
Idempotency-Key. Who wants to ask again after a crash keeps a key of their own with the case and gives it.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import http.client
import json
import random
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NotRequired, TypedDict, TypeVar

T = TypeVar("T")
JSON = "application/json"
MAX_ANSWER = 256 * 1024 * 1024


class ActBody(TypedDict):
    """Who acts, where no person does by a credential of their own."""

    operator: NotRequired[str | None]


Action = Literal[
    "submit",
    "receive",
    "ask_correction",
    "correct",
    "accept",
    "refuse_acceptance",
    "return",
    "begin",
    "suspend",
    "resume",
    "extend",
    "permit",
    "refuse",
    "terminate",
    "withdraw",
    "finish",
    "archive",
    "lapse",
]


class AgencyFigures(TypedDict):
    """Of one agency in the period. docs/operate.md says exactly what each counts."""

    agency: str
    name: Name
    issued: int
    next_editions: int
    suspended: int
    resumed: int
    ended: int
    inspected: int
    abandoned: int
    refused: int
    lapsed: int
    undecided: int
    late: int
    checks: int
    checks_failed: int
    checks_not_made: int


class Alive(TypedDict):
    """What its members say."""

    status: Literal["ok"]


class AnewBody(TypedDict):
    """What its members say."""

    licence: LicenceBody


class ApplicantBody(TypedDict):
    """What its members say."""

    name: str
    id_type: Literal[
        "001",
        "099",
        "111",
        "114",
        "115",
        "118",
        "119",
        "120",
        "122",
        "411",
        "412",
        "413",
        "414",
        "511",
        "516",
        "999",
    ]
    id_code: str


class ApplicantShown(TypedDict):
    """What its members say."""

    name: str
    id_type: str
    id_code: str


class ApplicationBody(TypedDict):
    """What its members say."""

    kind: str
    name: str
    bottom_text: NotRequired[str | None]
    picture: NotRequired[str | None]


class ApplicationDecided(TypedDict):
    """What its members say."""

    id: str
    action: Literal["apply", "renew", "change", "resume", "cancel", "compromise"]
    state: Literal["open", "approved", "refused"]
    seal_code: str | None
    payload: dict[str, Any]
    payload_sha256: str
    requested_at: str
    expires_at: str
    seal: str | None
    seal_state: NotRequired[Literal["approved", "made", "filed", "active", "suspended", "cancelled"] | None]


class ApprovalPage(TypedDict):
    """What its members say."""

    approvals: list[ApprovalShown]
    next: NotRequired[str | None]


class ApprovalShown(TypedDict):
    """A request that another person decides. Who decides names `payload_sha256`, and so what was
    read.
    """

    id: str
    action: Literal["apply", "renew", "change", "resume", "cancel", "compromise"]
    state: Literal["open", "approved", "refused"]
    seal_code: str | None
    payload: dict[str, Any]
    payload_sha256: str
    requested_at: str
    expires_at: str


class ArchiveStatistics(TypedDict):
    """Of the agency. Counted every hour; `as_of` is null before the first time."""

    as_of: str | None
    packages: list[PackageFigure]
    copies: list[CopyFigure]
    checks_failed: list[CheckFigure]
    handovers: list[HandoverFigure]
    waiting: int


class ArrivedFrom(TypedDict):
    """Of a package that came from elsewhere."""

    code: str
    name: str
    handover: str | None
    number: str | None
    arrived_at: str


class AuditPage(TypedDict):
    """What its members say."""

    ledger: str
    until: str
    lines: list[EventLine | KeyUseLine | KeyUseBlockLine | SealUseLine]
    next: NotRequired[str | None]


class AuthorisationBody(TypedDict):
    """What its members say."""

    client_id: str
    type_code: str
    valid_from: str
    valid_to: str
    daily_limit: int


class AuthorisationShown(TypedDict):
    """A keeper's permission for a client to use the seal for a type."""

    id: str
    seal_code: str
    client_id: str
    type_code: str
    valid_from: str
    valid_to: str
    daily_limit: int
    withdrawn_at: str | None


class BatchItemPage(TypedDict):
    """What its members say."""

    batch: str
    items: list[BatchItemShown]
    next: NotRequired[str | None]


class BatchItemShown(TypedDict):
    """A line and what became of it; never its values."""

    line: int
    state: ItemState
    identifier: NotRequired[str | None]
    document: NotRequired[DocumentShown | None]
    reason: NotRequired[str | None]
    errors: NotRequired[list[FaultEntry] | None]


class BatchListed(TypedDict):
    """A batch."""

    id: str
    state: BatchState
    dry_run: bool
    type: str | None
    seal: str | None
    lines: int
    created_at: str
    ended_at: str | None
    href: str


class BatchNews(TypedDict):
    """What happened to a batch."""

    event: str
    batch: str
    type: str


class BatchPage(TypedDict):
    """What its members say."""

    batches: list[BatchListed]
    next: NotRequired[str | None]


class BatchPayload(TypedDict):
    """Of a webhook about a batch."""

    type: Literal["batch.accepted", "batch.cancelled", "batch.done"]
    timestamp: str
    data: BatchNews


class BatchShown(TypedDict):
    """A batch and how far it is."""

    id: str
    state: BatchState
    dry_run: bool
    type: str | None
    seal: str | None
    lines: int
    counts: dict[str, int]
    created_at: str
    ended_at: str | None
    items: str
    waiting_for: NotRequired[str | None]
    reason: NotRequired[str | None]
    errors: NotRequired[str | None]
    documents: NotRequired[str | None]


BatchState = Literal[
    "receiving", "dropped", "checking", "refused", "checked", "issuing", "cancelling", "cancelled", "done"
]


class BeginBody(TypedDict):
    """What its members say."""

    operator: NotRequired[str | None]


class CancelBody(TypedDict):
    """What its members say."""

    operator: NotRequired[str | None]


class CancellationBody(TypedDict):
    """What its members say."""

    legal_basis: str
    reason_code: str
    compromised_since: NotRequired[str | None]


class CaseBody(TypedDict):
    """An application as the agency's system has it from the applicant, whom it has identified.
    With `declaration`, by which the applicant says that all of it is true, it is submitted;
    without, it is kept as a draft.
    """

    matter: str
    applicant: ApplicantBody
    contact: NotRequired[ContactBody]
    fields: dict[str, Any]
    declaration: NotRequired[bool]
    operator: NotRequired[str | None]


class CaseDecisionBody(TypedDict):
    """What its members say."""

    action: Literal["suspend", "extend", "permit", "refuse", "terminate"]
    legal_basis: str
    reason_code: str
    words: NotRequired[str | None]
    days: NotRequired[int | None]
    licence: NotRequired[LicenceBody | None]


class CaseFiled(TypedDict):
    """What its members say."""

    id: str
    number: str | None
    matter: str
    state: CaseState
    submitted_on: str | None
    due_on: str | None
    committed_due: str | None
    statutory_due: str | None
    provisional: bool
    href: str
    applicant: ApplicantShown | None
    fields: dict[str, Any]
    materials: list[CaseMaterialShown]
    steps: list[StepShown]
    sub_cases: list[JointShown]
    licence: IssueShown | None
    edition: str | None
    lookup_code: NotRequired[str | None]


class CaseListed(TypedDict):
    """What its members say."""

    id: str
    number: str | None
    matter: str
    state: CaseState
    submitted_on: str | None
    due_on: str | None
    committed_due: str | None
    statutory_due: str | None
    provisional: bool
    href: str


class CaseMaterialShown(TypedDict):
    """A material of the matter, and how the case stands with it."""

    code: str
    name: dict[str, str]
    required: bool
    wanted: Want | None
    supplied: MaterialVersionShown | None


class CasePage(TypedDict):
    """What its members say."""

    cases: list[CaseListed]
    next: NotRequired[str | None]


class CaseRetrievals(TypedDict):
    """What its members say."""

    retrievals: list[RetrievalShown]
    wanted: list[WantedShown]


class CaseShown(TypedDict):
    """What its members say."""

    id: str
    number: str | None
    matter: str
    state: CaseState
    submitted_on: str | None
    due_on: str | None
    committed_due: str | None
    statutory_due: str | None
    provisional: bool
    href: str
    applicant: ApplicantShown | None
    fields: dict[str, Any]
    materials: list[CaseMaterialShown]
    steps: list[StepShown]
    sub_cases: list[JointShown]
    licence: IssueShown | None
    edition: str | None


CaseState = Literal[
    "draft",
    "submitted",
    "received",
    "correction",
    "accepted",
    "not_accepted",
    "returned",
    "handling",
    "suspended",
    "permitted",
    "refused",
    "terminated",
    "withdrawn",
    "done",
    "archived",
    "lapsed",
]


class CaseStepBody(TypedDict):
    """`submit`, `correct` and `withdraw` are the applicant's acts, passed on. What each step
    needs, the table of the answers to a refusal says (`move_needs`).
    """

    action: Literal[
        "submit",
        "receive",
        "ask_correction",
        "correct",
        "accept",
        "refuse_acceptance",
        "return",
        "begin",
        "resume",
        "withdraw",
    ]
    legal_basis: NotRequired[str | None]
    reason_code: NotRequired[str | None]
    words: NotRequired[str | None]
    items: NotRequired[list[ItemBody] | None]
    declaration: NotRequired[bool]
    fields: NotRequired[dict[str, Any] | None]
    operator: NotRequired[str | None]


class CertificationRequested(TypedDict):
    """What its members say."""

    id: str
    seal: str
    requested_at: str
    request: str


class ChangeBody(TypedDict):
    """Every change of status names its ground; without `effective_from` it takes effect today,
    with a later day it waits for that.
    """

    legal_basis: str
    reason_code: str
    effective_from: NotRequired[str | None]
    operator: NotRequired[str | None]
    status_version: NotRequired[int | None]


class ChangeDecided(TypedDict):
    """What its members say."""

    id: str
    action: Literal["apply", "renew", "change", "resume", "cancel", "compromise"]
    state: Literal["open", "approved", "refused"]
    seal_code: str | None
    payload: dict[str, Any]
    payload_sha256: str
    requested_at: str
    expires_at: str
    seal: str
    seal_state: Literal["approved", "made", "filed", "active", "suspended", "cancelled"]
    shown_in: NotRequired[SealShownIn | None]


class ChangedFieldsBody(TypedDict):
    """`fields` holds what is to differ, and null for what goes; the rest is taken over."""

    seal: str
    co_seals: NotRequired[list[str] | None]
    matter_code: str
    case_number: str
    operator: str
    legal_basis: str
    reason_code: str
    effective_from: NotRequired[str | None]
    status_version: NotRequired[int | None]
    fields: dict[str, Any]
    valid_from: NotRequired[str | None]


class CheckFigure(TypedDict):
    """What its members say."""

    occasion: Literal["ingest", "handover", "store"]
    packages: int


class ConfirmationBody(TypedDict):
    """`sha256` names the form that the applicant has read and confirms, whom the agency has
    identified.
    """

    sha256: str
    operator: NotRequired[str | None]


class ContactBody(TypedDict):
    """By `smtp` the applicant gets e-mail at `to`; by `webhook` messages are posted to the
    client's own endpoint of that id, which takes `notice`, for whom `to` names there; by
    `none` they are told by the progress of the case alone.
    """

    channel: NotRequired[Literal["smtp", "webhook", "none"]]
    to: NotRequired[str | None]
    webhook: NotRequired[str | None]
    language: NotRequired[Literal["zh", "en", "es"]]


class CopyBody(TypedDict):
    """What a copy is for, and how its holder asked for it; under which seal it is made, for
    which case.
    """

    purpose: str
    recipient: str
    valid_to: str
    count: NotRequired[int]
    holder_wish: Literal["in_person", "online", "in_writing"]
    seal: str
    co_seals: NotRequired[list[str] | None]
    matter_code: str
    case_number: str
    operator: str


class CopyFigure(TypedDict):
    """What its members say."""

    store: str
    state: Literal["present", "missing", "damaged", "erasing", "erased"]
    copies: int


class CopyMade(TypedDict):
    """A new copy. Link and look-up code are its recipient's, and are told only here and on a
    replay.
    """

    licence: str
    purpose: str
    recipient: str
    valid_to: str
    made_on: str
    count: int
    id: str
    link: str
    lookup_code: str
    document: DocumentShown


class CopyPage(TypedDict):
    """What its members say."""

    copies: list[CopyShown]
    next: str | None


class CopyPreview(TypedDict):
    """What would be made; nothing is reserved."""

    licence: str
    purpose: str
    recipient: str
    valid_to: str
    made_on: str
    count: int
    dry_run: Literal[True]
    seal: str


class CopyShown(TypedDict):
    """A copy on record. It holds while its licence does, until its own last day, unless it was
    withdrawn.
    """

    licence: str
    purpose: str
    recipient: str
    valid_to: str
    made_on: str
    count: int
    id: str
    href: str
    withdrawn_on: str | None
    holder_wish: Literal["in_person", "online", "in_writing"]
    matter_code: str
    case_number: str
    sealed_at: str
    registered_at: str
    document: DocumentShown


class DataSetShown(TypedDict):
    """What its members say."""

    connector: str
    code: str
    name: dict[str, str]
    source: str
    purpose: str
    legal_basis: str
    holder_types: list[str]


class DecisionBody(TypedDict):
    """What its members say."""

    decision: Literal["approve", "refuse"]
    payload_sha256: str


Declared = Literal["signed_form", "confirmed_form", "declaration"]


class DeclinationBody(TypedDict):
    """The issuer finds its licence right."""

    legal_basis: str
    reason_code: str
    operator: NotRequired[str | None]


class DeliveryPage(TypedDict):
    """What its members say."""

    endpoint: str
    deliveries: list[DeliveryShown]
    next: NotRequired[str | None]


class DeliveryShown(TypedDict):
    """One event for one endpoint."""

    event: str
    type: str
    event_at: str
    state: DeliveryState
    attempts: int
    due_at: str | None
    tried_at: str | None
    status: int | None
    reason: str | None


DeliveryState = Literal["waiting", "delivered", "dead"]


class DisclosedValue(TypedDict):
    """A value as its licence type lets the public see it."""

    name: str
    label: dict[str, str]
    value: str | list[str]
    masked: bool


class DocumentShown(TypedDict):
    """What its members say."""

    sha256: str
    href: str
    size: int
    level: str


class DraftBody(TypedDict):
    """What takes the place of a draft's contents."""

    applicant: ApplicantBody
    contact: NotRequired[ContactBody]
    fields: dict[str, Any]
    operator: NotRequired[str | None]


class EndingBody(TypedDict):
    """What its members say."""

    legal_basis: str
    reason_code: str
    effective_from: NotRequired[str | None]
    operator: NotRequired[str | None]
    status_version: NotRequired[int | None]
    how: Literal["revoked", "annulled", "withdrawn", "cancelled"]


class EndpointBody(TypedDict):
    """No `events`: all kinds. No `types`: all licence types that the client may act on. Only an
    endpoint that names `notice` among its events is sent messages to people, such as pick-up
    links, to pass them on.
    """

    operator: NotRequired[str | None]
    url: str
    events: NotRequired[
        list[
            Literal[
                "licence.issued",
                "licence.replaced",
                "licence.suspended",
                "licence.resumed",
                "licence.lifted",
                "licence.ended",
                "licence.removed",
                "licence.inspected",
                "licence.scanned_often",
                "licence.scheduled",
                "licence.change_withdrawn",
                "licence.change_dropped",
                "licence.copied",
                "licence.copy_withdrawn",
                "batch.accepted",
                "batch.cancelled",
                "batch.done",
                "case.submitted",
                "case.received",
                "case.correction_asked",
                "case.corrected",
                "case.accepted",
                "case.not_accepted",
                "case.returned",
                "case.begun",
                "case.suspended",
                "case.resumed",
                "case.extended",
                "case.permitted",
                "case.refused",
                "case.terminated",
                "case.withdrawn",
                "case.issue_refused",
                "case.finished",
                "case.archived",
                "sub_case.opened",
                "sub_case.begun",
                "sub_case.opinion_given",
                "sub_case.opinion_missed",
                "sub_case.closed",
                "notice",
            ]
        ]
    ]
    types: NotRequired[list[str]]


class EndpointPage(TypedDict):
    """What its members say."""

    endpoints: list[EndpointShown]
    next: NotRequired[str | None]


class EndpointShown(TypedDict):
    """Where a client is told of events, and how it does there."""

    id: str
    url: str
    events: list[str]
    types: list[str]
    state: EndpointState
    failures: int
    failing_since: str | None
    rest_until: str | None
    created_at: str
    secrets: list[SecretShown]
    deliveries: str


EndpointState = Literal["active", "disabled", "gone", "failing"]


class EndpointWithSecret(TypedDict):
    """What its members say."""

    id: str
    url: str
    events: list[str]
    types: list[str]
    state: EndpointState
    failures: int
    failing_since: str | None
    rest_until: str | None
    created_at: str
    secrets: list[SecretShown]
    deliveries: str
    secret: str | None


ErrorState = Literal["waiting", "acknowledged", "corrected", "declined", "lapsed"]


class EventLine(TypedDict):
    """An event or a refusal; `commitment` says whether what was committed to still holds."""

    id: str
    at: str
    kind: str
    subject_kind: str
    subject: str
    agency: str | None
    effective_from: str
    legal_basis: str
    reason: str
    person: str | None
    client: str | None
    operator: str
    detail: dict[str, Any]
    commitment: Literal["kept", "broken", "missing"]


class Expiring(TypedDict):
    """A certificate that only a ceremony renews."""

    certificate: str
    until: str


class FaultEntry(TypedDict):
    """One thing that is wrong in the request."""

    pointer: str
    reason: str
    detail: str


# What its members say.
FigurePage = TypedDict(
    "FigurePage",
    {
        "from": "str",
        "to": "str",
        "closed_to": "str | None",
        "agencies": "list[AgencyFigures]",
        "next": "str | None",
    },
)


class FormBody(TypedDict):
    """What its members say."""

    language: NotRequired[Literal["zh", "en", "es"]]
    operator: NotRequired[str | None]


class FormField(TypedDict):
    """What its members say."""

    name: str
    label: dict[str, str]
    kind: str
    required: bool
    max_length: int
    choices: list[str]


class FormShown(TypedDict):
    """The form that the registry drew of an application: the last one."""

    version: int
    language: str
    sha256: str
    size: int
    at: str
    current: bool
    confirmed_at: str | None
    signed: MaterialVersionShown | None
    declared_by: Declared | None
    href: str


class GroundBody(TypedDict):
    """What its members say."""

    legal_basis: str
    reason_code: str


class HandoverFigure(TypedDict):
    """What its members say."""

    state: Literal["waiting", "handed_over", "refused", "withdrawn"]
    handovers: int


class Impact(TypedDict):
    """What its members say."""

    seal: str
    state: Literal["approved", "made", "filed", "active", "suspended", "cancelled"]
    limit: Limit
    log: Literal["not_available"]
    totals: NotRequired[dict[str, int] | None]
    licences: list[SealingShown]
    next: NotRequired[str | None]


class InspectionBody(TypedDict):
    """What its members say."""

    legal_basis: str
    reason_code: str
    effective_from: NotRequired[str | None]
    operator: NotRequired[str | None]
    status_version: NotRequired[int | None]
    period: str
    result: Literal["passed", "failed"]


class IssueBody(TypedDict):
    """What its members say."""

    type: str
    seal: str
    co_seals: NotRequired[list[str] | None]
    number: NotRequired[str | None]
    fields: dict[str, Any]
    valid_from: NotRequired[str | None]
    matter_code: str
    case_number: str
    operator: str


class IssueShown(TypedDict):
    """The licence that was ordered with the decision."""

    state: IssueState
    reason: str | None
    attempts: int


IssueState = Literal["waiting", "issued", "refused"]


class IssuerNamed(TypedDict):
    """What its members say."""

    code: str
    name: dict[str, str]


class ItemBody(TypedDict):
    """A material or field of the matter, by its code or name, and what is wanted."""

    code: str
    why: str


class ItemShown(TypedDict):
    """What its members say."""

    code: str
    why: str


ItemState = Literal[
    "received", "checking", "refused", "checked", "waiting", "issuing", "issued", "failed", "cancelled"
]


class JointShown(TypedDict):
    """Another agency's part in the case."""

    agency: str
    state: SubState
    due_on: str | None
    opinion: Opinion | None
    href: str


class KeyUseBlockLine(TypedDict):
    """Uses that are written down together: answers of OCSP."""

    id: str
    opened_at: str
    closed_at: str | None
    key: str
    kind: str
    size: int
    begun: int | None
    failed: int | None
    sha256: str | None


class KeyUseLine(TypedDict):
    """What its members say."""

    id: str
    begun_at: str
    ended_at: str | None
    key: str
    kind: str
    record: str
    sha256: str
    signed: bool | None


class LicenceBody(TypedDict):
    """What the decision says of the licence: its seal, its number, and the fields that are not
    the application's.
    """

    seal: str
    co_seals: NotRequired[list[str] | None]
    number: NotRequired[str | None]
    fields: NotRequired[dict[str, Any] | None]


class LicenceErrorPage(TypedDict):
    """What its members say."""

    errors: list[LicenceErrorShown]
    next: NotRequired[str | None]


class LicenceErrorShown(TypedDict):
    """A confirmed error in a licence of the agency's. `correction` is where it is corrected, by
    the rule of corrections; then it is settled by itself.
    """

    id: str
    identifier: str
    field: str
    told: str | list[str]
    right: str | list[str]
    found_by: str
    legal_basis: str
    reason_code: str
    made_at: str
    state: ErrorState
    correction: str


class LicenceEvent(TypedDict):
    """What its members say."""

    event: str
    identifier: str
    kind: str
    effective_from: str
    recorded_at: str
    legal_basis: str
    reason_code: str
    person: str | None
    client: str | None
    operator: str
    detail: dict[str, Any]


class LicenceHistory(TypedDict):
    """Of every edition of the licence; nothing is ever taken out."""

    identifier: str
    events: list[LicenceEvent]


class LicenceIssued(TypedDict):
    """A new licence. Link and look-up code are the holder's, and are told only here and on a
    replay.
    """

    identifier: str
    type: str
    number: str
    edition: int
    status: Literal["in_force", "suspended", "ended"]
    valid_from: str
    valid_to: str | None
    link: str
    lookup_code: str
    document: DocumentShown


class LicenceNews(TypedDict):
    """What happened to a licence; what else is to be known the API tells."""

    event: str
    identifier: str
    effective_from: str
    status: NotRequired[Literal["in_force", "suspended", "ended"] | None]
    status_version: NotRequired[int | None]
    operation: NotRequired[str | None]
    previous: NotRequired[str | None]
    next: NotRequired[str | None]
    scheduled: NotRequired[str | None]
    due: NotRequired[str | None]
    scans: NotRequired[int | None]


class LicencePage(TypedDict):
    """What its members say."""

    licences: list[LicenceSummary]
    next: str | None


class LicencePayload(TypedDict):
    """Of a webhook about a licence."""

    type: Literal[
        "licence.issued",
        "licence.replaced",
        "licence.suspended",
        "licence.resumed",
        "licence.lifted",
        "licence.ended",
        "licence.removed",
        "licence.inspected",
        "licence.scanned_often",
        "licence.scheduled",
        "licence.change_withdrawn",
        "licence.change_dropped",
        "licence.copied",
        "licence.copy_withdrawn",
    ]
    timestamp: str
    data: LicenceNews


class LicencePreview(TypedDict):
    """What would be issued; nothing is reserved."""

    dry_run: Literal[True]
    seal: str
    type: str
    type_version: int
    issuer: str
    number: str
    edition: int
    valid_from: str
    valid_to: str | None
    fields: dict[str, str | list[str]]
    seals: NotRequired[list[SealNamed] | None]
    specimen: bool


class LicenceShown(TypedDict):
    """Status and record."""

    identifier: str
    status: Literal["in_force", "suspended", "ended"]
    status_version: int
    ground: Literal["penalty", "other"] | None
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "replaced"] | None
    since: str
    suspended_until: str | None
    removed_on: str | None
    shown_in: NotRequired[LicenceShownIn | None]
    type: str
    issuer: str
    number: str
    edition: int
    made_by: Literal["issue"] | Literal["amend", "renew", "correct", "replace"]
    previous: str | None
    next: str | None
    scheduled: list[PlannedChange]
    issue_date: str
    valid_from: str
    valid_to: str | None
    fields: dict[str, str | list[str]]
    seals: NotRequired[list[SealNamed] | None]
    specimen: bool
    matter_code: str
    case_number: str
    sealed_at: str
    document: DocumentShown


class LicenceShownIn(TypedDict):
    """Where a status shows already."""

    registry: Literal["live"]
    status_list: Literal["pending", "published", "not_available"]
    log: Literal["not_available"]


class LicenceStatusShown(TypedDict):
    """What a change came to. Whether a licence is expired, or not valid yet, is for the reader
    to reckon.
    """

    identifier: str
    status: Literal["in_force", "suspended", "ended"]
    status_version: int
    ground: Literal["penalty", "other"] | None
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "replaced"] | None
    since: str
    suspended_until: str | None
    removed_on: str | None
    shown_in: NotRequired[LicenceShownIn | None]
    dry_run: NotRequired[Literal[True] | None]


class LicenceSummary(TypedDict):
    """A licence as a list shows it."""

    identifier: str
    href: str
    type: str
    number: str
    edition: int
    status: Literal["in_force", "suspended", "ended"]
    status_version: int
    ground: Literal["penalty", "other"] | None
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "replaced"] | None
    since: str
    suspended_until: str | None
    removed_on: str | None
    issue_date: str
    valid_from: str
    valid_to: str | None
    registered_at: str
    fields: dict[str, str | list[str]]


class LicenceUsed(TypedDict):
    """What the public may see of it, and its status; never its record or document."""

    use: str
    used_at: str
    as_of: str
    identifier: str
    type: TypeUsed
    issuer: IssuerNamed
    edition: int
    issue_date: str
    valid_from: str
    valid_to: str | None
    status: Literal["in_force", "suspended", "ended"]
    ground: Literal["penalty", "other"] | None
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "replaced"] | None
    since: str
    suspended_until: str | None
    removed_on: str | None
    valid: bool
    specimen: bool
    fields: list[DisclosedValue]


class Limit(TypedDict):
    """The moment that a sealing must precede."""

    at: str
    kind: Literal["invalidity_date", "cancellation", "present"]


class LimitShown(TypedDict):
    """What its members say."""

    days: int
    unit: str


class LookAgainBody(TypedDict):
    """What its members say."""

    operator: NotRequired[str | None]


class LookedForShown(TypedDict):
    """A required material that is looked for before anybody is asked for it."""

    material: str
    name: dict[str, str]
    licence_type: str | None
    data_sets: list[DataSetShown]


class LossBody(TypedDict):
    """What its members say."""

    legal_basis: str


class MakerShown(TypedDict):
    """Who made an edition, and whether the signature holds."""

    signature: Literal["right", "wrong"]
    name: NotRequired[str | None]
    certificate_sha256: NotRequired[str | None]


class MakingBody(TypedDict):
    """Nothing where our own authority certifies the seal; else the chain of one outside, files
    in base64.
    """

    chain: NotRequired[list[str] | None]


Match = Literal["by_code", "by_name", "another", "unproven", "unsigned", "unknown"]


class MaterialShown(TypedDict):
    """What its members say."""

    code: str
    name: dict[str, str]
    required: bool
    source: str
    media: list[str]
    max_bytes: int
    licence_type: str | None
    legal_basis: str
    paper: str | None
    note: str
    signed: bool


class MaterialVersionList(TypedDict):
    """What its members say."""

    materials: list[MaterialVersionShown]


class MaterialVersionShown(TypedDict):
    """A file as it was supplied."""

    code: str
    version: int
    media: str
    size: int
    sha256: str
    at: str
    person: str | None
    operator: str
    scan: Scan
    report: SignatureReportShown | None
    href: str


class MatterListed(TypedDict):
    """What its members say."""

    code: str
    name: dict[str, str]
    agency: str
    href: str


class MatterPage(TypedDict):
    """What its members say."""

    matters: list[MatterListed]
    next: NotRequired[str | None]


class MatterShown(TypedDict):
    """The service guide of a matter."""

    code: str
    base_code: str
    version: int
    name: dict[str, str]
    agency: str
    kind: str
    level: str
    case_type: str
    audience: dict[str, str]
    forms: dict[str, str]
    legal_basis: list[str]
    conditions: list[str]
    statutory: LimitShown
    statutory_basis: str
    committed: LimitShown
    extension_days: int
    visits: int
    fees: list[str]
    materials: list[MaterialShown]
    steps: list[dict[str, str]]
    result: dict[str, str]
    licence_type: str | None
    fields: list[FormField]
    consult_phone: str
    complaint_phone: str
    review: str
    litigation: str


class MatterSources(TypedDict):
    """What its members say."""

    materials: list[LookedForShown]


class MissedBody(TypedDict):
    """What its members say."""

    legal_basis: str
    reason_code: str
    words: NotRequired[str | None]


class Name(TypedDict):
    """What its members say."""

    zh: str
    en: str


class NextEditionBody(TypedDict):
    """What every request for a next edition says: which seal it gets, for which case, and who
    decided why.
    """

    seal: str
    co_seals: NotRequired[list[str] | None]
    matter_code: str
    case_number: str
    operator: str
    legal_basis: str
    reason_code: str
    effective_from: NotRequired[str | None]
    status_version: NotRequired[int | None]


class NoticeForSomebody(TypedDict):
    """A message for one person, to be passed on to them and to nobody else."""

    notice: str
    about: str
    to: str
    language: Literal["zh", "en", "es"]
    subject: str
    text: str
    values: dict[str, str]
    expires_at: str


class NoticePayload(TypedDict):
    """Of a message that a webhook is to pass on."""

    type: Literal["notice.pick_up", "notice.case"]
    timestamp: str
    data: NoticeForSomebody


class NoticeShown(TypedDict):
    """What became of a message. To whom it went is told to nobody."""

    id: str
    state: NoticeState
    attempts: int
    due_at: str | None
    tried_at: str | None
    status: int | None
    reason: str | None


NoticeState = Literal["waiting", "delivered", "dead"]

Opinion = Literal["agrees", "agrees_with_conditions", "refuses"]


class OpinionBody(TypedDict):
    """`words` are told to the applicant with the decision: the conditions, or what stands
    against it.
    """

    opinion: Literal["agrees", "agrees_with_conditions", "refuses"]
    legal_basis: str
    reason_code: str
    words: NotRequired[str | None]


class OutsideShown(TypedDict):
    """What the authority outside that certified an edition says of it."""

    authority: str
    serial_number: str
    subject: str
    status: Literal["good", "held", "revoked", "unknown"]
    this_update: str | None
    holds_until: str | None
    evidence_sha256: str | None


class PackageCheck(TypedDict):
    """A four-nature check: the last of its occasion."""

    occasion: Literal["ingest", "handover", "store"]
    checked_at: str
    passed: bool
    findings: list[PackageFinding]


class PackageCopy(TypedDict):
    """What its members say."""

    store: str
    state: Literal["present", "missing", "damaged", "erasing", "erased"]
    written_at: str | None
    checked_at: str | None


class PackageFigure(TypedDict):
    """What its members say."""

    fonds: str
    year: int
    retention: Literal["permanent", "30", "10"]
    state: Literal["numbered", "writing", "kept", "erasing", "disposed"]
    packages: int
    bytes: int


class PackageFinding(TypedDict):
    """What its members say."""

    nature: Literal["authenticity", "integrity", "usability", "security"]
    item: str
    passed: bool
    detail: str


class PackagePage(TypedDict):
    """What its members say."""

    packages: list[PackageShown]
    next: str | None


class PackageShown(TypedDict):
    """What its members say."""

    package: str
    href: str
    number: str
    sequence: int
    fonds: str
    catalogue: str
    year: int
    identifier: str
    occasion: str
    retention: Literal["permanent", "30", "10"]
    retention_until: str | None
    state: Literal["numbered", "writing", "kept", "erasing", "disposed"]
    size: int | None
    sha256: str | None
    kept_at: str | None
    passed_on: PassedOn | None


class PassedOn(TypedDict):
    """To another archive: on its way there, or accepted."""

    handover: str
    to: str
    name: str
    state: Literal["waiting", "handed_over"]
    accepted_at: str | None


class PastEvent(TypedDict):
    """What its members say."""

    kind: str
    recorded_at: str


class PastStatus(TypedDict):
    """What its members say."""

    identifier: str
    at: str
    clock: Literal["effective", "recorded"]
    status: Literal["in_force", "suspended", "ended"]
    ground: Literal["penalty", "other"] | None
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "replaced"] | None
    since: str
    valid: bool
    expired: bool
    event: PastEvent


class PickUpBody(TypedDict):
    """By `smtp` a link goes to the e-mail address `to`. By `webhook` it is posted to the
    client's own endpoint of that id, which takes `notice`, for whom `to` names there. By
    `none` it is told in the answer.
    """

    channel: Literal["smtp", "webhook", "none"]
    to: NotRequired[str | None]
    webhook: NotRequired[str | None]
    language: NotRequired[Literal["zh", "en", "es"]]
    hours: NotRequired[int]
    operator: NotRequired[str | None]


class PickUpMade(TypedDict):
    """What its members say."""

    id: str
    href: str
    identifier: str
    channel: Literal["smtp", "webhook", "none"]
    language: Literal["zh", "en", "es"]
    state: PickUpState
    created_at: str
    expires_at: str
    used_at: str | None
    notice: NoticeShown | None
    link: str | None


class PickUpPage(TypedDict):
    """What its members say."""

    identifier: str
    pick_ups: list[PickUpShown]
    next: NotRequired[str | None]


class PickUpShown(TypedDict):
    """A link by which a holder takes their document once."""

    id: str
    href: str
    identifier: str
    channel: Literal["smtp", "webhook", "none"]
    language: Literal["zh", "en", "es"]
    state: PickUpState
    created_at: str
    expires_at: str
    used_at: str | None
    notice: NoticeShown | None


PickUpState = Literal["open", "used", "expired", "withdrawn"]


class PlannedChange(TypedDict):
    """A change that is decided, and waits for its day."""

    id: str
    operation: Literal["suspend", "resume", "lift", "end", "remove", "inspect"]
    due: str
    ground: Literal["penalty", "other"] | None
    until: str | None
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "replaced"] | None
    legal_basis: str
    reason_code: str


class PresentationBody(TypedDict):
    """`operator`: the account for which the agency's system shows it; an opaque name."""

    operator: str
    seconds: NotRequired[int | None]


class PresentationMade(TypedDict):
    """A code that is being shown. Its link is the holder's, and is told only here and on a
    replay.
    """

    licence: str
    link: str
    shown_at: str
    until: str
    seconds: int


class Problem(TypedDict):
    """RFC 9457. `type` is an address at this service that explains the kind and its reasons."""

    type: str
    title: str
    status: int
    detail: NotRequired[str | None]
    reason: NotRequired[str | None]
    errors: NotRequired[list[FaultEntry] | None]
    request_id: NotRequired[str | None]


class ProofShown(TypedDict):
    """What its members say."""

    kind: Literal["own_tsa", "outside_tsa", "day_anchor"]
    name: str
    at: str
    independent: bool


class Ready(TypedDict):
    """What its members say."""

    status: Literal["ready"]
    expiring: NotRequired[list[Expiring] | None]
    overdue: NotRequired[list[Literal["status_list"]] | None]


class Redelivered(TypedDict):
    """What its members say."""

    endpoint: str
    redelivered: int


class RedeliveryBody(TypedDict):
    """What was given up is sent again, of events recorded since then."""

    operator: NotRequired[str | None]
    since: str


class RequestBody(TypedDict):
    """What its members say."""

    suite: NotRequired[Literal["p256-sha256", "p384-sha384", "rsa3072-sha256"]]


class RetrievalShown(TypedDict):
    """`outage`: a source could not be asked, and is tried again; that is no `not_found`."""

    id: str
    material: str
    state: RetrievalState
    asked_at: str
    attempts: int
    tried_at: str | None
    outage: str | None
    next_attempt: str | None
    source: SourceShown | None
    purpose: str | None
    legal_basis: str | None
    retrieved_at: str | None
    sha256: str | None
    values: dict[str, str | list[str]] | None


RetrievalState = Literal["waiting", "outage", "found", "not_found", "dropped"]


class RotationBody(TypedDict):
    """For how long secrets before the new one go on signing beside it; 0: not at all."""

    operator: NotRequired[str | None]
    overlap_hours: NotRequired[int]


Scan = Literal["not_scanned", "clean", "own"]


class Scheduled(TypedDict):
    """What its members say."""

    scheduled: PlannedChange
    dry_run: NotRequired[Literal[True] | None]


class SealChanged(TypedDict):
    """What its members say."""

    code: str
    agency: str
    kind: SealKind
    name: str
    state: Literal["approved", "made", "filed", "active", "suspended", "cancelled"]
    state_version: int
    compromised_since: str | None
    shown_in: SealShownIn


class SealEditionShown(TypedDict):
    """What its members say."""

    id: str
    number: int
    certificate_serial: str
    certificate_state: str
    revoked_at: str | None
    width_mm: float
    height_mm: float
    valid_from: str
    valid_to: str
    name: str
    picture_sha256: str
    state: Literal["made", "filed", "in_use", "ended", "dropped"]
    in_use_from: str | None
    ended_at: str | None
    sealed_away_at: str | None
    maker: NotRequired[MakerShown | None]
    outside: NotRequired[OutsideShown | None]


SealKind = Literal[
    "name",
    "special",
    "prefecture",
    "province_unit",
    "township",
    "institution",
    "province_government",
    "government",
]


class SealNamed(TypedDict):
    """A seal of a joint licence, as its record names it."""

    agency: str
    certificate: str


class SealPage(TypedDict):
    """What its members say."""

    seals: list[SealShown]
    next: NotRequired[str | None]


class SealShown(TypedDict):
    """What its members say."""

    code: str
    agency: str
    kind: SealKind
    name: str
    state: Literal["approved", "made", "filed", "active", "suspended", "cancelled"]
    state_version: int
    compromised_since: str | None


class SealShownIn(TypedDict):
    """Where the state of a seal shows already."""

    ocsp: NotRequired[Literal["live", "not_available", "not_applicable"] | None]
    crl: NotRequired[Literal["pending", "published", "not_available", "not_applicable"] | None]
    log: NotRequired[Literal["not_available"] | None]
    outside_authority: NotRequired[Literal["good", "held", "revoked"] | None]
    trust_list: NotRequired[Literal["pending", "published"] | None]


# What its members say.
SealStateShown = TypedDict(
    "SealStateShown",
    {"state": 'Literal["approved", "made", "filed", "active", "suspended", "cancelled"]', "from": "str"},
)


class SealUseLine(TypedDict):
    """What its members say."""

    id: str
    begun_at: str
    ended_at: str | None
    seal_edition: str
    place: int
    authorisation: str
    intent: str
    state: Literal["begun", "applied", "void"]
    document_sha256: str | None


class SealingShown(TypedDict):
    """A licence edition that the seal sealed, or an annotated copy of one."""

    identifier: str
    copy: str | None
    edition: int
    type: str
    seal_edition: int
    sealed_at: str
    clock: Literal["time_stamp", "signer"]
    status: Literal["in_force", "suspended", "ended"]
    ground: str | None
    how: str | None
    standing: Standing
    proofs: list[ProofShown]


class SecretShown(TypedDict):
    """A secret that signs now; what it is was told once."""

    number: int
    created_at: str
    signs_until: str | None


class Self(TypedDict):
    """Whom the token stands for."""

    agency: str
    name: Name
    division: str
    seal_authority: bool
    client: str
    scopes: list[str]
    types: list[str]
    person: str | None
    roles: list[str]


Side = Literal["part", "lead", "system"]


class SignatureReportShown(TypedDict):
    """What was found of a PDF's signatures when it came. It explains, and refuses nothing by
    itself.
    """

    says: dict[str, str]
    match: Match
    match_says: dict[str, str]
    indication: str | None
    sub_indication: str | None
    signer: str | None
    signed_at: str | None
    level: str | None
    coverage: str | None
    explained: str
    signatures: list[UploadSignature]


class SourceShown(TypedDict):
    """Who vouches for it, and through what it was had."""

    agency: str
    licence: str | None
    connector: str | None
    data_set: str | None


Standing = Literal["proven", "own_word", "unproven", "after"]


class StepBody(TypedDict):
    """Steps that need no words: an empty object."""


# What its members say.
StepShown = TypedDict(
    "StepShown",
    {
        "number": "int",
        "action": "Action",
        "from": "CaseState",
        "to": "CaseState",
        "part": "Who",
        "person": "str | None",
        "operator": "str",
        "at": "str",
        "legal_basis": "str",
        "reason_code": "str",
        "days": "int | None",
        "words": "str",
        "items": "list[ItemShown]",
        "declared": "Declared | None",
        "told": "bool",
    },
)

SubAction = Literal["begin", "give", "miss", "close"]


class SubCaseListed(TypedDict):
    """What its members say."""

    id: str
    case: str
    agency: str
    lead: str
    state: SubState
    began_on: str
    due_on: str | None
    provisional: bool
    opinion: Opinion | None
    href: str


class SubCasePage(TypedDict):
    """What its members say."""

    sub_cases: list[SubCaseListed]
    next: NotRequired[str | None]


class SubCaseShown(TypedDict):
    """With what the agency needs of the application, and no more of it."""

    id: str
    case: str
    agency: str
    lead: str
    state: SubState
    began_on: str
    due_on: str | None
    provisional: bool
    opinion: Opinion | None
    href: str
    matter: str
    name: dict[str, str]
    decides_on: dict[str, str]
    case_number: str
    case_state: CaseState
    applicant: ApplicantShown
    fields: dict[str, Any]
    materials: list[SubMaterialShown]
    may_be_missed: str | None
    steps: list[SubStepShown]


class SubMaterialShown(TypedDict):
    """A material that the agency needs: the latest version that was supplied, or that it was
    found.
    """

    code: str
    name: dict[str, str]
    version: int | None
    media: str | None
    size: int | None
    href: str | None
    source: str | None


SubState = Literal["waiting", "handling", "given", "missed", "closed"]

# What its members say.
SubStepShown = TypedDict(
    "SubStepShown",
    {
        "number": "int",
        "action": "SubAction",
        "from": "SubState",
        "to": "SubState",
        "side": "Side",
        "person": "str | None",
        "operator": "str",
        "at": "str",
        "legal_basis": "str",
        "reason_code": "str",
        "opinion": "Opinion | None",
        "words": "str",
    },
)


class SuspensionBody(TypedDict):
    """What its members say."""

    legal_basis: str
    reason_code: str
    effective_from: NotRequired[str | None]
    operator: NotRequired[str | None]
    status_version: NotRequired[int | None]
    ground: Literal["penalty", "other"]
    until: NotRequired[str | None]


class TaskEndingBody(TypedDict):
    """`corrected`: with the applicant's other value, which is the source's, and by which the
    applicant declares that it is true (`declaration`). `confirmed`: the source is wrong, and
    is told so. `refused`: the applicant is wrong; no licence says what was refused.
    """

    outcome: Literal["corrected", "confirmed", "refused"]
    legal_basis: str
    reason_code: str
    words: NotRequired[str | None]
    value: NotRequired[str | list[str] | None]
    declaration: NotRequired[bool]
    operator: NotRequired[str | None]


class TaskErrorShown(TypedDict):
    """What became of an error that the source was told."""

    id: str
    state: ErrorState
    told_at: str | None
    outage: str | None
    answered_at: str | None
    answer: str | None


class TaskPage(TypedDict):
    """What its members say."""

    tasks: list[TaskShown]
    next: NotRequired[str | None]


class TaskShown(TypedDict):
    """A value that the applicant and a source tell differently."""

    id: str
    case: str
    retrieval: str
    field: str
    source_field: str
    applicant: str | list[str]
    source: str | list[str]
    state: TaskState
    opened_at: str
    ended_at: str | None
    person: str | None
    operator: str
    legal_basis: str
    reason_code: str
    words: str
    error: TaskErrorShown | None


TaskState = Literal["open", "corrected", "confirmed", "refused"]


class Token(TypedDict):
    """What its members say."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


class TokenRefusal(TypedDict):
    """RFC 6749, 5.2."""

    error: str
    error_description: str


class TokenRequest(TypedDict):
    """RFC 6749, 4.4, and RFC 7523. A client authenticates by `private_key_jwt`; a person acts
    through a client of their agency by an assertion of their own; an auditor by that alone.
    """

    grant_type: Literal["client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"]
    client_id: NotRequired[str | None]
    client_assertion_type: NotRequired[
        Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"] | None
    ]
    client_assertion: NotRequired[str | None]
    assertion: NotRequired[str | None]
    scope: NotRequired[str | None]
    client_secret: NotRequired[str | None]


class TypeUsed(TypedDict):
    """What its members say."""

    code: str
    version: int
    name: dict[str, str]


class UploadSignature(TypedDict):
    """What its members say."""

    kind: str
    signer: str | None
    issuer: str | None
    authority: str | None
    integrity: str
    coverage: str
    revision: int | None
    at: str | None
    proven: bool
    level: str | None
    indication: str
    sub_indication: str | None


class UseBody(TypedDict):
    """What the licence's holder has shown (`lookup_code`), and for which matter and why it is
    used: the holder sees that.
    """

    lookup_code: str
    matter_code: str
    case_number: str
    reason: str
    legal_basis: str
    operator: NotRequired[str | None]


class UsePage(TypedDict):
    """What its members say."""

    seal: str
    uses: list[UseShown]
    next: NotRequired[str | None]


class UseShown(TypedDict):
    """What its members say."""

    id: str
    begun_at: str
    ended_at: str | None
    state: Literal["begun", "applied", "void"]
    seal_edition: int
    licence: str | None
    copy: str | None
    type: str
    document_sha256: str | None
    authorisation: str
    client: str
    client_name: str
    operator: str


Want = Literal["missing", "unsigned"]


class WantedShown(TypedDict):
    """What its members say."""

    code: str
    name: dict[str, str]


Who = Literal["applicant", "window", "handler", "approver", "system"]


class WholePackage(TypedDict):
    """What its members say."""

    package: str
    href: str
    number: str
    sequence: int
    fonds: str
    catalogue: str
    year: int
    identifier: str
    occasion: str
    retention: Literal["permanent", "30", "10"]
    retention_until: str | None
    state: Literal["numbered", "writing", "kept", "erasing", "disposed"]
    size: int | None
    sha256: str | None
    kept_at: str | None
    passed_on: PassedOn | None
    copies: list[PackageCopy]
    checks: list[PackageCheck]
    time_stamped_at: list[str]
    arrived_from: ArrivedFrom | None


class WholeSeal(TypedDict):
    """What its members say."""

    code: str
    agency: str
    kind: SealKind
    name: str
    state: Literal["approved", "made", "filed", "active", "suspended", "cancelled"]
    state_version: int
    compromised_since: str | None
    history: list[SealStateShown]
    editions: list[SealEditionShown]
    shown_in: SealShownIn
    authorisations: list[AuthorisationShown]


class WithdrawalBody(TypedDict):
    """What its members say."""

    legal_basis: str
    reason_code: str
    operator: NotRequired[str | None]


class WithdrawnChange(TypedDict):
    """What its members say."""

    withdrawn: PlannedChange
    dry_run: NotRequired[Literal[True] | None]


News = LicencePayload | BatchPayload | NoticePayload


class ApiError(Exception):
    """The service refused: `status` is HTTP's, `problem` its problem document (RFC 9457), `kind` the last
    part of its type. The same request under `idempotency_key` is asked again safely.
    """

    kind: ClassVar[str] = ""

    def __init__(
        self, status: int, problem: Problem, *, retry_after: float | None, idempotency_key: str | None
    ) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'refused'}")
        self.status = status
        self.problem = problem
        self.reason = problem.get("reason")
        self.retry_after = retry_after
        self.idempotency_key = idempotency_key


class ConflictError(ApiError):
    """Nothing is wrong with the request; the present state does not permit it."""

    kind = "conflict"


class ForbiddenError(ApiError):
    """It is known who you are, and this is not yours to do."""

    kind = "forbidden"


class IdempotencyKeyReusedError(ApiError):
    """This Idempotency-Key came with another body before."""

    kind = "idempotency-key-reused"


class InProgressError(ApiError):
    """A request with the same Idempotency-Key is being served now."""

    kind = "in-progress"


class InternalErrorError(ApiError):
    """The service failed in a way that was not expected. It is counted and logged."""

    kind = "internal-error"


class InvalidError(ApiError):
    """The request was read, and something it says breaks a rule: `errors` names each."""

    kind = "invalid"


class KeyUseRefusedError(ApiError):
    """Who holds the key does not sign this."""

    kind = "key-use-refused"


class MalformedError(ApiError):
    """The request cannot be read."""

    kind = "malformed"


class NotFoundError(ApiError):
    """There is no such thing here, or it is not yours to see."""

    kind = "not-found"


class TooLargeError(ApiError):
    """The request is larger than is read here."""

    kind = "too-large"


class TooManyRequestsError(ApiError):
    """You have asked more often, or for more, than is permitted."""

    kind = "too-many-requests"


class UnauthenticatedError(ApiError):
    """There is no credential, or it is not known or has lapsed."""

    kind = "unauthenticated"


class UnavailableError(ApiError):
    """Part of the service is out, which says nothing about what was asked."""

    kind = "unavailable"


class UnsupportedMediaTypeError(ApiError):
    """This media type or content encoding is not read here."""

    kind = "unsupported-media-type"


KINDS: dict[str, type[ApiError]] = {one.kind: one for one in ApiError.__subclasses__()}


class NoAnswerError(Exception):
    """No whole answer came. Whether the request was served is not known: ask again, under the same key."""

    def __init__(self, words: str, idempotency_key: str | None) -> None:
        super().__init__(words)
        self.idempotency_key = idempotency_key


class NotModified(Exception):  # noqa: N818  (it is no error)
    """What was read before is what there is."""


class TokenRefusedError(Exception):
    """No token was given (RFC 6749, 5.2)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error


class WebhookRefusedError(Exception):
    """It is not signed, or not now, by any of the secrets: answer 401, and forget what it says."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What was answered; `headers` by names in lower case."""

    status: int
    body: T
    headers: Mapping[str, str] = field(repr=False)

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")

    @property
    def replayed(self) -> bool:
        """Whether this very request had been answered before."""
        return self.headers.get("idempotency-replayed") == "true"

    @property
    def location(self) -> str | None:
        return self.headers.get("location")


Key = Mapping[str, Any] | Callable[[bytes], bytes]
"""A private JWK on P-256, or whatever makes an ES256 signature (r and s, 64 octets) of octets."""


@dataclass(frozen=True)
class Credential:
    """Who asks: a client by its key (in a demonstration, its secret), and a person who acts through it."""

    client_id: str | None = None
    client_key: Key | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    person_id: str | None = None
    person_key: Key | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Credential:
        """From the file that `vermilion credential file` makes. Raises OSError, ValueError."""
        value = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(**{name: value.get(name) for name in cls.__dataclass_fields__})


def new_key() -> str:
    """An Idempotency-Key that nobody has used."""
    return str(uuid.uuid4())


def read_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Iterable[str],
    *,
    now: float | None = None,
    tolerance: float = 300,
) -> News:
    """What a webhook says that is signed by one of the endpoint's secrets (Standard Webhooks 1.0.0).

    It may come again, and later than a newer one: whoever has seen its `event` takes it for done, and
    `status_version` says which is newer. Raises WebhookRefusedError.
    """
    found = {name.lower(): value for name, value in headers.items()}
    event, sent = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    if not sent.isascii() or not sent.isdigit() or len(sent) > 12:
        raise WebhookRefusedError("no time")
    if abs((time.time() if now is None else now) - int(sent)) > tolerance:
        raise WebhookRefusedError("not of now")
    signed = f"{event}.{sent}.".encode() + body
    given = [part.removeprefix("v1,") for part in found.get("webhook-signature", "").split()]
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given):
            news: Any = json.loads(body)
            return news  # type: ignore[no-any-return]
    raise WebhookRefusedError("signed by none of the secrets")


def _assertion(key: Key, subject: str, audience: str) -> str:
    """A JWT that serves once, within a minute."""
    now = int(time.time())
    claims = {"iss": subject, "sub": subject, "aud": audience, "iat": now, "exp": now + 60, "jti": new_key()}
    text = ".".join(
        _base64url(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, claims)
    )
    signature = key(text.encode()) if callable(key) else _es256(key, text.encode())
    return f"{text}.{_base64url(signature)}"


def _es256(jwk: Mapping[str, Any], data: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    padded = str(jwk["d"]) + "=" * (-len(str(jwk["d"])) % 4)
    number = int.from_bytes(base64.urlsafe_b64decode(padded), "big")
    key = ec.derive_private_key(number, ec.SECP256R1())
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _part(text: str) -> str:
    """A variable of a path. It is a part and no way to another place."""
    if text in {"", ".", ".."}:
        raise ValueError("this is no part of a path")
    return urllib.parse.quote(text, safe="")


def _query(members: Mapping[str, Any]) -> str:
    said = {name: "1" if value is True else value for name, value in members.items() if _is_said(value)}
    return f"?{urllib.parse.urlencode(said)}" if said else ""


def _is_said(value: object) -> bool:
    return value is not None and value is not False


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _lines(value: Iterable[Mapping[str, Any]] | bytes) -> bytes:
    return value if isinstance(value, bytes) else b"".join(_json(one) + b"\n" for one in value)


def _read(data: bytes, accept: str, *, binary: bool) -> Any:
    if binary:
        return data
    if accept != JSON:
        return data.decode()
    return json.loads(data) if data else None


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}


def _refused(status: int, headers: Mapping[str, str], data: bytes, key: str | None) -> ApiError:
    told: Any = _object(data) if "json" in headers.get("content-type", "") else {}
    told = {"type": "about:blank", "title": "refused", "status": status, **told}
    kind = KINDS.get(str(told["type"]).rpartition("/")[2], ApiError)
    return kind(status, told, retry_after=_seconds(headers.get("retry-after", "")), idempotency_key=key)


def _passes(error: ApiError) -> bool:
    """Whether the very request may well be served a little later."""
    return error.status in (502, 503, 504) or (error.status == 409 and error.retry_after is not None)


def _seconds(text: str) -> float | None:
    """Of a Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


class _EveryAnswer(urllib.request.HTTPErrorProcessor):
    """Each status is an answer. A redirect too: a token is sent to the origin that it is meant for alone."""

    def http_response(self, request: Any, response: Any) -> Any:  # noqa: ARG002
        return response

    https_response = http_response


class Client:
    """The agency API at `origin`, such as "https://api.example".

    `audience`: what tokens are asked of, where the service is called otherwise there than here. `tls`: whom
    to trust, and a client's certificate. `timeout`: seconds for an answer; `attempts` and `patience`: how
    often, and for how many seconds, a request is repeated.
    """

    def __init__(
        self,
        origin: str,
        credential: Credential | None = None,
        *,
        audience: str | None = None,
        timeout: float = 30.0,
        attempts: int = 6,
        patience: float = 120.0,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not origin.startswith(("https://", "http://")):
            raise ValueError("an origin begins with https:// or http://")
        self._origin = origin.rstrip("/")
        self._credential = credential or Credential()
        self._audience = audience or f"{self._origin}/oauth2/token"
        self._timeout, self._attempts, self._patience, self._sleep = timeout, attempts, patience, sleep
        secure = urllib.request.HTTPSHandler(context=tls)
        self._opener = urllib.request.build_opener(_EveryAnswer, secure)
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        media: str = JSON,
        accept: str = JSON,
        binary: bool = False,
        key: str | None = None,
        etag: str | None = None,
        more: Mapping[str, str | None] | None = None,
        open_to_all: bool = False,
    ) -> Answer[Any]:
        """Raises ApiError, NoAnswerError, NotModified, TokenRefusedError."""
        headers = {name: value for name, value in (more or {}).items() if value is not None}
        headers["Accept"] = f"{accept}, application/problem+json"
        if body is not None:
            headers["Content-Type"] = media
        if key is not None:
            headers["Idempotency-Key"] = key
        if etag is not None:
            headers["If-None-Match"] = etag
        url = self._origin + path + _query(query or {})
        may_repeat = method == "GET" or key is not None
        until, attempt, renewed = time.monotonic() + self._patience, 0, False
        while True:
            attempt += 1
            failure: ApiError | NoAnswerError
            try:
                token = None if open_to_all else self._bearer()
                if token is not None:
                    headers["Authorization"] = f"Bearer {token}"
                status, received, data = self._once(method, url, headers, body)
            except NoAnswerError as error:
                failure = NoAnswerError(str(error), key)
                again = may_repeat
            else:
                if 200 <= status < 300:
                    return Answer(status, _read(data, accept, binary=binary), received)
                if status == 304:
                    raise NotModified
                failure = _refused(status, received, data, key)
                if status == 401 and token is not None and not renewed:
                    renewed = True
                    self._forget(token)
                    continue
                again = status == 429 or (may_repeat and _passes(failure))
            wait = getattr(failure, "retry_after", None)
            if wait is None:
                wait = min(0.5 * 2**attempt, 20) * random.uniform(0.5, 1)  # noqa: S311  (not at one moment)
            if not again or attempt >= self._attempts or time.monotonic() + wait > until:
                raise failure
            self._sleep(wait)

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(url, body, dict(headers), method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                data: bytes = response.read(MAX_ANSWER + 1)
                received = {name.lower(): value for name, value in response.headers.items()}
                if len(data) > MAX_ANSWER or response.length:
                    raise NoAnswerError("the answer is cut, or too long", None)
                return response.status, received, data
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(f"no answer: {type(error).__name__}", None) from error

    def _pages(self, page: Answer[Any], listed: str) -> Iterator[Any]:
        while True:
            yield from page.body[listed]
            following = page.body.get("next")
            if following is None:
                return
            if not following.startswith("/"):
                raise ValueError("the next page is not this service's")
            page = self._ask("GET", following)

    # --- who asks

    def _bearer(self) -> str | None:
        who = self._credential
        if who.client_id is None and who.person_id is None:
            return None
        with self._lock:
            if time.monotonic() >= self._until:
                self._token, life = self._new_token()
                self._until = time.monotonic() + life - 30
            return self._token

    def _forget(self, token: str) -> None:
        with self._lock:
            if token == self._token:
                self._until = 0.0

    def _new_token(self) -> tuple[str, float]:
        """By private_key_jwt (RFC 7523, 2.2); a person's own assertion is the grant (2.1)."""
        who = self._credential
        form = {"grant_type": "client_credentials"}
        if who.client_id is not None:
            form["client_id"] = who.client_id
            if who.client_key is not None:
                form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                form["client_assertion"] = _assertion(who.client_key, who.client_id, self._audience)
            elif who.client_secret is not None:
                form["client_secret"] = who.client_secret
        if who.person_id is not None and who.person_key is not None:
            form["grant_type"] = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            form["assertion"] = _assertion(who.person_key, who.person_id, self._audience)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": JSON}
        body = urllib.parse.urlencode(form).encode()
        status, received, data = self._once("POST", f"{self._origin}/oauth2/token", headers, body)
        told = _object(data)
        if status == 200 and isinstance(told.get("access_token"), str):
            return told["access_token"], float(told.get("expires_in", 60))
        if status in (400, 401) and "error" in told:
            raise TokenRefusedError(str(told["error"]), str(told.get("error_description", "")))
        raise _refused(status, received, data, None)

    # --- an operation each

    def read_trust_list(self) -> Answer[str]:
        """The signed trust list."""
        return self._ask(
            "GET", "/.well-known/elicence/trust-list", accept="application/jose", open_to_all=True
        )

    def who_am_i(self) -> Answer[Self]:
        """Whom the token stands for."""
        return self._ask("GET", "/api/v1/agencies/self")

    def list_approvals(self, *, after: str | None = None) -> Answer[ApprovalPage]:
        """What waits for an approver.

        What is asked about seals and nobody has decided, what ends first coming first; not
        what the approver asked for.

        A person who acts has the role `approver`. Approvers and makers are people of a seal
        authority.
        """
        return self._ask("GET", "/api/v1/approvals", query={"after": after})

    def list_approvals_all(self) -> Iterator[ApprovalShown]:
        """What `list_approvals` lists, page after page."""
        yield from self._pages(self.list_approvals(), "approvals")

    def read_approval(self, approval_id: str, *, if_none_match: str | None = None) -> Answer[ApprovalShown]:
        """What was asked about a seal.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/approvals/{_part(approval_id)}", etag=if_none_match)

    def decide_change(
        self, approval_id: str, request: DecisionBody, *, idempotency_key: str | None = None
    ) -> Answer[ChangeDecided]:
        """Agree to what was asked about a seal, or refuse.

        A person who acts has the role `approver`. Approvers and makers are people of a seal
        authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/approvals/{_part(approval_id)}/decision",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def find_packages(
        self,
        *,
        number: str | None = None,
        identifier: str | None = None,
        catalogue: str | None = None,
        year: int | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Answer[PackagePage]:
        """Packages of the agency in the archive.

        The newest years first. The register does not say what is in a package: no personal
        data is here.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "GET",
            "/api/v1/archive/packages",
            query={
                "number": number,
                "identifier": identifier,
                "catalogue": catalogue,
                "year": year,
                "limit": limit,
                "after": after,
            },
        )

    def find_packages_all(
        self,
        *,
        number: str | None = None,
        identifier: str | None = None,
        catalogue: str | None = None,
        year: int | None = None,
        limit: int | None = None,
    ) -> Iterator[PackageShown]:
        """What `find_packages` lists, page after page."""
        yield from self._pages(
            self.find_packages(
                number=number, identifier=identifier, catalogue=catalogue, year=year, limit=limit
            ),
            "packages",
        )

    def read_package(self, package_id: str) -> Answer[WholePackage]:
        """A package with its checks and copies.

        Its entry of the register: every item of its four-nature checks, its copies and when
        each was last read whole, its time-stamps, where it came from and went to.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("GET", f"/api/v1/archive/packages/{_part(package_id)}")

    def read_archive_statistics(self) -> Answer[ArchiveStatistics]:
        """Figures of the agency's archive.

        By fonds, year and retention; copies by store; checks that did not pass; what went to
        another archive; and what waits to be archived.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("GET", "/api/v1/archive/statistics")

    def read_audit(
        self,
        ledger: str,
        *,
        since: str | None = None,
        until: str | None = None,
        actor: str | None = None,
        kind: str | None = None,
        after: str | None = None,
    ) -> Answer[AuditPage]:
        """Events, refusals, uses of keys and of seals.

        A page, as JSON, or as NDJSON whose last line is a trailer; both say where the next
        page begins.

        An auditor, by a token of their own.
        """
        return self._ask(
            "GET",
            f"/api/v1/audit/{_part(ledger)}",
            query={"since": since, "until": until, "actor": actor, "kind": kind, "after": after},
        )

    def read_audit_all(
        self,
        ledger: str,
        *,
        since: str | None = None,
        until: str | None = None,
        actor: str | None = None,
        kind: str | None = None,
    ) -> Iterator[EventLine | KeyUseLine | KeyUseBlockLine | SealUseLine]:
        """What `read_audit` lists, page after page."""
        yield from self._pages(
            self.read_audit(ledger, since=since, until=until, actor=actor, kind=kind), "lines"
        )

    def read_audit_lines(
        self,
        ledger: str,
        *,
        since: str | None = None,
        until: str | None = None,
        actor: str | None = None,
        kind: str | None = None,
        after: str | None = None,
    ) -> Answer[str]:
        """Events, refusals, uses of keys and of seals.

        A page, as JSON, or as NDJSON whose last line is a trailer; both say where the next
        page begins.

        An auditor, by a token of their own.
        """
        return self._ask(
            "GET",
            f"/api/v1/audit/{_part(ledger)}",
            query={"since": since, "until": until, "actor": actor, "kind": kind, "after": after},
            accept="application/x-ndjson",
        )

    def send_batch(
        self,
        request: Iterable[Mapping[str, Any]] | bytes,
        *,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Answer[BatchShown]:
        """Send a batch.

        202 with the batch, on a replay too, which says `Idempotency-Replayed: true`.

        The body is NDJSON, or CSV with a header: each line is what `POST /api/v1/licences`
        takes. With `dry_run=1` the lines are checked and nothing is issued.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            "/api/v1/batches",
            query={"dry_run": dry_run},
            body=_lines(request),
            media="application/x-ndjson",
            key=idempotency_key or new_key(),
        )

    def send_batch_csv(
        self, request: bytes, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Answer[BatchShown]:
        """Send a batch.

        202 with the batch, on a replay too, which says `Idempotency-Replayed: true`.

        The body is NDJSON, or CSV with a header: each line is what `POST /api/v1/licences`
        takes. With `dry_run=1` the lines are checked and nothing is issued.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            "/api/v1/batches",
            query={"dry_run": dry_run},
            body=request,
            media="text/csv",
            key=idempotency_key or new_key(),
        )

    def list_batches(
        self,
        *,
        after: str | None = None,
        state: Literal["checking", "refused", "checked", "issuing", "cancelling", "cancelled", "done"]
        | None = None,
    ) -> Answer[BatchPage]:
        """The agency's batches.

        The newest first, in pages of 100; `state` picks one. How far each is, it says itself.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("GET", "/api/v1/batches", query={"after": after, "state": state})

    def list_batches_all(
        self,
        *,
        state: Literal["checking", "refused", "checked", "issuing", "cancelling", "cancelled", "done"]
        | None = None,
    ) -> Iterator[BatchListed]:
        """What `list_batches` lists, page after page."""
        yield from self._pages(self.list_batches(state=state), "batches")

    def read_batch(self, batch_id: str, *, if_none_match: str | None = None) -> Answer[BatchShown]:
        """A batch.

        How far it is: lines by state.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/batches/{_part(batch_id)}", etag=if_none_match)

    def cancel_batch(
        self, batch_id: str, request: CancelBody, *, idempotency_key: str | None = None
    ) -> Answer[BatchShown]:
        """Cancel a batch.

        Lines that nobody has begun are not issued. The answer is the batch as it stands then.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/batches/{_part(batch_id)}/cancel",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_batch_documents(self, batch_id: str) -> Answer[bytes]:
        """The documents of a batch.

        A ZIP of the sealed originals, once the batch has come to its end:
        `<line>-<identifier>.pdf`. Their holders see that they were downloaded.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "GET", f"/api/v1/batches/{_part(batch_id)}/documents", accept="application/zip", binary=True
        )

    def read_batch_items(
        self,
        batch_id: str,
        *,
        after: int | None = None,
        state: Literal[
            "received",
            "checking",
            "refused",
            "checked",
            "waiting",
            "issuing",
            "issued",
            "failed",
            "cancelled",
        ]
        | None = None,
    ) -> Answer[BatchItemPage]:
        """The lines of a batch.

        What became of each line, in pages of 500; `state` picks one. A line that was refused
        or failed says what is wrong with it, never its values.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "GET", f"/api/v1/batches/{_part(batch_id)}/items", query={"after": after, "state": state}
        )

    def read_batch_items_all(
        self,
        batch_id: str,
        *,
        state: Literal[
            "received",
            "checking",
            "refused",
            "checked",
            "waiting",
            "issuing",
            "issued",
            "failed",
            "cancelled",
        ]
        | None = None,
    ) -> Iterator[BatchItemShown]:
        """What `read_batch_items` lists, page after page."""
        yield from self._pages(self.read_batch_items(batch_id, state=state), "items")

    def file_case(self, request: CaseBody, *, idempotency_key: str | None = None) -> Answer[CaseFiled]:
        """File an application.

        As a draft, or with the applicant's declaration as a submission, which has a number
        and a code by which the applicant follows it. The code is told here, and again to the
        very same request.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("POST", "/api/v1/cases", body=_json(request), key=idempotency_key or new_key())

    def list_cases(
        self,
        *,
        after: str | None = None,
        state: Literal[
            "draft",
            "submitted",
            "received",
            "correction",
            "accepted",
            "not_accepted",
            "returned",
            "handling",
            "suspended",
            "permitted",
            "refused",
            "terminated",
            "withdrawn",
            "done",
            "archived",
            "lapsed",
        ]
        | None = None,
        due: Literal["today", "overdue"] | None = None,
    ) -> Answer[CasePage]:
        """The agency's cases.

        The newest first, or by when they are due; in pages of 100.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.
        """
        return self._ask("GET", "/api/v1/cases", query={"after": after, "state": state, "due": due})

    def list_cases_all(
        self,
        *,
        state: Literal[
            "draft",
            "submitted",
            "received",
            "correction",
            "accepted",
            "not_accepted",
            "returned",
            "handling",
            "suspended",
            "permitted",
            "refused",
            "terminated",
            "withdrawn",
            "done",
            "archived",
            "lapsed",
        ]
        | None = None,
        due: Literal["today", "overdue"] | None = None,
    ) -> Iterator[CaseListed]:
        """What `list_cases` lists, page after page."""
        yield from self._pages(self.list_cases(state=state, due=due), "cases")

    def read_case(self, case_id: str, *, if_none_match: str | None = None) -> Answer[CaseShown]:
        """A case.

        The application, every step with who, when and why, the clocks, and what became of its
        licence.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/cases/{_part(case_id)}", etag=if_none_match)

    def redraw_case(
        self, case_id: str, request: DraftBody, *, idempotency_key: str | None = None
    ) -> Answer[CaseShown]:
        """Change a draft.

        What is sent takes the place of the draft's contents; what was submitted is changed by
        no such way.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/cases/{_part(case_id)}/application",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def decide_case(
        self, case_id: str, request: CaseDecisionBody, *, idempotency_key: str | None = None
    ) -> Answer[CaseShown]:
        """Decide a case.

        By a person who decides and has not handled it. With a permission the licence is
        ordered, once: it is issued at once, and the case is done when it is.

        A person who acts has the role `decider`.
        """
        return self._ask(
            "POST",
            f"/api/v1/cases/{_part(case_id)}/decisions",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def make_form(
        self, case_id: str, request: FormBody, *, idempotency_key: str | None = None
    ) -> Answer[FormShown]:
        """Make the application's form.

        A PDF of what the application says now, with the declaration of truth: to be confirmed
        by its digest, or signed. The same application has the same form.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/cases/{_part(case_id)}/form",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_form(self, case_id: str, *, if_none_match: str | None = None) -> Answer[FormShown]:
        """The application's form.

        Whether it was confirmed or signed, and whether it says what the application says.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/cases/{_part(case_id)}/form", etag=if_none_match)

    def confirm_form(
        self, case_id: str, request: ConfirmationBody, *, idempotency_key: str | None = None
    ) -> Answer[FormShown]:
        """Confirm the application's form.

        By an applicant who has no signature tool. It stands for the declaration, as long as
        the application is not changed.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/cases/{_part(case_id)}/form/confirmation",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def sign_form(self, case_id: str, request: bytes, *, operator: str | None = None) -> Answer[FormShown]:
        """Bring the form, signed.

        The form as it was made, and behind it the applicant's signature. It stands for the
        declaration where that signature is the applicant's; whose it is, the answer says.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "PUT",
            f"/api/v1/cases/{_part(case_id)}/form/signature",
            body=request,
            media="application/pdf",
            more={"Operator": operator},
        )

    def order_case_licence(
        self, case_id: str, request: AnewBody, *, idempotency_key: str | None = None
    ) -> Answer[CaseShown]:
        """Order a case's licence anew.

        After it was refused: the case is permitted still, and what the decision said of the
        licence is put right.

        A person who acts has the role `decider`.
        """
        return self._ask(
            "POST",
            f"/api/v1/cases/{_part(case_id)}/licence",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_materials(
        self, case_id: str, *, if_none_match: str | None = None
    ) -> Answer[MaterialVersionList]:
        """The materials of a case.

        Every file that was supplied, those that were replaced too.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/cases/{_part(case_id)}/materials", etag=if_none_match)

    def supply_material(
        self, case_id: str, material_code: str, request: bytes, *, operator: str | None = None
    ) -> Answer[MaterialVersionShown]:
        """Supply a material.

        While the application is a draft or is being corrected. The file is examined at once:
        what is no such file, is encrypted, or does more than show itself is refused; the
        answer tells who signed a PDF, and whether that is the applicant. What it takes the
        place of stays on record.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "PUT",
            f"/api/v1/cases/{_part(case_id)}/materials/{_part(material_code)}",
            body=request,
            media="application/pdf",
            more={"Operator": operator},
        )

    def supply_material_jpeg(
        self, case_id: str, material_code: str, request: bytes, *, operator: str | None = None
    ) -> Answer[MaterialVersionShown]:
        """Supply a material.

        While the application is a draft or is being corrected. The file is examined at once:
        what is no such file, is encrypted, or does more than show itself is refused; the
        answer tells who signed a PDF, and whether that is the applicant. What it takes the
        place of stays on record.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "PUT",
            f"/api/v1/cases/{_part(case_id)}/materials/{_part(material_code)}",
            body=request,
            media="image/jpeg",
            more={"Operator": operator},
        )

    def supply_material_png(
        self, case_id: str, material_code: str, request: bytes, *, operator: str | None = None
    ) -> Answer[MaterialVersionShown]:
        """Supply a material.

        While the application is a draft or is being corrected. The file is examined at once:
        what is no such file, is encrypted, or does more than show itself is refused; the
        answer tells who signed a PDF, and whether that is the applicant. What it takes the
        place of stays on record.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "PUT",
            f"/api/v1/cases/{_part(case_id)}/materials/{_part(material_code)}",
            body=request,
            media="image/png",
            more={"Operator": operator},
        )

    def read_material(
        self, case_id: str, material_code: str, version: str, *, if_none_match: str | None = None
    ) -> Answer[bytes]:
        """A material's file.

        As it was supplied.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/cases/{_part(case_id)}/materials/{_part(material_code)}/{_part(version)}",
            accept="application/pdf",
            binary=True,
            etag=if_none_match,
        )

    def read_material_jpeg(
        self, case_id: str, material_code: str, version: str, *, if_none_match: str | None = None
    ) -> Answer[bytes]:
        """A material's file.

        As it was supplied.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/cases/{_part(case_id)}/materials/{_part(material_code)}/{_part(version)}",
            accept="image/jpeg",
            binary=True,
            etag=if_none_match,
        )

    def read_material_png(
        self, case_id: str, material_code: str, version: str, *, if_none_match: str | None = None
    ) -> Answer[bytes]:
        """A material's file.

        As it was supplied.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/cases/{_part(case_id)}/materials/{_part(material_code)}/{_part(version)}",
            accept="image/png",
            binary=True,
            etag=if_none_match,
        )

    def look_again(
        self, case_id: str, request: LookAgainBody, *, idempotency_key: str | None = None
    ) -> Answer[CaseRetrievals]:
        """Look again for what was not found.

        At once, in the background: sources that were out, and those that had nothing.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/cases/{_part(case_id)}/retrievals",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_retrievals(self, case_id: str) -> Answer[CaseRetrievals]:
        """What was looked for, for a case.

        Each required material that somebody else may have is looked for when an application
        comes, before the applicant is asked: among licences, then in data exchange.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.
        """
        return self._ask("GET", f"/api/v1/cases/{_part(case_id)}/retrievals")

    def step_case(
        self, case_id: str, request: CaseStepBody, *, idempotency_key: str | None = None
    ) -> Answer[CaseFiled]:
        """Take a step of a case.

        The window's, the handler's, and what the applicant did. What the state does not
        permit is refused, and whatever step lacks what the law has it say.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/cases/{_part(case_id)}/steps",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_case_tasks(self, case_id: str) -> Answer[TaskPage]:
        """The differences of a case.

        Where the application and what was retrieved say different things. A case with an open
        one is not permitted.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.
        """
        return self._ask("GET", f"/api/v1/cases/{_part(case_id)}/tasks")

    def list_case_tasks_all(self, case_id: str) -> Iterator[TaskShown]:
        """What `list_case_tasks` lists, page after page."""
        yield from self._pages(self.list_case_tasks(case_id), "tasks")

    def find_licences(
        self,
        *,
        type: str | None = None,
        number: str | None = None,
        holder: str | None = None,
        status: Literal["in_force", "suspended", "ended"] | None = None,
        registered_from: str | None = None,
        registered_to: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Answer[LicencePage]:
        """Licences of the agency.

        A page of licences, newest registration first; `next` leads to the one after it, if
        there is one.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "GET",
            "/api/v1/licences",
            query={
                "type": type,
                "number": number,
                "holder": holder,
                "status": status,
                "registered_from": registered_from,
                "registered_to": registered_to,
                "limit": limit,
                "after": after,
            },
        )

    def find_licences_all(
        self,
        *,
        type: str | None = None,
        number: str | None = None,
        holder: str | None = None,
        status: Literal["in_force", "suspended", "ended"] | None = None,
        registered_from: str | None = None,
        registered_to: str | None = None,
        limit: int | None = None,
    ) -> Iterator[LicenceSummary]:
        """What `find_licences` lists, page after page."""
        yield from self._pages(
            self.find_licences(
                type=type,
                number=number,
                holder=holder,
                status=status,
                registered_from=registered_from,
                registered_to=registered_to,
                limit=limit,
            ),
            "licences",
        )

    def issue_licence(
        self, request: IssueBody, *, dry_run: bool = False, idempotency_key: str | None = None
    ) -> Answer[LicencePreview | LicenceIssued]:
        """Issue a licence.

        201 with the licence, on a replay too, which says `Idempotency-Replayed: true`; 200
        for a dry run.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            "/api/v1/licences",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_licence(self, identifier: str, *, if_none_match: str | None = None) -> Answer[LicenceShown]:
        """A licence's status and record.

        Status and record; link and look-up code are the holder's and are not told again.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/licences/{_part(identifier)}", etag=if_none_match)

    def read_licence_all(self, identifier: str) -> Iterator[PlannedChange]:
        """What `read_licence` lists, page after page."""
        yield from self._pages(self.read_licence(identifier), "scheduled")

    def amend_licence(
        self,
        identifier: str,
        request: ChangedFieldsBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicencePreview | LicenceIssued]:
        """Amend a licence 变更.

        变更: the next edition says something else.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/amendment",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def copy_licence(
        self, identifier: str, request: CopyBody, *, dry_run: bool = False, idempotency_key: str | None = None
    ) -> Answer[CopyPreview | CopyMade]:
        """Make an annotated copy 加注件.

        A copy of a licence in force, for one purpose and recipient, until a day: a document
        of its own, with a watermark that names all three, sealed and checked by itself.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/copies",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def find_copies(self, identifier: str, *, after: str | None = None) -> Answer[CopyPage]:
        """Annotated copies of a licence.

        The copies of an edition, the newest first, expired and withdrawn ones too.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("GET", f"/api/v1/licences/{_part(identifier)}/copies", query={"after": after})

    def find_copies_all(self, identifier: str) -> Iterator[CopyShown]:
        """What `find_copies` lists, page after page."""
        yield from self._pages(self.find_copies(identifier), "copies")

    def read_copy(
        self, identifier: str, copy_id: str, *, if_none_match: str | None = None
    ) -> Answer[CopyShown]:
        """An annotated copy.

        Link and look-up code are the recipient's and are not told again.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET", f"/api/v1/licences/{_part(identifier)}/copies/{_part(copy_id)}", etag=if_none_match
        )

    def read_copy_document(
        self, identifier: str, copy_id: str, *, if_none_match: str | None = None
    ) -> Answer[bytes]:
        """An annotated copy's document.

        The registered bytes, whatever became of the copy since.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/licences/{_part(identifier)}/copies/{_part(copy_id)}/document",
            accept="application/pdf",
            binary=True,
            etag=if_none_match,
        )

    def withdraw_copy(
        self, identifier: str, copy_id: str, request: WithdrawalBody, *, idempotency_key: str | None = None
    ) -> Answer[CopyShown]:
        """Withdraw an annotated copy.

        At once and for good: whoever checks the copy is told. The licence stays what it is.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/copies/{_part(copy_id)}/withdrawal",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def correct_licence(
        self,
        identifier: str,
        request: ChangedFieldsBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicencePreview | LicenceIssued]:
        """Correct a licence 纠错.

        纠错: the next edition says what this one should have said.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/correction",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_document(self, identifier: str, *, if_none_match: str | None = None) -> Answer[bytes]:
        """A licence's document.

        The registered bytes; the newest form where archival time-stamps were appended. The
        holder sees that the document was downloaded.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/licences/{_part(identifier)}/document",
            accept="application/pdf",
            binary=True,
            etag=if_none_match,
        )

    def end_licence(
        self,
        identifier: str,
        request: EndingBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicenceStatusShown | Scheduled]:
        """End a licence 吊销 撤销 撤回 注销.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/ending",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_history(self, identifier: str, *, if_none_match: str | None = None) -> Answer[LicenceHistory]:
        """A licence's history.

        Every event of every edition of the licence, as recorded: nothing is ever taken out.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/licences/{_part(identifier)}/history", etag=if_none_match)

    def inspect_licence(
        self,
        identifier: str,
        request: InspectionBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicenceStatusShown]:
        """Record an annual inspection 年检.

        An annual inspection 年检 is put on record; the status stays what it is.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/inspection",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def make_pick_up(
        self, identifier: str, request: PickUpBody, *, idempotency_key: str | None = None
    ) -> Answer[PickUpMade]:
        """Give the holder a link to their document.

        It gives the document to whoever uses it first, and to nobody after, for as long as
        the licence is in force and `hours` have not passed. To whom it was sent is erased
        once it is handed over. Where the agency hands it over by itself the link is told in
        this answer, and for an hour again to the very same request.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/pick-ups",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_pick_ups(self, identifier: str, *, after: str | None = None) -> Answer[PickUpPage]:
        """The links of a licence.

        Of this edition, the newest first, in pages of 100. Those that were over for 90 days
        are on record no more.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("GET", f"/api/v1/licences/{_part(identifier)}/pick-ups", query={"after": after})

    def list_pick_ups_all(self, identifier: str) -> Iterator[PickUpShown]:
        """What `list_pick_ups` lists, page after page."""
        yield from self._pages(self.list_pick_ups(identifier), "pick_ups")

    def read_pick_up(
        self, identifier: str, pick_up_id: str, *, if_none_match: str | None = None
    ) -> Answer[PickUpShown]:
        """A link of a licence.

        Whether it was used, and what became of the message that carries it.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET", f"/api/v1/licences/{_part(identifier)}/pick-ups/{_part(pick_up_id)}", etag=if_none_match
        )

    def withdraw_pick_up(
        self, identifier: str, pick_up_id: str, request: WithdrawalBody, *, idempotency_key: str | None = None
    ) -> Answer[PickUpShown]:
        """Withdraw a link.

        From now on it gives nothing. The same again changes nothing, nor does it of one that
        was used.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/pick-ups/{_part(pick_up_id)}/withdrawal",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def present_licence(
        self, identifier: str, request: PresentationBody, *, idempotency_key: str | None = None
    ) -> Answer[PresentationMade]:
        """Show a licence on its holder's screen 亮证.

        A code for 60 to 120 seconds, which is checked online alone: a picture of it is worth
        nothing once it is over. A licence has one at a time; a new one ends the one before.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/presentations",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def renew_licence(
        self,
        identifier: str,
        request: ChangedFieldsBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicencePreview | LicenceIssued]:
        """Renew a licence 延续.

        延续: the next edition is valid for longer.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/renewal",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def replace_licence(
        self,
        identifier: str,
        request: NextEditionBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicencePreview | LicenceIssued]:
        """Replace a licence that was lost 补发.

        补发: the next edition says the same, for one that was lost.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/replacement",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def resume_licence(
        self,
        identifier: str,
        request: ChangeBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicenceStatusShown | Scheduled]:
        """Put a suspended licence in force again.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/resumption",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def withdraw_scheduled(
        self,
        identifier: str,
        scheduled: str,
        request: ChangeBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[WithdrawnChange]:
        """Take back a change that waits for its day.

        A change that waits for its day is taken back.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/scheduled/{_part(scheduled)}/withdrawal",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_past_status(
        self, identifier: str, *, at: str, clock: Literal["effective", "recorded"]
    ) -> Answer[PastStatus]:
        """What a licence's status was.

        The status as of a past moment (`at`, RFC 3339), by the clock that is named:
        `effective` or `recorded`.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "GET", f"/api/v1/licences/{_part(identifier)}/status", query={"at": at, "clock": clock}
        )

    def suspend_licence(
        self,
        identifier: str,
        request: SuspensionBody,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Answer[LicenceStatusShown | Scheduled]:
        """Suspend a licence 暂扣 暂停.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/suspension",
            query={"dry_run": dry_run},
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def use_licence(
        self, identifier: str, request: UseBody, *, idempotency_key: str | None = None
    ) -> Answer[LicenceUsed]:
        """Use a licence in place of its paper.

        For a matter of the agency's, whichever agency issued it, by the look-up code that its
        holder has shown; its holder sees who used it, for what and why. Without the code
        nothing is told of it, and attempts are limited: an unknown licence, a wrong code and
        one attempt too many are answered alike.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/licences/{_part(identifier)}/uses",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_matters(self, *, after: str | None = None) -> Answer[MatterPage]:
        """The agency's matters.

        As they are handled today, by their codes, in pages of 100.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.
        """
        return self._ask("GET", "/api/v1/matters", query={"after": after})

    def list_matters_all(self) -> Iterator[MatterListed]:
        """What `list_matters` lists, page after page."""
        yield from self._pages(self.list_matters(), "matters")

    def read_matter(self, matter_code: str, *, if_none_match: str | None = None) -> Answer[MatterShown]:
        """The service guide of a matter.

        Of the agency's: conditions, materials, limits, fees, steps, result, form, and where
        to complain.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/matters/{_part(matter_code)}", etag=if_none_match)

    def list_matter_sources(
        self, matter_code: str, *, if_none_match: str | None = None
    ) -> Answer[MatterSources]:
        """What is looked for before it is asked for.

        The required materials of a matter that an applicant need not supply unless they are
        not found: which licence replaces each, and which data sets stand in for it, for what
        purpose.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/matters/{_part(matter_code)}/sources", etag=if_none_match)

    def read_figures(self, *, from_: str, to: str, after: str | None = None) -> Answer[FigurePage]:
        """Figures by agency and period.

        Sums alone, of every agency, in pages of 100 by their codes. What was recorded in the
        last seconds may not be counted yet, and checks are counted some minutes later.

        A person who acts has the role `supervisor`.
        """
        return self._ask("GET", "/api/v1/oversight", query={"from": from_, "to": to, "after": after})

    def read_figures_all(self, *, from_: str, to: str) -> Iterator[AgencyFigures]:
        """What `read_figures` lists, page after page."""
        yield from self._pages(self.read_figures(from_=from_, to=to), "agencies")

    def apply_for_seal(
        self, request: ApplicationBody, *, idempotency_key: str | None = None
    ) -> Answer[ApprovalShown]:
        """Apply for a seal 申请.

        A person who acts has the role `applicant`.
        """
        return self._ask(
            "POST", "/api/v1/seal-applications", body=_json(request), key=idempotency_key or new_key()
        )

    def read_application(
        self, approval_id: str, *, if_none_match: str | None = None
    ) -> Answer[ApprovalShown]:
        """An application for a seal edition.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/seal-applications/{_part(approval_id)}", etag=if_none_match)

    def decide_application(
        self, approval_id: str, request: DecisionBody, *, idempotency_key: str | None = None
    ) -> Answer[ApplicationDecided]:
        """Approve an application, or refuse it 审批.

        A person who acts has the role `approver`. Approvers and makers are people of a seal
        authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seal-applications/{_part(approval_id)}/approval",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_picture(self, approval_id: str, *, if_none_match: str | None = None) -> Answer[bytes]:
        """The picture that is applied for.

        The very picture that is to be approved and made: a one-page PDF, whose digest the
        payload names.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/seal-applications/{_part(approval_id)}/picture",
            accept="application/pdf",
            binary=True,
            etag=if_none_match,
        )

    def list_seals(
        self,
        *,
        after: str | None = None,
        state: Literal["approved", "made", "filed", "active", "suspended", "cancelled"] | None = None,
        agency: str | None = None,
    ) -> Answer[SealPage]:
        """Seals.

        The seals of the actor's agency, every agency's for a seal authority; paged by code.
        """
        return self._ask("GET", "/api/v1/seals", query={"after": after, "state": state, "agency": agency})

    def list_seals_all(
        self,
        *,
        state: Literal["approved", "made", "filed", "active", "suspended", "cancelled"] | None = None,
        agency: str | None = None,
    ) -> Iterator[SealShown]:
        """What `list_seals` lists, page after page."""
        yield from self._pages(self.list_seals(state=state, agency=agency), "seals")

    def read_seal(self, code: str, *, if_none_match: str | None = None) -> Answer[WholeSeal]:
        """A seal, its history, editions and authorisations.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/seals/{_part(code)}", etag=if_none_match)

    def activate_seal(
        self, code: str, request: StepBody, *, idempotency_key: str | None = None
    ) -> Answer[SealChanged]:
        """Put a seal into use 启用.

        A person who acts has the role `keeper`.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/activation",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def authorise_use(
        self, code: str, request: AuthorisationBody, *, idempotency_key: str | None = None
    ) -> Answer[AuthorisationShown]:
        """Permit a client to use a seal for a type.

        A person who acts has the role `keeper`.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/authorisations",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def delete_authorisation(self, code: str, authorisation_id: str) -> Answer[AuthorisationShown]:
        """End an authorisation.

        As `withdrawAuthorisation`.

        A person who acts has the role `keeper`.
        """
        return self._ask("DELETE", f"/api/v1/seals/{_part(code)}/authorisations/{_part(authorisation_id)}")

    def withdraw_authorisation(
        self, code: str, authorisation_id: str, request: StepBody, *, idempotency_key: str | None = None
    ) -> Answer[AuthorisationShown]:
        """End an authorisation.

        A person who acts has the role `keeper`.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/authorisations/{_part(authorisation_id)}/withdrawal",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def request_cancellation(
        self, code: str, request: CancellationBody, *, idempotency_key: str | None = None
    ) -> Answer[ApprovalShown]:
        """Ask for a seal to be cancelled 注销.

        A person who acts has the role `approver` or `keeper`. Approvers and makers are people
        of a seal authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/cancellation-request",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def request_certificate(
        self, code: str, request: RequestBody, *, idempotency_key: str | None = None
    ) -> Answer[CertificationRequested]:
        """A certification request for an authority outside.

        The PKCS #10 request for the edition that is to be made, for an authority outside.

        A person who acts has the role `maker`. Approvers and makers are people of a seal
        authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/certification-request",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def apply_for_change(
        self, code: str, request: ApplicationBody, *, idempotency_key: str | None = None
    ) -> Answer[ApprovalShown]:
        """Apply for another name or picture of a seal 变更.

        A person who acts has the role `applicant`.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/change-application",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def seal_away(
        self, code: str, number: str, request: GroundBody, *, idempotency_key: str | None = None
    ) -> Answer[SealEditionShown]:
        """Record that an edition is sealed away 封存.

        A person who acts has the role `maker`. Approvers and makers are people of a seal
        authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/editions/{_part(number)}/sealing-away",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def file_seal(
        self, code: str, request: StepBody, *, idempotency_key: str | None = None
    ) -> Answer[SealShown]:
        """File a seal 备案.

        A person who acts has the role `maker`. Approvers and makers are people of a seal
        authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/filing",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_impact(self, code: str, *, after: str | None = None) -> Answer[Impact]:
        """What a seal has sealed.

        What the seal has sealed and what proves that it came before the seal's end; the first
        page has the totals.

        A person who acts has the role `keeper`. Of a seal authority, anybody who acts as a
        person.
        """
        return self._ask("GET", f"/api/v1/seals/{_part(code)}/impact", query={"after": after})

    def read_impact_all(self, code: str) -> Iterator[SealingShown]:
        """What `read_impact` lists, page after page."""
        yield from self._pages(self.read_impact(code), "licences")

    def report_lost(
        self, code: str, request: LossBody, *, idempotency_key: str | None = None
    ) -> Answer[SealChanged]:
        """Report a seal lost 挂失.

        A person who acts has the role `approver` or `keeper`. Approvers and makers are people
        of a seal authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/loss-report",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def make_seal(
        self, code: str, request: MakingBody, *, idempotency_key: str | None = None
    ) -> Answer[SealShown]:
        """Make the seal edition that was approved 制作.

        A person who acts has the role `maker`. Approvers and makers are people of a seal
        authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/making",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def apply_for_renewal(
        self, code: str, request: StepBody, *, idempotency_key: str | None = None
    ) -> Answer[ApprovalShown]:
        """Apply for a seal's next edition with the same picture.

        A person who acts has the role `applicant`.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/renewal-application",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def request_resumption(
        self, code: str, request: GroundBody, *, idempotency_key: str | None = None
    ) -> Answer[ApprovalShown]:
        """Ask for a suspended seal to be resumed.

        A person who acts has the role `approver` or `keeper`. Approvers and makers are people
        of a seal authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/resumption-request",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def suspend_seal(
        self, code: str, request: GroundBody, *, idempotency_key: str | None = None
    ) -> Answer[SealChanged]:
        """Suspend a seal at once 停用.

        A person who acts has the role `approver` or `keeper`. Approvers and makers are people
        of a seal authority.
        """
        return self._ask(
            "POST",
            f"/api/v1/seals/{_part(code)}/suspension",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_seal_uses(
        self, code: str, *, after: str | None = None, from_: str | None = None, to: str | None = None
    ) -> Answer[UsePage]:
        """Each use of a seal.

        Each use of the seal, also those that came to nothing; `from` and `to` are days, both
        included.

        A person who acts has the role `keeper`. Of a seal authority, anybody who acts as a
        person.
        """
        return self._ask(
            "GET", f"/api/v1/seals/{_part(code)}/uses", query={"after": after, "from": from_, "to": to}
        )

    def read_seal_uses_all(
        self, code: str, *, from_: str | None = None, to: str | None = None
    ) -> Iterator[UseShown]:
        """What `read_seal_uses` lists, page after page."""
        yield from self._pages(self.read_seal_uses(code, from_=from_, to=to), "uses")

    def list_source_errors(self, *, after: str | None = None) -> Answer[LicenceErrorPage]:
        """Errors that were confirmed in the agency's licences.

        Found by agencies that used a licence in place of a paper; the oldest first, in pages
        of 100. Each is settled when its licence is corrected.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("GET", "/api/v1/source-errors", query={"after": after})

    def list_source_errors_all(self) -> Iterator[LicenceErrorShown]:
        """What `list_source_errors` lists, page after page."""
        yield from self._pages(self.list_source_errors(), "errors")

    def decline_source_error(
        self, error_id: str, request: DeclinationBody, *, idempotency_key: str | None = None
    ) -> Answer[LicenceErrorShown]:
        """Find a licence right after all.

        Its issuer says why nothing of it is corrected.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/source-errors/{_part(error_id)}/declination",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_sub_cases(
        self,
        *,
        after: str | None = None,
        state: Literal["waiting", "handling", "given", "missed", "closed"] | None = None,
        due: Literal["today", "overdue"] | None = None,
        side: Literal["part", "lead"] | None = None,
    ) -> Answer[SubCasePage]:
        """The agency's sub-cases.

        The newest first, or by when they are due; in pages of 100.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.
        """
        return self._ask(
            "GET", "/api/v1/sub-cases", query={"after": after, "state": state, "due": due, "side": side}
        )

    def list_sub_cases_all(
        self,
        *,
        state: Literal["waiting", "handling", "given", "missed", "closed"] | None = None,
        due: Literal["today", "overdue"] | None = None,
        side: Literal["part", "lead"] | None = None,
    ) -> Iterator[SubCaseListed]:
        """What `list_sub_cases` lists, page after page."""
        yield from self._pages(self.list_sub_cases(state=state, due=due, side=side), "sub_cases")

    def read_sub_case(self, sub_case_id: str, *, if_none_match: str | None = None) -> Answer[SubCaseShown]:
        """A sub-case.

        What the agency gives its opinion on, what it needs of the application, and every
        step.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/sub-cases/{_part(sub_case_id)}", etag=if_none_match)

    def begin_sub_case(
        self, sub_case_id: str, request: BeginBody, *, idempotency_key: str | None = None
    ) -> Answer[SubCaseShown]:
        """Take up a sub-case.

        By the agency that takes part. Whoever takes it up does not give the opinion.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/sub-cases/{_part(sub_case_id)}/handling",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def read_sub_case_material(
        self, sub_case_id: str, material_code: str, version: str, *, if_none_match: str | None = None
    ) -> Answer[bytes]:
        """A file that the agency needs.

        Of the materials that the matter's list says the agency needs, and of no other.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/sub-cases/{_part(sub_case_id)}/materials/{_part(material_code)}/{_part(version)}",
            accept="application/pdf",
            binary=True,
            etag=if_none_match,
        )

    def read_sub_case_material_jpeg(
        self, sub_case_id: str, material_code: str, version: str, *, if_none_match: str | None = None
    ) -> Answer[bytes]:
        """A file that the agency needs.

        Of the materials that the matter's list says the agency needs, and of no other.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/sub-cases/{_part(sub_case_id)}/materials/{_part(material_code)}/{_part(version)}",
            accept="image/jpeg",
            binary=True,
            etag=if_none_match,
        )

    def read_sub_case_material_png(
        self, sub_case_id: str, material_code: str, version: str, *, if_none_match: str | None = None
    ) -> Answer[bytes]:
        """A file that the agency needs.

        Of the materials that the matter's list says the agency needs, and of no other.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET",
            f"/api/v1/sub-cases/{_part(sub_case_id)}/materials/{_part(material_code)}/{_part(version)}",
            accept="image/png",
            binary=True,
            etag=if_none_match,
        )

    def record_missed_opinion(
        self, sub_case_id: str, request: MissedBody, *, idempotency_key: str | None = None
    ) -> Answer[SubCaseShown]:
        """Decide without an overdue opinion.

        By a person who decides at the agency that leads and has not handled the case; where
        the matter's list names the law for it. It is put down as missed, which is no consent.

        A person who acts has the role `decider`.
        """
        return self._ask(
            "POST",
            f"/api/v1/sub-cases/{_part(sub_case_id)}/missed",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def give_opinion(
        self, sub_case_id: str, request: OpinionBody, *, idempotency_key: str | None = None
    ) -> Answer[SubCaseShown]:
        """Give an agency's opinion.

        By a person who decides at the agency that takes part, and has not handled the
        sub-case. The applicant is told of it in the one answer of the agency that leads.

        A person who acts has the role `decider`.
        """
        return self._ask(
            "POST",
            f"/api/v1/sub-cases/{_part(sub_case_id)}/opinion",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_tasks(
        self,
        *,
        after: str | None = None,
        state: Literal["open", "corrected", "confirmed", "refused"] | None = None,
    ) -> Answer[TaskPage]:
        """The agency's differences.

        Of all its cases, the oldest first; in pages of 100.

        A person who acts has the role `decider` or `officer`. A client may act by itself, and
        names its `operator`.
        """
        return self._ask("GET", "/api/v1/verification-tasks", query={"after": after, "state": state})

    def list_tasks_all(
        self, *, state: Literal["open", "corrected", "confirmed", "refused"] | None = None
    ) -> Iterator[TaskShown]:
        """What `list_tasks` lists, page after page."""
        yield from self._pages(self.list_tasks(state=state), "tasks")

    def end_task(
        self, task_id: str, request: TaskEndingBody, *, idempotency_key: str | None = None
    ) -> Answer[TaskShown]:
        """Clear a difference.

        Who is right is for a person to find out. A source that is wrong is told so until it
        has acknowledged that; a licence of this registry waits for its issuer to correct it.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/verification-tasks/{_part(task_id)}/ending",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def create_webhook(
        self, request: EndpointBody, *, idempotency_key: str | None = None
    ) -> Answer[EndpointWithSecret]:
        """Register an endpoint.

        From now on events of the client's agency are posted there, signed to Standard
        Webhooks. The secret is told in this answer, and for an hour again to the very same
        request.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("POST", "/api/v1/webhooks", body=_json(request), key=idempotency_key or new_key())

    def list_webhooks(self, *, after: str | None = None) -> Answer[EndpointPage]:
        """The client's endpoints.

        In pages of 100.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask("GET", "/api/v1/webhooks", query={"after": after})

    def list_webhooks_all(self) -> Iterator[EndpointShown]:
        """What `list_webhooks` lists, page after page."""
        yield from self._pages(self.list_webhooks(), "endpoints")

    def read_webhook(self, endpoint_id: str, *, if_none_match: str | None = None) -> Answer[EndpointShown]:
        """An endpoint.

        How it does, and which secrets sign.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask("GET", f"/api/v1/webhooks/{_part(endpoint_id)}", etag=if_none_match)

    def activate_webhook(
        self, endpoint_id: str, request: ActBody, *, idempotency_key: str | None = None
    ) -> Answer[EndpointShown]:
        """Send again.

        Events from now on are told.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/webhooks/{_part(endpoint_id)}/activation",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def deactivate_webhook(
        self, endpoint_id: str, request: ActBody, *, idempotency_key: str | None = None
    ) -> Answer[EndpointShown]:
        """Send nothing more.

        What waits is given up, and can be sent again after an activation.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/webhooks/{_part(endpoint_id)}/deactivation",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def list_deliveries(
        self,
        endpoint_id: str,
        *,
        after: str | None = None,
        state: Literal["waiting", "delivered", "dead"] | None = None,
    ) -> Answer[DeliveryPage]:
        """What an endpoint was told.

        The newest events first, in pages of 100; `state` picks one. What was delivered is
        kept for 30 days.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "GET", f"/api/v1/webhooks/{_part(endpoint_id)}/deliveries", query={"after": after, "state": state}
        )

    def list_deliveries_all(
        self, endpoint_id: str, *, state: Literal["waiting", "delivered", "dead"] | None = None
    ) -> Iterator[DeliveryShown]:
        """What `list_deliveries` lists, page after page."""
        yield from self._pages(self.list_deliveries(endpoint_id, state=state), "deliveries")

    def read_delivery(
        self, endpoint_id: str, event_id: str, *, if_none_match: str | None = None
    ) -> Answer[DeliveryShown]:
        """One event for one endpoint.

        How often it was tried, and what came of it.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.

        Raises NotModified where `if_none_match` is the `etag` that it still has.
        """
        return self._ask(
            "GET", f"/api/v1/webhooks/{_part(endpoint_id)}/deliveries/{_part(event_id)}", etag=if_none_match
        )

    def redeliver(
        self, endpoint_id: str, event_id: str, request: ActBody, *, idempotency_key: str | None = None
    ) -> Answer[DeliveryShown]:
        """Send an event again.

        Whatever became of it, under the same `webhook-id`.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/webhooks/{_part(endpoint_id)}/deliveries/{_part(event_id)}/redelivery",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def redeliver_dead(
        self, endpoint_id: str, request: RedeliveryBody, *, idempotency_key: str | None = None
    ) -> Answer[Redelivered]:
        """Send again what was given up.

        All that was given up, of events recorded since then, under the same ids.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/webhooks/{_part(endpoint_id)}/redelivery",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def rotate_webhook_secret(
        self, endpoint_id: str, request: RotationBody, *, idempotency_key: str | None = None
    ) -> Answer[EndpointWithSecret]:
        """A new secret.

        It is told as at registration; those before it sign beside it for `overlap_hours`.

        A person who acts has the role `officer`. A client may act by itself, and names its
        `operator`.
        """
        return self._ask(
            "POST",
            f"/api/v1/webhooks/{_part(endpoint_id)}/secret-rotation",
            body=_json(request),
            key=idempotency_key or new_key(),
        )

    def is_alive(self) -> Answer[Alive]:
        """Whether the process answers."""
        return self._ask("GET", "/livez", open_to_all=True)

    def is_ready(self) -> Answer[Ready]:
        """Whether the service can do its work.

        Ready when the database answers and the trust list is not overdue. What does not keep
        it from serving is named: an overdue status list, and what only a ceremony renews, and
        should by now.
        """
        return self._ask("GET", "/readyz", open_to_all=True)
