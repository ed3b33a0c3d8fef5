"""Portraits of nobody: simple drawn faces, the same picture for the same number."""

from __future__ import annotations

import io
from functools import cache

from PIL import Image, ImageDraw

_WIDTH, _HEIGHT = 358, 441  # 1 inch photo at 350 dpi
_SCALE = 3  # drawn larger and reduced, for smooth edges

_HAIR = ("#1d1a19", "#2b211c", "#33261f", "#171717")
_SKIN = ("#f1cfb3", "#e9c3a3", "#f4d7bf", "#e3ba98")
_COAT = ("#27364f", "#3b3f46", "#5a2e3b", "#2f4a43", "#4b3b5f", "#20303a")
_LONG_HAIR = {1, 2, 5}


@cache
def portrait(number: int) -> bytes:
    """A portrait as JPEG, 358 x 441 pixels on the white-blue ground of a licence photo."""
    image = Image.new("RGB", (_WIDTH * _SCALE, _HEIGHT * _SCALE), "#dfe9f2")
    draw = ImageDraw.Draw(image)
    hair, skin, coat = (choices[number % len(choices)] for choices in (_HAIR, _SKIN, _COAT))
    mid = _WIDTH / 2

    def ellipse(x: float, y: float, w: float, h: float, fill: str) -> None:
        draw.ellipse(_box(x - w, y - h, x + w, y + h), fill=fill)

    def polygon(fill: str, *points: tuple[float, float]) -> None:
        draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=fill)

    if number in _LONG_HAIR:
        ellipse(mid, 190, 104, 128, hair)
        polygon(hair, (mid - 104, 190), (mid + 104, 190), (mid + 92, 330), (mid - 92, 330))
    ellipse(mid, 452, 168, 120, coat)
    polygon(skin, (mid - 38, 280), (mid + 38, 280), (mid + 46, 352), (mid - 46, 352))
    collar = (mid - 62, 338), (mid, 420), (mid + 62, 338), (mid + 38, 330), (mid, 372), (mid - 38, 330)
    polygon("#f7f8fa", *collar)
    ellipse(mid, 270, 42, 44, skin)
    for side in (-1, 1):
        ellipse(mid + side * 88, 206, 14, 24, skin)
    ellipse(mid, 122, 92, 76, hair)
    ellipse(mid, 205, 84, 104, skin)
    fringe = 128 + 6 * (number % 3)
    sides = (mid - 86, 168), (mid - 66, 100), (mid + 66, 100), (mid + 86, 168)
    polygon(hair, *sides, (mid + 54, fringe), (mid - 30, fringe + 12))
    for side in (-1, 1):
        eye = mid + side * 35
        ellipse(eye, 208, 13, 7, "#ffffff")
        ellipse(eye, 208, 7, 7, "#2a1f1a")
        draw.arc(_box(eye - 19, 182, eye + 19, 206), 200, 340, fill=hair, width=5 * _SCALE)
        if number % 3 == 0:
            draw.ellipse(_box(eye - 26, 188, eye + 26, 230), outline="#3a3a3a", width=3 * _SCALE)
    nose = [(x * _SCALE, y * _SCALE) for x, y in ((mid, 216), (mid - 7, 246), (mid + 5, 249))]
    draw.line(nose, fill="#c79a7c", width=3 * _SCALE)
    draw.arc(_box(mid - 27, 248, mid + 27, 280), 25, 155, fill="#b0605a", width=5 * _SCALE)
    buffer = io.BytesIO()
    image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    return left * _SCALE, top * _SCALE, right * _SCALE, bottom * _SCALE
