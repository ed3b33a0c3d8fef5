"""The keys that sign an agency's QR codes, given by an administrator.

A key goes on being recognised when a newer one signs; retired (`registry.seals.retirement`), for what it
signed up to that day.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from keys.profiles import ProfileName
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.seals.authority import give_qr_key
from registry.seals.keys import Pieces
from registry.seals.serving import certified_keys


def ensure_qr_key(pieces: Pieces, agency_code: str, by: Administrator | None = None) -> None:
    """Give the agency a key unless it has one with a valid certificate: also where an earlier attempt died
    halfway. Raises as `give_qr_key` does.
    """
    held = certified_keys(ProfileName.QR, pieces.clock(), agency_code)
    with Session(pieces.database.read) as session:
        found = session.execute(held.limit(1)).first()
    if found is None:
        give_qr_key(pieces, agency_code, by)


def give_another(pieces: Pieces, admin: Administrator, agency_code: str) -> str:
    """Give the agency one more key; its id. Raises VermilionError(FORBIDDEN), and as `give_qr_key` does."""
    with pieces.database.transaction() as session:
        in_office(session, admin, Duty.SYSTEM)
    return give_qr_key(pieces, agency_code, admin).key.id
