"""Contrast as WCAG 2.2 AA asks: 4.5:1 for text, 3:1 for shapes and borders, in light and dark."""

from __future__ import annotations

import re

import pytest

from verify_web.assets import STATIC

CSS = STATIC["site.css"].data.decode()
COLOUR = re.compile(r"--([a-z-]+): (#[0-9a-f]{3,6})")
TONES = ("good", "note", "warn", "bad", "unsure")


def themes() -> dict[str, dict[str, str]]:
    light, dark = (
        dict(COLOUR.findall(block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[:2]
    )
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    channels = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_the_measure_itself() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_shapes(theme: str) -> None:
    colours = themes()[theme]
    text = [(ink, ground) for ink in ("ink", "soft", "seal-ink") for ground in ("paper", "card")]
    text += [(tone, f"{tone}-bg") for tone in TONES] + [("ink", f"{tone}-bg") for tone in TONES]
    text += [(tone, "paper") for tone in ("good", "bad")] + [("bad", "card")]
    for ink, ground in text:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["seal"], "#fff") >= 4.5
    shapes = [("edge", "card"), ("edge", "paper"), ("seal", "paper"), ("note", "paper")]
    shapes += [(tone, "on") for tone in TONES] + [(tone, "paper") for tone in TONES]
    for ink, ground in shapes:
        assert contrast(colours[ink], colours[ground]) >= 3, (ink, ground)


def test_every_tone_has_its_own_shape() -> None:
    for tone in TONES:
        assert f'[data-tone="{tone}"] .s-{tone}' in CSS
