"""What a relying party has beside a file: its trust anchor, and what the authority's site says of status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from keys.certificates import Subject, certificate_key
from keys.crl import RevocationReason, crl_entry, crl_tbs, sign_crl
from keys.custodian import Purpose
from keys.ocsp import GOOD, Answer, cert_id, response_data, sign_response
from keys.profiles import ProfileName
from tests.authority import TestAuthority

LIFE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All DER."""

    root: bytes
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


def evidence_of(authority: TestAuthority, at: datetime, revoked: datetime | None = None) -> Evidence:
    """The root, and the CRLs of root and issuing CA as of `at`; `revoked` is when the seal's was."""
    entries: tuple[bytes, ...] = ()
    if revoked is not None:
        entries = (crl_entry(_serial(authority.seal), revoked, RevocationReason.KEY_COMPROMISE, None),)
    crls = []
    for key, certificate, listed in (
        (authority.root_key, authority.root, ()),
        (authority.issuing_key, authority.issuing, entries),
    ):
        tbs = crl_tbs(certificate, key.suite, number=1, this_update=at, next_update=at + LIFE, entries=listed)
        crls.append(sign_crl(authority.custodian, key, tbs, f"crl:{authority.random(8).hex()}"))
    return Evidence(authority.root, tuple(crls))


def ocsp_evidence(authority: TestAuthority, at: datetime) -> Evidence:
    """The root with its CRL; of the seal and the time-stamp authority, one good OCSP answer each."""
    key = authority.custodian.generate(Purpose.OCSP, "p256-sha256")
    responder = authority.certify(ProfileName.OCSP, Subject("TEST OCSP", "TEST Vermilion"), key)
    answers = []
    for certificate in (authority.seal, authority.tsa):
        good = Answer(cert_id(authority.issuing, _serial(certificate)), GOOD, at, at + LIFE)
        data = response_data(certificate_key(responder), (good,), produced_at=at, nonce=None)
        record = f"ocsp:{authority.random(8).hex()}"
        answers.append(sign_response(authority.custodian, key, data, record, responder))
    (of_root, _) = evidence_of(authority, at).crls
    return Evidence(authority.root, (of_root,), tuple(answers))


def _serial(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number
