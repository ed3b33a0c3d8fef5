"""A photo costs little to take in, whoever made it, and taking it in touches nothing else in the process."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from signing.field_values import FieldFault
from signing.photo import MAX_BYTES, MAX_SCANS, MAX_SIDE, parse_photo


def jpeg(size: tuple[int, int] = (300, 400), mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def parsed(data: bytes) -> bytes:
    return parse_photo(base64.b64encode(data).decode())[1]


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def in_scans(count: int) -> bytes:
    """A progressive grey JPEG as large as may be, every scan after the first saying "no more" in few bytes."""
    blocks = (MAX_SIDE // 8) ** 2
    left, runs = blocks, ""
    while left > 0:
        run = max(16384, min(left, 32767))
        runs += "0" + format(run - 16384, "014b")  # EOB14 (ITU-T T.81, G.1.2.2)
        left -= run
    runs += "1" * (-len(runs) % 8)
    coded = bytes(int(runs[at : at + 8], 2) for at in range(0, len(runs), 8)).replace(b"\xff", b"\xff\0")
    start = (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + b"\1" * 64)
        + segment(0xC2, struct.pack(">BHHB", 8, MAX_SIDE, MAX_SIDE, 1) + b"\1\x11\0")
        + segment(0xC4, b"\x00\1" + bytes(15) + b"\x00")
        + segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    )
    first = segment(0xDA, b"\1\1\x00\0\0\0") + b"\0" * ((blocks + 7) // 8)
    further = segment(0xDA, b"\1\1\x00\1\x3f\0") + coded
    return start + first + further * (count - 1) + b"\xff\xd9"


def test_a_photo_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    assert parsed(in_scans(MAX_SCANS))
    for count in (MAX_SCANS + 1, 13_000):
        data = in_scans(count)
        assert len(data) <= MAX_BYTES
        with pytest.raises(FieldFault) as refused:
            parsed(data)
        assert (refused.value.reason, "scans" in refused.value.detail) == ("bad_photo", True)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_progressive_photos_that_encoders_make_are_taken(mode: str) -> None:
    assert parsed(jpeg(mode=mode, progressive=True, quality=80))


def test_another_thread_s_warnings_stay_warnings() -> None:
    """The filters belong to the process: changed for a moment by two threads, they may stay changed."""
    raw = base64.b64encode(jpeg((1200, 1600))).decode()
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # the suite's own "error" would hide a second one
        before = list(warnings.filters)
        with ThreadPoolExecutor(4) as pool:
            work = [pool.submit(parse_photo, raw) for _ in range(8)]
            while not all(one.done() for one in work):
                seen.append(list(warnings.filters) == before)
    assert len({one.result()[0] for one in work}) == 1
    assert len(seen) > 10
    assert all(seen)


def markers(data: bytes) -> list[int]:
    """Of a JPEG's segments, up to the first scan."""
    assert data[:2] == b"\xff\xd8"
    found, at = [], 2
    while True:
        assert data[at] == 0xFF
        found.append(data[at + 1])
        if data[at + 1] == 0xDA:
            return found
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def test_what_is_printed_holds_a_picture_and_nothing_else() -> None:
    """No segment of an application's and no comment; nothing behind the end of the image."""
    buffer = io.BytesIO()
    picture = Image.effect_noise((200, 300), 50).convert("RGB")
    exif = Image.Exif()
    exif[0x010E] = "SECRET"
    picture.save(buffer, "JPEG", comment=b"SECRET", exif=exif, icc_profile=b"SECRET" * 100, dpi=(300, 300))
    given = buffer.getvalue() + b"SECRET"
    assert {0xE0, 0xE1, 0xE2, 0xFE} & set(markers(given))
    _, printed = parse_photo(base64.b64encode(given).decode())
    assert set(markers(printed)) == {0xDB, 0xC0, 0xC4, 0xDA}
    assert (printed.count(b"\xff\xd9"), printed[-2:]) == (1, b"\xff\xd9")
    assert b"SECRET" not in printed
    with Image.open(io.BytesIO(printed)) as shown:  # in the colours that it had
        difference = ImageChops.difference(shown.convert("RGB"), picture)
    assert max(ImageStat.Stat(difference).mean) < 10


def test_a_photo_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    whole = Image.open

    def counted(*arguments: Any, **named: Any) -> Any:
        opened.append(arguments)
        return whole(*arguments, **named)

    buffer = io.BytesIO()
    Image.new("RGB", (200, 300), (200, 30, 30)).save(buffer, "JPEG")
    monkeypatch.setattr(Image, "open", counted)
    parse_photo(base64.b64encode(buffer.getvalue()).decode())
    assert len(opened) == 1
