"""The claims of the QR credential (design, section 5): from a record, and against one.

| key | claim | | key | claim |
|---|---|---|---|---|
| 1 | issuer code | | 7 | scope |
| 2 | licence type | | 8 | issue day |
| 3 | licence number | | 9 | first day of validity, if another than 8 |
| 4 | holder's name | | 10 | last day of validity, or null |
| 5 | holder's code | | 11 | edition |
| 6 | representative | | 12 | [status list, index] |
| 13 | purpose | | 15 | last day of the copy |
| 14 | recipient | | | |

Days count from 1970-01-01 in the registry's civil calendar. Claims 3 to 7 follow the type's `qr` rule, and
what it omits is absent; a text too long ends in "…".
Claims 13 to 15 stand together, and in an annotated copy alone (`signing.annotation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from keys.errors import Kind, VermilionError
from signing import cbor
from signing.annotation import MAX_PURPOSE, MAX_RECIPIENT, Annotation
from signing.field_values import is_plain_text
from signing.licence_type import Disclosure, FieldKind, LicenceType, Role
from signing.masking import is_mask_of, mask
from signing.record import LIST_JOIN, Record

MAX_PAYLOAD = 315
"""Bytes of encoded claims that make a credential of 400 bytes with an ES256 signature and an 8-byte kid."""

ELLIPSIS = "…"
_EPOCH = date(1970, 1, 1)
_TEXT_CLAIMS = {
    3: Role.NUMBER,
    4: Role.HOLDER_NAME,
    5: Role.HOLDER_CODE,
    6: Role.REPRESENTATIVE,
    7: Role.SCOPE,
}
_SHORTENED = ((7, 1), (4, 1), (6, 1))  # in this order, to so many characters; numbers and codes are never cut
_OF_A_COPY = frozenset({13, 14, 15})
_SHORTENED_COPY = ((7, 1), (6, 1), (13, 16), (14, 16), (4, 1), (13, 1), (14, 1))
"""What a copy is for comes before what its licence permits, which is read on the face."""
_CODE = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LAST_DAY = (date.max - _EPOCH).days


@dataclass(frozen=True, slots=True)
class Claims:
    """Decoded claims. A text may be a mask of the printed value, or its beginning with "…"."""

    issuer_code: str
    type_code: str
    number: str | None
    holder_name: str | None
    holder_code: str | None
    representative: str | None
    scope: str | None
    issue_date: date
    valid_from: date
    valid_to: date | None
    edition: int
    status_list: int
    status_index: int
    copy: Annotation | None = None


def days(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def _printed(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else LIST_JOIN.join(value)


def claims_of(record: Record, licence_type: LicenceType) -> dict[int, object]:
    """The claims that the QR credential of a record carries, integer-keyed and ready to be encoded.

    Scope, then names, are cut with "…" until the encoding fits MAX_PAYLOAD. Raises VermilionError(INVALID)
    when even that does not help, for a record of another type, and for a citizen number that would stand in
    full.
    """
    if record.type_code != licence_type.code:
        raise VermilionError(Kind.INVALID, "the record is of another type", reason="type")
    claims: dict[int, object] = {1: record.issuer_code, 2: record.type_code}
    for key, role in _TEXT_CLAIMS.items():
        field = licence_type.field(role)
        if field is None or field.qr is Disclosure.OMITTED:
            continue
        value = record.number if role is Role.NUMBER else record.fields.get(field.name)
        if value is None:
            continue
        if field.qr is Disclosure.MASKED:
            value = mask(field, value)
        elif field.kind is FieldKind.CITIZEN_ID:
            raise VermilionError(
                Kind.INVALID, "a citizen number is never carried in full", reason="citizen_id"
            )
        claims[key] = _printed(value)
    claims[8] = days(record.issue_date)
    if record.valid_from != record.issue_date:
        claims[9] = days(record.valid_from)
    claims[10] = None if record.valid_to is None else days(record.valid_to)
    claims[11] = record.edition
    claims[12] = [record.status_list, record.status_index]
    if record.copy is not None:
        claims |= {13: record.copy.purpose, 14: record.copy.recipient, 15: days(record.copy.valid_to)}
    _shorten(claims)
    return claims


def _shorten(claims: dict[int, object]) -> None:
    if len(cbor.encode(claims)) <= MAX_PAYLOAD:
        return
    for key, least in _SHORTENED_COPY if claims.keys() >= _OF_A_COPY else _SHORTENED:
        text = claims.get(key)
        while isinstance(text, str) and len(text) > least and len(cbor.encode(claims)) > MAX_PAYLOAD:
            text = text.removesuffix(ELLIPSIS)[:-1]
            claims[key] = text + ELLIPSIS
    if len(cbor.encode(claims)) > MAX_PAYLOAD:
        raise VermilionError(
            Kind.INVALID, "the claims do not fit a QR credential", reason="credential_too_large"
        )


def encode_claims(claims: dict[int, object]) -> bytes:
    """The payload: deterministic CBOR of claims as `claims_of` makes them."""
    return cbor.encode(claims)


def _malformed(what: str) -> VermilionError:
    return VermilionError(Kind.MALFORMED, f"not a credential: {what}", reason="credential")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not is_plain_text(value):
        raise _malformed("a claim must be a plain text")
    return value


def _code(value: object, length: int) -> str:
    text = _text(value)
    if len(text) != length or not _CODE.issuperset(text):
        raise _malformed("a claim must be a code")
    return text


def _number(value: object, least: int, largest: int) -> int:
    if type(value) is not int or not least <= value <= largest:
        raise _malformed("a claim must be a number in its range")
    return value


def _day(value: object) -> date:
    return _EPOCH + timedelta(days=_number(value, 0, _LAST_DAY))


@lru_cache(maxsize=256)
def decode_claims(payload: bytes) -> Claims:
    """Read a payload; that of one credential is read several times, while it is made and checked.

    Raises VermilionError(MALFORMED) for all but claims of the right types and ranges.
    """
    found = cbor.decode(payload)
    if not isinstance(found, dict):
        raise _malformed("the claims are no map")
    copied = _OF_A_COPY & found.keys()
    if not {1, 2, 8, 10, 11, 12} <= found.keys() <= set(range(1, 16)) or copied not in (set(), _OF_A_COPY):
        raise _malformed("a claim is missing, or one too many is there")
    place = found[12]
    if not isinstance(place, list) or len(place) != 2:
        raise _malformed("the place in the status lists is no pair")
    texts = {key: _text(found[key]) if key in found else None for key in _TEXT_CLAIMS}
    issue_date = _day(found[8])
    valid_from = _day(found[9]) if 9 in found else issue_date
    valid_to = None if found[10] is None else _day(found[10])
    if 9 in found and valid_from == issue_date:
        raise _malformed("the first day of validity is said twice")
    if valid_to is not None and valid_to < valid_from:
        raise _malformed("it ends before it begins")
    return Claims(
        issuer_code=_code(found[1], 18),
        type_code=_code(found[2], 21),
        number=texts[3],
        holder_name=texts[4],
        holder_code=texts[5],
        representative=texts[6],
        scope=texts[7],
        issue_date=issue_date,
        valid_from=valid_from,
        valid_to=valid_to,
        edition=_number(found[11], 1, 999),
        status_list=_number(place[0], 0, 2**32 - 1),
        status_index=_number(place[1], 0, 2**32 - 1),
        copy=_annotation(found, valid_to) if copied else None,
    )


def _annotation(found: Mapping[int, object], valid_to: date | None) -> Annotation:
    purpose, recipient, last = _text(found[13]), _text(found[14]), _day(found[15])
    if len(purpose) > MAX_PURPOSE or len(recipient) > MAX_RECIPIENT:
        raise _malformed("an annotation is too long")
    if valid_to is not None and last > valid_to:
        raise _malformed("a copy is valid for longer than its licence")
    return Annotation(purpose, recipient, last)


def _stands_in(claim: str, values: list[str]) -> bool:
    beginning = claim[:-1] if claim.endswith(ELLIPSIS) else None
    return any(
        claim == value
        or is_mask_of(claim, value)
        or (beginning is not None and len(beginning) < len(value) and value.startswith(beginning))
        for value in values
    )


def agree(claims: Claims, record: Record) -> bool:
    """Whether each claim is a value of the record, the mask of one, or its beginning with "…"."""
    values = [_printed(value) for value in record.fields.values()]
    texts = (claims.holder_name, claims.holder_code, claims.representative, claims.scope)
    return (
        claims.issuer_code == record.issuer_code
        and claims.type_code == record.type_code
        and claims.issue_date == record.issue_date
        and claims.valid_from == record.valid_from
        and claims.valid_to == record.valid_to
        and claims.edition == record.edition
        and claims.status_list == record.status_list
        and claims.status_index == record.status_index
        and _same_copy(claims.copy, record.copy)
        and (claims.number is None or _stands_in(claims.number, [record.number]))
        and all(text is None or _stands_in(text, values) for text in texts)
    )


def _same_copy(claimed: Annotation | None, annotated: Annotation | None) -> bool:
    """A copy's credential is another document's than its original's: neither goes with the other's record."""
    if claimed is None or annotated is None:
        return claimed is annotated
    return (
        claimed.valid_to == annotated.valid_to
        and _is_or_begins(claimed.purpose, annotated.purpose)
        and _is_or_begins(claimed.recipient, annotated.recipient)
    )


def _is_or_begins(claim: str, text: str) -> bool:
    beginning = claim.removesuffix(ELLIPSIS)
    return claim == text or (beginning != claim and len(beginning) < len(text) and text.startswith(beginning))
