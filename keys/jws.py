"""Compact JWS (RFC 7515) of one form: what a certified key signed, with its certificates in the header."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NoReturn

from keys import base64url
from keys.base64url import b64url
from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError
from keys.path import certificate_public_key, parse_certificate
from keys.suite import Suite, signature_from_raw, signature_to_raw, verifies

MAX_HEADER_BYTES = 64 * 1024
MAX_DEPTH = 8
_MEMBERS = {"alg", "typ", "x5c", "x5t#S256"}


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a JWS: certificates in DER, the signer's first (RFC 7515, 4.1.6)."""

    alg: str
    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Compact:
    """A JWS taken apart; nothing is verified yet."""

    header: Header
    payload: bytes
    signing_input: bytes
    signature: bytes


def signing_input(typ: str, suite: Suite, chain: Sequence[bytes], payload: object) -> bytes:
    """RFC 7515, 5.1, for the key of the first certificate (DER) of `chain`, which is of this suite."""
    header = {
        "alg": suite.jose_alg,
        "typ": typ,
        "x5c": [b64(certificate) for certificate in chain],
        "x5t#S256": b64url(sha256(chain[0]).digest()),
    }
    return f"{b64url(canonical_json(header))}.{b64url(canonical_json(payload))}".encode("ascii")


def compact(data: bytes, suite: Suite, signature: bytes) -> str:
    """The compact JWS of a signing input and its signature, as CMS carries it."""
    return f"{data.decode('ascii')}.{b64url(signature_to_raw(suite, signature))}"


def take_apart(data: bytes, typ: str) -> Compact:
    """Raises VermilionError(INVALID, reason "malformed") for anything but a JWS of this form and type."""
    parts = data.strip(b"\r\n ").split(b".", 3)
    if len(parts) != 3:
        _refuse("not a JWS")
    header, payload, signature = (unb64url(part) for part in parts)
    return Compact(read_header(header, typ), payload, parts[0] + b"." + parts[1], signature)


def read_header(header: bytes, typ: str) -> Header:
    """Raises VermilionError(INVALID, reason "malformed")."""
    value = strict(header, MAX_HEADER_BYTES)
    if (
        not isinstance(value, dict)
        or set(value) != _MEMBERS
        or value["typ"] != typ
        or not isinstance(value["alg"], str)
        or not isinstance(value["x5c"], list)
        or not value["x5c"]
    ):
        _refuse(f"not a JWS of type {typ}")
    chain = tuple(unb64(certificate) for certificate in value["x5c"])
    if value["x5t#S256"] != b64url(sha256(chain[0]).digest()):
        _refuse("the JWS names another signer than its first certificate")
    return Header(value["alg"], chain)


def verify(jws: Compact) -> None:
    """Check the signature by the first certificate's key: whose that is, is for the caller to judge.

    Raises VermilionError(INVALID, reason "bad_signature", or as `keys.path.parse_certificate`).
    """
    public, suite = certificate_public_key(parse_certificate(jws.header.chain[0]))
    if jws.header.alg != suite.jose_alg:
        _refuse("the JWS names another algorithm than its signer's", "bad_signature")
    try:
        right = verifies(public, suite, signature_from_raw(suite, jws.signature), jws.signing_input)
    except ValueError:
        right = False
    if not right:
        _refuse("the signature is wrong", "bad_signature")


def strict(data: bytes, max_bytes: int) -> Any:
    """Bounded JSON. Raises VermilionError(INVALID, reason "malformed")."""
    try:
        return strict_json(data, max_bytes=max_bytes, max_depth=MAX_DEPTH)
    except VermilionError as error:
        _refuse(error.detail)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def unb64(text: Any) -> bytes:
    try:
        decoded = base64.b64decode(text if isinstance(text, str) else "!", validate=True)
    except (binascii.Error, ValueError):
        _refuse("not base64")
    if b64(decoded) != text:
        _refuse("not base64")
    return decoded


def unb64url(data: bytes) -> bytes:
    """Raises VermilionError(INVALID, reason "malformed")."""
    try:
        return base64url.unb64url(data)
    except ValueError as error:
        _refuse(str(error))


def _refuse(detail: str, reason: str = "malformed") -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
