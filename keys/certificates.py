"""X.509 certificates of the two-tier authority: made by profile, signed by a custodian (RFC 5280)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha1, sha256

from asn1crypto import algos, core, keys, x509
from cryptography.hazmat.primitives import serialization

from keys.custodian import Custodian, KeyRef, Kind, SignRequest
from keys.der import time, tlv
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.profiles import PROFILES, Profile, ProfileName
from keys.suite import SUITES, PublicKey, SuiteName, signature_algorithm, verifies

INSTANCE_PREFIX = b"\x01"
SERIAL_RANDOM_BYTES = 16
BACKDATE = timedelta(minutes=5)  # for verifiers whose clock is a little behind


@dataclass(frozen=True, slots=True)
class Subject:
    """A distinguished name, in the practice of the seal systems: CN the code, O the USCC and the name."""

    common_name: str
    organisation: str
    country: str = "CN"

    def to_name(self) -> x509.Name:
        """RFC 5280, appendix A.1: at most 64 characters each. Raises VermilionError(INVALID)."""
        if not all(0 < len(part) <= 64 for part in (self.common_name, self.organisation)):
            raise VermilionError(
                ErrorKind.INVALID, "a name in a certificate has 1 to 64 characters", reason="subject"
            )
        return x509.Name.build(
            {
                "country_name": self.country,
                "organization_name": self.organisation,
                "common_name": self.common_name,
            },
            use_printable=False,
        )


@dataclass(frozen=True, slots=True)
class Publication:
    """Where relying parties fetch an issuer's CRL, OCSP answers and certificate: plain http URLs."""

    crl: str | None = None
    ocsp: str | None = None
    ca_issuers: str | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs: a CA's key and its certificate; `certificate` is None while a root signs itself."""

    key: KeyRef
    certificate: bytes | None
    publication: Publication = Publication()


def new_serial(random: Callable[[int], bytes]) -> int:
    """Instance prefix and 128 random bits: positive, at most 17 octets."""
    return int.from_bytes(INSTANCE_PREFIX + random(SERIAL_RANDOM_BYTES), "big")


def serial_record(serial: int) -> str:
    """The record that a certificate signature serves."""
    return f"certificate:{serial:x}"


def build_tbs(
    custodian: Custodian,
    issuer: Issuer,
    profile_name: ProfileName,
    subject: Subject,
    subject_key: KeyRef,
    *,
    serial: int,
    at: datetime,
    life: timedelta | None = None,
) -> bytes:
    """The TBSCertificate, DER: nothing is signed yet, and the custodian is asked for public keys only.

    Without a `life` it is the profile's, or what its issuer has left. Raises VermilionError: INVALID when
    subject's or issuer's key is for another purpose or a name is too long, CONFLICT when the certificate
    would outlive its issuer.
    """
    profile = PROFILES[profile_name]
    if subject_key.purpose is not profile.purpose or issuer.key.purpose is not profile.issuer:
        raise VermilionError(
            ErrorKind.INVALID,
            f"a {issuer.key.purpose} key gives a {subject_key.purpose} key no {profile_name} certificate",
            reason="profile",
        )
    if (profile_name is ProfileName.ROOT) != (issuer.certificate is None):
        raise VermilionError(ErrorKind.INVALID, "only a root signs itself", reason="profile")
    not_before = (at - BACKDATE).replace(microsecond=0)
    not_after = not_before + (life or profile.life)
    spki = public_key_der(custodian.public_key(subject_key))
    issuer_name, issuer_spki = subject.to_name(), public_key_der(custodian.public_key(issuer.key))
    if issuer.certificate is None and issuer_spki != spki:
        raise VermilionError(ErrorKind.INVALID, "only a root signs itself", reason="key_mismatch")
    if issuer.certificate is not None:
        authority = x509.Certificate.load(issuer.certificate)
        issuer_name = authority.subject
        if authority.public_key.dump() != issuer_spki:
            raise VermilionError(
                ErrorKind.INVALID, "the issuer's certificate is another key's", reason="key_mismatch"
            )
        if life is None and at < authority.not_valid_after:
            not_after = min(not_after, authority.not_valid_after)
        if not_after > authority.not_valid_after:
            raise VermilionError(
                ErrorKind.CONFLICT, "a certificate may not outlive its issuer", reason="outlives_issuer"
            )
        not_before = max(not_before, authority.not_valid_before)
    tbs: bytes = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": serial,
            "signature": algos.SignedDigestAlgorithm.load(signature_algorithm(SUITES[issuer.key.suite])),
            "issuer": issuer_name,
            "validity": {"not_before": _time(not_before), "not_after": _time(not_after)},
            "subject": subject.to_name(),
            "subject_public_key_info": keys.PublicKeyInfo.load(spki),
            "extensions": _extensions(profile, spki, issuer_spki, issuer.publication),
        }
    ).dump()
    return tbs


def sign_certificate(custodian: Custodian, issuer: KeyRef, tbs: bytes) -> bytes:
    """The certificate, DER, of a TBSCertificate that `build_tbs` made and whose serial was reserved.

    Raises VermilionError: KEY_REFUSED from the custodian, UNAVAILABLE when it signs wrongly.
    """
    suite = SUITES[issuer.suite]
    serial = x509.TbsCertificate.load(tbs)["serial_number"].native
    request = SignRequest(Kind.CERTIFICATE, tbs, serial_record(serial))
    (signature,) = custodian.sign(issuer, [request])
    if not verifies(custodian.public_key(issuer), suite, signature, tbs):
        # A fault in the custodian: never let such a certificate out.
        raise VermilionError(ErrorKind.UNAVAILABLE, "the custodian signed wrongly", reason="signature")
    return assemble_signed(tbs, issuer.suite, signature)


def assemble_signed(tbs: bytes, suite: SuiteName, signature: bytes) -> bytes:
    """A Certificate or CertificateList, DER (RFC 5280, 4.1 and 5.1), around the bytes that were signed."""
    return tlv(0x30, tbs, signature_algorithm(SUITES[suite]), tlv(0x03, b"\0", signature))


def _time(at: datetime) -> x509.Time:
    return x509.Time.load(time(at))


def _extensions(
    profile: Profile, spki: bytes, issuer_spki: bytes, publication: Publication
) -> list[dict[str, object]]:
    """Critical where RFC 5280 and RFC 3161 want it."""
    wanted: list[tuple[str, bool, object]] = []
    if profile.ca:
        constraints: dict[str, object] = {"ca": True}
        if profile.path_length is not None:
            constraints["path_len_constraint"] = profile.path_length
        wanted.append(("basic_constraints", True, constraints))
    wanted.append(("key_usage", True, set(profile.key_usage)))
    if profile.extended_key_usage:
        wanted.append(("extended_key_usage", True, [profile.extended_key_usage]))
    if profile.policy:
        wanted.append(("certificate_policies", False, [{"policy_identifier": profile.policy}]))
    wanted.append(("key_identifier", False, key_identifier(spki)))
    wanted.append(("authority_key_identifier", False, {"key_identifier": key_identifier(issuer_spki)}))
    if profile.no_check:
        wanted.append(("ocsp_no_check", False, core.Null()))
    if not profile.published or issuer_spki == spki:
        publication = Publication()
    if publication.crl:
        place = {"distribution_point": x509.DistributionPointName("full_name", [_uri(publication.crl)])}
        wanted.append(("crl_distribution_points", False, [place]))
    if publication.ocsp or publication.ca_issuers:
        methods = (("ocsp", publication.ocsp), ("ca_issuers", publication.ca_issuers))
        access = [{"access_method": name, "access_location": _uri(url)} for name, url in methods if url]
        wanted.append(("authority_information_access", False, access))
    return [{"extn_id": name, "critical": critical, "extn_value": value} for name, critical, value in wanted]


def _uri(url: str) -> x509.GeneralName:
    return x509.GeneralName("uniform_resource_identifier", url)


@lru_cache(maxsize=256)
def key_identifier(spki: bytes) -> bytes:
    """RFC 5280, 4.2.1.2 (1): SHA-1 of the public key's bit string; an index, not a protection."""
    point = keys.PublicKeyInfo.load(spki)["public_key"]
    return sha1(bytes(point), usedforsecurity=False).digest()


def public_key_der(public: PublicKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of the DER, lower-case hex."""
    return sha256(certificate).hexdigest()


def certificate_key(certificate: bytes) -> bytes:
    """SubjectPublicKeyInfo (DER) of a certificate."""
    spki: bytes = x509.Certificate.load(certificate).public_key.dump()
    return spki


def certificate_subject(certificate: bytes) -> Subject:
    """The name of a certificate that `build_tbs` laid out."""
    name = x509.Certificate.load(certificate).subject.native
    return Subject(name["common_name"], name["organization_name"], name["country_name"])


def certificate_validity(certificate: bytes) -> tuple[datetime, datetime]:
    """(notBefore, notAfter), both inclusive, UTC."""
    parsed = x509.Certificate.load(certificate)
    return parsed.not_valid_before, parsed.not_valid_after


def tbs_validity(tbs: bytes) -> tuple[datetime, datetime]:
    """(notBefore, notAfter), both inclusive, UTC, of what is to be signed."""
    validity = x509.TbsCertificate.load(tbs)["validity"]
    return validity["not_before"].native, validity["not_after"].native


def chain_names(certificates: Sequence[bytes]) -> list[str]:
    """Human-friendly subjects, for display."""
    return [x509.Certificate.load(c).subject.human_friendly for c in certificates]
