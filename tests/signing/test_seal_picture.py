"""Seal pictures: the norm's form and sizes, drawn as paths."""

from __future__ import annotations

import io
import math
import subprocess
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from PIL import Image

from keys.errors import VermilionError
from registry.samples import sample_agencies
from signing.document import SealPicture
from signing.seal_picture import DIAMETER_MM, SealKind, draw_seal_picture, lettering
from tests.signing import printing
from tests.tools import need

NAME = "云溪省样本市教育局"


def draw(name: str = NAME, kind: SealKind = SealKind.NAME, **options: str) -> SealPicture:
    return draw_seal_picture(name, kind, printing.fonts(), **options)


def picture(seal: SealPicture, pixels: int = 600) -> Image.Image:
    document = pypdfium2.PdfDocument(seal.data)
    try:
        page = document[0]
        image: Image.Image = page.render(scale=pixels / page.get_width(), fill_color=(0, 0, 0, 0)).to_pil()
        return image.convert("RGBA")
    finally:
        document.close()


@pytest.mark.parametrize("kind", SealKind)
def test_the_page_has_the_size_of_the_norm(kind: SealKind) -> None:
    seal = draw(kind=kind)
    assert (seal.width_mm, seal.height_mm) == (DIAMETER_MM[kind], DIAMETER_MM[kind])
    with pikepdf.open(io.BytesIO(seal.data)) as pdf:
        assert len(pdf.pages) == 1
        width = float(pdf.pages[0].mediabox[2])
    assert width * 25.4 / 72 == pytest.approx(DIAMETER_MM[kind], abs=0.001)


def test_special_seals_differ_in_size_from_official_ones() -> None:
    assert DIAMETER_MM[SealKind.SPECIAL] < DIAMETER_MM[SealKind.NAME]


def test_a_seal_needs_no_font_and_is_the_same_each_time(tmp_path: Path) -> None:
    seal = draw(code="99010000000201")
    assert draw(code="99010000000201") == seal
    path = tmp_path / "seal.pdf"
    path.write_bytes(seal.data)
    subprocess.run([need("qpdf"), "--check", path], check=True, capture_output=True)
    with pikepdf.open(path) as pdf:
        assert "/Font" not in pdf.pages[0].get("/Resources", {})
        operators = {str(i.operator) for i in pikepdf.parse_content_stream(pdf.pages[0])}
    assert operators <= {"rg", "RG", "w", "m", "l", "c", "h", "f", "S"}


def test_it_is_red_on_a_transparent_ground_and_round() -> None:
    image = picture(draw())
    assert image.getpixel((5, 5))[3] == 0  # type: ignore[index]
    red = image.getpixel((300, 300))  # the star
    assert isinstance(red, tuple)
    assert red[0] > 200
    assert max(red[1:3]) < 60
    assert red[3] == 255
    assert image.getpixel((300, 4))[3] > 0  # type: ignore[index]  # the rim reaches the edge


@pytest.mark.parametrize("options", [{}, {"code": "99010000000201"}, {"bottom_text": "行政审批专用章"}])
@pytest.mark.parametrize("count", range(2, 31))
def test_letters_never_touch_each_other_or_rim_and_the_foot_stays_open(
    count: int, options: dict[str, str]
) -> None:
    longest = math.radians({"": 280, "code": 262, "bottom_text": 222}[next(iter(options), "")])
    letters = lettering(count, longest)
    pitch = letters.arc / (count - 1)
    inner = 0.5 - 0.045 - letters.height
    assert letters.arc <= longest + 1e-9
    assert letters.width <= pitch * inner
    assert letters.width >= 0.03  # still to be read: 1.1 mm of 38
    assert inner > 0.145 * 1.2  # clear of the star
    assert draw("样" * count, SealKind.NAME, **options).data


def test_one_different_character_makes_another_picture() -> None:
    first, second = (picture(draw(f"样本市{char}山镇政府", SealKind.TOWNSHIP)) for char in "䶮龙")
    assert first.tobytes() != second.tobytes()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("局", {}),
        ("局" * 31, {}),
        (NAME, {"code": "123"}),
        (NAME, {"code": "9901000000010１"}),
        (NAME, {"bottom_text": ""}),
        (NAME, {"bottom_text": "章" * 13}),
        ("样本市\U000323af局", {}),
    ],
)
def test_what_cannot_be_drawn_is_refused(name: str, options: dict[str, str]) -> None:
    with pytest.raises(VermilionError):
        draw(name, SealKind.NAME, **options)


def test_the_sample_agencies_seals_can_be_drawn() -> None:
    for agency in sample_agencies():
        seal = agency.seal
        assert draw_seal_picture(
            seal.name, SealKind(seal.kind), printing.fonts(), bottom_text=seal.bottom_text, code=seal.code
        ).data
