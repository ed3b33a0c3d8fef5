"""The QR code of a licence (design, section 5): its link, its COSE_Sign1, and who may have signed it.

`<origin>/c/<22 base64url characters of 16 bytes>#<decimal digits of int(0x01 || COSE_Sign1)>`

COSE_Sign1 (RFC 9052, section 4.2) is an untagged array in deterministic CBOR with the protected header
exactly {1: alg, 4: kid} and an empty unprotected one. What is signed is bound to the link by `external_aad`.

Signing, with the key behind a custodian:

    claims = claims_of(record, licence_type)
    structure, protected = sig_structure(claims, kid, suite.cose_alg, origin, id_bytes)
    der = custodian.sign(ref, [SignRequest(Kind.SIG_STRUCTURE, structure, record)])[0]
    cose = assemble(protected, encode_claims(claims), raw_signature(der, suite))
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keys.errors import Kind, VermilionError
from keys.suite import Ecdsa, Suite, ecdsa, signature_from_raw, verifies
from signing import cbor
from signing.claims import Claims, claims_of, decode_claims, encode_claims

__all__ = [
    "Claims",
    "Credential",
    "Link",
    "assemble",
    "claims_of",
    "decode_claims",
    "decode_credential",
    "encode_claims",
    "link_text",
    "normal_origin",
    "parse_digits",
    "parse_id",
    "parse_link",
    "protected_header",
    "qr_text",
    "raw_signature",
    "showing_text",
    "sig_structure",
    "signed_by",
    "split_link",
    "split_showing",
]

MAX_SIGNED = 400
"""Bytes of a COSE_Sign1: version 20-Q of the symbol, 44 mm at modules of 0.42 mm."""

MAX_DIGITS = 2000
MAX_LINK = 320
_VERSION = b"\x01"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([1-9][0-9]{0,4}))?")
_ID = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")  # the last character has four unused bits, all zero
_DIGITS = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Link:
    """A scanned link. `origin` is normal: small letters, a port only where it is not the scheme's own."""

    origin: str
    id_text: str  # 22 characters
    id_bytes: bytes  # 16 bytes
    credential: bytes | None  # COSE_Sign1, undecoded; None without a fragment


@dataclass(frozen=True, slots=True)
class Credential:
    """A decoded COSE_Sign1; nothing of it is proven before `signed_by` says so."""

    claims: Claims
    kid: str  # 16 lower-case hex digits
    alg: int
    protected: bytes
    payload: bytes
    signature: bytes  # r || s
    cose: bytes


def _malformed(what: str, reason: str) -> VermilionError:
    return VermilionError(Kind.MALFORMED, what, reason=reason)


def normal_origin(origin: str) -> str:
    """Scheme, host in small letters, and the port unless it is the scheme's own.

    Raises VermilionError(MALFORMED, reason="link") for user information, a path, or any other shape.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None or (match[3] is not None and int(match[3]) > 65535):
        raise _malformed("not an http or https origin", "link")
    scheme, host, port = match.groups()
    own = port is None or int(port) == _DEFAULT_PORTS[scheme]
    return f"{scheme}://{host.lower()}" + ("" if own else f":{port}")


def parse_id(id_text: str) -> bytes:
    """The 16 bytes of a link's id. Raises VermilionError(MALFORMED, reason="link") unless it is canonical."""
    if not _ID.fullmatch(id_text):
        raise _malformed("not the id of a licence's link", "link")
    return base64.urlsafe_b64decode(id_text + "==")


def link_text(origin: str, id_bytes: bytes) -> str:
    """The link as printed, without fragment, for 16 random bytes."""
    return f"{normal_origin(origin)}/c/{_id_text(id_bytes)}"


def showing_text(origin: str, id_bytes: bytes) -> str:
    """What a presentation code says, for 16 random bytes (`signing.showing`)."""
    return f"{normal_origin(origin)}/p/{_id_text(id_bytes)}"


def split_showing(text: str) -> tuple[str, str]:
    """The normal origin of a scanned presentation code, and its id of 22 characters.

    Raises VermilionError(MALFORMED, reason="link") for any other text.
    """
    origin, slash, id_text = text.rpartition("/p/")
    if len(text) > MAX_LINK or not slash:
        raise _malformed("not a presentation code", "link")
    parse_id(id_text)
    return normal_origin(origin), id_text


def _id_text(id_bytes: bytes) -> str:
    if len(id_bytes) != 16:
        raise VermilionError(Kind.INVALID, "a link's id has 16 bytes", reason="link")
    return base64.urlsafe_b64encode(id_bytes).rstrip(b"=").decode("ascii")


def qr_text(link: str, cose: bytes) -> str:
    """What the QR code says: the link and the credential as decimal digits in the fragment."""
    return f"{link}#{int.from_bytes(_VERSION + cose, 'big')}"


def split_link(text: str) -> tuple[Link, str]:
    """The link before `#` and the fragment after it, unread; a link without `#` has the empty fragment.

    No user information, no query, no other path. Raises VermilionError(MALFORMED, reason="link").
    """
    if len(text) > MAX_LINK + 1 + MAX_DIGITS:
        raise _malformed("the link is too long", "link")
    address, _, fragment = text.partition("#")
    origin, slash, id_text = address.rpartition("/c/")
    if len(address) > MAX_LINK or not slash:
        raise _malformed("not the link of a licence", "link")
    id_bytes = parse_id(id_text)
    return Link(normal_origin(origin), id_text, id_bytes, None), fragment


def parse_link(text: str) -> Link:
    """Read a scanned link strictly.

    Raises VermilionError(MALFORMED) with reason "link" for another address and "credential" for a fragment
    that is not the digits of a version 1 credential: digits only, no leading zero, at most 2,000.
    """
    link, fragment = split_link(text)
    if not fragment:
        return link
    return Link(link.origin, link.id_text, link.id_bytes, parse_digits(fragment))


def parse_digits(digits: str) -> bytes:
    """The COSE bytes that a fragment spells. Raises VermilionError(MALFORMED, reason="credential")."""
    if len(digits) > MAX_DIGITS or not _DIGITS.fullmatch(digits):
        raise _malformed("the fragment is not a number", "credential")
    number = int(digits)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if data[:1] != _VERSION or not 1 < len(data) <= 1 + MAX_SIGNED:
        raise _malformed("the fragment is not a credential of version 1", "credential")
    return data[1:]


def _external_aad(origin: str, id_text: str) -> bytes:
    host = normal_origin(origin).partition("://")[2]
    return f"elic1|{host}|{id_text}".encode("ascii")


def _structure(protected: bytes, origin: str, id_text: str, payload: bytes) -> bytes:
    return cbor.encode(["Signature1", protected, _external_aad(origin, id_text), payload])


def sig_structure(
    claims: dict[int, object], kid: bytes, alg: int, origin: str, link_id: bytes
) -> tuple[bytes, bytes]:
    """The Sig_structure (RFC 9052, section 4.4) to be signed, and the protected header in it.

    `kid` is the first 8 bytes of SHA-256 over the key's SubjectPublicKeyInfo, `link_id` the 16 bytes of the
    link. Raises VermilionError for claims that the decoder would refuse.
    """
    payload = encode_claims(claims)
    decode_claims(payload)
    if len(kid) != 8:
        raise VermilionError(Kind.INVALID, "a key id has 8 bytes", reason="kid")
    protected = protected_header(kid, alg)
    return _structure(protected, origin, _id_text(link_id), payload), protected


def protected_header(kid: bytes, alg: int) -> bytes:
    """{1: alg, 4: kid} and nothing else (RFC 9052, section 3.1)."""
    return cbor.encode({1: alg, 4: kid})


def raw_signature(der: bytes, suite: Suite) -> bytes:
    """The r || s that COSE wants (RFC 9053, section 2.1) from the DER that a custodian returns, with the
    lesser of s and n - s.

    Both verify, and anyone can turn one into the other; only the lesser is read, so that nobody can make a
    second credential that checks, and with it an alarm for a key that was never stolen.
    """
    curve, size = ecdsa(suite).curve, ecdsa(suite).field_bytes
    try:
        r, s = decode_dss_signature(der)
        return r.to_bytes(size, "big") + min(s, curve.group_order - s).to_bytes(size, "big")
    except (ValueError, OverflowError):
        raise VermilionError(
            Kind.INVALID, "not an ECDSA signature of this suite", reason="signature"
        ) from None


def assemble(protected: bytes, payload: bytes, signature_raw: bytes) -> bytes:
    """The COSE_Sign1. Raises VermilionError for whatever `decode_credential` would refuse."""
    cose = cbor.encode([protected, {}, payload, signature_raw])
    decode_credential(cose)
    return cose


def decode_credential(cose: bytes) -> Credential:
    """Decode strictly. Raises VermilionError(MALFORMED) for any other bytes than `assemble` makes."""
    if len(cose) > MAX_SIGNED:
        raise _malformed("the credential is too large", "credential")
    parts = cbor.decode(cose)
    if not isinstance(parts, list) or len(parts) != 4:
        raise _malformed("the credential is no COSE_Sign1", "credential")
    protected, unprotected, payload, signature = parts
    if (
        not isinstance(protected, bytes)
        or unprotected != {}
        or not isinstance(payload, bytes)
        or not isinstance(signature, bytes)
        or not 64 <= len(signature) <= 132
    ):
        raise _malformed("the credential is no COSE_Sign1", "credential")
    header = cbor.decode(protected)
    if not isinstance(header, dict) or header.keys() != {1, 4}:
        raise _malformed("the protected header is another than alg and kid", "credential")
    alg, kid = header[1], header[4]
    if type(alg) is not int or not -65536 <= alg < 0 or not isinstance(kid, bytes) or len(kid) != 8:
        raise _malformed("alg or kid is of another type", "credential")
    return Credential(decode_claims(payload), kid.hex(), alg, protected, payload, signature, cose)


def signed_by(credential: Credential, origin: str, id_text: str, public_key: bytes, suite: Suite) -> bool:
    """Whether the key (SubjectPublicKeyInfo, DER) signed this credential for this very link.

    A key that is not of `suite`, or no key at all, has signed nothing; nor has one whose s is the greater.
    """
    if not isinstance(suite, Ecdsa):
        return False
    s = int.from_bytes(credential.signature[suite.field_bytes :], "big")
    if credential.alg != suite.cose_alg or s > suite.curve.group_order // 2:
        return False
    structure = _structure(credential.protected, origin, id_text, credential.payload)
    return _is_signature(credential.signature, structure, public_key, suite)


def _is_signature(raw: bytes, data: bytes, public_key: bytes, suite: Suite) -> bool:
    try:
        return verifies(_loaded(public_key), suite, signature_from_raw(suite, raw), data)
    except (ValueError, UnsupportedAlgorithm):
        return False


@lru_cache(maxsize=256)  # keys that a trust list names
def _loaded(public_key: bytes) -> object:
    return serialization.load_der_public_key(public_key)
