"""The canonical record of an edition, and the printout made of it.

A `Record` is what the registry stores and what everything printed derives from. A `Printout` adds
the values that only the paper carries: the link's random id, the QR credential, the look-up code
and the photo. The registry keeps hashes of those (design, section 4.1).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from urllib.parse import urlsplit

from keys.canonical import canonical_json, strict_json
from keys.errors import Fault, Kind, VermilionError
from signing.annotation import Annotation, annotation_from_json, annotation_to_json
from signing.codes import (
    IDENTIFIER_ROOT,
    check_type_code,
    check_uscc,
    normalise_lookup_code,
    parse_identifier,
)
from signing.document import MAX_SEALS
from signing.field_values import (
    MAX_ITEMS,
    FieldFault,
    check_against_citizen_id,
    is_plain_text,
    parse_number,
    parse_value,
)
from signing.json_object import JsonObject, bad_record
from signing.licence_type import FieldKind, LicenceType, Role

FieldValue = str | tuple[str, ...]
LIST_JOIN = "；"  # between the items of a LIST, wherever a list is shown as one line


@dataclass(frozen=True, slots=True)
class RecordSeal:
    """A seal edition that a joint licence is sealed with, by its certificate: each edition has its own."""

    agency: str  # USCC
    certificate_sha256: str  # lower-case hex, of the certificate's DER


@dataclass(frozen=True, slots=True)
class Record:
    """One edition of a licence, as sealed. Dates are civil days of the registry's zone."""

    identifier: str
    type_code: str
    type_version: int
    issuer_code: str  # USCC
    number: str
    edition: int
    fields: Mapping[str, FieldValue]  # by field name, canonical values
    issue_date: date
    valid_from: date
    valid_to: date | None  # inclusive; None: no expiry
    status_list: int
    status_index: int
    specimen: bool  # the face says 样本 SPECIMEN
    seals: tuple[RecordSeal, ...] = ()  # of a joint licence all, the issuer's first; else none is named
    copy: Annotation | None = None  # of an annotated copy, whose slot in the status lists is its own


@dataclass(frozen=True, slots=True)
class Printout:
    """A record with what only the paper carries."""

    record: Record
    link: str  # "<origin>/c/<22 base64url characters>", no fragment
    credential: bytes  # COSE_Sign1, without the leading version byte
    lookup_code: str  # 8 Crockford base32 characters, printed in two groups of four
    photo: bytes | None  # JPEG as printed


MAX_PRINTOUT_BYTES = 64 * 1024
MAX_CREDENTIAL_BYTES = 1024

_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_LINK_PATH = re.compile(r"/c/[A-Za-z0-9_-]{22}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?")


def record_to_json(record: Record) -> dict[str, object]:
    """The record as the JSON object that is stored, attached to documents and digested."""
    seals = [{"agency": one.agency, "certificate": one.certificate_sha256} for one in record.seals]
    further: dict[str, object] = {"seals": seals} if seals else {}
    if record.copy is not None:
        further["copy"] = annotation_to_json(record.copy)
    return further | {
        "identifier": record.identifier,
        "type": record.type_code,
        "type_version": record.type_version,
        "issuer": record.issuer_code,
        "number": record.number,
        "edition": record.edition,
        "fields": fields_to_json(record.fields),
        "issue_date": record.issue_date.isoformat(),
        "valid_from": record.valid_from.isoformat(),
        "valid_to": None if record.valid_to is None else record.valid_to.isoformat(),
        "status_list": record.status_list,
        "status_index": record.status_index,
        "specimen": record.specimen,
    }


def fields_to_json(fields: Mapping[str, FieldValue]) -> dict[str, object]:
    return {name: value if isinstance(value, str) else list(value) for name, value in fields.items()}


def fields_from_json(fields: Mapping[str, object]) -> dict[str, FieldValue]:
    """Raises VermilionError(MALFORMED) for names or values that no record has."""
    if len(fields) > 100 or not all(isinstance(name, str) and _FIELD_NAME.fullmatch(name) for name in fields):
        raise bad_record("a field has an impossible name")
    texts: list[str] = []
    values = {name: _field_value(value, texts) for name, value in fields.items()}
    if not is_plain_text(" ".join(texts)):  # where a space stands, nothing composes: each is if all are
        raise _no_text()
    return values


def _field_value(value: object, texts: list[str]) -> FieldValue:
    if not isinstance(value, list):
        return _field_text(value, texts)
    if not 1 <= len(value) <= MAX_ITEMS:
        raise bad_record("a field value has too many items, or none")
    return tuple([_field_text(item, texts) for item in value])


def _field_text(value: object, texts: list[str]) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 2000:
        raise _no_text()
    texts.append(value)
    return value


def _no_text() -> VermilionError:
    return bad_record("a field value must be a text or a list of texts")


def record_from_json(data: object) -> Record:
    """Read what `record_to_json` made. Raises VermilionError(MALFORMED or INVALID) for anything else."""
    members = JsonObject(data)
    fields = fields_from_json(members.object("fields"))
    record = Record(
        identifier=members.text("identifier", 100),
        type_code=check_type_code(members.text("type", 21)),
        type_version=members.integer("type_version", 10**6),
        issuer_code=check_uscc(members.text("issuer", 18)),
        number=members.text("number", 100),
        edition=members.integer("edition", 999),
        fields=fields,
        issue_date=members.day("issue_date"),
        valid_from=members.day("valid_from"),
        valid_to=members.day_or_none("valid_to"),
        status_list=members.integer("status_list", 2**32 - 1),
        status_index=members.integer("status_index", 2**32 - 1),
        specimen=members.flag("specimen"),
        seals=_record_seals(members),
        copy=annotation_from_json(members.object("copy")) if members.has("copy") else None,
    )
    members.finish()
    if record.copy is not None and record.valid_to is not None and record.copy.valid_to > record.valid_to:
        raise bad_record("a copy is valid for longer than its licence")
    if record.seals and record.seals[0].agency != record.issuer_code:
        raise bad_record("the first seal is another agency's than the issuer's")
    if record.valid_to is not None and record.valid_to < record.valid_from:
        raise bad_record("valid_to lies before valid_from")
    if not record.identifier.startswith(IDENTIFIER_ROOT):
        raise bad_record("the identifier has another root")
    identifier = parse_identifier(record.identifier)
    if (identifier.type_code, identifier.issuer_code, identifier.edition) != (
        record.type_code,
        record.issuer_code,
        record.edition,
    ):
        raise bad_record("the identifier names another type, issuer or edition")
    return record


def _record_seals(members: JsonObject) -> tuple[RecordSeal, ...]:
    if not members.has("seals"):
        return ()
    seals = []
    for item in members.array("seals", MAX_SEALS):
        one = JsonObject(item)
        agency, certificate = check_uscc(one.text("agency", 18)), one.text("certificate", 64)
        one.finish()
        if not _SHA256.fullmatch(certificate):
            raise bad_record("a seal is named by no digest")
        seals.append(RecordSeal(agency, certificate))
    if len(seals) < 2 or len({one.certificate_sha256 for one in seals}) != len(seals):
        raise bad_record("a joint licence names two seals or three, and none twice")
    return tuple(seals)


def check_link(link: str) -> str:
    """A printed link: http or https, a small-letter host, the path /c/ and 22 base64url characters."""
    try:
        parts = urlsplit(link)
    except ValueError:
        raise bad_record("the link is no URL") from None
    if (
        len(link) > 320
        or parts.scheme not in {"http", "https"}
        or not _HOST.fullmatch(parts.netloc)
        or not _LINK_PATH.fullmatch(parts.path)
        or link != f"{parts.scheme}://{parts.netloc}{parts.path}"
    ):
        raise bad_record("the link has another shape")
    return link


def _base64url_encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _base64url_decode(text: str) -> bytes:
    if not _BASE64URL.fullmatch(text):
        raise bad_record("the credential is not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise bad_record("the credential is not base64url") from None
    if _base64url_encode(data) != text:
        raise bad_record("the credential is not canonical base64url")
    return data


def printout_to_json(printout: Printout) -> bytes:
    """The printed record: what is attached to the PDF. The photo is left out; the record has its digest."""
    return canonical_json(
        {
            "record": record_to_json(printout.record),
            "link": printout.link,
            "credential": _base64url_encode(printout.credential),
            "lookup_code": printout.lookup_code,
        }
    )


def printout_from_json(data: bytes) -> Printout:
    """Read a printed record. Raises VermilionError for anything `printout_to_json` does not make."""
    members = JsonObject(strict_json(data, max_bytes=MAX_PRINTOUT_BYTES, max_depth=8))
    record = record_from_json(members.object("record"))
    link = check_link(members.text("link", 320))
    credential = _base64url_decode(members.text("credential", 2 * MAX_CREDENTIAL_BYTES))
    lookup_code = members.text("lookup_code", 8)
    members.finish()
    if not 0 < len(credential) <= MAX_CREDENTIAL_BYTES:
        raise bad_record("the credential is too large")
    if normalise_lookup_code(lookup_code) != lookup_code:
        raise bad_record("the look-up code is not in its normal form")
    printout = Printout(record, link, credential, lookup_code, None)
    if printout_to_json(printout) != data:
        raise bad_record("it is not in its canonical form")
    return printout


@dataclass(frozen=True, slots=True)
class Submission:
    """What a request says of a licence: canonical values, and the photo they name by its digest."""

    fields: Mapping[str, FieldValue]
    photo: bytes | None


def parse_submission(
    licence_type: LicenceType,
    submitted: Mapping[str, object],
    today: date,
    *,
    number: object = None,
    kept_photo: bytes | None = None,
) -> Submission:
    """Check and normalise the values of a request; every fault is collected before any is raised.

    `submitted` holds JSON values by field name; `today` is the registry's civil day. The licence number
    stands either in `submitted` under its field's name or apart in `number`. `kept_photo` is the photo as an
    earlier edition printed it, which stays where none is submitted. Raises
    VermilionError(INVALID) with one fault a field, `/fields/<name>`, and `/number` for a number apart.
    """
    from signing.photo import parse_photo  # brings in Pillow, which reading a record does not need

    faults: list[Fault] = []
    values: dict[str, FieldValue] = {}
    photo: bytes | None = None
    names = {field.name for field in licence_type.fields}
    unknown = sorted(name for name in submitted if name not in names)
    for name in unknown[:20]:
        # An unknown name is hostile text: it is not repeated but for a short printable form.
        shown = name if _FIELD_NAME.fullmatch(name) else "?"
        faults.append(Fault(f"/fields/{shown}", "unknown_field", "the licence type has no such field"))
    for field in licence_type.fields:
        pointer = f"/fields/{field.name}"
        raw = submitted.get(field.name)
        try:
            if field.role is Role.ISSUER_NAME:
                if field.name in submitted:
                    raise FieldFault("not_accepted", "the registry fills in the issuer's name")
                continue
            if field.role is Role.NUMBER:
                if licence_type.number.given_by == "registry":
                    if raw is not None or number is not None:
                        raise FieldFault("not_accepted", "the registry gives the number")
                    continue
                if number is not None:
                    if raw is not None:
                        raise FieldFault("given_twice", "the number is given twice")
                    pointer, raw = "/number", number
            if raw is None and kept_photo is not None and field.kind is FieldKind.PHOTO:
                values[field.name], photo = sha256(kept_photo).hexdigest(), kept_photo
                continue
            if raw is None:
                if field.required:
                    raise FieldFault("missing", "a value is required")
                continue
            if field.kind is FieldKind.NUMBER:
                values[field.name] = parse_number(licence_type.number, raw)
            elif field.kind is FieldKind.PHOTO:
                values[field.name], photo = parse_photo(raw)
            else:
                values[field.name] = parse_value(field, raw, today)
        except FieldFault as fault:
            faults.append(Fault(pointer, fault.reason, fault.detail))
    faults += _faults_between_fields(licence_type, values, today)
    if faults:
        raise VermilionError(
            Kind.INVALID,
            "the values do not fit the licence type",
            reason="invalid_fields",
            faults=tuple(faults),
        )
    return Submission(values, photo)


def parse_fields(
    licence_type: LicenceType, submitted: Mapping[str, object], today: date, *, number: object = None
) -> dict[str, FieldValue]:
    """The canonical values of `parse_submission`, for types without a photo or where it is kept apart."""
    return dict(parse_submission(licence_type, submitted, today, number=number).fields)


def check_number(licence_type: LicenceType, number: str) -> str:
    """A licence number by its type's rule. Raises VermilionError(INVALID) with the fault `/number`."""
    try:
        return parse_number(licence_type.number, number)
    except FieldFault as fault:
        raise VermilionError(
            Kind.INVALID,
            fault.detail,
            reason=fault.reason,
            faults=(Fault("/number", fault.reason, fault.detail),),
        ) from None


def _faults_between_fields(
    licence_type: LicenceType, values: Mapping[str, FieldValue], today: date
) -> list[Fault]:
    faults = []
    issued, until = (licence_type.field(role) for role in (Role.ISSUE_DATE, Role.VALID_TO))
    issued_on = str(values[issued.name]) if issued and issued.name in values else None
    if issued and issued_on and issued_on > today.isoformat():
        faults.append(Fault(f"/fields/{issued.name}", "in_future", "the issue date lies after today"))
    if until and issued_on and until.name in values and str(values[until.name]) < issued_on:
        faults.append(Fault(f"/fields/{until.name}", "before_issue", "it lies before the issue date"))
    for name, reason, detail in check_against_citizen_id(licence_type, values):
        faults.append(Fault(f"/fields/{name}", reason, detail))
    return faults
