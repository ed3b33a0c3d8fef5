"""Joint licences: faces with places for several seals, and an office that has as many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256

from keys.certificates import Subject
from keys.custodian import Purpose
from keys.errors import VermilionError
from keys.profiles import ProfileName
from keys.suite import SuiteName
from keys.trust_list import TrustedKey, TrustList
from signing.credential import link_text
from signing.document import SealMaterial, ValidationData
from signing.face import SealSpot
from signing.joint import lay_out_next
from signing.laid_out import LaidOut, Stamping, seal_laid_out
from signing.prefix import Prefix, compile_base, make_prefix
from signing.record import Record, RecordSeal
from signing.strict_check import FileEvidence, strict_check
from signing.tail import lay_out
from signing.validation_data import gather
from tests.authority import AT
from tests.prover import Prover
from tests.signing import printing
from tests.signing.checking import LINK_ID, ORIGIN, QR_KEY, sign, trusted
from tests.signing.long_term import glyphs
from tests.signing.sealing import LATER, NoStamps, Office, make_office, seal_picture

OTHERS = ("11330100000000002P", "11330100000000003T")
"""Agencies that seal beside the issuer."""


def in_turn(office: Office) -> Stamping:
    """The authority's time-stamps, each a second later than the one before."""
    authority = office.authority

    def stamp(asked: Sequence[tuple[bytes, str]]) -> Sequence[bytes | VermilionError]:
        authority.now += timedelta(seconds=1)
        return authority.stamper.stamp_many(asked)

    return stamp


def out(asked: Sequence[tuple[bytes, str]]) -> Sequence[bytes | VermilionError]:
    return NoStamps().stamp_many(asked)


@dataclass
class Agencies:
    """An office with two seals more, of other agencies."""

    office: Office
    materials: tuple[SealMaterial, ...]
    trust: TrustList

    @classmethod
    def make(cls, others: Sequence[SuiteName] = ("p256-sha256", "p256-sha256")) -> Agencies:
        office = make_office()
        authority = office.authority
        materials, keys = [office.material], list(office.trust.keys)
        for code, suite in zip(OTHERS, others, strict=True):
            key = authority.custodian.generate(Purpose.SEAL, suite)
            certificate = authority.certify(
                ProfileName.SEAL,
                Subject(f"330100000000{code[-2:]}", f"{code}样本机构"),
                key,
                at=AT - timedelta(days=30),
            )
            materials.append(SealMaterial(key, certificate, (authority.issuing,), seal_picture()))
            entry = authority.trusted("seal", certificate)
            keys.append(replace(entry, agency=code, types=(), co_types=(TYPE,)))
        keys[0] = replace(keys[0], agency=ISSUER, types=(TYPE,))
        keys.append(trusted(QR_KEY, base_sample(1).printout.record))
        return cls(office, tuple(materials), replace(office.trust, keys=tuple(keys)))

    def key_of(self, place: int) -> TrustedKey:
        wanted = self.materials[place].certificate
        return next(key for key in self.trust.keys if key.certificate == wanted)

    def with_key(self, place: int, **changes: object) -> TrustList:
        """The trust list, that seal's entry changed."""
        old = self.key_of(place)
        keys = tuple(
            replace(key, **changes) if key is old else key  # type: ignore[arg-type]
            for key in self.trust.keys
        )
        return replace(self.trust, keys=keys)

    def proofs(self, at: datetime, materials: Sequence[SealMaterial]) -> ValidationData:
        by = Prover.of(self.office.authority, at)
        authority = self.office.authority
        certificates = [material.certificate for material in materials]
        answers = [by.ocsp(one, at) for one in (*certificates, authority.tsa)]
        return gather((authority.issuing, authority.tsa), answers, [by.root_crl(at)])

    def named(self, materials: Sequence[SealMaterial]) -> tuple[RecordSeal, ...]:
        codes = {one.certificate: code for one, code in zip(self.materials, (ISSUER, *OTHERS), strict=True)}
        return tuple(
            RecordSeal(codes[one.certificate], sha256(one.certificate).hexdigest()) for one in materials
        )

    def sample(self, materials: Sequence[SealMaterial]) -> printing.Sample:
        one = base_sample(len(materials))
        named = self.named(materials) if len(materials) > 1 else ()
        return self.with_record(one, replace(one.printout.record, seals=named))

    def with_record(self, one: printing.Sample, record: Record) -> printing.Sample:
        """The same licence of another record, with a code of its own."""
        link = link_text(ORIGIN, LINK_ID)
        return replace(one, printout=replace(one.printout, record=record, link=link, credential=sign(record)))

    def first(
        self,
        materials: Sequence[SealMaterial],
        *,
        validated: bool = True,
        sample: printing.Sample | None = None,
    ) -> LaidOut:
        one = sample or self.sample(materials)
        proofs = self.proofs(self.office.authority.now, materials) if validated else None
        return lay_out(
            prefix(len(materials), proofs),
            one.printout,
            material=materials[0],
            at=AT,
            reason_text=one.licence_type.name["zh"],
        )

    def sealed(self, waiting: LaidOut, stamp: Stamping) -> bytes:
        record = next(self.office.records)
        (document,) = seal_laid_out([(waiting, record)], custodian=self.office.custodian, stamp=stamp)
        return document.data

    def next(
        self, data: bytes, material: SealMaterial, at: datetime = AT, stamp: Stamping | None = None
    ) -> bytes:
        waiting = lay_out_next(data, material=material, at=at, reason_text="共同签发")
        return self.sealed(waiting, stamp or in_turn(self.office))

    def forms(
        self,
        materials: Sequence[SealMaterial],
        *,
        validated: bool = True,
        stamps: Callable[[int], bool] = lambda place: True,
        sample: printing.Sample | None = None,
    ) -> list[bytes]:
        """The document after each seal."""

        def stamp(place: int) -> Stamping:
            return in_turn(self.office) if stamps(place) else out

        made = [self.sealed(self.first(materials, validated=validated, sample=sample), stamp(0))]
        for place, material in enumerate(materials[1:], 1):
            made.append(self.next(made[-1], material, stamp=stamp(place)))
        return made

    def check(self, data: bytes, at: datetime = LATER, trust: TrustList | None = None) -> FileEvidence:
        return strict_check(data, trust or self.trust, at=at)


@cache
def base_sample(count: int) -> printing.Sample:
    """A sample licence with places for that many seals, side by side."""
    one = printing.samples()[0]
    (spot, *_others) = one.face.seals
    places = [
        SealSpot(n, spot.page, spot.x - 48 * (n - 1), spot.y, spot.diameter) for n in range(2, count + 1)
    ]
    return replace(one, face=replace(one.face, seals=(*one.face.seals, *places)))


ISSUER = printing.samples()[0].printout.record.issuer_code
TYPE = printing.samples()[0].licence_type.code


@cache
def _base(count: int, validated: bool) -> object:
    one = base_sample(count)
    return compile_base(
        one.face,
        one.licence_type,
        [seal_picture(one.face.seals[0].diameter)] * count,
        glyphs("packaged"),
        specimen=one.printout.record.specimen,
        photo=one.printout.photo is not None,
        validated=validated,
    )


def prefix(count: int, proofs: ValidationData | None) -> Prefix:
    return make_prefix(_base(count, proofs is not None), proofs)  # type: ignore[arg-type]


@cache
def agencies() -> Agencies:
    return Agencies.make()


@cache
def forms(count: int) -> tuple[bytes, ...]:
    """A licence with that many seals, at B-LT, after each of them."""
    here = agencies()
    return tuple(here.forms(here.materials[:count]))
