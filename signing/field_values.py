"""One submitted value: its JSON type, its characters, its rule, its canonical form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache

from keys.errors import VermilionError
from signing.codes import check_citizen_id, check_food_licence_number, check_uscc, citizen_is_male
from signing.licence_type import Field, FieldKind, LicenceType, NumberRule, Role

MAX_ITEMS = 50
MAX_NUMBER = 60
MAX_CHOICE = 200

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_PHONE = re.compile(r"\+?[0-9]{2,4}(-?[0-9]{2,8}){0,3}")
_REFUSED = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_VARIATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


class FieldFault(Exception):  # noqa: N818 - it becomes a Fault, and never leaves this package
    """A value breaks a rule. `detail` never repeats the value."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def has_refused_characters(text: str) -> bool:
    """Whether a text holds a control, format, surrogate or private character.

    Format characters (category Cf) are refused whole: all bidi controls and the zero-width ones that make
    two texts look alike are among them. Variation selectors are refused because plain faces ignore them.
    Unassigned ones are refused where a licence is issued only: which they are depends on the reader's edition
    of Unicode, and a verdict may not.
    """
    if text.isprintable():  # which no character of these categories is; variation selectors are
        return not text.isascii() and _VARIATION.search(text) is not None
    return any(map(_is_refused, text))


@lru_cache(maxsize=1 << 16)
def _is_refused(c: str) -> bool:
    return unicodedata.category(c) in _REFUSED or _VARIATION.match(c) is not None


def is_plain_text(text: str) -> bool:
    """Whether a text may be printed and compared: NFC without refused characters."""
    if text.isascii():  # which is NFC
        return text.isprintable()
    return not has_refused_characters(text) and unicodedata.is_normalized("NFC", text)


@lru_cache(maxsize=1 << 16)
def _is_unassigned(c: str) -> bool:
    return unicodedata.category(c) == "Cn"


def parse_iso_date(text: str) -> date | None:
    """A calendar date in exactly the form YYYY-MM-DD, or None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _text(raw: object, max_length: int) -> str:
    if not isinstance(raw, str):
        raise FieldFault("wrong_type", "a text is expected")
    if len(raw) > 4 * max_length:  # before any work is done on it; NFC shrinks a text less than that
        raise FieldFault("too_long", f"at most {max_length} characters")
    if has_refused_characters(raw) or any(map(_is_unassigned, raw)):
        raise FieldFault("bad_characters", "control, format, unassigned or surrogate characters are refused")
    text = unicodedata.normalize("NFC", raw)
    if not text or text != text.strip():
        raise FieldFault("blank", "it is empty, or begins or ends with a space")
    if len(text) > max_length:
        raise FieldFault("too_long", f"at most {max_length} characters")
    return text


def _code(raw: object, length: int, check: Callable[[str], object]) -> str:
    text = _text(raw, length)
    try:
        check(text)
    except VermilionError as error:
        raise FieldFault(error.reason, error.detail) from None
    return text


def parse_value(field: Field, raw: object, today: date) -> str | tuple[str, ...]:
    """The canonical form of a value of any kind but number and photo. Raises FieldFault."""
    match field.kind:
        case FieldKind.TEXT:
            return _text(raw, field.max_length)
        case FieldKind.LIST:
            if not isinstance(raw, list):
                raise FieldFault("wrong_type", "a list of texts is expected")
            if not 1 <= len(raw) <= MAX_ITEMS:
                raise FieldFault("too_many", f"1 to {MAX_ITEMS} items")
            return tuple(_text(item, field.max_length) for item in raw)
        case FieldKind.CHOICE:
            text = _text(raw, MAX_CHOICE)
            if text not in field.choices:
                raise FieldFault("not_a_choice", "it is none of the values of this field")
            return text
        case FieldKind.DATE:
            text = _text(raw, 10)
            if parse_iso_date(text) is None:
                raise FieldFault("not_a_date", "a real date YYYY-MM-DD is expected")
            return text
        case FieldKind.MONTH:
            text = _text(raw, 7)
            if not _MONTH.fullmatch(text) or text < "0001":
                raise FieldFault("not_a_month", "a month YYYY-MM is expected")
            return text
        case FieldKind.USCC:
            return _code(raw, 18, check_uscc)
        case FieldKind.CITIZEN_ID:
            return _code(raw, 18, lambda text: check_citizen_id(text, today))
        case FieldKind.PHONE:
            text = _text(raw, min(field.max_length, 24))
            if not _PHONE.fullmatch(text):
                raise FieldFault("not_a_phone", "digits and hyphens of a telephone number are expected")
            return text
        case _:
            raise FieldFault("wrong_type", "this kind of value is given elsewhere")


def parse_number(rule: NumberRule, raw: object) -> str:
    """A licence number by its type's rule. Raises FieldFault."""
    text = _text(raw, MAX_NUMBER)
    if not re.fullmatch(rule.pattern, text, re.ASCII):
        raise FieldFault("wrong_pattern", "the number has not the shape its type wants")
    if rule.check == "iso7064-mod-11-10":
        return _code(text, MAX_NUMBER, check_food_licence_number)
    return text


def check_against_citizen_id(
    licence_type: LicenceType, values: Mapping[str, str | tuple[str, ...]]
) -> Iterator[tuple[str, str, str]]:
    """Sex and birth must agree with the holder's citizen number: (field, reason, detail) of each fault.

    `values` are canonical values.
    """
    code = licence_type.field(Role.HOLDER_CODE)
    if code is None or code.kind is not FieldKind.CITIZEN_ID or code.name not in values:
        return
    number = str(values[code.name])
    born = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
    sex, birth = licence_type.field(Role.SEX), licence_type.field(Role.BIRTH)
    if sex and sex.name in values and values[sex.name] != ("男" if citizen_is_male(number) else "女"):
        yield sex.name, "disagrees", "it disagrees with the citizen identification number"
    if birth and birth.name in values and not born.startswith(str(values[birth.name])):
        yield birth.name, "disagrees", "it disagrees with the citizen identification number"
