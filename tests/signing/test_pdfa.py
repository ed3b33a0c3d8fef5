"""What an archive wants of every licence (PDF/A-3u, ISO 19005-3), and a code on each page that has a place for one.

veraPDF judges all of it, and is asked by hand (`make interop`); this holds on every run what we rest on.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import cache

import pikepdf
import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from signing.draw import ATTACHMENT
from signing.prefix import compile_base, make_prefix
from signing.qr_symbol import qr_text
from signing.record import printout_to_json
from signing.seal_picture import EMBLEM_KINDS, SealKind, draw_seal_picture
from tests.signing import printing
from tests.signing.long_term import glyphs, laid_out, proofs, sealed

_SAMPLES = [one.licence_type.slug for one in printing.samples()]
every_type = pytest.mark.parametrize(
    "number", [_SAMPLES.index(slug) for slug in dict.fromkeys(_SAMPLES)], ids=dict.fromkeys(_SAMPLES)
)
_FONT_FILES = ("/FontFile", "/FontFile2", "/FontFile3")


@cache
def document(number: int) -> bytes:
    """As `tests.signing.long_term` has it, under a seal with text of its own."""
    one = printing.samples()[number]
    kind = SealKind(one.licence_type.seal_kind)
    picture = draw_seal_picture(
        "样本省样本市样本局", SealKind.NAME if kind in EMBLEM_KINDS else kind, printing.fonts()
    )
    base = compile_base(
        one.face, one.licence_type, [picture] * one.face.seal_count, glyphs("packaged"),
        specimen=one.printout.record.specimen, photo=one.printout.photo is not None, validated=True,
    )  # fmt: skip
    return sealed(laid_out(one, make_prefix(base, proofs()))).data


@pytest.fixture
def pdf(number: int) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(document(number))) as opened:
        yield opened


def test_every_sample_type_is_asked() -> None:
    assert {one.slug for one, _ in printing.types().values()} == set(_SAMPLES)


@every_type
def test_it_says_that_it_is_pdf_a_3u_and_nothing_beside_its_metadata(pdf: pikepdf.Pdf) -> None:
    metadata = pdf.open_metadata()  # not as a context, which would write its own
    assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "U")
    assert "/Filter" not in pdf.Root.Metadata  # so that a reader that knows no PDF finds it
    assert "/Info" not in pdf.trailer
    assert "/Encrypt" not in pdf.trailer
    assert len(pdf.trailer.ID) == 2


@every_type
def test_its_colours_are_those_of_one_profile(pdf: pikepdf.Pdf) -> None:
    (intent,) = pdf.Root.OutputIntents
    assert intent.S == "/GTS_PDFA1"
    assert intent.DestOutputProfile.N == 3
    profile = bytes(intent.DestOutputProfile.read_bytes())
    (size,) = struct.unpack(">I", profile[:4])
    assert (size, profile[36:40], profile[16:20]) == (len(profile), b"acsp", b"RGB ")  # ICC.1, 7.2
    assert profile[8] <= 4


@every_type
def test_the_printed_record_is_associated_with_it(number: int, pdf: pikepdf.Pdf) -> None:
    (associated,) = pdf.Root.AF
    assert (str(associated.AFRelationship), str(associated.UF), str(associated.F)) == (
        "/Data", ATTACHMENT, ATTACHMENT,
    )  # fmt: skip
    (named,) = pdf.attachments.values()
    assert named.obj.objgen == associated.objgen
    embedded = associated.EF.F
    assert embedded.Subtype == "/application/json"
    assert bytes(embedded.read_bytes()) == printout_to_json(printing.samples()[number].printout)


@every_type
def test_every_font_is_embedded_and_says_what_its_glyphs_mean(pdf: pikepdf.Pdf) -> None:
    fonts = [
        found for found in pdf.objects
        if isinstance(found, pikepdf.Dictionary) and found.get("/Type") == "/Font"
    ]  # fmt: skip
    of_text = [font for font in fonts if font.Subtype not in ("/CIDFontType0", "/CIDFontType2")]
    names = {str(font.BaseFont) for font in of_text}
    assert {"/VERMIA+Vermilion", "/VERMIB+Vermilion"} < names  # and those of the artwork and the seal
    for font in of_text:
        assert bytes(font.ToUnicode.read_bytes()).count(b"begincmap") == 1, font.BaseFont
        carrier = font.DescendantFonts[0] if font.Subtype == "/Type0" else font
        descriptor = carrier.FontDescriptor
        (file,) = [descriptor[key] for key in _FONT_FILES if key in descriptor]
        assert len(file.read_bytes()) > 100


def page_picture(data: bytes, page: int, dpi: int) -> Image.Image:
    opened = pypdfium2.PdfDocument(data)
    try:
        picture: Image.Image = opened[page].render(scale=dpi / 72).to_pil()
        return picture.convert("RGB")
    finally:
        opened.close()


@every_type
def test_a_scanner_reads_the_link_on_every_page_that_has_a_place_for_it(number: int) -> None:
    """Of a permit in original and duplicate, the duplicate's too."""
    one = printing.samples()[number]
    link = "".join(qr_text(one.printout.link, one.printout.credential))
    for page in range(len(one.face.pages)):
        found = zxingcpp.read_barcodes(page_picture(document(number), page, 150))
        assert [code.text for code in found] == [link for place in one.face.qr if place.page == page]


def test_there_is_a_sample_with_a_code_on_its_second_page() -> None:
    assert any({place.page for place in one.face.qr} >= {0, 1} for one in printing.samples())
