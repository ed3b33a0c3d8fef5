"""Licences by prefix and tail, with validation data of the test authority's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from keys.trust_list import TrustList
from signing.credential import link_text
from signing.document import SealedDocument, SealMaterial, ValidationData
from signing.laid_out import LaidOut, Stamping, seal_laid_out
from signing.prefix import Base, Prefix, compile_base, make_prefix
from signing.tail import lay_out
from signing.value_font import GlyphSet
from tests.authority import AT, issue_trust_list
from tests.prover import Prover
from tests.signing import printing
from tests.signing.checking import LINK_ID, ORIGIN, QR_KEY, sign, trusted
from tests.signing.sealing import Office, office, seal_picture


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


@cache
def genuine(number: int) -> SealedDocument:
    """As `document`, with a right code: `trust_for` has the keys of both."""
    one = printing.samples()[number]
    printout = replace(
        one.printout, link=link_text(ORIGIN, LINK_ID), credential=sign(one.printout.record, origin=ORIGIN)
    )
    return sealed(laid_out(replace(one, printout=printout)))


def trust_for(number: int, **changes: object) -> TrustList:
    """The office's list, in which its seal and a key for codes may serve for the licence of that number."""
    record, own = printing.samples()[number].printout.record, office().trust
    entitled = {"agency": record.issuer_code, "types": (record.type_code,)}
    keys = tuple(replace(key, **entitled) if key.use == "seal" else key for key in own.keys)  # type: ignore[arg-type]
    names = {"zh": "样本机关", "en": "Sample agency"}
    listed = {
        "keys": (*keys, trusted(QR_KEY, record)),
        "agencies": {record.issuer_code: names},
        "types": {record.type_code: names},
    }
    return replace(own, **(listed | changes))  # type: ignore[arg-type]


@cache  # a key serves a record once, and a worker may come to a module's fixtures twice
def trust_list_for(number: int) -> str:
    """That list, signed."""
    by = office().authority
    trust = trust_for(number, sequence=100 + number)  # which no other test of the office has signed
    return issue_trust_list(trust, by.custodian, by.delegate_key, by.delegate, by.root)
