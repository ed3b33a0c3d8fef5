"""Pages of lines, each a label and what stands beside it: for what is drawn from words alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reportlab.pdfgen.canvas import Canvas

from keys.errors import VermilionError
from signing.embedded_font import registered
from signing.fonts import Fonts, Weight
from signing.glyphs import UNITS_PER_EM, GlyphStore
from signing.text_layout import MM, break_lines, units_of

_WIDTH, _HEIGHT, _MARGIN, _FOOT = 210 * MM, 297 * MM, 18 * MM, 11 * MM
_LABEL = 44 * MM  # of a line's width, before its value
_LEADING = 1.45


@dataclass(frozen=True, slots=True)
class Line:
    """A label, which may be empty, and what stands beside it; without a label across the whole page."""

    label: str
    value: str
    size: float = 9  # points
    weight: Weight = Weight.REGULAR
    space: float = 0.0  # points above


def draw_lines(
    lines: Sequence[Line], foot: Callable[[int, int], str], fonts: Fonts, names: Mapping[Weight, str]
) -> bytes:
    """A PDF of the lines: the same bytes for the same lines. `foot`: what stands below a page, by its number
    and how many there are; `names`: what the fonts are called in it.

    Raises VermilionError(UNAVAILABLE) without a font.
    """
    lines = [
        replace(
            line,
            label=_drawable(line.label, fonts.store(line.weight)),
            value=_drawable(line.value, fonts.store(line.weight)),
        )
        for line in lines
    ]
    pages = list(_pages(lines, fonts))
    feet = [foot(at, len(pages)) for at in range(1, len(pages) + 1)]
    with registered(fonts, names, _wanted([*lines, *(Line("", text) for text in feet)])):
        return _draw(pages, feet, names)


def _drawable(text: str, glyphs: GlyphStore) -> str:
    """What the fonts lack is written by its code point: a relying party calls its request what it likes."""

    def drawn(char: str) -> str:
        try:
            glyphs.get(char)
        except VermilionError as error:
            if error.reason != "glyph_missing":
                raise
            return f"[U+{ord(char):04X}]"
        return char

    return "".join(map(drawn, text))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A piece of text, from the page's lower left corner, points."""

    text: str
    x: float
    y: float
    size: float
    weight: Weight


def _pages(lines: Sequence[Line], fonts: Fonts) -> Iterator[list[_Placed]]:
    page: list[_Placed] = []
    y = _HEIGHT - _MARGIN
    for line in lines:
        x = _MARGIN + (_LABEL if line.label else 0)
        values = _broken(line.value, line, _WIDTH - _MARGIN - x, fonts)
        labels = _broken(line.label, line, _LABEL - 3 * MM, fonts)
        y -= line.space if page else 0
        for at in range(max(len(values), len(labels))):
            if y - line.size * _LEADING < _MARGIN:
                yield page
                page, y = [], _HEIGHT - _MARGIN
            y -= line.size * _LEADING
            if at < len(labels):
                page.append(_Placed(labels[at], _MARGIN, y, line.size, line.weight))
            if at < len(values):
                page.append(_Placed(values[at], x, y, line.size, line.weight))
    yield page


def _broken(text: str, line: Line, room: float, fonts: Fonts) -> list[str]:
    if not text:
        return []
    units = units_of(text, fonts.store(line.weight).advances(text))
    return [piece.text for piece in break_lines(units, room / line.size * UNITS_PER_EM)]


def _wanted(lines: Sequence[Line]) -> dict[Weight, set[str]]:
    wanted: dict[Weight, set[str]] = {weight: set() for weight in Weight}
    for line in lines:
        wanted[line.weight] |= {*line.label, *line.value}
    return wanted


def _draw(pages: Sequence[Sequence[_Placed]], feet: Sequence[str], names: Mapping[Weight, str]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(
        buffer,
        pagesize=(_WIDTH, _HEIGHT),
        pageCompression=0,
        invariant=1,
        initialFontName=names[Weight.REGULAR],
    )
    for page, foot in zip(pages, feet, strict=True):
        for piece in page:
            canvas.setFont(names[piece.weight], piece.size)
            canvas.drawString(piece.x, piece.y, piece.text)
        canvas.setFont(names[Weight.REGULAR], 8)
        canvas.drawString(_MARGIN, _FOOT, foot)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()
