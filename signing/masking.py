"""Masked forms of values: what a page or a QR code shows of a person.

Masks keep the length, one * for each character hidden, so that a reader can hold them against the
document. Organisations are never masked: a type says so by naming no mask, and the loader refuses masks
on their names and codes.
"""

from __future__ import annotations

from collections.abc import Callable

from keys.errors import Kind, VermilionError
from signing.licence_type import Field
from signing.record import FieldValue

STAR = "*"


def mask_name(name: str) -> str:
    """A person's name: the first character stays, as Chinese registers show it, and so does the · between
    the parts of a transcribed name. A name of one character is hidden whole.
    """
    if len(name) < 2:
        return STAR * len(name)
    return name[0] + "".join(c if c == "·" else STAR for c in name[1:])


def mask_citizen_id(number: str) -> str:
    """A citizen number: first and last character stay. Neither birth date nor division can be read from it,
    and the last character alone, a check sum over hidden digits, narrows them down by eleven at most.
    """
    if len(number) < 3:
        return _only_first(number)
    return number[0] + STAR * (len(number) - 2) + number[-1]


def mask_phone(number: str) -> str:
    """A telephone number: the first three and the last two of at least eight characters stay; of fewer, the
    first.
    """
    if len(number) < 8:
        return _only_first(number)
    return number[:3] + STAR * (len(number) - 5) + number[-2:]


def mask_address(address: str) -> str:
    """An address: the first third stays, at most six characters, which is province and city."""
    kept = min(6, len(address) // 3)
    if kept == 0:
        return _only_first(address)
    return address[:kept] + STAR * (len(address) - kept)


def _only_first(text: str) -> str:
    return text[:1] + STAR * (len(text) - 1) if len(text) > 1 else STAR * len(text)


_RULES: dict[str, Callable[[str], str]] = {
    "name": mask_name,
    "citizen_id": mask_citizen_id,
    "phone": mask_phone,
    "address": mask_address,
}


def mask(field: Field, value: FieldValue) -> FieldValue:
    """The masked form of a field's value by the rule its type names.

    Raises VermilionError(INVALID) for a field without one: nothing is shown rather than too much.
    """
    rule = _RULES.get(field.mask or "")
    if rule is None:
        raise VermilionError(Kind.INVALID, f"the field {field.name} has no mask", reason="no_mask")
    return rule(value) if isinstance(value, str) else tuple(rule(item) for item in value)


def is_mask_of(masked: str, value: str) -> bool:
    """Whether `masked` is what one of the rules makes of `value`, and hides something of it."""
    return STAR in masked and any(rule(value) == masked for rule in _RULES.values())
