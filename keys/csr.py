"""Certification requests (PKCS #10, RFC 2986): a key asks an authority outside for its certificate."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from keys.certificates import Subject, assemble_signed, public_key_der
from keys.custodian import Custodian, KeyRef, Kind, SignRequest
from keys.der import members, require_der, tlv
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.suite import SUITES, PublicKey, verifies

_VERSION_1 = b"\x02\x01\x00"
_NO_ATTRIBUTES = b"\xa0\x00"


def request_info(subject: Subject, spki: bytes) -> bytes:
    """The CertificationRequestInfo, DER, for a key (SubjectPublicKeyInfo, DER). No attributes: what stands in
    the certificate is the authority's to decide, and ours to judge when it comes.

    Raises VermilionError(INVALID) for a name that is too long.
    """
    return tlv(0x30, _VERSION_1, subject.to_name().dump(), spki, _NO_ATTRIBUTES)


def read_request_info(info: bytes) -> PublicKey:
    """The key of a CertificationRequestInfo (DER) of the form above. Raises ValueError."""
    require_der(info)
    version, name, spki, attributes = members(info, 0x30)
    if (
        (version, attributes) != (_VERSION_1, _NO_ATTRIBUTES)
        or name[:1] != b"\x30"
        or not members(name, 0x30)
    ):
        raise ValueError("not a certification request of our form")
    try:
        public = serialization.load_der_public_key(spki)
    except (TypeError, UnsupportedAlgorithm):
        raise ValueError("the request's key cannot be read") from None
    if not isinstance(public, PublicKey) or public_key_der(public) != spki:
        raise ValueError("the request's key is of no kind of ours")
    return public


def request_record(request_id: str) -> str:
    """The record that a request's signature serves."""
    return f"certification-request:{request_id}"


def sign_request(custodian: Custodian, key: KeyRef, info: bytes, record: str) -> bytes:
    """The CertificationRequest, DER, signed by the very key that it is for.

    Raises VermilionError: KEY_REFUSED from the custodian, UNAVAILABLE when it signs wrongly.
    """
    (signature,) = custodian.sign(key, [SignRequest(Kind.CERTIFICATION_REQUEST, info, record)])
    if not verifies(read_request_info(info), SUITES[key.suite], signature, info):
        raise VermilionError(ErrorKind.UNAVAILABLE, "the custodian signed wrongly", reason="signature")
    return assemble_signed(info, key.suite, signature)
