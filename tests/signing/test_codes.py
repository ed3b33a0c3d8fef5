"""Check characters: published vectors, python-stdnum as oracle, and hostile text."""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc
from stdnum.iso7064 import mod_37_36

from keys.errors import Kind, VermilionError
from signing.codes import (
    CROCKFORD,
    check_citizen_id,
    check_food_licence_number,
    check_seal_code,
    check_type_code,
    check_uscc,
    make_identifier,
    normalise_lookup_code,
    parse_identifier,
    print_lookup_code,
)

TODAY = date(2026, 11, 23)
ROOT = "1.2.156.3005.2."

# Identifiers of published licences and interfaces (GB/T 36904).
VECTORS = [
    "11100000000013338W009.11330105002500287C.2025052201.002.0",
    "11100000MB03271699022.340100.000000016.001.9",  # a division code where the issuer's USCC belongs
    "11100000000013338W011.11430000006122244L.20230000403.001.U",
    "11100000000013338W011.11430000006122244L.20230000403.002.S",
    "11100000000013338W032.11220000013544541J.2430599.001.F",
]
# Identifiers that follow a province's own variant of the check and fail the standard's.
VARIANTS = [
    "11100000MB03271699022.11370000MB2852565A.301213AF0610489FBEC46E8AB9C5C25F.001.T",
    "11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M",
]


@pytest.mark.parametrize("vector", VECTORS)
def test_published_identifiers_pass(vector: str) -> None:
    parsed = parse_identifier(ROOT + vector)
    type_code, issuer, serial, edition, check = vector.split(".")
    assert (parsed.type_code, parsed.issuer_code, parsed.serial) == (type_code, issuer, serial)
    assert (parsed.edition, parsed.check) == (int(edition), check)
    if len(issuer) == 18:
        assert make_identifier(type_code, issuer, serial, int(edition)) == ROOT + vector


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_off_by_one_variant_is_refused(variant: str) -> None:
    with pytest.raises(VermilionError) as caught:
        parse_identifier(ROOT + variant)
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "check_character")


serials = st.text(string.digits + string.ascii_uppercase, min_size=1, max_size=32)


@given(serial=serials, edition=st.integers(1, 999))
def test_an_identifier_made_is_read_back_and_agrees_with_the_oracle(serial: str, edition: int) -> None:
    text = make_identifier("11100000MB03271699022", "11330105002500287C", serial, edition)
    parsed = parse_identifier(text)
    assert (parsed.serial, parsed.edition) == (serial, edition)
    assert mod_37_36.is_valid("".join(text.removeprefix(ROOT).split(".")))


@given(serial=serials, data=st.data())
def test_any_single_wrong_character_is_noticed(serial: str, data: st.DataObject) -> None:
    text = make_identifier("11100000MB03271699022", "11330105002500287C", serial, 1)
    place = data.draw(st.integers(len(ROOT), len(text) - 1).filter(lambda n: text[n] != "."))
    other = data.draw(
        st.sampled_from(string.digits + string.ascii_uppercase).filter(lambda c: c != text[place])
    )
    with pytest.raises(VermilionError):
        parse_identifier(text[:place] + other + text[place + 1 :])


def test_made_identifiers_refuse_what_cannot_be_checked() -> None:
    for serial, edition in (("ab", 1), ("", 1), ("A" * 33, 1), ("１", 1), ("A", 0), ("A", 1000)):
        with pytest.raises(VermilionError):
            make_identifier("11100000MB03271699022", "11330105002500287C", serial, edition)


@given(
    body=st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=9, max_size=9),
    digits=st.from_regex("[0-9]{8}", fullmatch=True),
)
def test_credit_codes_agree_with_the_oracle(body: str, digits: str) -> None:
    good = digits + body + uscc.calc_check_digit(digits + body)
    assert check_uscc(good) == good
    for check in "0123456789ABCDEFGHJKLMNPQRTUWXY":
        if check != good[-1]:
            with pytest.raises(VermilionError):
                check_uscc(good[:-1] + check)


@given(born=st.dates(date(1900, 1, 1), TODAY), sequence=st.integers(0, 999))
def test_citizen_numbers_agree_with_the_oracle_and_give_the_birth_date(born: date, sequence: int) -> None:
    body = f"340000{born:%Y%m%d}{sequence:03}"
    good = body + ric.calc_check_digit(body + "0")
    assert ric.is_valid(good)
    assert check_citizen_id(good, TODAY) == born
    for check in "0123456789X":
        if check != good[-1]:
            with pytest.raises(VermilionError):
                check_citizen_id(body + check, TODAY)


@pytest.mark.parametrize("born", ["19930230", "20261124", "18791231", "00000000", "19931301"])
def test_a_citizen_number_needs_a_possible_birth_date(born: str) -> None:
    body = f"340000{born}001"
    with pytest.raises(VermilionError) as caught:
        check_citizen_id(body + ric.calc_check_digit(body + "0"), TODAY)
    assert caught.value.reason == "birth_date"
    assert born not in caught.value.detail


def test_food_licence_numbers_carry_a_mod_11_10_check_digit() -> None:
    good = "JY29901020000011"
    assert check_food_licence_number(good) == good
    for digit in set("0123456789") - {"1"}:
        with pytest.raises(VermilionError):
            check_food_licence_number(good[:-1] + digit)


@given(st.text(CROCKFORD, min_size=8, max_size=8))
def test_a_look_up_code_is_read_however_it_is_typed(code: str) -> None:
    assert normalise_lookup_code(code) == code
    assert normalise_lookup_code(print_lookup_code(code)) == code
    typed = code.lower().replace("0", "o").replace("1", "l")
    assert normalise_lookup_code(f" {typed[:4]}-{typed[4:]} ") == code


CHECKS: list[Callable[[str], object]] = [
    check_uscc,
    lambda text: check_citizen_id(text, TODAY),
    check_type_code,
    check_seal_code,
    check_food_licence_number,
    parse_identifier,
    normalise_lookup_code,
]


@pytest.mark.parametrize("check", CHECKS)
@given(text=st.text() | st.from_regex(r"[0-9A-Z]{14,21}") | st.text("0123456789XJYª１٣\n.", max_size=90))
def test_no_text_gets_anything_but_a_typed_error(check: Callable[[str], object], text: str) -> None:
    try:
        check(text)
    except VermilionError as error:
        assert error.kind in {Kind.MALFORMED, Kind.INVALID}
