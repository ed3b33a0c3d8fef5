"""Licences by prefix and tail, with validation data of the test authority's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from keys.certificates import Subject, certificate_key
from keys.crl import crl_entry, crl_tbs, sign_crl
from keys.custodian import KeyRef, Purpose
from keys.ocsp import GOOD, Answer, CertStatus, cert_id, response_data, sign_response
from keys.profiles import ProfileName
from signing.document import SealedDocument, SealMaterial, ValidationData
from signing.laid_out import LaidOut, Stamping, seal_laid_out
from signing.prefix import Base, Prefix, compile_base, make_prefix
from signing.tail import lay_out
from signing.validation_data import gather
from signing.value_font import GlyphSet
from tests.authority import AT, TestAuthority
from tests.signing import printing
from tests.signing.sealing import Office, office, seal_picture

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
    from cryptography import x509

    return x509.load_der_x509_certificate(certificate).serial_number


@cache
def prover() -> Prover:
    return Prover.of(office().authority)


@cache
def glyphs(source: str) -> GlyphSet:
    return GlyphSet(printing.fonts(source))


@cache
def base(type_code: str, *, photo: bool, validated: bool, specimen: bool, source: str) -> Base:
    licence_type, face = printing.types()[type_code]
    return compile_base(
        face,
        licence_type,
        [seal_picture(face.seals[0].diameter)] * face.seal_count,
        glyphs(source),
        specimen=specimen,
        photo=photo,
        validated=validated,
    )


def base_of(one: printing.Sample, *, validated: bool = True, source: str = "packaged") -> Base:
    return base(
        one.licence_type.code,
        photo=one.printout.photo is not None,
        validated=validated,
        specimen=one.printout.record.specimen,
        source=source,
    )


@cache
def proofs() -> ValidationData:
    return prover().everything(AT)


def prefix_of(one: printing.Sample, source: str = "packaged") -> Prefix:
    return make_prefix(base_of(one, source=source), proofs())


def laid_out(
    one: printing.Sample, prefix: Prefix | None = None, material: SealMaterial | None = None
) -> LaidOut:
    return lay_out(
        prefix or prefix_of(one),
        one.printout,
        material=material or office().material,
        at=AT,
        reason_text=one.licence_type.name["zh"],
    )


def sealed(waiting: LaidOut, by: Office | None = None, stamp: Stamping | None = None) -> SealedDocument:
    """Sealed, with the authority's time-stamps unless others are given."""
    by = by or office()
    stamp = by.authority.stamper.stamp_many if stamp is None else stamp
    (document,) = seal_laid_out([(waiting, next(by.records))], custodian=by.custodian, stamp=stamp)
    return document


@cache
def document(number: int, source: str = "packaged") -> SealedDocument:
    """The sample of that number, drawn and sealed once."""
    one = printing.samples()[number]
    return sealed(laid_out(one, prefix_of(one, source)))
