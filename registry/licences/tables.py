"""Licence types, licences, editions, documents, and the intents that make them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base

_WITH_A_HOLDER: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("holder_mac IS NOT NULL")
)
_WITH_AN_END: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("valid_to IS NOT NULL")
)


class TypeVersion(Base):
    """A version of a licence type, with its face, as the files it was imported from."""

    __tablename__ = "type_version"
    code: Mapped[str] = mapped_column(String(21), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60))
    type_toml: Mapped[str]
    face_pdf: Mapped[bytes] = mapped_column(deferred=True)
    face_sha256: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(10))  # draft, published, withdrawn
    created_at: Mapped[datetime]


class Licence(Base):
    """One holder's licence; its editions share the serial."""

    __tablename__ = "licence"
    __table_args__ = (UniqueConstraint("type_code", "issuer_code", "serial"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    type_code: Mapped[str] = mapped_column(String(21))
    issuer_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    serial: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]


class Number(Base):
    """A licence number in use: unique per type and agency, whoever gave it."""

    __tablename__ = "number"
    type_code: Mapped[str] = mapped_column(String(21), primary_key=True)
    issuer_code: Mapped[str] = mapped_column(String(18), primary_key=True)
    number_mac: Mapped[bytes] = mapped_column(
        primary_key=True
    )  # `licences.numbers.number_mac`: it may be a citizen's
    licence_id: Mapped[str] = mapped_column(ForeignKey("licence.id"), index=True)


class StatusIndex(Base):
    """A slot of a status list, never used twice; the slot of an abandoned intent stays invalid."""

    __tablename__ = "status_index"
    list: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    intent_id: Mapped[str] = mapped_column(ForeignKey("intent.id"), index=True)
    invalid: Mapped[bool]


class Intent(Base):
    """What is about to be sealed. Everything printed is fixed here before any key is touched."""

    __tablename__ = "intent"
    __table_args__ = (Index(None, "state", "lease_until"), Index(None, "holder_mac", **_WITH_A_HOLDER))
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    licence_id: Mapped[str] = mapped_column(ForeignKey("licence.id"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    matter_code: Mapped[str] = mapped_column(String(40))
    case_number: Mapped[str] = mapped_column(String(40))
    seal_edition_id: Mapped[str] = mapped_column(ForeignKey("seal_edition.id"))
    seal_state_version: Mapped[int]
    authorisation_id: Mapped[str] = mapped_column(ForeignKey("standing_authorisation.id"))
    qr_key_id: Mapped[str] = mapped_column(ForeignKey("key.id"))
    holder_mac: Mapped[bytes | None]  # `licences.holdings.holder_of`: by what a holder's are found
    record: Mapped[bytes]  # canonical JSON of signing.record.Record, encrypted (`licences.records`)
    origin: Mapped[str] = mapped_column(String(200))
    link_id_sha256: Mapped[bytes] = mapped_column(unique=True)
    lookup_sha256: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(10))  # open, done, abandoned
    fence: Mapped[int]  # taken over by recovery: fence + 1
    lease_until: Mapped[datetime]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(60))


class CoSeal(Base):
    """A further seal of a joint licence, at place 2 or 3 of its face: what an intent and its edition have for
    the first one.
    """

    __tablename__ = "co_seal"
    __table_args__ = (Index(None, "seal_edition_id", "sealed_at", "intent_id"),)  # as of `Edition`
    intent_id: Mapped[str] = mapped_column(ForeignKey("intent.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seal_edition_id: Mapped[str] = mapped_column(ForeignKey("seal_edition.id"))
    seal_state_version: Mapped[int]
    authorisation_id: Mapped[str] = mapped_column(ForeignKey("standing_authorisation.id"))
    sealed_at: Mapped[datetime | None]  # None until the edition is registered


class Succession(Base):
    """What a next edition takes the place of, and by which decision. A first edition has no such row."""

    __tablename__ = "succession"
    intent_id: Mapped[str] = mapped_column(ForeignKey("intent.id"), primary_key=True)
    previous_id: Mapped[str] = mapped_column(ForeignKey("edition.id"), index=True)
    previous_version: Mapped[int]  # its status version, that the decision rests on
    number: Mapped[int]  # of the edition to come; not used again where its intent is abandoned
    operation: Mapped[str] = mapped_column(String(10))  # amend, renew, correct, replace
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    effective_from: Mapped[date]


class Holding(Base):
    """The licence that a holder has of a type of which each has one: in force, suspended, or just expired."""

    __tablename__ = "holding"
    type_code: Mapped[str] = mapped_column(String(21), primary_key=True)
    holder_mac: Mapped[bytes] = mapped_column(primary_key=True)  # `licences.holdings.holder_mac`
    licence_id: Mapped[str] = mapped_column(ForeignKey("licence.id"), index=True)


class ScheduledChange(Base):
    """A change of a licence that was decided, and takes effect on a later day: on whichever edition holds
    then.
    """

    __tablename__ = "scheduled_change"
    __table_args__ = (Index(None, "state", "due"), Index(None, "licence_id", "state"))
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    licence_id: Mapped[str] = mapped_column(ForeignKey("licence.id"))
    operation: Mapped[str] = mapped_column(String(10))  # suspend, resume, lift, end
    due: Mapped[date]
    ground: Mapped[str | None] = mapped_column(String(12))
    until: Mapped[date | None]
    how: Mapped[str | None] = mapped_column(String(12))
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(10))  # waiting, done, dropped
    recorded_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(40))  # why it was dropped


class Edition(Base):
    """A registered edition: it exists only together with its sealed document."""

    __tablename__ = "edition"
    __table_args__ = (
        UniqueConstraint("licence_id", "number"),
        Index(None, "seal_edition_id", "sealed_at", "id"),  # the pages of an impact list
        Index(None, "issuer_code", "type_code", "status", "registered_at", "id"),  # those of a search
        Index(None, "valid_to", **_WITH_AN_END),  # what expires on a day
    )
    id: Mapped[str] = mapped_column(ForeignKey("intent.id"), primary_key=True)
    licence_id: Mapped[str] = mapped_column(ForeignKey("licence.id"))
    issuer_code: Mapped[str] = mapped_column(String(18))  # the licence's, as the type's code
    type_code: Mapped[str] = mapped_column(String(21))
    number: Mapped[int]
    identifier: Mapped[str] = mapped_column(String(120), unique=True)
    public_record: Mapped[
        str
    ]  # canonical JSON of signing.disclosure.PublicRecord; the record is the intent's
    status: Mapped[str] = mapped_column(String(12))  # in_force, suspended, ended
    status_version: Mapped[int]
    ground: Mapped[str | None] = mapped_column(String(12))
    how: Mapped[str | None] = mapped_column(String(12))
    since: Mapped[date]
    suspended_until: Mapped[date | None]  # last day of a suspension that ends by itself
    issue_date: Mapped[date]
    removed_on: Mapped[date | None]  # a later formal removal (注销); never overwrites `how`
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    origin: Mapped[str] = mapped_column(String(200))  # as printed
    link_id_sha256: Mapped[bytes] = mapped_column(unique=True)
    lookup_sha256: Mapped[bytes] = mapped_column(unique=True)  # with the identifier (`licences.digests`)
    credential_sha256: Mapped[bytes]
    seal_edition_id: Mapped[str] = mapped_column(ForeignKey("seal_edition.id"))
    seal_state_version: Mapped[int]  # the row of the seal's history that held from intent to registration
    sealed_at: Mapped[datetime]
    registered_at: Mapped[datetime]


class Document(Base):
    """A registered document of an edition, known by its digest."""

    __tablename__ = "document"
    __table_args__ = (
        # What is due for the archive: the newest forms, by their age or their time-stamp authority.
        Index(None, "followed", "level", "registered_at"),
        Index(None, "followed", "level", "stamped_by"),
    )
    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    edition_id: Mapped[str] = mapped_column(ForeignKey("edition.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))  # original, time_stamped, archived
    format: Mapped[str] = mapped_column(String(12))  # "pdf"
    level: Mapped[str] = mapped_column(String(8))
    store_key: Mapped[str] = mapped_column(String(200))
    size: Mapped[int]
    stamped_at: Mapped[datetime | None]  # genTime of its newest time-stamp; None without one
    stamped_by: Mapped[str | None] = mapped_column(String(64))  # SHA-256 of that authority's certificate, hex
    registered_at: Mapped[datetime] = mapped_column(index=True)
    followed: Mapped[bool] = mapped_column(default=False)  # a further form is made of it, or was asked for


class DocumentStamp(Base):
    """An edition of which a form is to get a document time-stamp appended: an original without one as soon
    as it can be had, others for the archive. The attempts count on from one form to the next.
    """

    __tablename__ = "document_stamp"
    __table_args__ = (Index(None, "state", "due_at"),)
    edition_id: Mapped[str] = mapped_column(ForeignKey("edition.id"), primary_key=True)
    form: Mapped[bytes] = mapped_column(ForeignKey("document.sha256"))  # what it is appended to
    state: Mapped[str] = mapped_column(String(10))  # waiting, done, refused
    attempt: Mapped[int]  # from 1; 0 before the first. Whoever makes one raises it
    imprint: Mapped[bytes | None]  # SHA-256 that this attempt asks a time-stamp over
    due_at: Mapped[datetime]  # nobody begins another attempt before


class CopyOrder(Base):
    """An intent that makes an annotated copy 加注件 of an edition, and no edition."""

    __tablename__ = "copy_order"
    intent_id: Mapped[str] = mapped_column(ForeignKey("intent.id"), primary_key=True)
    edition_id: Mapped[str] = mapped_column(ForeignKey("edition.id"), index=True)
    edition_version: Mapped[int]  # its status version, that the copy rests on
    holder_wish: Mapped[str] = mapped_column(
        String(12)
    )  # how the holder asked: in_person, online, in_writing


class AnnotatedCopy(Base):
    """A registered annotated copy of an edition: it exists only together with its sealed document. Whether it
    holds is its edition's status, its own last day, and whether it was withdrawn.
    """

    __tablename__ = "annotated_copy"
    __table_args__ = (
        Index(None, "edition_id", "registered_at", "id"),
        Index(None, "seal_edition_id", "sealed_at", "id"),  # as of `Edition`
    )
    id: Mapped[str] = mapped_column(ForeignKey("intent.id"), primary_key=True)
    edition_id: Mapped[str] = mapped_column(ForeignKey("edition.id"))
    # What the public is told of a copy, in clear; the whole record is the intent's.
    purpose: Mapped[str] = mapped_column(String(200))
    recipient: Mapped[str] = mapped_column(String(100))
    valid_to: Mapped[date]
    made_on: Mapped[date]
    count: Mapped[int]
    withdrawn_on: Mapped[date | None]
    withdrawn_at: Mapped[datetime | None]
    origin: Mapped[str] = mapped_column(String(200))  # as printed
    link_id_sha256: Mapped[bytes] = mapped_column(unique=True)
    lookup_sha256: Mapped[bytes] = mapped_column(index=True)  # with the edition's identifier
    credential_sha256: Mapped[bytes]
    seal_edition_id: Mapped[str] = mapped_column(ForeignKey("seal_edition.id"))
    seal_state_version: Mapped[int]
    sealed_at: Mapped[datetime]
    # Its one document: a copy does not live long enough for an archive.
    sha256: Mapped[bytes] = mapped_column(unique=True)
    size: Mapped[int]
    level: Mapped[str] = mapped_column(String(8))
    stamped_at: Mapped[datetime | None]
    stamped_by: Mapped[str | None] = mapped_column(String(64))
    registered_at: Mapped[datetime]


class Presentation(Base):
    """A presentation code 亮证码: an edition that is shown on its holder's screen, for a minute or two. The
    row goes some time after the code is over.
    """

    __tablename__ = "presentation"
    id_sha256: Mapped[bytes] = mapped_column(primary_key=True)  # of the 16 bytes that the code's link has
    edition_id: Mapped[str] = mapped_column(ForeignKey("edition.id"), index=True)
    shown_at: Mapped[datetime]
    until: Mapped[datetime] = mapped_column(index=True)


class KeptAnswer(Base):
    """What a client was answered under its key for a change of status; in the transaction of the change."""

    __tablename__ = "kept_answer"
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_mac: Mapped[bytes]  # as below
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class IdempotencyKey(Base):
    """A client's key for one request; the row lives in the transaction of what it made."""

    __tablename__ = "idempotency_key"
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_mac: Mapped[bytes]  # of the request's body, which can be guessed, under the index key
    intent_id: Mapped[str] = mapped_column(ForeignKey("intent.id"), index=True)
    created_at: Mapped[datetime]
