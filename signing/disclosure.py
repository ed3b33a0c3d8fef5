"""What of a licence the public may see: its type's rule, field by field."""

from __future__ import annotations

from signing.licence_type import Disclosure, LicenceType, Role
from signing.live import LiveLicence
from signing.masking import mask
from signing.record import FieldValue

LIST_JOIN = "；"


def disclose(licence: LiveLicence, licence_type: LicenceType, language: str) -> list[tuple[str, str]]:
    """Label and value of each field that may be shown, in the order of the face, masked where the type says.

    `language` is "zh" or "en" and chooses labels; values stand as printed. Raises VermilionError(INVALID)
    for a field said to be masked without a mask: nothing is shown rather than too much.
    """
    shown = []
    for field in licence_type.fields:
        value: FieldValue | None = licence.record.fields.get(field.name)
        if field.role is Role.NUMBER:
            value = licence.record.number
        if value is None or field.public is Disclosure.OMITTED:
            continue
        if field.public is Disclosure.MASKED:
            value = mask(field, value)
        label = field.label.get(language, field.label["zh"])
        shown.append((label, value if isinstance(value, str) else LIST_JOIN.join(value)))
    return shown
