"""Whether the signer of a file is who is said to have signed it: by what their certificate says of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from signing.report import INDETERMINATE, PASSED, Signature


class Match(StrEnum):
    """The best first. `by_code`: the certificate has their code. `by_name`: it has their name, and no code of
    anybody's.
    """

    BY_CODE = "by_code"
    BY_NAME = "by_name"
    ANOTHER = "another"  # it names somebody else
    UNPROVEN = "unproven"  # no signature that a known authority vouches for is whole
    UNSIGNED = "unsigned"
    UNKNOWN = "unknown"  # the file could not be examined to its end


THEIRS = frozenset({Match.BY_CODE, Match.BY_NAME})


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signed, as the certificate has it; `proven`: the signature is whole, and theirs."""

    names: tuple[str, ...]
    identifiers: tuple[str, ...]
    proven: bool


# ETSI EN 319 412-1, 5.1.3 and 5.1.4: kind of identity, country, and the identifier.
_SEMANTICS = re.compile(r"(?:PAS|IDC|PNO|TAX|TIN|NTR|VAT|LEI)[A-Z]{2}-")
_CODE = re.compile(r"[0-9A-Z]{18}")  # of a person or an organisation: GB 11643, GB 32100


def signatories(signatures: Sequence[Signature]) -> tuple[Signatory, ...]:
    """Those of the signatures; time-stamps have none."""
    return tuple(
        Signatory(one.names, one.identifiers, one.certified and _holds(one))
        for one in signatures
        if one.kind == "signature"
    )


def match_of(found: Sequence[Signatory], name: str, code: str) -> Match:
    """The best that the signatories say of whether one of them is who has this name and code."""
    said = {match_one(one, name, code) for one in found}
    return next((one for one in Match if one in said), Match.UNSIGNED)


def match_one(one: Signatory, name: str, code: str) -> Match:
    """As `match_of`, of one of them. A code of somebody else's outweighs an equal name."""
    if not one.proven:
        return Match.UNPROVEN
    codes = {_plain_code(said) for said in one.identifiers}
    if _plain_code(code) in codes:
        return Match.BY_CODE
    if any(map(_CODE.fullmatch, codes)):
        return Match.ANOTHER
    return Match.BY_NAME if _plain(name) in set(map(_plain, one.names)) else Match.ANOTHER


def _holds(one: Signature) -> bool:
    """It passed, or all that is missing is word of its authority that the certificate was good: few programs
    that people sign with put it into the file.
    """
    return one.indication == PASSED or (one.indication, one.sub_indication) == (INDETERMINATE, "TRY_LATER")


def _plain_code(text: str) -> str:
    upper = unicodedata.normalize("NFKC", text).upper().strip()
    return re.sub(r"[\s-]", "", _SEMANTICS.sub("", upper, count=1))


def _plain(text: str) -> str:
    """Names as people write them: full-width forms, brackets and spaces are no difference."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if not char.isspace())
