"""Which values are the same, and which are a difference that a person clears."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.intake.comparing import Value, differences, normal, same
from signing.licence_type import Disclosure, Field, FieldKind

KINDS = st.sampled_from([one for one in FieldKind if one is not FieldKind.PHOTO])
TEXTS = st.text(max_size=30)
VALUES = TEXTS | st.lists(TEXTS, min_size=1, max_size=5).map(tuple)


@pytest.mark.parametrize(
    ("kind", "one", "other", "equal"),
    [
        (FieldKind.TEXT, "样本（云溪）有限公司", "样本(云溪) 有限公司", True),
        (FieldKind.TEXT, "ＡＢＣ１２３", "ABC123", True),
        (FieldKind.TEXT, "张三", "张 三", True),
        (FieldKind.TEXT, "张三", "张叁", False),
        (FieldKind.TEXT, "Abc", "abc", False),
        (FieldKind.TEXT, "2026-01-02", "20260102", False),
        (FieldKind.USCC, "91990100ma1000017a", "91990100MA1000017A", True),
        (FieldKind.PHONE, "0990-1234567", "09901234567", True),
        (FieldKind.DATE, "2026-01-02", "2026年1月2日", True),
        (FieldKind.DATE, "2026-01-02", "20260102", True),
        (FieldKind.DATE, "2026-01-02", "2026/1/2", True),
        (FieldKind.DATE, "2026-01-02", "2026.01.02", True),
        (FieldKind.DATE, "2026-01-02", "2026-02-01", False),
        (FieldKind.DATE, "2026-02-30", "2026/2/30", False),  # no day: no other way to write it
        (FieldKind.MONTH, "1993-05", "1993年5月", True),
        (FieldKind.MONTH, "1993-05", "199305", True),
        (FieldKind.MONTH, "1993-05", "1993-06", False),
        (FieldKind.LIST, ("热食", "冷食"), ("冷食", "热 食", "冷食"), True),
        (FieldKind.LIST, ("热食", "冷食"), ("热食",), False),
        (FieldKind.LIST, ("热食",), "热食", True),
    ],
)
def test_what_is_the_same(kind: FieldKind, one: Value, other: Value, equal: bool) -> None:
    assert same(kind, one, other) is equal
    assert same(kind, other, one) is equal


@given(KINDS, VALUES, VALUES, VALUES)
def test_to_be_the_same_is_an_equivalence(kind: FieldKind, one: Value, two: Value, three: Value) -> None:
    assert same(kind, one, one)
    assert same(kind, one, two) == same(kind, two, one)
    if same(kind, one, two) and same(kind, two, three):
        assert same(kind, one, three)


@given(KINDS, TEXTS, st.sampled_from(" \t\u3000\u00a0\n"), st.integers(0, 30))
def test_white_space_and_width_make_no_difference(kind: FieldKind, text: str, space: str, at: int) -> None:
    """Marks that would join with what stands before them aside: those make another letter."""
    plain = unicodedata.normalize("NFKC", text)
    assert same(kind, text, plain)
    assert same(FieldKind.TEXT, plain, f"{space}{plain}{space}")
    if plain.isascii():
        assert same(kind, plain, plain[:at] + space + plain[at:])
        wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in plain)
        assert same(kind, plain, wide)


@given(st.dates(min_value=date(1000, 1, 1)), st.dates(min_value=date(1000, 1, 1)))
def test_a_day_is_the_same_however_it_is_written(day: date, other: date) -> None:
    written = {
        day.isoformat(), f"{day:%Y%m%d}", f"{day.year}/{day.month}/{day.day}",
        f"{day.year}年{day.month}月{day.day}日", f"{day.year}.{day.month:02}.{day.day:02}",
    }  # fmt: skip
    assert {normal(FieldKind.DATE, one) for one in written} == {(day.isoformat(),)}
    assert all(same(FieldKind.DATE, one, other.isoformat()) == (day == other) for one in written)


def a_field(name: str, kind: FieldKind = FieldKind.TEXT) -> Field:
    names = {"zh": name, "en": name}
    return Field(name, names, kind, True, 100, None, Disclosure.OMITTED, Disclosure.OMITTED, ())


def test_what_one_side_does_not_say_is_no_difference() -> None:
    form = [a_field("name"), a_field("address"), a_field("since", FieldKind.DATE)]
    compared = {"name": "n", "address": "a", "since": "s", "gone": "g"}
    found = differences(
        form, compared, {"name": "甲", "since": "2026-01-02", "gone": "x"}, {"n": "乙", "a": "某地", "s": "20260102"}
    )  # fmt: skip
    assert [(one.field, one.source_field, one.applicant, one.source) for one in found] == [
        ("name", "n", "甲", "乙")
    ]
    assert differences(form, {}, {"name": "甲"}, {"n": "乙"}) == []
