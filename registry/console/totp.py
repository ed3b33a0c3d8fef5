"""One-time codes by time (RFC 6238) over HOTP (RFC 4226): SHA-1, six digits, thirty seconds, as every
authenticator application knows them.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from urllib.parse import quote, urlencode

SECRET_BYTES = 20  # RFC 4226, 4, R6
DIGITS = 6
PERIOD = 30  # seconds
STEPS_OFF = 1  # either way: clocks differ, and people take their time


def hotp(secret: bytes, counter: int, digits: int = DIGITS) -> str:
    """RFC 4226, 5.3."""
    mac = hmac.digest(secret, counter.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


def step_of(now: datetime) -> int:
    return int(now.timestamp()) // PERIOD


def matching_step(secret: bytes, code: str, now: datetime, after: int | None) -> int | None:
    """The step whose code this is, one later than `after`: a code that has served is none, nor is one before
    it. Every candidate is compared, in constant time.
    """
    typed = "".join(code.split()).encode("ascii", "replace")
    found = None
    for step in range(step_of(now) - STEPS_OFF, step_of(now) + STEPS_OFF + 1):
        right = hmac.compare_digest(hotp(secret, step).encode(), typed)
        if right and (after is None or step > after):
            found = step
    return found


def spoken(secret: bytes) -> str:
    """The secret as it is typed into an application: base32 in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def address(secret: bytes, issuer: str, account: str) -> str:
    """The `otpauth:` address that a QR code carries to an application."""
    label = quote(f"{issuer}:{account}")
    parameters = {"secret": base64.b32encode(secret).decode(), "issuer": issuer, "digits": DIGITS}
    return f"otpauth://totp/{label}?{urlencode({**parameters, 'period': PERIOD}, quote_via=quote)}"
