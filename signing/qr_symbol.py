"""The QR symbol of a licence: its text, its modules, and its vector path.

The text is the link, `#`, and the decimal digits of 0x01 || COSE_Sign1 (design, section 5). The link goes in
a byte segment and the digits in a numeric one, which is what keeps the symbol small.

The encoder is our own, because one licence in a few milliseconds leaves no room for a general one: for a
version all that does not depend on the text is laid down once (by the library `qrcode`), and a symbol is its
codewords put in their places. The mask is always the same; the standard's choice among eight by penalty
(ISO/IEC 18004, 7.8.3) costs more than all else and gives a reader nothing that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from itertools import accumulate
from operator import getitem, itemgetter, xor
from typing import Any

from qrcode.base import gexp, glog, rs_blocks
from qrcode.constants import ERROR_CORRECT_Q
from qrcode.main import QRCode

from keys.errors import Kind, VermilionError
from signing.face import MIN_MODULE_MM, QUIET_ZONE, Box

PRINTER_DOT_MM = 25.4 / 600
"""Modules are whole dots of a 600 dpi printer, so that none is wider than its neighbour."""

MASK = 0
"""Mask pattern 000: (row + column) mod 2."""

_MAX_VERSION = 40
_BYTE, _NUMERIC = "0100", "0001"  # mode indicators
_PADDING = 0xEC11
_DIGITS = {
    **{f"{n:03}": f"{n:010b}" for n in range(1000)},
    **{f"{n:02}": f"{n:07b}" for n in range(100)},
    **{f"{n}": f"{n:04b}" for n in range(10)},
}

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class QrSymbol:
    """A symbol without its quiet zone: `rows` from the top, eight modules a byte, the leftmost in the highest
    bit, a row padded to whole bytes; a set bit is dark.
    """

    size: int
    rows: bytes

    def dark(self, x: int, y: int) -> bool:
        """Whether the module in column `x` of row `y` is dark; False outside the symbol."""
        if not (0 <= x < self.size and 0 <= y < self.size):
            return False
        return bool(self.rows[y * row_bytes(self.size) + x // 8] >> (7 - x % 8) & 1)


def row_bytes(size: int) -> int:
    """Bytes in a row of a symbol."""
    return -(-size // 8)


def qr_text(link: str, credential: bytes) -> tuple[str, str]:
    """The two parts of the symbol's text: the link with its `#`, and the digits."""
    return link + "#", str(int.from_bytes(b"\x01" + credential, "big"))


def make_symbol(link: str, credential: bytes) -> QrSymbol:
    """The symbol of ISO/IEC 18004 at level Q in the smallest version that holds the text.

    Raises VermilionError(INVALID, reason="qr_too_large") when none does.
    """
    prefix, digits = qr_text(link, credential)
    version = _version(len(prefix), len(digits))
    layout = _layout(version)
    return layout.symbol(_data_bits(version, prefix.encode("ascii"), digits))


def symbol_size(link: str, credential: bytes) -> int:
    """The side in modules of what `make_symbol` makes, without making it."""
    prefix, digits = qr_text(link, credential)
    return 17 + 4 * _version(len(prefix), len(digits))


@lru_cache(maxsize=1024)
def _version(letters: int, digits: int) -> int:
    for version in range(1, _MAX_VERSION + 1):
        byte_count, digit_count = _count_bits(version)
        fits = letters < 1 << byte_count and digits < 1 << digit_count
        needed = 8 + byte_count + 8 * letters + digit_count + (10 * digits + 2) // 3
        if fits and needed <= 8 * sum(block.data_count for block in rs_blocks(version, ERROR_CORRECT_Q)):
            return version
    raise _too_large()


def _count_bits(version: int) -> tuple[int, int]:
    """Widths of the character counts of byte and numeric segments."""
    if version < 10:
        return 8, 10
    return 16, 12 if version < 27 else 14


def _data_bits(version: int, letters: bytes, digits: str) -> str:
    byte_count, digit_count = _count_bits(version)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "".join(
        (
            _BYTE,
            f"{len(letters):0{byte_count}b}",
            f"{int.from_bytes(letters, 'big'):0{8 * len(letters)}b}",
            _NUMERIC,
            f"{len(digits):0{digit_count}b}",
            *map(_DIGITS.__getitem__, groups),
        )
    )


@dataclass(frozen=True)
class _Block:
    """A Reed-Solomon block: where its data lie, and the check bytes that each value at each place adds."""

    start: int
    length: int
    check_bytes: int
    table: list[list[int]]

    def check(self, data: bytes) -> bytes:
        values = map(getitem, self.table, data[self.start : self.start + self.length])
        return reduce(xor, values).to_bytes(self.check_bytes, "big")


@dataclass(frozen=True)
class _Layout:
    """All of a version that does not depend on the text."""

    size: int
    data_bytes: int
    blocks: tuple[_Block, ...]
    order: itemgetter[Any]  # of the codewords laid out block by block, as they stand in the symbol
    places: itemgetter[Any]  # of the bits of all codewords, row by row; what is no codeword's is the last bit
    fixed: int  # function patterns and mask, as a number of all rows' bits

    def symbol(self, bits: str) -> QrSymbol:
        capacity = 8 * self.data_bytes
        bits += "0" * min(4, capacity - len(bits))
        bits += "0" * (-len(bits) % 8)
        data = int(bits, 2).to_bytes(len(bits) // 8, "big")
        missing = self.data_bytes - len(data)
        data += (_PADDING.to_bytes(2, "big") * (missing // 2 + 1))[:missing]
        words = data + b"".join([block.check(data) for block in self.blocks])
        words = bytes(self.order(words))
        spread = f"{int.from_bytes(words, 'big'):0{8 * len(words)}b}0"
        stride = row_bytes(self.size)
        rows = int("".join(self.places(spread)), 2) ^ self.fixed
        return QrSymbol(self.size, rows.to_bytes(self.size * stride, "big"))


@lru_cache(maxsize=_MAX_VERSION)
def _layout(version: int) -> _Layout:
    shapes = rs_blocks(version, ERROR_CORRECT_Q)
    lengths = [shape.data_count for shape in shapes]
    check_bytes = shapes[0].total_count - shapes[0].data_count
    starts = [0, *accumulate(lengths)]
    data_bytes = starts.pop()
    blocks = tuple(
        _Block(start, length, check_bytes, _check_table(length, check_bytes))
        for start, length in zip(starts, lengths, strict=True)
    )
    # Interleaved: the first byte of each block, the second of each, …; then the check bytes likewise.
    order = [
        start + at
        for at in range(max(lengths))
        for start, length in zip(starts, lengths, strict=True)
        if at < length
    ]
    order += [
        data_bytes + block * check_bytes + at for at in range(check_bytes) for block in range(len(blocks))
    ]
    size = 17 + 4 * version
    none, every = (_library_modules(version, [value] * len(order)) for value in (0x00, 0xFF))
    places = [8 * len(order)] * (size * row_bytes(size) * 8)
    bit = 0
    for x, y in _zigzag(size):
        if none[y][x] != every[y][x]:
            places[y * row_bytes(size) * 8 + x] = bit
            bit += 1
    fixed = "".join("".join("01"[dark] for dark in row).ljust(row_bytes(size) * 8, "0") for row in none)
    return _Layout(size, data_bytes, blocks, itemgetter(*order), itemgetter(*places), int(fixed, 2))


def _library_modules(version: int, codewords: list[int]) -> list[list[bool]]:
    code = QRCode(version=version, error_correction=ERROR_CORRECT_Q, mask_pattern=MASK, border=0)
    code.data_cache = codewords
    code.makeImpl(False, MASK)
    return [[bool(module) for module in row] for row in code.modules]


def _zigzag(size: int) -> Iterator[Point]:
    """Modules in the order in which bits are placed (ISO/IEC 18004, 7.7.3): pairs of columns from the right,
    upwards and downwards in turn, the vertical timing pattern left out.
    """
    upwards = True
    right = size - 1
    while right > 0:
        right -= right == 6
        for y in reversed(range(size)) if upwards else range(size):
            yield right, y
            yield right - 1, y
        upwards = not upwards
        right -= 2


@cache
def _check_table(length: int, check_bytes: int) -> list[list[int]]:
    """By place and value of a data byte: the remainder of its term by the generator polynomial."""
    generator = [1]
    for power in range(check_bytes):
        root = gexp(power)
        shifted = [*generator, 0]
        for at, factor in enumerate(generator):
            shifted[at + 1] ^= _times(factor, root)
        generator = shifted
    remainder = generator[1:]  # of x^check_bytes: the last data byte of value 1
    rows = []
    for _ in range(length):
        rows.append([int.from_bytes([_times(n, factor) for factor in remainder], "big") for n in range(256)])
        head, remainder = remainder[0], [*remainder[1:], 0]
        remainder = [r ^ _times(head, g) for r, g in zip(remainder, generator[1:], strict=True)]
    return rows[::-1]


def _times(a: int, b: int) -> int:
    return gexp(glog(a) + glog(b)) if a and b else 0


def module_mm(size: int, box_mm: float) -> float:
    """The module that fills a box with quiet zone and a symbol of `size` modules, in whole printer dots.

    Raises VermilionError(INVALID, reason="qr_too_large") when it would be smaller than 0.42 mm.
    """
    dots = int(box_mm / (size + 2 * QUIET_ZONE) / PRINTER_DOT_MM + 1e-9)
    if dots * PRINTER_DOT_MM < MIN_MODULE_MM:
        raise _too_large()
    return dots * PRINTER_DOT_MM


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a symbol stands in its box, mm from the page's lower left: the white ground, and the module."""

    left: float
    bottom: float
    side: float  # of the ground: symbol and quiet zone
    module: float

    @property
    def corner(self) -> tuple[float, float]:
        """The symbol's upper left corner, where row 0 begins."""
        margin = QUIET_ZONE * self.module
        return self.left + margin, self.bottom + self.side - margin


def placed(size: int, box: Box) -> Placed:
    """A symbol of `size` modules in the middle of a square box. Raises VermilionError as `module_mm`."""
    module = module_mm(size, box.width)
    side = (size + 2 * QUIET_ZONE) * module
    left, bottom = (edge + (box.width - side) / 2 for edge in (box.x, box.y))
    return Placed(left, bottom, side, module)


def _too_large() -> VermilionError:
    return VermilionError(Kind.INVALID, "the QR code would not fit its place", reason="qr_too_large")


def path(symbol: QrSymbol) -> bytes:
    """The dark modules as rectangles of one PDF path, in modules, y downwards from the symbol's top.

    One path, filled at once, has no seams between rectangles that touch.
    """
    stride, rows = row_bytes(symbol.size), symbol.rows
    parts = []
    for y in range(symbol.size):
        row = b"".join(map(getitem, _RUNS, rows[y * stride : (y + 1) * stride]))
        parts.append(row.replace(b"y", b"%d" % y))
    return b"".join(parts)


def _runs(column: int, value: int) -> bytes:
    """Rectangles of the dark runs of one byte in byte column `column`; the row stands as `y`."""
    runs, start = [], None
    for bit in range(9):
        dark = bit < 8 and value >> (7 - bit) & 1
        if dark and start is None:
            start = bit
        elif not dark and start is not None:
            runs.append(b"%d y %d 1 re\n" % (8 * column + start, bit - start))
            start = None
    return b"".join(runs)


_RUNS = [[_runs(column, value) for value in range(256)] for column in range(row_bytes(177))]
