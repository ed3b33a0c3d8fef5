"""A TrueType font as reportlab embeds it, with a right ToUnicode map.

reportlab writes the code points above U+FFFF as five hex digits, where PDF wants UTF-16BE (ISO 32000-1,
9.10.3), so that 𠮷 could not be copied or searched.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import SUBSETN, TTFont

from signing.fonts import Fonts, Weight, build_font

# reportlab keeps fonts by name in one table of the process; drawing is bound to one processor anyway.
_LOCK = threading.Lock()
_BLOCK = 100  # entries in one bfchar section, at most


def to_unicode(name: str, subset: Sequence[int]) -> str:
    """The ToUnicode CMap of a simple font: `subset` holds code points by character code.

    The codes that reportlab fills with 0 (.notdef) and with spaces it does not use are left out.
    """
    lines = []
    for code, point in enumerate(subset):
        if point and (point != 0x20 or code == 0x20):
            lines.append(f"<{code:02X}> <{chr(point).encode('utf-16-be').hex().upper()}>")
    cmap = [
        "/CIDInit /ProcSet findresource begin",
        "12 dict begin",
        "begincmap",
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
        f"/CMapName /{name}-UCS def",
        "/CMapType 2 def",
        "1 begincodespacerange",
        "<00> <FF>",
        "endcodespacerange",
    ]
    for start in range(0, len(lines), _BLOCK):
        block = lines[start : start + _BLOCK]
        cmap += [f"{len(block)} beginbfchar", *block, "endbfchar"]
    cmap += ["endcmap", "CMapName currentdict /CMap defineresource pop", "end", "end"]
    return "\n".join(cmap)


class EmbeddedFont(TTFont):  # type: ignore[misc]
    """reportlab's TrueType font; only the ToUnicode maps differ."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        super().__init__(name, file, asciiReadable=False, shapable=False)

    def addObjects(self, doc: Any) -> None:  # noqa: N802 - reportlab's name
        subsets = [list(subset) for subset in self.state[doc].subsets]
        super().addObjects(doc)
        for number, subset in enumerate(subsets):
            name = (SUBSETN(number) + b"+" + self.face.name + self.face.subfontNameX).decode("ascii")
            doc.idToObject["toUnicodeCMap:" + name].content = to_unicode(name, subset)


@contextmanager
def registered(
    fonts: Fonts, names: Mapping[Weight, str], wanted: Mapping[Weight, set[str]]
) -> Iterator[None]:
    """Within it reportlab draws by these names: fonts of the characters that are wanted, and the space. One
    document at a time.
    """
    with _LOCK:
        embedded = [
            EmbeddedFont(name, io.BytesIO(build_font(fonts.store(weight), wanted[weight] | {" "}, name)))
            for weight, name in names.items()
        ]
        for font in embedded:
            pdfmetrics.registerFont(font)
        try:
            yield
        finally:
            for font in embedded:
                font.unregister()
