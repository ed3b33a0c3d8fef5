"""Drawing the artwork of a face with reportlab: rules, ornamental borders, guilloche."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from signing.face import Border, Box, Line, Rect, Rosette, Waves
from signing.text_layout import MM

_QUARTER = 0.512286623256592433 / (math.pi / 2)  # handles of a quarter sine as a cubic curve
_PEAK = 1.002313685767898599 / (math.pi / 2)


def draw_rect(canvas: Canvas, rect: Rect) -> None:
    if rect.fill:
        canvas.setFillColor(HexColor(rect.fill))
    if rect.line_width:
        canvas.setStrokeColor(HexColor(rect.stroke))
        canvas.setLineWidth(rect.line_width * MM)
    box = rect.box
    canvas.rect(
        box.x * MM, box.y * MM, box.width * MM, box.height * MM,
        stroke=int(rect.line_width > 0), fill=int(bool(rect.fill)),
    )  # fmt: skip


def draw_line(canvas: Canvas, line: Line) -> None:
    canvas.setStrokeColor(HexColor(line.stroke))
    canvas.setLineWidth(line.line_width * MM)
    canvas.line(line.x1 * MM, line.y1 * MM, line.x2 * MM, line.y2 * MM)


def _sine(path: Any, x: float, y: float, period: float, amplitude: float, quarters: int, phase: int) -> None:
    """Append a sine to the right of (x, y); `phase` counts the quarter periods already gone."""
    quarter = period / 4
    level = (0.0, 1.0, 0.0, -1.0)
    path.moveTo(x, y + amplitude * level[phase % 4])
    for step in range(quarters):
        here, there = level[(phase + step) % 4], level[(phase + step + 1) % 4]
        rising = amplitude * 0.512286623256592433
        x1, x2 = x + quarter * step, x + quarter * (step + 1)
        if here == 0.0:
            handles = (
                x1 + quarter * _QUARTER, y + math.copysign(rising, there),
                x1 + quarter * _PEAK, y + amplitude * there,
            )  # fmt: skip
        else:
            handles = (
                x2 - quarter * _PEAK, y + amplitude * here,
                x2 - quarter * _QUARTER, y + math.copysign(rising, here),
            )  # fmt: skip
        path.curveTo(*handles, x2, y + amplitude * there)


def draw_waves(canvas: Canvas, waves: Waves, name: str) -> None:
    """A field of waves, clipped to its box. One wave is stored once and placed many times."""
    box = waves.box
    period, amplitude = waves.period * MM, waves.amplitude * MM
    canvas.beginForm(name, -period, -2 * amplitude, box.width * MM + 2 * period, 2 * amplitude)
    canvas.setStrokeColor(HexColor(waves.stroke))
    canvas.setLineWidth(waves.line_width * MM)
    path = canvas.beginPath()
    _sine(path, -period, 0, period, amplitude, 4 * (int(box.width * MM / period) + 3), 0)
    canvas.drawPath(path, stroke=1, fill=0)
    canvas.endForm()
    canvas.saveState()
    _clip(canvas, box)
    rows = int(box.height / waves.spacing) + 2
    for row in range(-1, rows):
        canvas.saveState()
        shift = period * (math.sin(row * 0.23) + 1) / 2
        canvas.translate(box.x * MM + shift - period / 2, (box.y + row * waves.spacing) * MM)
        canvas.doForm(name)
        canvas.restoreState()
    canvas.restoreState()


def _clip(canvas: Canvas, box: Box) -> None:
    path = canvas.beginPath()
    path.rect(box.x * MM, box.y * MM, box.width * MM, box.height * MM)
    canvas.clipPath(path, stroke=0, fill=0)


def _closed_curve(canvas: Canvas, at: Callable[[float], tuple[float, float]], samples: int) -> None:
    """A smooth closed curve through `samples` points of a function of the angle (Catmull-Rom handles)."""
    points = [at(2 * math.pi * n / samples) for n in range(samples)]
    path = canvas.beginPath()
    path.moveTo(*points[0])
    for n in range(samples):
        before, here = points[n - 1], points[n]
        there, after = points[(n + 1) % samples], points[(n + 2) % samples]
        path.curveTo(
            here[0] + (there[0] - before[0]) / 6, here[1] + (there[1] - before[1]) / 6,
            there[0] - (after[0] - here[0]) / 6, there[1] - (after[1] - here[1]) / 6,
            *there,
        )  # fmt: skip
    path.close()
    canvas.drawPath(path, stroke=1, fill=0)


def draw_rosette(canvas: Canvas, rosette: Rosette) -> None:
    """Rings of closed waves between two radii, each turned against the last."""
    canvas.setStrokeColor(HexColor(rosette.stroke))
    canvas.setLineWidth(rosette.line_width * MM)
    middle = (rosette.inner + rosette.outer) / 2 * MM
    swing = (rosette.outer - rosette.inner) / 2 * MM
    for ring in range(rosette.rings):
        turn = 2 * math.pi * ring / rosette.rings
        part = 0.55 + 0.45 * math.cos(turn)

        def at(angle: float, turn: float = turn, part: float = part) -> tuple[float, float]:
            radius = middle + swing * (0.62 * math.cos(rosette.petals * angle + turn) + 0.38 * part - 0.19)
            return rosette.x * MM + radius * math.cos(angle), rosette.y * MM + radius * math.sin(angle)

        _closed_curve(canvas, at, rosette.petals * 6)


def draw_border(canvas: Canvas, border: Border) -> None:
    """The frame: ground, rules, a braid of sines along each side, rosettes over the corners."""
    box, band = border.box, border.band
    inner = Box(box.x + band, box.y + band, box.width - 2 * band, box.height - 2 * band)
    canvas.setFillColor(HexColor(border.fill))
    path = canvas.beginPath()
    for edge in (box, inner):
        path.rect(edge.x * MM, edge.y * MM, edge.width * MM, edge.height * MM)
    canvas.drawPath(path, stroke=0, fill=1, fillMode=0)
    _braid(canvas, border)
    for offset, width, colour in (
        (0.0, 0.9, border.stroke), (1.3, 0.25, border.accent),
        (band - 1.3, 0.25, border.accent), (band, 0.5, border.stroke),
    ):  # fmt: skip
        draw_rect(
            canvas,
            Rect(
                Box(box.x + offset, box.y + offset, box.width - 2 * offset, box.height - 2 * offset),
                width, colour, "",
            ),
        )  # fmt: skip
    for x in (box.x + band / 2, box.x + box.width - band / 2):
        for y in (box.y + band / 2, box.y + box.height - band / 2):
            canvas.setFillColor(HexColor(border.fill))
            canvas.circle(x * MM, y * MM, band * 0.78 * MM, stroke=0, fill=1)
            draw_rosette(canvas, Rosette(x, y, band * 0.30, band * 0.78, 12, 8, 0.12, border.stroke))
            draw_rosette(canvas, Rosette(x, y, band * 0.04, band * 0.30, 8, 5, 0.12, border.accent))


def _braid(canvas: Canvas, border: Border) -> None:
    box, band = border.box, border.band
    amplitude = (band / 2 - 1.7) * MM
    canvas.setLineWidth(0.16 * MM)
    sides = (
        (box.x, box.y + band / 2, 0, box.width), (box.x, box.y + box.height - band / 2, 0, box.width),
        (box.x + band / 2, box.y, 90, box.height), (box.x + box.width - band / 2, box.y, 90, box.height),
    )  # fmt: skip
    for x, y, angle, length in sides:
        count = round((length - 2 * band) / border.period)
        period = (length - 2 * band) / count * MM
        canvas.saveState()
        canvas.translate(x * MM, y * MM)
        canvas.rotate(angle)
        for strand in range(border.strands):
            share = 1 - strand / border.strands
            for phase in (0, 2):
                canvas.setStrokeColor(HexColor(border.accent if strand % 2 else border.stroke))
                path = canvas.beginPath()
                _sine(path, band * MM, 0, period, amplitude * share, 4 * count, phase)
                canvas.drawPath(path, stroke=1, fill=0)
                path = canvas.beginPath()
                _sine(path, band * MM, 0, period, amplitude * share, 4 * count, phase + 1)
                canvas.drawPath(path, stroke=1, fill=0)
        canvas.restoreState()
