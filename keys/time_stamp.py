"""The time-stamp token of RFC 3161: its one encoding, and its strict verification (with RFC 5816)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import new as new_hash
from hashlib import sha256
from typing import TYPE_CHECKING, NoReturn

from asn1crypto import algos, cms, x509

from keys.der import content_of, integer, members, tlv
from keys.errors import Kind, VermilionError
from keys.path import certificate_public_key, parse_certificate, verify_chain
from keys.profiles import ProfileName
from keys.suite import SUITES, PublicKey, Suite, SuiteName, signature_algorithm, verifies
from keys.tst_info import StampAttributes, decode_policy, message_imprint, read_attributes, read_tst_info

if TYPE_CHECKING:
    from keys.trust_list import TrustList

MAX_TOKEN_BYTES = 16 * 1024

_SIGNED_DATA: bytes = cms.ContentType("signed_data").dump()
_TST_INFO: bytes = cms.ContentType("tst_info").dump()


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """What a verified token proves: the digest existed at `gen_time` (UTC)."""

    gen_time: datetime
    serial: int
    policy: str
    certificate: bytes  # DER of the authority's


@dataclass(frozen=True, slots=True)
class TokenShape:
    """What all tokens of one authority have in common, DER. See `token_shape`."""

    opening: bytes  # version 3 of SignedData, the set of digest algorithms
    signer: bytes  # version 1 of SignerInfo, issuer and serial number, digest algorithm
    signature_algorithm: bytes
    certificates: bytes  # [0] IMPLICIT CertificateSet

    def token(
        self, info: bytes, attributes: bytes, signature: bytes, *, with_certificates: bool = True
    ) -> bytes:
        """RFC 5652 SignedData, version 3, around a TSTInfo: the one encoding of a token, made here and
        compared with when verifying.
        """
        signer_info = tlv(
            0x30,
            self.signer,
            b"\xa0" + attributes[1:],  # [0] IMPLICIT in place of the SET OF that is signed
            self.signature_algorithm,
            tlv(0x04, signature),
        )
        signed = tlv(
            0x30,
            self.opening,
            tlv(0x30, _TST_INFO, tlv(0xA0, tlv(0x04, info))),
            self.certificates if with_certificates else b"",
            tlv(0x31, signer_info),
        )
        return tlv(0x30, _SIGNED_DATA, tlv(0xA0, signed))


def token_shape(suite: Suite, signer: x509.Certificate, bag: Sequence[bytes]) -> TokenShape:
    """For a signer of the suite whose tokens carry the certificates of `bag` (DER), its own among them."""
    digest_algorithm = tlv(
        0x30, algos.DigestAlgorithmId(suite.digest_name).dump()
    )  # RFC 5754, 2: no parameters
    return TokenShape(
        opening=integer(3) + tlv(0x31, digest_algorithm),
        signer=integer(1) + _identifier_of(signer) + digest_algorithm,
        signature_algorithm=signature_algorithm(suite),
        certificates=tlv(0xA0, *sorted(bag)),
    )


def verify_token(token: bytes, digest: bytes, *, trust: TrustList, algorithm: str = "sha256") -> TimeStamp:
    """Verify a token of an authority that the trust list leads to, over a digest by `algorithm`.

    The one encoding that this module makes: one SignerInfo, the expected attributes only, the signer
    named by ESSCertIDv2, its certificate valid at genTime for time-stamping alone, beside it the certificate
    of the list's authority that issued it, and no other. That its key is an entry of the list, when and in
    what state, is for the caller to ask.

    Raises VermilionError(INVALID) with `reason` "chain", "issuer_unknown" or "time_stamp".
    """
    if len(token) > MAX_TOKEN_BYTES:
        _refuse("the time-stamp is too long")
    try:
        found = _take_apart(token)
        info = read_tst_info(found.info)
    except ValueError:
        _refuse("the time-stamp is not encoded as ours are")
    certificate = _signer_certificate(found)
    public, suite = _signers_key(certificate)
    try:
        said = read_attributes(found.attributes, suite)
    except ValueError as error:
        _refuse(str(error))
    expected = StampAttributes(_digest(suite.digest_name, found.info), sha256(certificate).digest())
    if said != expected or info.imprint != message_imprint(digest, algorithm):
        _refuse("the time-stamp is over something else")
    if not verifies(public, suite, found.signature, found.attributes):
        _refuse("the time-stamp's signature is wrong")
    at = info.gen_time
    issuing = verify_chain(certificate, trust=trust, at=at, profile=ProfileName.TSA)
    # Versions, algorithms, parameters and certificates are not signed: built again, they must be these bytes.
    shape = _shape(suite.name, certificate, issuing)
    if shape.token(found.info, found.attributes, found.signature) != token:
        _refuse("the time-stamp is encoded otherwise than ours are")
    return TimeStamp(at, info.serial, decode_policy(info.policy), certificate)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a token that differ from one to the next."""

    info: bytes  # TSTInfo
    bag: list[bytes]  # certificates
    signer: bytes  # SignerIdentifier
    attributes: bytes  # the SET OF that is signed
    signature: bytes


def _take_apart(token: bytes) -> _Parts:
    """Raises ValueError for what is not made of these elements; what stands in the rest is compared later."""
    _kind, wrapped = members(token, 0x30)
    _version, _digests, encapsulated, bag, signers = members(content_of(wrapped, 0xA0), 0x30)
    _content, octets = members(encapsulated, 0x30)
    (signer,) = members(signers, 0x31)
    _version, identifier, _digest_algorithm, attributes, _algorithm, signature = members(signer, 0x30)
    if attributes[:1] != b"\xa0":
        raise ValueError("no signed attributes")
    return _Parts(
        info=content_of(content_of(octets, 0xA0), 0x04),
        bag=members(bag, 0xA0),
        signer=identifier,
        attributes=b"\x31" + attributes[1:],
        signature=content_of(signature, 0x04),
    )


def _signer_certificate(found: _Parts) -> bytes:
    """The certificate that the SignerInfo names: never simply the first leaf in the bag."""
    for certificate in found.bag:
        if _identifier(certificate) == found.signer:
            return certificate
    raise VermilionError(
        Kind.INVALID, "the time-stamp's signer has no certificate in it", reason="time_stamp"
    )


@lru_cache(maxsize=64)
def _identifier(certificate: bytes) -> bytes:
    """IssuerAndSerialNumber."""
    return _identifier_of(parse_certificate(certificate))


def _identifier_of(certificate: x509.Certificate) -> bytes:
    return tlv(0x30, certificate.issuer.dump(), certificate["tbs_certificate"]["serial_number"].dump())


@lru_cache(maxsize=64)
def _signers_key(certificate: bytes) -> tuple[PublicKey, Suite]:
    return certificate_public_key(parse_certificate(certificate))


@lru_cache(maxsize=64)
def _shape(suite: SuiteName, certificate: bytes, issuing: bytes) -> TokenShape:
    return token_shape(SUITES[suite], parse_certificate(certificate), (certificate, issuing))


def _digest(name: str, data: bytes) -> bytes:
    return new_hash(name, data).digest()


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason="time_stamp")
