"""The QR encoder: module by module what another library makes under the same mask, and read by a third."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from qrcode.constants import ERROR_CORRECT_Q
from qrcode.main import QRCode
from qrcode.util import MODE_8BIT_BYTE, MODE_NUMBER, QRData

from keys.errors import VermilionError
from signing.qr_symbol import MASK, QrSymbol, make_symbol, path, qr_text, symbol_size

LINK = "http://localhost:8801/c/" + "Ab3_-" * 4 + "xQ"
LARGEST = 1590
"""Bytes of a credential that fill version 40."""


def library_symbol(link: str, credential: bytes) -> list[list[bool]]:
    letters, digits = qr_text(link, credential)
    code = QRCode(error_correction=ERROR_CORRECT_Q, border=0, mask_pattern=MASK)
    code.add_data(QRData(letters.encode("ascii"), MODE_8BIT_BYTE))
    code.add_data(QRData(digits.encode("ascii"), MODE_NUMBER))
    code.make(fit=True)
    return [[bool(module) for module in row] for row in code.modules]


def rows(symbol: QrSymbol) -> list[list[bool]]:
    return [[symbol.dark(x, y) for x in range(symbol.size)] for y in range(symbol.size)]


def credentials_of_every_version() -> Iterator[bytes]:
    size = 0
    for length in range(LARGEST):
        credential = bytes((7 * n + length) % 256 for n in range(length))
        if symbol_size(LINK, credential) != size:
            size = symbol_size(LINK, credential)
            yield credential


def test_every_version_is_as_the_library_makes_it() -> None:
    sizes: list[int] = []
    for credential in credentials_of_every_version():
        symbol = make_symbol(LINK, credential)
        assert rows(symbol) == library_symbol(LINK, credential)
        sizes.append(symbol.size)
    assert sizes == list(range(sizes[0], 178, 4))
    assert sizes[0] <= 41


@settings(max_examples=30)
@given(st.binary(max_size=300))
def test_every_text_is_as_the_library_makes_it(credential: bytes) -> None:
    symbol = make_symbol(LINK, credential)
    assert symbol.size == symbol_size(LINK, credential)
    assert rows(symbol) == library_symbol(LINK, credential)


@given(st.binary(min_size=150, max_size=420))
def test_a_reader_reads_it(credential: bytes) -> None:
    symbol = make_symbol(LINK, credential)
    dark = Image.frombytes("1", (symbol.size, symbol.size), symbol.rows)
    picture = Image.new("L", (symbol.size + 8, symbol.size + 8), 255)
    picture.paste(0, (4, 4), dark)
    picture = picture.resize((4 * picture.width, 4 * picture.height), Image.Resampling.NEAREST)
    found = [code for code in zxingcpp.read_barcodes(picture) if code.format == zxingcpp.BarcodeFormat.QRCode]
    assert [code.text for code in found] == ["".join(qr_text(LINK, credential))]


@given(st.binary(min_size=100, max_size=300))
def test_the_path_is_the_dark_modules(credential: bytes) -> None:
    symbol = make_symbol(LINK, credential)
    painted = [[False] * symbol.size for _ in range(symbol.size)]
    for line in path(symbol).decode("ascii").splitlines():
        found = re.fullmatch(r"(\d+) (\d+) (\d+) 1 re", line)
        assert found is not None
        x, y, width = map(int, found.groups())
        for at in range(x, x + width):
            assert not painted[y][at]
            painted[y][at] = True
    assert painted == rows(symbol)


def test_what_no_version_holds_is_refused() -> None:
    with pytest.raises(VermilionError) as refused:
        make_symbol(LINK, bytes(1700))
    assert refused.value.reason == "qr_too_large"
