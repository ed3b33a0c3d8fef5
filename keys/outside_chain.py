"""Certificates of authorities that are not ours: a seal's, and what leads from it to a licensed CA.

A chain is a line, the seal's own certificate first: nothing is searched for, and nothing is taken from it but
what an anchor on record vouches for (RFC 5280, section 6, without what our seals have no use for: name and
policy constraints, which are refused where they stand). Their algorithms are wider than ours, because their
keys are theirs: RSA of 2048 to 8192 bits with PKCS #1 v1.5, and ECDSA on P-256, P-384 and P-521, each
with SHA-256, -384 or -512. The seal's own key is of a suite of ours, since a custodian of ours made it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtensionOID

from keys.der import members, require_der
from keys.errors import Kind, VermilionError
from keys.suite import suite_of

MAX_CERTIFICATES = 4  # of a chain, the seal's included; so many a CMS of ours may carry
MAX_CERTIFICATE_BYTES = 8 * 1024
MAX_CHAIN_BYTES = 5 * 1024  # what is embedded: with a token of ours it fits the room of `signing.laid_out`
MAX_FILE_BYTES = 64 * 1024
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}

_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_RULED = {  # the critical extensions that are looked at
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,  # any will do: the anchor is on record
}
_UNREAD = {ExtensionOID.NAME_CONSTRAINTS, ExtensionOID.POLICY_CONSTRAINTS, ExtensionOID.INHIBIT_ANY_POLICY}
ANY_PURPOSE = "2.5.29.37.0"  # anyExtendedKeyUsage
_SIGNING_PURPOSES = {
    "1.3.6.1.5.5.7.3.36",  # id-kp-documentSigning, RFC 9336
    "1.3.6.1.5.5.7.3.4",  # id-kp-emailProtection: what authorities wrote before there was the former
    "1.3.6.1.4.1.311.10.3.12",  # Microsoft, document signing
    "1.2.840.113583.1.1.5",  # Adobe, authentic documents
    ANY_PURPOSE,
}
_OTHER_DUTIES = {"1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"}  # time-stamping, OCSP signing
# Fields of TBSCertificate: [0] version, serialNumber, signature, issuer, validity, subject (RFC 5280, 4.1)
_VERSION_3, _SIGNATURE, _ISSUER, _SUBJECT = b"\xa0\x03\x02\x01\x02", 2, 3, 5


@dataclass(frozen=True, slots=True)
class Parsed:
    """A certificate, with the parts that are compared byte for byte."""

    der: bytes
    certificate: x509.Certificate
    issuer: bytes  # Name, DER
    subject: bytes


@dataclass(frozen=True, slots=True)
class OutsideChain:
    """A chain that leads to an anchor. Instants are UTC, both inclusive: when all of it is valid."""

    certificate: bytes  # DER of the seal's
    public_key: bytes  # its SubjectPublicKeyInfo, DER
    issuers: tuple[bytes, ...]  # DER, its issuer first; the anchor only where nothing is between
    anchor: bytes
    valid_from: datetime
    valid_to: datetime


def read_certificates(files: Sequence[bytes]) -> list[bytes]:
    """The certificates (DER) in these files, each one certificate in DER or several in PEM; no two the same.

    Raises VermilionError(INVALID, reason "chain").
    """
    if sum(map(len, files)) > MAX_FILE_BYTES:
        _refuse("the certificates are too long")
    found: dict[bytes, None] = {}
    for data in files:
        try:
            certificates = (
                x509.load_pem_x509_certificates(data)
                if b"-----BEGIN" in data
                else [x509.load_der_x509_certificate(data)]
            )
        except ValueError:
            _refuse("a file holds no certificate in DER or PEM")
        for certificate in certificates:
            found[certificate.public_bytes(serialization.Encoding.DER)] = None
    return list(found)


def lead_to_anchor(
    certificates: Sequence[bytes], keys: Collection[bytes], anchors: Collection[bytes], at: datetime
) -> OutsideChain:
    """Put certificates (DER) in line, from the one for one of the keys (SubjectPublicKeyInfo, DER) to an
    anchor, and check the whole. None may be left over; anchors are the `anchors` alone.

    Raises VermilionError(INVALID): `key_mismatch`, `issuer_unknown`, `chain`.
    """
    if not 1 <= len(certificates) <= MAX_CERTIFICATES + 1:
        _refuse(f"a chain has at most {MAX_CERTIFICATES} certificates")
    trusted = [parse(der) for der in anchors]
    waiting = [parse(der) for der in certificates if der not in anchors]
    leaf = next((one for one in waiting if public_key_of(one) in keys), None)
    if leaf is None:
        _refuse("no certificate of the chain is for the key that was asked for", "key_mismatch")
    line = [leaf]
    while True:
        waiting.remove(line[-1])
        below = line[-1]
        anchor = next((one for one in trusted if issued(below, one)), None)
        if anchor is not None:
            break
        following = next((one for one in waiting if issued(below, one)), None)
        if following is None:
            _refuse("the chain leads to no licensed authority on record", "issuer_unknown")
        line.append(following)
    if waiting:
        _refuse("the chain holds certificates that do not belong to it")
    begin, end = check_chain([one.der for one in (*line, anchor)], at)
    issuers = tuple(one.der for one in line[1:]) or (anchor.der,)
    if len(line) > MAX_CERTIFICATES or len(leaf.der) + sum(map(len, issuers)) > MAX_CHAIN_BYTES:
        _refuse(f"a chain has at most {MAX_CERTIFICATES} certificates, of {MAX_CHAIN_BYTES} bytes together")
    return OutsideChain(leaf.der, public_key_of(leaf), issuers, anchor.der, begin, end)


def check_chain(chain: Sequence[bytes], at: datetime) -> tuple[datetime, datetime]:
    """Check a line of certificates (DER), each signed by the next: a seal's that may seal, CAs that may sign,
    all valid at `at`. When they all are, both inclusive, UTC. Who vouches for the last is not asked.

    Raises VermilionError(INVALID, reason "chain").
    """
    leaf, *authorities = line = [parse(der) for der in chain]
    begin, end = _linked(line)
    try:
        _require_seal(leaf.certificate)
        good = all(
            may_sign(ca.certificate, below, _SIGNING_PURPOSES) for below, ca in enumerate(authorities)
        ) and not any(extension.oid in _UNREAD for one in line for extension in one.certificate.extensions)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        _refuse("a certificate of the chain cannot be read")
    if not good:
        _refuse("an authority of the chain may not sign so, or constrains what is not read here")
    if not begin <= at <= end:
        _refuse("a certificate of the chain is not valid at that time")
    return begin, end


def linked_key(chain: Sequence[bytes]) -> tuple[bytes, datetime, datetime]:
    """SubjectPublicKeyInfo (DER) of the first of a line of certificates, each signed by the next, and when
    all are valid. Names, keys and signatures only: `check_chain` is the whole check.

    Raises VermilionError(INVALID, reason "chain").
    """
    line = [parse(der) for der in chain]
    if len(line) < 2:
        _refuse("a chain has a certificate and its issuer")
    return public_key_of(line[0]), *_linked(line)


def require_anchor(der: bytes, at: datetime) -> None:
    """Check what is to be an anchor: a CA's certificate of algorithms that we know, valid at `at`.

    Raises VermilionError(INVALID, reason "chain").
    """
    anchor = parse(der)
    _require_known_key(anchor.certificate.public_key())
    try:
        good = may_sign(anchor.certificate, 0, _SIGNING_PURPOSES)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        _refuse("the authority's certificate cannot be read")
    if not good:
        _refuse("the certificate is not one of an authority that signs certificates")
    if not _begin(anchor) <= at <= _end(anchor):
        _refuse("the authority's certificate is not valid now")


def parse(der: bytes) -> Parsed:
    """A v3 certificate in DER, bounded; its extensions are read later. Raises VermilionError(INVALID)."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        _refuse("a certificate is too long")
    try:
        require_der(der)
        tbs, algorithm, _signature = members(der, 0x30)
        version, *fields = members(tbs, 0x30)
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm, x509.InvalidVersion):
        _refuse("a certificate cannot be read")
    if version != _VERSION_3 or len(fields) < 6 or fields[_SIGNATURE - 1] != algorithm:
        _refuse("a certificate is not of version 3, or names two algorithms")
    return Parsed(der, certificate, fields[_ISSUER - 1], fields[_SUBJECT - 1])


def signed_by(key: object, signature: bytes, data: bytes, algorithm: hashes.HashAlgorithm | None) -> bool:
    """Whether a key of an algorithm that we know made this signature. Raises no error."""
    if algorithm is None or algorithm.name not in HASHES:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            key.verify(signature, data, padding.PKCS1v15(), HASHES[algorithm.name])
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
            key.verify(signature, data, ec.ECDSA(HASHES[algorithm.name]))
        else:
            return False
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


def may_sign(ca: x509.Certificate, below: int, purposes: Collection[str]) -> bool:
    """Whether this is a CA that may have so many others between it and an end entity (RFC 5280, 4.2.1.3 and
    4.2.1.9), and which, where it has extended key usages, has one of the
    `purposes` (OIDs). Raises what `cryptography` raises for extensions that cannot be read.
    """
    found = {extension.oid: extension.value for extension in ca.extensions}
    constraints, usage = found.get(ExtensionOID.BASIC_CONSTRAINTS), found.get(ExtensionOID.KEY_USAGE)
    named = found.get(ExtensionOID.EXTENDED_KEY_USAGE)
    return (
        isinstance(constraints, x509.BasicConstraints)
        and constraints.ca
        and (constraints.path_length is None or constraints.path_length >= below)
        and (usage is None or (isinstance(usage, x509.KeyUsage) and usage.key_cert_sign))
        and (not isinstance(named, x509.ExtendedKeyUsage) or not _named(named).isdisjoint(purposes))
        and only_known(ca)
    )


def only_known(certificate: x509.Certificate) -> bool:
    """Whether every critical extension is one that is looked at."""
    return all(extension.oid in _RULED for extension in certificate.extensions if extension.critical)


def _require_seal(leaf: x509.Certificate) -> None:
    """An end entity that may sign documents, under a key of a suite of ours."""
    found = {extension.oid: extension.value for extension in leaf.extensions}
    constraints, usage = found.get(ExtensionOID.BASIC_CONSTRAINTS), found.get(ExtensionOID.KEY_USAGE)
    purposes = found.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        _refuse("the seal's certificate is an authority's")
    if not isinstance(usage, x509.KeyUsage) or not (usage.digital_signature or usage.content_commitment):
        _refuse("the seal's certificate is not made to sign")
    if usage.key_cert_sign or usage.crl_sign:
        _refuse("the seal's certificate is made to sign certificates or CRLs")
    if isinstance(purposes, x509.ExtendedKeyUsage):
        named = _named(purposes)
        if not named & _SIGNING_PURPOSES or named & _OTHER_DUTIES:
            _refuse("the seal's certificate is made for other purposes than to sign documents")
    if not only_known(leaf):
        _refuse("the seal's certificate has a critical extension that we do not know")
    if suite_of(leaf.public_key()) is None:
        _refuse("the seal's key is of no suite of ours")


def _named(purposes: x509.ExtendedKeyUsage) -> set[str]:
    return {purpose.dotted_string for purpose in purposes}


def _linked(line: Sequence[Parsed]) -> tuple[datetime, datetime]:
    for below, above in pairwise(line):
        if not issued(below, above):
            _refuse("a certificate of the chain is not signed by the next")
    return max(map(_begin, line)), min(map(_end, line))


def issued(below: Parsed, above: Parsed) -> bool:
    """Whether one certificate is signed by the other: by name, byte for byte, and by key."""
    if below.issuer != above.subject:
        return False
    found = below.certificate
    try:
        algorithm = found.signature_hash_algorithm
        known = not isinstance(found.signature_algorithm_parameters, padding.PSS)
    except (ValueError, UnsupportedAlgorithm):
        return False
    key = above.certificate.public_key()
    return known and signed_by(key, found.signature, found.tbs_certificate_bytes, algorithm)


def _require_known_key(key: object) -> None:
    if isinstance(key, rsa.RSAPublicKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return
    _refuse("the authority's key is of no kind that we know")


def public_key_of(one: Parsed) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return one.certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _begin(one: Parsed) -> datetime:
    return one.certificate.not_valid_before_utc


def _end(one: Parsed) -> datetime:
    return one.certificate.not_valid_after_utc


def _refuse(detail: str, reason: str = "chain") -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
