"""The TrueType font of one document's values: just its glyphs, put together from cached outlines.

An embedded CIDFontType2 needs no more than `head`, `hhea`, `maxp`, `hmtx`, `loca` and `glyf` (ISO 32000-1,
9.9): no names, no character map, no hints. Both weights stand in one font, because a glyph is named by its
number and not by its character. What does not change from document to document is prepared once a glyph.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

from keys.errors import VermilionError
from signing.fonts import ASCENT, DESCENT, Fonts, Weight
from signing.glyphs import UNITS_PER_EM, Glyph, GlyphStore

BOX = (-1000, -1000, 3000, 2000)
"""What no glyph leaves, in font units: xMin, yMin, xMax, yMax."""

_SFNT = 0x00010000
_MAGIC = 0x5F0F3CF5
_SINCE_1904 = 2082844800  # 1970: no moment in a font that belongs to nobody
_WHOLE = 0xB1B0AFBA  # what the checksum of a whole font is made to be
_WORD = 0xFFFFFFFF
_HEAD = struct.Struct(">IIIIHHqqhhhhHHhhh")
_HHEA = struct.Struct(">IhhhHhhhhhhhhhhhH")
_MAXP = struct.Struct(">IHHHHHHHHHHHHHH")
_TABLES = (b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp")  # in the directory's order
_DIRECTORY = struct.Struct(">4sIII")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A glyph as the tables want it."""

    data: bytes  # its `glyf` entry, padded to whole words
    size: int
    checksum: int
    advance: int
    metrics: bytes  # its `hmtx` entry
    points: int
    contours: int


def _prepare(glyph: Glyph) -> _Prepared:
    data = glyph.outline + bytes(-len(glyph.outline) % 4)
    contours = points = 0
    if data:
        (contours,) = struct.unpack_from(">h", data)
        (last,) = struct.unpack_from(">H", data, 10 + 2 * (contours - 1))
        points = last + 1
    metrics = struct.pack(">Hh", glyph.advance, glyph.left)
    return _Prepared(data, len(data), _checksum(data), glyph.advance, metrics, points, contours)


def _checksum(table: bytes) -> int:
    """Of a table padded to whole words."""
    words: tuple[int, ...] = struct.unpack(f">{len(table) // 4}I", table)
    return sum(words) & _WORD


_NOTDEF = _prepare(Glyph(UNITS_PER_EM, 0, b""))


class GlyphSet:
    """Prepared glyphs of a family, by character and weight; kept for the life of the process."""

    def __init__(self, fonts: Fonts) -> None:
        self.fonts = fonts
        self._known: dict[tuple[Weight, str], _Prepared] = {}

    def get(self, weight: Weight, char: str) -> _Prepared:
        """Raises VermilionError(INVALID, reason="glyph_missing")."""
        key = weight, char
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _prepare(self.fonts.store(weight).get(char))
        return found

    def covers(self, weight: Weight, char: str) -> bool:
        """Whether the family has the character in that weight. One that was drawn before is known without
        opening the font, which costs 50 MB.
        """
        try:
            self.get(weight, char)
        except VermilionError as error:
            if error.reason != "glyph_missing":
                raise
            return False
        return True

    def store(self, weight: Weight) -> GlyphStore:
        return self.fonts.store(weight)


def build_value_font(glyphs: Sequence[_Prepared]) -> bytes:
    """A TrueType font in which these are glyphs 1, 2, …; glyph 0 is empty."""
    every = [_NOTDEF, *glyphs]
    count = len(every)
    offsets = [0]
    for glyph in every:
        offsets.append(offsets[-1] + glyph.size)
    glyf = b"".join([glyph.data for glyph in every]) or bytes(4)
    hmtx = b"".join([glyph.metrics for glyph in every])
    loca = struct.pack(f">{count + 1}I", *offsets)
    maxp = _maxp(count, max(map(attrgetter("points"), every)), max(map(attrgetter("contours"), every)))
    head, hhea = _head(0), _hhea(count)
    tables = (glyf, head, hhea, hmtx, loca, maxp)
    sums = (
        sum(map(attrgetter("checksum"), every)) & _WORD,
        *map(_checksum, (head, hhea, hmtx, loca, maxp)),
    )
    directory = _font_head(len(_TABLES))
    at = len(directory) + _DIRECTORY.size * len(_TABLES)
    for tag, table, checksum in zip(_TABLES, tables, sums, strict=True):
        directory += _DIRECTORY.pack(tag, checksum, at, _HEAD.size if tag == b"head" else len(table))
        at += len(table)
    whole = (sum(sums) + _checksum(directory)) & _WORD
    return b"".join((directory, glyf, _head(_WHOLE - whole & _WORD), hhea, hmtx, loca, maxp))


@lru_cache(maxsize=4)
def _font_head(tables: int) -> bytes:
    power = tables.bit_length() - 1
    return struct.pack(">IHHHH", _SFNT, tables, 16 << power, power, 16 * tables - (16 << power))


def _head(adjustment: int) -> bytes:
    # Long offsets; padded to whole words.
    return (
        _HEAD.pack(
            0x00010000, 0x00010000, adjustment, _MAGIC, 0x0009, UNITS_PER_EM, _SINCE_1904, _SINCE_1904,
            *BOX, 0, 8, 2, 1, 0,
        )
        + b"\0\0"
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _hhea(count: int) -> bytes:
    return _HHEA.pack(0x00010000, ASCENT, DESCENT, 0, 4000, -1000, -1000, 3000, 1, *[0] * 7, count)


def _maxp(count: int, points: int, contours: int) -> bytes:
    return _MAXP.pack(0x00010000, count, points, contours, 0, 0, 2, *[0] * 8)
