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


def fit(text: str, place: ValueBox, width_of: Callable[[str], float]) -> tuple[float, list[str]]:
    """The size in points and the lines with which a text fits its box.

    `width_of` measures in ems. Raises VermilionError(INVALID, reason="overflow") when the text does not fit
    at the smallest size.
    """
    size = place.style.size
    while size >= place.min_size - 1e-9:
        available = place.box.width * MM / size
        lines = break_lines(text, available, width_of) if place.wrap else [text]
        height = ((len(lines) - 1) * place.line_spacing + 1) * size
        if height <= place.box.height * MM + 1e-6 and all(
            width_of(line) <= available + 1e-9 for line in lines
        ):
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


def place_lines(
    lines: Sequence[str], size: float, place: ValueBox, width_of: Callable[[str], float]
) -> Iterator[PlacedLine]:
    """Lines that `fit` found, by the alignment of their box."""
    style, box = place.style, place.box
    height = ((len(lines) - 1) * place.line_spacing + 1) * size
    room = box.height * MM - height
    top = (box.y + box.height) * MM - {"top": 0.0, "middle": room / 2, "bottom": room}[style.valign]
    for at, line in enumerate(lines):
        x, y, spread = box.x * MM, top - (ASCENT + at * place.line_spacing) * size, 0.0
        if style.align != "left":
            free = box.width * MM - width_of(line) * size
            if style.align == "right":
                x += free
            elif style.align == "center":
                x += free / 2
            elif len(line) > 1:
                spread = free / (len(line) - 1)
        yield PlacedLine(line, x, y, spread)


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


def break_lines(text: str, available: float, width_of: Callable[[str], float]) -> list[str]:
    """Break greedily between characters, keeping Latin words and numbers whole where they fit a line, no
    closing mark at a line's head and no opening one at its end.
    """
    if width_of(text) <= available:  # most texts are one line
        return [text] if text else []
    units: list[str] = []
    for unit in _UNIT.findall(text):
        units.extend(unit if len(unit) > 1 and width_of(unit) > available else [unit])
    lines: list[str] = []
    line: list[str] = []
    used = 0.0  # by the line; widths add up, and this is measured once a unit
    for unit in units:
        width = width_of(unit)
        if line and used + width > available + _SLACK:
            carried = [unit]
            while len(line) > 1 and (carried[0][0] in _NOT_FIRST or line[-1][-1] in _NOT_LAST):
                carried.insert(0, line.pop())
            lines.append("".join(line).rstrip(" "))
            line = carried if carried != [" "] else []
            used = width_of("".join(line))
        else:
            line.append(unit)
            used += width
    if line:
        lines.append("".join(line))
    return [kept for kept in lines if kept]
