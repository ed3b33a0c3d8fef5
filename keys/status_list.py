"""Status list tokens as they are signed (draft-ietf-oauth-status-list-21, section 5), JWT and CWT.

One form of each: what is to be signed is laid out here, and read by laying it out again and comparing. The
header names its key by the id that the trust list names it by; nothing else finds the key.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import cbor2

from keys.base64url import b64url, unb64url
from keys.canonical import canonical_json, strict_json
from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.suite import (
    SUITES,
    Suite,
    ecdsa,
    signature_bytes,
    signature_to_raw,
)

BITS = 2
SIZE = 2**20
"""Slots of a list."""
PACKED_BYTES = SIZE * BITS // 8
LIFE = timedelta(hours=48)
TTL = timedelta(hours=1)
JWT_TYPE = "statuslist+jwt"
CWT_TYPE = "application/statuslist+cwt"  # in the header (RFC 9596), and the media type
JWT_MEDIA_TYPE = "application/statuslist+jwt"
MAX_BYTES = 512 * 1024
"""Of a token. What deflate cannot make smaller is 256 KiB, and base64url in base64url 16/9 of that: 456 KiB,
with header, claims and signature."""

_SIGN1 = b"\xd2"  # COSE_Sign1_Tagged; section 5.2 wants the tag, and no CWT tag around it
_MAX_HEADER = 256
_DEPTH = 4
_URI = re.compile(r"https?://[\x21-\x7e]{1,240}/status/(?:0|[1-9][0-9]{0,8})")
_MAX_INSTANT = 253402300799  # 9999-12-31T23:59:59Z
_SUB, _EXP, _IAT, _STATUS_LIST, _TTL = 2, 4, 6, 65533, 65534  # CWT claims


@dataclass(frozen=True, slots=True)
class Content:
    """What a status list token says. Instants are UTC, whole seconds; `lst` is the compressed byte array."""

    uri: str  # claim `sub`
    issued_at: datetime
    expires_at: datetime
    ttl: timedelta
    lst: bytes


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart; nothing is verified yet. `signature` is r || s."""

    kid: str
    alg: str | int
    content: Content
    signed: bytes
    signature: bytes


def jwt_input(content: Content, kid: str, suite: Suite) -> bytes:
    """The JWS signing input (RFC 7515, 5.1). `kid`: 16 hex digits, as the trust list names the key."""
    return _jwt(content, kid, ecdsa(suite).jose_alg)


def cwt_input(content: Content, kid: str, suite: Suite) -> bytes:
    """The Sig_structure of the COSE_Sign1 (RFC 9052, 4.4), without external data."""
    return _structure(_protected(kid, ecdsa(suite).cose_alg), _claims(content))


def sign_status_list(
    custodian: Custodian, key: KeyRef, inputs: tuple[bytes, bytes], record: str
) -> tuple[str, bytes]:
    """JWT and CWT of what `jwt_input` and `cwt_input` made, for the records `<record>:jwt` and `:cwt`.

    Raises VermilionError from the custodian.
    """
    jws, structure = inputs
    suite = SUITES[key.suite]
    requests = [
        SignRequest(SignKind.STATUS_LIST_JWT, jws, f"{record}:jwt"),
        SignRequest(SignKind.STATUS_LIST_CWT, structure, f"{record}:cwt"),
    ]
    of_jwt, of_cwt = (signature_to_raw(suite, one) for one in custodian.sign(key, requests))
    _context, protected, _aad, claims = cbor2.loads(structure)
    return f"{jws.decode('ascii')}.{b64url(of_jwt)}", _SIGN1 + _cbor([protected, {}, claims, of_cwt])


def take_apart(data: bytes) -> Token:
    """A token of either format, of exactly the form that `sign_status_list` gives.

    Raises VermilionError(MALFORMED, reason "status_list") for any other bytes.
    """
    if len(data) > MAX_BYTES:
        _refuse("it is too long")
    try:
        return _take_cwt(data) if data[:1] == _SIGN1 else _take_jwt(data)
    except VermilionError as error:
        if error.reason == "status_list":
            raise
        _refuse(error.detail)
    except ValueError as error:
        _refuse(str(error))


def hold_for(issued_at: datetime, until: datetime) -> tuple[datetime, timedelta]:
    """When a list issued now expires, and its ttl: nothing outlives the key's certificate (`until`)."""
    expires_at = min(issued_at + LIFE, until)
    return expires_at, min(TTL, expires_at - issued_at)


def read_jwt_input(data: bytes, suite: Suite) -> Token:
    """What `jwt_input` made, without a signature. Raises VermilionError for anything but what that makes for
    a key of the suite.
    """
    token = take_apart(data + b"." + b64url(bytes(signature_bytes(suite))).encode())
    if token.signed != data or token.alg != ecdsa(suite).jose_alg:
        _refuse("it names another algorithm")
    require_content(token.content)
    return replace(token, signature=b"")


def read_cwt_input(data: bytes, suite: Suite) -> Token:
    """What `cwt_input` made; as `read_jwt_input`."""
    try:
        value = _load_cbor(data)
    except ValueError as error:
        _refuse(str(error))
    if not (isinstance(value, Sequence) and len(value) == 4):
        _refuse("it is no Sig_structure")
    _context, protected, _aad, claims = value
    if not (isinstance(protected, bytes) and isinstance(claims, bytes)):
        _refuse("it is no Sig_structure")
    token = take_apart(_SIGN1 + _cbor([protected, {}, claims, bytes(signature_bytes(suite))]))
    if token.signed != data or token.alg != ecdsa(suite).cose_alg:
        _refuse("it names another algorithm, or is bound to something else")
    require_content(token.content)
    return replace(token, signature=b"")


def require_content(content: Content) -> bytes:
    """The packed values of a list of ours: all slots, for no longer than lists hold, at an address of ours.

    Raises VermilionError(MALFORMED, reason "status_list").
    """
    if _URI.fullmatch(content.uri) is None:
        _refuse("it stands at no address of a status list")
    if not timedelta(0) < content.ttl <= content.expires_at - content.issued_at <= LIFE:
        _refuse("its times are not those of a status list")
    return inflate(content.lst, PACKED_BYTES)


def inflate(lst: bytes, size: int) -> bytes:
    """The compressed byte array (section 4.1) of exactly `size` bytes; never more than that is inflated.

    Raises VermilionError(MALFORMED, reason "status_list").
    """
    inflater = zlib.decompressobj()
    try:
        values = inflater.decompress(lst, size + 1)
    except zlib.error:
        _refuse("its byte array cannot be inflated")
    if len(values) != size or not inflater.eof or inflater.unused_data:
        _refuse("its byte array has another size, or something follows it")
    return values


def _jwt(content: Content, kid: str, alg: str) -> bytes:
    header = {"alg": alg, "kid": kid, "typ": JWT_TYPE}
    payload = {
        "sub": content.uri,
        "iat": _seconds(content.issued_at),
        "exp": _seconds(content.expires_at),
        "ttl": int(content.ttl.total_seconds()),
        "status_list": {"bits": BITS, "lst": b64url(content.lst)},
    }
    return f"{b64url(canonical_json(header))}.{b64url(canonical_json(payload))}".encode("ascii")


def _protected(kid: str, alg: int | None) -> bytes:
    return _cbor({1: alg, 4: bytes.fromhex(kid), 16: CWT_TYPE})


def _claims(content: Content) -> bytes:
    return _cbor(
        {
            _SUB: content.uri,
            _IAT: _seconds(content.issued_at),
            _EXP: _seconds(content.expires_at),
            _TTL: int(content.ttl.total_seconds()),
            _STATUS_LIST: {"bits": BITS, "lst": content.lst},
        }
    )


def _structure(protected: bytes, claims: bytes) -> bytes:
    return _cbor(["Signature1", protected, b"", claims])


def _take_jwt(data: bytes) -> Token:
    parts = data.split(b".", 3)
    if len(parts) != 3:
        _refuse("it is no compact JWS")
    header = strict_json(unb64url(parts[0]), max_bytes=_MAX_HEADER, max_depth=1)
    payload = strict_json(unb64url(parts[1]), max_bytes=MAX_BYTES, max_depth=2)
    if not isinstance(header, dict) or not isinstance(payload, dict):
        _refuse("header or claims are no object")
    kid, alg = header.get("kid"), header.get("alg")
    if not (isinstance(alg, str) and isinstance(kid, str) and re.fullmatch(r"[0-9a-f]{16}", kid)):
        _refuse("the header names no key of a trust list")
    listed = payload.get("status_list")
    lst = listed.get("lst") if isinstance(listed, dict) else None
    if not isinstance(lst, str):
        _refuse("it holds no status list")
    times = (payload.get("iat"), payload.get("exp"), payload.get("ttl"))
    content = _content(payload.get("sub"), times, unb64url(lst.encode("ascii", "replace")))
    signed = parts[0] + b"." + parts[1]
    if _jwt(content, kid, alg) != signed:
        _refuse("it is not in its one form")
    return Token(kid, alg, content, signed, unb64url(parts[2]))


def _take_cwt(data: bytes) -> Token:
    parts = _load_cbor(data[1:])
    if not (isinstance(parts, Sequence) and len(parts) == 4):
        _refuse("it is no COSE_Sign1")
    protected, unprotected, claims, signature = parts
    if unprotected != {} or not all(isinstance(one, bytes) for one in (protected, claims, signature)):
        _refuse("it is no COSE_Sign1")
    header, payload = _load_cbor(protected), _load_cbor(claims)
    if not isinstance(header, dict) or not isinstance(payload, dict):
        _refuse("header or claims are no map")
    kid, alg = header.get(4), header.get(1)
    if not (type(alg) is int and isinstance(kid, bytes) and len(kid) == 8):
        _refuse("the header names no key of a trust list")
    listed = payload.get(_STATUS_LIST)
    lst = listed.get("lst") if isinstance(listed, dict) else None
    if not isinstance(lst, bytes):
        _refuse("it holds no status list")
    content = _content(payload.get(_SUB), (payload.get(_IAT), payload.get(_EXP), payload.get(_TTL)), lst)
    if (_protected(kid.hex(), alg), _claims(content)) != (protected, claims):
        _refuse("it is not in its one form")
    return Token(kid.hex(), alg, content, _structure(protected, claims), signature)


def _content(uri: Any, times: tuple[Any, Any, Any], lst: bytes) -> Content:
    """`times`: issued at, expires at, ttl."""
    if not isinstance(uri, str):
        _refuse("it does not say whose list it is")
    issued_at, expires_at, ttl = times
    kept_for = timedelta(seconds=_number(ttl, _MAX_INSTANT))
    return Content(uri, _instant(issued_at), _instant(expires_at), kept_for, lst)


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        _refuse("one of its times is no number, or out of range")
    return value


def _instant(value: Any) -> datetime:
    return datetime.fromtimestamp(_number(value, _MAX_INSTANT), UTC)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _cbor(value: object) -> bytes:
    """Deterministic (RFC 8949, 4.2.1)."""
    return cbor2.dumps(value, canonical=True)


def _load_cbor(data: bytes) -> Any:
    from keys.tbs import load_cbor  # which reads these tokens for a custodian

    return load_cbor(data)


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.MALFORMED, f"not a status list token of ours: {detail}", reason="status_list")
