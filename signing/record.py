"""The canonical record of an edition, and the printout made of it.

A `Record` is what the registry stores and what everything printed derives from. A `Printout` adds
the values that only the paper carries: the link's random id, the QR credential, the look-up code
and the photo. The registry keeps hashes of those (design, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

FieldValue = str | tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class Printout:
    """A record with what only the paper carries."""

    record: Record
    link: str  # "<origin>/c/<22 base64url characters>", no fragment
    credential: bytes  # COSE_Sign1, without the leading version byte
    lookup_code: str  # 8 Crockford base32 characters, printed in two groups of four
    photo: bytes | None  # JPEG as printed
