"""Finding fonts, and making of them the small TrueType fonts that a document embeds."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph as GlyfGlyph

from keys.errors import Kind, VermilionError
from signing.glyphs import UNITS_PER_EM, FontSource, Glyph, GlyphStore

ASCENT, DESCENT = 880, -120

_INSTALLED = Path("/usr/share/fonts/opentype/noto")
_PACKAGED = "NotoSansCJK-VF.otf.ttc"
_SC = 2  # the face for simplified Chinese in the Noto CJK collections


class Weight(StrEnum):
    REGULAR = "regular"
    BOLD = "bold"


@dataclass(frozen=True)
class Fonts:
    """The fonts of a face: one family in two weights, glyphs by character."""

    regular: GlyphStore
    bold: GlyphStore

    @classmethod
    def find(
        cls, cache_dir: Path, *, regular: FontSource | None = None, bold: FontSource | None = None
    ) -> Fonts:
        """The given sources; else the installed Song face (Noto Serif CJK), which real licences are set in;
        else the packaged Noto Sans CJK. `bold` falls back to `regular` where only that is given.

        Raises VermilionError(UNAVAILABLE) when there is no font at all.
        """
        if regular is None:
            found = find_sources()
            regular, bold = found[0], bold or found[1]
        return cls(GlyphStore(regular, cache_dir), GlyphStore(bold or regular, cache_dir))

    def store(self, weight: Weight) -> GlyphStore:
        return self.bold if weight is Weight.BOLD else self.regular

    def width(self, text: str, weight: Weight) -> float:
        """The set width of a text in ems. Raises VermilionError(INVALID) for a missing glyph."""
        return sum(self.store(weight).advances(text)) / UNITS_PER_EM

    def knows(self, text: str) -> bool:
        """Whether every character was drawn in this process, in both weights."""
        return self.regular.knows(text) and self.bold.knows(text)

    def require(self, text: str) -> None:
        """Raises VermilionError(INVALID, reason="glyph_missing") for the first character not covered."""
        if not self.knows(text):
            for char in text:
                self.regular.get(char)
                self.bold.get(char)


def find_sources() -> tuple[FontSource, FontSource]:
    """The regular and the bold source used where none is given."""
    installed = [_INSTALLED / f"NotoSerifCJK-{weight}.ttc" for weight in ("Regular", "Bold")]
    if installed[0].is_file():
        regular = FontSource(installed[0], _SC, {}, serif=True)
        return regular, FontSource(installed[1], _SC, {}, serif=True) if installed[1].is_file() else regular
    packaged = packaged_font()
    if packaged is None:
        raise VermilionError(Kind.UNAVAILABLE, "no font for Chinese is installed", reason="no_font")
    return (
        FontSource(packaged, _SC, {"wght": 400.0}, serif=False),
        FontSource(packaged, _SC, {"wght": 700.0}, serif=False),
    )


def packaged_font() -> Path | None:
    """The font file of the package manimgx-fonts-cjk (OFL), located without running the package."""
    spec = find_spec("manimgx_fonts_cjk")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / _PACKAGED
    return path if path.is_file() else None


def build_font(store: GlyphStore, chars: Iterable[str], name: str) -> bytes:
    """A TrueType font of just these characters, the same bytes for the same ones.

    Glyph 0 stays empty and no character maps to it. Raises VermilionError(INVALID) for a missing glyph.
    """
    wanted = sorted(set(chars))
    glyphs: dict[str, Glyph] = {".notdef": Glyph(UNITS_PER_EM, 0, b"")}
    glyphs |= {f"u{ord(char):04X}": store.get(char) for char in wanted}
    builder = FontBuilder(UNITS_PER_EM, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(char): f"u{ord(char):04X}" for char in wanted})
    builder.setupGlyf({key: _outline(glyph) for key, glyph in glyphs.items()})
    builder.setupHorizontalMetrics({key: (glyph.advance, glyph.left) for key, glyph in glyphs.items()})
    builder.setupHorizontalHeader(ascent=ASCENT, descent=DESCENT)
    builder.setupOS2(
        sTypoAscender=ASCENT, sTypoDescender=DESCENT, usWinAscent=ASCENT, usWinDescent=-DESCENT, fsType=0
    )
    builder.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name})
    builder.setupPost(keepGlyphNames=False)
    font: TTFont = builder.font
    font["head"].created = font["head"].modified = 2082844800  # 1970, in seconds since 1904
    font.recalcTimestamp = False
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def _outline(glyph: Glyph) -> GlyfGlyph:
    outline = GlyfGlyph(glyph.outline)
    outline.expand(None)
    return outline
