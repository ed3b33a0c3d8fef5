"""Breaking text into lines that fit a box, by the rules of Chinese setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from keys.errors import Fault, Kind, VermilionError
from signing.face import Box, ValueBox

MM = 72 / 25.4
"""Points in a millimetre."""

ASCENT = 0.88
"""Of an em: where the top of a line lies above the baseline."""

OVERFLOW = "overflow"
_STEP = 0.25
_SLACK = 1e-9  # ems: sums of thousandths are not exact
_NOT_FIRST = "，。、；：！？）》」』】〕”’·,.;:!?)]"
_NOT_LAST = "（《「『【〔“‘(["
_UNIT = re.compile(r"[A-Za-z0-9@#&%+\-_/.:]+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text and its set width in ems."""

    text: str
    width: float


def fit(text: str, place: ValueBox, width_of: Callable[[str], float]) -> tuple[float, list[Line]]:
    """The size in points and the lines with which a text fits its box.

    `width_of` measures in ems. Raises VermilionError(INVALID, reason="overflow") when the text does not fit
    at the smallest size.
    """
    whole, units = Line(text, width_of(text)), list[Line]()
    size = place.style.size
    while size >= place.min_size - 1e-9:
        available = place.box.width * MM / size
        lines = [whole]
        if place.wrap and whole.width > available:
            units = units or measured_units(text, width_of)
            lines = break_lines(units, available, width_of)
        height = ((len(lines) - 1) * place.line_spacing + 1) * size
        if height <= place.box.height * MM + 1e-6 and all(line.width <= available + _SLACK for line in lines):
            return size, lines
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
            free = box.width * MM - line.width * size
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


def measured_units(text: str, width_of: Callable[[str], float]) -> list[Line]:
    """What a text is broken between: its characters, Latin words and numbers whole."""
    return [Line(unit, width_of(unit)) for unit in _UNIT.findall(text)]


def break_lines(units: Sequence[Line], available: float, width_of: Callable[[str], float]) -> list[Line]:
    """Break greedily between units, and within one that is longer than a line; no closing mark at a line's
    head and no opening one at its end. Widths are ems.
    """
    lines: list[str] = []
    line: list[str] = []
    used = 0.0  # by the line; widths add up
    for unit in _divided(units, available, width_of):
        if line and used + unit.width > available + _SLACK:
            carried = [unit.text]
            while len(line) > 1 and (carried[0][0] in _NOT_FIRST or line[-1][-1] in _NOT_LAST):
                carried.insert(0, line.pop())
            lines.append("".join(line).rstrip(" "))
            line = carried if carried != [" "] else []
            used = width_of("".join(line))
        else:
            line.append(unit.text)
            used += unit.width
    lines.append("".join(line))
    return [Line(kept, width_of(kept)) for kept in lines if kept]


def _divided(units: Sequence[Line], available: float, width_of: Callable[[str], float]) -> Iterator[Line]:
    for unit in units:
        if unit.width > available and len(unit.text) > 1:
            yield from [Line(char, width_of(char)) for char in unit.text]
        else:
            yield unit
