"""The part of a licence's file that is its own, written behind a prefix (`signing.prefix`).

Values, QR code, photo, the font of its rarer characters, the printed record, the metadata, the signature
dictionary with room for the seal, cross-reference table and trailer. Nothing is compressed here: what is
stored is, once, and a reader's time is not ours to spend. The same input gives the same bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from xml.sax.saxutils import escape

from keys.errors import Kind, VermilionError
from keys.suite import SUITES
from signing import cms
from signing.annotation_drawing import SOURCE, Watermark, text_of, watermark_text, watermarks
from signing.document import SealMaterial
from signing.draw import printed_photo, printed_values, title_of
from signing.face import Box, ValueBox
from signing.fonts import Weight
from signing.laid_out import RESERVED_BYTES, LaidOut
from signing.pdf_objects import number
from signing.photo import jpeg_size
from signing.prefix import COMMON, OWN, Prefix, colour, to_unicode
from signing.qr_symbol import make_symbol, path, placed
from signing.record import Printout, printout_to_json
from signing.revision import text_string
from signing.text_layout import MM, fit, place_lines, place_picture
from signing.value_font import build_value_font

_ENTRY = 20  # bytes of a cross-reference entry
_CERTIFIES = {
    permission: (
        b"/Reference[<</Type/SigRef/TransformMethod/DocMDP"
        b"/TransformParams<</Type/TransformParams/V/1.2/P %d>>>>]" % permission
    )
    for permission in (1, 2)
}


@dataclass(frozen=True, slots=True)
class Tail:
    """A tail with room for a seal. Offsets count from the beginning of the file, prefix included."""

    data: bytes
    start: int  # of the CMS's hex string, delimiters included
    end: int


def lay_out(
    prefix: Prefix, printout: Printout, *, material: SealMaterial, at: datetime, reason_text: str
) -> LaidOut:
    """Draw a licence: the whole file with room for its seal. `at` (aware) is written as /M, to the second;
    `reason_text` is the signature's /Reason.

    Raises VermilionError(INVALID) with reason `glyph_missing`, `overflow` or `qr_too_large` when it cannot
    be printed faithfully, `bad_photo` when the photo is not the one of the record.
    """
    moment = at.astimezone(UTC).replace(microsecond=0)
    tail = write_tail(prefix, printout, moment=moment, reason_text=reason_text)
    suite = SUITES[material.key.suite]
    state = prefix.state(suite.digest_name).copy()
    before = len(prefix.data)
    view = memoryview(tail.data)
    state.update(view[: tail.start - before])
    state.update(view[tail.end - before :])
    attributes = cms.signed_attributes(state.digest(), material.certificate, suite)
    return LaidOut(
        prefix.data, tail.data, tail.start, tail.end, moment, material, attributes, prefix.validation
    )


def write_tail(prefix: Prefix, printout: Printout, *, moment: datetime, reason_text: str) -> Tail:
    """The tail alone. Raises VermilionError as `lay_out`."""
    return _Writer(prefix, printout).write(moment, reason_text)


class _Writer:
    def __init__(self, prefix: Prefix, printout: Printout) -> None:
        self.prefix, self.base, self.printout = prefix, prefix.base, printout
        self.face, self.type = self.base.face, self.base.licence_type
        self.own: dict[tuple[Weight, str], int] = {}  # glyph numbers in the licence's own font
        self.data = bytearray()
        self.offsets: list[int] = []

    def write(self, moment: datetime, reason_text: str) -> Tail:
        printout, record = self.printout, self.printout.record
        photo = printed_photo(printout, self.type, self.face)
        base, copy = self.base, record.copy
        wanted = photo is not None, record.specimen, copy is not None
        if wanted != (base.photo, base.specimen, base.copied):
            raise VermilionError(Kind.INVALID, "the prefix is of other licences", reason="other_prefix")
        texts = printed_values(printout, self.type)
        if copy is not None:
            texts[SOURCE] = text_of(copy)
        self.watermark = "" if copy is None else watermark_text(copy)
        symbol = make_symbol(printout.link, printout.credential)
        self.dark = path(symbol)
        self.side = symbol.size
        self.photo_size = (1, 1) if photo is None else jpeg_size(photo)
        for page in range(len(self.face.pages)):
            self._stream(b"", b"".join(self._content(page, texts)))
        glyphs = [self.base.glyphs.get(*key) for key in self.own]
        font = build_value_font(glyphs)
        self._stream(b"/Length1 %d" % len(font), font)
        advances = b" ".join([b"%d" % glyph.advance for glyph in glyphs])
        self._object(b"[1[%s]]" % advances)
        self._stream(b"", to_unicode(char for _, char in self.own))
        attached = printout_to_json(printout)
        self._stream(
            b"/Type/EmbeddedFile/Subtype/application#2Fjson/Params<</ModDate(D:%s)/Size %d>>"
            % (record.issue_date.strftime("%Y%m%d").encode("ascii"), len(attached)),
            attached,
        )
        title = title_of(self.type, record)
        self._stream(b"/Type/Metadata/Subtype/XML", _metadata(title))
        if photo is not None:
            self._stream(
                b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8"
                b"/Filter/DCTDecode" % self.photo_size,
                photo,
            )
        return self._finish(moment, reason_text, sha256(attached).digest()[:16])

    # Objects

    def _begin(self) -> None:
        self.offsets.append(len(self.prefix.data) + len(self.data))
        self.data += b"%d 0 obj\n" % (len(self.base.table) // _ENTRY - 1 + len(self.offsets))

    def _object(self, value: bytes) -> None:
        self._begin()
        self.data += value + b"\nendobj\n"

    def _stream(self, entries: bytes, content: bytes) -> None:
        self._begin()
        self.data += b"<<%s/Length %d>>\nstream\n" % (entries, len(content))
        self.data += content
        self.data += b"\nendstream\nendobj\n"

    def _finish(self, moment: datetime, reason_text: str, identity: bytes) -> Tail:
        """The signature dictionary, the table and the trailer; then the range that the signature covers."""
        data, start = self.data, len(self.prefix.data)
        self._begin()
        data += (
            b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/M(D:%sZ)/Reason%s%s/Contents"
            % (
                moment.strftime("%Y%m%d%H%M%S").encode("ascii"),
                text_string(reason_text),
                _CERTIFIES[1 if self.face.seal_count == 1 else 2],
            )
        )
        gap = start + len(data)
        data += b"<%s>" % (b"00" * RESERVED_BYTES)
        end = start + len(data)
        own = b"".join([b"%010d 00000 n \n" % offset for offset in self.offsets])
        table = self.base.table + own + self.prefix.table
        count, name = len(table) // _ENTRY, identity.hex().encode("ascii")
        trailer = b"trailer\n<</ID[<%s><%s>]/Root 1 0 R/Size %d>>\nstartxref\n" % (name, name, count)
        covered, rest = 0, b""
        while len(rest) != covered or not rest:  # the range counts its own digits
            covered = len(rest)
            byte_range = b"/ByteRange[0 %d %d %d]>>\nendobj\n" % (gap, end, covered)
            rest = b"%sxref\n0 %d\n%s%s%d\n%%%%EOF\n" % (
                byte_range, count, table, trailer, end + len(byte_range)
            )  # fmt: skip
        data += rest
        return Tail(bytes(data), gap, end)

    # Pages

    def _content(self, page: int, texts: dict[str, str]) -> Iterator[bytes]:
        if self.watermark:  # under the values: what is read and scanned stands clear of it
            yield b"/Artifact BMC\n"
            for one in watermarks(self.face.pages[page], page):
                yield self._across(one)
            yield b"EMC\n"
        mark = 0
        for part in self.base.parts[page]:
            if isinstance(part, ValueBox):
                yield b"/Span<</MCID %d>>BDC\nEMC\n/P<</MCID %d>>BDC\n" % (mark, mark + 1)
                if text := texts.get(part.source):
                    yield self._text(part, text)
                mark += 2
            else:
                what, box = part
                yield b"/Figure<</MCID %d>>BDC\n" % mark
                yield self._qr(box) if what == "qr" else self._photo(box)
                mark += 1
            yield b"EMC\n"

    def _across(self, mark: Watermark) -> bytes:
        cos, sin = (f(math.radians(mark.angle)) for f in (math.cos, math.sin))
        turned = b" ".join(map(_exact, (cos, sin, -sin, cos)))
        at = b" ".join((number(mark.x * MM), number(mark.y * MM)))
        return b"q /Faint gs %s %s cm %sQ\n" % (turned, at, self._text(mark.place, self.watermark))

    def _text(self, place: ValueBox, text: str) -> bytes:
        style = place.style
        size, lines = fit(text, place, self.base.glyphs.store(style.weight).advances)
        parts = [b"BT %s rg\n" % _colour(style.colour)]
        for line in place_lines(lines, size, place):
            if line.spread:
                parts.append(b"%s Tc\n" % number(line.spread))
            parts.append(b"1 0 0 1 %s %s Tm\n" % (number(line.x), number(line.y)))
            parts += self._shown(line.text, style.weight, b" %s Tf " % number(size))
        if style.align == "justify":
            parts.append(b"0 Tc\n")
        parts.append(b"ET\n")
        return b"".join(parts)

    def _shown(self, line: str, weight: Weight, size: bytes) -> Iterator[bytes]:
        """A line, piece by piece in the font that has its characters."""
        common, own = self.base.common[weight], self.own
        codes = [common[char] for char in line if char in common]
        font: bytes | None = None
        if len(codes) == len(line):  # as in most lines
            yield b"".join([COMMON, size, b"<", *codes, b">Tj\n"])
            return
        for char in line:
            code = common.get(char)
            wanted = COMMON
            if code is None:
                wanted = OWN
                code = b"%04x" % own.setdefault((weight, char), len(own) + 1)
            if wanted is not font:
                if font is not None:
                    yield b">Tj "
                yield wanted + size + b"<"
                font = wanted
            yield code
        if font is not None:
            yield b">Tj\n"

    def _qr(self, box: Box) -> bytes:
        at = placed(self.side, box)
        return b"1 g %s re f\nq %s 0 0 %s %s cm 0 g\n%sf Q\n" % (
            b" ".join(number(edge * MM) for edge in (at.left, at.bottom, at.side, at.side)),
            _exact(at.module * MM),
            _exact(-at.module * MM),
            b" ".join(number(edge * MM) for edge in at.corner),
            self.dark,
        )

    def _photo(self, box: Box) -> bytes:
        x, y, width, height = map(number, place_picture(*self.photo_size, box))
        return b"q %s 0 0 %s %s %s cm /Photo Do Q\n" % (width, height, x, y)


@lru_cache(maxsize=256)
def _colour(value: str) -> bytes:
    return colour(value).encode("ascii")


def _exact(value: float) -> bytes:
    """A scale: a symbol is a hundred modules wide, and a ten-thousandth would show."""
    return f"{value:.8f}".encode("ascii")


_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _metadata(title: str) -> bytes:
    """XMP (ISO 16684-1): the title, the language and what the file conforms to."""
    return (_XMP % escape(_NOT_XML.sub("", title))).encode("utf-8")


_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" \
xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:title>
<dc:language><rdf:Bag><rdf:li>zh-CN</rdf:li></rdf:Bag></dc:language>
<pdfaid:part>3</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
