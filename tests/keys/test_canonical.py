"""One form of JSON out, and only sound JSON in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def parse(data: bytes, max_bytes: int = 1000, max_depth: int = 8) -> Any:
    return strict_json(data, max_bytes=max_bytes, max_depth=max_depth)


@given(value=VALUES)
def test_what_goes_out_comes_in_again_and_has_one_form(value: object) -> None:
    data = canonical_json(value)
    assert strict_json(data, max_bytes=len(data), max_depth=20) == value
    assert canonical_json(strict_json(data, max_bytes=len(data), max_depth=20)) == data
    assert json.loads(data) == value


def test_the_canonical_form_is_sorted_dense_utf_8() -> None:
    assert (
        canonical_json({"b": [1, True, None], "a": '局 "𠮷"\n'})
        == '{"a":"局 \\"𠮷\\"\\n","b":[1,true,null]}'.encode()
    )


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), "\ud800", {"\udc00": 1}, {1: 2}, [b"x"], {1, 2}, object()]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)


REFUSED = {
    "empty": b"",
    "repeated member": b'{"a":1,"a":1}',
    "repeated member, escaped": b'{"a":1,"\\u0061":2}',
    "repeated below": b'[{"b":{"a":1,"a":2}}]',
    "NaN": b"NaN",
    "infinity": b"[-Infinity]",
    "a fraction": b"1.0",
    "an exponent": b"1e3",
    "beyond 2^53": b"9007199254740993",
    "digits without end": b"1" * 900,
    "not UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a lone surrogate": b'"\\ud800"',
    "a lone surrogate as a name": b'{"\\udc00":1}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "what follows": b"{} {}",
    "a comment": b"{} // x",
    "a trailing comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "a control character": b'"\x00"',
    "no end": b'"abc',
    "no end after a backslash": b'"abc\\',
}


@pytest.mark.parametrize("what", REFUSED)
def test_unsound_json_is_refused(what: str) -> None:
    with pytest.raises(VermilionError) as caught:
        parse(REFUSED[what])
    assert caught.value.kind is Kind.MALFORMED


def test_fractions_are_taken_where_they_are_asked_for_and_then_finite() -> None:
    assert strict_json(b"[40.0,-1.5e3,7]", max_bytes=100, max_depth=1, fractions=True) == [40.0, -1500.0, 7]
    for data in (b"1e999", b"-1e999", b"NaN", b"Infinity", b"9007199254740993", b"1.", b".5"):
        with pytest.raises(VermilionError) as caught:
            strict_json(data, max_bytes=100, max_depth=1, fractions=True)
        assert caught.value.kind is Kind.MALFORMED


def test_size_and_depth_are_bounded() -> None:
    assert parse(b"[" * 8 + b"]" * 8) == [[[[[[[[]]]]]]]]
    with pytest.raises(VermilionError) as caught:
        parse(b"[" * 9 + b"]" * 9)
    assert caught.value.kind is Kind.MALFORMED
    with pytest.raises(VermilionError) as caught:
        parse(b'"' + b"a" * 999 + b'"')
    assert caught.value.kind is Kind.TOO_LARGE
    for data in (b"[" * 900, b'{"a":' * 180, b"[[" + b"]" * 500):
        with pytest.raises(VermilionError):
            parse(data)


def test_brackets_in_strings_are_no_nesting() -> None:
    value = ["[[[[[[[[[", '"[[[[[[[[[[', "\\", "{" * 20, {"[[[[[[[[[[": 1}]
    assert parse(canonical_json(value), max_depth=2) == value


def test_depth_is_found_in_time_that_grows_with_length_alone() -> None:
    """Quotes without end, escapes without end: a careless pattern would take hours for these."""
    for data in (b'"' + b'\\"' * 2_000_000, b'"' * 4_000_001, b'"' + b'\\"' * 2_000_000 + b"\\"):
        with pytest.raises(VermilionError):
            parse(data, max_bytes=8_000_000)


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_no_other_error_escapes(data: bytes) -> None:
    try:
        value = parse(data)
    except VermilionError as error:
        assert error.kind is Kind.MALFORMED
    else:
        assert parse(canonical_json(value)) == value
