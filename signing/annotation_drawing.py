"""How a page of an annotated copy differs from its licence's: a watermark across the face, behind its values,
and the whole annotation under it. Both name purpose, recipient and last day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from signing.annotation import Annotation
from signing.face import Box, Page, TextStyle, ValueBox
from signing.fonts import Weight

BAND_MM = 20.0
"""How much taller a copy's pages are than its licence's: the annotation stands under the face, on nothing."""
SOURCE = "copy-annotation"
"""No field of a type can have this name."""

_EDGE = 4.0  # mm
_COLOUR = "#a00020"
_BAND = TextStyle(8.0, Weight.REGULAR, _COLOUR, "left", "middle")
_ROWS = 3  # watermarks of a page
_ANGLE = 20.0  # degrees
_SMALLEST = 3.0  # points


@dataclass(frozen=True, slots=True)
class Watermark:
    """A text across a page: its box has the origin at its middle, which stands at (x, y), in mm."""

    place: ValueBox
    x: float
    y: float
    angle: float  # degrees, counter-clockwise


def text_of(annotation: Annotation) -> str:
    """What stands under the face: a reader of the paper alone is told all of it."""
    return (
        f"加注件：本件仅供“{annotation.recipient}”用于“{annotation.purpose}”，"
        f"有效期至{_in_chinese(annotation.valid_to)}，一式{annotation.count}份，"
        f"{_in_chinese(annotation.made_on)}制作。用于其他用途、提供给他人或逾期均无效，请扫码核验。"
        "Annotated copy: valid only for the purpose and recipient named here, until the day named here."
    )


def watermark_text(annotation: Annotation) -> str:
    return (
        f"加注件 仅供{annotation.recipient}用于{annotation.purpose} 至{_in_chinese(annotation.valid_to)}有效"
    )


def _in_chinese(day: date | None) -> str:
    assert day is not None  # of the annotation of a record
    return f"{day.year}年{day.month:02}月{day.day:02}日"


def band(page: Page, number: int) -> ValueBox:
    """Where the annotation stands on a page: under the face, whose lower left corner is the origin."""
    box = Box(_EDGE, _EDGE / 2 - BAND_MM, page.width - 2 * _EDGE, BAND_MM - _EDGE)
    return ValueBox(SOURCE, number, box, _BAND, _SMALLEST, 1.25, wrap=True)


def watermarks(page: Page, number: int) -> Iterator[Watermark]:
    """Across the whole page, behind its values: none of it can be cut out and leave a face without one."""
    height = page.height / _ROWS
    style = TextStyle(min(28.0, 2.2 * height), Weight.REGULAR, _COLOUR, "center", "middle")
    width = 0.8 * page.width
    box = Box(-width / 2, -0.35 * height, width, 0.7 * height)
    place = ValueBox(SOURCE, number, box, style, _SMALLEST, 1.25, wrap=True)
    for row in range(_ROWS):
        yield Watermark(place, page.width / 2, (row + 0.5) * height, _ANGLE)
