"""The one CMS shape of a seal (RFC 5652; ETSI EN 319 122-1, EN 319 142-1), built and recognised.

One builder makes the bytes and one comparison recognises them: a reader takes the variable parts out
of a signature, builds it again and requires equality. So there is exactly one encoding of a seal, and
whatever the builder would not have written is refused without being understood.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256

from asn1crypto import algos, cms, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from keys.clock import parse_compact_utc
from keys.der import tlv
from keys.errors import Kind, VermilionError
from keys.seal_attributes import encode_seal_attributes
from keys.suite import SUITES, Ecdsa, Suite, SuiteName, signature_algorithm, signature_bytes, verifies

_SEQUENCE, _SET, _OCTETS, _INTEGER, _TIME = 0x30, 0x31, 0x04, 0x02, 0x18
_CONTEXT_0, _CONTEXT_1 = 0xA0, 0xA1
# Fields of TBSCertificate: [0] version, serialNumber, signature, issuer, validity, subject (RFC 5280, 4.1)
_SERIAL, _ISSUER, _SUBJECT = 1, 3, 5

_DATA = cms.ContentType("data").dump()
_SIGNED_DATA = cms.ContentType("signed_data").dump()
_TST_INFO = tsp.ContentType("tst_info").dump()  # the names of RFC 3161 and 5035 come with `tsp`
_REMEMBERED = 256  # certificates, and pairs of them: the same few in every document
_NULL = b"\x05\x00"
_RSA_ENCRYPTION = algos.SignedDigestAlgorithmId("rsassa_pkcs1v15").dump()
_SHA256 = algos.DigestAlgorithmId("sha256").dump()
_GENERALIZED_TIME = re.compile(rb"([0-9]{14})(?:\.([0-9]{0,5}[1-9]))?Z")  # DER: no trailing zeros
_ATTRIBUTE = {
    name: tsp.CMSAttributeType(name).dump()
    for name in (
        "content_type", "message_digest", "signing_certificate_v2", "cms_algorithm_protection",
        "signature_time_stamp_token",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SealSignature:
    """The variable parts of a seal's CMS."""

    certificate: bytes  # of the seal, DER
    issuers: tuple[bytes, ...]  # the other certificates, DER, in the order of a DER set
    attributes: bytes  # signed attributes as signed: SET OF Attribute, DER
    digest: bytes  # the message-digest attribute
    signature: bytes  # as `canonical_signature` gives it
    token: bytes | None  # RFC 3161 token, ContentInfo, DER
    suite: Suite


def children(data: bytes, tag: int, counts: range) -> list[bytes]:
    """Take one element of this tag that fills `data`, and split its content into whole elements.

    Raises VermilionError(INVALID, "structure") unless every length is minimal DER and the number of
    elements lies in `counts`.
    """
    start, end = _element(data, 0)
    if data[0] != tag or end != len(data):
        raise _not_ours()
    parts = []
    at = start
    while at < end:
        _, following = _element(data, at)
        parts.append(data[at:following])
        at = following
        if len(parts) >= counts.stop:
            raise _not_ours()
    if len(parts) not in counts:
        raise _not_ours()
    return parts


def content(data: bytes, tag: int) -> bytes:
    """The content octets of one element of this tag that fills `data`."""
    start, end = _element(data, 0)
    if data[0] != tag or end != len(data):
        raise _not_ours()
    return data[start:end]


def leading_element(data: bytes) -> bytes:
    """The one element at the beginning of `data`; what follows must be zero padding."""
    _, end = _element(data, 0)
    if data.count(0, end) != len(data) - end:
        raise _not_ours()
    return data[:end]


def signed_attributes(digest: bytes, certificate: bytes, suite: Suite) -> bytes:
    """The bytes a seal key signs: content-type, message-digest, signing-certificate-v2 (RFC 5035) and
    cms-algorithm-protection (RFC 6211), a DER SET OF. No signing-time: EN 319 142-1, 6.3 has it in /M.
    """
    return encode_seal_attributes(digest, sha256(certificate).digest(), suite)


def build_seal(
    certificate: bytes,
    issuers: Sequence[bytes],
    attributes: bytes,
    signature: bytes,
    token: bytes | None,
    suite: Suite,
) -> bytes:
    """ContentInfo with SignedData of one SignerInfo: detached, no CRLs, DER throughout."""
    digest_algorithm = tlv(_SEQUENCE, _digest_oid(suite))
    signer = [
        tlv(_INTEGER, b"\x01"),
        _signer_identifier(certificate),
        digest_algorithm,
        bytes((_CONTEXT_0,)) + attributes[1:],  # [0] IMPLICIT in place of the SET OF that is signed
        signature_algorithm(suite),
        tlv(_OCTETS, signature),
    ]
    if token is not None:
        stamp = tlv(_SEQUENCE, _ATTRIBUTE["signature_time_stamp_token"], tlv(_SET, token))
        signer.append(tlv(_CONTEXT_1, stamp))
    signed_data = tlv(
        _SEQUENCE,
        tlv(_INTEGER, b"\x01"),
        tlv(_SET, digest_algorithm),
        tlv(_SEQUENCE, _DATA),
        tlv(_CONTEXT_0, *sorted((certificate, *issuers))),
        tlv(_SET, tlv(_SEQUENCE, *signer)),
    )
    return tlv(_SEQUENCE, _SIGNED_DATA, tlv(_CONTEXT_0, signed_data))


def parse_seal(der: bytes) -> SealSignature:
    """Take a seal's CMS apart; it must be what `build_seal` writes, byte for byte.

    Nothing is verified here. Raises VermilionError(INVALID, "structure").
    """
    kind, wrapped = children(der, _SEQUENCE, range(2, 3))
    if kind != _SIGNED_DATA:
        raise _not_ours()
    body = children(content(wrapped, _CONTEXT_0), _SEQUENCE, range(5, 6))
    certificates = children(body[3], _CONTEXT_0, range(1, 5))
    (signer,) = children(body[4], _SET, range(1, 2))
    fields = children(signer, _SEQUENCE, range(6, 8))
    suite = next((s for s in SUITES.values() if fields[4] == signature_algorithm(s)), None)
    if suite is None:
        raise _not_ours()
    attributes = bytes((_SET,)) + fields[3][1:]
    certificate = _signers_certificate(certificates, fields[1])
    token = None
    if len(fields) == 7:
        (stamp,) = children(fields[6], _CONTEXT_1, range(1, 2))
        (token,) = children(children(stamp, _SEQUENCE, range(2, 3))[1], _SET, range(1, 2))
    found = SealSignature(
        certificate=certificate,
        issuers=tuple(c for c in certificates if c != certificate),
        attributes=attributes,
        digest=_message_digest(attributes),
        signature=content(fields[5], _OCTETS),
        token=token,
        suite=suite,
    )
    if (
        signed_attributes(found.digest, certificate, suite) != attributes
        or canonical_signature(found.signature, suite) != found.signature
        or build_seal(certificate, found.issuers, attributes, found.signature, token, suite) != der
    ):
        raise _not_ours()
    return found


def canonical_signature(signature: bytes, suite: Suite) -> bytes:
    """An ECDSA signature as DER with the lesser of s and n - s; an RSA one as it is.

    Both values of s verify, and anyone can turn one into the other; only one of them may stand in a document,
    so that nobody can make a second file that checks. Of RSA there is one signature alone, of the modulus's
    length (RFC 8017, 8.2). Raises VermilionError(INVALID, "structure").
    """
    if isinstance(suite, Ecdsa):
        return _lesser(signature, suite.curve.group_order)
    if len(signature) != signature_bytes(suite):
        raise _not_ours()
    return signature


def canonical_token(token: bytes, issuers: Sequence[bytes]) -> bytes:
    """A time-stamp token in the one form that may stand in a document.

    RFC 3161: SignedData version 3 over id-ct-TSTInfo, one digest algorithm, one SignerInfo, no CRLs, no
    unsigned attributes, minimal lengths: nothing that the token's own signature does not hold in place.
    What it leaves open is settled here: no digest parameters (RFC 5754, 2), the lesser s, RSA named with its
    digest and NULL (RFC 5754, 3.2), and as certificates the signer's and that of the `issuers` which signed
    it, in the order of a DER set. Anything else is refused with VermilionError(INVALID, "structure"), or
    "issuer_unknown" where none of the `issuers` signed it. Whether the token is genuine is for
    `keys.time_stamp.verify_token`.
    """
    own, opening, signers = _settled(token)
    issuer = next((c for c in issuers if _signed_by(own, c)), None)
    if issuer is None:
        raise VermilionError(
            Kind.INVALID, "the time-stamp's authority is none that we know", reason="issuer_unknown"
        )
    certificates = tlv(_CONTEXT_0, *sorted({own, issuer}))
    return tlv(_SEQUENCE, _SIGNED_DATA, tlv(_CONTEXT_0, tlv(_SEQUENCE, opening, certificates, signers)))


@lru_cache(maxsize=_REMEMBERED)  # one token is asked for where it is put in and where the whole is checked
def _settled(token: bytes) -> tuple[bytes, bytes, bytes]:
    """Of a canonical token: its signer's certificate, and what stands before and behind the certificates.

    Raises VermilionError(INVALID, "structure").
    """
    kind, wrapped = children(token, _SEQUENCE, range(2, 3))
    version, algorithms, encapsulated, certificates, signers = children(
        content(wrapped, _CONTEXT_0), _SEQUENCE, range(5, 6)
    )
    content_type, _ = children(encapsulated, _SEQUENCE, range(2, 3))
    listed = _listed(certificates)
    (signer,) = children(signers, _SET, range(1, 2))
    fields = children(signer, _SEQUENCE, range(6, 7))
    (algorithm,) = children(algorithms, _SET, range(1, 2))
    (oid, *parameters) = children(algorithm, _SEQUENCE, range(1, 3))
    suite = next((s for s in SUITES.values() if _digest_oid(s) == oid), None)
    own = _signers_certificate(listed, fields[1])
    certificate = load_certificate(own)
    key = certificate.public_key()
    if (
        suite is None
        or parameters not in ([], [_NULL])
        or (kind, content_type) != (_SIGNED_DATA, _TST_INFO)
        or version != tlv(_INTEGER, b"\x03")
        or fields[0] != tlv(_INTEGER, b"\x01")
        or fields[2] not in (tlv(_SEQUENCE, oid), tlv(_SEQUENCE, oid, _NULL))
        or len(set(listed)) != len(listed)
    ):
        raise _not_ours()
    if isinstance(key, ec.EllipticCurvePublicKey):
        if fields[4] != tlv(_SEQUENCE, _signature_oid(suite.digest_name, "ecdsa")):
            raise _not_ours()
        fields[5] = tlv(_OCTETS, _lesser(content(fields[5], _OCTETS), key.curve.group_order))
    elif isinstance(key, rsa.RSAPublicKey):
        named = _signature_oid(suite.digest_name, "rsa")
        (name, *parameters) = children(fields[4], _SEQUENCE, range(1, 3))
        if name not in (named, _RSA_ENCRYPTION) or parameters not in ([], [_NULL]):
            raise _not_ours()
        fields[4] = tlv(_SEQUENCE, named, _NULL)
    fields[2] = tlv(_SEQUENCE, oid)
    opening = version + tlv(_SET, fields[2]) + encapsulated
    return own, opening, tlv(_SET, tlv(_SEQUENCE, *fields))


def token_certificates(token: bytes) -> list[bytes]:
    """The certificates that a time-stamp token carries, DER. Raises VermilionError(INVALID, "structure")."""
    return _listed(_token_body(token)[3])


def token_time(token: bytes, digest: bytes) -> datetime:
    """GenTime of a canonical token over this SHA-256 digest; whether it is genuine is not asked here.

    Raises VermilionError(INVALID, "structure").
    """
    wrapped = content(children(_token_body(token)[2], _SEQUENCE, range(2, 3))[1], _CONTEXT_0)
    info = children(content(wrapped, _OCTETS), _SEQUENCE, range(5, 11))
    algorithm, imprint = children(info[2], _SEQUENCE, range(2, 3))
    (name, *_) = children(algorithm, _SEQUENCE, range(1, 3))
    moment = _GENERALIZED_TIME.fullmatch(content(info[4], _TIME))
    if (name, imprint) != (_SHA256, tlv(_OCTETS, digest)) or moment is None:
        raise _not_ours()
    whole, fraction = moment.groups(b"")
    try:
        seconds = parse_compact_utc(whole.decode("ascii"))
    except ValueError as error:
        raise _not_ours() from error
    return seconds.replace(microsecond=int((fraction + b"000000")[:6]))


def _token_body(token: bytes) -> list[bytes]:
    """Version, digest algorithms, content, certificates and signers."""
    return children(content(children(token, _SEQUENCE, range(2, 3))[1], _CONTEXT_0), _SEQUENCE, range(5, 6))


def _listed(certificates: bytes) -> list[bytes]:
    return children(certificates, _CONTEXT_0, range(1, 5))


def _element(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends; single-byte tags, minimal lengths."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise _not_ours()
    first = data[at + 1]
    start = at + 2
    size = first
    if first >= 0x80:
        width = first & 0x7F
        if not 1 <= width <= 3 or start + width > len(data):
            raise _not_ours()
        size = int.from_bytes(data[start : start + width], "big")
        if size < 0x80 or size < 1 << 8 * (width - 1):
            raise _not_ours()
        start += width
    if start + size > len(data):
        raise _not_ours()
    return start, start + size


def _lesser(signature: bytes, order: int) -> bytes:
    try:
        r, s = decode_dss_signature(signature)
    except ValueError as error:
        raise _not_ours() from error
    if not (0 < r < order and 0 < s < order):
        raise _not_ours()
    return encode_dss_signature(r, min(s, order - s))


def _message_digest(attributes: bytes) -> bytes:
    for attribute in children(attributes, _SET, range(4, 5)):
        name, values = children(attribute, _SEQUENCE, range(2, 3))
        if name == _ATTRIBUTE["message_digest"]:
            (value,) = children(values, _SET, range(1, 2))
            return content(value, _OCTETS)
    raise _not_ours()


def _signers_certificate(certificates: list[bytes], identifier: bytes) -> bytes:
    matching = [c for c in certificates if _signer_identifier(c) == identifier]
    if len(matching) != 1:
        raise _not_ours()
    return matching[0]


@lru_cache(maxsize=_REMEMBERED)
def _signed_by(certificate: bytes, issuer: bytes) -> bool:
    """By name, byte for byte, and by key: an authority may have had several keys under one name."""
    if _tbs_field(issuer, _SUBJECT) != _tbs_field(certificate, _ISSUER):
        return False
    try:
        load_certificate(certificate).verify_directly_issued_by(load_certificate(issuer))
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=_REMEMBERED)
def _signer_identifier(certificate: bytes) -> bytes:
    """IssuerAndSerialNumber, with issuer and serial number copied as the certificate has them."""
    return tlv(_SEQUENCE, _tbs_field(certificate, _ISSUER), _tbs_field(certificate, _SERIAL))


def _tbs_field(certificate: bytes, field: int) -> bytes:
    """One field of a TBSCertificate, still encoded: names are compared byte for byte. A library that takes
    a name apart does so late, and raises what it likes for one that is malformed.
    """
    return children(children(certificate, _SEQUENCE, range(3, 4))[0], _SEQUENCE, range(7, 11))[field]


def _has_a_positive_serial(certificate: bytes) -> bool:
    fields = children(children(certificate, _SEQUENCE, range(3, 4))[0], _SEQUENCE, range(6, 11))
    serial = fields[1 if fields[0][0] == _CONTEXT_0 else 0]  # the first version names none
    return int.from_bytes(content(serial, _INTEGER), signed=True) > 0


@lru_cache(maxsize=_REMEMBERED)
def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a certificate. Raises VermilionError(INVALID, "structure")."""
    if not _has_a_positive_serial(der):  # the library still reads one, and warns on standard error of each
        raise _not_ours()
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise _not_ours() from error
    return certificate


@lru_cache(maxsize=_REMEMBERED)
def subject_public_key_info(certificate: bytes) -> bytes:
    """A certificate's public key, DER. Raises VermilionError(INVALID, "structure")."""
    public = load_certificate(certificate).public_key()
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=512)
def made_by(certificate: bytes, suite: SuiteName, signature: bytes, data: bytes) -> bool:
    """Whether a signature of the suite over `data` is that of a certificate's key.

    One signature is asked about twice, when it was made and in the whole file, a group of others between:
    the same bytes have the same answer, and working it out takes longer than all else about a seal.
    Raises VermilionError(INVALID, "structure").
    """
    return verifies(load_certificate(certificate).public_key(), SUITES[suite], signature, data)


def _digest_oid(suite: Suite) -> bytes:
    return _digest_oid_of(suite.digest_name)


@cache  # of a few names; asn1crypto takes ten times as long for one as to put a whole seal together
def _digest_oid_of(name: str) -> bytes:
    return bytes(algos.DigestAlgorithmId(name).dump())


@cache
def _signature_oid(digest_name: str, family: str) -> bytes:
    return bytes(algos.SignedDigestAlgorithmId(f"{digest_name}_{family}").dump())


def _not_ours() -> VermilionError:
    return VermilionError(Kind.INVALID, "the signature is not encoded as ours are", reason="structure")
