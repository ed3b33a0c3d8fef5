"""Certificates of QR keys, time-stamp authority, OCSP responder, status lists and receipts, renewed in time.

A key is never certified twice: its successor is a new key, which serves once the trust list names it. The
older one stays in the list, and good for what it signed. Two processes at the same moment may both make one:
a key too many does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.certificates import Issuer, certificate_validity
from keys.errors import Kind, VermilionError
from keys.profiles import PROFILES, ProfileName
from registry.agencies.tables import Client, ClientType
from registry.seals.authority import (
    OWN,
    give_delegate_key,
    give_ocsp_key,
    give_own_key,
    give_qr_key,
    issuing_authority,
)
from registry.seals.keys import Pieces, key_ref
from registry.seals.serving import signed_certificates
from registry.seals.tables import Certificate, Key

REMAINING = 1 / 4
"""A certificate with less than this part of its profile's life left is renewed."""

TRY_AGAIN = timedelta(hours=1)
"""An attempt is another process's until then, or has failed: each leaves a reserved key."""


def renew_due(pieces: Pieces) -> int:
    """Renew what is due, of each issuing CA's OCSP responder, the time-stamp authority, the status lists,
    the receipts and each agency that may issue; how many were.

    An agency that has no QR key yet gets one. So does a CA that has no responder: a new one has none, and the
    one before it has to answer for what it issued until that ends. Raises VermilionError: UNAVAILABLE where
    the issuing authority's own certificate has ended, and what the custodian raises; the next call goes on
    with the others.
    """
    now = pieces.clock()
    with Session(pieces.database.read) as session:
        authority = issuing_authority(session).certificate
        assert authority is not None
        _begin, end = certificate_validity(authority)
        if now > end:
            raise VermilionError(
                Kind.UNAVAILABLE, "the issuing authority's certificate has ended", reason="issuing_ended"
            )
        answering = _unanswered(session, now)
        own = [profile for profile in OWN for _ in _due(session, profile, now, end, {None})]
        agencies = _due(session, ProfileName.QR, now, end, _issuing_agencies(session))
    for issuing in answering:
        give_ocsp_key(pieces, issuing=issuing)
    for profile in own:
        give_own_key(pieces, profile)
    for code in agencies:
        assert code is not None
        give_qr_key(pieces, code)
    return len(answering) + len(own) + len(agencies)


def renew_delegate(pieces: Pieces) -> bool:
    """Give the trust list another delegate in the last quarter of the newest one's life; whether one was due.

    The root signs: for a first start where the root is at hand. Elsewhere a ceremony does it. Raises as
    `give_delegate_key`.
    """
    now = pieces.clock()
    with Session(pieces.database.read) as session:
        due = any(one.profile is ProfileName.TRUST_LIST for one in expiring(session, now))
    if due:
        give_delegate_key(pieces)
    return due


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate that only the root can follow up, and is to: `until` is UTC, and may be past."""

    profile: ProfileName
    serial: str
    until: datetime


def expiring(session: Session, now: datetime) -> list[Expiring]:
    """Which of the certificates that the root signs are in the last quarter of their lives, with none newer:
    the root's own, the issuing CA's, the trust list's delegate's. A ceremony renews them.
    """
    found = []
    for profile in (ProfileName.ROOT, ProfileName.ISSUING, ProfileName.TRUST_LIST):
        row = session.execute(
            signed_certificates(profile)
            .where(Key.state == "active")
            .order_by(None)
            .order_by(Certificate.not_after.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            continue
        certificate = row.Certificate
        life = certificate.not_after - certificate.not_before
        if now > certificate.not_after - life * REMAINING:
            found.append(Expiring(profile, certificate.serial, certificate.not_after))
    return found


def _unanswered(session: Session, now: datetime) -> list[Issuer]:
    """The issuing CAs whose newest responder ends soon, or who have none."""
    if _tried(session, ProfileName.OCSP, now):
        return []
    found = []
    for key, certificate in session.execute(
        signed_certificates(ProfileName.ISSUING).where(Key.state == "active", Certificate.not_after > now)
    ):
        until = session.scalar(
            select(func.max(Certificate.not_after))
            .join(Key, Key.id == Certificate.key_id)
            .where(
                Certificate.profile == ProfileName.OCSP.value,
                Certificate.issuer_key_id == key.id,
                Certificate.der.is_not(None),
                Key.state == "active",
            )
        )
        if until is None or until < _wanted(ProfileName.OCSP, now, certificate.not_after):
            found.append(Issuer(key_ref(key), certificate.der))
    return found


def _wanted(profile: ProfileName, now: datetime, end: datetime) -> datetime:
    """Until when a certificate has to last, lest it is renewed; none lasts beyond its issuer's `end`."""
    return min(now + PROFILES[profile].life * REMAINING, end)


def _tried(session: Session, profile: ProfileName, now: datetime) -> set[str | None]:
    """Whose key is being made by another process, or came to nothing lately."""
    statement = select(Key.agency_code).where(
        Key.purpose == PROFILES[profile].purpose.value,
        Key.state == "reserved",
        Key.created_at > now - TRY_AGAIN,
    )
    return set(session.scalars(statement))


def _due(
    session: Session, profile: ProfileName, now: datetime, end: datetime, owners: set[str | None]
) -> list[str | None]:
    """Those of the owners whose newest certificate ends soon, unless a new one would end no later, and those
    that never had one.
    """
    certified = (
        select(Key.agency_code, Key.state, func.max(Certificate.not_after).label("until"))
        .join(Certificate, Certificate.key_id == Key.id)
        .where(Certificate.profile == profile.value, Certificate.der.is_not(None))
        .group_by(Key.agency_code, Key.state)
    )
    wanted = _wanted(profile, now, end)
    rows = session.execute(certified).all()
    ending = {row.agency_code for row in rows if row.state == "active" and row.until < wanted}
    # Whose keys were all retired by hand waits for the hand that gives another.
    without = owners - {row.agency_code for row in rows}
    return sorted((owners & ending | without) - _tried(session, profile, now), key=str)


def _issuing_agencies(session: Session) -> set[str | None]:
    """Agencies with an active client that may issue some type."""
    entitled = select(ClientType.client_id).where(ClientType.client_id == Client.id).exists()
    return set(session.scalars(select(Client.agency_code).where(Client.active, entitled).distinct()))
