"""Breaking text into lines that fit a box, by the rules of Chinese setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from keys.errors import Fault, Kind, VermilionError
from signing.face import Box, ValueBox
from signing.glyphs import UNITS_PER_EM

MM = 72 / 25.4
"""Points in a millimetre."""

ASCENT = 0.88
"""Of an em: where the top of a line lies above the baseline."""

OVERFLOW = "overflow"
_STEP = 0.25
_SLACK = 1e-6  # thousandths of an em: the room is computed from millimetres
_NOT_FIRST = "，。、；：！？）》」』】〕”’·,.;:!?)]"
_NOT_LAST = "（《「『【〔“‘(["
_UNIT = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ0-9@#&%+\-_/.:]+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text and its set width in thousandths of an em, as fonts have it."""

    text: str
    width: int


Advances = Callable[[str], Sequence[int]]
"""The set widths of a text's characters, in thousandths of an em."""


@lru_cache(maxsize=2048)  # of a group, and more: what was measured before a key was touched is drawn later
def fit(text: str, place: ValueBox, advances: Advances) -> tuple[float, tuple[Line, ...]]:
    """The size in points and the lines with which a text fits its box.

    Raises VermilionError(INVALID, reason="overflow") when the text does not fit at the smallest size.
    """
    widths = advances(text)
    whole, units = Line(text, sum(widths)), list[Unit]()
    size = place.style.size
    while size >= place.min_size - 1e-9:
        available = place.box.width * MM / size * UNITS_PER_EM + _SLACK
        lines = [whole]
        if place.wrap and whole.width > available:
            units = units or units_of(text, widths)
            lines = break_lines(units, available)
        height = ((len(lines) - 1) * place.line_spacing + 1) * size
        if height <= place.box.height * MM + 1e-6 and all(line.width <= available for line in lines):
            return size, tuple(lines)
        size -= _STEP
    raise overflow(Fault(f"/fields/{place.source}", OVERFLOW, "the text does not fit its place on the face"))


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """Where a line stands, points: the start of its baseline, and what is added after each character."""

    text: str
    x: float
    y: float
    spread: float = 0.0


def place_lines(lines: Sequence[Line], size: float, place: ValueBox) -> Iterator[PlacedLine]:
    """Lines that `fit` found, by the alignment of their box."""
    style, box = place.style, place.box
    height = ((len(lines) - 1) * place.line_spacing + 1) * size
    room = box.height * MM - height
    top = (box.y + box.height) * MM - {"top": 0.0, "middle": room / 2, "bottom": room}[style.valign]
    for at, line in enumerate(lines):
        x, y, spread = box.x * MM, top - (ASCENT + at * place.line_spacing) * size, 0.0
        if style.align != "left":
            free = box.width * MM - line.width * size / UNITS_PER_EM
            if style.align == "right":
                x += free
            elif style.align == "center":
                x += free / 2
            elif len(line.text) > 1:
                spread = free / (len(line.text) - 1)
        yield PlacedLine(line.text, x, y, spread)


def place_picture(width: int, height: int, box: Box) -> tuple[float, float, float, float]:
    """As large as fits, in the middle of its box: x, y, width and height, points."""
    scale = min(box.width / width, box.height / height) * MM
    return (
        box.x * MM + (box.width * MM - width * scale) / 2,
        box.y * MM + (box.height * MM - height * scale) / 2,
        width * scale,
        height * scale,
    )


def overflow(*faults: Fault) -> VermilionError:
    """What is raised for texts that do not fit."""
    return VermilionError(
        Kind.INVALID, "a text does not fit its place on the face", reason=OVERFLOW, faults=faults
    )


Unit = tuple[str, int, Sequence[int]]
"""What a text is broken between: a character, or a Latin word or number; its width and its characters'."""


def units_of(text: str, widths: Sequence[int]) -> list[Unit]:
    """What a text is broken between, `widths` being its characters'."""
    units = []
    for match in _UNIT.finditer(text):
        own = widths[match.start() : match.end()]
        units.append((match.group(), sum(own), own))
    return units


def break_lines(units: Sequence[Unit], available: float) -> list[Line]:
    """Break greedily between characters, keeping Latin words and numbers whole where they fit a line, no
    closing mark at a line's head and no opening one at its end. `available` is in thousandths of an em.
    """
    lines: list[list[tuple[str, int]]] = [[]]
    used = 0
    for piece in _pieces(units, available):
        line = lines[-1]
        if line and used + piece[1] > available:
            carried = [piece]
            while len(line) > 1 and (carried[0][0][0] in _NOT_FIRST or line[-1][0][-1] in _NOT_LAST):
                carried.insert(0, line.pop())
            while line and line[-1][0] == " ":
                line.pop()
            lines.append(carried if carried[0][0] != " " or len(carried) > 1 else [])
            used = sum([width for _, width in lines[-1]])
        else:
            line.append(piece)
            used += piece[1]
    return [
        Line("".join([text for text, _ in line]), sum([width for _, width in line])) for line in lines if line
    ]


def _pieces(units: Sequence[Unit], available: float) -> Iterator[tuple[str, int]]:
    """Units, but for those that are longer than a line, which are broken as well."""
    for text, width, widths in units:
        if width > available:
            yield from zip(text, widths, strict=True)
        else:
            yield text, width
