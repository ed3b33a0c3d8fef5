"""A seal's picture, a one-page PDF of ours, as a PNG that a page can show."""

from __future__ import annotations

import io
import threading
from functools import lru_cache

DPI = 200
_lock = threading.Lock()  # PDFium serves one thread at a time


@lru_cache(maxsize=64)
def picture_png(pdf: bytes) -> bytes:
    """The first page, on white. For what this registry drew or made itself: no limit guards it."""
    import pypdfium2

    with _lock:
        document = pypdfium2.PdfDocument(pdf)
        try:
            image = document[0].render(scale=DPI / 72).to_pil().convert("RGB")
        finally:
            document.close()
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
