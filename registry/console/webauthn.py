"""WebAuthn (W3C, level 3) as a relying party that wants no attestation: what a browser brings back, judged.

Written here, because it is little: of attestation formats `none` alone, of algorithms ES256, EdDSA (Ed25519)
and RS256, of transports whatever a browser knows. A library would bring the verification of attestations, and
an X.509 stack for it, which nothing here would ever ask. Input is parsed strictly and to its end.
"""

from __future__ import annotations

import base64
import hmac
import io
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError

ES256, EDDSA, RS256 = -7, -8, -257  # IANA COSE algorithms
ALGORITHMS = (ES256, EDDSA, RS256)
"""In order of preference."""

MAX_CLIENT_DATA = 4096
MAX_ATTESTATION = 16 * 1024
MAX_AUTHENTICATOR_DATA = 4096
MAX_CREDENTIAL_ID = 1023  # WebAuthn, 4
_RP_ID_HASH, _FLAGS, _COUNT, _AAGUID, _LENGTH = 32, 1, 4, 16, 2
_PRESENT, _VERIFIED, _ELIGIBLE, _BACKED_UP, _ATTESTED, _EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
_KTY, _ALG, _CRV, _X, _Y, _N, _E = 1, 3, -1, -2, -3, -1, -2  # RFC 9053; RFC 8230 for RSA
_OKP, _EC2, _RSA = 1, 2, 3
_P256, _ED25519 = 1, 6
_EXPONENT = b"\x01\x00\x01"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """`id` is a domain (WebAuthn, 4), `origin` the one from which people sign in."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What an authenticator made; `public_key` is the COSE_Key that `verify_assertion` takes."""

    id: bytes
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class _AuthenticatorData:
    sign_count: int
    credential: NewCredential | None


def read_registration(
    party: RelyingParty, challenge: bytes, client_data: bytes, attestation: bytes
) -> NewCredential:
    """WebAuthn, 7.1. Raises VermilionError(INVALID, `passkey`; MALFORMED, TOO_LARGE)."""
    _check_client_data(party, challenge, client_data, "webauthn.create")
    if len(attestation) > MAX_ATTESTATION:
        raise _refused("an attestation is shorter")
    value, rest = _cbor(attestation)
    if rest or not isinstance(value, dict) or set(value) != {"fmt", "attStmt", "authData"}:
        raise _refused("no attestation object")
    if value["fmt"] != "none" or value["attStmt"] != {} or not isinstance(value["authData"], bytes):
        raise _refused("an attestation, where none was asked for")
    credential = _authenticator_data(party, value["authData"]).credential
    if credential is None:
        raise _refused("no new credential in it")
    return credential


def verify_assertion(
    party: RelyingParty,
    challenge: bytes,
    public_key: bytes,
    *,
    client_data: bytes,
    authenticator_data: bytes,
    signature: bytes,
) -> int:
    """WebAuthn, 7.2: the signature counter of the authenticator, which knew its user.

    Raises VermilionError(INVALID, `passkey`; MALFORMED, TOO_LARGE).
    """
    _check_client_data(party, challenge, client_data, "webauthn.get")
    read = _authenticator_data(party, authenticator_data)
    if read.credential is not None:
        raise _refused("a credential, where a signature was asked for")
    _verify(public_key, signature, authenticator_data + sha256(client_data).digest())
    return read.sign_count


def b64url(text: object, longest: int) -> bytes:
    """Raises VermilionError(INVALID, `passkey`) for what is no base64url of at most so many octets."""
    if not isinstance(text, str) or len(text) > 4 * (longest + 2) // 3:
        raise _refused("a member is missing or too long")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise _refused("a member is not base64url") from None
    if to_b64url(data) != text:
        raise _refused("a member is not base64url")
    return data


def to_b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _check_client_data(party: RelyingParty, challenge: bytes, data: bytes, what: str) -> None:
    """WebAuthn, 5.8.1: members that are not known here may follow."""
    value = strict_json(data, max_bytes=MAX_CLIENT_DATA, max_depth=4)
    if not isinstance(value, dict) or value.get("type") != what:
        raise _refused("client data of another kind")
    told = value.get("challenge")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), to_b64url(challenge).encode()):
        raise _refused("an answer to another challenge")
    if value.get("origin") != party.origin:
        raise _refused("an answer from another origin")
    if value.get("crossOrigin", False) is not False or "topOrigin" in value:
        raise _refused("an answer from within another site")


def _authenticator_data(party: RelyingParty, data: bytes) -> _AuthenticatorData:
    """WebAuthn, 6.1. Flags that are reserved, and outputs of extensions, none of which was asked for, are not
    looked at.
    """
    if not _RP_ID_HASH + _FLAGS + _COUNT <= len(data) <= MAX_AUTHENTICATOR_DATA:
        raise _refused("no authenticator data")
    flags = data[_RP_ID_HASH]
    counted = int.from_bytes(data[_RP_ID_HASH + _FLAGS :][:_COUNT], "big")
    rest = data[_RP_ID_HASH + _FLAGS + _COUNT :]
    if not hmac.compare_digest(data[:_RP_ID_HASH], sha256(party.id.encode()).digest()):
        raise _refused("made for another relying party")
    if not (flags & _PRESENT and flags & _VERIFIED):
        raise _refused("the authenticator did not verify its user")
    if flags & _BACKED_UP and not flags & _ELIGIBLE:
        raise _refused("backed up without being eligible for it")
    credential = None
    if flags & _ATTESTED:
        size = int.from_bytes(rest[_AAGUID : _AAGUID + _LENGTH], "big")
        credential_id, rest = rest[_AAGUID + _LENGTH :][:size], rest[_AAGUID + _LENGTH + size :]
        if not 1 <= size <= MAX_CREDENTIAL_ID or len(credential_id) != size:
            raise _refused("no credential id")
        key, after = _cbor(rest)
        public_key, rest = rest[: len(rest) - len(after)], after
        _key(key, public_key)
        credential = NewCredential(credential_id, public_key, counted)
    if flags & _EXTENDED:
        outputs, rest = _cbor(rest)
        if not isinstance(outputs, dict):
            raise _refused("no outputs of extensions")
    if rest:
        raise _refused("more than authenticator data")
    return _AuthenticatorData(counted, credential)


def _verify(public_key: bytes, signature: bytes, signed: bytes) -> None:
    value, rest = _cbor(public_key)
    if rest:
        raise _refused("no public key")
    key = _key(value, public_key)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        elif isinstance(key, RSAPublicNumbers):
            key.public_key().verify(signature, signed, PKCS1v15(), SHA256())
        else:
            key.public_key().verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        raise _refused("the signature is wrong") from None


def _key(value: Any, encoded: bytes) -> EllipticCurvePublicNumbers | RSAPublicNumbers | Ed25519PublicKey:
    """A COSE_Key of one of our algorithms, in its one encoding (CTAP2, 8). Raises VermilionError(INVALID)."""
    if not isinstance(value, dict) or cbor2.dumps(value, canonical=True) != encoded:
        raise _refused("no public key in canonical form")
    shape = {label: value[label] for label in (_KTY, _ALG) if type(value.get(label)) is int}
    try:
        if shape == {_KTY: _EC2, _ALG: ES256}:
            x, y = _members(value, {_CRV: _P256}, _X, _Y)
            if len(x) != 32 or len(y) != 32:
                raise _refused("a point of another length")
            point = EllipticCurvePublicNumbers(
                int.from_bytes(x, "big"), int.from_bytes(y, "big"), SECP256R1()
            )
            point.public_key()  # on the curve
            return point
        if shape == {_KTY: _OKP, _ALG: EDDSA}:
            (x,) = _members(value, {_CRV: _ED25519}, _X)
            return Ed25519PublicKey.from_public_bytes(x)
        if shape == {_KTY: _RSA, _ALG: RS256}:
            n, e = _members(value, {}, _N, _E)
            if e != _EXPONENT or not 256 <= len(n) <= 512 or n[0] == 0:
                raise _refused("an RSA key of another size")
            numbers = RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big"))
            numbers.public_key()
            return numbers
    except ValueError:
        raise _refused("no public key") from None
    raise _refused("a key of an algorithm that was not asked for")


def _members(value: dict[Any, Any], fixed: dict[int, int], *labels: int) -> list[bytes]:
    found = [value.get(label) for label in labels]
    same = all(type(value.get(label)) is int and value[label] == number for label, number in fixed.items())
    if not same or set(value) != {_KTY, _ALG, *fixed, *labels}:
        raise _refused("a key with other members")
    if not all(isinstance(one, bytes) for one in found):
        raise _refused("a key with other members")
    return [one for one in found if isinstance(one, bytes)]


def _cbor(data: bytes) -> tuple[Any, bytes]:
    """One item, of definite length and without repeated keys, and what follows it."""
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream, max_depth=8, allow_indefinite=False, allow_duplicate_keys=False
        ).decode()
    except Exception:  # noqa: BLE001  (a decoder's own exceptions are many; all mean the same here)
        raise _refused("not CBOR") from None
    return value, data[stream.tell() :]


def _refused(detail: str) -> VermilionError:
    return VermilionError(
        Kind.INVALID, f"the passkey's answer cannot be accepted: {detail}", reason="passkey"
    )
