"""Authorities outside that certify seals: their anchors, what they are asked, and the status they give."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base

OUTSIDE_PROFILE = "outside-seal"
"""What stands as `profile` of a certificate that an authority outside gave: it is of no profile of ours."""


class OutsideAuthority(Base):
    """A licensed CA whose certificate an administrator put on record: the only anchors there are."""

    __tablename__ = "outside_authority"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)  # of its certificate, hex
    name: Mapped[str] = mapped_column(String(120), unique=True)
    der: Mapped[bytes]
    hosts: Mapped[str] = mapped_column(String(1000))  # `host` or `host:port` of CRL and OCSP, by spaces
    added_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]  # it certifies no more seals of ours


class CertificationRequest(Base):
    """A PKCS #10 request for a seal's key: its content is on record before it is signed."""

    __tablename__ = "certification_request"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    approval_id: Mapped[str] = mapped_column(ForeignKey("approval.id"), index=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("key.id"), unique=True)
    info_sha256: Mapped[bytes]  # of CertificationRequestInfo, DER
    requested_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    requested_at: Mapped[datetime]
    der: Mapped[bytes | None]  # None until signed


class OutsideCertificate(Base):
    """What a certificate of an authority outside has beside its row in `certificate`."""

    __tablename__ = "outside_certificate"
    certificate_serial: Mapped[str] = mapped_column(ForeignKey("certificate.serial"), primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("outside_authority.sha256"))
    request_id: Mapped[str] = mapped_column(ForeignKey("certification_request.id"))
    issuers: Mapped[bytes]  # SEQUENCE OF Certificate, DER, its own issuer first: what is embedded
    serial_number: Mapped[str] = mapped_column(String(40))  # as the authority numbers it, lower-case hex
    ocsp_url: Mapped[str | None] = mapped_column(String(500))
    crl_url: Mapped[str | None] = mapped_column(String(500))
    bound_at: Mapped[datetime]


class OutsideEvidence(Base):
    """A CRL or an OCSP response as it came, verified: for what relied on it."""

    __tablename__ = "outside_evidence"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the bytes, hex
    kind: Mapped[str] = mapped_column(String(4))  # crl, ocsp
    data: Mapped[bytes] = mapped_column(deferred=True)
    fetched_at: Mapped[datetime]


class OutsideStatus(Base):
    """What an authority outside said of a certificate. Of a certificate, the newest `this_update` counts;
    an older `good` is relied on too while it holds, unless another word came at its time or later.
    """

    __tablename__ = "outside_status"
    __table_args__ = (Index(None, "certificate_serial", "this_update"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    certificate_serial: Mapped[str] = mapped_column(ForeignKey("outside_certificate.certificate_serial"))
    state: Mapped[str] = mapped_column(String(10))  # good, held, revoked
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]
    holds_until: Mapped[datetime]  # nextUpdate, or earlier: no status is relied on for longer than a setting
    revoked_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(20))  # of RFC 5280
    evidence: Mapped[str] = mapped_column(ForeignKey("outside_evidence.sha256"))
