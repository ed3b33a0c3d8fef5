"""What programs that are not ours and need no Java read in a genuine document: qpdf, poppler, pyHanko and a
scanner of codes.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

import pikepdf
import pypdfium2
import zxingcpp
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from signing.credential import qr_text
from signing.draw import ATTACHMENT
from signing.record import Printout, printout_to_json

CLEAN = "clean"
PROGRAMS = {"qpdf": "qpdf", "pdfsig": "poppler-utils", "pdftotext": "poppler-utils"}
"""Program and Debian package."""

DPI = (150, 200)
"""A code that a scanner misses where it samples a page coarsely, as happens now and then (`make scans` counts
it), it is to read closer.
"""
_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
PROGRAM_S = 60


@dataclass(frozen=True, slots=True)
class Genuine:
    """What is to be read in a document. `texts` are all that its face prints of the record, as spelled there;
    `codes` is on how many places its code stands, `stamps` how many document time-stamps follow the seals;
    `root` is a certificate, DER.
    """

    printout: Printout
    texts: tuple[str, ...]
    codes: int
    seals: int
    stamps: int
    root: bytes


def missing() -> str | None:
    """A program that is not to be had here, with its package; None where all are."""
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian package {package})"
    return None


def read_all(documents: Sequence[tuple[bytes, Genuine]], at: datetime) -> list[str]:
    """Of each document CLEAN, or what is wrong with it, as of `at`; on all processors."""
    # Spawned: a library that keeps threads must not be forked.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(read, *zip(*documents, strict=True), [at] * len(documents), chunksize=8))


def read(data: bytes, genuine: Genuine, at: datetime) -> str:
    """CLEAN, or every reader that finds something else than is to be there."""
    return "; ".join((*_by_programs(data, genuine), *_by_libraries(data, genuine, at))) or CLEAN


def _by_programs(data: bytes, genuine: Genuine) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "licence.pdf"
        path.write_bytes(data)
        if "No syntax or stream encoding errors found" not in _run("qpdf", "--check", str(path)):
            yield "qpdf: not clean"
        said = _run("pdfsig", "-nocert", str(path))
        # It does not judge document time-stamps, and calls total what is signed up to the end of the file.
        if said.count("Signature is Valid.") != genuine.seals:
            yield "pdfsig: not every seal is valid"
        if said.count("Total document signed") != 1 and not genuine.stamps:
            yield "pdfsig: not all of the document is signed"
        text = _squeezed(_run("pdftotext", "-raw", str(path), "-"))
        if any(_squeezed(wanted) not in text for wanted in genuine.texts):
            yield "pdftotext: another text than the record's"


def _by_libraries(data: bytes, genuine: Genuine, at: datetime) -> Iterator[str]:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        if pdf.attachments[ATTACHMENT].get_file().read_bytes() != printout_to_json(genuine.printout):
            yield "pikepdf: another record than the printed one"
    code = qr_text(genuine.printout.link, genuine.printout.credential)
    if _codes(data) != [code.encode("ascii")] * genuine.codes:
        yield "zxing: another code than the licence's"
    yield from _by_pyhanko(data, genuine, at)


def _codes(data: bytes) -> list[bytes]:
    """All codes that a scanner reads from the pages, of each at the first resolution that shows any."""
    document = pypdfium2.PdfDocument(data)
    try:
        return [code for page in document for code in next(filter(None, _looks(page)), [])]
    finally:
        document.close()


def _looks(page: pypdfium2.PdfPage) -> Iterator[list[bytes]]:
    for dpi in DPI:
        picture = page.render(scale=dpi / 72).to_pil().convert("RGB")
        # QR alone, as `/scan` asks: in lines of artwork ITF, which has no check, finds digits now and then.
        found = zxingcpp.read_barcodes(picture, formats=_QR)
        yield [bytes(code.bytes) for code in found]


def _by_pyhanko(data: bytes, genuine: Genuine, at: datetime) -> Iterator[str]:
    """Every signature and time-stamp valid and trusted, the last one over the whole file, and nothing added
    after one but what may come: another seal, or proofs and time-stamps.
    """

    def context() -> ValidationContext:
        root = asn1_x509.Certificate.load(genuine.root)
        return ValidationContext(trust_roots=[root], moment=at, allow_fetching=False)

    reader = PdfFileReader(io.BytesIO(data))
    seals = reader.embedded_regular_signatures
    stamps = reader.embedded_timestamp_signatures
    if (len(seals), len(stamps)) != (genuine.seals, genuine.stamps):
        yield "pyHanko: another number of signatures"
        return
    left = len(seals) + len(stamps)
    for seal in seals:
        left -= 1
        status = validate_pdf_signature(seal, context(), context())
        followed_by_seal = seal is not seals[-1]
        added = (
            ModificationLevel.FORM_FILLING
            if followed_by_seal
            else ModificationLevel.LTA_UPDATES
            if left
            else ModificationLevel.NONE
        )
        if not (status.bottom_line and status.docmdp_ok and status.modification_level == added):
            yield f"pyHanko: {status.summary()}"
        if (status.coverage == SignatureCoverageLevel.ENTIRE_FILE) != (left == 0):
            yield "pyHanko: a seal covers other bytes than it is to"
    for stamp in stamps:
        left -= 1
        stamped = validate_pdf_timestamp(stamp, context())
        added = ModificationLevel.LTA_UPDATES if left else ModificationLevel.NONE
        if stamped.modification_level != added:
            yield f"pyHanko: after a time-stamp {stamped.modification_level}, wanted: {added}"
        if not (stamped.intact and stamped.valid and stamped.trusted):
            yield f"pyHanko: time-stamp {stamped.summary()}"
        if (stamped.coverage == SignatureCoverageLevel.ENTIRE_FILE) != (left == 0):
            yield "pyHanko: a time-stamp covers other bytes than it is to"


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
    return done.stdout + done.stderr


def _squeezed(text: str) -> str:
    return "".join(text.split())
