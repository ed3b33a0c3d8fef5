"""A drawn page, a seal picture and an authority for the sealing tests."""

from __future__ import annotations

import atexit
import io
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

import pikepdf
from pyhanko.pdf_utils import embed, generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from reportlab.pdfgen.canvas import Canvas

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.errors import Kind, VermilionError
from keys.suite import SuiteName
from keys.trust_list import TrustList
from signing import cms
from signing.document import SealedDocument, SealMaterial, SealPicture, SealPlace, TimeStamper
from signing.seal import seal
from tests.authority import AT, TestAuthority, make_authority
from tests.signing.alter import gap_of

NOW = AT
LATER = NOW + timedelta(hours=1)
RECORD = b'{"identifier":"1.2.156.3005.2.SPECIMEN"}'
MM = 72 / 25.4


def drawn_page() -> bytes:
    """One A4 page with an associated record.json, as the drawing leaves it."""
    paper = io.BytesIO()
    canvas = Canvas(paper, invariant=1)
    canvas.drawString(100, 700, "SPECIMEN LICENCE")
    canvas.save()
    writer = copy_into_new_writer(PdfFileReader(paper))
    stored = embed.EmbeddedFileObject.from_file_data(writer, data=RECORD, mime_type="application/json")
    spec = embed.FileSpec(
        file_spec_string="record.json",
        file_name="record.json",
        embedded_data=stored,
        af_relationship=generic.NameObject("/Source"),
    )
    embed.embed_file(writer, spec)
    names = writer.root["/Names"]["/EmbeddedFiles"]["/Names"]
    writer.root[pdf_name("/AF")] = generic.ArrayObject([names.raw_get(1)])
    writer._update_meta = lambda: None  # type: ignore[method-assign]  # no clock in what tests compare
    writer._document_id = generic.ArrayObject([generic.ByteStringObject(bytes(16))] * 2)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def seal_picture(size_mm: float = 42.0) -> SealPicture:
    paper = io.BytesIO()
    canvas = Canvas(paper, pagesize=(size_mm * MM, size_mm * MM), invariant=1)
    canvas.setStrokeColorRGB(0.8, 0, 0)
    canvas.circle(size_mm * MM / 2, size_mm * MM / 2, size_mm * MM / 2 - 2)
    canvas.save()
    return SealPicture("pdf", paper.getvalue(), size_mm, size_mm)


PLACE = SealPlace(page=0, x_mm=150, y_mm=60)


@dataclass
class Witness:
    """A custodian that writes down what passes through it."""

    custodian: Custodian
    requests: list[SignRequest] = field(default_factory=list)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        self.requests += requests
        return self.custodian.sign(ref, requests)

    def __getattr__(self, name: str) -> object:
        return getattr(self.custodian, name)


class NoStamps:
    """A time-stamp authority that is out."""

    def stamp(self, digest: bytes, record: str, algorithm: str = "sha256") -> bytes:
        raise VermilionError(Kind.UNAVAILABLE, "no time-stamp can be had")

    def stamp_many(self, asked: Sequence[tuple[bytes, str]]) -> list[bytes | VermilionError]:
        return [VermilionError(Kind.UNAVAILABLE, "no time-stamp can be had") for _ in asked]


@dataclass
class Stamps:
    """A real time-stamp authority; what it was asked is kept."""

    authority: TestAuthority
    asked: list[bytes] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        return self.authority.now

    def stamp(self, digest: bytes, record: str) -> bytes:
        self.asked.append(digest)
        return self.authority.stamper.stamp(digest, record)


# One count for all offices: a test may borrow another office's time-stamps, and each record serves once.
_RECORDS = (f"intent:{number}" for number in itertools.count(1))


@dataclass
class Office:
    """An authority and one agency's seal, with everything sealing and checking want."""

    authority: TestAuthority
    witness: Witness
    material: SealMaterial
    stamps: Stamps
    trust: TrustList
    records: Iterator[str] = _RECORDS

    @property
    def root(self) -> bytes:
        return self.authority.root

    @property
    def custodian(self) -> Custodian:
        return self.witness  # type: ignore[return-value]  # the rest is passed on

    def seal(self, timestamper: TimeStamper | None = None, pdf: bytes | None = None) -> SealedDocument:
        """Seal under the next record: the custodian serves each once."""
        return seal(
            drawn_page() if pdf is None else pdf,
            material=self.material,
            places=(PLACE,),
            custodian=self.custodian,
            timestamper=self.stamps if timestamper is None else timestamper,
            at=NOW,
            record=next(self.records),
            reason_text="issue",
        )


def make_office(suite: SuiteName = "p256-sha256") -> Office:
    """`suite` is that of the issuing authority, the seal and the time-stamps."""
    directory = Path(tempfile.mkdtemp(prefix="sealing"))
    atexit.register(shutil.rmtree, directory)
    authority = make_authority(directory, issuing_suite=suite, end_suite=suite)
    authority.now = NOW + timedelta(seconds=2)
    return Office(
        authority=authority,
        witness=Witness(authority.custodian),
        material=SealMaterial(authority.seal_key, authority.seal, (authority.issuing,), seal_picture()),
        stamps=Stamps(authority),
        trust=authority.trust(),
    )


@cache
def office() -> Office:
    """The office most tests share."""
    return make_office()


@cache
def sealed() -> SealedDocument:
    """One B-T document of the shared office."""
    return office().seal()


def seal_of(data: bytes) -> cms.SealSignature:
    start, end = gap_of(data)
    return cms.parse_seal(cms.leading_element(bytes.fromhex(data[start:end].decode())))


def with_contents(data: bytes, der: bytes) -> bytes:
    """The file with another CMS in its gap."""
    start, end = gap_of(data)
    digits = der.hex().encode()
    return data[:start] + digits + b"0" * (end - start - len(digits)) + data[end:]


def rebuilt(data: bytes, **other: object) -> bytes:
    """The file with parts of its CMS replaced: nothing that the seal's key has signed."""
    found = seal_of(data)
    parts = {
        "certificate": found.certificate, "issuers": found.issuers, "attributes": found.attributes,
        "signature": found.signature, "token": found.token, "suite": found.suite,
    }  # fmt: skip
    return with_contents(data, cms.build_seal(**(parts | other)))  # type: ignore[arg-type]


def other_page(change: Callable[[pikepdf.Pdf], None]) -> bytes:
    """The drawn page, changed before anybody seals it."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(drawn_page())) as pdf:
        change(pdf)
        pdf.save(out, deterministic_id=True)
    return out.getvalue()


def resealed(change: Callable[[pikepdf.Pdf], None]) -> bytes:
    """Sealed by the right key, without a time-stamp."""
    return office().seal(NoStamps(), pdf=other_page(change)).data


def use_of(data: bytes) -> bytes:
    """By what the registry's ledger knows the use of the key that sealed this file."""
    return sha256(seal_of(data).attributes).digest()
