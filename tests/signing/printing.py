"""Sample licences as printouts, and the documents drawn of them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

import signing.fonts
from registry.samples import sample_agencies, sample_requests, sample_types
from signing.codes import make_identifier
from signing.draw import draw
from signing.face import Face
from signing.face_form import load_face
from signing.fonts import Fonts, packaged_font
from signing.licence_type import LicenceType, Role, load_licence_type
from signing.record import Printout, Record, parse_submission
from tests.machine import glyphs
from tests.tools import need

TODAY = date(2026, 11, 23)
LINK = "http://localhost:8801/c/" + "Ab3_-" * 4 + "xQ"

SOURCES = ("packaged", "installed")
"""Where the fonts of a document come from: every newcomer has the first, CI also the better second."""


@dataclass(frozen=True)
class Sample:
    licence_type: LicenceType
    face: Face
    printout: Printout

    @property
    def name(self) -> str:
        holder = self.licence_type.field(Role.HOLDER_NAME)
        assert holder is not None
        return str(self.printout.record.fields[holder.name])

    def renamed(self, name: str) -> Sample:
        holder = self.licence_type.field(Role.HOLDER_NAME)
        assert holder is not None
        return self.with_field(holder.name, name)

    def with_field(self, field: str, value: str) -> Sample:
        record = self.printout.record
        record = replace(record, fields={**record.fields, field: value})
        return replace(self, printout=replace(self.printout, record=record))


@contextmanager
def installed_in(folder: Path) -> Iterator[None]:
    """As on a machine whose fonts for Chinese, if any, are installed in that folder alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing.fonts, "_INSTALLED", folder)
        yield


@cache
def fonts(source: str = "packaged") -> Fonts:
    """The fonts that a machine draws with: one without any installed font, or this one.

    Skips the test where fonts that are installed are asked for and there are none.
    """
    folder = glyphs()
    if source == "packaged":
        with installed_in(folder / "nothing"):
            return Fonts.find(folder)
    found = Fonts.find(folder)
    if found.regular.source.path == packaged_font():
        pytest.skip("Noto Serif CJK is not installed (Debian package fonts-noto-cjk)")
    return found


@cache
def types() -> dict[str, tuple[LicenceType, Face]]:
    loaded = [(load_licence_type(folder), load_face(folder)) for folder in sample_types()]
    return {licence_type.code: (licence_type, face) for licence_type, face in loaded}


def sample(request: dict[str, Any]) -> Sample:
    licence_type, face = types()[request["type"]]
    agency = next(agency for agency in sample_agencies() if agency.code == request["issuer"])
    submission = parse_submission(licence_type, request["fields"], TODAY, number=request["number"])
    issuer = licence_type.field(Role.ISSUER_NAME)
    until = licence_type.field(Role.VALID_TO)
    assert issuer is not None
    issued = date.fromisoformat(request["fields"]["issue_date"])
    record = Record(
        identifier=make_identifier(licence_type.code, agency.code, request["number"], 1),
        type_code=licence_type.code,
        type_version=licence_type.version,
        issuer_code=agency.code,
        number=request["number"],
        edition=1,
        fields={**submission.fields, issuer.name: agency.name["zh"]},
        issue_date=issued,
        valid_from=issued,
        valid_to=date.fromisoformat(str(submission.fields[until.name])) if until else None,
        status_list=0,
        status_index=4711,
        specimen=True,
    )
    credential = hashlib.shake_256(request["number"].encode()).digest(330)
    return Sample(licence_type, face, Printout(record, LINK, credential, "7K2M9QXR", submission.photo))


@cache
def samples() -> tuple[Sample, ...]:
    return tuple(sample(request) for request in sample_requests())


def drawn(one: Sample, source: str = "packaged") -> bytes:
    return draw(one.printout, one.licence_type, one.face, fonts(source))


@cache
def document(number: int, source: str = "packaged") -> bytes:
    """The sample of that number, drawn once."""
    return drawn(samples()[number], source)


def raster(pdf: bytes, dpi: int, page: int = 0) -> Image.Image:
    document = pypdfium2.PdfDocument(pdf)
    try:
        image: Image.Image = document[page].render(scale=dpi / 72).to_pil()
        return image.convert("RGB")
    finally:
        document.close()


def read_by_poppler(pdf: bytes, *options: str) -> str:
    """What pdftotext reads, in the order in which it was drawn."""
    command = [need("pdftotext"), "-raw", *options, "-", "-"]
    return subprocess.run(command, input=pdf, check=True, capture_output=True).stdout.decode()


def squeezed(text: str) -> str:
    """Without white space: pdftotext puts some where letters stand apart."""
    return "".join(text.split())
