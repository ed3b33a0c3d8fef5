"""Certification paths of our own two-tier shape: end entity, issuing CA, root (RFC 5280, section 6).

The general algorithm is not needed and would accept more than we issue: names byte for byte, the
profile's extensions exactly, no other critical extension, one path. What does not depend on the moment (a
certificate's content, who signed it) is found out once: the same few certificates are met in every document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from asn1crypto import core, x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from keys.errors import Kind, VermilionError
from keys.profiles import PROFILES, ProfileName
from keys.suite import PublicKey, Suite, signature_algorithm, suite_of, verifies
from keys.tbs import load_der

if TYPE_CHECKING:
    from keys.trust_list import TrustList

MAX_CERTIFICATE_BYTES = 8 * 1024
_REMEMBERED = 512  # certificates that a process meets again and again, and as many pairs of them
_RULED = {
    "basic_constraints": x509.BasicConstraints,
    "key_usage": x509.KeyUsage,
    "extended_key_usage": x509.ExtKeyUsageSyntax,
    "certificate_policies": x509.CertificatePolicies,
    "ocsp_no_check": core.Null,
}
_PLACES = ("crl_distribution_points", "authority_information_access")


def verify_chain(
    certificate: bytes, *, trust: TrustList, at: datetime, profile: ProfileName = ProfileName.SEAL
) -> bytes:
    """Check that an end entity of `profile` leads to a root of the trust list, all valid at `at`; the issuing
    CA that signed it (DER), which is one alone: a list names no two of one name and key.

    Raises VermilionError(INVALID); `reason` "issuer_unknown" when no issuing CA of the list has its
    issuer's name and key, else "chain".
    """
    _facts(certificate)  # one that cannot be read is refused as that
    for issuing in trust.issuing:
        if not _issued(certificate, issuing):
            continue
        for root in trust.roots:
            if _issued(issuing, root):
                _require(certificate, profile, at)
                _require(issuing, ProfileName.ISSUING, at)
                require_root(root, at)
                return issuing
    raise VermilionError(
        Kind.INVALID, "no issuing authority of the trust list signed it", reason="issuer_unknown"
    )


def verify_issued(
    certificate: bytes, issuers: Sequence[bytes], *, at: datetime, profile: ProfileName
) -> None:
    """Check an end entity of `profile` against the authorities that may have issued it: signature, extensions
    of the profile, and validity at `at`. Who vouches for the authorities is not asked.

    Raises VermilionError(INVALID), `reason` "issuer_unknown" or "chain".
    """
    if issuer_among(certificate, issuers) is None:
        _refuse("no authority that is known signed it", "issuer_unknown")
    _require(certificate, profile, at)


def verify_issuing(certificate: bytes, root: bytes, at: datetime) -> None:
    """Check an issuing CA against one root; one that has expired by `at` is judged as of its last moment.

    It issues nothing any more, but what was sealed in its time goes on being checked, for as long as a list
    names it: `verify_chain` asks for its validity at the moment of sealing. Raises VermilionError(INVALID).
    """
    if not _issued(certificate, root):
        _refuse("the issuing authority is not the root's", "issuer_unknown")
    _require(certificate, ProfileName.ISSUING, min(at, _facts(certificate).valid_to))
    require_root(root, at)


def issuer_among(certificate: bytes, authorities: Sequence[bytes]) -> bytes | None:
    """Which of these certificates (DER) signed this one, by name and signature alone; None: none did.

    Raises VermilionError(INVALID) for bytes that are no certificate.
    """
    _facts(certificate)
    return next((authority for authority in authorities if _issued(certificate, authority)), None)


def certificate_end(certificate: bytes) -> datetime:
    """notAfter, the last moment at which one that has expired is judged. Raises VermilionError(INVALID)."""
    return _facts(certificate).valid_to


def verify_link(link: bytes, root: bytes, former: bytes, at: datetime) -> None:
    """Check that the former root certified this one as its successor: `link` has the name and key of `root`
    and the former one's signature, and all three are valid at `at`. Raises VermilionError(INVALID).
    """
    linked, successor = parse_certificate(link), parse_certificate(root)
    if (linked.subject.dump(), linked.public_key.dump()) != (
        successor.subject.dump(),
        successor.public_key.dump(),
    ):
        _refuse("the link is another root's")
    if issuer_among(link, (former,)) is None:
        _refuse("the former root did not sign the link", "issuer_unknown")
    _require(link, ProfileName.ROOT_LINK, at)
    require_root(root, at)
    require_root(former, at)


def verify_delegate(certificate: bytes, root: bytes, begin: datetime, end: datetime) -> None:
    """Check the delegate that a root lets sign its trust list, valid from `begin` until `end`.

    Raises VermilionError(INVALID).
    """
    if not _issued(certificate, root):
        _refuse("the root did not sign the delegate", "issuer_unknown")
    for at in (begin, end):
        _require(certificate, ProfileName.TRUST_LIST, at)


def require_root(certificate: bytes, at: datetime) -> None:
    """Check a self-signed root. Raises VermilionError(INVALID)."""
    if not _issued(certificate, certificate):
        _refuse("not a self-signed root")
    _require(certificate, ProfileName.ROOT, at)


def issued_by(certificate: bytes, issuers: Sequence[bytes]) -> tuple[bytes, datetime, datetime]:
    """SubjectPublicKeyInfo (DER), notBefore and notAfter of a certificate that one of these signed.

    Name and signature only: `verify_chain` is the whole check. Raises VermilionError(INVALID).
    """
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        _refuse("the certificate is too long")
    try:
        parsed = x509.Certificate.load(certificate, strict=True)
        body, name, spki = parsed["tbs_certificate"].dump(), parsed.issuer.dump(), parsed.public_key.dump()
        signature = parsed["signature_value"].native
        algorithm = parsed["signature_algorithm"]["algorithm"].native
        valid_from, valid_to = parsed.not_valid_before, parsed.not_valid_after
    except Exception:  # noqa: BLE001  (asn1crypto raises what its parts raise)
        _refuse("the certificate cannot be read")
    signers = [i for i in map(_issuer, issuers) if (i[0], i[2].signature_name) == (name, algorithm)]
    if not any(verifies(public, suite, signature, body) for _name, public, suite in signers):
        _refuse("no issuing authority of the trust list signed it", "issuer_unknown")
    return spki, valid_from, valid_to


@lru_cache(maxsize=_REMEMBERED)
def _issuer(certificate: bytes) -> tuple[bytes, PublicKey, Suite]:
    """Subject (DER), key and suite of an authority."""
    parsed = parse_certificate(certificate)
    return parsed.subject.dump(), *certificate_public_key(parsed)


def parse_certificate(der: bytes) -> x509.Certificate:
    """Canonical DER of at most 8 kB. Raises VermilionError(INVALID)."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        _refuse("the certificate is too long")
    try:
        parsed: x509.Certificate = load_der(x509.Certificate, der)
    except ValueError:
        _refuse("the certificate is not DER")
    if parsed["tbs_certificate"]["signature"].dump() != parsed["signature_algorithm"].dump():
        _refuse("the certificate names two algorithms")
    if parsed["signature_value"].contents[:1] != b"\0":  # else one signature would have several encodings
        _refuse("the certificate's signature is no whole number of octets")
    return parsed


def certificate_public_key(certificate: x509.Certificate) -> tuple[PublicKey, Suite]:
    """The key and its suite. Raises VermilionError(INVALID)."""
    try:
        public = serialization.load_der_public_key(certificate.public_key.dump())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _refuse("the certificate's key cannot be read")
    suite = suite_of(public)
    if suite is None:
        _refuse("the certificate's key is of no suite of ours")
    assert isinstance(public, PublicKey)
    return public, suite


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a certificate says of itself; names and algorithm are DER."""

    subject: bytes
    issuer: bytes
    valid_from: datetime
    valid_to: datetime
    algorithm: bytes
    signed: bytes
    signature: bytes


@lru_cache(maxsize=_REMEMBERED)
def _facts(certificate: bytes) -> _Facts:
    parsed = parse_certificate(certificate)
    return _Facts(
        subject=parsed.subject.dump(),
        issuer=parsed.issuer.dump(),
        valid_from=parsed.not_valid_before,
        valid_to=parsed.not_valid_after,
        algorithm=parsed["signature_algorithm"].dump(),
        signed=parsed["tbs_certificate"].dump(),
        signature=parsed["signature_value"].native,
    )


@lru_cache(maxsize=_REMEMBERED)
def _issued(certificate: bytes, issuer: bytes) -> bool:
    """By name and by key."""
    facts = _facts(certificate)
    name, public, suite = _issuer(issuer)
    return (
        name == facts.issuer
        and facts.algorithm == signature_algorithm(suite)
        and verifies(public, suite, facts.signature, facts.signed)
    )


def _require(certificate: bytes, profile: ProfileName, at: datetime) -> None:
    """Validity at `at`, and exactly the extensions that the profile gives."""
    facts = _facts(certificate)
    if not facts.valid_from <= at <= facts.valid_to:
        _refuse(f"the {profile} certificate is not valid at that time")
    _fits(certificate, profile)


@lru_cache(maxsize=_REMEMBERED)
def _fits(certificate: bytes, name: ProfileName) -> None:
    """The policy is one of the extensions: nothing else tells QR, log and trust list certificates from one
    another.
    """
    profile = PROFILES[name]
    found = _extensions(parse_certificate(certificate))
    expected: dict[str, tuple[bool, Any]] = {"key_usage": (True, set(profile.key_usage))}
    if profile.ca:
        expected["basic_constraints"] = (True, {"ca": True, "path_len_constraint": profile.path_length})
    if profile.extended_key_usage:
        expected["extended_key_usage"] = (True, [profile.extended_key_usage])
    if profile.policy:
        plain = {"policy_identifier": profile.policy, "policy_qualifiers": None}
        expected["certificate_policies"] = (False, [plain])
    if profile.no_check:
        expected["ocsp_no_check"] = (False, None)
    for ruled in _RULED:
        present = found.pop(ruled, None)
        wanted = expected.get(ruled)
        if (_plain(present) if present else None) != (_plain(wanted) if wanted else None):
            _refuse(f"{ruled} is not that of a {profile.name} certificate")
    if not profile.published and any(place in found for place in _PLACES):
        _refuse(f"a {profile.name} certificate does not say where its status is to be had")
    if any(critical for critical, _value in found.values()):
        _refuse("an extension we do not know is critical")


def _extensions(certificate: x509.Certificate) -> dict[str, tuple[bool, Any]]:
    """(critical, value) by asn1crypto's name, or OID. Those that a profile rules are canonical DER."""
    found: dict[str, tuple[bool, Any]] = {}
    for extension in certificate["tbs_certificate"]["extensions"]:
        name = extension["extn_id"].native
        if name in found:
            _refuse("an extension stands twice")
        value = None
        if name in _RULED:
            try:
                value = load_der(_RULED[name], bytes(extension["extn_value"])).native
            except ValueError:
                _refuse(f"{name} is not DER")
        found[name] = (extension["critical"].native, value)
    return found


def _plain(value: tuple[bool, Any]) -> tuple[bool, Any]:
    content = value[1]
    return value[0], dict(content) if isinstance(content, dict) else content


def _refuse(detail: str, reason: str = "chain") -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
