"""The lines of a batch: what is read of them, and that nothing sent there is a defect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import Fault, VermilionError
from registry.batches import lines as module
from registry.batches.lines import CSV, NDJSON, Line, bounded_lines, read_lines
from registry.licences.forms import MAX_REQUEST

HEADER = b"type,seal,matter_code,case_number,operator,number,fields.name,fields.items[]\n"
NAMES = ("type", "seal", "matter_code", "case_number", "operator")


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read(media: str, data: bytes, size: int = 7) -> list[Line]:
    return list(read_lines(media, in_pieces(data, size)))


def faults(lines: list[Line]) -> dict[int, str]:
    return {line.number: line.fault.reason for line in lines if line.fault is not None}


@given(
    data=st.lists(st.sampled_from([b"a", b"\n", b"bc", b"\r\n", b"defgh"])).map(b"".join),
    size=st.integers(1, 9),
)
def test_lines_do_not_depend_on_the_pieces_they_come_in(data: bytes, size: int) -> None:
    whole = data.split(b"\n")
    if whole[-1] == b"":
        whole.pop()
    expected = [line if len(line) <= 4 else None for line in whole]
    assert list(bounded_lines(in_pieces(data, size), 4)) == expected


def test_a_line_without_end_is_not_kept() -> None:
    kept = 0

    def endless() -> Iterator[bytes]:
        nonlocal kept
        for _ in range(4000):
            kept += 1
            yield b"x" * 65536
        yield b"\n{}\n"

    lines = list(read_lines(NDJSON, endless()))
    assert kept == 4000
    assert lines == [Line(1, None, Fault("", "too-large", f"more than {MAX_REQUEST} bytes")), Line(2, {})]


def test_ndjson_says_line_by_line_what_cannot_be_read() -> None:
    deep = b"[" * 13 + b"]" * 13
    data = b'{"a":1}\r\n\n  \nnull\n' + deep + b'\n{"a":1,"a":2}\n1.5\n"\xff"\n"\\ud800"\n{"b":2}'
    lines = read(NDJSON, data)
    assert [(line.number, line.value) for line in lines if line.fault is None] == [
        (1, {"a": 1}), (4, None), (10, {"b": 2}),
    ]  # fmt: skip
    assert faults(lines) == dict.fromkeys((5, 6, 7, 8, 9), "malformed")


def test_csv_is_read_by_its_header() -> None:
    data = b"\xef\xbb\xbf" + HEADER.replace(b"\n", b"\r\n")
    data += 't,s,m,c,o,1,"甲, ""乙""",一；二\r\n\r\n'.encode()
    data += 't,s,m,c,o,,"two\nlines",\nt,s,m,c,o,2,x,三'.encode()
    lines = read(CSV, data)
    common = dict(zip(NAMES, "tsmco", strict=True))
    assert lines == [
        Line(2, common | {"number": "1", "fields": {"name": '甲, "乙"', "items": ["一", "二"]}}),
        Line(4, common | {"fields": {"name": "two\nlines"}}),
        Line(6, common | {"number": "2", "fields": {"name": "x", "items": ["三"]}}),
    ]


def test_csv_says_line_by_line_what_cannot_be_read() -> None:
    good = b"t,s,m,c,o,1,x,y\n"
    data = HEADER + b't,s,m,c,o,"1"2,x,y\n' + good + b"t,s\n" + b"t,s,m,c,o,\xff,x,y\n" + b"t,\rs\n" + good
    data += b"t,s,m,c,o,1," + b"x" * (MAX_REQUEST + 1) + b",y\n" + good
    lines = read(CSV, data, 65536)
    assert [line.number for line in lines if line.fault is None] == [3, 7, 9]
    assert faults(lines) == {2: "malformed", 4: "columns", 5: "malformed", 6: "malformed", 8: "too-large"}


@pytest.mark.parametrize(
    "tail",
    [b'"' + b"x\n" * 300_000, b'"x\n\xff"\n', b'"x\ny"z\n', b'"x\ny'],
    ids=["too large", "no UTF-8", "after the quotes", "cut"],
)
def test_where_quotes_do_not_end_nothing_behind_is_guessed(tail: bytes) -> None:
    data = HEADER + b"t,s,m,c,o,1,x,y\nt,s,m,c,o,1," + tail
    lines = read(CSV, data, 65536)
    assert [line.number for line in lines] == [2, 3]
    assert lines[1].fault is not None
    assert "nothing behind it" in lines[1].fault.detail


HEADERS = {
    "a licence instead": "甲,99010000000999,m,c,o",
    "one missing": "type,seal,matter_code,operator",
    "one twice": "type,type,seal,matter_code,case_number,operator",
    "a field twice": "type,seal,matter_code,case_number,operator,fields.x,fields.x[]",
    "a field's name that is none": "type,seal,matter_code,case_number,operator,fields.X-y",
    "fields whole": "type,seal,matter_code,case_number,operator,fields",
    "nothing": "",
    "too many": ",".join(f"fields.f{n}" for n in range(module.MAX_COLUMNS + 1)),
    "quotes": '"type"x,seal',
    "no UTF-8": "\udcff",
    "too long": "x" * (MAX_REQUEST + 1),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=list(HEADERS))
def test_a_header_that_is_not_right_refuses_the_whole_file_and_repeats_nothing(header: str) -> None:
    data = header.encode("utf-8", "surrogateescape") + b"\nt,s,m,c,o\n"
    with pytest.raises(VermilionError) as caught:
        read(CSV, data, 65536)
    said = caught.value.detail + "".join(f"{f.field}{f.detail}" for f in caught.value.faults)
    assert "甲" not in said
    assert "X-y" not in said


@given(
    media=st.sampled_from([NDJSON, CSV]),
    head=st.sampled_from([b"", HEADER]),
    data=st.lists(
        st.sampled_from([b'"', b",", b"\n", b"\r", b"\x00", b"{", b"}", b"\xff", b"t", b'""', b"\\", "；".encode()])
        | st.binary(max_size=4)
    ).map(b"".join),
)  # fmt: skip
def test_no_bytes_are_a_defect(media: str, head: bytes, data: bytes) -> None:
    try:
        lines = read(media, head + data)
    except VermilionError:
        return
    numbers = [line.number for line in lines]
    assert numbers == sorted(set(numbers))
    assert numbers == [] or numbers[0] > 0
