"""Fonts: found, converted, cached, and never silent about a missing glyph."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fontTools.pens.areaPen import AreaPen
from fontTools.ttLib import TTFont

from keys.errors import VermilionError
from signing.embedded_font import to_unicode
from signing.fonts import Fonts, Weight, build_font, packaged_font
from signing.glyphs import FontSource, GlyphStore
from tests.signing import printing

TEXT = "食品经营许可证䶮𠮷㛃·A1"


def packaged(weight: float = 400.0) -> FontSource:
    path = packaged_font()
    assert path is not None
    return FontSource(path, 2, {"wght": weight}, serif=False)


@pytest.fixture(scope="module")
def sans(tmp_path_factory: pytest.TempPathFactory) -> Fonts:
    return Fonts.find(tmp_path_factory.mktemp("sans"), regular=packaged(), bold=packaged(700.0))


def test_the_packaged_font_needs_no_installation_and_has_the_rare_characters(sans: Fonts) -> None:
    sans.require(TEXT)
    assert sans.width("食品", Weight.REGULAR) == 2.0
    assert sans.regular.get("证").outline != sans.bold.get("证").outline


def test_a_conversion_keeps_the_shape(sans: Fonts) -> None:
    """The area within the quadratic outline is that within the original cubic one."""
    original = sans.regular.source.open()
    glyphs = original.getGlyphSet(location={"wght": 400.0})
    program = TTFont(io.BytesIO(build_font(sans.regular, TEXT, "Test")))
    for char in TEXT:
        areas = []
        for glyph_set, font in ((glyphs, original), (program.getGlyphSet(), program)):
            pen = AreaPen(glyph_set)
            glyph_set[font.getBestCmap()[ord(char)]].draw(pen)
            areas.append(abs(pen.value))
        assert areas[0] == pytest.approx(areas[1], rel=0.01)


def test_a_built_font_is_the_same_each_time_and_glyph_0_is_empty(sans: Fonts) -> None:
    data = build_font(sans.regular, TEXT, "Test")
    assert build_font(sans.regular, reversed(TEXT), "Test") == data
    font = TTFont(io.BytesIO(data))
    assert {chr(point) for point in font.getBestCmap()} == set(TEXT)
    assert font["glyf"][".notdef"].numberOfContours == 0
    assert 0 not in [font.getGlyphID(name) for name in font.getBestCmap().values()]


def test_a_missing_glyph_is_named(sans: Fonts) -> None:
    with pytest.raises(VermilionError) as caught:
        sans.require("样\U000323af")
    assert caught.value.reason == "glyph_missing"
    assert "U+323AF" in caught.value.detail
    assert not sans.regular.covers("\U000323af")
    with pytest.raises(VermilionError):
        sans.require("\u0000")


def test_a_cached_glyph_is_read_and_a_damaged_one_made_again(tmp_path: Path) -> None:
    source = packaged()
    glyph = GlyphStore(source, tmp_path).get("䶮")
    (entry,) = tmp_path.rglob("*.glyph")
    good = entry.read_bytes()
    reader = GlyphStore(source, tmp_path)
    assert reader.get("䶮") == glyph
    assert "_font" not in vars(reader)  # the font itself was not opened
    for bad in (b"", good[:-1], good[:60] + bytes([good[60] ^ 1]) + good[61:], b"x" * len(good)):
        entry.write_bytes(bad)
        assert GlyphStore(source, tmp_path).get("䶮") == glyph
        assert entry.read_bytes() == good
    other = tmp_path / source.cache_key / f"{ord('证'):06X}.glyph"
    other.write_bytes(good)  # an entry of another character does not serve
    assert GlyphStore(source, tmp_path).get("证") != glyph
    assert not list(tmp_path.rglob(".new-*"))


def test_fonts_and_weights_have_caches_of_their_own() -> None:
    keys = {packaged(400.0).cache_key, packaged(700.0).cache_key, printing.fonts().regular.source.cache_key}
    assert len(keys) >= 2
    assert packaged(400.0).cache_key != packaged(700.0).cache_key


def test_a_cache_that_cannot_be_written_costs_no_licence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert GlyphStore(packaged(), blocked).get("证").outline


def test_characters_beyond_the_basic_plane_map_to_utf_16() -> None:
    cmap = to_unicode("Test", [0, 0x4DAE, 0x20BB7, 0x20])
    assert "<01> <4DAE>" in cmap
    assert "<02> <D842DFB7>" in cmap
    assert "<00> <0000>" not in cmap
