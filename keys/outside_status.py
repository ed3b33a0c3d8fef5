"""What an authority outside says of a certificate: its OCSP responses and CRLs, read and verified.

They are laid out as their makers please, so `keys.ocsp` and `keys.crl`, which know our own one form, do not
read them. What is read here instead is what the standards permit and a seal needs; whatever could change the
meaning of what is read and is not known refuses the whole. nextUpdate must be there: what holds for no stated
time is no status to rely on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import CRLEntryExtensionOID, ExtendedKeyUsageOID, ExtensionOID

from keys.certificates import key_identifier
from keys.crl import RevocationReason
from keys.errors import Kind, VermilionError
from keys.ocsp import build_request, cert_id
from keys.outside_chain import Parsed, issued, only_known, parse, public_key_of, signed_by

TOLERANCE = timedelta(minutes=5)  # by which the authority's clock may be ahead of ours
MAX_OCSP_BYTES = 32 * 1024
MAX_CRL_BYTES = 8 * 1024 * 1024  # some 150,000 entries
MAX_CERTIFICATES = 4  # in an OCSP response
NOT_KNOWN = "ocsp_unknown"
"""The reason where a responder says, rightly signed, `unknown`: that no CRL names it means nothing then."""
_NONCE = x509.OCSPNonce.oid
_HASHES = {"sha1", "sha256"}
_REASONS = {reason.value: reason for reason in RevocationReason}
_RULED_OF_CRL = {
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)


class Said(StrEnum):
    GOOD = "good"
    HELD = "held"  # certificateHold: it may become good again
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class OutsideAnswer:
    """A verified statement about one certificate. Instants are UTC."""

    said: Said
    this_update: datetime
    next_update: datetime
    revoked_at: datetime | None
    reason: RevocationReason | None


def status_request(certificate: bytes, issuer: bytes, nonce: bytes) -> bytes:
    """An OCSPRequest, DER. By SHA-1, an index and no protection, because every responder knows it."""
    serial = x509.load_der_x509_certificate(certificate).serial_number
    return build_request([cert_id(issuer, serial, "sha1")], nonce)


def read_ocsp(
    data: bytes, certificate: bytes, issuer: bytes, *, at: datetime, nonce: bytes | None
) -> OutsideAnswer:
    """The status of a certificate (DER) in an OCSPResponse (RFC 6960) that its issuer (DER) signed, or a
    responder to whom that issuer itself delegated it, whose certificate says no-check.

    One SingleResponse, about this certificate, holding at `at`; the nonce is ours, or there is none: many
    responders sign beforehand. Where `nonce` is None the answer was another's, and any nonce is right. No
    critical extension. Raises VermilionError(INVALID): "ocsp", and `NOT_KNOWN` where all that is right and
    the certificate is not known there.
    """
    if len(data) > MAX_OCSP_BYTES:
        _refuse("the response is too long", "ocsp")
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            _refuse("the responder gives no answer", "ocsp")
        singles = list(response.responses)
        signer = _responder(response, parse(issuer), at)
        right = signed_by(
            signer.certificate.public_key(),
            response.signature,
            response.tbs_response_bytes,
            response.signature_hash_algorithm,
        )
        others = [one for one in response.extensions if one.oid != _NONCE]
        nonces = [one.value for one in response.extensions if one.oid == _NONCE]
        single = singles[0] if len(singles) == 1 else None
        if single is None or not _about(single, certificate, issuer):
            _refuse("the response is about another certificate, or several", "ocsp")
        critical = any(one.critical for one in (*others, *response.single_extensions))
        said, reason, revoked_at = _said(single)
        begin, end = single.this_update_utc, single.next_update_utc
    except _UNREADABLE:
        _refuse("the response cannot be read", "ocsp")
    if not right:
        _refuse("the response's signature is wrong", "ocsp")
    if critical or (nonce is not None and any(getattr(v, "nonce", None) != nonce for v in nonces)):
        _refuse("the response has a critical extension, or another nonce", "ocsp")
    times = _holding(begin, end, at, "ocsp")
    if said is None:
        _refuse("the responder does not know the certificate", NOT_KNOWN)
    return OutsideAnswer(said, *times, revoked_at, reason)


def read_crl(data: bytes, certificate: bytes, issuer: bytes, *, at: datetime, url: str) -> OutsideAnswer:
    """The status of a certificate (DER) by a full CRL (RFC 5280, section 5) that its issuer (DER) signed, and
    that is for the place `url` where it was fetched, or for all places.

    No delta, no indirect CRL, none for some reasons or for CAs alone; no other critical extension, of the
    list or of the certificate's entry. Raises VermilionError(INVALID, reason "crl").
    """
    if len(data) > MAX_CRL_BYTES:
        _refuse("the list is too long", "crl")
    authority = parse(issuer)
    try:
        found = x509.load_der_x509_crl(data)
        right = found.issuer.public_bytes() == authority.certificate.subject.public_bytes() and signed_by(
            authority.certificate.public_key(),
            found.signature,
            found.tbs_certlist_bytes,
            found.signature_hash_algorithm,
        )
        whole = _whole(found, url)
        serial = parse(certificate).certificate.serial_number
        entry = found.get_revoked_certificate_by_serial_number(serial)
        said, reason, revoked_at = Said.GOOD, None, None
        if entry is not None:
            said, reason, revoked_at = _revoked(entry)
        begin, end = found.last_update_utc, found.next_update_utc
    except _UNREADABLE:
        _refuse("the list cannot be read", "crl")
    if not right or not _may_sign_lists(authority):
        _refuse("the list is not signed by the certificate's issuer", "crl")
    if not whole:
        _refuse("the list does not cover the certificate, or has a critical extension", "crl")
    return OutsideAnswer(said, *_holding(begin, end, at, "crl"), revoked_at, reason)


def _responder(response: ocsp.OCSPResponse, issuer: Parsed, at: datetime) -> Parsed:
    """The issuer, or its delegate (RFC 6960, 4.2.2.2)."""
    if _named(response, issuer):
        return issuer
    for certificate in response.certificates[:MAX_CERTIFICATES]:
        found = parse(certificate.public_bytes(Encoding.DER))
        if not _named(response, found) or not issued(found, issuer):
            continue
        extensions = {one.oid: one.value for one in certificate.extensions}
        purposes = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
        if (
            isinstance(purposes, x509.ExtendedKeyUsage)
            and ExtendedKeyUsageOID.OCSP_SIGNING in purposes
            and ExtensionOID.OCSP_NO_CHECK in extensions
            and only_known(certificate)
            and certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
        ):
            return found
    raise VermilionError(
        Kind.INVALID, "the authority did not delegate its answers to this responder", reason="ocsp"
    )


def _named(response: ocsp.OCSPResponse, one: Parsed) -> bool:
    if response.responder_key_hash is not None:
        return response.responder_key_hash == key_identifier(public_key_of(one))
    name = response.responder_name
    return name is not None and name.public_bytes() == one.certificate.subject.public_bytes()


def _about(single: ocsp.OCSPSingleResponse, certificate: bytes, issuer: bytes) -> bool:
    hash_name = single.hash_algorithm.name
    if hash_name not in _HASHES:
        return False
    serial = x509.load_der_x509_certificate(certificate).serial_number
    wanted = cert_id(issuer, serial, hash_name)
    found = (single.issuer_name_hash, single.issuer_key_hash, single.serial_number)
    return found == (wanted.name_hash, wanted.key_hash, wanted.serial)


def _said(
    single: ocsp.OCSPSingleResponse,
) -> tuple[Said | None, RevocationReason | None, datetime | None]:
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Said.GOOD, None, None
    if single.certificate_status is not ocsp.OCSPCertStatus.REVOKED:
        return None, None, None
    reason = _reason(single.revocation_reason)
    return _kind(reason), reason, single.revocation_time_utc


def _revoked(entry: x509.RevokedCertificate) -> tuple[Said, RevocationReason | None, datetime]:
    named = None
    for extension in entry.extensions:
        if extension.oid == CRLEntryExtensionOID.CRL_REASON:
            assert isinstance(extension.value, x509.CRLReason)
            named = extension.value.reason
        elif extension.critical:
            _refuse("the certificate's entry has a critical extension", "crl")
    reason = _reason(named)
    return _kind(reason), reason, entry.revocation_date_utc


def _reason(flag: x509.ReasonFlags | None) -> RevocationReason | None:
    return None if flag is None else _REASONS.get(flag.value)


def _kind(reason: RevocationReason | None) -> Said:
    return Said.HELD if reason is RevocationReason.CERTIFICATE_HOLD else Said.REVOKED


def _whole(found: x509.CertificateRevocationList, url: str) -> bool:
    """Whether the list says of every end entity of its issuer, fetched from `url`, all there is to say."""
    for extension in found.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            places = None if value.full_name is None else [name.value for name in value.full_name]
            if (
                value.only_contains_ca_certs
                or value.only_contains_attribute_certs
                or value.indirect_crl
                or value.only_some_reasons is not None
                or value.relative_name is not None
                or (places is not None and url not in places)
            ):
                return False
        elif isinstance(value, x509.DeltaCRLIndicator) or (
            extension.critical and extension.oid not in _RULED_OF_CRL
        ):
            return False
    return True


def _may_sign_lists(authority: Parsed) -> bool:
    for extension in authority.certificate.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            return extension.value.crl_sign
    return True


def _holding(begin: datetime, end: datetime | None, at: datetime, reason: str) -> tuple[datetime, datetime]:
    try:
        holds = end is not None and begin - TOLERANCE <= at < end
    except OverflowError:  # of the year 1
        holds = False
    if not holds or end is None:
        _refuse("what the authority says does not hold now", reason)
    return begin, end


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
