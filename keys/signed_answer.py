"""Answers to checks, as they are signed: a compact JWS (RFC 7515) that a relying party can file.

One form: what is to be signed is laid out here, and read by laying it out again and comparing. The header
names its key by the id that the trust list names it by; nothing else finds the key. What an answer says of a
licence is `signing.signed_answer`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from keys.base64url import b64url, unb64url
from keys.canonical import canonical_json, strict_json
from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.suite import SUITES, Suite, ecdsa, signature_bytes, signature_to_raw

ANSWER_TYPE = "verification-answer+jwt"
MEDIA_TYPE = "application/jwt"
MAX_ANSWERS = 1000
MAX_BYTES = 8 * 1024 * 1024
"""Of a token: a thousand answers of at most some 4 kB, and base64url."""
MAX_REQUEST_REFERENCE = 120

_MAX_HEADER = 256
_MAX_DEPTH = 9
_MEMBERS = {"iss", "iat", "jti", "aud", "answers"}
_HEX32 = re.compile(r"[0-9a-f]{32}")
_KID = re.compile(r"[0-9a-f]{16}")
_MAX_INSTANT = 253402300799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True)
class Content:
    """What a signed answer says. Instants are UTC, whole seconds."""

    issuer: str  # claim `iss`: the origin of the site that was asked
    issued_at: datetime
    reference: str  # claim `jti`, 32 hex digits: what the answer is called
    audience: str  # claim `aud`, 32 hex digits: the relying party that asked
    request_reference: str | None  # claim `ref`: what the relying party calls its request
    answers: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart; nothing is verified yet. `signature` is r || s."""

    kid: str
    alg: str
    content: Content
    signed: bytes
    signature: bytes


def answer_record(reference: str) -> str:
    """The record that a signed answer's signature serves."""
    return f"answer:{reference}"


def answer_input(content: Content, kid: str, suite: Suite) -> bytes:
    """The JWS signing input (RFC 7515, 5.1). `kid`: 16 hex digits, as the trust list names the key."""
    return _jws(content, kid, ecdsa(suite).jose_alg)


def sign_answer(custodian: Custodian, key: KeyRef, signing_input: bytes, reference: str) -> str:
    """The compact JWS of what `answer_input` made. Raises VermilionError from the custodian."""
    request = SignRequest(SignKind.SIGNED_ANSWER, signing_input, answer_record(reference))
    (signature,) = custodian.sign(key, [request])
    return f"{signing_input.decode('ascii')}.{b64url(signature_to_raw(SUITES[key.suite], signature))}"


def take_apart(data: bytes) -> Token:
    """A token of exactly the form that `sign_answer` gives.

    Raises VermilionError(MALFORMED, reason "signed_answer") for any other bytes.
    """
    if len(data) > MAX_BYTES:
        _refuse("it is too long")
    try:
        return _take(data)
    except VermilionError as error:
        if error.reason == "signed_answer":
            raise
        _refuse(error.detail)
    except ValueError as error:
        _refuse(str(error))


def read_input(data: bytes, suite: Suite) -> Token:
    """What `answer_input` made, without a signature. Raises VermilionError for anything but what that makes
    for a key of the suite.
    """
    token = take_apart(data + b"." + b64url(bytes(signature_bytes(suite))).encode())
    if token.signed != data or token.alg != ecdsa(suite).jose_alg:
        _refuse("it names another algorithm")
    return token


def _jws(content: Content, kid: str, alg: str) -> bytes:
    header = {"alg": alg, "kid": kid, "typ": ANSWER_TYPE}
    payload: dict[str, Any] = {
        "iss": content.issuer,
        "iat": int(content.issued_at.timestamp()),
        "jti": content.reference,
        "aud": content.audience,
        "answers": [dict(answer) for answer in content.answers],
    }
    if content.request_reference is not None:
        payload["ref"] = content.request_reference
    return f"{b64url(canonical_json(header))}.{b64url(canonical_json(payload))}".encode("ascii")


def _take(data: bytes) -> Token:
    parts = data.split(b".", 3)
    if len(parts) != 3:
        _refuse("it is no compact JWS")
    header = strict_json(unb64url(parts[0]), max_bytes=_MAX_HEADER, max_depth=1)
    payload = strict_json(unb64url(parts[1]), max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH)
    if not isinstance(header, dict) or not isinstance(payload, dict):
        _refuse("header or claims are no object")
    kid, alg = header.get("kid"), header.get("alg")
    if not (isinstance(alg, str) and isinstance(kid, str) and _KID.fullmatch(kid)):
        _refuse("the header names no key of a trust list")
    content = _content(payload)
    signed = parts[0] + b"." + parts[1]
    if _jws(content, kid, alg) != signed:
        _refuse("it is not in its one form")
    return Token(kid, alg, content, signed, unb64url(parts[2]))


def _content(payload: Mapping[str, Any]) -> Content:
    if set(payload) - {"ref"} != _MEMBERS:
        _refuse("it has other claims")
    issuer, issued_at, answers = payload["iss"], payload["iat"], payload["answers"]
    names = (payload["jti"], payload["aud"])
    if not all(isinstance(name, str) and _HEX32.fullmatch(name) for name in names):
        _refuse("it does not say what it is called, or who asked")
    if not isinstance(issuer, str) or type(issued_at) is not int or not 0 <= issued_at <= _MAX_INSTANT:
        _refuse("it does not say who gave it, or when")
    if not (isinstance(answers, list) and 1 <= len(answers) <= MAX_ANSWERS):
        _refuse(f"it holds no answer, or more than {MAX_ANSWERS}")
    if not all(isinstance(answer, dict) for answer in answers):
        _refuse("an answer is no object")
    reference = payload.get("ref")
    if "ref" in payload and not is_reference(reference):
        _refuse("what the request is called is no line of text")
    return Content(issuer, datetime.fromtimestamp(issued_at, UTC), *names, reference, tuple(answers))


def is_reference(value: object) -> bool:
    """Whether a relying party may call its request so: one printable line."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_REQUEST_REFERENCE
        and value.isprintable()
        and value == value.strip()
    )


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.MALFORMED, f"not a signed answer of ours: {detail}", reason="signed_answer")
