"""The signed trust list: which key may sign which licence types for which agency, and when.

A compact JWS (RFC 7515) signed by the root; the only thing an offline verifier needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from keys.suite import SuiteName

KeyUse = Literal["qr", "seal", "tsa"]
KeyState = Literal["active", "retired", "compromised"]


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One entry. `kid` is the first 8 bytes of SHA-256 over the SubjectPublicKeyInfo, in hex."""

    kid: str
    use: KeyUse
    suite: SuiteName
    public_key: bytes  # SubjectPublicKeyInfo, DER
    certificate: bytes | None  # DER; present for "seal" and "tsa"
    agency: str | None  # USCC; None for "tsa"
    types: tuple[str, ...]  # licence type codes; empty for "tsa"
    sign_from: datetime
    sign_to: datetime
    state: KeyState
    since: datetime | None  # when the state was entered; for "compromised" the invalidity date


@dataclass(frozen=True, slots=True)
class TrustList:
    """A verified list. Instants are UTC."""

    sequence: int
    issued_at: datetime
    next_update: datetime
    expires_at: datetime
    zone: str  # IANA name; civil days of validity are reckoned in it
    origins: tuple[str, ...]  # e.g. "http://localhost:8801"
    roots: tuple[bytes, ...]  # DER, as pinned by the verifier
    issuing: tuple[bytes, ...]  # DER of issuing CAs
    agencies: Mapping[str, Mapping[str, str]]  # USCC -> language -> name
    types: Mapping[str, Mapping[str, str]]  # type code -> language -> name
    keys: tuple[TrustedKey, ...]
    status_lists: str  # base URI
