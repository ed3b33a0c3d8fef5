"""Relying parties as the public site knows them: by the digest of a key, what it may ask; and which key signs
what they are answered. Read-only, by the site's own role.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Engine, bindparam, select

from keys.custodian import KeyRef, Purpose
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.trust_list import TrustList
from registry.agencies.tables import Verifier
from registry.licences.outage import database_errors
from registry.seals.tables import Certificate

KEY_PREFIX = "vk_"
"""By which a key that stands where it should not is recognised, by people and by scanners of code."""

_PARTY = select(Verifier.id, Verifier.per_minute, Verifier.per_day).where(
    Verifier.key_sha256 == bindparam("digest"), Verifier.active
)
_RECEIPT_KEYS = select(Certificate.key_id, Certificate.der).where(
    Certificate.profile == ProfileName.RECEIPT.value, Certificate.der.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Party:
    """A relying party that may ask now. Quotas are checks."""

    id: str
    per_minute: int
    per_day: int


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """The key that signs answers now, and its name in the trust list."""

    ref: KeyRef
    kid: str


def key_digest(key: str) -> bytes:
    """SHA-256 of a key as it is sent. It is 256 random bits: nobody can guess it from that."""
    return sha256(key.encode("utf-8", "replace")).digest()


class Parties:
    """Each asks the database, so that whoever is disabled is refused at once.

    Raises VermilionError(UNAVAILABLE) if the database is out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def party(self, key: str) -> Party | None:
        """Whose key this is; None for nobody's, and for one who was disabled or not approved yet."""
        with database_errors(), self._engine.connect() as connection:
            row = connection.execute(_PARTY, {"digest": key_digest(key)}).one_or_none()
        return None if row is None else Party(row.id, row.per_minute, row.per_day)

    def receipt_key(self, trust: TrustList, now: datetime) -> ReceiptKey:
        """Of the keys that everybody knows by the trust list, the oldest that serves: a successor begins when
        the list that names it has long gone round.

        Raises VermilionError(UNAVAILABLE) where there is none, too.
        """
        serving = [
            key
            for key in trust.keys
            if key.use == "receipt" and key.state == "active" and key.sign_from <= now < key.sign_to
        ]
        with database_errors(), self._engine.connect() as connection:
            ids = {row.der: row.key_id for row in connection.execute(_RECEIPT_KEYS)}
        for key in sorted(serving, key=lambda key: key.sign_from):
            if key.certificate in ids:
                return ReceiptKey(KeyRef(ids[key.certificate], Purpose.RECEIPT, key.suite), key.kid)
        raise VermilionError(Kind.UNAVAILABLE, "no key signs answers now", reason="not_established")
