"""The time-stamp token of RFC 3161: its one encoding, and its strict verification (with RFC 5816)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import new as new_hash
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn

from asn1crypto import algos, cms, tsp, x509

from keys.der import integer, tlv
from keys.errors import Kind, VermilionError
from keys.path import certificate_public_key, parse_certificate, verify_chain
from keys.profiles import ProfileName
from keys.suite import Suite, signature_algorithm, verifies
from keys.tbs import load_der
from keys.tst_info import StampAttributes, read_attributes

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
    identifier = tlv(0x30, signer.issuer.dump(), signer["tbs_certificate"]["serial_number"].dump())
    return TokenShape(
        opening=integer(3) + tlv(0x31, digest_algorithm),
        signer=integer(1) + identifier + digest_algorithm,
        signature_algorithm=signature_algorithm(suite),
        certificates=tlv(0xA0, *sorted(bag)),
    )


def verify_token(token: bytes, digest: bytes, *, trust: TrustList) -> TimeStamp:
    """Verify a token of an authority that the trust list leads to, over a SHA-256 digest.

    The one encoding that this module makes: one SignerInfo, the expected attributes only, the signer
    named by ESSCertIDv2, its certificate valid at genTime for time-stamping alone, beside it the certificate
    of the list's authority that issued it, and no other. That its key is an entry of the list, when and in
    what state, is for the caller to ask.

    Raises VermilionError(INVALID) with `reason` "chain", "issuer_unknown" or "time_stamp".
    """
    signed = _parse(token)
    info_bytes = signed["encap_content_info"]["content"].contents
    try:
        info = load_der(tsp.TSTInfo, info_bytes)
    except ValueError:
        _refuse("the time-stamp's content is not DER")
    (signer,) = signed["signer_infos"]
    certificate = _signer_certificate(signed, signer)
    public, suite = certificate_public_key(certificate)
    attributes = b"\x31" + signer["signed_attrs"].dump()[1:]
    try:
        said = read_attributes(attributes, suite)
    except ValueError as error:
        _refuse(str(error))
    imprint = info["message_imprint"]
    if (
        signer["signature_algorithm"]["algorithm"].native != suite.signature_name
        or signer["digest_algorithm"]["algorithm"].native != suite.digest_name
        or signed["digest_algorithms"][0]["algorithm"].native != suite.digest_name
        or said
        != StampAttributes(_digest(suite.digest_name, info_bytes), sha256(certificate.dump()).digest())
        or imprint["hash_algorithm"]["algorithm"].native != "sha256"
        or imprint["hashed_message"].native != digest
        or info["version"].native != "v1"
    ):
        _refuse("the time-stamp is over something else")
    signature = signer["signature"].native
    if not verifies(public, suite, signature, attributes):
        _refuse("the time-stamp's signature is wrong")
    at: datetime = info["gen_time"].native
    issuing = verify_chain(certificate.dump(), trust=trust, at=at, profile=ProfileName.TSA)
    # Versions, parameters and certificates are not signed: built again, they must be these very bytes.
    shape = token_shape(suite, certificate, (certificate.dump(), issuing))
    if shape.token(info_bytes, attributes, signature) != token:
        _refuse("the time-stamp is encoded otherwise than ours are")
    return TimeStamp(at, info["serial_number"].native, info["policy"].native, certificate.dump())


def _parse(token: bytes) -> Any:
    if len(token) > MAX_TOKEN_BYTES:
        _refuse("the time-stamp is too long")
    try:
        outer = load_der(cms.ContentInfo, token)
    except ValueError:
        _refuse("the time-stamp is not DER")
    if outer["content_type"].native != "signed_data":
        _refuse("the time-stamp is not signed data")
    signed = outer["content"]
    if (
        signed["version"].native != "v3"
        or len(signed["digest_algorithms"]) != 1
        or signed["encap_content_info"]["content_type"].native != "tst_info"
        or signed["encap_content_info"]["content"].native is None
        or len(signed["signer_infos"]) != 1
        or signed["crls"].native is not None
        or signed["certificates"].native is None
        or signed["signer_infos"][0]["unsigned_attrs"].native is not None
        or signed["signer_infos"][0]["signed_attrs"].native is None
    ):
        _refuse("the time-stamp is not of the shape of RFC 3161")
    return signed


def _signer_certificate(signed: Any, signer: Any) -> x509.Certificate:
    """The certificate that the SignerInfo names: never simply the first leaf in the bag."""
    if signer["sid"].name != "issuer_and_serial_number":
        _refuse("the time-stamp does not name its signer by issuer and serial number")
    wanted = signer["sid"].chosen
    for choice in signed["certificates"]:
        if choice.name != "certificate":
            continue
        certificate = choice.chosen
        if (
            certificate.serial_number == wanted["serial_number"].native
            and certificate.issuer.dump() == wanted["issuer"].dump()
        ):
            return parse_certificate(certificate.dump())
    raise VermilionError(
        Kind.INVALID, "the time-stamp's signer has no certificate in it", reason="time_stamp"
    )


def _digest(name: str, data: bytes) -> bytes:
    return new_hash(name, data).digest()


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason="time_stamp")
