"""Seal pictures: the norm's form and sizes, drawn as paths."""

from __future__ import annotations

import io
import math
import subprocess
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from PIL import Image, ImageChops

from keys.errors import VermilionError
from registry.samples import sample_agencies
from signing.document import SealPicture
from signing.seal_picture import EMBLEM_KINDS, SealKind, draw_seal_picture, lettering
from tests.signing import printing
from tests.tools import need

NAME = "云溪省样本市教育局"

# State Council document 国发〔1999〕25号: 45 mm for administrative offices of a prefecture, at most 45 mm for units
# under a province's department and for institutions, 42 mm for townships. 42 mm is the usual seal of a department
# or an institution; special seals must differ from it (Art. 22) and usually measure 38 mm.
SIZES_MM = {
    "name": 42,
    "special": 38,
    "prefecture": 45,
    "province_unit": 45,
    "township": 42,
    "institution": 42,
}


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


@pytest.mark.parametrize(("kind", "size"), SIZES_MM.items())
def test_a_seal_has_the_size_of_the_norm(kind: str, size: int) -> None:
    seal = draw(kind=SealKind(kind))
    assert (seal.width_mm, seal.height_mm) == (size, size)
    with pikepdf.open(io.BytesIO(seal.data)) as pdf:
        assert len(pdf.pages) == 1
        box = [float(edge) * 25.4 / 72 for edge in pdf.pages[0].mediabox]
    assert box == pytest.approx([0, 0, size, size], abs=0.001)
    # What is seen is as large: the rim's ink touches all four edges of the page.
    pixels = 10 * size
    left, top, right, bottom = picture(seal, pixels).getchannel("A").getbbox() or (0, 0, 0, 0)
    assert (left, top, pixels - right, pixels - bottom) == pytest.approx((0, 0, 0, 0), abs=1)


def test_every_kind_has_its_size() -> None:
    assert set(SealKind) == set(SIZES_MM) | EMBLEM_KINDS


@pytest.mark.parametrize("kind", sorted(EMBLEM_KINDS))
def test_the_national_emblem_is_not_drawn(kind: SealKind) -> None:
    with pytest.raises(VermilionError) as refused:
        draw(kind=kind)
    assert refused.value.reason == "emblem_not_drawn"


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
    draw("样" * count, SealKind.NAME, **options)


def differing(first: SealPicture, second: SealPicture) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of where two seals differ, in shares of the picture."""
    one, other = (picture(seal).getchannel("A") for seal in (first, second))
    left, top, right, bottom = ImageChops.difference(one, other).getbbox() or (0, 0, 0, 0)
    assert right > left, "they look the same"
    return left / one.width, top / one.height, right / one.width, bottom / one.height


def test_one_different_character_makes_another_picture() -> None:
    differing(*(draw(f"样本市{char}山镇政府", SealKind.TOWNSHIP) for char in "䶮龙"))


def test_the_name_runs_along_the_rim_from_left_to_right() -> None:
    one = "样本市青禾山镇政府"
    _, _, right, bottom = differing(draw(one), draw("䶮" + one[1:]))
    assert right < 0.3
    assert bottom < 0.8
    left, _, _, bottom = differing(draw(one), draw(one[:-1] + "䶮"))
    assert left > 0.7
    assert bottom < 0.8
    left, top, right, bottom = differing(draw(one), draw(one[:4] + "䶮" + one[5:]))
    assert (left + right) / 2 == pytest.approx(0.5, abs=0.02)
    assert 0.02 < top < bottom < 0.25


def test_the_purpose_stands_below_the_star_and_the_code_at_the_foot() -> None:
    left, top, right, bottom = differing(
        draw(bottom_text="行政审批专用章"), draw(bottom_text="食品经营许可专用章")
    )
    assert 0.64 < top < bottom < 0.8
    assert 0.2 < left < right < 0.8
    _, top, _, bottom = differing(draw(), draw(code="99010000000201"))
    assert 0.8 < top < bottom < 0.97


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
    seals = [
        draw_seal_picture(
            seal.name, SealKind(seal.kind), printing.fonts(), bottom_text=seal.bottom_text, code=seal.code
        )
        for seal in (agency.seal for agency in sample_agencies())
    ]
    assert [seal.width_mm for seal in seals] == [38, 42, 38, 38]
    assert len({seal.data for seal in seals}) == len(seals)
