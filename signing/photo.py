"""The holder's photo: checked, decoded once under limits, and encoded anew.

What is printed is made from the pixels alone, so nothing hidden in the file (place, device, thumbnails,
appended data) reaches a licence. The canonical value is the SHA-256 of the printed bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io

from PIL import Image, ImageOps

from signing.field_values import FieldFault

MAX_BYTES = 200_000
MIN_SIDE = 100
MAX_SIDE = 2000
# Each scan is one more pass over the whole picture, and may take 15 bytes; encoders make some ten.
MAX_SCANS = 20
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive DCT
_SCAN, _COMMENT = 0xDA, 0xFE
_START_OF_SCAN = b"\xff\xda"  # within coded data a byte FF is followed by 00 or a restart: ITU-T T.81, B.1.1


def parse_photo(raw: object) -> tuple[str, bytes]:
    """A JPEG in base64: its canonical value (SHA-256 in hex) and the JPEG bytes as printed.

    Raises FieldFault.
    """
    if not isinstance(raw, str):
        raise FieldFault("wrong_type", "a JPEG in base64 is expected")
    if len(raw) > MAX_BYTES * 4 // 3 + 4:
        raise FieldFault("too_long", f"a photo has at most {MAX_BYTES} bytes")
    try:
        data = base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        raise FieldFault("bad_photo", "it is not base64") from None
    if len(data) > MAX_BYTES:
        raise FieldFault("too_long", f"a photo has at most {MAX_BYTES} bytes")
    if not data.startswith(b"\xff\xd8\xff"):
        raise FieldFault("bad_photo", "it is not a JPEG")
    if data.count(_START_OF_SCAN) > MAX_SCANS:
        raise FieldFault("bad_photo", "it is coded in too many scans")
    printed = encode_photo(_decode(data))
    return hashlib.sha256(printed).hexdigest(), printed


def _decode(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if not all(MIN_SIDE <= side <= MAX_SIDE for side in image.size):
                raise FieldFault("bad_photo", f"its sides must have {MIN_SIDE} to {MAX_SIDE} pixels")
            if image.mode not in {"RGB", "L"}:
                raise FieldFault("bad_photo", "it must be in RGB or grey")
            return ImageOps.exif_transpose(image).convert("RGB")
    except FieldFault:
        raise
    except Exception as error:  # the decoder has no closed list of what a broken file raises
        raise FieldFault("bad_photo", "it cannot be decoded") from error


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that `encode_photo` made: its first frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while data[at] == 0xFF and data[at + 1] not in _FRAMES:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    height, width = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (5, 7))
    return width, height


def encode_photo(image: Image.Image) -> bytes:
    """An RGB picture as the JPEG that is printed, at most `MAX_BYTES`, without any metadata: what no decoder
    needs, the encoder's own JFIF header too, is left out.
    """
    data = b""
    for quality in (90, 75, 60, 40):
        buffer = io.BytesIO()
        Image.frombytes("RGB", image.size, image.tobytes()).save(buffer, "JPEG", quality=quality)
        data = _bare(buffer.getvalue())
        if len(data) <= MAX_BYTES:
            return data
    raise FieldFault("too_long", f"a photo has at most {MAX_BYTES} bytes")


def _bare(data: bytes) -> bytes:
    """A JPEG without segments for applications (APPn) and comments (ITU-T T.81, B.2.4)."""
    kept, at = [data[:2]], 2
    while (marker := data[at + 1]) != _SCAN:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if not 0xE0 <= marker <= 0xEF and marker != _COMMENT:
            kept.append(data[at:end])
        at = end
    return b"".join(kept) + data[at:]
