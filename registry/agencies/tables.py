"""Agencies, people and clients, and how they are let in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base

_CONSOLES: dict[str, Any] = dict.fromkeys(("sqlite_where", "postgresql_where"), text("console"))
_FORMS: dict[str, Any] = dict.fromkeys(("sqlite_where", "postgresql_where"), text("public_form"))


class Agency(Base):
    """A unit that issues, co-signs or handles; known by its USCC."""

    __tablename__ = "agency"
    code: Mapped[str] = mapped_column(String(18), primary_key=True)
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(200))
    division: Mapped[str] = mapped_column(String(6))  # GB/T 2260
    seal_authority: Mapped[bool]  # may approve, make, resume and cancel seals of any agency
    created_at: Mapped[datetime]


class Person(Base):
    """Somebody with a credential and roles. The credential is a public key, never a name.

    An administrator has one duty, no role and no agency: that no one combines duties (三员分立) is the shape
    of this row, so no race can undo it.
    """

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("duty IN ('system_admin', 'security_admin', 'auditor')", name="duty"),
        CheckConstraint("duty IS NULL OR CAST(roles AS TEXT) = '[]'", name="duty_or_roles"),
        CheckConstraint("(duty IS NULL) <> (agency_code IS NULL)", name="duty_or_agency"),
        Index(None, "agency_code", "name", "id"),  # the pages of a list
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    agency_code: Mapped[str | None] = mapped_column(ForeignKey("agency.code"))  # None: an administrator
    name: Mapped[str] = mapped_column(String(80))
    duty: Mapped[str | None] = mapped_column(String(20))  # fixed when put on record
    roles: Mapped[list[str]]  # of `rules.ROLES`; none before approval
    active: Mapped[bool]
    created_at: Mapped[datetime]


class Client(Base):
    """A machine with a credential, bound to an agency; or the operator console, through which the agency's
    people act with a browser, or the public form, through which applicants do: these have no credential, and
    get no token.
    """

    __tablename__ = "client"
    __table_args__ = (
        Index("uq_client_console", "agency_code", unique=True, **_CONSOLES),
        Index("uq_client_public_form", "agency_code", unique=True, **_FORMS),
        CheckConstraint("NOT console OR secret_sha256 IS NULL", name="console_secret"),
        CheckConstraint("NOT public_form OR (secret_sha256 IS NULL AND NOT console)", name="form_secret"),
        Index(None, "agency_code", "name", "id"),  # the pages of a list
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    name: Mapped[str] = mapped_column(String(80))
    scopes: Mapped[list[str]]  # none before approval
    secret_sha256: Mapped[bytes | None]  # of one that the registry made: nobody guesses 256 bits
    certificate_required: Mapped[bool]  # to get a token, which is then bound to it (RFC 8705)
    console: Mapped[bool]  # one an agency at most
    public_form: Mapped[bool]  # as well
    active: Mapped[bool]
    created_at: Mapped[datetime]


class Verifier(Base):
    """A relying party (a bank, a court) that asks the public site by program, and what it may ask."""

    __tablename__ = "verifier"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    key_sha256: Mapped[bytes] = mapped_column(unique=True)  # of its key, 256 random bits
    per_minute: Mapped[int]  # checks, one of a bulk request like any other; 0 before approval
    per_day: Mapped[int]
    active: Mapped[bool]
    created_at: Mapped[datetime]


class Enrolment(Base):
    """What somebody put on record is to be allowed: it takes effect when security administration approves."""

    __tablename__ = "enrolment"
    subject: Mapped[str] = mapped_column(String(32), primary_key=True)  # the id of whom it is about
    subject_kind: Mapped[str] = mapped_column(String(10))  # person, client, verifier, identity
    asked: Mapped[dict[str, Any]]  # roles, or duty, or scopes and types, or quotas
    enrolled_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    enrolled_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10), index=True)  # open, approved, refused
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]


class Founding(Base):
    """Each time that administrators were appointed by nobody, on the machine: number 1 founds the registry's
    administration, any other is a recovery from lock-out. Administrative acts lock number 1: one at a time.
    """

    __tablename__ = "founding"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]


class AssertionKey(Base):
    """A public key that signs the assertions (RFC 7523) of one person or of one client, and of nobody else:
    whoever had one key as two people could approve what they applied for.
    """

    __tablename__ = "assertion_key"
    __table_args__ = (CheckConstraint("(person_id IS NULL) <> (client_id IS NULL)", name="one_holder"),)
    kid: Mapped[str] = mapped_column(String(43), primary_key=True)  # thumbprint (RFC 7638)
    jwk: Mapped[dict[str, Any]]
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"), index=True)


class ClientType(Base):
    """A licence type that a client may issue."""

    __tablename__ = "client_type"
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    type_code: Mapped[str] = mapped_column(String(21), primary_key=True)


class AccessToken(Base):
    """A bearer token, kept as its SHA-256."""

    __tablename__ = "access_token"
    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    client_id: Mapped[str | None] = mapped_column(
        ForeignKey("client.id"), index=True
    )  # None: an auditor's own
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    scopes: Mapped[list[str]]
    certificate_sha256: Mapped[bytes | None]  # the one that it is bound to
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UsedAssertion(Base):
    """A `jti` seen in an assertion (RFC 7523), so that it serves once."""

    __tablename__ = "used_assertion"
    issuer: Mapped[str] = mapped_column(String(32), primary_key=True)
    jti_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
