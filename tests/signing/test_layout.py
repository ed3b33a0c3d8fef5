"""What stands where on a printed face, as pdftotext and a scanner find it: the layout of the real documents.

Lengths are mm from the page's lower left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree as ET

import pypdfium2
import pytest
import zxingcpp
from pypdfium2 import raw

from signing.draw import printed_values
from signing.face import Box
from signing.licence_type import FieldKind, Role
from tests.signing import printing

FOOD = 0
TEACHER = len(printing.samples()) - 1
MM = 72 / 25.4
ROAD = next(n for n, one in enumerate(printing.samples()) if one.licence_type.slug == "road-transport-permit")
FOLD = {FOOD: 200, TEACHER: 148.5}  # between the columns, and the pages of the booklet
MARK_MM = 24  # letters as tall as this are the specimen mark's

from_both_sources = pytest.mark.parametrize("source", printing.SOURCES)

Word = tuple[str, Box]


@cache
def words(number: int, source: str, page_number: int = 0) -> tuple[Word, ...]:
    """The words of a document's page as they were drawn, without the specimen mark."""
    text = printing.read_by_poppler(printing.document(number, source), "-bbox")
    page = list(ET.fromstring(text).iterfind(".//{*}page"))[page_number]
    height = float(page.attrib["height"])
    found = []
    for word in page.iterfind("{*}word"):
        left, top, right, bottom = (float(word.attrib[key]) for key in ("xMin", "yMin", "xMax", "yMax"))
        box = Box(left / MM, (height - bottom) / MM, (right - left) / MM, (bottom - top) / MM)
        if box.height < MARK_MM:
            found.append((word.text or "", box))
    return tuple(found)


def around(boxes: Sequence[Box]) -> Box:
    left, bottom = min(box.x for box in boxes), min(box.y for box in boxes)
    right, top = max(box.x + box.width for box in boxes), max(box.y + box.height for box in boxes)
    return Box(left, bottom, right - left, top - bottom)


def place(number: int, source: str, text: str) -> Box:
    """Where a text stands that is printed once."""
    found = words(number, source)
    whole = "".join(word for word, _ in found)
    assert whole.count(text) == 1, f"{text} stands {whole.count(text)} times on the face"
    owners = [box for word, box in found for _ in word]
    start = whole.index(text)
    return around(owners[start : start + len(text)])


def middle(box: Box) -> tuple[float, float]:
    return box.x + box.width / 2, box.y + box.height / 2


def beside(number: int, source: str, label: str) -> str:
    """What is printed right of a label, on its line and in its half of the page."""
    anchor = place(number, source, f"{label}：")
    until = FOLD[number] if anchor.x < FOLD[number] else 297
    return "".join(
        word
        for word, box in words(number, source)
        if anchor.x + anchor.width <= box.x < until and abs(middle(box)[1] - middle(anchor)[1]) < 1
    )


def assert_column(number: int, source: str, edge: float, *labels: str) -> None:
    """The labels stand one below the other, flush on the left at `edge`."""
    places = [place(number, source, f"{label}：") for label in labels]
    assert [box.x for box in places] == pytest.approx([edge] * len(labels), abs=0.3)
    for upper, lower in pairwise(places):
        assert lower.y + lower.height < upper.y


def qr_symbol(number: int, source: str) -> Box:
    """Where a scanner finds the QR symbol."""
    page = printing.raster(printing.document(number, source), 150)
    (code,) = zxingcpp.read_barcodes(page)
    corners = [
        getattr(code.position, corner) for corner in ("top_left", "top_right", "bottom_left", "bottom_right")
    ]
    return around([Box(at.x * 25.4 / 150, (page.height - at.y) * 25.4 / 150, 0, 0) for at in corners])


def above(box: Box, number: int, source: str) -> str:
    """All that reaches higher than a box's lower edge."""
    return "".join(word for word, other in words(number, source) if other.y + other.height > box.y)


def assert_sealed_over(number: int, *places: Box) -> None:
    """Even the smallest seal, of 38 mm, touches what it certifies."""
    seal = printing.samples()[number].face.seal_places()[0]
    assert seal.page == 0
    for each in places:
        assert each.distance(seal.x_mm, seal.y_mm) < 38 / 2


def picture(number: int, source: str) -> Box:
    """Where the one photo of a page stands."""
    document = pypdfium2.PdfDocument(printing.document(number, source))
    try:
        (image,) = document[0].get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=1)
        left, bottom, right, top = (edge / MM for edge in image.get_bounds())
        return Box(left, bottom, right - left, top - bottom)
    finally:
        document.close()


@from_both_sources
@pytest.mark.parametrize("number", [FOOD, TEACHER])
def test_the_label_of_every_field_is_printed_once(number: int, source: str) -> None:
    one = printing.samples()[number]
    text = printing.squeezed(printing.read_by_poppler(printing.document(number, source)))
    labels = [f.label["zh"] for f in one.licence_type.fields if f.kind is not FieldKind.PHOTO]
    assert len(labels) == {FOOD: 12, TEACHER: 10}[number]
    for label in labels:
        assert text.count(f"{label}：") == 1, label
    assert text.startswith(one.licence_type.name["zh"])


@from_both_sources
@pytest.mark.parametrize("number", [FOOD, TEACHER])
def test_each_value_stands_beside_its_label(number: int, source: str) -> None:
    one = printing.samples()[number]
    values = printed_values(one.printout, one.licence_type)
    for field in one.licence_type.fields:
        if field.kind is not FieldKind.PHOTO and field.role is not Role.ISSUER_NAME:
            text, value = beside(number, source, field.label["zh"]), printing.squeezed(values[field.name])
            if field.kind is FieldKind.LIST:  # goes on in the lines below
                assert text
                assert value.startswith(text), field.name
            else:
                assert text == value, field.name


@from_both_sources
@pytest.mark.parametrize("number", [FOOD, ROAD, TEACHER])
def test_each_value_stands_in_each_of_its_places_and_nothing_else_does(number: int, source: str) -> None:
    one = printing.samples()[number]
    values = printed_values(one.printout, one.licence_type)
    for at in one.face.values:
        found = "".join(
            word for word, box in words(number, source, at.page) if at.box.distance(*middle(box)) == 0
        )
        assert found == printing.squeezed(values[at.source]), (at.page, at.source)


@from_both_sources
def test_a_road_transport_permit_is_an_original_and_a_duplicate_of_the_same_values(source: str) -> None:
    face = printing.samples()[ROAD].face
    for page, title in enumerate(("正本", "副本")):
        text = "".join(word for word, _ in words(ROAD, source, page))
        assert text.startswith("道路运输经营许可证")
        assert f"（{title}）" in text
        for label in (
            "经营许可证号",
            "业户名称",
            "地址",
            "经营范围",
            "有效期起",
            "有效期止",
            "核发机关",
            "核发日期",
        ):
            assert text.count(f"{label}：") == 1, (page, label)
    on_original, on_duplicate = (
        {at.source: at.box for at in face.values if at.page == page} for page in (0, 1)
    )
    assert on_original.keys() == on_duplicate.keys()
    assert all(on_original[source] != on_duplicate[source] for source in on_original)
    assert [(seal.number, seal.page) for seal in face.seals] == [(1, 0), (1, 1)]
    assert [qr.page for qr in face.qr] == [0, 1]


@from_both_sources
def test_a_food_business_licence_is_laid_out_as_the_real_one(source: str) -> None:
    title = place(FOOD, source, "食品经营许可证")
    assert middle(title) == pytest.approx((148.5, 171), abs=0.5)  # centred
    assert above(title, FOOD, source) == "食品经营许可证"
    assert_column(FOOD, source, 29, "经营者名称", "统一社会信用代码", "法定代表人（负责人）", "住所", "经营场所",
                  "主体业态", "经营项目", "有效期至")  # fmt: skip
    assert_column(FOOD, source, 203, "许可证编号", "投诉举报电话", "发证机关", "签发日期")
    # The number heads the right column, level with the operator's name.
    for label in ("经营者名称：", "许可证编号："):
        assert middle(place(FOOD, source, label))[1] == pytest.approx(147.5, abs=0.5)
    # The code stands in the right column between complaints and the issuer.
    code = qr_symbol(FOOD, source)
    assert middle(code) == pytest.approx((238, 111), abs=0.5)
    assert code.y > place(FOOD, source, "发证机关：").y
    assert code.y + code.height < place(FOOD, source, "投诉举报电话：").y
    # The seal is set over the issuer's name, which stands below its label, and the day.
    issuer = place(FOOD, source, "云溪省样本市市场监督管理局")
    assert issuer.y + issuer.height < place(FOOD, source, "发证机关：").y
    assert_sealed_over(FOOD, issuer, place(FOOD, source, "2026年06月15日"))


@from_both_sources
def test_a_teacher_qualification_certificate_is_laid_out_as_the_real_one(source: str) -> None:
    title = place(TEACHER, source, "教师资格证书")
    assert middle(title) == pytest.approx((148.5, 176.5), abs=0.5)
    assert above(title, TEACHER, source) == "教师资格证书"
    # Left page: the portrait, the person beside it, the citizen number below, the code at the foot.
    portrait = picture(TEACHER, source)
    assert (portrait.x, portrait.y) == pytest.approx((30, 113.9), abs=0.5)
    assert portrait.width == pytest.approx(35, abs=0.1)
    assert_column(TEACHER, source, 70, "姓名", "性别", "出生年月", "民族")
    first, last = (place(TEACHER, source, label) for label in ("姓名：", "民族："))
    assert portrait.x + portrait.width < first.x
    assert portrait.y < last.y < first.y + first.height < portrait.y + portrait.height
    assert_column(TEACHER, source, 29, "身份证号码")
    assert place(TEACHER, source, "身份证号码：").y + 4 < portrait.y
    assert middle(qr_symbol(TEACHER, source)) == pytest.approx((54, 61), abs=0.5)
    # Right page: what was recognised, then by whom and when.
    assert_column(TEACHER, source, 157, "资格种类", "任教学科", "证书号码")
    assert_column(TEACHER, source, 190, "认定机构", "认定时间")
    issuer = place(TEACHER, source, "云溪省样本市教育局")
    assert place(TEACHER, source, "认定时间：").y + 4 < issuer.y < place(TEACHER, source, "认定机构：").y - 4
    assert issuer.y < place(TEACHER, source, "证书号码：").y
    assert_sealed_over(TEACHER, issuer, place(TEACHER, source, "2026年06月15日"))
