"""A specimen of a licence type with the longest values that its face has room for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from PIL import Image

from keys.errors import VermilionError
from keys.suite import SUITES, ecdsa
from signing.claims import claims_of, encode_claims
from signing.codes import make_identifier
from signing.credential import assemble, link_text, sig_structure
from signing.draw import printed
from signing.face import Face
from signing.field_values import MAX_NUMBER
from signing.fonts import Fonts
from signing.licence_type import Field, FieldKind, LicenceType, Role
from signing.photo import encode_photo
from signing.record import FieldValue, Printout, Record
from signing.text_layout import OVERFLOW, fit

ISSUER = "11990000MB0001011X"  # invented, like everything here
LATEST = date(2099, 12, 31)
LOOKUP_CODE = "7K2M9QXR"


def corpus() -> tuple[str, ...]:
    """Invented names as they occur, with rare characters, and of minority nationalities."""
    lines = Path(__file__).with_name("names.txt").read_text("utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def longest_printout(
    licence_type: LicenceType, face: Face, fonts: Fonts, origin: str
) -> tuple[Printout, dict[str, int]]:
    """A specimen's printout, and for each text that may be longer than its place the characters it has room
    for. Other values come as long as they can be, whether they fit or not.

    Raises VermilionError(INVALID, reason="credential_too_large") where the claims fit no credential.
    """
    letters = "".join(name.replace("·", "") for name in corpus())
    fields: dict[str, FieldValue] = {}
    room: dict[str, int] = {}
    photo: bytes | None = None
    for field in licence_type.fields:
        match field.kind:
            case FieldKind.TEXT | FieldKind.LIST:
                fits = room_for(field, face, fonts, letters)
                if fits < field.max_length:
                    room[field.name] = fits
                text = _filler(letters, max(fits, 1))
                fields[field.name] = (text,) if field.kind is FieldKind.LIST else text
            case FieldKind.PHOTO:
                photo = encode_photo(Image.new("RGB", (358, 441), (222, 232, 242)))
                fields[field.name] = hashlib.sha256(photo).hexdigest()
            case _:
                fields[field.name] = fixed_value(field, licence_type)
    record = _record(licence_type, fields)
    link_id = bytes(range(16))
    claims = claims_of(record, licence_type)
    suite = ecdsa(SUITES["p256-sha256"])
    _, protected = sig_structure(claims, bytes(8), suite.cose_alg, origin, link_id)
    # Noise, since a signature is: how a code scans depends on its modules.
    noise = hashlib.shake_256(licence_type.code.encode()).digest(2 * suite.field_bytes)
    credential = assemble(protected, encode_claims(claims), noise)
    return Printout(record, link_text(origin, link_id), credential, LOOKUP_CODE, photo), room


def fixed_value(field: Field, licence_type: LicenceType) -> str:
    """The longest value of a kind whose values do not vary much in length."""
    match field.kind:
        case FieldKind.CHOICE:
            return max(field.choices, key=len)
        case FieldKind.DATE:
            return LATEST.isoformat()
        case FieldKind.MONTH:
            return LATEST.isoformat()[:7]
        case FieldKind.USCC:
            return ISSUER
        case FieldKind.CITIZEN_ID:
            return "34000019880229031X"
        case FieldKind.PHONE:
            return "0" * min(field.max_length, 24)
        case _:
            return longest_number(licence_type.number.pattern)


def longest_number(pattern: str) -> str:
    """As many digits as the longest number of a pattern has characters, up to the limit of all numbers.

    The face has to hold them; whether they are a number of the type is of no account.
    """
    import re._parser as parser  # type: ignore[import-not-found]  # the one place that knows a pattern's width

    _, longest = parser.parse(pattern).getwidth()
    return "0" * max(1, min(int(longest), MAX_NUMBER))


def room_for(field: Field, face: Face, fonts: Fonts, letters: str) -> int:
    """How many characters of a text, up to its longest, fit each of its places."""

    def fits(count: int) -> bool:
        return fits_all(face, fonts, field.name, printed(FieldKind.TEXT, _filler(letters, count)))

    return _largest(fits, field.max_length)


def fits_all(face: Face, fonts: Fonts, source: str, text: str) -> bool:
    """Whether a text fits each place of a source. Raises VermilionError(INVALID) for a missing glyph."""
    for place in face.values:
        if place.source == source:
            try:
                fit(text, place, fonts.store(place.style.weight).advances)
            except VermilionError as error:
                if error.reason != OVERFLOW:
                    raise
                return False
    return True


def _largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest count for which a condition holds that no larger one meets again; 0 for none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _filler(letters: str, count: int) -> str:
    return (letters * (count // len(letters) + 1))[:count]


def _record(licence_type: LicenceType, fields: Mapping[str, FieldValue]) -> Record:
    number = licence_type.field(Role.NUMBER)
    assert number is not None
    return Record(
        identifier=make_identifier(licence_type.code, ISSUER, "Z" * 16, 999),
        type_code=licence_type.code,
        type_version=licence_type.version,
        issuer_code=ISSUER,
        number=str(fields[number.name]),
        edition=999,
        fields=fields,
        issue_date=LATEST,
        valid_from=LATEST,
        valid_to=LATEST if licence_type.expires else None,
        status_list=999,
        status_index=2**20 - 1,
        specimen=True,
    )
