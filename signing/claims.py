"""The claims of the QR credential (design, section 5): from a record, and against one.

| key | claim | | key | claim |
|---|---|---|---|---|
| 1 | issuer code | | 7 | scope |
| 2 | licence type | | 8 | issue day |
| 3 | licence number | | 9 | first day of validity, if another than 8 |
| 4 | holder's name | | 10 | last day of validity, or null |
| 5 | holder's code | | 11 | edition |
| 6 | representative | | 12 | [status list, index] |

Days count from 1970-01-01 in the registry's civil calendar. Claims 3 to 7 follow the type's `qr` rule, and
what it omits is absent; a text too long ends in "…".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from keys.errors import Kind, VermilionError
from signing import cbor
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
_SHORTENED = (7, 4, 6)  # in this order; numbers and codes are never cut
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
    _shorten(claims)
    return claims


def _shorten(claims: dict[int, object]) -> None:
    if len(cbor.encode(claims)) <= MAX_PAYLOAD:
        return
    for key in _SHORTENED:
        text = claims.get(key)
        while isinstance(text, str) and len(text) > 1 and len(cbor.encode(claims)) > MAX_PAYLOAD:
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


@lru_cache(maxsize=1024)
def decode_claims(payload: bytes) -> Claims:
    """Read a payload; that of one credential is read several times, while it is made and checked.

    Raises VermilionError(MALFORMED) for all but claims of the right types and ranges.
    """
    found = cbor.decode(payload)
    if not isinstance(found, dict):
        raise _malformed("the claims are no map")
    if not {1, 2, 8, 10, 11, 12} <= found.keys() <= set(range(1, 13)):
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
    )


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
        and (claims.number is None or _stands_in(claims.number, [record.number]))
        and all(text is None or _stands_in(text, values) for text in texts)
    )
