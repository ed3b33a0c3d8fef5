"""What of a licence the public may see: its type's `public` rule, field by field."""

from __future__ import annotations

from dataclasses import dataclass

from signing.licence_type import Disclosure, Field, FieldKind, LicenceType, Role
from signing.masking import mask
from signing.record import FieldValue, Record


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One value as it may be shown, canonical or masked."""

    field: Field
    value: FieldValue
    masked: bool


def disclose(record: Record, licence_type: LicenceType | None) -> tuple[Disclosed, ...]:
    """The values that may be shown, in the order of the face; none where the type is not known.

    Raises VermilionError(INVALID) for a field said to be masked without a mask: nothing is shown rather than
    too much. A photo is never shown.
    """
    shown = []
    for field in licence_type.fields if licence_type is not None else ():
        value = record.number if field.role is Role.NUMBER else record.fields.get(field.name)
        if value is None or field.public is Disclosure.OMITTED or field.kind is FieldKind.PHOTO:
            continue
        masked = field.public is Disclosure.MASKED
        shown.append(Disclosed(field, mask(field, value) if masked else value, masked))
    return tuple(shown)


def of_role(shown: tuple[Disclosed, ...], role: Role) -> Disclosed | None:
    """The value that plays a role, if it may be shown."""
    return next((value for value in shown if value.field.role is role), None)
