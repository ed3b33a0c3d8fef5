"""Sealed documents made with the product's own code outside a registry, and what is wanted of them.

One more way to make them is one more entry in MAKERS. Everything bears the moment AT, and the checkers are
asked at CHECKED_AT, so that what they say does not depend on the day.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from bench.sealing import Bench, prepare, printouts
from interop.alter import ALTERATIONS, FAILED
from interop.differences import (
    LOCKED_FIELDS,
    NOT_ALL_SEALS,
    NOTHING_BESIDE,
    ONE_REVISION,
    Difference,
    jointly,
)
from interop.evidence import Evidence, evidence_of, ocsp_evidence
from interop.readers import Genuine
from keys.certificates import Subject
from keys.custodian import KeyRef, Purpose
from keys.errors import VermilionError
from keys.ledger import MemoryTimeStamps
from keys.profiles import ProfileName
from keys.time_source import GivenClock
from keys.trust_list import TrustList
from keys.tsa import TimeStampAuthority
from signing.document import SealMaterial, ValidationData
from signing.document_time_stamp import StampRevision, lay_out, read_document
from signing.draw import printed_values
from signing.face_specimen import corpus
from signing.joint import lay_out_next
from signing.laid_out import Stamping, seal_laid_out
from signing.pdf_structure import read_pdf
from signing.prefix import Prefix, compile_base, make_prefix
from signing.record import Printout, RecordSeal
from signing.strict_check import strict_check
from signing.tail import lay_out as lay_out_tail
from signing.validation_data import Carried, gather
from signing.value_font import GlyphSet
from tests.authority import AT, TestAuthority
from tests.prover import Prover

REPAIRED_AT, ARCHIVED_AT, RENEWED_AT = (AT + timedelta(minutes=n) for n in (1, 2, 6))
CHECKED_AT = AT + timedelta(minutes=10)
TYPES = {
    "food": "11990000MB0001011X001",
    "teacher": "11990000MB00020229001",
    "permit": "11990000MB0003033L001",
}

BESIDE_MM = 48.0  # from the middle of a seal to that of the next one

PASSED = "TOTAL_PASSED"
REVOKED = "INDETERMINATE/REVOKED_NO_POE"
NO_CHAIN = "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND"
LEVEL_B, LEVEL_T, LEVEL_LT, LEVEL_LTA = (f"PAdES-BASELINE-{level}" for level in ("B", "T", "LT", "LTA"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the checkers are to say. `pdfa` is None where veraPDF does not matter; what DSS says of the worst
    signature is to begin with `dss`, also with its policy hardened; `levels` has one for each signature, and
    is empty where they do not matter; `ours` is whether our own strict check takes the file. `known` are
    what a checker (by a name of `interop.results.CHECKS`) says instead, with the reason.
    """

    pdfa: bool | None
    dss: str
    levels: tuple[str, ...]
    ours: bool
    known: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """`evidence` is the name of what DSS is shown beside the file; `ours` is what our own strict check says:
    nothing, or the reason for which it refuses the file. `genuine` is what other readers are to find in one
    that nobody altered; a document that is neither is shown under other circumstances than its own.
    """

    name: str
    data: bytes
    evidence: str
    ours: str | None
    wanted: Wanted
    genuine: Genuine | None = None
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    documents: tuple[Document, ...]
    evidence: dict[str, Evidence]


@dataclass(frozen=True, slots=True)
class Workshop:
    """One licence type's face, seal and keys, the day's status lists, and what all its licences share."""

    name: str
    bench: Bench
    evidence: Evidence
    prefix: Prefix
    plain: Prefix  # without validation data
    later_key: KeyRef
    later: bytes  # certificate of the time-stamp authority that renews
    trust: TrustList

    def stamp(self, revision: StampRevision, at: datetime, record: str) -> bytes:
        """The document with that revision, stamped by the authority that serves then."""
        authority = self.bench.authority
        key, certificate = (
            (authority.tsa_key, authority.tsa) if at < RENEWED_AT else (self.later_key, self.later)
        )
        by = TimeStampAuthority(
            authority.custodian, key, certificate, (authority.issuing,),
            time=GivenClock(lambda: at), register=MemoryTimeStamps(), random=authority.random,
        )  # fmt: skip
        return revision.stamped(by.stamp(revision.digest(), record), (authority.issuing,))

    def archive(self, data: bytes, at: datetime, record: str) -> bytes:
        """With a time-stamp for the archive, and what the certificates are known to be worth by then."""
        authority = self.bench.authority
        found = strict_check(data, self.trust, at=CHECKED_AT)
        chains = (*found.to_tell, *found.to_prove)
        by = Prover.of(authority, at)
        certificates = {one for chain in chains for one in (*chain.issuers, chain.certificate)}
        proofs = gather(
            tuple(certificates - {seal.certificate for seal in found.seals}),
            [by.ocsp(chain.certificate, at) for chain in chains],
            [by.root_crl(at)],
        )
        adding = Carried(proofs.certificates, proofs.ocsps, proofs.crls)
        return self.stamp(lay_out(read_document(data), adding), at, record)

    def genuine(self, printout: Printout, *, seals: int = 1, stamps: int = 0) -> Genuine:
        face = self.bench.face
        printed = printed_values(printout, self.bench.licence_type)
        sources = dict.fromkeys(place.source for place in face.values)
        texts = tuple(printed[source] for source in sources if source in printed)
        return Genuine(printout, texts, len(face.qr), seals, stamps, self.bench.authority.root)


Make = Callable[[Workshop, Printout, str], bytes]


@dataclass(frozen=True, slots=True)
class Maker:
    """`make` takes the workshop, a licence and the record that the seal's key serves, unlike any other, and
    returns the sealed document. `levels` are as DSS names them, one for each signature; `known` as in Wanted;
    `stamps` is how many document time-stamps it has.
    """

    name: str
    levels: tuple[str, ...]
    make: Make
    known: Mapping[str, Difference] = field(default_factory=dict)
    stamps: int = 0


def basic(workshop: Workshop, printout: Printout, record: str) -> bytes:
    return _sealed(workshop, workshop.plain, printout, record, None)


def time_stamped(workshop: Workshop, printout: Printout, record: str) -> bytes:
    stamp = workshop.bench.authority.stamper.stamp_many
    return _sealed(workshop, workshop.plain, printout, record, stamp)


def stamped_later(workshop: Workshop, printout: Printout, record: str) -> bytes:
    """Sealed while no time-stamp could be had, and repaired by a document time-stamp."""
    revision = lay_out(read_pdf(basic(workshop, printout, record)))
    return workshop.stamp(revision, REPAIRED_AT, f"repair:{record}")


def long_term(workshop: Workshop, printout: Printout, record: str) -> bytes:
    """One revision, with the validation data in it."""
    stamp = workshop.bench.authority.stamper.stamp_many
    return _sealed(workshop, workshop.prefix, printout, record, stamp)


def archived(make: Make) -> Make:
    """What that maker makes, with a time-stamp for the archive."""

    def made(workshop: Workshop, printout: Printout, record: str) -> bytes:
        return workshop.archive(make(workshop, printout, record), ARCHIVED_AT, f"archive:{record}")

    return made


def renewed(workshop: Workshop, printout: Printout, record: str) -> bytes:
    """B-LTA, with a second time-stamp by another authority, later."""
    data = archived(long_term)(workshop, printout, record)
    return workshop.archive(data, RENEWED_AT, f"renewal:{record}")


@dataclass(frozen=True, slots=True)
class Joint:
    """Several seals for the licences of a workshop, and their prefix."""

    workshop: Workshop
    materials: tuple[SealMaterial, ...]
    prefix: Prefix

    @classmethod
    def of(cls, workshop: Workshop, count: int) -> Joint:
        """The workshop's own seal, and others beside it on the face; as B-LT wants, with proofs of all."""
        bench, authority = workshop.bench, workshop.bench.authority
        (first, *_) = bench.face.seals
        spots = [replace(first, number=n, x=first.x - BESIDE_MM * (n - 1)) for n in range(1, count + 1)]
        materials = [bench.material]
        for number in range(2, count + 1):
            key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
            subject = Subject(f"3301000000001{number}", f"样本机构{number}")
            certificate = authority.certify(ProfileName.SEAL, subject, key, at=AT - timedelta(days=30))
            materials.append(replace(bench.material, key=key, certificate=certificate))
        base = compile_base(
            replace(bench.face, seals=tuple(spots)),
            bench.licence_type,
            [one.picture for one in materials],
            GlyphSet(bench.fonts),
            specimen=True,
            photo=bool(bench.face.photos),
            validated=True,
        )
        proofs = joint_proofs(authority, materials)
        return cls(workshop, tuple(materials), make_prefix(base, proofs))

    def naming(self, printout: Printout) -> Printout:
        """With the seals named that a licence is to bear."""
        agency = self.workshop.bench.authority.agency
        named = tuple(RecordSeal(agency, sha256(one.certificate).hexdigest()) for one in self.materials)
        return replace(printout, record=replace(printout.record, seals=named))

    def seal(self, printout: Printout, record: str, seals: int | None = None) -> bytes:
        """Sealed by all that it names, or by the first so many."""
        stamp = self.workshop.bench.authority.stamper.stamp_many
        data = _sealed(self.workshop, self.prefix, printout, record, stamp)
        for number, material in enumerate(self.materials[1:seals], 2):
            waiting = lay_out_next(data, material=material, at=AT, reason_text="共同签发")
            custodian = self.workshop.bench.authority.custodian
            (made,) = seal_laid_out([(waiting, f"{record}:{number}")], custodian=custodian, stamp=stamp)
            data = made.data
        return data


def joint_proofs(authority: TestAuthority, materials: Sequence[SealMaterial]) -> ValidationData:
    by = Prover.of(authority, AT)
    answers = [by.ocsp(one, AT) for one in (*(m.certificate for m in materials), authority.tsa)]
    return gather((authority.issuing, authority.tsa), answers, [by.root_crl(AT)])


MAKERS = (
    Maker("B-B", (LEVEL_B,), basic),
    Maker("B-T", (LEVEL_T,), time_stamped),
    Maker("B-B stamped later", (LEVEL_T,), stamped_later, stamps=1),
    Maker("B-LT in one revision", (LEVEL_LT,), long_term, ONE_REVISION),
    Maker("B-LTA", (LEVEL_LTA,), archived(long_term), stamps=1),
    Maker("B-LTA renewed", (LEVEL_LTA,), renewed, stamps=2),
    Maker("B-T archived", (LEVEL_LTA,), archived(time_stamped), stamps=1),
    Maker("B-B stamped later, archived", (LEVEL_LTA,), archived(stamped_later), stamps=2),
)


def open_workshop(folder: Path, name: str) -> Workshop:
    folder.mkdir(parents=True)
    bench = prepare(folder, TYPES[name])
    authority, face = bench.authority, bench.face
    proofs = ocsp_evidence(authority, AT)
    with_data, without = (
        compile_base(
            face,
            bench.licence_type,
            [bench.material.picture] * face.seal_count,
            GlyphSet(bench.fonts),
            specimen=True,
            photo=bool(face.photos),
            validated=validated,
        )
        for validated in (True, False)
    )
    validation = gather((authority.issuing, authority.tsa), proofs.ocsps, proofs.crls)
    prefix, plain = make_prefix(with_data, validation), make_prefix(without)
    key = authority.custodian.generate(Purpose.TSA, "p256-sha256")
    began = AT - timedelta(days=30)
    later = authority.certify(ProfileName.TSA, Subject("TEST TSA 2", "TEST Vermilion"), key, at=began)
    trust = authority.trust()
    trust = replace(trust, keys=(*trust.keys, authority.trusted("tsa", later)))
    return Workshop(name, bench, evidence_of(authority, AT), prefix, plain, key, later, trust)


def make_sample(folder: Path, licences: int = 1, makers: tuple[Maker, ...] = MAKERS) -> Sample:
    """So many licences of each type by each maker, the holders' names of the corpus of rare ones. Of the
    first type also so many joint ones with two seals and with three, every alteration of each maker's, and
    one document judged under other circumstances: another root, OCSP, a revoked certificate.
    """
    documents: list[Document] = []
    evidence: dict[str, Evidence] = {}
    for number, name in enumerate(TYPES):
        workshop = open_workshop(folder / name, name)
        evidence[name] = workshop.evidence
        papers = printouts(workshop.bench, corpus())
        for maker in makers:
            title = f"{name}, {maker.name}"
            wanted = Wanted(True, PASSED, maker.levels, True, maker.known)
            chosen = list(itertools.islice(papers, max(licences, 2)))
            made = [
                maker.make(workshop, paper, f"intent:{maker.name}:{count}")
                for count, paper in enumerate(chosen)
            ]
            for paper, data in zip(chosen[:licences], made, strict=False):
                genuine = workshop.genuine(paper, stamps=maker.stamps)
                documents.append(_document(title, data, workshop, name, wanted, genuine))
            if number == 0:
                documents += _altered(title, workshop, *made[:2])
        if number == 0:
            authority = workshop.bench.authority
            evidence |= {
                "OCSP": ocsp_evidence(authority, AT),
                "nothing": Evidence(authority.root),
                "revoked before": evidence_of(authority, AT, AT - timedelta(days=1)),
                "revoked after": evidence_of(authority, CHECKED_AT, AT + timedelta(minutes=5)),
            }
            documents += _joint(workshop, papers, licences)
            documents += _circumstances(workshop, open_workshop(folder / "stranger", name), papers)
    return Sample(tuple(documents), evidence)


def _altered(title: str, workshop: Workshop, first: bytes, second: bytes) -> Iterator[Document]:
    for alteration in ALTERATIONS:
        data = alteration.alter(first, second)
        if data is not None:
            wanted = Wanted(None, alteration.wanted, (), False, alteration.known)
            named = f"{title}: {alteration.name}"
            yield _document(named, data, workshop, workshop.name, wanted, altered=True)


def _joint(workshop: Workshop, papers: Iterator[Printout], licences: int) -> Iterator[Document]:
    """So many licences with two seals and with three, one of each archived, the latter also altered."""
    name = workshop.name
    for count in (2, 3):
        joint = Joint.of(workshop, count)
        title = f"{name}, joint, {count} seals"
        chosen = [joint.naming(paper) for paper in itertools.islice(papers, max(licences, 2))]
        made = [joint.seal(paper, f"intent:joint:{count}:{number}") for number, paper in enumerate(chosen)]
        wanted = Wanted(True, PASSED, (LEVEL_LT,) * count, True, jointly(count))
        for paper, data in zip(chosen[:licences], made, strict=False):
            yield _document(title, data, workshop, name, wanted, workshop.genuine(paper, seals=count))
        kept = workshop.archive(made[0], ARCHIVED_AT, f"archive:joint:{count}")
        wanted = Wanted(True, PASSED, (LEVEL_LTA,) * count, True, LOCKED_FIELDS)
        genuine = workshop.genuine(chosen[0], seals=count, stamps=1)
        yield _document(f"{title}, B-LTA", kept, workshop, name, wanted, genuine)
    first, second = made[:2]
    yield from _altered(title, workshop, first, second)
    short = joint.seal(joint.naming(next(papers)), "intent:joint:short", seals=2)
    missing = Wanted(None, FAILED, (), False, NOT_ALL_SEALS)
    yield _document(f"{title}: without the last seal", short, workshop, name, missing, altered=True)


def _circumstances(workshop: Workshop, stranger: Workshop, papers: Iterator[Printout]) -> Iterator[Document]:
    """Our strict check reads the file alone, so a revocation is nothing to it."""
    ours = time_stamped(workshop, next(papers), "intent:circumstances")
    theirs = time_stamped(stranger, next(papers), "intent:stranger")
    passed = Wanted(None, PASSED, (LEVEL_T,), True)
    for name, data, evidence, wanted in (
        ("under a root of the same name, not ours", theirs, workshop.name, Wanted(None, NO_CHAIN, (), False)),
        ("with OCSP answers in place of the CRL", ours, "OCSP", passed),
        ("with a certificate revoked before", ours, "revoked before", Wanted(None, REVOKED, (), True)),
        ("with a certificate revoked after", ours, "revoked after", passed),
    ):
        yield _document(f"{workshop.name}, B-T: {name}", data, workshop, evidence, wanted)
    alone = Wanted(None, PASSED, (LEVEL_LT,), True, NOTHING_BESIDE)
    data = long_term(workshop, next(papers), "intent:alone")
    title = f"{workshop.name}, B-LT in one revision: with nothing beside the file"
    yield _document(title, data, workshop, "nothing", alone)


def _document(
    name: str,
    data: bytes,
    workshop: Workshop,
    evidence: str,
    wanted: Wanted,
    genuine: Genuine | None = None,
    *,
    altered: bool = False,
) -> Document:
    ours = None
    try:
        strict_check(data, workshop.trust, at=CHECKED_AT)
    except VermilionError as error:
        ours = error.reason or str(error.kind)
    return Document(name, data, evidence, ours, wanted, genuine, altered)


def _sealed(
    workshop: Workshop, prefix: Prefix, printout: Printout, record: str, stamp: Stamping | None
) -> bytes:
    bench = workshop.bench
    reason_text = bench.licence_type.name["zh"]
    waiting = lay_out_tail(prefix, printout, material=bench.material, at=AT, reason_text=reason_text)
    (made,) = seal_laid_out([(waiting, record)], custodian=bench.authority.custodian, stamp=stamp)
    return made.data
