"""Keys, certificates, seals and their use."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base
from registry.seals.outside_tables import OutsideStatus

_ACTIVE_ROOT = text("purpose = 'root-ca' AND state = 'active'")


class Key(Base):
    """A key pair in a custodian; only its public half is here.

    A `reserved` key signs nothing but, where it is a root's, its own certificate. It is `active` from the
    moment its certificate is on record; a seal's, from the moment its edition is.
    """

    __tablename__ = "key"
    __table_args__ = (
        Index(None, "agency_code", "purpose"),
        Index(
            "one_active_root",
            "purpose",
            unique=True,
            sqlite_where=_ACTIVE_ROOT,
            postgresql_where=_ACTIVE_ROOT,
        ),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    suite: Mapped[str] = mapped_column(String(20))
    public_key: Mapped[bytes]  # SubjectPublicKeyInfo, DER
    agency_code: Mapped[str | None] = mapped_column(ForeignKey("agency.code"))
    state: Mapped[str] = mapped_column(String(20))  # reserved, active, retired, compromised
    since: Mapped[datetime]
    listed_at: Mapped[datetime | None]  # when the first trust list that names it was published
    created_at: Mapped[datetime]


class CertificateAuthority(Base):
    """What a CA's certificates have in common. Each change of one's status is counted, so that a CRL can say
    which changes it covers.
    """

    __tablename__ = "certificate_authority"
    key_id: Mapped[str] = mapped_column(ForeignKey("key.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)  # in URLs: its key identifier, hex
    status_version: Mapped[int]  # changes of status so far


class Certificate(Base):
    """An X.509 certificate; serial and content are on record here before anything is signed.

    One that an authority outside gave (`outside_tables`) has no issuer of ours. That authority numbered it,
    so it stands here under the first 40 hex digits of its SHA-256;
    its state is what that authority said of it, its validity the time in which its whole chain is valid.
    """

    __tablename__ = "certificate"
    __table_args__ = (Index(None, "issuer_key_id", "status_version"),)
    serial: Mapped[str] = mapped_column(String(40), primary_key=True)  # lower-case hex
    key_id: Mapped[str] = mapped_column(ForeignKey("key.id"), index=True)
    issuer_key_id: Mapped[str | None] = mapped_column(
        ForeignKey("key.id")
    )  # its own for a root; None: outside
    profile: Mapped[str] = mapped_column(String(20), index=True)
    tbs_sha256: Mapped[bytes]  # of the TBSCertificate
    der: Mapped[bytes | None]  # None until signed
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10), default="good")  # good, held, revoked
    state_version: Mapped[int] = mapped_column(default=1)
    status_version: Mapped[int] = mapped_column(
        default=0
    )  # the CA's count at the last change; 0: never changed
    revoked_at: Mapped[datetime | None]  # or held
    reason: Mapped[str | None] = mapped_column(String(20))  # of RFC 5280; None: unspecified
    invalidity_date: Mapped[datetime | None]
    crl_entry: Mapped[bytes | None]  # what stands for it in a CRL, DER; None while it is good


class CertificateStatus(Base):
    """The history of a certificate's status: a release takes a hold out of CRL and OCSP, not out of here."""

    __tablename__ = "certificate_status"
    serial: Mapped[str] = mapped_column(ForeignKey("certificate.serial"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(20))
    invalidity_date: Mapped[datetime | None]
    from_at: Mapped[datetime]
    event_id: Mapped[str] = mapped_column(ForeignKey("event.id"))


class RevocationList(Base):
    """Each CRL of a CA: number and content are on record before it is signed. All generations are kept."""

    __tablename__ = "revocation_list"
    ca_key_id: Mapped[str] = mapped_column(ForeignKey("certificate_authority.key_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status_version: Mapped[int]  # the last change of status that it is sure to show
    tbs_sha256: Mapped[bytes]  # of the TBSCertList
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]
    der: Mapped[bytes | None]  # None until signed


class DataKey(Base):
    """A key that encrypts what is at rest, wrapped under a key of the custodian's (`registry.vault`)."""

    __tablename__ = "data_key"
    use: Mapped[str] = mapped_column(String(12), primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    wrapping_key_id: Mapped[str] = mapped_column(String(32))
    wrapped: Mapped[bytes]
    created_at: Mapped[datetime]


class KeyUse(Base):
    """One use of a key, written before and after (design, section 3)."""

    __tablename__ = "key_use"
    __table_args__ = (UniqueConstraint("key_id", "record"), Index(None, "begun_at", "id"))
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(32))
    record: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(30))
    digest: Mapped[bytes] = mapped_column(index=True)  # SHA-256 of the bytes that were to be signed
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    signed: Mapped[bool | None]


class KeyUseBlock(Base):
    """Uses of a key that answers anybody who asks (OCSP): not a row each, but a block of them announced
    before the first and closed after the last. One that stayed open stands for up to `size` uses.
    """

    __tablename__ = "key_use_block"
    __table_args__ = (Index(None, "opened_at", "id"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(32), index=True)
    kind: Mapped[str] = mapped_column(String(30))
    size: Mapped[int]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    begun: Mapped[int | None]
    failed: Mapped[int | None]
    digest: Mapped[bytes | None]  # SHA-256 chained over the SHA-256 of the bytes signed, in order


class TimeStamp(Base):
    """Each time-stamp token, on record before it is signed: its serial is given once, whichever key signs,
    and no later token says an earlier time.
    """

    __tablename__ = "time_stamp"
    serial: Mapped[str] = mapped_column(String(40), primary_key=True)  # lower-case hex
    key_id: Mapped[str] = mapped_column(String(32))
    record: Mapped[str] = mapped_column(String(120), index=True)  # as the key's use names it
    gen_time: Mapped[datetime] = mapped_column(index=True)
    info: Mapped[bytes]  # TSTInfo, DER


class Approval(Base):
    """A request of one person that another decides. It binds the digest of what is approved."""

    __tablename__ = "approval"
    __table_args__ = (Index(None, "state", "expires_at", "id"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    action: Mapped[str] = mapped_column(String(20))  # apply, renew, change, resume, cancel, compromise
    seal_code: Mapped[str | None] = mapped_column(ForeignKey("seal.code"), index=True)
    payload: Mapped[dict[str, Any]]
    payload_sha256: Mapped[bytes]
    requested_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    requested_via: Mapped[str] = mapped_column(ForeignKey("client.id"))
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10))  # open, approved, refused
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]


class Seal(Base):
    """An agency's registered seal (14-digit code)."""

    __tablename__ = "seal"
    __table_args__ = (Index(None, "state", "code"),)  # what waits for the next step of its life
    code: Mapped[str] = mapped_column(String(14), primary_key=True)
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(20))  # approved, made, filed, active, suspended, cancelled
    state_version: Mapped[
        int
    ]  # counts what ends the permission of an open intent: a change of state or edition
    compromised_since: Mapped[datetime | None]  # invalidity date


class SealState(Base):
    """The history of a seal's state: each row holds from `from_at` until the next row's."""

    __tablename__ = "seal_state"
    seal_code: Mapped[str] = mapped_column(ForeignKey("seal.code"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    from_at: Mapped[datetime]
    event_id: Mapped[str] = mapped_column(ForeignKey("event.id"))


class ApplicationPicture(Base):
    """The picture that an application for a seal edition is for: what is approved, and then made."""

    __tablename__ = "application_picture"
    approval_id: Mapped[str] = mapped_column(ForeignKey("approval.id"), primary_key=True)
    type: Mapped[str] = mapped_column(String(10))
    data: Mapped[bytes]
    width_mm: Mapped[float]
    height_mm: Mapped[float]


class SealEdition(Base):
    """One picture bound to one certificate (fields of GB/T 38540). At most one of a seal is in use."""

    __tablename__ = "seal_edition"
    __table_args__ = (
        UniqueConstraint("seal_code", "number"),
        Index(
            "uq_seal_edition_in_use", "seal_code", unique=True,
            sqlite_where=text("state = 'in_use'"), postgresql_where=text("state = 'in_use'"),
        ),
    )  # fmt: skip
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seal_code: Mapped[str] = mapped_column(ForeignKey("seal.code"))
    number: Mapped[int]
    approval_id: Mapped[str] = mapped_column(ForeignKey("approval.id"), unique=True)
    name: Mapped[str] = mapped_column(String(120))  # along the rim
    made_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    state: Mapped[str] = mapped_column(String(10))  # made, filed, in_use, ended; dropped: never put into use
    in_use_from: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    sealed_away_at: Mapped[datetime | None]
    picture_type: Mapped[str] = mapped_column(String(10))
    picture: Mapped[bytes] = mapped_column(deferred=True, deferred_group="bulk")
    width_mm: Mapped[float]
    height_mm: Mapped[float]
    key_id: Mapped[str] = mapped_column(ForeignKey("key.id"))
    certificate_serial: Mapped[str] = mapped_column(ForeignKey("certificate.serial"))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    created_at: Mapped[datetime]  # a whole second
    # SESeal of GB/T 38540, DER: the above as its maker signed it.
    maker_seal: Mapped[bytes] = mapped_column(deferred=True, deferred_group="bulk")


class SealEditionDraft(Base):
    """A seal edition that a maker may sign: its content is on record before anything is signed."""

    __tablename__ = "seal_edition_draft"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # the edition's, if it is made
    approval_id: Mapped[str] = mapped_column(ForeignKey("approval.id"))
    maker_key_id: Mapped[str] = mapped_column(ForeignKey("key.id"))
    certificate_serial: Mapped[str] = mapped_column(ForeignKey("certificate.serial"))
    info_sha256: Mapped[bytes]  # of SES_SealInfo, DER
    drafted_at: Mapped[datetime]


class StandingAuthorisation(Base):
    """The keeper's permission for a client to use a seal for a type."""

    __tablename__ = "standing_authorisation"
    __table_args__ = (Index(None, "seal_code", "client_id", "type_code"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seal_code: Mapped[str] = mapped_column(ForeignKey("seal.code"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    type_code: Mapped[str] = mapped_column(String(21))
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    daily_limit: Mapped[int]
    keeper: Mapped[str] = mapped_column(ForeignKey("person.id"))
    granted_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class AuthorisationDay(Base):
    """How often an authorisation was drawn on in one civil day: counted here, never by scanning."""

    __tablename__ = "authorisation_day"
    authorisation_id: Mapped[str] = mapped_column(ForeignKey("standing_authorisation.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int]


class SealUse(Base):
    """One application of a seal to one document; void when the intent was abandoned."""

    __tablename__ = "seal_use"
    __table_args__ = (
        UniqueConstraint("intent_id", "place"),
        Index(None, "seal_edition_id", "begun_at", "id"),  # the pages of a seal's ledger
        Index(None, "begun_at", "id"),  # and of the audit
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seal_edition_id: Mapped[str] = mapped_column(ForeignKey("seal_edition.id"))
    authorisation_id: Mapped[str] = mapped_column(ForeignKey("standing_authorisation.id"))
    intent_id: Mapped[str] = mapped_column(ForeignKey("intent.id"))
    place: Mapped[int]  # on the face: 1 is the issuer's
    state: Mapped[str] = mapped_column(String(10))  # begun, applied, void
    document_sha256: Mapped[bytes | None]
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outside_status_id: Mapped[str | None] = mapped_column(ForeignKey(OutsideStatus.id), index=True)


class Ceremony(Base):
    """A ceremony begun by its file, and the transcript that its root signed in the end."""

    __tablename__ = "ceremony"
    file_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    operation: Mapped[str] = mapped_column(String(20))
    attempt: Mapped[int]  # each interruption makes one more
    begun_at: Mapped[datetime]
    former_key_id: Mapped[str | None] = mapped_column(ForeignKey("key.id"))  # the root that ends by it
    # The root that signs the transcript: a successor's from the moment that it is in service.
    root_key_id: Mapped[str | None] = mapped_column(ForeignKey("key.id"))
    input_sha256: Mapped[bytes | None]  # of the transcript's JWS signing input, before it is signed
    transcript: Mapped[str | None]  # compact JWS


class DayAnchor(Base):
    """The documents registered in one civil day, stamped by an authority outside."""

    __tablename__ = "day_anchor"
    day: Mapped[date] = mapped_column(primary_key=True)
    from_at: Mapped[datetime] = mapped_column(index=True)
    to_at: Mapped[datetime]
    documents: Mapped[int]
    digest: Mapped[bytes]  # SHA-256 of the list
    token: Mapped[bytes]  # TimeStampToken, DER
    authority: Mapped[str] = mapped_column(String(120))  # by its name in the configuration
    stamped_by: Mapped[str] = mapped_column(String(64))  # SHA-256 of its certificate, hex
    gen_time: Mapped[datetime]


class TrustListDraft(Base):
    """A trust list that the root's delegate may sign: number and content, on record before it is signed."""

    __tablename__ = "trust_list_draft"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    input_sha256: Mapped[bytes]  # of the JWS signing input
    drafted_at: Mapped[datetime]


class PublishedTrustList(Base):
    """Each trust list as signed; the highest sequence is the current one."""

    __tablename__ = "published_trust_list"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    jws: Mapped[str]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
