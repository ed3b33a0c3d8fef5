"""What a test authority says of its own certificates: OCSP answers and its root's CRL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from keys.certificates import Subject, certificate_key
from keys.crl import crl_entry, crl_tbs, sign_crl
from keys.custodian import KeyRef, Purpose
from keys.ocsp import GOOD, Answer, CertStatus, cert_id, response_data, sign_response
from keys.profiles import ProfileName
from signing.document import ValidationData
from signing.validation_data import gather
from tests.authority import AT, TestAuthority

OCSP_LIFE = timedelta(minutes=15)
CRL_LIFE = timedelta(days=400)


@dataclass(frozen=True)
class Prover:
    """What an authority says of its certificates."""

    authority: TestAuthority
    key: KeyRef
    certificate: bytes

    @classmethod
    def of(cls, authority: TestAuthority, at: datetime = AT) -> Prover:
        """A responder of that time: its certificate lasts two weeks."""
        key = authority.custodian.generate(Purpose.OCSP, "p256-sha256")
        certificate = authority.certify(
            ProfileName.OCSP, Subject("TEST OCSP", "TEST Vermilion"), key, at=at - timedelta(days=1)
        )
        return cls(authority, key, certificate)

    def ocsp(self, certificate: bytes, at: datetime, status: CertStatus = GOOD) -> bytes:
        authority = self.authority
        serial = serial_of(certificate)
        answer = Answer(cert_id(authority.issuing, serial), status, at, at + OCSP_LIFE)
        spki = certificate_key(self.certificate)
        data = response_data(spki, [answer], produced_at=at, nonce=None)
        record = f"ocsp:{authority.random(16).hex()}"
        return sign_response(authority.custodian, self.key, data, record, self.certificate)

    def root_crl(self, at: datetime, revoked: Sequence[bytes] = ()) -> bytes:
        authority = self.authority
        tbs = crl_tbs(
            authority.root,
            authority.root_key.suite,
            number=1,
            this_update=at,
            next_update=at + CRL_LIFE,
            entries=[crl_entry(serial_of(one), at, None, None) for one in revoked],
        )
        return sign_crl(authority.custodian, authority.root_key, tbs, f"crl:{authority.random(16).hex()}")

    def everything(self, at: datetime) -> ValidationData:
        """All that seal and time-stamp authority need at an instant."""
        authority = self.authority
        return gather(
            (authority.issuing, authority.tsa),
            [self.ocsp(authority.seal, at), self.ocsp(authority.tsa, at)],
            [self.root_crl(at)],
        )


def serial_of(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number
