"""The values of a form whose fields are data, such as an application: the rules of `field_values`, and every
fault told at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from keys.errors import Fault, Kind, VermilionError
from signing.field_values import FieldFault, parse_value
from signing.licence_type import Field, FieldKind


def check_form(fields: Sequence[Field], submitted: Mapping[str, object], today: date) -> dict[str, object]:
    """The canonical JSON values, in the form's order; a photo stays as it was sent, in base64.

    Raises VermilionError(INVALID, `invalid_fields`) with one fault for each field, `/fields/<name>`.
    """
    faults = [
        Fault(f"/fields/{_shown(name)}", "unknown_field", "the form has no such field")
        for name in sorted(set(submitted) - {field.name for field in fields})[:20]
    ]
    values: dict[str, object] = {}
    for field in fields:
        raw = submitted.get(field.name)
        try:
            if raw is not None:
                values[field.name] = _value(field, raw, today)
            elif field.required:
                raise FieldFault("missing", "a value is required")
        except FieldFault as fault:
            faults.append(Fault(f"/fields/{field.name}", fault.reason, fault.detail))
    if faults:
        raise VermilionError(
            Kind.INVALID, "the values do not fit the form", reason="invalid_fields", faults=tuple(faults)
        )
    return values


def _shown(name: str) -> str:
    """An unknown name is hostile text: it is not repeated but for a short plain form."""
    return name if len(name) <= 40 and name.isascii() and name.isidentifier() else "?"


def _value(field: Field, raw: object, today: date) -> object:
    if field.kind is FieldKind.PHOTO:
        from signing.photo import parse_photo  # brings in Pillow

        parse_photo(raw)
        return raw
    value = parse_value(field, raw, today)
    return list(value) if isinstance(value, tuple) else value
