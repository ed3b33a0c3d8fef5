"""What a drawn licence promises: the right glyphs, text that can be read back, a QR code that scans."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import zxingcpp
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from PIL import ImageChops

from keys.errors import VermilionError
from signing.draw import measure, printed_values
from signing.fonts import Weight
from signing.qr_symbol import make_symbol, qr_text, symbol_size
from signing.record import printout_from_json, printout_to_json
from tests.signing import printing
from tests.tools import need

SAMPLES = range(len(printing.samples()))

every_sample = pytest.mark.parametrize("number", SAMPLES)
from_both_sources = pytest.mark.parametrize("source", printing.SOURCES)


def embedded(pdf: pikepdf.Pdf) -> Iterator[tuple[str, TTFont, dict[int, str], Any]]:
    """Each font of the page: its resource name, the program, code to text, the font object."""
    for name, font in pdf.pages[0].Resources.Font.items():
        program = TTFont(io.BytesIO(font.FontDescriptor.FontFile2.read_bytes()))
        mapping = {}
        for line in font.ToUnicode.read_bytes().decode("ascii").splitlines():
            parts = line.strip("<>").split("> <")
            if line.startswith("<") and len(parts) == 2 and line != "<00> <FF>":
                mapping[int(parts[0], 16)] = bytes.fromhex(parts[1]).decode("utf-16-be")
        yield name, program, mapping, font


def shown(pdf: pikepdf.Pdf) -> Iterator[tuple[str, int]]:
    """Every character code that the page shows, with its font."""
    current = ""
    for instruction in pikepdf.parse_content_stream(pdf.pages[0]):
        if str(instruction.operator) == "Tf":
            current = str(instruction.operands[0])
        elif str(instruction.operator) == "Tj":
            for code in bytes(instruction.operands[0]):
                yield current, code


@from_both_sources
@every_sample
def test_every_embedded_outline_is_that_of_the_source_font(number: int, source: str) -> None:
    one, data = printing.samples()[number], printing.document(number, source)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        fonts = {name: (program, mapping) for name, program, mapping, _ in embedded(pdf)}
        used = set(shown(pdf))
    checked = set()
    for name, code in used:
        program, mapping = fonts[name]
        char = mapping[code]
        glyph_name = program["cmap"].tables[0].cmap[code]
        assert program.getGlyphID(glyph_name) != 0, f"{char} is drawn as .notdef"
        weight = Weight.BOLD if "Bold" in program["name"].getDebugName(6) else Weight.REGULAR
        assert_same_outline(program, glyph_name, char, printing.fonts(source).store(weight).source)
        checked.add(char)
    assert set(printing.squeezed(one.name)) <= checked


@cache
def original_of(path: Path, number: int, weight: float) -> tuple[TTFont, Any]:
    original = TTFont(io.BytesIO(path.read_bytes()), fontNumber=number, lazy=True)
    location = {"wght": weight} if "fvar" in original else None
    return original, original.getGlyphSet(location=location)


def assert_same_outline(program: TTFont, glyph_name: str, char: str, source: Any) -> None:
    """Against a conversion made here from the source font, without our code or its cache."""
    original, glyphs = original_of(source.path, source.number, source.location.get("wght", 0.0))
    original_name = original.getBestCmap()[ord(char)]
    pen = TTGlyphPen(None)
    glyphs[original_name].draw(Cu2QuPen(pen, 1.0, reverse_direction=True))
    fresh, found = pen.glyph(), program["glyf"][glyph_name]
    assert found.numberOfContours == fresh.numberOfContours
    if fresh.numberOfContours:
        assert list(found.coordinates) == list(fresh.coordinates)
        assert list(found.endPtsOfContours) == list(fresh.endPtsOfContours)
        assert [flag & 1 for flag in found.flags] == [flag & 1 for flag in fresh.flags]
    assert program["hmtx"][glyph_name][0] == round(glyphs[original_name].width)


@from_both_sources
@every_sample
def test_pdftotext_gives_every_value(number: int, source: str) -> None:
    one = printing.samples()[number]
    text = printing.squeezed(printing.read_by_poppler(printing.document(number, source)))
    for name, value in printed_values(one.printout, one.licence_type).items():
        assert printing.squeezed(value) in text, name


@from_both_sources
@pytest.mark.parametrize("rare", ["䶮", "𠮷", "㛃"])
def test_names_that_differ_in_one_rare_character_look_different(rare: str, source: str) -> None:
    teacher = next(one for one in printing.samples() if rare in one.name and one.printout.photo)
    other = teacher.renamed(teacher.name.replace(rare, "吉" if rare == "𠮷" else "洁"))
    pictures = [printing.raster(printing.drawn(one, source), 100) for one in (teacher, other)]
    box = ImageChops.difference(*pictures).getbbox()
    assert box is not None
    # Nothing but the name's place differs: neither link nor credential nor code changed.
    place = next(value for value in teacher.face.values if value.source == "holder_name").box
    left, top, right, bottom = (edge * 25.4 / 100 for edge in box)
    assert place.x - 1 <= left < right <= place.x + place.width + 1
    height = teacher.face.pages[0].height
    assert place.y - 1 <= height - bottom < height - top <= place.y + place.height + 1


@every_sample
def test_the_qr_code_reads_from_a_150_dpi_raster(number: int) -> None:
    one = printing.samples()[number]
    found = zxingcpp.read_barcodes(printing.raster(printing.document(number), 150))
    assert [code.bytes for code in found] == [
        "".join(qr_text(printing.LINK, one.printout.credential)).encode("ascii")
    ]
    assert found[0].ec_level == "Q"


@pytest.mark.parametrize("number", [0, len(SAMPLES) - 1])
def test_the_same_printout_gives_the_same_bytes(number: int) -> None:
    assert printing.drawn(printing.samples()[number]) == printing.document(number)


def test_the_printed_record_is_attached_and_reads_back() -> None:
    one, data = printing.samples()[-1], printing.document(SAMPLES[-1])
    with pikepdf.open(io.BytesIO(data)) as pdf:
        attached = pdf.Root.AF[0]
        assert attached.AFRelationship == pikepdf.Name.Data
        assert list(pdf.attachments) == ["record.json"]
        raw = attached.EF.F.read_bytes()
        assert str(pdf.Root.Lang) == "zh-CN"
        assert pdf.docinfo["/Title"] == f"教师资格证书 {one.printout.record.number}"
        images = [
            x.read_raw_bytes() for x in pdf.pages[0].Resources.XObject.values() if x.Subtype == "/Image"
        ]
    assert raw == printout_to_json(one.printout)
    assert printout_from_json(raw) == replace(one.printout, photo=None)
    assert images == [one.printout.photo]


def test_qpdf_finds_no_fault_and_there_is_one_revision_without_active_content(tmp_path: Path) -> None:
    for number in SAMPLES[::5]:
        data, path = printing.document(number), tmp_path / f"{number}.pdf"
        path.write_bytes(data)
        subprocess.run([need("qpdf"), "--check", path], check=True, capture_output=True)
        assert data.count(b"%%EOF") == 1
        with pikepdf.open(path) as pdf:
            for item in pdf.objects:
                if isinstance(item, pikepdf.Dictionary):
                    assert not {"/JS", "/JavaScript", "/URI", "/AA", "/OpenAction", "/Launch"} & set(
                        item.keys()
                    )
            for _, _, _, font in embedded(pdf):
                assert font.FontDescriptor.FontFile2.read_bytes()


@from_both_sources
@every_sample
def test_every_sample_document_carries_the_mark_in_both_languages(number: int, source: str) -> None:
    """In one run of text: 样本 alone is also part of the invented names."""
    assert "样本SPECIMEN" in printing.squeezed(printing.read_by_poppler(printing.document(number, source)))


@pytest.mark.parametrize("number", [0, SAMPLES[-1]])
def test_a_licence_that_is_no_specimen_does_not_carry_the_mark(number: int) -> None:
    one = printing.samples()[number]
    real = replace(one.printout, record=replace(one.printout.record, specimen=False))
    data = printing.drawn(replace(one, printout=real))
    assert "SPECIMEN" not in printing.squeezed(printing.read_by_poppler(data))
    # The mark is no hidden text: it runs across the page.
    marked, plain = printing.raster(printing.document(number), 50), printing.raster(data, 50)
    left, top, right, bottom = ImageChops.difference(marked, plain).getbbox() or (0, 0, 0, 0)
    assert right - left > marked.width / 2
    assert bottom - top > marked.height / 3


def measured(one: printing.Sample) -> None:
    measure(one.printout, one.licence_type, one.face, printing.fonts())


def refusal(one: printing.Sample) -> VermilionError:
    """What drawing raises; measuring raises it too."""
    with pytest.raises(VermilionError) as caught:
        printing.drawn(one)
    with pytest.raises(VermilionError) as early:
        measured(one)
    assert early.value.reason == caught.value.reason
    return caught.value


@pytest.mark.parametrize("number", SAMPLES)
def test_what_is_drawn_was_measured_to_fit(number: int) -> None:
    one = printing.samples()[number]
    measured(one)
    symbol = make_symbol(one.printout.link, one.printout.credential)
    assert symbol_size(one.printout.link, one.printout.credential) == symbol.size


def test_measuring_tells_every_text_that_does_not_fit() -> None:
    one = printing.samples()[0].with_field("premises", "云" * 400).renamed("样" * 400)
    with pytest.raises(VermilionError) as caught:
        measured(one)
    assert {fault.field for fault in caught.value.faults} == {"/fields/operator_name", "/fields/premises"}


def test_a_character_without_a_glyph_is_refused_by_name() -> None:
    error = refusal(printing.samples()[0].renamed("样本市\U000323af店"))
    assert error.reason == "glyph_missing"
    assert "U+323AF" in error.detail


def test_text_that_does_not_fit_is_refused() -> None:
    error = refusal(printing.samples()[0].renamed("样" * 400))
    assert error.reason == "overflow"
    assert [fault.field for fault in error.faults] == ["/fields/operator_name"]


def test_a_credential_too_large_for_the_symbol_is_refused() -> None:
    one = printing.samples()[0]
    assert (
        refusal(replace(one, printout=replace(one.printout, credential=bytes(600)))).reason == "qr_too_large"
    )


def test_another_photo_than_the_record_names_is_refused() -> None:
    one, other = (s for s in printing.samples()[-2:])
    swapped = replace(one, printout=replace(one.printout, photo=other.printout.photo))
    assert refusal(swapped).reason == "bad_photo"
    assert refusal(replace(one, printout=replace(one.printout, photo=None))).reason == "bad_photo"


@pytest.mark.parametrize(
    ("field", "value"),
    [("licence_number", "JY29901020000029"), ("issue_date", "2026-06-16"), ("valid_to", "2041-06-14")],
)
def test_a_face_never_shows_another_number_or_date_than_the_record(field: str, value: str) -> None:
    assert refusal(printing.samples()[0].with_field(field, value)).reason == "bad_record"


def test_a_record_of_another_type_is_refused() -> None:
    food, teacher = printing.samples()[0], printing.samples()[-1]
    assert refusal(replace(food, licence_type=teacher.licence_type)).reason == "other_type"
