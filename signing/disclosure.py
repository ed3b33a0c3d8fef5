"""What of a licence the public may see: its type's `public` rule, field by field.

It is computed once, when an edition is registered, and stands in the registry beside the record that it was
made from. Whoever answers the public reads it alone, and can neither read nor decrypt the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from signing.json_object import JsonObject, bad_record
from signing.licence_type import Disclosure, Field, FieldKind, LicenceType, Role
from signing.masking import mask
from signing.record import FieldValue, Record, fields_from_json, fields_to_json


@dataclass(frozen=True, slots=True)
class PublicRecord:
    """A record without what the public may not see. `fields`: canonical values or their masks, by name."""

    identifier: str
    type_code: str
    type_version: int
    issuer_code: str  # USCC
    edition: int
    fields: Mapping[str, FieldValue]
    issue_date: date
    valid_from: date
    valid_to: date | None  # inclusive; None: no expiry
    specimen: bool


class Disclosed(NamedTuple):
    """One value as it may be shown, canonical or masked."""

    field: Field
    value: FieldValue
    masked: bool


def public_record(record: Record, licence_type: LicenceType) -> PublicRecord:
    """What the public may see of a record, by its own type. A photo is never shown.

    Raises VermilionError(INVALID) for a field said to be masked without a mask: nothing is shown rather than
    too much.
    """
    shown: dict[str, FieldValue] = {}
    for field in licence_type.fields:
        value = record.number if field.role is Role.NUMBER else record.fields.get(field.name)
        if value is None or field.public is Disclosure.OMITTED or field.kind is FieldKind.PHOTO:
            continue
        shown[field.name] = mask(field, value) if field.public is Disclosure.MASKED else value
    return PublicRecord(
        identifier=record.identifier,
        type_code=record.type_code,
        type_version=record.type_version,
        issuer_code=record.issuer_code,
        edition=record.edition,
        fields=shown,
        issue_date=record.issue_date,
        valid_from=record.valid_from,
        valid_to=record.valid_to,
        specimen=record.specimen,
    )


def public_record_to_json(public: PublicRecord) -> dict[str, object]:
    """As the registry stores it."""
    return {
        "identifier": public.identifier,
        "type": public.type_code,
        "type_version": public.type_version,
        "issuer": public.issuer_code,
        "edition": public.edition,
        "fields": fields_to_json(public.fields),
        "issue_date": public.issue_date.isoformat(),
        "valid_from": public.valid_from.isoformat(),
        "valid_to": None if public.valid_to is None else public.valid_to.isoformat(),
        "specimen": public.specimen,
    }


def public_record_from_json(data: object) -> PublicRecord:
    """Read what `public_record_to_json` made. Raises VermilionError(MALFORMED) for anything else."""
    members = JsonObject(data)
    public = PublicRecord(
        identifier=members.text("identifier", 100),
        type_code=members.text("type", 21),
        type_version=members.integer("type_version", 10**6),
        issuer_code=members.text("issuer", 18),
        edition=members.integer("edition", 999),
        fields=fields_from_json(members.object("fields")),
        issue_date=members.day("issue_date"),
        valid_from=members.day("valid_from"),
        valid_to=members.day_or_none("valid_to"),
        specimen=members.flag("specimen"),
    )
    members.finish()
    if public.valid_to is not None and public.valid_to < public.valid_from:
        raise bad_record("valid_to lies before valid_from")
    return public


def disclose(public: PublicRecord, licence_type: LicenceType | None) -> tuple[Disclosed, ...]:
    """The values, with what their type says of them, in the order of the face; none where the type is not
    known.
    """
    fields, values = licence_type.fields if licence_type is not None else (), public.fields
    masked = Disclosure.MASKED
    return tuple(
        [
            Disclosed(field, values[field.name], field.public is masked)
            for field in fields
            if field.name in values
        ]
    )


def of_role(shown: tuple[Disclosed, ...], role: Role) -> Disclosed | None:
    """The value that plays a role, if it may be shown."""
    return next((value for value in shown if value.field.role is role), None)
