"""An applicant's values beside exchanged ones, field by field (Measures, Art. 9).

Two values are the same when they are so in one normal form, of which there are few:

- every text: NFKC, which makes full-width letters, digits and brackets plain ones, and no white space at all;
- codes and telephone numbers: capitals, without hyphens;
- dates and months: YYYY-MM-DD, YYYYMMDD, YYYY/M/D, YYYY.M.D and YYYY年M月D日 are one, as a real day;
- lists: their items by the same rules, in any order, each counted once.

What is not the same then is a difference, which a person clears: nothing here guesses that two names are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from signing.licence_type import Field, FieldKind

Value = str | tuple[str, ...]
_CODES = frozenset({FieldKind.USCC, FieldKind.CITIZEN_ID, FieldKind.PHONE})
_SEPARATED_DAY = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?")
_COMPACT_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_MONTH = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})月?|([0-9]{4})([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Difference:
    """A form field of which the two say different things."""

    field: str
    source_field: str
    applicant: Value
    source: Value


def differences(
    fields: Sequence[Field],
    compared: Mapping[str, str],
    applicant: Mapping[str, object],
    source: Mapping[str, Value],
) -> list[Difference]:
    """In the form's order. What one side does not say differs from nothing: a form that wants it has asked
    for it already.
    """
    found = []
    for one in fields:
        theirs = source.get(compared.get(one.name, ""))
        ours = as_value(applicant.get(one.name))
        if theirs is None or ours is None or one.kind is FieldKind.PHOTO:
            continue
        if not same(one.kind, ours, theirs):
            found.append(Difference(one.name, compared[one.name], ours, theirs))
    return found


def same(kind: FieldKind, one: Value, other: Value) -> bool:
    """Whether two values of a field of this kind say the same."""
    return normal(kind, one) == normal(kind, other)


def normal(kind: FieldKind, value: Value) -> tuple[str, ...]:
    """The form by which values are compared; a single value is a list of one."""
    items = (value,) if isinstance(value, str) else value
    return tuple(sorted({_normal(kind, item) for item in items}))


def as_value(said: object) -> Value | None:
    """A value of an application's JSON; None for none."""
    if isinstance(said, list | tuple):
        return tuple(str(one) for one in said)
    return said if isinstance(said, str) else None


def _normal(kind: FieldKind, text: str) -> str:
    plain = "".join(unicodedata.normalize("NFKC", text).split())
    if kind in _CODES:
        return plain.upper().replace("-", "")
    if kind is FieldKind.DATE:
        return _day(plain) or plain
    if kind is FieldKind.MONTH:
        return _month(plain) or plain
    return plain


def _day(text: str) -> str | None:
    found = _COMPACT_DAY.fullmatch(text) or _SEPARATED_DAY.fullmatch(text)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        return None


def _month(text: str) -> str | None:
    found = _MONTH.fullmatch(text)
    if found is None:
        return None
    year, month = (found[1], found[2]) if found[1] else (found[3], found[4])
    return f"{year}-{int(month):02}" if 1 <= int(month) <= 12 else None
