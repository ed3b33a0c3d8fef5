"""The keys that sign an agency's QR codes: given, replaced and retired by an administrator.

A key goes on being recognised when a newer one signs; retired, for what it signed up to that day.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from keys.custodian import Purpose
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.seals.authority import give_qr_key
from registry.seals.keys import Pieces
from registry.seals.revocation import revoke_key
from registry.seals.serving import certified_keys
from registry.seals.tables import Key


def ensure_qr_key(pieces: Pieces, agency_code: str) -> None:
    """Give the agency a key unless it has one with a valid certificate: also where an earlier attempt died
    halfway. Raises as `give_qr_key` does.
    """
    held = certified_keys(ProfileName.QR, pieces.clock(), agency_code)
    with Session(pieces.database.read) as session:
        found = session.execute(held.limit(1)).first()
    if found is None:
        give_qr_key(pieces, agency_code)


def retire_qr_key(
    session: Session, ports: Surroundings, *, key_id: str, ground: Ground, compromised: bool = False
) -> None:
    """End a key at once; without another one its agency issues nothing more. The same again changes nothing,
    but a retired key may still turn out to be compromised: then only the registry vouches for what it signed.

    Raises VermilionError(NOT_FOUND).
    """
    key = session.get(Key, key_id, with_for_update=True)
    if key is None or key.purpose != Purpose.QR.value:
        raise VermilionError(Kind.NOT_FOUND, "no such key for QR codes", reason="key_unknown")
    state = "compromised" if compromised else "retired"
    if key.state in {state, "compromised"}:
        return
    now = ports.clock()
    key.state, key.since = state, now
    revoke_key(session, ports, key.id, ground, compromised=compromised)
    record_event(
        session,
        kind=f"key.{state}",
        subject_kind="key",
        subject=key.id,
        ground=ground,
        actor=None,
        now=now,
        random=ports.random,
        detail={"agency": key.agency_code, "profile": ProfileName.QR.value},
    )
