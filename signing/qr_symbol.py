"""The QR symbol of a licence: its text, its modules, and its outline as one vector path.

The text is the link, `#`, and the decimal digits of 0x01 || COSE_Sign1 (design, section 5). The link goes in
a byte segment and the digits in a numeric one, which is what keeps the symbol small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qrcode.constants import ERROR_CORRECT_Q
from qrcode.exceptions import DataOverflowError
from qrcode.main import QRCode
from qrcode.util import MODE_8BIT_BYTE, MODE_NUMBER, QRData

from keys.errors import Kind, VermilionError
from signing.face import MIN_MODULE_MM, QUIET_ZONE

PRINTER_DOT_MM = 25.4 / 600
"""Modules are whole dots of a 600 dpi printer, so that none is wider than its neighbour."""

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class QrSymbol:
    """A symbol without its quiet zone; rows from the top, True is dark."""

    modules: tuple[tuple[bool, ...], ...]

    @property
    def size(self) -> int:
        return len(self.modules)


def qr_text(link: str, credential: bytes) -> tuple[str, str]:
    """The two parts of the symbol's text: the link with its `#`, and the digits."""
    return link + "#", str(int.from_bytes(b"\x01" + credential, "big"))


def make_symbol(link: str, credential: bytes) -> QrSymbol:
    """The symbol of ISO/IEC 18004 at level Q in the smallest version that holds the text.

    Raises VermilionError(INVALID, reason="qr_too_large") when none does.
    """
    code = _fitted(link, credential)
    code.make(fit=False)
    return QrSymbol(tuple(tuple(bool(module) for module in row) for row in code.modules))


def symbol_size(link: str, credential: bytes) -> int:
    """The side in modules of what `make_symbol` makes, without making it."""
    return int(17 + 4 * _fitted(link, credential).version)


def _fitted(link: str, credential: bytes) -> QRCode:
    prefix, digits = qr_text(link, credential)
    code = QRCode(error_correction=ERROR_CORRECT_Q, border=0)
    code.add_data(QRData(prefix.encode("ascii"), MODE_8BIT_BYTE))
    code.add_data(QRData(digits.encode("ascii"), MODE_NUMBER))
    try:
        code.best_fit()
    except (DataOverflowError, ValueError):
        raise _too_large() from None
    return code


def module_mm(size: int, box_mm: float) -> float:
    """The module that fills a box with quiet zone and a symbol of `size` modules, in whole printer dots.

    Raises VermilionError(INVALID, reason="qr_too_large") when it would be smaller than 0.42 mm.
    """
    dots = int(box_mm / (size + 2 * QUIET_ZONE) / PRINTER_DOT_MM + 1e-9)
    if dots * PRINTER_DOT_MM < MIN_MODULE_MM:
        raise _too_large()
    return dots * PRINTER_DOT_MM


def _too_large() -> VermilionError:
    return VermilionError(Kind.INVALID, "the QR code would not fit its place", reason="qr_too_large")


def outline(symbol: QrSymbol) -> Iterator[list[Point]]:
    """The edges of the dark areas as closed loops of corners, x to the right and y down, in modules.

    Loops run with the dark side on the right; filled together by the non-zero rule they are the symbol
    without a seam between modules.
    """
    edges: dict[Point, list[Point]] = {}
    size = symbol.size

    def dark(x: int, y: int) -> bool:
        return 0 <= x < size and 0 <= y < size and symbol.modules[y][x]

    for y in range(size):
        for x in range(size):
            if not dark(x, y):
                continue
            if not dark(x, y - 1):
                edges.setdefault((x, y), []).append((x + 1, y))
            if not dark(x + 1, y):
                edges.setdefault((x + 1, y), []).append((x + 1, y + 1))
            if not dark(x, y + 1):
                edges.setdefault((x + 1, y + 1), []).append((x, y + 1))
            if not dark(x - 1, y):
                edges.setdefault((x, y + 1), []).append((x, y))
    while edges:
        start = next(iter(edges))
        loop, point = [start], _follow(edges, start)
        while point != start:
            loop.append(point)
            point = _follow(edges, point)
        yield [p for n, p in enumerate(loop) if _turns(loop[n - 1], p, loop[(n + 1) % len(loop)])]


def _follow(edges: dict[Point, list[Point]], point: Point) -> Point:
    following = edges[point].pop()
    if not edges[point]:
        del edges[point]
    return following


def _turns(before: Point, point: Point, after: Point) -> bool:
    return not (before[0] == point[0] == after[0] or before[1] == point[1] == after[1])
