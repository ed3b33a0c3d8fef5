"""What the agency API answers about licences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from registry.described import ADDRESS, Answer, Date, Digest, Id, Instant, Reference, Told, told
from registry.licences.operations import Change, NextEdition, SuspensionGround

Identifier = Annotated[str, Field(description="1.2.156.3005.2.<type>.<issuer>.<serial>.<edition>.<check>")]
Status = Literal["in_force", "suspended", "ended"]
How = Literal["revoked", "annulled", "withdrawn", "cancelled", "replaced"]


class DocumentShown(Told):
    sha256: Digest
    href: Reference
    size: Annotated[int, Field(description="Bytes.")]
    level: Annotated[str, Field(description="PAdES baseline: B-B, B-T, B-LT, B-LTA.")]


class SealNamed(Told):
    """A seal of a joint licence, as its record names it."""

    agency: str
    certificate: Digest


class LicenceIssued(Told):
    """A new licence. Link and look-up code are the holder's, and are told only here and on a replay."""

    identifier: Identifier
    type: str
    number: str
    edition: int
    status: Status
    valid_from: Date
    valid_to: Date | None
    link: Annotated[str, Field(description="What the printed code holds.")]
    lookup_code: str
    document: DocumentShown


class LicencePreview(Told):
    """What would be issued; nothing is reserved."""

    dry_run: Literal[True]
    seal: str
    type: str
    type_version: int
    issuer: str
    number: str
    edition: int
    valid_from: Date
    valid_to: Date | None
    fields: dict[str, str | list[str]]
    seals: list[SealNamed] | None = None
    specimen: bool


class LicenceShownIn(Told):
    """Where a status shows already."""

    registry: Literal["live"]
    status_list: Literal["pending", "published", "not_available"]
    log: Literal["not_available"]


Tried = Annotated[
    Literal[True] | None, Field(description="Nothing was done: this is what would be answered.")
]


class LicenceStatusNow(Told):
    """The status on record; whether a licence is expired, or not valid yet, is for the reader to reckon."""

    identifier: Identifier
    status: Status
    status_version: Annotated[int, Field(description="Sent back, it refuses a change of a later status.")]
    ground: SuspensionGround | None
    how: How | None
    since: Date
    suspended_until: Date | None
    removed_on: Date | None
    shown_in: Annotated[
        LicenceShownIn | None, Field(description="Left out where the database went out meanwhile.")
    ] = None


class LicenceStatusShown(LicenceStatusNow):
    """What a change came to. Whether a licence is expired, or not valid yet, is for the reader to reckon."""

    dry_run: Tried = None


class PlannedChange(Told):
    """A change that is decided, and waits for its day."""

    id: Id
    operation: Change
    due: Date
    ground: SuspensionGround | None
    until: Date | None
    how: How | None
    legal_basis: str
    reason_code: str


class Scheduled(Told):
    scheduled: PlannedChange
    dry_run: Tried = None


class WithdrawnChange(Told):
    withdrawn: PlannedChange
    dry_run: Tried = None


class LicenceShown(LicenceStatusNow):
    """Status and record."""

    type: str
    issuer: str
    number: str
    edition: int
    made_by: Literal["issue"] | NextEdition
    previous: Annotated[Identifier | None, Field(description="The edition before.")]
    next: Annotated[Identifier | None, Field(description="The edition after.")]
    scheduled: list[PlannedChange]
    issue_date: Date
    valid_from: Date
    valid_to: Date | None
    fields: dict[str, str | list[str]]
    seals: list[SealNamed] | None = None
    specimen: bool
    matter_code: str
    case_number: str
    sealed_at: Instant
    document: DocumentShown


class LicenceSummary(Told):
    """A licence as a list shows it."""

    identifier: Identifier
    href: Reference
    type: str
    number: str
    edition: int
    status: Status
    status_version: int
    ground: SuspensionGround | None
    how: How | None
    since: Date
    suspended_until: Date | None
    removed_on: Date | None
    issue_date: Date
    valid_from: Date
    valid_to: Date | None
    registered_at: Instant
    fields: dict[str, str | list[str]]


class LicencePage(Told):
    licences: list[LicenceSummary]
    next: Annotated[Reference | None, Field(description="The next page.")]


class LicenceEvent(Told):
    event: Id
    identifier: Identifier
    kind: str
    effective_from: Date
    recorded_at: Instant
    legal_basis: str
    reason_code: str
    person: Id | None
    client: Id | None
    operator: str
    detail: dict[str, Any]


class LicenceHistory(Told):
    """Of every edition of the licence; nothing is ever taken out."""

    identifier: Identifier
    events: list[LicenceEvent]


class PastEvent(Told):
    kind: str
    recorded_at: Instant


class PastStatus(Told):
    identifier: Identifier
    at: Instant
    clock: Literal["effective", "recorded"]
    status: Status
    ground: SuspensionGround | None
    how: How | None
    since: Date
    valid: Annotated[bool, Field(description="In force, and within its validity.")]
    expired: bool
    event: Annotated[PastEvent, Field(description="By which it had this status.")]


NEW_EDITION: Mapping[int, Answer] = {
    201: told("The licence.", LicenceIssued, Location=ADDRESS),
    200: told("What would be issued, for a dry run.", LicencePreview),
}
MADE = told("The change is made: the status as it is now.", LicenceStatusShown)
CHANGED: Mapping[int, Answer] = {
    200: MADE,
    202: told("The change waits for its day.", Scheduled),
}
