"""Ornament as PDF operators: rules, ornamental borders, guilloche.

What repeats (a period of a braid, a petal of a rosette, a wave of a field) is one form, placed many times, so
that the whole ornament takes a few kilobytes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from signing.face import Box
from signing.text_layout import MM

_HANDLE = 0.512286623256592433 / (math.pi / 2)  # a quarter sine as a cubic curve
_PEAK = 1.002313685767898599 / (math.pi / 2)
_RISE = 0.512286623256592433


@dataclass(frozen=True, slots=True)
class Rect:
    box: Box
    line_width: float  # 0: no line
    stroke: str
    fill: str  # "" for none


@dataclass(frozen=True, slots=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    line_width: float
    stroke: str


@dataclass(frozen=True, slots=True)
class Border:
    """An ornamental frame: a band of interlaced waves between rules, rosettes in the corners."""

    box: Box  # outer edge
    band: float
    strands: int
    period: float
    stroke: str
    accent: str
    fill: str


@dataclass(frozen=True, slots=True)
class Rosette:
    """Guilloche: rings of closed waves around a centre."""

    x: float
    y: float
    inner: float
    outer: float
    petals: int
    rings: int
    line_width: float
    stroke: str


@dataclass(frozen=True, slots=True)
class Waves:
    """Guilloche: a field of parallel waves, each shifted against the one below."""

    box: Box
    period: float
    amplitude: float
    spacing: float
    line_width: float
    stroke: str


Art = Rect | Line | Border | Rosette | Waves


@dataclass(frozen=True, slots=True)
class Form:
    """A form XObject: operators, compressed by zlib, within a box in points."""

    bbox: tuple[float, float, float, float]
    data: bytes


@dataclass(frozen=True, slots=True)
class Artwork:
    """The whole ornament of a page; `parts` are the forms it names."""

    page: Form
    parts: dict[str, Form]


@dataclass(slots=True)
class _Ink:
    """Collects operators; lengths come in points."""

    ops: list[str] = field(default_factory=list)

    def put(self, operator: str, *numbers: float) -> None:
        self.ops.append(
            " ".join((*(f"{number:.3f}".rstrip("0").rstrip(".") for number in numbers), operator))
        )

    def colour(self, value: str, operator: str) -> None:
        self.put(operator, *(int(value[n : n + 2], 16) / 255 for n in (1, 3, 5)))

    def place(self, name: str, a: float, b: float, c: float, d: float, x: float, y: float) -> None:
        self.ops.append("q")
        # Rotations want more digits than lengths do.
        self.ops.append(" ".join(f"{n:.6f}".rstrip("0").rstrip(".") for n in (a, b, c, d)))
        self.put("cm", x, y)
        self.ops.append(f"/{name} Do Q")

    def box(self, box: Box) -> None:
        self.put("re", box.x * MM, box.y * MM, box.width * MM, box.height * MM)

    def form(self, bbox: tuple[float, float, float, float]) -> Form:
        return Form(bbox, zlib.compress("\n".join(self.ops).encode("ascii"), 9))


def make_artwork(width: float, height: float, arts: Iterable[Art]) -> Artwork:
    """Draw the ornament of a page of that size in mm."""
    ink, parts = _Ink(), _Parts()
    for art in arts:
        ink.put("q")
        _DRAW[type(art)](ink, parts, art)
        ink.put("Q")
    return Artwork(ink.form((0, 0, width * MM, height * MM)), parts.forms)


class _Parts:
    def __init__(self) -> None:
        self.forms: dict[str, Form] = {}

    def add(self, ink: _Ink, bbox: tuple[float, float, float, float]) -> str:
        name = f"Art{len(self.forms)}"
        self.forms[name] = ink.form(bbox)
        return name


def _rect(ink: _Ink, _parts: _Parts, rect: Rect) -> None:
    if rect.fill:
        ink.colour(rect.fill, "rg")
    if rect.line_width:
        ink.colour(rect.stroke, "RG")
        ink.put("w", rect.line_width * MM)
    ink.box(rect.box)
    ink.put(
        {(True, True): "B", (True, False): "f", (False, True): "S"}.get(
            (bool(rect.fill), rect.line_width > 0), "n"
        )
    )


def _line(ink: _Ink, _parts: _Parts, line: Line) -> None:
    ink.colour(line.stroke, "RG")
    ink.put("w", line.line_width * MM)
    ink.put("m", line.x1 * MM, line.y1 * MM)
    ink.put("l", line.x2 * MM, line.y2 * MM)
    ink.put("S")


def _sine(ink: _Ink, x: float, period: float, amplitude: float, quarters: int, phase: int) -> None:
    """A sine from (x, 0) to the right; `phase` counts the quarter periods already gone."""
    quarter = period / 4
    level = (0.0, 1.0, 0.0, -1.0)
    ink.put("m", x, amplitude * level[phase % 4])
    for step in range(quarters):
        here, there = level[(phase + step) % 4], level[(phase + step + 1) % 4]
        x1, x2 = x + quarter * step, x + quarter * (step + 1)
        if here == 0.0:
            first = (x1 + quarter * _HANDLE, amplitude * _RISE * there)
            second = (x1 + quarter * _PEAK, amplitude * there)
        else:
            first = (x2 - quarter * _PEAK, amplitude * here)
            second = (x2 - quarter * _HANDLE, amplitude * _RISE * here)
        ink.put("c", *first, *second, x2, amplitude * there)
    ink.put("S")


def _waves(ink: _Ink, parts: _Parts, waves: Waves) -> None:
    box, period, amplitude = waves.box, waves.period * MM, waves.amplitude * MM
    wave = _Ink()
    wave.colour(waves.stroke, "RG")
    wave.put("w", waves.line_width * MM)
    _sine(wave, -period, period, amplitude, 4 * (int(box.width * MM / period) + 3), 0)
    name = parts.add(wave, (-period, -2 * amplitude, box.width * MM + 2 * period, 2 * amplitude))
    ink.box(box)
    ink.put("W n")
    for row in range(-1, int(box.height / waves.spacing) + 2):
        shift = period * math.sin(row * 0.23) / 2
        ink.place(name, 1, 0, 0, 1, box.x * MM + shift, (box.y + row * waves.spacing) * MM)


def _curve(
    ink: _Ink, at: Callable[[float], tuple[float, float]], start: float, stop: float, pieces: int
) -> None:
    """A smooth curve through points of a function of the angle, with Catmull-Rom handles."""
    points = [at(start + (stop - start) * n / pieces) for n in range(-1, pieces + 2)]
    ink.put("m", *points[1])
    for before, here, there, after in zip(points, points[1:], points[2:], points[3:], strict=False):
        ink.put(
            "c",
            here[0] + (there[0] - before[0]) / 6, here[1] + (there[1] - before[1]) / 6,
            there[0] - (after[0] - here[0]) / 6, there[1] - (after[1] - here[1]) / 6,
            *there,
        )  # fmt: skip
    ink.put("S")


def _rosette(ink: _Ink, parts: _Parts, rosette: Rosette) -> None:
    """Rings of closed waves between two radii, each turned against the last; one petal is drawn."""
    petal = _Ink()
    petal.colour(rosette.stroke, "RG")
    petal.put("w", rosette.line_width * MM)
    petal.put("J", 1)
    middle = (rosette.inner + rosette.outer) / 2 * MM
    swing = (rosette.outer - rosette.inner) / 2 * MM
    step = 2 * math.pi / rosette.petals
    for ring in range(rosette.rings):
        turn = 2 * math.pi * ring / rosette.rings
        part = 0.55 + 0.45 * math.cos(turn)

        def at(angle: float, turn: float = turn, part: float = part) -> tuple[float, float]:
            radius = middle + swing * (0.62 * math.cos(rosette.petals * angle + turn) + 0.38 * part - 0.19)
            return radius * math.cos(angle), radius * math.sin(angle)

        _curve(petal, at, 0.0, step, 6)
    reach = rosette.outer * MM * 1.05
    name = parts.add(petal, (-reach, -reach, reach, reach))
    for number in range(rosette.petals):
        cos, sin = math.cos(number * step), math.sin(number * step)
        ink.place(name, cos, sin, -sin, cos, rosette.x * MM, rosette.y * MM)


def _border(ink: _Ink, parts: _Parts, border: Border) -> None:
    """The frame: ground, a braid of sines along each side, rules, rosettes over the corners."""
    box, band = border.box, border.band
    ink.colour(border.fill, "rg")
    ink.box(box)
    ink.box(_inset(box, band))
    ink.put("f*")
    _braid(ink, parts, border)
    rules = (
        (0.0, 0.9, border.stroke), (1.3, 0.25, border.accent),
        (band - 1.3, 0.25, border.accent), (band, 0.5, border.stroke),
    )  # fmt: skip
    for offset, width, colour in rules:
        _rect(ink, parts, Rect(_inset(box, offset), width, colour, ""))
    for x in (box.x + band / 2, box.x + box.width - band / 2):
        for y in (box.y + band / 2, box.y + box.height - band / 2):
            _disc(ink, x * MM, y * MM, band * 0.78 * MM, border.fill)
            _rosette(ink, parts, Rosette(x, y, band * 0.30, band * 0.76, 12, 8, 0.12, border.stroke))
            _rosette(ink, parts, Rosette(x, y, band * 0.04, band * 0.30, 8, 5, 0.12, border.accent))


def _inset(box: Box, by: float) -> Box:
    return Box(box.x + by, box.y + by, box.width - 2 * by, box.height - 2 * by)


def _disc(ink: _Ink, x: float, y: float, radius: float, fill: str) -> None:
    ink.colour(fill, "rg")
    ink.put("m", x + radius, y)
    handle = 0.5522847498 * radius
    for cos, sin in ((0, 1), (-1, 0), (0, -1), (1, 0)):
        before_cos, before_sin = sin, -cos
        ink.put(
            "c",
            x + before_cos * radius + cos * handle, y + before_sin * radius + sin * handle,
            x + cos * radius + before_cos * handle, y + sin * radius + before_sin * handle,
            x + cos * radius, y + sin * radius,
        )  # fmt: skip
    ink.put("f")


def _braid(ink: _Ink, parts: _Parts, border: Border) -> None:
    box, band = border.box, border.band
    amplitude = (band / 2 - 1.7) * MM
    cell = _Ink()
    cell.put("w", 0.16 * MM)
    cell.put("J", 1)
    for strand in range(border.strands):
        cell.colour(border.accent if strand % 2 else border.stroke, "RG")
        for phase in range(4):
            _sine(cell, 0.0, border.period * MM, amplitude * (1 - strand / border.strands), 4, phase)
    name = parts.add(cell, (-1, -amplitude - 1, border.period * MM + 1, amplitude + 1))
    for start, length, turned in ((box.x, box.width, False), (box.y, box.height, True)):
        run = length - 2 * band
        count = max(1, round(run / border.period))
        stretch = run / count / border.period
        across = (box.x, box.width) if turned else (box.y, box.height)
        for offset in (across[0] + band / 2, across[0] + across[1] - band / 2):
            for number in range(count):
                along = start + band + number * run / count
                if turned:
                    ink.place(name, 0, stretch, -1, 0, offset * MM, along * MM)
                else:
                    ink.place(name, stretch, 0, 0, 1, along * MM, offset * MM)


_DRAW: dict[type[Art], Callable[..., None]] = {
    Rect: _rect,
    Line: _line,
    Waves: _waves,
    Rosette: _rosette,
    Border: _border,
}
