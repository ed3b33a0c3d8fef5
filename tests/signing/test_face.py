"""A face is data, read from a form, and refused when it could not be printed rightly."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, Pdf, String

from keys.errors import Kind, VermilionError
from signing.draw import draw
from signing.face import Box, Face, PhotoBox, SealSpot
from signing.face_form import MAX_FORM_BYTES, load_face, read_face
from signing.fonts import Weight
from signing.licence_type import load_licence_type
from signing.seal_picture import DIAMETER_MM, SealKind
from signing.text_layout import break_lines, fit, units_of
from tests.signing import forms, printing
from tests.signing.forms import FOOD, TEACHER, Change, added, edited, entry, moved, removed


def read(folder: Path, *changes: Change) -> Face:
    return read_face(edited(folder, *changes), load_licence_type(folder))


def refused(folder: Path, *changes: Change) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        read(folder, *changes)
    assert caught.value.kind is Kind.INVALID
    return caught.value


def turned(pdf: Pdf) -> None:
    pdf.pages[0].obj.Rotate = 90


def off_origin(pdf: Pdf) -> None:
    pdf.pages[0].obj.MediaBox = Array([10, 10, 841, 595])


def cropped(pdf: Pdf) -> None:
    pdf.pages[0].obj.CropBox = Array([10, 10, 800, 500])


def scaled(pdf: Pdf) -> None:
    pdf.pages[0].obj.UserUnit = 2


def huge(pdf: Pdf) -> None:
    pdf.pages[0].obj.MediaBox = Array([0, 0, 3500, 600])


def without_form(pdf: Pdf) -> None:
    del pdf.Root["/AcroForm"]
    orphaned(pdf)


def orphaned(pdf: Pdf) -> None:
    del pdf.pages[0].obj["/Annots"]


def its_own_kid(pdf: Pdf) -> None:
    field = forms.widget(pdf, "premises")
    field.Kids = Array([field] * 100)


@pytest.mark.parametrize(
    ("folder", "change", "field", "why"),
    [
        (FOOD, entry("premises", "/T", "premise"), "/face.pdf/1/premise",
         "page 1, field premise, at 82.0 x 100.0 mm: is no field of the type"),
        (FOOD, entry("premises", "/T", "domicile"), "/face.pdf/premises", "field premises: has no place on the face"),
        (FOOD, removed("lookup_code"), "/face.pdf/lookup_code", "field lookup_code: has no place on the face"),
        (FOOD, removed("qr"), "/face.pdf/qr", "has no place"),
        (FOOD, removed("seal-1"), "/face.pdf/seal-1", "has no place on the face: a licence is sealed"),
        (FOOD, entry("seal-1", "/T", "seal-2"), "/face.pdf/seal-1", "has no place on the face"),
        (FOOD, entry("seal-1", "/T", "seal-4"), "/face.pdf/1/seal-4", "is no text field"),
        (FOOD, added("photo", 30, 50, 20, 20), "/face.pdf/1/photo", "the type has no photo"),
        (TEACHER, removed("photo"), "/face.pdf/photo", "the type's field photo has no place"),
        (FOOD, moved("licence_number", 256, 143, 42, 8), "/face.pdf/1/licence_number", "at 256.0 x 143.0 mm: leaves the page"),
        (FOOD, moved("licence_number", -0.1, 143, 42, 8), "/face.pdf/1/licence_number", "leaves the page"),
        (FOOD, moved("qr", 250, 86, 50, 50), "/face.pdf/1/qr", "leaves the page"),
        (FOOD, moved("qr", 213, 86, 12, 50), "/face.pdf/1/qr", "is too small for any symbol"),
        (FOOD, moved("qr", 90, 86, 50, 50), "/face.pdf/1/representative", "overlaps the QR code"),
        (FOOD, moved("seal-1", 215.5, 47.5, 45, 45), "/face.pdf/1/seal-1", "overlaps the QR code"),
        (FOOD, moved("seal-1", 215.5, 40, 45, 45), "/face.pdf/1/seal-1", "comes too near the QR code"),  # within 4 modules
        (FOOD, moved("seal-1", 100, -5, 45, 45), "/face.pdf/1/seal-1", "leaves the page"),
        (FOOD, added("seal-2", 195, 20, 30, 30), "/face.pdf/1/seal-2", "lies over another seal"),
        (FOOD, forms.both(added("seal-2", 20, 20, 30, 30), added("seal-2", 20, 60, 30, 30)), "/face.pdf/1/seal-2", "a further seal has one place"),
        (FOOD, added("qr", 200, 90, 20, 20), "/face.pdf/1/qr", "overlaps another QR code"),
        (TEACHER, moved("photo", 30, 60, 35, 45), "/face.pdf/1/photo", "overlaps the QR code"),
        (FOOD, moved("premises", 82, 100, 0, 10), "/face.pdf/1/premises", "has no extent"),
        (FOOD, entry("premises", "/FT", Name.Ch), "/face.pdf/1/premises", "is no text field"),
        (FOOD, entry("premises", "/DA", "0 g"), "/face.pdf/1/premises", "has no font and size"),
        (FOOD, entry("premises", "/DA", "/Helv 1 0 Tf"), "/face.pdf/1/premises", "has no font and size"),
        (FOOD, entry("premises", "/DA", "/Helv -3 Tf"), "/face.pdf/1/premises", "has no font and size"),
        (FOOD, entry("premises", "/DA", "/Helv 401 Tf"), "/face.pdf/1/premises", "larger than 400 points"),
        (FOOD, entry("premises", "/DA", "/Helv 12 Tf 0 0 0 1 k"), "/face.pdf/1/premises", "CMYK"),
        (FOOD, entry("premises", "/DA", "/Helv 12 Tf /a g"), "/face.pdf/1/premises", "has no colour"),
        (FOOD, entry("premises", "/Q", 3), "/face.pdf/1/premises", "another alignment"),
        (FOOD, turned, "/face.pdf/1", "page 1: the page is turned or scaled"),
        (FOOD, scaled, "/face.pdf/1", "turned or scaled"),
        (FOOD, off_origin, "/face.pdf/1", "does not begin at the origin"),
        (FOOD, cropped, "/face.pdf/1", "is cropped"),
        (FOOD, huge, "/face.pdf/1", "larger than A0"),
        (FOOD, without_form, "/face.pdf", "holds no form fields"),
        (FOOD, its_own_kid, "/face.pdf/" + ("premises." * 9)[:60], "is one too many, or too deep"),
        (FOOD, entry("premises", "/T", "\x1b[2Jpremises\n"), "/face.pdf/1/?[2Jpremises?", "is no field of the type"),
        (FOOD, orphaned, "/face.pdf/operator_name", "is on no page"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_with_its_place(
    folder: Path, change: Change, field: str, why: str
) -> None:
    error = refused(folder, change)
    said = {fault.field: fault.detail for fault in error.faults}
    assert field in said, said
    assert why in said[field]


def test_every_fault_is_told_at_once() -> None:
    error = refused(FOOD, removed("lookup_code"), moved("qr", 250, 86, 50, 50), added("nothing", 1, 1, 9, 9))
    assert {fault.field for fault in error.faults} == {
        "/face.pdf/lookup_code", "/face.pdf/1/qr", "/face.pdf/1/nothing",
    }  # fmt: skip


def test_a_form_says_how_a_value_is_set() -> None:
    before = {value.source: value for value in read(FOOD).values}
    assert before["operator_name"].style.weight is Weight.BOLD
    assert before["operator_name"].style.colour == "#1c2a25"
    assert (before["operator_name"].box, before["operator_name"].wrap) == (Box(82, 142, 116, 11), True)
    assert (before["business_items"].style.valign, before["business_items"].min_size) == ("top", 8)
    assert (before["credit_code"].min_size, before["credit_code"].wrap) == (9, False)
    assert before["issuer"].style.align == "center"
    face = read(
        FOOD,
        entry("premises", "/DA", "0.2 g /HeBo 0 Tf"),
        entry("premises", "/Q", 2),
        entry("domicile", "/DA", None),  # the form's own: size 0, black
    )
    after = {value.source: value for value in face.values}
    style = after["premises"].style
    assert (style.weight, style.colour, style.align) == (Weight.BOLD, "#333333", "right")
    assert style.size == pytest.approx(10.5 * 72 / 25.4)  # as large as fits its height
    assert after["domicile"].style.weight is Weight.REGULAR


def test_a_field_takes_from_its_parents_what_it_does_not_say(tmp_path: Path) -> None:
    def under_a_parent(pdf: Pdf) -> None:
        child = forms.widget(pdf, "premises")
        parent = pdf.make_indirect(
            Dictionary(T=String("premises"), FT=Name.Tx, DA=child.DA, Q=1, Ff=1 << 12, Kids=Array([child]))
        )
        for key in ("/T", "/FT", "/DA", "/Q", "/Ff"):
            del child[key]
        child.Parent = parent
        form = pdf.Root.AcroForm
        form.Fields = Array([parent if field.objgen == child.objgen else field for field in form.Fields])

    before, after = read(FOOD), read(FOOD, under_a_parent)
    (old,), (new,) = ([v for v in face.values if v.source == "premises"] for face in (before, after))
    assert new == replace(old, style=replace(old.style, align="center"))


def test_the_type_says_what_a_form_cannot(tmp_path: Path) -> None:
    folder = tmp_path / FOOD.name
    shutil.copytree(FOOD, folder)
    text = (folder / "type.toml").read_text("utf-8")
    justified = text.replace("[face.fields]", '[face.fields]\npremises = { align = "justify", min_size = 7 }')
    (folder / "type.toml").write_text(justified, "utf-8")
    (premises,) = [value for value in load_face(folder).values if value.source == "premises"]
    assert (premises.style.align, premises.min_size, premises.line_spacing) == ("justify", 7, 1.3)
    (folder / "type.toml").write_text(justified.replace("\npremises = {", "\npremise = {"), "utf-8")
    with pytest.raises(VermilionError) as caught:
        load_face(folder)
    assert [fault.field for fault in caught.value.faults] == ["/face.pdf/premise"]


def test_a_value_stands_at_as_many_places_as_the_form_gives_it() -> None:
    """On one page and on several; so do seals, whose first place bears the signature."""
    face = read(
        TEACHER,
        forms.second_page,
        added("holder_name", 20, 100, 60, 8, page=1),
        added("holder_name", 20, 80, 60, 8, page=1),
        added("seal-1", 200, 30, 40, 40, page=1),
        added("qr", 40, 30, 46, 46, page=1),
        added("photo", 100, 30, 30, 40, page=1),
    )
    assert [(v.page, v.box.y) for v in face.values if v.source == "holder_name"] == [
        (0, 149.5), (1, 100), (1, 80),
    ]  # fmt: skip
    assert face.seals == (SealSpot(1, 0, 226, 60, 45), SealSpot(1, 1, 220, 50, 40))
    assert [(place.page, place.x_mm) for place in face.seal_places()] == [(0, 226), (1, 220)]
    assert face.photos[1] == PhotoBox(1, Box(100, 30, 30, 40))
    assert [mark.page for mark in face.specimen] == [0, 1]
    assert face.smallest_qr == 46
    one = printing.samples()[-1]
    data = draw(one.printout, one.licence_type, face, printing.fonts())
    with Pdf.open(io.BytesIO(data)) as pdf:
        assert len(pdf.pages) == 2
        assert all("/Image" in {x.Subtype for x in page.Resources.XObject.values()} for page in pdf.pages)
    assert printing.squeezed(printing.read_by_poppler(data)).count(one.name) == 3


def test_the_mark_of_a_specimen_leaves_codes_and_photos_uncovered() -> None:
    for _, face in printing.types().values():
        for mark in face.specimen:
            page = face.pages[mark.page]
            assert 0 < mark.x < page.width
            assert 0 < mark.y < page.height
            for box in (*(qr.box for qr in face.qr), *(photo.box for photo in face.photos)):
                assert box.distance(mark.x, mark.y) > mark.size / 2 * 25.4 / 72


def test_the_artwork_has_no_field_and_the_same_bytes_each_time() -> None:
    first, second = read(TEACHER), read(TEACHER)
    assert first.artwork == second.artwork
    with Pdf.open(io.BytesIO(first.artwork)) as pdf:
        assert "/AcroForm" not in pdf.Root
        assert set(pdf.pages[0].obj.keys()) == {"/Type", "/MediaBox", "/Resources", "/Contents", "/Parent"}
        for font in pdf.pages[0].Resources.Font.values():
            assert "/ToUnicode" in font
            assert font.FontDescriptor.FontFile2.read_bytes()
    assert "教师资格证书" in printing.squeezed(printing.read_by_poppler(first.artwork))


def test_marks_of_a_structure_tree_are_taken_off() -> None:
    def tagged(pdf: Pdf) -> None:
        page = pdf.pages[0]
        page.contents_add(b"/P <</MCID 0>> BDC", prepend=True)
        page.contents_add(b"EMC")
        page.obj.StructParents = 0

    with Pdf.open(io.BytesIO(read(FOOD, tagged).artwork)) as pdf:
        operators = {str(i.operator) for i in pikepdf.parse_content_stream(pdf.pages[0])}
    assert "Do" in operators
    assert not operators & {"BDC", "EMC"}


def test_what_is_no_form_is_refused(tmp_path: Path) -> None:
    licence_type = load_licence_type(FOOD)
    for data, kind in (
        (b"", Kind.MALFORMED),
        (b"%PDF-1.7\n%%EOF", Kind.MALFORMED),
        (bytes(MAX_FORM_BYTES + 1), Kind.TOO_LARGE),
    ):
        with pytest.raises(VermilionError) as caught:
            read_face(data, licence_type)
        assert caught.value.kind is kind
    shutil.copy(FOOD / "type.toml", tmp_path)
    with pytest.raises(VermilionError) as caught:
        load_face(tmp_path)
    assert caught.value.kind is Kind.NOT_FOUND


def test_every_sample_seal_fits_its_place() -> None:
    for licence_type, face in printing.types().values():
        for seal in face.seals:
            assert DIAMETER_MM[SealKind(licence_type.seal_kind)] <= seal.diameter


def test_the_distance_of_a_box_is_that_of_its_nearest_point() -> None:
    box = Box(10, 10, 20, 20)
    assert box.distance(15, 15) == 0
    assert box.distance(5, 15) == 5
    assert box.distance(7, 6) == 5


def em(text: str) -> list[int]:
    return [500 if ord(char) < 0x2000 else 1000 for char in text]


def broken(text: str, available: float) -> list[str]:
    return [line.text for line in break_lines(units_of(text, em(text)), 1000 * available)]


def test_lines_break_by_the_rules_of_chinese_setting() -> None:
    assert broken("一二三四五六七", 3) == ["一二三", "四五六", "七"]
    assert broken("一二三，四五", 3) == ["一二", "三，四", "五"]  # no comma heads a line
    assert broken("一二B1-23号", 3) == ["一二", "B1-23", "号"]  # a word stays whole
    assert broken("ABCDEFGH", 2) == ["ABCD", "EFGH"]  # unless it is longer than the line
    assert "".join(broken("样本，。（样本）" * 9, 4)) == "样本，。（样本）" * 9


def test_type_shrinks_until_it_fits_and_then_is_refused() -> None:
    face = next(iter(printing.types().values()))[1]
    place = replace(face.values[0], box=Box(0, 0, 40, 10), min_size=6, wrap=True, line_spacing=1.2)
    size, lines = fit("样" * 5, place, em)
    assert (size, len(lines)) == (place.style.size, 1)
    smaller, lines = fit("样" * 22, place, em)
    assert 6 <= smaller < size
    assert len(lines) >= 2
    with pytest.raises(VermilionError) as caught:
        fit("样" * 200, place, em)
    assert caught.value.reason == "overflow"
