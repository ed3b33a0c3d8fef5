"""What counts as DER, byte for byte (X.690)."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.der import read_time, read_x509_time, require_der, time

GOOD = [
    "0500",
    "0101ff",
    "020100",
    "020200ff",
    "3000",
    "31060201010201 02",
    "0303 06c0 40",
    "3009040730050500040100",
    "06092a811cd7630501ff7f",
]
BAD = {
    "cut short": "3003",
    "bytes after it": "050000",
    "indefinite length": "3080 0500 0000",
    "length not minimal": "30810205 00",
    "integer not minimal": "02020001",
    "empty integer": "0200",
    "BOOLEAN true as 01": "010101",
    "BOOLEAN false, which is every default": "010100",
    "NULL with content": "050100",
    "set out of order": "3106020102020101",
    "string in pieces": "2403040100",
    "stray bits": "030203c1",
    "no unused-bits octet": "0300",
    "time with an offset": "18133230323631313233303030303030" + "2b30383030",
    "fraction ends in zero": "1811" + b"20261123000000.0Z".hex(),
    "empty OID": "0600",
    "OID cut within an arc": "06022a86",
    "OID with zeros before an arc": "06032a8001",
    "multi-byte tag": "1f8101 00",
}


@pytest.mark.parametrize("text", GOOD)
def test_der_passes(text: str) -> None:
    require_der(bytes.fromhex(text))


@pytest.mark.parametrize("why", BAD)
def test_anything_else_is_refused(why: str) -> None:
    with pytest.raises(ValueError):
        require_der(bytes.fromhex(BAD[why]))


def test_nesting_is_bounded() -> None:
    data = b""
    for _ in range(40):
        data = b"\x30" + bytes([len(data)]) + data
    with pytest.raises(ValueError, match="deeply"):
        require_der(data)


@given(st.binary(max_size=64))
def test_no_other_exception_whatever_the_bytes(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        require_der(data)


@pytest.mark.parametrize(
    ("at", "element"),
    [
        (datetime(2050, 1, 1, 3, tzinfo=timezone(timedelta(hours=8))), b"\x17\x0d491231190000Z"),
        (datetime(2049, 12, 31, 23, tzinfo=timezone(timedelta(hours=-8))), b"\x18\x0f20500101070000Z"),
        (datetime(1950, 1, 1, tzinfo=UTC), b"\x17\x0d500101000000Z"),
        (datetime(1949, 12, 31, tzinfo=UTC), b"\x18\x0f19491231000000Z"),
        (datetime(999, 1, 1, tzinfo=UTC), b"\x18\x0f09990101000000Z"),
    ],
)
def test_a_time_is_written_by_its_year_in_utc_and_read_back(at: datetime, element: bytes) -> None:
    """RFC 5280, 4.1.2.5."""
    assert time(at) == element
    assert read_time(element) == at
    if at.year >= 1950:
        assert read_x509_time(element) == at


@pytest.mark.parametrize(
    "element", [b"\x18\x0f20491231235959Z", b"\x18\x0f19491231235959Z", b"\x17\x0d260231000000Z", b"\x05\x00"]
)
def test_a_date_of_x_509_has_the_form_of_its_year(element: bytes) -> None:
    """RFC 5280, 4.1.2.5 and 5.1.2.4: through 2049 UTCTime, after it GeneralizedTime."""
    with pytest.raises(ValueError):
        read_x509_time(element)
