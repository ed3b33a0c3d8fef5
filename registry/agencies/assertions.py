"""Signed assertions of RFC 7523: strict compact JWS, ES256 and nothing else, served once."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from keys.canonical import strict_json
from keys.clock import Clock
from keys.errors import Kind, VermilionError
from registry.agencies.tables import UsedAssertion
from registry.rows import unless_known

MAX_ASSERTION_BYTES = 4096
MAX_LIFE = timedelta(minutes=5)
SKEW = timedelta(seconds=30)
ALGORITHM = "ES256"
_HEADER = frozenset({"alg", "typ", "kid"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """A parsed assertion; nothing in it is proven before `verify` and `use_up` return."""

    compact: str
    subject: str
    audiences: frozenset[str]
    jti: str
    expires_at: datetime
    not_before: datetime | None
    issued_at: datetime | None


def parse_assertion(compact: str) -> Assertion:
    """Read the claims. Raises VermilionError(UNAUTHENTICATED) for anything out of shape."""
    parts = compact.split(".")
    if len(compact) > MAX_ASSERTION_BYTES or len(parts) != 3:
        raise _refused("not a signed assertion")
    header, claims = (_members(part) for part in parts[:2])
    if not set(header) <= _HEADER or header.get("alg") != ALGORITHM or header.get("typ", "JWT") != "JWT":
        raise _refused(f"the assertion's header is not that of a JWT signed with {ALGORITHM}")
    if len(_decode(parts[2])) != 64:
        raise _refused(f"not a signature of {ALGORITHM}")
    subject, jti = _text(claims, "sub", 64), _text(claims, "jti", 128)
    if _text(claims, "iss", 64) != subject:
        raise _refused("issuer and subject differ")
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise _refused("the assertion has no expiry")
    return Assertion(
        compact,
        subject,
        _audiences(claims.get("aud")),
        jti,
        expires_at,
        _instant(claims, "nbf"),
        _instant(claims, "iat"),
    )


def verify(
    assertion: Assertion,
    keys: Iterable[Mapping[str, Any]],
    *,
    audiences: frozenset[str],
    now: datetime,
) -> None:
    """Check audience, times and signature. It may have served already: `use_up` says.

    Raises VermilionError(UNAUTHENTICATED).
    """
    if not assertion.audiences & audiences:
        raise _refused("the assertion is for another audience")
    if not now < assertion.expires_at <= now + MAX_LIFE + SKEW:
        raise _refused("the assertion has expired, or lives longer than 5 minutes")
    for start in (assertion.not_before, assertion.issued_at):
        if start is not None and start > now + SKEW:
            raise _refused("the assertion is not valid yet")
    if not any(_signed_by(assertion.compact, key) for key in keys):
        raise _refused("the assertion's signature is wrong")


def use_up(session: Session, assertion: Assertion, clock: Clock) -> None:
    """Note in the caller's transaction that a verified assertion has served: each `jti` of an issuer does so
    once. It is forgotten when the assertion is too old to serve again.

    Raises VermilionError(UNAUTHENTICATED).
    """
    row = insert(UsedAssertion).values(
        issuer=assertion.subject,
        jti_sha256=hashlib.sha256(assertion.jti.encode()).digest(),
        expires_at=assertion.expires_at,
    )
    with unless_known(session, _refused("the assertion was used before")):
        session.execute(row)
    now = clock()  # once it is our turn to write: who waited for long may find that its use was forgotten
    if now >= assertion.expires_at:
        raise _refused("the assertion has expired")
    session.execute(delete(UsedAssertion).where(UsedAssertion.expires_at < now - SKEW))


def _signed_by(compact: str, key: Mapping[str, Any]) -> bool:
    try:
        jws.deserialize_compact(compact, ECKey.import_key(dict(key)), algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _members(part: str) -> dict[str, Any]:
    try:
        value = strict_json(_decode(part), max_bytes=MAX_ASSERTION_BYTES, max_depth=3)
    except VermilionError:
        raise _refused("not a signed assertion") from None
    if not isinstance(value, dict):
        raise _refused("not a signed assertion")
    return value


def _decode(part: str) -> bytes:
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _refused("not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        raise _refused("not base64url")
    return data


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise _refused(f"the claim {name} is missing or no short text")
    return value


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A NumericDate (RFC 7519), whole seconds."""
    if name not in claims:
        return None
    value = claims[name]
    if type(value) is not int or not 0 <= value < 2**37:
        raise _refused(f"the claim {name} is no time")
    return datetime.fromtimestamp(value, UTC)


def _audiences(value: object) -> frozenset[str]:
    items = value if isinstance(value, list) else [value]
    if not 1 <= len(items) <= 4 or not all(isinstance(item, str) for item in items):
        raise _refused("the claim aud is missing or not short")
    return frozenset(items)


def _refused(detail: str) -> VermilionError:
    return VermilionError(Kind.UNAUTHENTICATED, detail, reason="assertion")
