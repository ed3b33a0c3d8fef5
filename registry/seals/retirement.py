"""Ending a key of the registry by an administrator's hand: retired in order, or found compromised.

It signs nothing more from that moment. What it signed before goes on being judged by the trust list, and its
certificate is revoked. A seal's key ends with its edition or its seal, by the people whose duty that is; an
authority's, by a ceremony.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.crl import RevocationReason
from keys.custodian import Purpose
from keys.errors import Kind, VermilionError
from keys.profiles import PROFILES, ProfileName
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.seals.authority import OWN, give_ocsp_key, give_own_key, root_authority
from registry.seals.keys import Pieces
from registry.seals.revocation import State, revoke, revoke_key
from registry.seals.serving import certified_keys
from registry.seals.tables import Certificate, Key

RETIRABLE = frozenset(
    {
        Purpose.QR,
        Purpose.TSA,
        Purpose.OCSP,
        Purpose.SEAL_MAKER,
        Purpose.TRUST_LIST,
        Purpose.STATUS_LIST,
        Purpose.RECEIPT,
    }
)


def end_former_authorities(
    session: Session, ports: Surroundings, ground: Ground, *, made_before: datetime
) -> list[str]:
    """Of issuing CAs made before a moment, somebody else may have the keys: they sign nothing more, and the
    root's list says so. A ceremony's act; the serials of their certificates that are the root's in service,
    those included that an earlier attempt of it ended since. Of one that a former root certified no list
    tells any more.

    What the keys that they certified signed goes on being judged by the trust list, which names each key.
    """
    former = (
        select(Key)
        .where(Key.purpose == Purpose.ISSUING_CA.value, Key.state == "active", Key.created_at < made_before)
        .order_by(Key.created_at)
        .with_for_update()
    )
    for key in session.scalars(former).all():
        key.state, key.since = "compromised", ports.clock()
        signed = select(Certificate.serial).where(
            Certificate.key_id == key.id, Certificate.der.is_not(None), Certificate.state != State.REVOKED
        )
        for serial in session.scalars(signed).all():
            revoke(session, ports, None, serial, ground, RevocationReason.CA_COMPROMISE)
    ended = (
        select(Certificate.serial)
        .join(Key, Key.id == Certificate.key_id)
        .where(
            Certificate.issuer_key_id == root_authority(session).key.id,
            Key.purpose == Purpose.ISSUING_CA.value,
            Key.created_at < made_before,
            Certificate.reason == RevocationReason.CA_COMPROMISE,
            Certificate.revoked_at >= made_before,
        )
        .order_by(Certificate.serial)
    )
    return list(session.scalars(ended))


def retire_key(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    key_id: str,
    ground: Ground,
    compromised: bool = False,
) -> Purpose:
    """End a key at once; what it was for. The same again changes nothing, but a retired key may still turn
    out to be compromised: then only the registry vouches for what it signed.

    The last delegate of the trust list is retired in no other way than by its successor: without one no list
    is published. Raises VermilionError: FORBIDDEN, NOT_FOUND, CONFLICT with "last_delegate", INVALID
    for a key that ends otherwise.
    """
    in_office(session, admin, Duty.SYSTEM)
    key = session.get(Key, key_id, with_for_update=True)
    if key is None:
        raise VermilionError(Kind.NOT_FOUND, "no such key", reason="key_unknown")
    purpose = Purpose(key.purpose)
    if purpose not in RETIRABLE:
        detail = "a seal's key ends with its edition or its seal, an authority's by a ceremony"
        raise VermilionError(Kind.INVALID, detail, reason="purpose")
    state = "compromised" if compromised else "retired"
    if key.state in {state, "compromised"}:
        return purpose
    now = ports.clock()
    if purpose is Purpose.TRUST_LIST and not compromised and not _others(session, key):
        raise VermilionError(
            Kind.CONFLICT, "no other delegate could sign the trust list", reason="last_delegate"
        )
    key.state, key.since = state, now
    revoke_key(session, ports, admin, key.id, ground, compromised=compromised)
    record_event(
        session,
        kind=f"key.{state}",
        subject_kind="key",
        subject=key.id,
        ground=ground,
        actor=admin,
        now=now,
        random=ports.random,
        detail={"agency": key.agency_code, "purpose": purpose.value},
    )
    return purpose


def succeed(pieces: Pieces, purpose: Purpose, admin: Administrator) -> str | None:
    """Give a successor where the registry itself is left without a key that may serve; its id. An agency's QR
    key, a maker's and the list's delegate have their own ways. Not inside a transaction: it signs.

    Raises VermilionError(UNAVAILABLE) and what the custodian raises.
    """
    profile = next((one for one in (*OWN, ProfileName.OCSP) if PROFILES[one].purpose is purpose), None)
    if profile is None:
        return None
    with Session(pieces.database.read) as session:
        left = session.execute(certified_keys(profile, pieces.clock()).limit(1)).first()
    if left is not None:
        return None
    given = give_ocsp_key(pieces, admin) if profile not in OWN else give_own_key(pieces, profile, admin)
    return given.key.id


def keys_on_record(session: Session, purpose: str | None = None) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each key, the oldest first, with its newest certificate."""
    own = (Certificate.key_id == Key.id) & (Certificate.profile != ProfileName.ROOT_LINK)
    newest = select(func.max(Certificate.not_after)).where(own).correlate(Key).scalar_subquery()
    statement = (
        select(Key, Certificate)
        .outerjoin(Certificate, own & (Certificate.not_after == newest))
        .order_by(Key.created_at, Key.id)
    )
    if purpose is not None:
        statement = statement.where(Key.purpose == purpose)
    for key, certificate in session.execute(statement):
        yield {
            "id": key.id,
            "purpose": key.purpose,
            "suite": key.suite,
            "agency": key.agency_code,
            "state": key.state,
            "since": key.since.isoformat(),
            "listed": None if key.listed_at is None else key.listed_at.isoformat(),
            "certificate": None if certificate is None else certificate.serial,
            "certificate_state": None if certificate is None else certificate.state,
            "not_after": None if certificate is None else certificate.not_after.isoformat(),
        }


def _others(session: Session, key: Key) -> bool:
    statement = select(Key.id).where(Key.purpose == key.purpose, Key.state == "active", Key.id != key.id)
    return session.scalar(statement.limit(1)) is not None
