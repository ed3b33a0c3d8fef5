"""What the page and the API tell of a licence: its type's `public` rule, field by field."""

from __future__ import annotations

from dataclasses import dataclass

from signing.field_values import parse_iso_date
from signing.licence_type import Disclosure, Field, FieldKind, LicenceType, Role
from signing.masking import mask
from signing.record import FieldValue, Record
from verify_web.language import day_in_words, month_in_words


@dataclass(frozen=True, slots=True)
class Disclosed:
    """One value as it may be shown. `value` is canonical; `words` is for reading."""

    field: Field
    value: FieldValue
    masked: bool

    def words(self, lang: str) -> str:
        if not isinstance(self.value, str):
            return "；".join(self.value)
        if not self.masked and self.field.kind is FieldKind.DATE:
            day = parse_iso_date(self.value)
            return self.value if day is None else day_in_words(day, lang)
        if not self.masked and self.field.kind is FieldKind.MONTH:
            day = parse_iso_date(f"{self.value}-01")
            return self.value if day is None else month_in_words(day, lang)
        return self.value


def disclose(record: Record, licence_type: LicenceType | None) -> tuple[Disclosed, ...]:
    """The values that may be shown, in the order of the face; none where the type is not known."""
    shown = []
    for field in licence_type.fields if licence_type is not None else ():
        value = record.number if field.role is Role.NUMBER else record.fields.get(field.name)
        if value is None or field.public is Disclosure.OMITTED or field.kind is FieldKind.PHOTO:
            continue
        masked = field.public is Disclosure.MASKED
        shown.append(Disclosed(field, mask(field, value) if masked else value, masked))
    return tuple(shown)


def of_role(shown: tuple[Disclosed, ...], role: Role) -> Disclosed | None:
    return next((value for value in shown if value.field.role is role), None)
