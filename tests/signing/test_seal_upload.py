"""Seal pictures that are brought: to the norm of their kind, and made anew from their pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pikepdf
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw
from PIL.PngImagePlugin import PngInfo

from keys.errors import Kind, VermilionError
from signing.document import SealPicture
from signing.seal_picture import DIAMETER_MM, EMBLEM_KINDS, SealKind
from signing.seal_upload import MAX_BYTES, MAX_KEPT_BYTES, read_seal_picture, sides_px
from signing.strict_check import strict_check
from tests.signing.sealing import LATER, make_office

RED = (214, 16, 20, 255)
SIDE = 600


def imprint(
    side: int = SIDE, colour: tuple[int, ...] = RED, ground: tuple[int, ...] = (0, 0, 0, 0)
) -> Image.Image:
    """A ring and a bar, as red as a seal, drawn four times as large and reduced: its edges are soft."""
    large = Image.new("RGBA", (4 * side, 4 * side), ground)
    pen = ImageDraw.Draw(large)
    pen.ellipse((0, 0, 4 * side - 1, 4 * side - 1), outline=colour, width=side // 8)
    pen.rectangle((side, 1.8 * side, 3 * side, 2.2 * side), fill=colour)
    alpha = large.getchannel("A").resize((side, side), Image.Resampling.BOX)
    small = Image.new("RGBA", (side, side), colour)
    small.putalpha(alpha)
    return small


def png(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def reason(data: bytes, kind: SealKind = SealKind.SPECIAL) -> str:
    with pytest.raises(VermilionError) as refused:
        read_seal_picture(data, kind)
    assert refused.value.kind is Kind.INVALID
    return refused.value.reason


def rendered(picture: SealPicture, pixels: int) -> Image.Image:
    document = pypdfium2.PdfDocument(picture.data)
    try:
        page = document[0]
        image: Image.Image = page.render(scale=pixels / page.get_width(), fill_color=(0, 0, 0, 0)).to_pil()
        return image.convert("RGBA")
    finally:
        document.close()


@pytest.mark.parametrize("kind", list(SealKind))
def test_a_picture_has_the_size_of_its_kind_and_looks_as_it_came(kind: SealKind) -> None:
    source = imprint()
    kept = read_seal_picture(png(source), kind)
    size = DIAMETER_MM[kind]
    assert (kept.type, kept.width_mm, kept.height_mm) == ("pdf", size, size)
    with pikepdf.open(io.BytesIO(kept.data)) as pdf:
        box = [float(edge) * 25.4 / 72 for edge in pdf.pages[0].mediabox]
    assert box == pytest.approx([0, 0, size, size], abs=0.001)
    shown = rendered(kept, SIDE)
    for at in ((300, 300), (300, 5), (5, 5), (300, 200)):
        wanted, found = source.getpixel(at), shown.getpixel(at)
        assert isinstance(wanted, tuple)
        assert isinstance(found, tuple)
        assert found == pytest.approx(wanted if wanted[3] else (*found[:3], 0), abs=3), at
    assert read_seal_picture(png(source), kind) == kept


def test_the_emblem_kinds_have_the_norms_sizes() -> None:
    """国发〔1999〕25号: provincial governments 50 mm, those of cities and counties 45 mm."""
    assert {kind: DIAMETER_MM[kind] for kind in EMBLEM_KINDS} == {"province_government": 50, "government": 45}


def test_nothing_hidden_in_the_file_is_kept() -> None:
    info = PngInfo()
    info.add_text("Author", "样本经办人")
    info.add_itxt("Comment", "secret", zip=True)
    plain = imprint()
    secret = plain.copy()
    pixels = secret.load()
    assert pixels is not None
    for x in range(60):
        pixels[x, 0] = (x, 2 * x, 3 * x, 0)  # colours that nobody sees
    told = png(
        secret, pnginfo=info, dpi=(300, 300), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0", icc_profile=b"x" * 200
    )
    assert read_seal_picture(told, SealKind.SPECIAL) == read_seal_picture(png(plain), SealKind.SPECIAL)


def test_sealed_with_it_a_document_passes_the_strict_check() -> None:
    here = make_office()
    picture = read_seal_picture(png(imprint()), SealKind.SPECIAL)
    changed = replace(here, material=replace(here.material, picture=picture))
    sealed = changed.seal(changed.stamps)
    evidence = strict_check(sealed.data, changed.trust, at=LATER)
    assert evidence.level == "B-T"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def spoilt(change: Callable[[Image.Image], None]) -> bytes:
    image = imprint()
    change(image)
    return png(image)


def dot(at: tuple[int, int], colour: tuple[int, int, int, int]) -> Callable[[Image.Image], None]:
    return lambda image: image.putpixel(at, colour)


GOOD = png(imprint())
HEADER = GOOD[8 : 8 + 25]
CASES = {
    "empty": (b"", "picture_format"),
    "a jpeg": (b"\xff\xd8\xff" + bytes(100), "picture_format"),
    "an svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture_format"),
    "too long": (GOOD + chunk(b"teXt", bytes(MAX_BYTES)), "picture_format"),
    "cut off": (GOOD[:-5], "picture_format"),
    "bytes behind the end": (GOOD + b"<script>", "picture_format"),
    "a second picture behind it": (GOOD + GOOD, "picture_format"),
    "a damaged chunk": (GOOD[:60] + bytes([GOOD[60] ^ 1]) + GOOD[61:], "picture_format"),
    "an animation": (GOOD[:33] + chunk(b"acTL", struct.pack(">II", 2, 0)) + GOOD[33:], "picture_format"),
    "no header first": (GOOD[:8] + chunk(b"tEXt", b"a\0b") + GOOD[8:], "picture_format"),
    "a header that lies": (
        GOOD[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 700, 700, 8, 6, 0, 0, 0)) + GOOD[33:],
        "picture_format",
    ),
    "a bomb": (
        GOOD[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0)) + GOOD[33:],
        "picture_size",
    ),
    "rgb without alpha": (png(imprint().convert("RGB")), "picture_format"),
    "a palette": (png(imprint().convert("RGB").convert("P")), "picture_format"),
    "grey": (png(imprint().convert("LA")), "picture_format"),
    "oblong": (png(imprint().crop((0, 0, SIDE, SIDE - 1))), "picture_size"),
    "too coarse": (png(imprint(sides_px(SealKind.SPECIAL)[0] - 1)), "picture_size"),
    "too fine": (png(imprint(sides_px(SealKind.SPECIAL)[1] + 1)), "picture_size"),
    "smaller than its frame": (spoilt(lambda i: i.paste(Image.new("RGBA", (SIDE, SIDE // 10)), (0, 0))), "picture_size"),
    "a ground that is not transparent": (png(imprint(ground=(255, 255, 255, 255))), "picture_ground"),
    "a faint dot in the corner": (spoilt(dot((2, 2), (*RED[:3], 1))), "picture_ground"),
    "blue": (png(imprint(colour=(16, 20, 214, 255))), "picture_colour"),
    "one black pixel": (spoilt(dot((300, 300), (0, 0, 0, 255))), "picture_colour"),
    "one white pixel": (spoilt(dot((300, 200), (255, 255, 255, 255))), "picture_colour"),
    "yellow": (spoilt(dot((300, 300), (255, 230, 0, 255))), "picture_colour"),
    "a filled disc": (
        spoilt(lambda i: ImageDraw.Draw(i).ellipse((0, 0, SIDE - 1, SIDE - 1), fill=RED)),
        "picture_ink",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "why"), CASES.values(), ids=CASES)
def test_what_is_no_seal_picture_is_refused_with_its_reason(data: bytes, why: str) -> None:
    assert reason(data) == why


def test_detail_that_no_licence_can_carry_is_refused() -> None:
    side = 1000
    image = imprint(side)
    ImageDraw.Draw(image).ellipse((100, 100, 899, 899), outline=RED, width=120)
    seen = image.getchannel("A").point([255 * (value > 0) for value in range(256)])
    noise = Image.frombytes("L", (side, side), bytes(214 + byte % 3 for byte in _random(side * side)))
    noise.paste(214, mask=ImageChops.invert(seen))
    assert len(read_seal_picture(png(image), SealKind.SPECIAL).data) < MAX_KEPT_BYTES // 4
    data = png(Image.merge("RGBA", (noise, *image.split()[1:])))
    assert len(data) < MAX_BYTES
    assert reason(data) == "picture_size"


def _random(size: int) -> bytes:
    blocks = (sha256(number.to_bytes(4, "big")).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


@given(st.binary(max_size=200), st.integers(0, len(GOOD) - 1), st.integers(0, 400))
def test_any_bytes_are_refused_with_the_one_typed_error(junk: bytes, at: int, gone: int) -> None:
    for data in (junk, GOOD[:8] + junk, GOOD[:at] + junk + GOOD[at + gone :]):
        try:
            read_seal_picture(data, SealKind.SPECIAL)
        except VermilionError as error:
            assert error.kind is Kind.INVALID
