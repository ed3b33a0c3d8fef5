"""The status of certificates that authorities outside gave, as it is on record: what a seal may rely on.

A seal with such a certificate seals only while its authority's own word, `good`, holds. Where there is none
the registry cannot know, and refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.outside_status import Said
from registry.seals.outside_tables import OutsideAuthority, OutsideCertificate, OutsideStatus
from registry.seals.tables import Certificate


def current_good(session: Session, certificate: Certificate, now: datetime) -> str | None:
    """The id of the status by which an outside certificate may be used now; None for one of our own.

    Raises VermilionError: CONFLICT (`certificate_revoked`) for one that is held or revoked; UNAVAILABLE
    (`status_unknown`) where no `good` of its authority's holds.
    """
    if certificate.issuer_key_id is not None:
        return None
    if certificate.state != Said.GOOD:
        raise VermilionError(
            Kind.CONFLICT,
            "the authority outside has revoked the seal's certificate",
            reason="certificate_revoked",
        )
    good = next((one for one in goods(session, certificate.serial) if now < one.holds_until), None)
    if good is None:
        raise VermilionError(
            Kind.UNAVAILABLE,
            "the status of the seal's certificate is not known now",
            reason="status_unknown",
            retry_after=30,
        )
    return good.id


def newest_status(session: Session, serial: str) -> OutsideStatus | None:
    """Of two of the same time, the graver."""
    statement = select(OutsideStatus).where(OutsideStatus.certificate_serial == serial)
    newest_first = (OutsideStatus.this_update.desc(), OutsideStatus.state.desc())
    return session.scalars(statement.order_by(*newest_first).limit(1)).one_or_none()


def goods(session: Session, serial: str) -> Sequence[OutsideStatus]:
    """Every `good` on record that no other word gainsays, of its own time or later; the newest first."""
    statement = select(OutsideStatus).where(
        OutsideStatus.certificate_serial == serial, OutsideStatus.state == Said.GOOD.value
    )
    other = last_other(session, serial)
    if other is not None:
        statement = statement.where(OutsideStatus.this_update > other)
    return session.scalars(statement.order_by(OutsideStatus.this_update.desc())).all()


def last_other(session: Session, serial: str) -> datetime | None:
    """Of when the newest word is that was not `good`."""
    return session.scalar(
        select(OutsideStatus.this_update)
        .where(OutsideStatus.certificate_serial == serial, OutsideStatus.state != Said.GOOD.value)
        .order_by(OutsideStatus.this_update.desc())
        .limit(1)
    )


def shown(session: Session, certificate: Certificate, now: datetime) -> dict[str, Any]:
    """Members of a JSON object: whose certificate it is, and what its authority says of it."""
    outside = session.get_one(OutsideCertificate, certificate.serial)
    newest = newest_status(session, certificate.serial)
    if newest is not None and newest.state == Said.GOOD:
        newest = next((one for one in goods(session, certificate.serial) if now < one.holds_until), newest)
    known = newest is not None and now < newest.holds_until
    assert certificate.der is not None
    return {
        "authority": session.get_one(OutsideAuthority, outside.authority).name,
        "serial_number": outside.serial_number,
        "subject": x509.load_der_x509_certificate(certificate.der).subject.rfc4514_string(),
        "status": certificate.state if known or certificate.state != Said.GOOD else "unknown",
        "this_update": None if newest is None else newest.this_update.isoformat(),
        "holds_until": None if newest is None else newest.holds_until.isoformat(),
        "evidence_sha256": None if newest is None else newest.evidence,
    }
