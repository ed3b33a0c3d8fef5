"""A seal picture that somebody brings: checked, decoded once under limits, and encoded anew from its pixels.

For seals that are not drawn here (those with the national emblem), and for pictures made elsewhere. The file
is a PNG in red on a transparent ground whose round imprint fills it, sharp enough for print at the size of
its kind. What is kept is a one-page PDF of exactly that size: nothing hidden in the file reaches a licence,
not even the colour of what cannot be seen.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import NoReturn

from pikepdf import Array, Dictionary, Name, ObjectStreamMode, Pdf, Stream
from PIL import Image, ImageChops, ImageDraw

from keys.errors import Kind, VermilionError
from signing.document import SealPicture
from signing.seal_picture import DIAMETER_MM, MM, RED, SealKind

MAX_BYTES = 300_000
MAX_KEPT_BYTES = 150_000  # it goes into every licence that is sealed with it
DPI = range(300, 1201)
MAX_CHUNKS = 1000
SEEN = 32  # alpha below this is the soft edge of what is seen: its colour is not judged
REDNESS = 64  # by how much red exceeds green and blue
LEAST_RED = 128
INK = (0.04, 0.60)  # share of the imprint's disc that is covered: no empty ring, no filled disc
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA, _EIGHT_BITS = 6, 8


def sides_px(kind: SealKind) -> tuple[int, int]:
    """The smallest and the largest side, in pixels, of a picture of that kind."""
    inches = DIAMETER_MM[kind] / 25.4
    return round(inches * DPI.start), round(inches * (DPI.stop - 1))


def read_seal_picture(data: bytes, kind: SealKind) -> SealPicture:
    """The picture as it is kept, from a PNG of at most 300 kB.

    Raises VermilionError(INVALID): `picture_format`, `picture_size`, `picture_colour`, `picture_ground`,
    `picture_ink`.
    """
    side = _side(data)
    least, most = sides_px(kind)
    if not least <= side <= most:
        _refuse("picture_size", f"the sides of a seal picture of this kind have {least} to {most} pixels")
    image = _decode(data, side)
    alpha = image.getchannel("A")
    disc = _disc(side)
    if ImageChops.subtract(alpha, disc).getbbox() is not None:
        _refuse("picture_ground", "outside the round imprint the picture must be transparent")
    _require_ink(alpha, disc, side)
    _require_red(image, alpha)
    return _kept(image, alpha, kind)


def _side(data: bytes) -> int:
    """The side in pixels, from the file's chunks (PNG, third edition, section 5) before anything is decoded:
    one still picture, square, in RGBA of 8 bits, whose end is the file's end.
    """
    if len(data) > MAX_BYTES:
        _refuse("picture_format", f"a seal picture has at most {MAX_BYTES} bytes")
    if not data.startswith(_SIGNATURE):
        _refuse("picture_format", "a seal picture is a PNG")
    at, names = len(_SIGNATURE), list[bytes]()
    header = b""
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at) if at + 12 <= len(data) else (0, b"")
        end = at + 12 + size
        if end > len(data) or len(names) == MAX_CHUNKS:
            _refuse("picture_format", "the PNG is cut off, or in too many pieces")
        if struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(data[at + 4 : end - 4]):
            _refuse("picture_format", "the PNG is damaged")
        header = header or data[at + 8 : end - 4]
        names.append(name)
        at = end
    if names[:1] != [b"IHDR"] or names.count(b"IEND") != 1 or names[-1] != b"IEND" or b"acTL" in names:
        _refuse("picture_format", "the PNG is not one still picture and nothing more")
    if len(header) != 13:
        _refuse("picture_format", "the PNG's header is broken")
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    if (depth, colour) != (_EIGHT_BITS, _RGBA):
        _refuse("picture_format", "a seal picture is in RGBA with 8 bits each")
    if width != height:
        _refuse("picture_size", "a round seal's picture is square")
    return int(width)


def _decode(data: bytes, side: int) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return Image.frombytes("RGBA", (side, side), image.tobytes())  # its pixels, and nothing else
    except Exception as error:  # the decoder has no closed list of what a broken file raises
        raise VermilionError(Kind.INVALID, "the PNG cannot be decoded", reason="picture_format") from error


def _disc(side: int) -> Image.Image:
    """What the imprint may cover; its soft edge may reach a little beyond its rim."""
    slack = _slack(side)
    disc = Image.new("L", (side, side), 0)
    ImageDraw.Draw(disc).ellipse((-slack, -slack, side - 1 + slack, side - 1 + slack), fill=255)
    return disc


def _slack(side: int) -> int:
    return max(2, side // 100)


def _require_ink(alpha: Image.Image, disc: Image.Image, side: int) -> None:
    seen = _where(alpha, lambda value: value >= SEEN)
    left, top, right, bottom = seen.getbbox() or (0, 0, 0, 0)
    if max(left, top, side - right, side - bottom) > _slack(side):
        _refuse("picture_size", "the imprint does not fill the picture, so it would be smaller than its norm")
    covered = sum(value * count for value, count in enumerate(alpha.histogram())) / 255
    share = covered / disc.histogram()[255]
    if not INK[0] <= share <= INK[1]:
        _refuse("picture_ink", "the picture is nearly empty or nearly filled: it shows no seal")


def _require_red(image: Image.Image, alpha: Image.Image) -> None:
    red, green, blue = (image.getchannel(name) for name in "RGB")
    seen = _where(alpha, lambda value: value >= SEEN)
    wrong = (
        _where(red, lambda value: value < LEAST_RED),
        _where(ImageChops.subtract(red, green), lambda value: value < REDNESS),
        _where(ImageChops.subtract(red, blue), lambda value: value < REDNESS),
    )
    if any(ImageChops.darker(seen, one).getbbox() is not None for one in wrong):
        _refuse("picture_colour", "a seal is red, and nothing else")


def _where(channel: Image.Image, holds: Callable[[int], bool]) -> Image.Image:
    """255 where it holds for the channel's value, else 0."""
    return channel.point([255 * holds(value) for value in range(256)])


def _kept(image: Image.Image, alpha: Image.Image, kind: SealKind) -> SealPicture:
    """One page of the kind's size with the picture over it, and its alpha as soft mask."""
    colour = image.convert("RGB")
    # Where nothing is seen the colour is that of seals: readers that smooth pictures mix it into the edge.
    colour.paste(tuple(round(255 * part) for part in RED), mask=_where(alpha, lambda value: value == 0))
    size = DIAMETER_MM[kind] * MM
    with Pdf.new() as pdf:
        mask = _stream(pdf, alpha, Name.DeviceGray)
        picture = _stream(pdf, colour, Name.DeviceRGB)
        picture.SMask = mask
        page = pdf.add_blank_page(page_size=(size, size))
        page.obj.MediaBox = Array([0, 0, round(size, 4), round(size, 4)])
        page.obj.Resources = Dictionary(XObject=Dictionary(Seal=picture))
        page.obj.Contents = pdf.make_stream(f"q {size:.4f} 0 0 {size:.4f} 0 0 cm /Seal Do Q".encode())
        buffer = io.BytesIO()
        pdf.save(
            buffer, deterministic_id=True, object_stream_mode=ObjectStreamMode.disable, compress_streams=True,
            recompress_flate=False,
        )  # fmt: skip
    kept = buffer.getvalue()
    if len(kept) > MAX_KEPT_BYTES:
        _refuse("picture_size", "the picture holds more detail than every licence can carry")
    return SealPicture("pdf", kept, DIAMETER_MM[kind], DIAMETER_MM[kind])


def _stream(pdf: Pdf, image: Image.Image, space: Name) -> Stream:
    return pdf.make_stream(
        zlib.compress(image.tobytes(), 9),
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=image.width,
        Height=image.height,
        ColorSpace=space,
        BitsPerComponent=8,
        Filter=Name.FlateDecode,
    )


def _refuse(reason: str, detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
