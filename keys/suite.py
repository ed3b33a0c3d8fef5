"""The one table of algorithms: nothing else names an OID or a curve (design, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asn1crypto import algos
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from keys.errors import Kind, VermilionError

SuiteName = Literal["p256-sha256", "p384-sha384", "rsa3072-sha256"]
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

RSA_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class Suite:
    """One signature suite and its names in X.509/CMS and JOSE; its family, `Ecdsa` or `Rsa`, has the rest."""

    name: SuiteName
    hash: hashes.HashAlgorithm
    digest_name: str  # asn1crypto and hashlib name
    signature_name: str  # asn1crypto name of the signature algorithm
    jose_alg: str
    cose_alg: int | None  # None: not for credentials


@dataclass(frozen=True, slots=True)
class Ecdsa(Suite):
    """ECDSA on a curve of FIPS 186-5."""

    cose_alg: int
    curve: ec.EllipticCurve
    curve_name: str  # asn1crypto name of the curve
    jose_crv: str
    field_bytes: int  # length of r and of s


@dataclass(frozen=True, slots=True)
class Rsa(Suite):
    """RSASSA-PKCS1-v1_5 (RFC 8017, 8.2): one signature for one message, none to choose from."""

    bits: int


P256 = Ecdsa(
    "p256-sha256", hashes.SHA256(), "sha256", "sha256_ecdsa", "ES256", -7,
    ec.SECP256R1(), "secp256r1", "P-256", 32,
)  # fmt: skip
P384 = Ecdsa(
    "p384-sha384", hashes.SHA384(), "sha384", "sha384_ecdsa", "ES384", -35,
    ec.SECP384R1(), "secp384r1", "P-384", 48,
)  # fmt: skip
RSA3072 = Rsa("rsa3072-sha256", hashes.SHA256(), "sha256", "sha256_rsa", "RS256", None, 3072)

SUITES: dict[SuiteName, Suite] = {suite.name: suite for suite in (P256, P384, RSA3072)}
_ALGORITHMS: dict[SuiteName, bytes] = {
    name: algos.SignedDigestAlgorithm({"algorithm": suite.signature_name}).dump()
    for name, suite in SUITES.items()
}


def ecdsa(suite: Suite) -> Ecdsa:
    """The suite, where it is one of ECDSA: a QR credential has room for no other.

    Raises VermilionError(INVALID, reason "suite").
    """
    if not isinstance(suite, Ecdsa):
        raise VermilionError(Kind.INVALID, f"{suite.name} is no suite of ECDSA", reason="suite")
    return suite


def suite_of(public: object) -> Suite | None:
    """The suite that a public key of `cryptography` belongs to; None where it is of none of ours."""
    for suite in SUITES.values():
        if isinstance(suite, Ecdsa):
            if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == suite.curve.name:
                return suite
        elif (
            isinstance(suite, Rsa)
            and isinstance(public, rsa.RSAPublicKey)
            and (public.key_size, public.public_numbers().e) == (suite.bits, RSA_EXPONENT)
        ):
            return suite
    return None


def verifies(public: object, suite: Suite, signature: bytes, data: bytes) -> bool:
    """Whether `public` is a key of the suite, and `signature`, as CMS carries it, its own over `data`."""
    if suite_of(public) is not suite:
        return False
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, data, ec.ECDSA(suite.hash))
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, padding.PKCS1v15(), suite.hash)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def generate_private_key(suite: Suite) -> PrivateKey:
    """A new key pair of the suite: for a custodian, or to be thrown away."""
    if isinstance(suite, Ecdsa):
        return ec.generate_private_key(suite.curve)
    assert isinstance(suite, Rsa)
    return rsa.generate_private_key(RSA_EXPONENT, suite.bits)


def sign_with(private: PrivateKey, suite: Suite, data: bytes) -> bytes:
    """A signature as CMS carries it: Ecdsa-Sig-Value, DER (RFC 3279), or the number that RSA makes."""
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(data, ec.ECDSA(suite.hash))
    return private.sign(data, padding.PKCS1v15(), suite.hash)


def signature_algorithm(suite: Suite) -> bytes:
    """AlgorithmIdentifier, DER: no parameters for ECDSA (RFC 5758, 3.2), NULL for RSA (RFC 4055, 5)."""
    return _ALGORITHMS[suite.name]


def signature_to_raw(suite: Suite, signature: bytes) -> bytes:
    """What JOSE carries (RFC 7518, 3.3 and 3.4), and a token makes: r || s for ECDSA.

    Raises ValueError for what is no signature of the suite.
    """
    if isinstance(suite, Ecdsa):
        r, s = decode_dss_signature(signature)
        if not (0 < r < 1 << 8 * suite.field_bytes and 0 < s < 1 << 8 * suite.field_bytes):
            raise ValueError("not a signature of this suite")
        return r.to_bytes(suite.field_bytes, "big") + s.to_bytes(suite.field_bytes, "big")
    if len(signature) != signature_bytes(suite):
        raise ValueError("not a signature of this suite")
    return signature


def signature_from_raw(suite: Suite, raw: bytes) -> bytes:
    """What CMS carries, from what `signature_to_raw` gives. Raises ValueError for another length."""
    if len(raw) != signature_bytes(suite):
        raise ValueError("not a signature of this suite")
    if isinstance(suite, Ecdsa):
        r, s = raw[: suite.field_bytes], raw[suite.field_bytes :]
        return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    return raw


def signature_bytes(suite: Suite) -> int:
    """Length of a raw signature."""
    if isinstance(suite, Ecdsa):
        return 2 * suite.field_bytes
    assert isinstance(suite, Rsa)
    return suite.bits // 8
