"""Seal pictures drawn to the norm: round, red, a five-pointed star, the name along the rim.

State Council document 国发〔1999〕25号 gives form and sizes: round, in the centre the national emblem or a
five-pointed star, outside it the name from left to right in simplified Song type. Seals that bear the emblem
(governments) are not drawn here, because its use is restricted by law: their pictures are made by the
authority and brought (`signing.seal_upload`). Special seals must differ from the official seal in name and
form (Art. 22): they are smaller and carry what they are for below the star.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from enum import StrEnum

from fontTools.pens.basePen import BasePen
from fontTools.ttLib.tables._g_l_y_f import Glyph as GlyfGlyph
from pikepdf import Array, Name, ObjectStreamMode, Pdf

from keys.errors import Kind, VermilionError
from signing.codes import check_seal_code
from signing.document import SealPicture
from signing.fonts import Fonts, Weight
from signing.glyphs import UNITS_PER_EM, Glyph

RED = (0.85, 0.06, 0.08)
MM = 72 / 25.4
MIN_NAME, MAX_NAME = 2, 30


class SealKind(StrEnum):
    """Kinds of round seals."""

    NAME = "name"  # official seal (法定名称章) of a department or a unit under it
    SPECIAL = "special"  # seal for one purpose (专用章)
    PREFECTURE = "prefecture"  # administrative office of a prefecture (行政公署)
    PROVINCE_UNIT = (
        "province_unit"  # unit directly under a province's department, as large as the norm allows
    )
    TOWNSHIP = "township"  # town government (star where it bears no emblem)
    INSTITUTION = "institution"  # public institution, association, enterprise
    PROVINCE_GOVERNMENT = "province_government"  # with the emblem
    GOVERNMENT = "government"  # of a prefecture, city, county or district, with the emblem


EMBLEM_KINDS = frozenset({SealKind.PROVINCE_GOVERNMENT, SealKind.GOVERNMENT})
"""Kinds whose centre is the national emblem: their picture is brought, never drawn."""


DIAMETER_MM: dict[SealKind, float] = {
    SealKind.NAME: 42.0,
    SealKind.SPECIAL: 38.0,
    SealKind.PREFECTURE: 45.0,
    SealKind.PROVINCE_UNIT: 45.0,
    SealKind.TOWNSHIP: 42.0,
    SealKind.INSTITUTION: 42.0,
    SealKind.PROVINCE_GOVERNMENT: 50.0,
    SealKind.GOVERNMENT: 45.0,
}
"""Sizes of 国发〔1999〕25号, and 38 mm, which is usual for special seals."""


@dataclass(frozen=True, slots=True)
class _Lettering:
    """How characters stand on the rim: lengths in shares of the diameter, angles in radians."""

    height: float
    width: float
    arc: float  # between the middles of the first and the last character


def lettering(count: int, longest_arc: float) -> _Lettering:
    """Letter size and spread for a name of `count` characters on an arc of at most `longest_arc` radians.

    Few characters stand wide apart over the upper half; more of them use a longer arc, then get narrower and
    smaller, so that neighbours never touch and the foot stays open.
    """
    height = 0.150 if count <= 14 else max(0.105, 0.150 - 0.0030 * (count - 14))
    pitch = min(math.radians(30), longest_arc / (count - 1))
    inner_radius = 0.5 - 0.045 - height
    return _Lettering(height, min(height * 0.78, pitch * inner_radius * 0.97), pitch * (count - 1))


_LONGEST_ARC = math.radians(280)
_ARC_OVER_CODE = math.radians(262)
_ARC_OVER_TEXT = math.radians(222)


_Point = tuple[float, float]


class _PathPen(BasePen):  # type: ignore[misc]
    """Writes an outline as PDF path operators through an affine map; quadratic curves become cubic."""

    def __init__(self, matrix: tuple[float, float, float, float, float, float]) -> None:
        super().__init__(None)
        self.matrix = matrix
        self.ops: list[str] = []

    def _put(self, operator: str, *points: _Point) -> None:
        a, b, c, d, e, f = self.matrix
        numbers = [n for x, y in points for n in (a * x + c * y + e, b * x + d * y + f)]
        self.ops.append(" ".join((*(f"{n:.3f}" for n in numbers), operator)))

    def _moveTo(self, pt: _Point) -> None:  # noqa: N802 - fontTools' names
        self._put("m", pt)

    def _lineTo(self, pt: _Point) -> None:  # noqa: N802
        self._put("l", pt)

    def _curveToOne(self, pt1: _Point, pt2: _Point, pt3: _Point) -> None:  # noqa: N802
        self._put("c", pt1, pt2, pt3)

    def _closePath(self) -> None:  # noqa: N802
        self.ops.append("h")


def draw_seal_picture(
    name: str, kind: SealKind, fonts: Fonts, *, bottom_text: str | None = None, code: str | None = None
) -> SealPicture:
    """Draw a seal: `name` of 2 to 30 characters along the rim, `bottom_text` (at most 12) straight below the
    star, `code` (14 digits) along the foot of the rim. Outlines are paths: the picture needs no font.

    Raises VermilionError(INVALID or MALFORMED): wrong lengths, a bad code, a character without a glyph, a
    kind that is not drawn (`emblem_not_drawn`).
    """
    if kind in EMBLEM_KINDS:
        raise VermilionError(
            Kind.INVALID,
            "a seal with the national emblem is not drawn: send its picture",
            reason="emblem_not_drawn",
        )
    check_seal_name(name)
    if bottom_text is not None and not 1 <= len(bottom_text) <= 12:
        raise VermilionError(
            Kind.INVALID, "the text below the star has 1 to 12 characters", reason="seal_text_length"
        )
    if code is not None:
        check_seal_code(code)
    diameter = DIAMETER_MM[kind] * MM
    middle = diameter / 2
    red = " ".join(f"{part:.2f}" for part in RED)
    ops = [f"{red} rg {red} RG"]
    rim = diameter * 0.026
    ops += [f"{rim:.3f} w", *_circle(middle, middle - rim / 2), "S"]
    ops += _star(middle, middle + (diameter * 0.03 if bottom_text else 0.0), diameter * 0.145)
    arc = _ARC_OVER_TEXT if bottom_text else _ARC_OVER_CODE if code else _LONGEST_ARC
    ops += _rim_name(name, fonts, diameter, lettering(len(name), arc))
    if bottom_text:
        ops += _straight(bottom_text, fonts, middle, middle - diameter * 0.225, diameter)
    if code:
        ops += _foot_code(code, fonts, diameter)
    return SealPicture("pdf", _page(ops, diameter), DIAMETER_MM[kind], DIAMETER_MM[kind])


def check_seal_name(name: str) -> None:
    """Raises VermilionError(INVALID)."""
    if not MIN_NAME <= len(name) <= MAX_NAME:
        raise VermilionError(
            Kind.INVALID,
            f"a seal bears a name of {MIN_NAME} to {MAX_NAME} characters",
            reason="seal_name_length",
        )


def _circle(middle: float, radius: float) -> list[str]:
    handle = 0.5522847498 * radius
    low, high = middle - radius, middle + radius
    return [
        f"{high:.3f} {middle:.3f} m",
        f"{high:.3f} {middle + handle:.3f} {middle + handle:.3f} {high:.3f} {middle:.3f} {high:.3f} c",
        f"{middle - handle:.3f} {high:.3f} {low:.3f} {middle + handle:.3f} {low:.3f} {middle:.3f} c",
        f"{low:.3f} {middle - handle:.3f} {middle - handle:.3f} {low:.3f} {middle:.3f} {low:.3f} c",
        f"{middle + handle:.3f} {low:.3f} {high:.3f} {middle - handle:.3f} {high:.3f} {middle:.3f} c h",
    ]


def _star(x: float, y: float, radius: float) -> list[str]:
    inner = radius * math.sin(math.radians(18)) / math.sin(math.radians(54))
    corners = []
    for number in range(10):
        reach = inner if number % 2 else radius
        angle = math.radians(90 + 36 * number)
        corners.append(f"{x + reach * math.cos(angle):.3f} {y + reach * math.sin(angle):.3f}")
    return [f"{corners[0]} m", *(f"{corner} l" for corner in corners[1:]), "h f"]


def _glyph_ops(
    glyph: Glyph, width: float, height: float, angle: float, x: float, y: float, *, box: tuple[float, float]
) -> list[str]:
    """An outline whose `box` (its ascent and descent in font units) is set into a cell of width and height
    centred on (x, y), its upright turned to `angle`.
    """
    outline = GlyfGlyph(glyph.outline)
    outline.expand(None)
    if outline.numberOfContours <= 0:
        return []
    top, bottom = box
    sx, sy = width / max(glyph.advance, 1), height / (top - bottom)
    cos, sin = math.cos(angle - math.pi / 2), math.sin(angle - math.pi / 2)
    dx, dy = -glyph.advance / 2 * sx, -(top + bottom) / 2 * sy
    matrix = (sx * cos, sx * sin, -sy * sin, sy * cos, x + dx * cos - dy * sin, y + dx * sin + dy * cos)
    pen = _PathPen(matrix)
    outline.draw(pen, None)
    return [*pen.ops, "f"]


_HAN_BOX = (0.86 * UNITS_PER_EM, -0.10 * UNITS_PER_EM)  # what a Han character fills of its em
_DIGIT_BOX = (0.75 * UNITS_PER_EM, -0.02 * UNITS_PER_EM)


def _rim_name(name: str, fonts: Fonts, diameter: float, letters: _Lettering) -> list[str]:
    radius = diameter * (0.5 - 0.045 - letters.height / 2)
    ops = []
    for number, char in enumerate(name):
        angle = math.pi / 2 + letters.arc / 2 - letters.arc * number / (len(name) - 1)
        x, y = diameter / 2 + radius * math.cos(angle), diameter / 2 + radius * math.sin(angle)
        glyph = fonts.store(Weight.BOLD).get(char)
        ops += _glyph_ops(
            glyph, diameter * letters.width, diameter * letters.height, angle, x, y, box=_HAN_BOX
        )
    return ops


def _straight(text: str, fonts: Fonts, x: float, y: float, diameter: float) -> list[str]:
    """One line below the star, no wider than the free chord there."""
    height = diameter * 0.095
    width = min(height * 0.92, diameter * 0.56 / len(text))
    ops = []
    for number, char in enumerate(text):
        middle = x + (number - (len(text) - 1) / 2) * width
        glyph = fonts.store(Weight.BOLD).get(char)
        ops += _glyph_ops(glyph, width * 0.96, height, math.pi / 2, middle, y, box=_HAN_BOX)
    return ops


def _foot_code(code: str, fonts: Fonts, diameter: float) -> list[str]:
    """The seal's code along the foot, read from left to right with the feet outwards."""
    height, pitch = diameter * 0.032, math.radians(4.2)
    radius = diameter * (0.5 - 0.045) - height / 2
    ops = []
    for number, char in enumerate(code):
        angle = -math.pi / 2 + (number - (len(code) - 1) / 2) * pitch
        x, y = diameter / 2 + radius * math.cos(angle), diameter / 2 + radius * math.sin(angle)
        glyph = fonts.store(Weight.BOLD).get(char)
        ops += _glyph_ops(glyph, height * 0.72, height, angle + math.pi, x, y, box=_DIGIT_BOX)
    return ops


def _page(ops: list[str], size: float) -> bytes:
    with Pdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(size, size))
        page.obj.MediaBox = Array([0, 0, round(size, 4), round(size, 4)])
        page.obj[Name.Contents] = pdf.make_stream("\n".join(ops).encode("ascii"))
        buffer = io.BytesIO()
        pdf.save(
            buffer, deterministic_id=True, object_stream_mode=ObjectStreamMode.disable, compress_streams=True
        )
        return buffer.getvalue()
