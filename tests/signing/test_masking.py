"""What a mask may show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import VermilionError
from signing.licence_type import Disclosure
from signing.masking import is_mask_of, mask, mask_address, mask_citizen_id, mask_name, mask_phone
from tests.signing import printing


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("王㛃", "王*"),
        ("欧阳景行", "欧***"),
        ("古丽娜尔·艾山江", "古***·***"),
        ("𠮷田", "𠮷*"),
        ("王", "*"),
        ("", ""),
    ],
)
def test_a_name_keeps_its_first_character(name: str, masked: str) -> None:
    assert mask_name(name) == masked


def test_a_citizen_number_keeps_neither_birth_date_nor_division() -> None:
    assert mask_citizen_id("340000199305170262") == "3****************2"


def test_phones_and_addresses_keep_their_beginning() -> None:
    assert mask_phone("13800001234") == "138******34"
    assert mask_phone("12315") == "1****"
    assert mask_address("云溪省样本市青禾区竹影路18号云水大厦1层") == "云溪省样本市" + "*" * 15
    assert mask_address("小区3号") == "小***"


@given(st.text(max_size=60))
def test_masks_keep_the_length_and_are_known_as_masks_of_their_value_only(value: str) -> None:
    for rule in (mask_name, mask_citizen_id, mask_phone, mask_address):
        masked = rule(value)
        assert len(masked) == len(value)
        assert all(m in ("*", v) for m, v in zip(masked, value, strict=True))
        assert is_mask_of(masked, value) == ("*" in masked)


@pytest.mark.parametrize("masked", ["王㛃", "**", "李*", "王**", "", "*㛃"])
def test_other_texts_are_no_masks(masked: str) -> None:
    assert not is_mask_of(masked, "王㛃")


def test_every_masked_field_of_the_samples_hides_something_and_no_organisation_is_masked() -> None:
    for one in printing.samples():
        for field in one.licence_type.fields:
            if Disclosure.MASKED in (field.public, field.qr):
                value = one.printout.record.fields[field.name]
                shown = mask(field, value)
                assert isinstance(shown, str)
                assert is_mask_of(shown, str(value))
        if one.licence_type.holder_category == "legal":
            names = [f for f in one.licence_type.fields if f.name in {"operator_name", "credit_code"}]
            assert all(field.mask is None for field in names)


def test_a_field_without_a_rule_is_never_shown_instead() -> None:
    field = replace(printing.samples()[0].licence_type.fields[0], mask=None)
    with pytest.raises(VermilionError):
        mask(field, "样本")
