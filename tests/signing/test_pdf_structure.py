"""The reader knows one shape of PDF, says so in one kind of error, and takes linear time."""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import new as new_hash

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keys.errors import Kind, VermilionError
from signing.pdf_structure import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_OBJECTS,
    MAX_TOKENS,
    Array,
    Beginnings,
    Dictionary,
    Name,
    Ref,
    Stream,
    Text,
    read_pdf,
)
from tests.signing import printing
from tests.signing.long_term import document, prefix_of

HEADER = b"%PDF-1.7\n%\xc2\xa5\xc2\xb1\n"


def written(*bodies: bytes, trailer: bytes | None = None, order: list[int] | None = None) -> bytes:
    """A file of our shape with these objects, numbered from 1, written in `order`."""
    data, offsets = HEADER, {}
    for number in order or range(1, len(bodies) + 1):
        offsets[number] = len(data)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, bodies[number - 1])
    table = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    data += b"".join(b"%010d 00000 n \n" % offsets[n] for n in sorted(offsets))
    body = trailer or b"<< /Size %d /Root 1 0 R /ID [<00><00>] >>" % (len(bodies) + 1)
    return data + b"trailer\n" + body + b"\nstartxref\n%d\n%%%%EOF\n" % table


def reason(data: bytes) -> str:
    with pytest.raises(VermilionError) as refused:
        read_pdf(data)
    assert refused.value.kind is Kind.INVALID
    return refused.value.reason


def test_values_of_every_kind_are_read_with_their_places() -> None:
    body = rb"<< /A [1 -2.5 +.5 true false null 2 0 R] /B#20C (a\(b\)(c)\101\n) /D <00ff> /E /F >>"
    data = written(body, b"<< /Length 3 >>\nstream\nabc\nendstream", order=[2, 1])
    pdf = read_pdf(data)
    value = pdf.objects[1]
    assert isinstance(value, Dictionary)
    array, literal, digits = value.get("A"), value.get("B C"), value.get("D")
    assert isinstance(array, Array)
    assert array.items == (1, -2.5, 0.5, True, False, None, Ref(2))
    assert data[array.start : array.end].startswith(b"[1 ")
    assert isinstance(literal, Text)
    assert literal.value == b"a(b)(c)A\n"
    assert isinstance(digits, Text)
    assert (digits.value, data[digits.start : digits.end]) == (b"\0\xff", b"<00ff>")
    assert value.get("E") == Name("F")
    assert pdf.objects[2] == Stream({"Length": 3}, b"abc")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<<", b"<< /A >>", b"<< /A 1 /A 2 >>", b"<< /A 1 /#41 2 >>", b"<< 1 2 >>", b"[1", b"(a", b"<0>", b"<0g>",
        b"<0 0>", b"nul", b"1 2", b"2 0 R", b"[9 0 R]", b"[1 1 R]", b"/A#4", b"/", b"(\\400)", b"(\\x)", b"(a\r)", b"--1", b"1e5",
        b"% note\n1", b"1 % note", b"<< /Length 9 >>\nstream\nabc\nendstream", b"<< /Length 2 >>\nstream\nabc\nendstream",
        b"<< >>\nstream\nabc\nendstream", b"<< /Length 1 0 R >>\nstream\nabc\nendstream", b"1\nstream\nabc\nendstream",
        b"<< /Length -1 >>\nstream\nendstream", b"<< /Length 3 /F (x) >>\nstream\nabc\nendstream",
        b"<< /Length true >>\nstream\na\nendstream", b"<< /Length 3 /Type /ObjStm >>\nstream\nabc\nendstream",
        b"1\nendobj\n2 0 obj\n1", b"[" * (MAX_DEPTH + 2), b"<< /A " * (MAX_DEPTH + 2), b"(" * 100, b"99999999999",
    ],
)  # fmt: skip
def test_a_malformed_object_is_refused(body: bytes) -> None:
    assert reason(written(body)) == "structure"


@pytest.mark.parametrize(
    "trailer",
    [
        b"<< /Size 2 /Root 1 0 R /ID [] /Prev 9 >>", b"<< /Size 2 /Root 1 0 R /ID [] /Encrypt 1 0 R >>",
        b"<< /Size 2 /Root 1 0 R /ID [] /XRefStm 9 >>", b"<< /Size 3 /Root 1 0 R /ID [] >>", b"<< /Root 1 0 R /ID [] >>",
        b"<< /Size 2 /ID [] >>", b"<< /Size 2 /Root 7 0 R /ID [] >>", b"1", b"<< /Size 2 /Root 1 0 R /ID [] >> 1",
        b"<< /Size 2 /Root 1 0 R /ID [] /Size 2 >>", b"<< /Size 2 /Root 1 0 R /ID [] >> ",
    ],
)  # fmt: skip
def test_another_trailer_than_ours_is_refused(trailer: bytes) -> None:
    assert reason(written(b"1", trailer=trailer)) == "structure"


def test_every_byte_belongs_to_something() -> None:
    data = written(b"1", b"[1 0 R]")
    read_pdf(data)
    trailer = range(data.index(b"trailer\n") + 7, data.index(b"\nstartxref"))
    for at in range(len(data)):
        for extra in (b" ", b"\n", b"%", b"x"):
            changed = data[:at] + extra + data[at:]
            try:
                read_pdf(changed)
            except VermilionError:
                continue
            # White space within a dictionary means nothing, and would be signed.
            assert extra.isspace()
            assert at in trailer


def test_offsets_that_overlap_or_point_elsewhere_are_refused() -> None:
    data = written(b"(1 0 obj\n7\nendobj\n)", b"2")
    first = data.index(b"1 0 obj")
    hidden = data.index(b"1 0 obj", first + 1)
    assert reason(data.replace(b"%010d 00000 n" % first, b"%010d 00000 n" % hidden)) == "structure"
    assert reason(data.replace(b"%010d 00000 n" % first, b"%010d 00000 f" % first)) == "structure"
    assert reason(data.replace(b"%010d 00000 n" % first, b"%010d 00001 n" % first)) == "structure"


def test_bounds() -> None:
    assert reason(b"%PDF-" + bytes(MAX_BYTES)) == "too_large"
    assert reason(b"") == "not_a_pdf"
    assert reason(b"PK\x03\x04") == "not_a_pdf"
    assert reason(written(*[b"1"] * (MAX_OBJECTS + 1))) == "structure"
    pieces = MAX_TOKENS // 100
    for many in (b"1 " * MAX_TOKENS, (b"(" + b"\\101" * pieces + b")") * 100):  # a string of pieces is many
        assert reason(written(b"[" + many + b"]")) == "structure"
        read_pdf(written(b"[" + many[: len(many) // 100] + b"]"))


@pytest.mark.parametrize(
    "body",
    [
        b"(" * (MAX_BYTES // 2), b"[" * (MAX_BYTES // 2), b"<< /A " * (MAX_BYTES // 12), b"1 " * (MAX_BYTES // 4),
        b"[" + b"1 0 " * (MAX_BYTES // 8) + b"]", b"/" + b"A" * (MAX_BYTES // 2), b"<" + b"0" * (MAX_BYTES // 2),
        b" " * (MAX_BYTES // 2), b"[" + b"()" * (MAX_BYTES // 4) + b"]", b"(" + b"\\n" * (MAX_BYTES // 4), b"1" * (MAX_BYTES // 2),
        b"(" + b"(a)" * (MAX_BYTES // 6),
    ],
)  # fmt: skip
def test_the_largest_hostile_files_take_seconds_at_most(body: bytes) -> None:
    before = time.process_time()
    assert reason(written(body)) == "structure"
    assert time.process_time() - before < 10


@given(st.binary(max_size=400))
@example(b"%PDF-1.7\n%\xff\xff\xff\xff\nxref\nstartxref\n9\n%%EOF\n")
def test_garbage_is_refused(data: bytes) -> None:
    reason(data)
    reason(HEADER + data)


TOKENS = st.sampled_from(
    [b"<<", b">>", b"[", b"]", b"/A", b"/Length", b"1", b"0", b"R", b"1 0 R", b"(", b")", b"<", b">", b"00", b"stream\n",
     b"\nendstream", b"endobj\n", b"obj", b"%", b"\\", b"null", b"true", b"-.5", b"#", b"\n", b" "]
)  # fmt: skip


@given(st.lists(TOKENS, max_size=40))
def test_any_run_of_tokens_is_read_or_refused(tokens: list[bytes]) -> None:
    for body in (b" ".join(tokens), b"".join(tokens)):
        try:
            read_pdf(written(body))
        except VermilionError as error:
            assert error.reason == "structure"


def test_a_beginning_that_is_known_changes_nothing_but_the_time() -> None:
    """Every file is read the same with and without it, and one that differs anywhere is read itself."""
    one, other = document(0).data, document(1).data
    prefix = prefix_of(printing.samples()[0]).data
    beginnings = Beginnings()
    beginnings.expect(prefix)
    assert beginnings.of(one) is None
    beginnings.learn(read_pdf(one))
    assert beginnings.of(other) is not None
    for data in (one, other):
        known = read_pdf(data, beginnings)
        assert known.known
        whole = read_pdf(data)
        assert replace(known, beginning=None) == whole
        for gap in (
            (),
            (len(prefix) - 1, len(prefix) + 9),
            (len(prefix), len(data)),
            (len(data) - 9, len(data)),
        ):
            start, end = gap or (len(data), len(data))
            expected = new_hash("sha384", data[:start] + data[end:]).digest()
            assert known.digest("sha384", *gap) == whole.digest("sha384", *gap) == expected
    changed = bytearray(other)
    changed[prefix.index(b"/Lang") + 1] ^= 1
    assert beginnings.of(bytes(changed)) is None


def test_a_table_that_leads_elsewhere_is_refused_with_a_known_beginning_too() -> None:
    data = document(0).data
    beginnings = Beginnings()
    beginnings.expect(prefix_of(printing.samples()[0]).data)
    beginnings.learn(read_pdf(data))
    table = (
        data.rindex(b"xref\n0 ") + len(b"xref\n0 ") + data[data.rindex(b"xref\n0 ") + 7 :].index(b"\n") + 1
    )
    third, fourth = (data[table + 20 * n : table + 20 * (n + 1)] for n in (3, 4))
    swapped = data.replace(third + fourth, fourth + third)
    assert swapped != data
    for known in (None, beginnings):
        with pytest.raises(VermilionError) as refused:
            read_pdf(swapped, known)
        assert refused.value.reason == "structure"
