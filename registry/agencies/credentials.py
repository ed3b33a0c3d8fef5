"""The public keys by which people and clients are known. One key is one credential, whoever it belongs to."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from keys.base64url import b64url
from keys.errors import Kind, VermilionError, field_fault
from registry.agencies.tables import AssertionKey, Client, Person
from registry.rows import unless_known

COORDINATE_BYTES = 32  # of a point on P-256


def public_jwk(jwk: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A P-256 public key (RFC 7517), cut to what is public, with its thumbprint (RFC 7638) as kid.

    Raises VermilionError(INVALID) for anything else, private keys included: those are never sent here.
    """
    if "d" in jwk:
        raise field_fault(where, "private_key", "this is a private key: send the public half only")
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise field_fault(where, "key_kind", "a key is an EC key on P-256")
    public = {name: str(jwk.get(name)) for name in ("kty", "crv", "x", "y")}
    try:
        key = ECKey.import_key(dict(public))
        point = key.public_key
        thumbprint = key.thumbprint()
    except (JoseError, ValueError, TypeError, AttributeError):
        raise field_fault(where, "key", "not a public key") from None
    # Decoders forgive; the thumbprint is of the text. In another spelling one key would be two credentials.
    if (public["x"], public["y"]) != _coordinates(point):
        raise field_fault(where, "key", "x and y are 32 bytes each in base64url, without padding")
    return {**public, "kid": thumbprint}


def record_keys(
    session: Session,
    jwks: Collection[Mapping[str, Any]],
    *,
    person: Person | None = None,
    client: Client | None = None,
) -> None:
    """Put keys on record as those of a person or of a client.

    Raises VermilionError(CONFLICT, `key_known`) for a key that anybody has, also under a race.
    """
    holder = {"person_id": person.id if person else None, "client_id": client.id if client else None}
    rows = [{"kid": jwk["kid"], "jwk": dict(jwk), **holder} for jwk in jwks]
    if not rows:
        return
    known = VermilionError(Kind.CONFLICT, "the key is on record already", reason="key_known")
    with unless_known(session, known):
        session.execute(insert(AssertionKey), rows)


def keys_of(session: Session, holder: Person | Client | None) -> list[Mapping[str, Any]]:
    """The public keys that sign the holder's assertions; none of nobody."""
    if holder is None:
        return []
    owner = AssertionKey.person_id if isinstance(holder, Person) else AssertionKey.client_id
    return list(session.scalars(select(AssertionKey.jwk).where(owner == holder.id)))


def thumbprints_of(session: Session, holder: Person | Client) -> list[str]:
    """By which the holder's keys are told apart (RFC 7638), in order; a secret by 43 characters of its
    digest, from which nothing of it can be found.
    """
    if isinstance(holder, Client) and holder.secret_sha256 is not None:
        return [b64url(holder.secret_sha256)]
    owner = AssertionKey.person_id if isinstance(holder, Person) else AssertionKey.client_id
    return sorted(session.scalars(select(AssertionKey.kid).where(owner == holder.id)))


def _coordinates(point: EllipticCurvePublicKey) -> tuple[str, str]:
    numbers = point.public_numbers()
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(COORDINATE_BYTES, "big")).rstrip(b"=").decode()
        for number in (numbers.x, numbers.y)
    )
    return x, y
