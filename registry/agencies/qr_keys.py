"""The keys that sign an agency's QR codes, given by an administrator.

A key goes on being recognised when a newer one signs; retired (`registry.seals.retirement`), for what it
signed up to that day.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from keys.profiles import ProfileName
from registry.seals.authority import give_qr_key
from registry.seals.keys import Pieces
from registry.seals.serving import certified_keys


def ensure_qr_key(pieces: Pieces, agency_code: str) -> None:
    """Give the agency a key unless it has one with a valid certificate: also where an earlier attempt died
    halfway. Raises as `give_qr_key` does.
    """
    held = certified_keys(ProfileName.QR, pieces.clock(), agency_code)
    with Session(pieces.database.read) as session:
        found = session.execute(held.limit(1)).first()
    if found is None:
        give_qr_key(pieces, agency_code)
