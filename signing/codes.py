"""Codes and numbers with check characters, each rule once.

Every function raises `VermilionError` only: MALFORMED when the text has not the shape of the code,
INVALID when it has the shape and breaks a rule. Details never repeat the value, which may be personal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_2, mod_11_10

from keys.errors import Kind, VermilionError

IDENTIFIER_ROOT = "1.2.156.3005.2"
"""Root of licence identifiers, GB/T 36904."""

MAX_EDITION = 999
"""An identifier has three digits for it."""

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32 alphabet: no I, L, O, U."""

LOOKUP_CODE_LENGTH = 8
MAX_SERIAL = 32

_USCC = re.compile(r"[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{10}")
_TYPE_CODE = re.compile(r"[0-9A-HJ-NP-RTUWXY]{18}[0-9]{3}")
_CITIZEN_ID = re.compile(r"[1-9][0-9]{16}[0-9X]")
_SEAL_CODE = re.compile(r"[0-9]{14}")
_SERIAL = re.compile(r"[0-9A-Z]{1,32}")
_IDENTIFIER = re.compile(
    r"1\.2\.156\.3005\.2\.([0-9A-Z]{21})\.([0-9A-Z]{18}|[0-9]{6})\.([0-9A-Z]{1,32})\.([0-9]{3})\.([0-9A-Z])"
)
_FOOD_NUMBER = re.compile(r"JY[0-9]{14}")
_CROCKFORD_READ = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A parsed licence identifier; `edition` counts from 1."""

    type_code: str
    issuer_code: str
    serial: str
    edition: int
    check: str


def _malformed(what: str) -> VermilionError:
    return VermilionError(Kind.MALFORMED, f"not {what}", reason="malformed")


def _bad_check(what: str) -> VermilionError:
    return VermilionError(
        Kind.INVALID, f"the check character of the {what} is wrong", reason="check_character"
    )


_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_AFTER = tuple(
    {one: (((check or 36) * 2) % 37 + value) % 36 for value, one in enumerate(_ALPHABET)}
    for check in range(36)
)
"""ISO 7064 MOD 37,36 as a table: what was left, and the next character, give what is left. It is asked of the
sixty characters of an identifier at each request about a licence.
"""


def _identifier_check(text: str) -> str:
    """The check character of these digits and capitals."""
    left = 18
    for one in text:
        left = _AFTER[left][one]
    return _ALPHABET[(1 - ((left or 36) * 2) % 37) % 36]


@lru_cache(maxsize=4096)
def check_uscc(text: str) -> str:
    """Unified social credit code of GB 32100-2015: 18 characters in capitals. Returns it unchanged."""
    if not _USCC.fullmatch(text):
        raise _malformed("a unified social credit code of 18 capitals and digits")
    if uscc.calc_check_digit(text[:17]) != text[17]:
        raise _bad_check("unified social credit code")
    return text


def check_citizen_id(text: str, today: date) -> date:
    """Citizen identification number of GB 11643-1999. Returns the birth date.

    Refuses an impossible birth date, one after `today` and one before 1880. The division is not looked
    up: codes change every year and numbers keep the old ones.
    """
    if not _CITIZEN_ID.fullmatch(text):
        raise _malformed("a citizen identification number of 18 characters")
    if mod_11_2.calc_check_digit(text[:17]) != text[17]:
        raise _bad_check("citizen identification number")
    try:
        birth = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        birth = None
    if birth is None or birth > today or birth.year < 1880:
        raise VermilionError(
            Kind.INVALID,
            "the citizen identification number holds no possible birth date",
            reason="birth_date",
        )
    return birth


def citizen_is_male(text: str) -> bool:
    """Whether the sequence number of a valid citizen identification number is odd, which means male."""
    return int(text[16]) % 2 == 1


def check_type_code(text: str) -> str:
    """Licence type code of GB/T 36904: USCC of the defining authority and three digits."""
    if not _TYPE_CODE.fullmatch(text):
        raise _malformed("a licence type code of 21 characters")
    check_uscc(text[:18])
    return text


def check_seal_code(text: str) -> str:
    """Seal code as government seals carry it: 6-digit division code and 8 digits; it has no check digit."""
    if not _SEAL_CODE.fullmatch(text):
        raise _malformed("a seal code of 14 digits")
    return text


def check_food_licence_number(text: str) -> str:
    """Food business licence number: JY, then 14 digits of which the last is a check digit.

    Digits: 1 kind of operator, 6 division (GB/T 2260), 6 serial, 1 check. The Measures for food business
    licences give this composition without naming the algorithm. MOD 11,10 (GB/T 17710, ISO 7064) is what
    numbers printed by market regulators follow: five of six taken from public web pages agreed, so expect
    foreign numbers that do not.
    """
    if not _FOOD_NUMBER.fullmatch(text):
        raise _malformed("a food business licence number, JY and 14 digits")
    if mod_11_10.calc_check_digit(text[2:15]) != text[15]:
        raise _bad_check("food business licence number")
    return text


def make_identifier(type_code: str, issuer_code: str, serial: str, edition: int) -> str:
    """Licence identifier of GB/T 36904 with its check character.

    ISO 7064 MOD 37,36 runs over type, issuer, serial and edition without root and dots.
    """
    check_type_code(type_code)
    check_uscc(issuer_code)
    if not _SERIAL.fullmatch(serial):
        raise _malformed(f"a serial of 1 to {MAX_SERIAL} digits and capitals")
    if not 1 <= edition <= MAX_EDITION:
        raise VermilionError(Kind.INVALID, f"editions run from 1 to {MAX_EDITION}", reason="edition")
    parts = (type_code, issuer_code, serial, f"{edition:03}")
    return ".".join((IDENTIFIER_ROOT, *parts, _identifier_check("".join(parts))))


def parse_identifier(text: str) -> Identifier:
    """Parse a licence identifier strictly; type and issuer must hold valid codes too.

    Some provinces put a 6-digit division code where the issuer's USCC belongs: read, never made.
    """
    match = _IDENTIFIER.fullmatch(text)
    if not match:
        raise _malformed("a licence identifier")
    type_code, issuer_code, serial, edition, check = match.groups()
    if _identifier_check(type_code + issuer_code + serial + edition) != check:
        raise _bad_check("licence identifier")
    check_type_code(type_code)
    if len(issuer_code) == 18:
        check_uscc(issuer_code)
    if edition == "000":
        raise VermilionError(Kind.INVALID, "editions run from 1 to 999", reason="edition")
    return Identifier(type_code, issuer_code, serial, int(edition), check)


def normalise_lookup_code(text: str) -> str:
    """The 8 Crockford base32 characters of a look-up code as a person may type them.

    Spaces and hyphens are dropped, small letters raised, and O, I, L read as 0, 1, 1.
    """
    if len(text) > 64:
        raise _malformed("a look-up code of 8 characters")
    code = text.replace(" ", "").replace("-", "").upper().translate(_CROCKFORD_READ)
    if len(code) != LOOKUP_CODE_LENGTH or any(c not in CROCKFORD for c in code):
        raise _malformed("a look-up code of 8 characters")
    return code


def print_lookup_code(code: str) -> str:
    """A look-up code in two groups of four, as faces print it."""
    return f"{code[:4]} {code[4:]}"
