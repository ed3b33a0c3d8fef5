"""Fonts: found, converted, cached, and never silent about a missing glyph."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.areaPen import AreaPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph as GlyfGlyph

from keys.errors import Kind, VermilionError
from signing.embedded_font import to_unicode
from signing.fonts import Fonts, Weight, build_font, find_sources, packaged_font
from signing.glyphs import FontSource, Glyph, GlyphStore, convert
from tests.signing import printing

TEXT = "食品经营许可证䶮𠮷㛃·A1"


def packaged(weight: float = 400.0) -> FontSource:
    path = packaged_font()
    assert path is not None
    return FontSource(path, 2, {"wght": weight}, serif=False)


@pytest.fixture(scope="module")
def sans(tmp_path_factory: pytest.TempPathFactory) -> Fonts:
    return Fonts.find(tmp_path_factory.mktemp("sans"), regular=packaged(), bold=packaged(700.0))


def serif(folder: Path, *weights: str) -> list[Path]:
    """Lays fonts where Debian's package lays the Song face."""
    paths = [folder / f"NotoSerifCJK-{weight}.ttc" for weight in weights]
    for path in paths:
        path.symlink_to(packaged().path)
    return paths


def test_without_an_installed_font_the_packaged_one_serves_in_two_weights(tmp_path: Path) -> None:
    with printing.installed_in(tmp_path):
        assert find_sources() == (packaged(400.0), packaged(700.0))
        fonts = Fonts.find(tmp_path)
    assert (fonts.regular.source, fonts.bold.source) == (packaged(400.0), packaged(700.0))
    (tmp_path / "NotoSerifCJK-Bold.ttc").touch()  # a bold face alone sets no text
    with printing.installed_in(tmp_path):
        assert find_sources() == (packaged(400.0), packaged(700.0))


def test_the_song_face_is_preferred_where_it_is_installed(tmp_path: Path) -> None:
    regular, bold = serif(tmp_path, "Regular", "Bold")
    with printing.installed_in(tmp_path):
        found = find_sources()
        fonts = Fonts.find(tmp_path)
    assert found == (FontSource(regular, 2, {}, serif=True), FontSource(bold, 2, {}, serif=True))
    assert (fonts.regular.source, fonts.bold.source) == found


def test_a_song_face_in_one_weight_serves_for_both(tmp_path: Path) -> None:
    (regular,) = serif(tmp_path, "Regular")
    with printing.installed_in(tmp_path):
        assert find_sources() == (FontSource(regular, 2, {}, serif=True),) * 2


def test_a_font_that_is_given_is_taken_before_any_other(tmp_path: Path) -> None:
    serif(tmp_path, "Regular", "Bold")
    with printing.installed_in(tmp_path):
        one = Fonts.find(tmp_path, regular=packaged(500.0))
    assert (one.regular.source, one.bold.source) == (packaged(500.0), packaged(500.0))


def test_without_any_font_there_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signing.fonts._PACKAGED", "no-such-font.ttc")
    with printing.installed_in(tmp_path), pytest.raises(VermilionError) as caught:
        Fonts.find(tmp_path)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "no_font")


def test_documents_are_drawn_with_the_fonts_of_their_source() -> None:
    packaged_ones = printing.fonts("packaged")
    assert packaged_ones.regular.source.path == packaged_ones.bold.source.path == packaged_font()
    installed = printing.fonts("installed")
    assert {store.source.path.name for store in (installed.regular, installed.bold)} == {
        "NotoSerifCJK-Regular.ttc", "NotoSerifCJK-Bold.ttc",
    }  # fmt: skip


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


def true_type(source: FontSource, chars: str, composite: str, path: Path, units: int) -> FontSource:
    """A TrueType font of these glyphs with so many units an em, the last as a composite of the first."""
    original = source.open()
    glyph_set, cmap = original.getGlyphSet(location=source.location), original.getBestCmap()
    scale = units / original["head"].unitsPerEm
    names = {char: f"u{ord(char):04X}" for char in chars}
    glyphs = {".notdef": TTGlyphPen(None).glyph()}
    glyphs |= {names[char]: convert(glyph_set, cmap[ord(char)], scale=scale, reverse=True) for char in chars}
    pen = TTGlyphPen(glyphs)
    pen.addComponent(names[chars[0]], (0.5, 0, 0, 0.5, 100 * scale, 0))
    glyphs["composite"] = pen.glyph()
    builder = FontBuilder(units, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap(
        {ord(char): name for char, name in names.items()} | {ord(composite): "composite"}
    )
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(
        {name: (units, getattr(builder.font["glyf"][name], "xMin", 0)) for name in glyphs}
    )
    builder.setupHorizontalHeader(ascent=units, descent=0)
    builder.setupPost()
    builder.font.save(path)
    return FontSource(path, 0, {}, serif=False)


def pictured(glyph: Glyph) -> tuple[float, tuple[int, ...]]:
    """The area, positive as TrueType turns, and the box of an outline."""
    outline = GlyfGlyph(glyph.outline)
    outline.expand(None)
    pen = AreaPen(None)
    outline.draw(pen, None)
    return -pen.value, (outline.xMin, outline.yMin, outline.xMax, outline.yMax)


@pytest.mark.parametrize("units", [512, 1000, 2048])
def test_outlines_come_out_of_a_true_type_font_of_any_em_size(
    sans: Fonts, tmp_path: Path, units: int
) -> None:
    """Scaled to our 1000 units, turned as they were, and composites as the outlines that they show."""
    source = true_type(packaged(), "食证䶮A", "©", tmp_path / "other.ttf", units)
    assert TTFont(source.path)["head"].unitsPerEm == units
    store = GlyphStore(source, tmp_path / "cache")
    coarse = 1000 / units + 1
    for char in "食证䶮A":
        found = store.get(char)
        assert found.advance == 1000
        (area, box), (wanted, wanted_box) = pictured(found), pictured(sans.regular.get(char))
        assert area == pytest.approx(wanted, rel=0.02)
        assert box == pytest.approx(wanted_box, abs=coarse)
        assert found.left == box[0]
    whole, half = (pictured(store.get(char)) for char in "食©")
    assert half[0] == pytest.approx(whole[0] / 4, rel=0.05)
    assert half[1][0] == pytest.approx(whole[1][0] / 2 + 100, abs=coarse)
    program = TTFont(io.BytesIO(build_font(store, "食证©", "Test")))
    assert program["head"].unitsPerEm == 1000
    assert all(program["glyf"][name].numberOfContours > 0 for name in program.getBestCmap().values())


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


def test_fonts_faces_and_weights_have_caches_of_their_own(tmp_path: Path) -> None:
    other = tmp_path / "other.otf"
    other.write_bytes(b"another font")
    sources = [
        packaged(400.0),
        packaged(700.0),
        replace(packaged(400.0), number=3),
        FontSource(other, 2, {"wght": 400.0}, serif=False),
    ]
    assert len({source.cache_key for source in sources}) == len(sources)
    copy = tmp_path / "copy.ttc"
    copy.symlink_to(packaged().path)
    assert (
        replace(packaged(), path=copy).cache_key == packaged().cache_key
    )  # the place of a font decides nothing


def test_a_cache_that_cannot_be_written_costs_no_licence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert GlyphStore(packaged(), blocked).get("证").outline


def test_characters_beyond_the_basic_plane_map_to_utf_16() -> None:
    cmap = to_unicode("Test", [0, 0x4DAE, 0x20BB7, 0x20])
    assert "<01> <4DAE>" in cmap
    assert "<02> <D842DFB7>" in cmap
    assert "<00> <0000>" not in cmap
