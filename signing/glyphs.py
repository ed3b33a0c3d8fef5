"""TrueType outlines of single characters, converted from any font and cached on disk.

Real fonts for Chinese hold 65,000 glyphs, as CFF or variable CFF2, which PDF libraries do not embed. One
glyph is drawn by fontTools, turned from cubic to quadratic curves, and kept in a file of its own. The key
of the cache holds the digest of the font and all parameters of the conversion; each entry holds a digest of
itself, and one that does not match is made again.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph as GlyfGlyph

from keys.errors import Kind, VermilionError

UNITS_PER_EM = 1000

MAX_ERROR = 1.0
"""Largest distance between a cubic curve and its quadratic form, in font units (of 1000 an em)."""

_FORMAT = b"vermilion-glyph-1\n"
_METRICS = struct.Struct(">Hh")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character: advance and left side bearing in font units, outline as a `glyf` entry or empty."""

    advance: int
    left: int
    outline: bytes


@dataclass(frozen=True)
class FontSource:
    """A font file: `number` within a collection, `location` on the axes of a variable font."""

    path: Path
    number: int
    location: Mapping[str, float]
    serif: bool

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def cache_key(self) -> str:
        """Names all that decides an outline."""
        parts = [self.digest, str(self.number), str(MAX_ERROR), _FORMAT.decode()]
        parts += [f"{axis}={value}" for axis, value in sorted(self.location.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def open(self) -> TTFont:
        """Open with fontTools; tables are read when needed, from a mapping that needs no closing."""
        with self.path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return TTFont(mapped, fontNumber=self.number, lazy=True)


class _OpenFont:
    """A font that is being read: some 60 MB, so one a process, whoever draws from it."""

    def __init__(self, source: FontSource) -> None:
        self.lock = threading.Lock()  # fontTools reads a font lazily and is not made for threads
        self.font = source.open()
        self.cmap: dict[int, str] = self.font.getBestCmap()
        for tag in ("cmap", "vmtx"):  # the other ways to map, and the metrics of vertical setting: 20 MB
            if tag in self.font:
                del self.font[tag]
        location = dict(source.location) if "fvar" in self.font else None
        self.glyph_set: Any = self.font.getGlyphSet(location=location)


_open_fonts: dict[str, _OpenFont] = {}
_opening = threading.Lock()


def _open(source: FontSource) -> _OpenFont:
    with _opening:
        if source.cache_key not in _open_fonts:
            _open_fonts[source.cache_key] = _OpenFont(source)
        return _open_fonts[source.cache_key]


class GlyphStore:
    """Glyphs of one font source by character, through memory, the disk cache and the font itself."""

    def __init__(self, source: FontSource, cache_dir: Path) -> None:
        self.source = source
        self.cache_dir = cache_dir
        self._folder = cache_dir / source.cache_key
        self._known: dict[str, Glyph] = {}

    def advances(self, text: str) -> list[int]:
        """The set widths of a text's characters, in units. Raises VermilionError as `get` does."""
        known = self._known
        try:
            return [known[char].advance for char in text]
        except KeyError:
            return [self.get(char).advance for char in text]

    def knows(self, text: str) -> bool:
        """Whether every character's glyph was read in this process."""
        return self._known.keys() >= set(text)

    def get(self, char: str) -> Glyph:
        """The glyph of a character.

        Raises VermilionError(INVALID, reason="glyph_missing") naming the character when the font has none.
        """
        glyph = self._known.get(char)
        if glyph is None:
            glyph = self._read(char)
            if glyph is None:
                opened = _open(self.source)
                with opened.lock:
                    glyph = self._convert(opened, char)
                self._write(char, glyph)
            self._known[char] = glyph
        return glyph

    def covers(self, char: str) -> bool:
        """Whether the font has a glyph for the character."""
        return char in self._known or ord(char) in _open(self.source).cmap

    def _file(self, char: str) -> Path:
        return self._folder / f"{ord(char):06X}.glyph"

    def _read(self, char: str) -> Glyph | None:
        try:
            data = self._file(char).read_bytes()
        except OSError:
            return None
        head = len(_FORMAT) + 32
        body = data[head:]
        if data[:head] != _FORMAT + self._check(char, body) or len(body) < _METRICS.size:
            return None  # torn or altered: made again
        advance, left = _METRICS.unpack_from(body)
        return Glyph(advance, left, body[_METRICS.size :])

    def _check(self, char: str, body: bytes) -> bytes:
        return hashlib.sha256(f"{self.source.cache_key}/{ord(char):X}/".encode() + body).digest()

    def _write(self, char: str, glyph: Glyph) -> None:
        body = _METRICS.pack(glyph.advance, glyph.left) + glyph.outline
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_FORMAT + self._check(char, body) + body)
                Path(name).replace(self._file(char))
            except OSError:
                Path(name).unlink(missing_ok=True)
        except OSError:
            return  # a cache that cannot be written costs time, never a licence

    def _convert(self, opened: _OpenFont, char: str) -> Glyph:
        font, glyph_set = opened.font, opened.glyph_set
        name = opened.cmap.get(ord(char))
        if name is None or font.getGlyphID(name) == 0:
            raise VermilionError(
                Kind.INVALID, f"the font has no glyph for {char} (U+{ord(char):04X})", reason="glyph_missing"
            )
        scale = UNITS_PER_EM / font["head"].unitsPerEm
        outline = convert(glyph_set, name, scale=scale, reverse="glyf" not in font)
        advance = round(glyph_set[name].width * scale)
        data: bytes = outline.compile(None) if outline.numberOfContours else b""
        return Glyph(advance, getattr(outline, "xMin", 0) if data else 0, data)


def convert(glyph_set: Any, name: str, *, scale: float = 1.0, reverse: bool) -> GlyfGlyph:
    """Draw one glyph as quadratic curves; `reverse` turns PostScript's direction into TrueType's."""
    recording = DecomposingRecordingPen(glyph_set)
    glyph_set[name].draw(recording)
    pen = TTGlyphPen(None)
    to_quadratic = Cu2QuPen(pen, MAX_ERROR, reverse_direction=reverse)
    recording.replay(to_quadratic if scale == 1.0 else TransformPen(to_quadratic, (scale, 0, 0, scale, 0, 0)))
    return pen.glyph()
