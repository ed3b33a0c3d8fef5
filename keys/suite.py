"""The one table of algorithms: nothing else names an OID or a curve (design, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

SuiteName = Literal["p256-sha256", "p384-sha384"]
PublicKey = ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Suite:
    """One signature suite and its names in X.509/CMS, JOSE and COSE."""

    name: SuiteName
    curve: ec.EllipticCurve
    hash: hashes.HashAlgorithm
    digest_name: str  # asn1crypto and hashlib name
    signature_name: str  # asn1crypto name of the signature algorithm
    curve_name: str  # asn1crypto name of the curve
    jose_alg: str
    jose_crv: str
    cose_alg: int
    field_bytes: int  # length of r and of s


SUITES: dict[SuiteName, Suite] = {
    "p256-sha256": Suite(
        "p256-sha256", ec.SECP256R1(), hashes.SHA256(), "sha256", "sha256_ecdsa", "secp256r1",
        "ES256", "P-256", -7, 32,
    ),
    "p384-sha384": Suite(
        "p384-sha384", ec.SECP384R1(), hashes.SHA384(), "sha384", "sha384_ecdsa", "secp384r1",
        "ES384", "P-384", -35, 48,
    ),
}  # fmt: skip


def suite_of(public: object) -> Suite | None:
    """The suite that a public key of `cryptography` belongs to; None where it is of none of ours."""
    if isinstance(public, ec.EllipticCurvePublicKey):
        return next((suite for suite in SUITES.values() if suite.curve.name == public.curve.name), None)
    return None


def verifies(public: object, suite: Suite, signature: bytes, data: bytes) -> bool:
    """Whether `public` is a key of the suite, and `signature`, as CMS carries it, its own over `data`."""
    if not isinstance(public, ec.EllipticCurvePublicKey) or suite_of(public) is not suite:
        return False
    try:
        public.verify(signature, data, ec.ECDSA(suite.hash))
    except InvalidSignature:
        return False
    return True
