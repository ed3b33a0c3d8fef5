"""What the agency API answers about seals."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from registry.described import Date, Digest, Id, Instant, Reference, Told
from registry.seals.impact import Standing
from signing.seal_picture import SealKind

SealCode = Annotated[str, Field(pattern="^[0-9]{14}$")]
SealStateName = Literal["approved", "made", "filed", "active", "suspended", "cancelled"]
After = Annotated[Reference | None, Field(description="The next page; missing after the last.")]


class ApprovalShown(Told):
    """A request that another person decides. Who decides names `payload_sha256`, and so what was read."""

    id: Id
    action: Literal["apply", "renew", "change", "resume", "cancel", "compromise"]
    state: Literal["open", "approved", "refused"]
    seal_code: SealCode | None
    payload: dict[str, Any]
    payload_sha256: Digest
    requested_at: Instant
    expires_at: Instant


class SealShownIn(Told):
    """Where the state of a seal shows already."""

    ocsp: Literal["live", "not_available", "not_applicable"] | None = None
    crl: Literal["pending", "published", "not_available", "not_applicable"] | None = None
    log: Literal["not_available"] | None = None
    outside_authority: Annotated[
        Literal["good", "held", "revoked"] | None, Field(description="What the outside authority said last.")
    ] = None
    trust_list: Literal["pending", "published"] | None = None


class ApplicationDecided(ApprovalShown):
    seal: SealCode | None
    seal_state: SealStateName | None = None


class ChangeDecided(ApprovalShown):
    seal: SealCode
    seal_state: SealStateName
    shown_in: SealShownIn | None = None


class SealShown(Told):
    code: SealCode
    agency: str
    kind: SealKind
    name: str
    state: SealStateName
    state_version: int
    compromised_since: Annotated[Instant | None, Field(description="The invalidity date.")]


class SealChanged(SealShown):
    shown_in: SealShownIn


class ApprovalPage(Told):
    approvals: list[ApprovalShown]
    next: After = None


class SealPage(Told):
    seals: list[SealShown]
    next: After = None


class SealStateShown(Told):
    state: SealStateName
    from_: Annotated[Instant, Field(alias="from")]


class MakerShown(Told):
    """Who made an edition, and whether the signature holds."""

    signature: Literal["right", "wrong"]
    name: str | None = None
    certificate_sha256: Digest | None = None


class OutsideShown(Told):
    """What the authority outside that certified an edition says of it."""

    authority: str
    serial_number: str
    subject: str
    status: Literal["good", "held", "revoked", "unknown"]
    this_update: Instant | None
    holds_until: Instant | None
    evidence_sha256: Digest | None


class SealEditionShown(Told):
    id: Id
    number: int
    certificate_serial: str
    certificate_state: str
    revoked_at: Instant | None
    width_mm: float
    height_mm: float
    valid_from: Instant
    valid_to: Instant
    name: str
    picture_sha256: Digest
    state: Literal["made", "filed", "in_use", "ended", "dropped"]
    in_use_from: Instant | None
    ended_at: Instant | None
    sealed_away_at: Instant | None
    maker: MakerShown | None = None
    outside: OutsideShown | None = None


class AuthorisationShown(Told):
    """A keeper's permission for a client to use the seal for a type."""

    id: Id
    seal_code: SealCode
    client_id: Id
    type_code: str
    valid_from: Date
    valid_to: Date
    daily_limit: int
    withdrawn_at: Instant | None


class WholeSeal(SealShown):
    history: list[SealStateShown]
    editions: list[SealEditionShown]
    shown_in: SealShownIn
    authorisations: list[AuthorisationShown]


class CertificationRequested(Told):
    id: Id
    seal: SealCode
    requested_at: Instant
    request: Annotated[str, Field(description="PKCS #10, DER in base64.")]


class Limit(Told):
    """The moment that a sealing must precede."""

    at: Instant
    kind: Literal["invalidity_date", "cancellation", "present"]


class ProofShown(Told):
    kind: Literal["own_tsa", "outside_tsa", "day_anchor"]
    name: str
    at: Instant
    independent: bool


Copy = Annotated[
    Id | None, Field(alias="copy", description="Of an annotated copy of that licence, its own id.")
]


class SealingShown(Told):
    """A licence edition that the seal sealed, or an annotated copy of one."""

    identifier: str
    copy_: Copy
    edition: int
    type: str
    seal_edition: int
    sealed_at: Instant
    clock: Literal["time_stamp", "signer"]
    status: Literal["in_force", "suspended", "ended"]
    ground: str | None
    how: str | None
    standing: Standing
    proofs: list[ProofShown]


class Impact(Told):
    seal: SealCode
    state: SealStateName
    limit: Limit
    log: Literal["not_available"]
    totals: Annotated[dict[str, int] | None, Field(description="By standing; on the first page.")] = None
    licences: list[SealingShown]
    next: After = None


class UseShown(Told):
    id: Id
    begun_at: Instant
    ended_at: Instant | None
    state: Literal["begun", "applied", "void"]
    seal_edition: int
    licence: str | None
    copy_: Copy
    type: str
    document_sha256: Digest | None
    authorisation: Id
    client: Id
    client_name: str
    operator: str


class UsePage(Told):
    seal: SealCode
    uses: list[UseShown]
    next: After = None
